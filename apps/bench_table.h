/* The results as a table for people. */
#ifndef APPS_BENCH_TABLE_H
#define APPS_BENCH_TABLE_H

#include <jansson.h>
#include <stdio.h>

#include "bench_job.h"
#include "bench_plan.h"

/* Per policy and model: rate, median and 99th percentile of the latency, missed deadlines; per
 * policy: normalized throughput, CPU seconds, energy. Over the rounds: means of rates and shares,
 * medians of percentiles. */
void bench_table_print(FILE *out, const bench_plan *plan, const bench_job *job,
                       const json_t *results);

#endif
