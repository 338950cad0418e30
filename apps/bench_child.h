/* Runs of plain ONNX Runtime happen in processes of their own: no thread, session or pool of one
 * run is left to disturb the next, the global pool needs an environment made for it, and CPU time
 * is that of the run alone. */
#ifndef APPS_BENCH_CHILD_H
#define APPS_BENCH_CHILD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cosrel/status.h"

typedef struct bench_child_request {
    const char *models;   /* folder */
    const char *workload; /* file, or NULL */
    const char *only;     /* one model, closed-loop; or NULL */
    const char *policy;   /* an ort_baseline's name */
    double seconds;
    double warmup_s;
    int round;
    uint64_t seed;
    bool timeline;
} bench_child_request;

/* Called about ten times a second while waiting. */
typedef void (*bench_child_tick)(void *user);

/* Starts this program again as `cosrel bench-child ...`, waits for it, and gives its run
 * (bench_run_json). A Ctrl-C is passed on, and what the child had measured by then comes back; *run
 * is NULL if that was nothing. */
COSREL_CHECKED cosrel_status bench_child_run(const bench_child_request *request,
                                             bench_child_tick tick, void *user, json_t **run,
                                             cosrel_error *err);

#endif
