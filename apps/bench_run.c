#include "bench_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/energy.h"
#include "base/error.h"
#include "interrupt.h"

/* Chosen: as much as one can look at, from the middle of the window, where nothing starts or ends.
 */
static const int64_t TIMELINE_NS = 1500000000;

static cosrel_status begin_timeline(bench_run *run, cosrel_error *err)
{
    bench_timeline *t = calloc(1, sizeof *t);
    run->timeline = t;
    if (t) {
        t->spans = calloc(BENCH_SPANS_MAX, sizeof *t->spans);
        t->lates = calloc(BENCH_LATES_MAX, sizeof *t->lates);
    }
    if (!t || !t->spans || !t->lates)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a timeline");
    pthread_mutex_init(&t->lock, NULL);
    const int64_t end_ns = atomic_load(&run->end_ns);
    t->start_ns = run->start_ns;
    t->end_ns = end_ns;
    if (end_ns - run->start_ns > TIMELINE_NS) {
        t->start_ns = run->start_ns + (end_ns - run->start_ns - TIMELINE_NS) / 2;
        t->end_ns = t->start_ns + TIMELINE_NS;
    }
    return COSREL_OK;
}

cosrel_status bench_run_begin(bench_run *run, const bench_job *job, const char *policy, int round,
                              bool with_timeline, cosrel_error *err)
{
    memset(run, 0, sizeof *run);
    run->job = job;
    run->policy = policy;
    run->round = round;
    run->energy_j = -1;
    run->tallies = calloc((size_t)job->model_count, sizeof *run->tallies);
    if (!run->tallies)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a run");
    for (int i = 0; i < job->model_count; i++)
        pthread_mutex_init(&run->tallies[i].lock, NULL);
    run->start_ns = clock_now_ns() + (int64_t)(job->warmup_s * 1e9);
    atomic_store(&run->end_ns, run->start_ns + (int64_t)(job->seconds * 1e9));
    const cosrel_status status = with_timeline ? begin_timeline(run, err) : COSREL_OK;
    if (status != COSREL_OK)
        bench_run_end(run);
    return status;
}

void bench_run_end(bench_run *run)
{
    free(run->tallies);
    if (run->timeline) {
        for (int i = 0; i < run->timeline->track_count; i++)
            free(run->timeline->tracks[i]);
        free(run->timeline->spans);
        free(run->timeline->lates);
        free(run->timeline);
    }
    json_decref(run->processors);
    memset(run, 0, sizeof *run);
}

/* False: Ctrl-C came first. */
static bool sleep_until(const bench_run *run, int64_t when_ns)
{
    while (!interrupt_seen()) {
        /* A signal may be delivered to another thread, which does not wake this one: look now and
         * then. */
        const int64_t now_ns = clock_now_ns();
        if (now_ns >= when_ns)
            return true;
        if (run->tick)
            run->tick(run->tick_user);
        const int64_t pause_ns = when_ns - now_ns < 50000000 ? when_ns - now_ns : 50000000;
        const struct timespec pause = {.tv_sec = 0, .tv_nsec = (long)pause_ns};
        nanosleep(&pause, NULL);
    }
    return false;
}

bool bench_run_wait(bench_run *run, void (*edge)(void *user, bool at_end), void *user)
{
    const bool reached = sleep_until(run, run->start_ns);
    energy_meter meter;
    energy_meter_open(&meter, "");
    const int64_t cpu_ns = clock_process_cpu_ns();
    if (reached && edge)
        edge(user, false);
    const bool whole = reached && sleep_until(run, atomic_load(&run->end_ns));
    if (!whole)
        atomic_store(&run->end_ns, clock_now_ns());
    run->cpu_s = (double)(clock_process_cpu_ns() - cpu_ns) / 1e9;
    run->energy_j = energy_meter_read_j(&meter);
    if (reached && edge)
        edge(user, true);
    return reached && atomic_load(&run->end_ns) > run->start_ns;
}

void bench_run_answer(bench_run *run, int model, int64_t arrived_ns, int64_t deadline_ns,
                      int64_t answered_ns, bool ok)
{
    bench_tally *t = &run->tallies[model];
    const int64_t end_ns = atomic_load(&run->end_ns);
    pthread_mutex_lock(&t->lock);
    if (answered_ns >= run->start_ns && answered_ns < end_ns) {
        t->completed += ok;
        t->failed += !ok;
        if (ok)
            hist_add(&t->latency, answered_ns - arrived_ns);
    }
    /* What is due after the end is not counted at all: only its successes would be seen. */
    if (deadline_ns && arrived_ns >= run->start_ns && deadline_ns < end_ns) {
        t->due++;
        t->missed += !ok || answered_ns > deadline_ns;
    }
    pthread_mutex_unlock(&t->lock);
}

static int find_track(bench_timeline *t, const char *name)
{
    for (int i = 0; i < t->track_count; i++)
        if (strcmp(t->tracks[i], name) == 0)
            return i;
    if (t->track_count == BENCH_TRACKS_MAX)
        return -1;
    char *copy = strdup(name);
    if (!copy)
        return -1;
    t->tracks[t->track_count] = copy;
    return t->track_count++;
}

void bench_run_span(bench_run *run, const char *track, int model, int64_t start_ns, int64_t end_ns,
                    int batch)
{
    bench_timeline *t = run->timeline;
    if (!t || end_ns < t->start_ns || start_ns > t->end_ns)
        return;
    pthread_mutex_lock(&t->lock);
    const int index = find_track(t, track);
    if (index >= 0 && t->span_count < BENCH_SPANS_MAX)
        t->spans[t->span_count++] = (bench_span){
            .track = index, .model = model, .batch = batch, .start_ns = start_ns, .end_ns = end_ns};
    pthread_mutex_unlock(&t->lock);
}

void bench_run_late(bench_run *run, int model, int64_t started_ns)
{
    bench_timeline *t = run->timeline;
    if (!t || started_ns > t->end_ns)
        return;
    pthread_mutex_lock(&t->lock);
    if (t->late_count < BENCH_LATES_MAX)
        t->lates[t->late_count++] = (bench_late){.model = model, .started_ns = started_ns};
    pthread_mutex_unlock(&t->lock);
}
