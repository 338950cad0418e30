/* The results of a benchmark as JSON: what `--json` prints and what the report is made of.
 *
 * Results: {"alone": {model: rps}, "runs": [run, ...]}. A run as bench_run_json makes it carries
 * more than `--json` prints (histograms, processors, timelines): the report needs them. */
#ifndef APPS_BENCH_JSON_H
#define APPS_BENCH_JSON_H

#include <jansson.h>

#include "bench_run.h"

/* Gives every run its normalized_throughput: the sum over models of rps / alone rps. null where a
 * model's rate alone is not known (interrupted before). */
void bench_json_normalize(json_t *results);

/* A copy with what `--json` prints. NULL when out of memory. */
json_t *bench_json_public(const json_t *results);

/* Mean over the rounds of the rates that a model reached alone, from bench_run_json of each:
 * {model: rps}. */
json_t *bench_json_alone(const json_t *alone_runs);

#endif
