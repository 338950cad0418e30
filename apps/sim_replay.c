#include "sim_replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "sim/trace.h"

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Nearest rank, in ms, as sim_summarise does. */
static double percentile(const int64_t *sorted, uint64_t count, uint64_t q_percent)
{
    const uint64_t rank = (count * q_percent + 99) / 100;
    return (double)sorted[rank > 0 ? rank - 1 : 0] / 1e6;
}

static cosrel_status summarise(const trace_reader *reader, sim_recorded *r)
{
    size_t count;
    const trace_request *requests = trace_requests(reader, &count);
    int64_t *latencies = malloc((count + 1) * sizeof *latencies);
    if (!latencies)
        return COSREL_OUT_OF_MEMORY;
    double sum_ms = 0;
    int64_t last_ns = 0;
    for (size_t i = 0; i < count; i++) {
        const trace_request *q = &requests[i];
        const bool served = q->runs > 0 && !q->dropped && !q->failed;
        const int64_t latency_ns = q->end_ns - q->arrived_ns;
        const bool late = q->dropped || (served && latency_ns > q->deadline_ns);
        r->requests++;
        r->dropped += q->dropped;
        r->background |= q->priority < 0;
        r->with_deadline += q->deadline_ns != SCHED_NEVER;
        r->missed += q->deadline_ns != SCHED_NEVER && late;
        if (!served)
            continue;
        latencies[r->served++] = latency_ns;
        sum_ms += (double)latency_ns / 1e6;
        last_ns = q->end_ns > last_ns ? q->end_ns : last_ns;
    }
    qsort(latencies, r->served, sizeof *latencies, compare);
    if (r->served > 0) {
        const int64_t span_ns = last_ns - requests[0].arrived_ns;
        r->mean_ms = sum_ms / (double)r->served;
        r->p50_ms = percentile(latencies, r->served, 50);
        r->p99_ms = percentile(latencies, r->served, 99);
        r->throughput_rps = span_ns > 0 ? (double)r->served * 1e9 / (double)span_ns : 0;
    }
    free(latencies);
    return COSREL_OK;
}

static cosrel_status no_model(const char *path, const char *name, const char *const *models,
                              int model_count, cosrel_error *err)
{
    const char *nearest = text_nearest(name, models, (size_t)model_count);
    return error_set(err, COSREL_INVALID_FILE,
                     "%s: it asks for the model '%s', which the device table does not have%s%s%s",
                     path, name, nearest ? "; did you mean '" : "", nearest ? nearest : "",
                     nearest ? "'?" : "");
}

cosrel_status sim_replay_models(const char *path, const trace_reader *reader,
                                const char *const *models, int model_count, int *map,
                                cosrel_error *err)
{
    size_t count;
    const char *const *names = trace_models(reader, &count);
    for (size_t i = 0; i < count; i++) {
        map[i] = 0;
        while (map[i] < model_count && strcmp(models[map[i]], names[i]) != 0)
            map[i]++;
        if (map[i] == model_count)
            return no_model(path, names[i], models, model_count, err);
    }
    return COSREL_OK;
}

static cosrel_status add_arrivals(const char *path, const trace_reader *reader,
                                  const char *const *models, int model_count, arrivals_list *list,
                                  cosrel_error *err)
{
    size_t count, names;
    trace_models(reader, &names);
    const trace_request *requests = trace_requests(reader, &count);
    int *map = calloc(names + 1, sizeof *map);
    if (!map)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory to read it", path);
    cosrel_status status = sim_replay_models(path, reader, models, model_count, map, err);
    for (size_t i = 0; i < count && status == COSREL_OK; i++) {
        const trace_request *q = &requests[i];
        const arrivals_row row = {.t_ns = q->arrived_ns,
                                  .deadline_ns = q->deadline_ns == SCHED_NEVER
                                                     ? INT64_MAX
                                                     : q->arrived_ns + q->deadline_ns,
                                  .model = map[q->model],
                                  .priority = q->priority};
        status = arrivals_add(list, &row, err);
    }
    free(map);
    return status;
}

static cosrel_status read_events(trace_reader *reader, cosrel_error *err)
{
    for (;;) {
        trace_event event;
        const cosrel_status status = trace_next(reader, &event, err);
        if (status != COSREL_OK || event.type == TRACE_END)
            return status;
    }
}

cosrel_status sim_replay_read(const char *path, const char *const *models, int model_count,
                              arrivals_list **arrivals, sim_recorded **recorded, cosrel_error *err)
{
    trace_reader *reader = NULL;
    *arrivals = NULL;
    sim_recorded *r = *recorded = calloc(1, sizeof *r);
    cosrel_status status = trace_open(path, &reader, err);
    if (status == COSREL_OK)
        status = read_events(reader, err);
    if (status == COSREL_OK && r) {
        r->policy = strdup(trace_policy(reader));
        r->workload = strdup(trace_workload(reader));
    }
    if (status == COSREL_OK &&
        (!r || !r->policy || !r->workload || summarise(reader, r) != COSREL_OK))
        status = error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory to read it", path);
    if (status == COSREL_OK)
        status = arrivals_make(arrivals, err);
    if (status == COSREL_OK)
        status = add_arrivals(path, reader, models, model_count, *arrivals, err);
    trace_close(reader);
    return status;
}

void sim_recorded_free(sim_recorded *r)
{
    if (!r)
        return;
    free(r->policy);
    free(r->workload);
    free(r);
}

static double miss_rate(const sim_recorded *r)
{
    return r->with_deadline > 0 ? (double)r->missed / (double)r->with_deadline : 0;
}

void sim_recorded_print(const sim_recorded *r)
{
    char missed[16] = "-";
    if (r->with_deadline > 0)
        snprintf(missed, sizeof missed, "%.2f%%", 100 * miss_rate(r));
    printf("%-20s %9llu %8llu %10.3f %10.3f %10.3f %10.3f %8s %9s %12s\n", "(recorded)",
           (unsigned long long)r->served, (unsigned long long)r->dropped, r->mean_ms, r->p50_ms,
           r->p99_ms, r->throughput_rps, missed, "-", "-");
    if (r->policy[0])
        printf("  under %s\n", r->policy);
    const uint64_t left = r->requests - r->served - r->dropped;
    if (left > 0)
        printf("  %llu requests were not answered when it ended\n", (unsigned long long)left);
}

json_t *sim_recorded_json(const sim_recorded *r)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f}", "policy", r->policy,
                     "requests", (json_int_t)r->requests, "served", (json_int_t)r->served,
                     "dropped", (json_int_t)r->dropped, "mean_ms", r->mean_ms, "p50_ms", r->p50_ms,
                     "p99_ms", r->p99_ms, "throughput_rps", r->throughput_rps, "deadline_miss_rate",
                     miss_rate(r));
}

cosrel_status sim_recorded_compare(const sim_recorded *r, const char *policy,
                                   const sim_result *result)
{
    sim_summary s;
    if (strcmp(r->policy, policy) != 0 || r->served == 0)
        return COSREL_OK;
    const cosrel_status status = sim_summarise(result, -1, &s);
    if (status == COSREL_OK && result->served > 0)
        printf("  simulated / recorded: mean %.3f, p50 %.3f, p99 %.3f, req/s %.3f\n",
               s.mean_ms / r->mean_ms, s.p50_ms / r->p50_ms, s.p99_ms / r->p99_ms,
               s.throughput_rps / r->throughput_rps);
    return status;
}
