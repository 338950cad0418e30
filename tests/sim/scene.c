/* Worlds are small, so that a run of the test sees thousands of them, and odd: models that nothing
 * can run, rows in one instant, queues that are full, loads above the capacity.
 *
 * At most one random number is drawn per expression: C leaves the order to the compiler, and the
 * worlds must be the same with every one. */
#include "scene.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

static const char *const policies[SCENE_POLICIES] = {
    "single",      "round-robin", "static-best", "shortest-latency", "heft",
    "least-slack", "max-weight",  "min-min",     "priced",           "lookahead:5"};

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "scene.c:%d: broken: %s\n", __LINE__, #condition);                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static int upto(rng *r, int n) /* 0 .. n-1 */
{
    return (int)rng_below(r, (uint64_t)n);
}

static bool chance(rng *r, double p)
{
    return rng_unit(r) < p;
}

static double between(rng *r, double least, double most)
{
    return least + (most - least) * rng_unit(r);
}

/* ---- The device ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const sched_processor *)a)->name, ((const sched_processor *)b)->name);
}

static void add_processor(scene *s, uint64_t units, int level, const char *name)
{
    const int p = s->setup.sched.processor_count++;
    snprintf(s->names[p], sizeof s->names[p], "%s", name);
    s->processors[p] = (sched_processor){.name = s->names[p], .units = units, .level = level};
}

/* Cores, sets of them, workers of the idle class beneath some, and accelerators. */
static void make_board(scene *s, rng *r)
{
    const int cores = 1 + upto(r, 4);
    const bool background = chance(r, 0.4);
    char name[24];
    for (int c = 0; c < cores; c++) {
        snprintf(name, sizeof name, "cpu%d", c);
        add_processor(s, (uint64_t)1 << c, 0, name);
        snprintf(name, sizeof name, "cpu%d.bg", c);
        if (background && s->setup.sched.processor_count < 6)
            add_processor(s, (uint64_t)1 << c, 1, name);
    }
    if (cores > 1) {
        snprintf(name, sizeof name, "cpu0-%d", cores - 1);
        add_processor(s, ((uint64_t)1 << cores) - 1, 0, name);
    }
    if (cores > 2 && chance(r, 0.5))
        add_processor(s, 5, 0, "cpu0+2");
    if (chance(r, 0.5))
        add_processor(s, (uint64_t)1 << 10, 0, "gpu0");
    if (chance(r, 0.3))
        add_processor(s, (uint64_t)1 << 11, 0, "npu0");
}

/* Any units, apart or not. */
static void make_processors(scene *s, rng *r)
{
    const bool shared = chance(r, 0.5);
    const int kind = upto(r, 3), count = kind == 0 ? 1 : 1 + upto(r, 10);
    if (kind == 2) {
        make_board(s, r);
        return;
    }
    for (int p = 0; p < count; p++) {
        char name[24];
        uint64_t units = (uint64_t)1 << (shared ? upto(r, 6) : p);
        while (shared && upto(r, 3) == 0)
            units |= (uint64_t)1 << upto(r, 6);
        snprintf(name, sizeof name, "p%d", p);
        add_processor(s, units, shared && p > 0 && upto(r, 6) == 0, name);
    }
}

static void make_costs(scene *s, rng *r)
{
    static const int32_t batches[] = {1, 2, 4, 7, 64};
    const int models = 1 + upto(r, chance(r, 0.5) ? 5 : SCENE_MODELS);
    const int processors = s->setup.sched.processor_count;
    const double missing = chance(r, 0.3) ? 0 : between(r, 0, 0.6);
    REQUIRE(cost_init(&s->costs, models, processors, batches, 1 + upto(r, 5)) == COSREL_OK);
    s->costs.model_count = models;
    for (int m = 0; m < models; m++) {
        const double wide = rng_unit(r), scale_ms = 0.05 + 30 * wide * rng_unit(r);
        snprintf(s->model_names[m], sizeof s->model_names[m], "m%02d", m);
        s->models[m] = s->model_names[m];
        for (int p = 0; p < processors; p++) {
            const double one_ms = scale_ms * between(r, 0.3, 3), gain = between(r, 0.1, 1.1);
            const bool runs = !chance(r, missing);
            for (int b = 0; runs && b < s->costs.batch_count; b++) {
                if (b > 0 && chance(r, 0.2))
                    continue;
                cost_cell *cell = cost_at(&s->costs, m, p, b);
                cell->service_ns = 1 +
                                   (int64_t)(one_ms * 1e6 * (1 + (s->costs.batches[b] - 1) * gain));
                cell->energy_uj = chance(r, 0.2) ? 0 : upto(r, 100000);
            }
        }
    }
}

