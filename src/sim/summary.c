/* Means and percentiles of a simulation. */
#include <stdlib.h>
#include <string.h>

#include "sim/sim.h"

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nearest rank: the smallest value that at least a share q of all do not exceed. */
static double percentile(const double *sorted, uint64_t count, uint64_t q_percent)
{
    const uint64_t rank = (count * q_percent + 99) / 100;
    return sorted[rank > 0 ? rank - 1 : 0];
}

cosrel_status sim_summarise(const sim_result *r, int model, sim_summary *out)
{
    uint64_t count = 0, with_deadline = 0, missed = 0, at = 0;
    *out = (sim_summary){0};
    const int first = model < 0 ? 0 : model, last = model < 0 ? r->model_count - 1 : model;
    for (int m = first; m <= last; m++) {
        count += r->models[m].served;
        with_deadline += r->models[m].with_deadline;
        missed += r->models[m].missed;
    }
    if (with_deadline > 0)
        out->deadline_miss_rate = (double)missed / (double)with_deadline;
    if (count == 0)
        return COSREL_OK;
    double *all = malloc(count * sizeof *all);
    if (!all)
        return COSREL_OUT_OF_MEMORY;
    double sum = 0;
    for (int m = first; m <= last; m++) {
        if (r->models[m].served == 0)
            continue;
        memcpy(all + at, r->models[m].latency_ms, r->models[m].served * sizeof *all);
        at += r->models[m].served;
    }
    qsort(all, count, sizeof *all, compare);
    for (uint64_t i = 0; i < count; i++)
        sum += all[i];
    out->mean_ms = sum / (double)count;
    out->p50_ms = percentile(all, count, 50);
    out->p99_ms = percentile(all, count, 99);
    out->max_ms = all[count - 1];
    free(all);
    const double seconds = (double)(r->last_end_ns - r->first_arrival_ns) / 1e9;
    out->throughput_rps = seconds > 0 ? (double)count / seconds : 0;
    if (model < 0)
        out->energy_mj_per_request = r->energy_uj / 1e3 / (double)count;
    return COSREL_OK;
}
