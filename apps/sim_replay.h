/* A recording as requests to simulate, and what it says of itself, to judge the simulator by. */
#ifndef APPS_SIM_REPLAY_H
#define APPS_SIM_REPLAY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "sim/sim.h"
#include "sim/trace.h"
#include "workload/arrivals_file.h"

typedef struct sim_recorded {
    char *policy;   /* "": the recording does not name it */
    char *workload; /* likewise */
    uint64_t requests, served, dropped;
    uint64_t with_deadline, missed;
    double mean_ms, p50_ms, p99_ms; /* of the served; 0: none was */
    double throughput_rps;          /* served / (last end - first arrival) */
    bool background;                /* some requests are of that priority */
} sim_recorded;

/* The arrivals of the trace or recording at `path`, whose models must be among `models`.
 * INVALID_FILE, NOT_FOUND, IO, OUT_OF_MEMORY. Both results are to be freed even then. */
COSREL_CHECKED cosrel_status sim_replay_read(const char *path, const char *const *models,
                                             int model_count, arrivals_list **arrivals,
                                             sim_recorded **recorded, cosrel_error *err);

/* Per model that `reader` has met so far the index among `models`. INVALID_FILE: one is not there.
 */
COSREL_CHECKED cosrel_status sim_replay_models(const char *path, const trace_reader *reader,
                                               const char *const *models, int model_count, int *map,
                                               cosrel_error *err);
void sim_recorded_free(sim_recorded *r); /* NULL is fine */

/* As a line under sim_print_heading, and as {policy, served, ...}; NULL: no memory. */
void sim_recorded_print(const sim_recorded *r);
json_t *sim_recorded_json(const sim_recorded *r);

/* After the line of a simulation under the recorded policy: how far it is off. OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status sim_recorded_compare(const sim_recorded *r, const char *policy,
                                                  const sim_result *result);

#endif
