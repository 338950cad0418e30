/* Writing down what happens in a simulation: as a trace, as a picture for Perfetto, or both. */
#ifndef APPS_SIM_TRACE_H
#define APPS_SIM_TRACE_H

#include <stdbool.h>

#include "cosrel/status.h"
#include "sim/processors.h"
#include "sim/sim.h"

typedef struct sim_trace sim_trace;

/* Either path may be NULL. ends_late: runs do not end when they were expected to at their start
 * (device effects, or background runs that wait for their core); then each is written at its end.
 * `device` must outlive it. IO, OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status sim_trace_begin(const char *trace, const char *chrome,
                                             const sim_device *device, bool ends_late,
                                             sim_trace **out, cosrel_error *err);

/* What a sim_observer is told. NULL is fine. */
void sim_trace_arrival(sim_trace *t, const source_request *request);
void sim_trace_dispatch(sim_trace *t, int64_t start_ns, int64_t end_ns, int processor, int model,
                        const uint32_t *ids, int count);
void sim_trace_run(sim_trace *t, int64_t start_ns, int64_t end_ns, int processor, int model,
                   const uint32_t *ids, int count, bool ok);
void sim_trace_drop(sim_trace *t, int64_t now_ns, uint32_t id, sched_drop_reason reason);

/* keep: puts the files in their place; otherwise there are none. Frees it. NULL is fine. */
COSREL_CHECKED cosrel_status sim_trace_end(sim_trace *t, bool keep, cosrel_error *err);

#endif
