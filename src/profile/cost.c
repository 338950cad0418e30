#include "profile/cost.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    OBSERVE_FIRST = 8, /* samples with the greater weight (chosen: by then the mean holds 90 % of
                          what was seen) */
    OBSERVE_WEIGHT_FIRST = 4,
    OBSERVE_WEIGHT = 16,
    OBSERVE_OUTLIER = 4,
    OBSERVE_RECENT = 16, /* runs over which `recent` is forgotten (chosen: as OBSERVE_WEIGHT) */
};

/* No estimate grows beyond this: three years, as in sim/device_model.c. */
static const double SERVICE_MAX_NS = 1e17;

cosrel_status cost_init(cost_table *t, int model_max, int processor_count, const int32_t *batches,
                        int batch_count)
{
    memset(t, 0, sizeof *t);
    if (model_max < 1 || processor_count < 1 || batch_count < 1 || batch_count > COST_BATCHES_MAX ||
        batches[0] != 1)
        return COSREL_INVALID_ARGUMENT;
    for (int i = 1; i < batch_count; i++) {
        if (batches[i] <= batches[i - 1])
            return COSREL_INVALID_ARGUMENT;
    }
    t->cells = calloc((size_t)model_max * (size_t)processor_count * (size_t)batch_count,
                      sizeof *t->cells);
    t->processors = calloc((size_t)processor_count, sizeof *t->processors);
    if (!t->cells || !t->processors) {
        cost_deinit(t);
        return COSREL_OUT_OF_MEMORY;
    }
    for (int p = 0; p < processor_count; p++) {
        t->processors[p].speed = 1;
        drift_init(&t->processors[p].drift);
    }
    t->model_max = model_max;
    t->processor_count = processor_count;
    t->batch_count = batch_count;
    memcpy(t->batches, batches, (size_t)batch_count * sizeof *batches);
    return COSREL_OK;
}

void cost_deinit(cost_table *t)
{
    free(t->cells);
    free(t->processors);
    memset(t, 0, sizeof *t);
}

cosrel_status cost_copy(cost_table *t, const cost_table *from, int model_max)
{
    const cosrel_status status = cost_init(t, model_max, from->processor_count, from->batches,
                                           from->batch_count);
    if (status != COSREL_OK)
        return status;
    const int models = model_max < from->model_max ? model_max : from->model_max;
    t->model_count = from->model_count < models ? from->model_count : models;
    t->shifts = from->shifts;
    memcpy(t->cells, from->cells,
           (size_t)models * (size_t)from->processor_count * (size_t)from->batch_count *
               sizeof *from->cells);
    memcpy(t->processors, from->processors,
           (size_t)from->processor_count * sizeof *from->processors);
    return COSREL_OK;
}

void cost_set_model(cost_table *t, int model, const cost_cell *cells)
{
    memcpy(cost_at(t, model, 0, 0), cells,
           (size_t)t->processor_count * (size_t)t->batch_count * sizeof *cells);
    for (int p = 0; p < t->processor_count; p++)
        drift_forget(&t->processors[p].drift);
    t->shifts++;
}

int cost_batch_index(const cost_table *t, int32_t n)
{
    int i = t->batch_count - 1;
    while (i > 0 && t->batches[i] > n)
        i--;
    return i;
}

/* Moves a cell's estimate; returns by how much, as a logarithm. */
static double move(cost_cell *cell, int64_t service_ns)
{
    const int64_t before_ns = cell->service_ns;
    if (service_ns / OBSERVE_OUTLIER > before_ns)
        service_ns = before_ns * OBSERVE_OUTLIER;
    const int weight = cell->samples < OBSERVE_FIRST ? OBSERVE_WEIGHT_FIRST : OBSERVE_WEIGHT;
    cell->service_ns += (service_ns - before_ns) / weight;
    if (cell->service_ns < 1)
        cell->service_ns = 1;
    if (cell->samples < UINT32_MAX)
        cell->samples++;
    const double moved = log((double)cell->service_ns / (double)before_ns);
    cell->recent += (float)moved - cell->recent / OBSERVE_RECENT;
    return moved;
}

static void scale(cost_cell *cell, double factor)
{
    const double scaled_ns = (double)cell->service_ns * factor;
    if (cell->service_ns > 0)
        cell->service_ns = scaled_ns < 1                ? 1
                           : scaled_ns < SERVICE_MAX_NS ? llround(scaled_ns)
                                                        : (int64_t)SERVICE_MAX_NS;
}

/* The processor's level changed with its `count` newest runs: what cells have learnt of it by
 * themselves since then would count twice. */
static void shift(cost_table *t, int processor, double log_factor, int count)
{
    cost_processor *of = &t->processors[processor];
    for (int i = 0; i < count; i++) {
        const drift_run *run = drift_newest(&of->drift, i);
        cost_cell *cell = cost_at(t, run->model, processor, run->batch_index);
        scale(cell, exp(-run->moved));
        cell->recent -= (float)run->moved;
    }
    const double factor = exp(log_factor);
    for (int m = 0; m < t->model_max; m++)
        for (int b = 0; b < t->batch_count; b++)
            scale(cost_at(t, m, processor, b), factor);
    of->speed *= factor;
    t->shifts++;
    drift_restart(&of->drift, log_factor, count);
}

void cost_observe(cost_table *t, int model, int processor, int batch_index, int64_t service_ns)
{
    cost_cell *cell = cost_at(t, model, processor, batch_index);
    double log_factor;
    int count;
    if (service_ns < 1)
        service_ns = 1;
    if (cell->service_ns == 0) {
        cell->service_ns = service_ns;
        cell->samples = 1;
        return;
    }
    drift_run run = {.model = model,
                     .batch_index = batch_index,
                     .mature = cell->samples >= OBSERVE_FIRST,
                     .ratio = log((double)service_ns / (double)cell->service_ns),
                     .recent = cell->recent};
    run.moved = move(cell, service_ns);
    if (drift_add(&t->processors[processor].drift, &run, &log_factor, &count))
        shift(t, processor, log_factor, count);
}
