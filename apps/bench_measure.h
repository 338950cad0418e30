/* The rounds of a benchmark: every model alone, then every policy, in turn. */
#ifndef APPS_BENCH_MEASURE_H
#define APPS_BENCH_MEASURE_H

#include <jansson.h>

#include "bench_job.h"
#include "bench_plan.h"
#include "cosrel/cosrel.h"
#include "progress.h"

typedef struct bench_measure {
    const bench_plan *plan;
    const bench_job *job;
    cosrel_runtime *rt; /* with the job's models; NULL if the plan has only baselines */
    const char *models; /* for the children */
    const char *workload;
    int rounds;
    bool timelines; /* of the first round */
    /* Folder for a recording of each run of Cosrel's, or, ending in ".jsonl", the file for the only
     * one; NULL: none. */
    const char *record;
    progress *shown;
} bench_measure;

bool bench_record_is_file(const char *record);

/* {"alone": {...}, "runs": [...]}, complete or, after Ctrl-C, as far as it came; runs are
 * normalized. Sentences about what went wrong on the way are added to `notes`. Owned by the caller.
 * A policy that cannot be run is left out and the others go on: then the results are there, and the
 * status is its failure. Any other failure leaves *results NULL. */
COSREL_CHECKED cosrel_status bench_measure_all(const bench_measure *m, json_t *notes,
                                               json_t **results, cosrel_error *err);

#endif
