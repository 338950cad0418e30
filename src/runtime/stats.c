/* Statistics: read and reset in one piece, under the lock that all counters are moved under. */
#include <string.h>

#include "base/clock.h"

#include "runtime/parts.h"

void cosrel_model_get_stats(cosrel_runtime *rt, const cosrel_model *m, cosrel_model_stats *stats)
{
    pthread_mutex_lock(&rt->lock);
    *stats = (cosrel_model_stats){
        .completed = m->completed,
        .failed = m->failed,
        .cancelled = m->cancelled,
        .dropped = m->dropped,
        .late = m->late,
        .with_deadline = m->with_deadline,
        .runs = m->runs,
        .waiting = m->index >= 0 ? sched_core_waiting(rt->core, m->index) : 0,
        .latency_mean_ns = hist_mean(&m->latency),
        .latency_p50_ns = hist_percentile(&m->latency, 0.50),
        .latency_p95_ns = hist_percentile(&m->latency, 0.95),
        .latency_p99_ns = hist_percentile(&m->latency, 0.99),
        .latency_max_ns = hist_max(&m->latency),
    };
    pthread_mutex_unlock(&rt->lock);
}

void cosrel_processor_get_stats(cosrel_runtime *rt, size_t processor, cosrel_processor_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    pthread_mutex_lock(&rt->lock);
    for (int i = 0; i < rt->worker_count; i++) {
        const worker *w = &rt->workers[i];
        if ((size_t)w->device != processor)
            continue;
        stats->runs += w->runs;
        stats->failures += w->failures;
        stats->busy_ns += w->busy_ns;
        stats->cpu_ns += clock_cpu_of_ns(w->thread) - w->cpu_before_ns;
        if (w->mate)
            stats->cpu_ns += clock_cpu_of_ns(w->mate->thread) - w->mate->cpu_before_ns;
    }
    pthread_mutex_unlock(&rt->lock);
}

/* Exact counts at fixed bounds instead of a hist: what reads them adds them up over machines. */
static const int64_t decision_bounds_ns[COSREL_DECISION_BUCKETS - 1] = {
    1000,   2000,   5000,    10000,   20000,   50000,   100000,
    200000, 500000, 1000000, 2000000, 5000000, 10000000};

int64_t cosrel_decision_bound_ns(int bucket)
{
    return bucket >= 0 && bucket < COSREL_DECISION_BUCKETS - 1 ? decision_bounds_ns[bucket] : 0;
}

void stats_decided(cosrel_runtime *rt, uint64_t decisions, int64_t took_ns)
{
    const int64_t each_ns = took_ns / (int64_t)decisions;
    int bucket = 0;
    while (bucket < COSREL_DECISION_BUCKETS - 1 && each_ns > decision_bounds_ns[bucket])
        bucket++;
    rt->decision_times[bucket] += decisions;
    rt->decision_ns += took_ns;
}

void cosrel_runtime_get_stats(cosrel_runtime *rt, cosrel_runtime_stats *stats)
{
    pthread_mutex_lock(&rt->lock);
    stats->decisions = sched_core_decisions(rt->core) - rt->decisions_before;
    stats->bytes_copied = atomic_load(&rt->bytes_copied);
    stats->energy_j = energy_meter_read_j(&rt->energy);
    stats->memory_bytes = memory_taken(rt);
    stats->wakes = rt->wakes;
    memcpy(stats->decision_times, rt->decision_times, sizeof stats->decision_times);
    stats->decision_ns = rt->decision_ns;
    pthread_mutex_unlock(&rt->lock);
}

void cosrel_runtime_reset_stats(cosrel_runtime *rt)
{
    pthread_mutex_lock(&rt->lock);
    for (cosrel_model *m = rt->newest; m; m = m->older) {
        m->completed = m->failed = m->cancelled = m->dropped = m->late = m->with_deadline =
            m->runs = 0;
        hist_reset(&m->latency);
    }
    for (int i = 0; i < rt->worker_count; i++) {
        worker *w = &rt->workers[i];
        w->runs = w->failures = 0;
        w->busy_ns = 0;
        w->cpu_before_ns = clock_cpu_of_ns(w->thread);
        if (w->mate)
            w->mate->cpu_before_ns = clock_cpu_of_ns(w->mate->thread);
    }
    atomic_store(&rt->bytes_copied, 0);
    rt->decisions_before = sched_core_decisions(rt->core);
    memset(rt->decision_times, 0, sizeof rt->decision_times);
    rt->decision_ns = 0;
    pthread_mutex_unlock(&rt->lock);
}
