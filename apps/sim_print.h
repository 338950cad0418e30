/* The results of 'cosrel sim' on standard output. */
#ifndef APPS_SIM_PRINT_H
#define APPS_SIM_PRINT_H

#include <jansson.h>

#include "cosrel/status.h"
#include "sim/sim.h"

/* {policy, served, dropped, mean_ms, p50_ms, p99_ms, throughput_rps, deadline_miss_rate,
 * energy_mj_per_request, decisions, decision_us_p50, decision_us_p99}; NULL: no memory. */
json_t *sim_result_json(const char *policy, const sim_result *result);

/* A line per policy, under a heading. OUT_OF_MEMORY. */
void sim_print_heading(void);
COSREL_CHECKED cosrel_status sim_print_line(const char *policy, const sim_result *result);

/* What each model and each processor had of one run. OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status sim_print_details(const sim_result *result, const char *const *models,
                                               const sched_processor *processors);

#endif
