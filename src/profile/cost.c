#include "profile/cost.h"

#include <stdlib.h>
#include <string.h>

enum {
    OBSERVE_FIRST = 8, /* samples with the greater weight (chosen: by then the mean holds 90 % of
                          what was seen) */
    OBSERVE_WEIGHT_FIRST = 4,
    OBSERVE_WEIGHT = 16,
    OBSERVE_OUTLIER = 4,
};

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
    if (!t->cells)
        return COSREL_OUT_OF_MEMORY;
    t->model_max = model_max;
    t->processor_count = processor_count;
    t->batch_count = batch_count;
    memcpy(t->batches, batches, (size_t)batch_count * sizeof *batches);
    return COSREL_OK;
}

void cost_deinit(cost_table *t)
{
    free(t->cells);
    memset(t, 0, sizeof *t);
}

int cost_batch_index(const cost_table *t, int32_t n)
{
    int i = t->batch_count - 1;
    while (i > 0 && t->batches[i] > n)
        i--;
    return i;
}

void cost_observe(cost_table *t, int model, int processor, int batch_index, int64_t service_ns)
{
    cost_cell *cell = cost_at(t, model, processor, batch_index);
    if (service_ns < 1)
        service_ns = 1;
    if (cell->service_ns == 0) {
        cell->service_ns = service_ns;
        cell->samples = 1;
        return;
    }
    if (service_ns / OBSERVE_OUTLIER > cell->service_ns)
        service_ns = cell->service_ns * OBSERVE_OUTLIER;
    const int weight = cell->samples < OBSERVE_FIRST ? OBSERVE_WEIGHT_FIRST : OBSERVE_WEIGHT;
    cell->service_ns += (service_ns - cell->service_ns) / weight;
    if (cell->service_ns < 1)
        cell->service_ns = 1;
    if (cell->samples < UINT32_MAX)
        cell->samples++;
}
