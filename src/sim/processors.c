#include "sim/processors.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { UNITS_MAX = 64 };

/* The core number at *at, moving past it; -1: there is none below 64. */
static int read_core(const char **at)
{
    int core = 0;
    const char *c = *at;
    if (*c < '0' || *c > '9')
        return -1;
    for (; *c >= '0' && *c <= '9'; c++) {
        core = core * 10 + (*c - '0');
        if (core >= UNITS_MAX)
            return -1;
    }
    *at = c;
    return core;
}

/* The cores that a name like "cpu0+2-3" lists; 0: it is no such name. */
static uint64_t cores_of_name(const char *name)
{
    uint64_t cores = 0;
    if (strncmp(name, "cpu", 3) != 0)
        return 0;
    for (const char *at = name + 3;; at++) {
        const int first = read_core(&at);
        int last = first;
        if (*at == '-') {
            at++;
            last = read_core(&at);
        }
        if (first < 0 || last < first)
            return 0;
        for (int core = first; core <= last; core++)
            cores |= (uint64_t)1 << core;
        if (*at == '\0')
            return cores;
        if (*at != '+')
            return 0;
    }
}

cosrel_status processors_from_names(const char *const *names, int count, sched_processor *out,
                                    cosrel_error *err)
{
    uint64_t taken = 0;
    if (count > SCHED_PROCESSORS_MAX)
        return error_set(err, COSREL_UNSUPPORTED, "%d processors; expected at most %d", count,
                         SCHED_PROCESSORS_MAX);
    for (int p = 0; p < count; p++) {
        out[p] = (sched_processor){.name = names[p], .units = cores_of_name(names[p])};
        taken |= out[p].units;
    }
    for (int p = 0; p < count; p++) {
        if (out[p].units)
            continue;
        if (taken == UINT64_MAX)
            return error_set(err, COSREL_UNSUPPORTED,
                             "processor '%s': more than %d cores and other processors together",
                             names[p], UNITS_MAX);
        out[p].units = ~taken & (taken + 1); /* the lowest free one */
        taken |= out[p].units;
    }
    return COSREL_OK;
}

cosrel_status sim_device_init(sim_device *d, const device_table *table, cosrel_error *err)
{
    size_t processor_count, model_count;
    int32_t batches[COST_BATCHES_MAX];
    int batch_count;
    memset(d, 0, sizeof *d);
    const char *const *names = table_processors(table, &processor_count);
    d->models = table_models(table, &model_count);
    d->processor_count = (int)processor_count;
    d->model_count = (int)model_count;
    cosrel_status status = processors_from_names(names, (int)processor_count, d->processors, err);
    if (status == COSREL_OK)
        status = table_batches(table, batches, &batch_count, err);
    if (status != COSREL_OK)
        return status;
    status = cost_init(&d->costs, d->model_count, d->processor_count, batches, batch_count);
    if (status != COSREL_OK)
        return error_set(err, status, "no memory for the table's costs");
    d->costs.model_count = d->model_count;
    for (int m = 0; m < d->model_count; m++)
        table_fill(table, d->models[m], names, m, &d->costs);
    return COSREL_OK;
}

void sim_device_deinit(sim_device *d)
{
    cost_deinit(&d->costs);
    memset(d, 0, sizeof *d);
}