/* Roughly: processors that share nothing, each with the mean of what it can run. */
static void find_capacity(scene *s)
{
    uint64_t taken = 0;
    s->capacity_rps = 0;
    for (int p = 0; p < s->setup.sched.processor_count; p++) {
        double sum_s = 0;
        int count = 0;
        for (int m = 0; m < s->costs.model_count; m++) {
            const int64_t cost_ns = cost_at(&s->costs, m, p, 0)->service_ns;
            sum_s += (double)cost_ns / 1e9;
            count += cost_ns > 0;
        }
        if (count == 0 || (s->processors[p].units & taken))
            continue;
        taken |= s->processors[p].units;
        s->capacity_rps += count / sum_s;
    }
    if (s->capacity_rps <= 0)
        s->capacity_rps = 100; /* nothing can run: everything is refused */
}

/* ---- What is asked ---- */

static void make_rows(scene *s, rng *r, double rate_rps)
{
    const double deadlines = chance(r, 0.5) ? rng_unit(r) : 0;
    double t_ms = 0;
    REQUIRE(arrivals_make(&s->rows, NULL) == COSREL_OK);
    while (t_ms * 1e6 < (double)s->until_ns) {
        const int64_t t_ns = (int64_t)(t_ms * 1e6);
        const double limit_ms = rng_exponential(r, 20);
        const bool due = chance(r, deadlines);
        const int model = upto(r, s->costs.model_count);
        const int priority = chance(r, 0.1) ? upto(r, 3) - 1 : 0;
        const arrivals_row row = {.t_ns = t_ns,
                                  .deadline_ns = due ? t_ns + (int64_t)(limit_ms * 1e6) : INT64_MAX,
                                  .model = model,
                                  .priority = priority};
        REQUIRE(arrivals_add(s->rows, &row, NULL) == COSREL_OK);
        if (!chance(r, 0.2)) /* else in the same instant */
            t_ms += rng_exponential(r, 1e3 / rate_rps);
    }
}

static const char *const kinds[] = {"periodic", "poisson", "bursts", "day", "closed", "cascade"};
enum { KINDS = sizeof kinds / sizeof *kinds, CASCADE = KINDS - 1 };

__attribute__((format(printf, 2, 3))) static void put(char *text, const char *format, ...)
{
    const size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, 4096 - used, format, arguments);
    va_end(arguments);
}

static void put_stream(scene *s, rng *r, char *text, int number, double rate_hz)
{
    const int kind = upto(r, number > 0 ? KINDS : CASCADE);
    const double span_s = (double)s->until_ns / 1e9;
    put(text, "  - {name: s%d, model: m%02d", number, upto(r, s->costs.model_count));
    if (kind == CASCADE)
        put(text, ", after: s%d", upto(r, number));
    else
        put(text, ", kind: %s", kinds[kind]);
    if (kind == CASCADE)
        put(text, ", probability: %.3f", between(r, 0.1, 1));
    if (kind < 4)
        put(text, ", rate_hz: %.6f", rate_hz);
    if (kind == 0 && chance(r, 0.5))
        put(text, ", jitter_ms: %.6f", 500 / rate_hz);
    if (kind == 2)
        put(text, ", burst_rate_hz: %.6f, quiet_s: %.6f, burst_s: %.6f", 5 * rate_hz,
            0.001 + span_s / 5, 0.001 + span_s / 20);
    if (kind == 3)
        put(text, ", period_s: %.6f, points: [[0, 0.1], [12, 2], [20, 0.5]]", 0.001 + span_s);
    if (kind == 4)
        put(text, ", in_flight: %d", 1 + upto(r, 3));
    if (kind == 4 && chance(r, 0.5))
        put(text, ", think_ms: %.6f", 1000 / rate_hz);
    if (chance(r, 0.5))
        put(text, ", deadline_ms: %.6f", 0.1 + rng_exponential(r, 20));
    if (chance(r, 0.3))
        put(text, ", priority: %s", chance(r, 0.5) ? "high" : "background");
    put(text, "}\n");
}

