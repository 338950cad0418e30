/* What 'cosrel sim' simulates: a device, requests, and a way to run one policy over them. */
#ifndef APPS_SIM_JOB_H
#define APPS_SIM_JOB_H

#include "cosrel/status.h"
#include "profile/table.h"
#include "sim/processors.h"
#include "sim/sim.h"
#include "sim_effects.h"
#include "sim_replay.h"
#include "workload/arrivals_file.h"
#include "workload/workload.h"

typedef struct sim_job_options {
    const char *device;   /* CSV */
    const char *arrivals; /* one of these three */
    const char *workload;
    const char *replay; /* a recording */
    sim_effects_options effects;
    double seconds; /* of a workload; <= 0: until it ends by itself */
    uint64_t seed;
} sim_job_options;

typedef struct sim_job {
    device_table *table;
    sim_device device;
    arrivals_list *arrivals; /* or */
    workload *work;
    sim_recorded *recorded; /* of a recording, whose arrivals stand above; otherwise NULL */
    device_spec *effects;   /* NULL: runs take exactly the table's time */
    int64_t until_ns;
    uint64_t seed;
} sim_job;

/* INVALID_FILE, NOT_FOUND, INVALID_ARGUMENT: one sentence that names the file or the option. *out
 * is to be freed even then. */
COSREL_CHECKED cosrel_status sim_job_read(const sim_job_options *options, sim_job *out,
                                          cosrel_error *err);
void sim_job_free(sim_job *job);

/* The device of one simulation, as new; NULL where no effect is on. */
COSREL_CHECKED cosrel_status sim_job_device(const sim_job *job, device_model **out,
                                            cosrel_error *err);

/* The requests from the start again: each policy is asked the same. */
COSREL_CHECKED cosrel_status sim_job_source(const sim_job *job, source **out, cosrel_error *err);

#endif
