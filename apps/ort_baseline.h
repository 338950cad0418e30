/* What people do today: ONNX Runtime alone, one session per model, one client thread per stream,
 * nothing that schedules. The fixed settings are those that an expert would choose among. */
#ifndef APPS_ORT_BASELINE_H
#define APPS_ORT_BASELINE_H

#include "bench_run.h"

typedef struct ort_baseline {
    const char *name;
    const char *summary;
    bool spinning;    /* pool threads spin while they wait for work: ONNX Runtime's default */
    int threads;      /* per session; 0: ONNX Runtime's default, one per core */
    bool global_pool; /* one pool for all sessions */
} ort_baseline;

/* By name or by index (NULL after the last); NULL if there is none. */
const ort_baseline *ort_baseline_find(const char *name);
const ort_baseline *ort_baseline_at(size_t index);

/* What a closed model alone is measured with: ort-default. */
const ort_baseline *ort_baseline_alone(void);

/* Opens the sessions, runs the job's streams and fills `run`. The global pool is a property of ONNX
 * Runtime's environment, of which a process has one: call this once, in a process that has none
 * yet. */
COSREL_CHECKED cosrel_status ort_baseline_run(const ort_baseline *kind, const bench_job *job,
                                              const char *policy, int round, bool with_timeline,
                                              bench_run *run, bool *counted, cosrel_error *err);

#endif
