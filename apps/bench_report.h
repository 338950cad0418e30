/* The results as one HTML file that needs nothing else. */
#ifndef APPS_BENCH_REPORT_H
#define APPS_BENCH_REPORT_H

#include <jansson.h>

#include "bench_job.h"
#include "bench_plan.h"
#include "cosrel/cosrel.h"

typedef struct bench_report {
    const bench_plan *plan;
    const bench_job *job;
    const json_t *results;
    const char *command_line;
    int rounds;
    cosrel_runtime *rt; /* for its processors and costs; NULL: only baselines ran */
    json_t *notes;      /* sentences */
} bench_report;

/* All that the page shows; web/report/sample.js makes an example of it. NULL when out of memory. */
json_t *bench_report_data(const bench_report *report);

/* Parts of it that other reports have too: {name, seconds, streams}; the time as the page shows it.
 */
json_t *bench_workload_json(const workload *w, double seconds);
enum { BENCH_TIME_BYTES = 40 };
void bench_time_now(char out[BENCH_TIME_BYTES]);

/* Fills the page with `data` and writes it in one stroke. */
COSREL_CHECKED cosrel_status bench_report_write(const char *path, const json_t *data,
                                                cosrel_error *err);

#endif
