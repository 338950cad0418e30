/* What a benchmark asks, the same for every policy: models with their inputs, streams, times. */
#ifndef APPS_BENCH_JOB_H
#define APPS_BENCH_JOB_H

#include "cosrel/status.h"
#include "inputs.h"
#include "workload/workload.h"

typedef struct bench_model {
    char *name;
    char *path; /* of the .onnx file */
    inputs in;  /* seeded random values at batch 1, read by every request */
    char **output_names;
    size_t output_count;
} bench_model;

typedef struct bench_job {
    workload *work;
    bench_model *models; /* those that the streams name, in order of first mention */
    int model_count;
    int *stream_models; /* per stream: index of its model */
    double seconds;     /* measured */
    double warmup_s;    /* before that, under the same load */
    uint64_t seed;
} bench_job;

/* workload_path == NULL: every model of the folder, closed-loop. `only` != NULL: that model alone,
 * closed-loop. NOT_FOUND names the model that is not there and the nearest that is. Free with
 * bench_job_free. */
COSREL_CHECKED cosrel_status bench_job_make(const char *models_path, const char *workload_path,
                                            const char *only, uint64_t seed, bench_job **out,
                                            cosrel_error *err);
void bench_job_free(bench_job *job); /* NULL is fine */

#endif
