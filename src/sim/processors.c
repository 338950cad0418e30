#include "sim/processors.h"

#include <stdio.h>
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

/* Copies a processor and its costs into the larger table. */
static void copy_processor(const sim_device *from, int p, sim_device *to, int q, const char *name,
                           int level)
{
    to->processors[q] = from->processors[p];
    to->processors[q].name = name;
    to->processors[q].level = level;
    for (int m = 0; m < from->model_count; m++)
        for (int b = 0; b < from->costs.batch_count; b++)
            *cost_at(&to->costs, m, q, b) = *cost_at(&from->costs, m, p, b);
}

static bool is_core(const sim_device *d, int p)
{
    return strncmp(d->processors[p].name, "cpu", 3) == 0 && cores_of_name(d->processors[p].name) &&
           (d->processors[p].units & (d->processors[p].units - 1)) == 0;
}

cosrel_status sim_device_add_background(sim_device *d, cosrel_error *err)
{
    sim_device more = *d;
    int count = d->processor_count;
    for (int p = 0; p < d->processor_count; p++)
        count += is_core(d, p);
    if (count > SCHED_PROCESSORS_MAX)
        return error_set(err, COSREL_UNSUPPORTED,
                         "%d processors with those for background requests; expected at most %d",
                         count, SCHED_PROCESSORS_MAX);
    more.names = calloc((size_t)count, sizeof *more.names);
    if (!more.names || cost_init(&more.costs, d->costs.model_max, count, d->costs.batches,
                                 d->costs.batch_count) != COSREL_OK) {
        free(more.names);
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the table's costs");
    }
    more.costs.model_count = d->model_count;
    more.processor_count = 0;
    /* "cpu0", "cpu0-1", "cpu0.bg", "cpu1": the order of names. */
    for (int p = 0, twin = 0; p < d->processor_count || twin < d->processor_count;) {
        while (twin < d->processor_count && !is_core(d, twin))
            twin++;
        char name[72] = "";
        if (twin < d->processor_count)
            snprintf(name, sizeof name, "%.64s.bg", d->processors[twin].name);
        const int q = more.processor_count;
        if (p < d->processor_count && (!name[0] || strcmp(d->processors[p].name, name) < 0)) {
            copy_processor(d, p, &more, q, d->processors[p].name, 0);
            p++;
        } else if (name[0]) {
            memcpy(more.names[q], name, sizeof name);
            copy_processor(d, twin, &more, q, more.names[q], 1);
            twin++;
        } else {
            break;
        }
        more.processor_count++;
    }
    cost_deinit(&d->costs);
    free(d->names);
    *d = more;
    return COSREL_OK;
}

void sim_device_deinit(sim_device *d)
{
    cost_deinit(&d->costs);
    free(d->names);
    memset(d, 0, sizeof *d);
}
