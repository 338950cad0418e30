/* Drawing a device. Where a number says "chosen", it was chosen so that the tables of shared
 * measurements (docs/benchmarks.md) lie well inside. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learn/world.h"

typedef struct kind {
    const char *name;
    double speed;   /* median, relative to one CPU core */
    double scatter; /* deviation of the logarithm over models: how much a model's place matters */
    double power_w;
} kind;

/* Medians and scatter chosen after the spread within published tables. */
static const kind kinds[] = {
    {"cpu", 2.0, 0.35, 4.0}, {"gpu", 2.5, 0.7, 3.0},  {"npu", 8, 0.9, 2.0},
    {"dsp", 5, 0.8, 1.0},    {"igpu", 2.0, 0.6, 5.0}, {"cpu_little", 0.5, 0.35, 1.0},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static double lognormal(rng *r, double deviation)
{
    return exp(deviation * rng_normal(r));
}

static bool chance(rng *r, double probability)
{
    return rng_unit(r) < probability;
}

static double between(rng *r, double low, double high)
{
    return low + (high - low) * rng_unit(r);
}

static void add(world *w, const char *name)
{
    snprintf(w->names[w->processor_count++], sizeof w->names[0], "%s", name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Names say which exclude each other: sim/processors.h. */
static void draw_names(world *w, rng *r, int *cores)
{
    char name[16];
    *cores = 0;
    if (chance(r, 0.4)) {
        *cores = chance(r, 0.6) ? 2 : 4;
        for (int c = 0; c < *cores; c++) {
            snprintf(name, sizeof name, "cpu%d", c);
            add(w, name);
        }
        if (*cores == 4 && chance(r, 0.7)) {
            add(w, "cpu0-1");
            add(w, "cpu2-3");
        }
        if (*cores == 2 || chance(r, 0.7))
            add(w, *cores == 2 ? "cpu0-1" : "cpu0-3");
    }
    const int more = *cores ? (int)rng_below(r, 3) : 2 + (int)rng_below(r, 3);
    for (int i = 0; i < more; i++) {
        const kind *k = &kinds[*cores ? 1 + rng_below(r, KINDS - 2) : rng_below(r, KINDS)];
        const int copies = chance(r, 0.15) ? 2 + (int)rng_below(r, 2) : 1;
        for (int c = 0; c < copies && w->processor_count < WORLD_DRAWN_PROCESSORS_MAX; c++) {
            snprintf(name, sizeof name, "%s_%c%d", k->name, 'a' + i, c);
            add(w, name);
        }
    }
    qsort(w->names, (size_t)w->processor_count, sizeof w->names[0], by_name);
}

static const kind *kind_of(const char *name)
{
    const kind *best = &kinds[0];
    for (int k = 0; k < KINDS; k++)
        if (strncmp(name, kinds[k].name, strlen(kinds[k].name)) == 0 &&
            strlen(kinds[k].name) >= strlen(best->name))
            best = &kinds[k];
    return best;
}

/* Copies and cores of one cluster are alike: they draw from the same stream. */
static uint64_t stream_of(const world *w, int p)
{
    const char *name = w->names[p];
    if (strncmp(name, "cpu", 3) == 0 && name[3] != '_')
        return 7;
    const char *mark = strrchr(name, '_');
    return 100 + (uint64_t)(mark ? mark[1] : 0) + 1000 * (uint64_t)(kind_of(name) - kinds);
}

typedef struct draws {
    double work_ms[WORLD_DRAWN_MODELS_MAX];
    double core_gain; /* k cores are k^this as fast as one */
    double missing;   /* part of the pairs that cannot run */
    double wide;      /* how much the place matters, times the kind's */
    bool energy;
} draws;

static void draw_pair(world *w, const draws *d, rng *r, int m, int p, double speed, double power)
{
    const int units = __builtin_popcountll(w->processors[p].units);
    const double here = lognormal(r, kind_of(w->names[p])->scatter * d->wide);
    const double fixed = between(r, -0.15,
                                 0.6); /* part of a run that a batch shares; < 0: it hurts */
    const double watts = power * lognormal(r, 0.15);
    const double one_ms = d->work_ms[m] / (speed * here * pow(units, d->core_gain));
    for (int b = 0; b < w->costs.batch_count; b++) {
        const int size = w->costs.batches[b];
        const double ms = fmax(one_ms * (fixed + (1 - fixed) * size), 0.01);
        cost_cell *cell = cost_at(&w->costs, m, p, b);
        cell->service_ns = (int64_t)(ms * 1e6);
        cell->energy_uj = d->energy ? (int64_t)(ms * 1e3 * watts * pow(units, 0.8)) : 0;
    }
}

static void forget_pair(world *w, int m, int p)
{
    for (int b = 0; b < w->costs.batch_count; b++)
        cost_at(&w->costs, m, p, b)->service_ns = 0;
}

/* Some pairs cannot run; each model keeps one. */
static void thin_out(world *w, const draws *d, rng *r)
{
    for (int m = 0; m < w->model_count; m++) {
        const int keep = (int)rng_below(r, (uint64_t)w->processor_count);
        for (int p = 0; p < w->processor_count; p++) {
            rng pair;
            rng_init(&pair, w->seed ^ (stream_of(w, p) * 8191 + (uint64_t)m * 131));
            if (rng_unit(&pair) < d->missing && stream_of(w, p) != stream_of(w, keep))
                forget_pair(w, m, p);
        }
    }
}

cosrel_status world_draw_device(world *w, rng *r)
{
    static const int32_t sizes[] = {1, 2, 4, 8};
    const char *names[WORLD_DRAWN_PROCESSORS_MAX];
    draws d = {.core_gain = between(r, 0.75, 1.0),
               .missing = chance(r, 0.4) ? between(r, 0, 0.5) : 0,
               .wide = between(r, 0.4, 1.5),
               .energy = chance(r, 0.75)};
    int cores;
    draw_names(w, r, &cores);
    for (int p = 0; p < w->processor_count; p++)
        names[p] = w->names[p];
    cosrel_status status = processors_from_names(names, w->processor_count, w->processors, NULL);
    if (status != COSREL_OK)
        return status;
    w->model_count = 2 +
                     (int)(rng_below(r, WORLD_DRAWN_MODELS_MAX - 1) * (0.3 + 0.7 * rng_unit(r)));
    status = cost_init(&w->costs, w->model_count, w->processor_count, sizes,
                       chance(r, 0.4) ? 2 + (int)rng_below(r, 3) : 1);
    if (status != COSREL_OK)
        return status;
    w->costs.model_count = w->model_count;
    const double decades = between(r, 0.3, 1.3);
    for (int m = 0; m < w->model_count; m++)
        d.work_ms[m] = 40 * pow(10, decades * rng_normal(r) * 0.6);
    for (int p = 0; p < w->processor_count; p++) {
        rng own;
        rng_init(&own, w->seed * 977 + stream_of(w, p));
        const double speed = kind_of(w->names[p])->speed * lognormal(&own, 0.5);
        const double power = kind_of(w->names[p])->power_w * lognormal(&own, 0.4);
        for (int m = 0; m < w->model_count; m++)
            draw_pair(w, &d, &own, m, p, speed, power);
    }
    thin_out(w, &d, r);
    return COSREL_OK;
}

cosrel_status world_take_device(world *w, const sim_device *device)
{
    const cost_table *from = &device->costs;
    w->processor_count = device->processor_count;
    w->model_count = device->model_count;
    if (w->model_count > WORLD_MODELS_MAX)
        return COSREL_UNSUPPORTED;
    memcpy(w->processors, device->processors, (size_t)w->processor_count * sizeof *w->processors);
    const cosrel_status status = cost_init(&w->costs, w->model_count, w->processor_count,
                                           from->batches, from->batch_count);
    if (status != COSREL_OK)
        return status;
    w->costs.model_count = w->model_count;
    for (int m = 0; m < w->model_count; m++)
        for (int p = 0; p < w->processor_count; p++)
            for (int b = 0; b < from->batch_count; b++)
                *cost_at(&w->costs, m, p, b) = *cost_at(from, m, p, b);
    return COSREL_OK;
}
