/* One measured run of one policy: counting answers within a window of time, whoever gives them. */
#ifndef APPS_BENCH_RUN_H
#define APPS_BENCH_RUN_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hist.h"
#include "bench_job.h"
#include "recorder.h"

enum {
    BENCH_TRACKS_MAX = 64,
    BENCH_SPANS_MAX = 20000,
    BENCH_LATES_MAX = 4096
}; /* chosen: a page that a browser still likes */

typedef struct bench_tally {
    pthread_mutex_t lock;
    uint64_t completed; /* answered with success inside the window */
    uint64_t failed;    /* answered with an error inside the window */
    uint64_t due;       /* arrived and due inside the window */
    uint64_t missed;    /* of those: answered too late, with an error, or not at all */
    hist latency;       /* arrival to answer, of the completed */
} bench_tally;

typedef struct bench_span {
    int track;
    int model;
    int batch;
    int64_t start_ns;
    int64_t end_ns;
} bench_span;

/* A request that was answered after its deadline, and when its run began. */
typedef struct bench_late {
    int model;
    int64_t started_ns;
} bench_late;

/* What ran where within a part of the window. */
typedef struct bench_timeline {
    pthread_mutex_t lock;
    int64_t start_ns;
    int64_t end_ns;
    char *tracks[BENCH_TRACKS_MAX];
    int track_count;
    bench_span *spans;
    int span_count;
    bench_late *lates; /* matched with the spans at the end: either may be told first */
    int late_count;
} bench_timeline;

typedef struct bench_run {
    const bench_job *job;
    const char *policy;
    int round;
    int64_t start_ns;         /* of the window; monotonic */
    _Atomic int64_t end_ns;   /* moved to the moment of a Ctrl-C */
    bench_tally *tallies;     /* per model */
    bench_timeline *timeline; /* NULL: not wanted */
    recorder *record;         /* NULL: nothing is recorded; the caller's */
    double cpu_s;             /* of this process within the window */
    double energy_j;          /* of the machine's packages within the window; < 0: no sensor */
    json_t *processors;       /* {name: {busy_s, runs}} or NULL */
    char problem[256];        /* why a stream ended early; "" */
    void (*tick)(void *user); /* called now and then by bench_run_wait, or NULL */
    void *tick_user;
} bench_run;

/* The window begins job->warmup_s after this call. */
COSREL_CHECKED cosrel_status bench_run_begin(bench_run *run, const bench_job *job,
                                             const char *policy, int round, bool with_timeline,
                                             cosrel_error *err);
void bench_run_end(bench_run *run);

/* Waits the window out, or until Ctrl-C, and takes CPU time and energy at its edges. `edge` is
 * called at both (false: start). Returns false if it was over before the window began: there is
 * nothing to report. */
COSREL_CHECKED bool bench_run_wait(bench_run *run, void (*edge)(void *user, bool at_end),
                                   void *user);

/* Counts one answer. Latency runs from the arrival, which for open-loop streams is the moment when
 * the request should have been sent: a client that is kept waiting does not hide it ("coordinated
 * omission", Tene 2013). deadline_ns: absolute; 0: none. answered_ns: INT64_MAX if it never was.
 * Any thread. */
void bench_run_answer(bench_run *run, int model, int64_t arrived_ns, int64_t deadline_ns,
                      int64_t answered_ns, bool ok);

/* Any thread; spans outside the timeline's part are left out. */
void bench_run_span(bench_run *run, const char *track, int model, int64_t start_ns, int64_t end_ns,
                    int batch);

/* Any thread: a run that began at started_ns gave an answer too late. */
void bench_run_late(bench_run *run, int model, int64_t started_ns);

/* The run as the report's data has it, without normalized_throughput. NULL when out of memory. */
json_t *bench_run_json(bench_run *run);

#endif