static void make_streams(scene *s, rng *r, double rate_rps)
{
    char text[4096] = "streams:\n";
    const int count = 1 + upto(r, SCENE_STREAMS);
    cosrel_error err = {""};
    for (int i = 0; i < count; i++)
        put_stream(s, r, text, i, rate_rps / count * between(r, 0.2, 1.8));
    if (workload_parse("scene", text, strlen(text), &s->work, &err) != COSREL_OK) {
        fprintf(stderr, "scene.c: %s\n%s", err.text, text);
        abort();
    }
}

static void make_options(scene *s, rng *r, const char *policy)
{
    static const char *const objectives[] = {"latency", "throughput", "deadline", "energy",
                                             "balanced"};
    sched_setup *o = &s->setup.sched;
    snprintf(s->policy, sizeof s->policy, "%s", policy);
    if (strcmp(policy, "single") == 0)
        snprintf(s->policy, sizeof s->policy, "single:%s", s->names[upto(r, o->processor_count)]);
    o->policy = s->policy;
    o->seed = rng_u64(r);
    o->drop_late = chance(r, 0.25);
    o->patience = chance(r, 0.5) ? 0 : 1 + upto(r, 16);
    o->requests_max = chance(r, 0.8) ? 4096 : chance(r, 0.1) ? 0 : 1 + (uint32_t)upto(r, 30);
    o->queue_len_max = chance(r, 0.8) ? 0 : 1 + (uint32_t)upto(r, 30);
    REQUIRE(objective_find(objectives[upto(r, 5)], &o->objective, NULL) == COSREL_OK);
}

static void make_effects(scene *s, rng *r)
{
    char text[4096] = "";
    cosrel_error err = {""};
    scene_effects(s, r, text, sizeof text);
    cosrel_status status = device_spec_parse("effects", text, strlen(text), &s->spec, &err);
    if (status == COSREL_OK)
        status = device_spec_enable(s->spec, device_spec_effects(s->spec), &err);
    if (status != COSREL_OK) {
        fprintf(stderr, "scene.c: %s\n%s", err.text, text);
        abort();
    }
}

void scene_make(scene *s, uint64_t seed)
{
    rng r;
    memset(s, 0, sizeof *s);
    rng_init(&r, seed);
    make_processors(s, &r);
    qsort(s->processors, (size_t)s->setup.sched.processor_count, sizeof *s->processors, by_name);
    make_costs(s, &r);
    find_capacity(s);
    make_options(s, &r, policies[seed % SCENE_POLICIES]);
    s->load = between(&r, 0.3, 1.5);
    /* Bursts of five times a stream's rate must be a rate that workloads may have. */
    const double rate_rps = fmin(s->load * s->capacity_rps, WORKLOAD_RATE_HZ_MAX / 10);
    s->until_ns = 1 + (int64_t)(between(&r, 5, 150) / rate_rps * 1e9);
    if (chance(&r, 0.3))
        make_rows(s, &r, rate_rps);
    else
        make_streams(s, &r, rate_rps);
    if (chance(&r, 0.5))
        make_effects(s, &r);
    s->source_seed = rng_u64(&r);
    s->setup.sched.processors = s->processors;
    s->setup.costs = &s->costs;
    s->setup.models = s->models;
}

source *scene_source(const scene *s)
{
    source *made = NULL;
    if (s->rows)
        REQUIRE(source_from_arrivals(s->rows, s->until_ns, &made, NULL) == COSREL_OK);
    else
        REQUIRE(source_create(s->work, s->models, s->costs.model_count, s->source_seed, s->until_ns,
                              &made, NULL) == COSREL_OK);
    return made;
}

device_model *scene_device(const scene *s)
{
    device_model *made = NULL;
    cosrel_error err = {""};
    if (s->spec &&
        device_model_create(s->spec, s->processors, s->setup.sched.processor_count, s->models,
                            s->costs.model_count, s->source_seed, &made, &err) != COSREL_OK) {
        fprintf(stderr, "scene.c: %s\n", err.text);
        abort();
    }
    return made;
}

void scene_free(scene *s)
{
    device_spec_free(s->spec);
    workload_free(s->work);
    arrivals_free(s->rows);
    cost_deinit(&s->costs);
    memset(s, 0, sizeof *s);
}
