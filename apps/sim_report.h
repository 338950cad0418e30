/* The results of 'cosrel sim' as the page that 'cosrel bench' writes: one simulation after another
 * is watched, and what it did is kept as the page's data. */
#ifndef APPS_SIM_REPORT_H
#define APPS_SIM_REPORT_H

#include <jansson.h>
#include <stdbool.h>

#include "cosrel/status.h"
#include "sim_job.h"

typedef struct sim_report sim_report;

typedef struct sim_report_about {
    const char *device;    /* the table's path, as it was given */
    const char *title;     /* what is asked: the workload's name, or a file's */
    const char *objective; /* as it was given */
    const char *command_line;
} sim_report_about;

/* `job` and the texts must outlive it. OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status sim_report_create(const sim_job *job, const sim_report_about *about,
                                               sim_report **out, cosrel_error *err);
void sim_report_free(sim_report *r); /* NULL is fine */

/* Before a simulation, and after it. OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status sim_report_begin(sim_report *r, const char *policy, cosrel_error *err);
COSREL_CHECKED cosrel_status sim_report_add(sim_report *r, const sim_result *result,
                                            cosrel_error *err);

/* What a sim_observer is told meanwhile. NULL is fine. */
void sim_report_arrival(sim_report *r, const source_request *request);
void sim_report_run(sim_report *r, int64_t start_ns, int64_t end_ns, int processor, int model,
                    const uint32_t *ids, int count, bool ok);
void sim_report_drop(sim_report *r, uint32_t id);

/* A sentence for the page. */
void sim_report_note(sim_report *r, const char *text);

/* IO, OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status sim_report_write(sim_report *r, const char *path, cosrel_error *err);

#endif
