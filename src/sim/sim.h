/* The simulator: the scheduler's core in virtual time.
 *
 * The same core and policies that serve in the runtime, driven by a loop that jumps from event to
 * event: requests come from a workload source, a run takes what the device table says. Without a
 * device model that is exact, to the nanosecond; with one (sim/device_model.h) runs are noisy, slow
 * each other down, heat the device, fail.
 *
 * Invariants are checked on every event, in every build: no request is lost or run twice, no
 * resource unit is used twice, time only goes forward. One that is broken ends the program with a
 * message, since no result could be trusted.
 *
 * No clock, no thread, no file; the same setup gives the same events. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hist.h"
#include "cosrel/status.h"
#include "profile/cost.h"
#include "sched/core.h"
#include "sim/device_model.h"
#include "workload/source.h"

/* What happened, for traces and reports. Any entry may be NULL. Ids are the source's. */
typedef struct sim_observer {
    void *user;
    void (*arrival)(void *user, const source_request *request);
    /* At the start of a run; end_ns: what the table says, and without a device model and
     * pre-emption what will be. */
    void (*dispatch)(void *user, int64_t start_ns, int64_t end_ns, int processor, int model,
                     const uint32_t *ids, int count);
    /* At its end; ok: it did not fail and its processor was not taken out. */
    void (*end)(void *user, int64_t start_ns, int64_t end_ns, int processor, int model,
                const uint32_t *ids, int count, bool ok);
    void (*drop)(void *user, int64_t now_ns, uint32_t id, sched_drop_reason reason);
    /* Every so often, for progress bars; false: stop here. */
    bool (*going_on)(void *user, int64_t now_ns, uint64_t served);
} sim_observer;

typedef struct sim_giving_up {
    int64_t t_ns;
    uint32_t id; /* the source's */
} sim_giving_up;

/* What happens is known already, for who leads the simulator along a trace: runs end and requests
 * are given up when it says, whatever the table says, and there is no device model. Lists are in
 * order of time. */
typedef struct sim_script {
    void *user;
    /* A run begins: when it ends, after start_ns, and whether it answers. */
    int64_t (*end_ns)(void *user, int64_t start_ns, int64_t table_end_ns, int processor, bool *ok);
    const sim_giving_up *given_up; /* those that do not wait then are passed over */
    size_t given_up_count;
    const int64_t *asked_ns; /* when the policy is asked, even if nothing else happens then */
    size_t asked_count;
    bool costs_move; /* the core learns from how long runs take, as it does with a device model */
} sim_script;

typedef struct sim_setup {
    sched_setup sched; /* model_max, and requests_max where 0, are set by the simulator */
    const cost_table *costs;
    const char *const *models; /* names, one per model of `costs` */
    source *requests;          /* its end is the simulation's: all that was asked is served first */
    device_model *device;      /* NULL: exact */
    const sim_script *script;  /* NULL: none */
    int64_t (*stopwatch_ns)(void); /* times decisions; NULL: they are not timed */
    const sim_observer *observer;  /* NULL: nobody watches */
    bool check;                    /* sched_core_check after every event, for tests: slow */
} sim_setup;

typedef struct sim_model_result {
    uint64_t served;
    uint64_t with_deadline;
    uint64_t missed;    /* ended too late, or dropped, among those */
    double *latency_ms; /* of the served ones, in order of their ends; the result's */
    uint64_t latency_room;
} sim_model_result;

typedef struct sim_processor_result {
    uint64_t runs;
    int64_t busy_ns;
} sim_processor_result;

typedef struct sim_result {
    uint64_t arrived, served;
    uint64_t dropped; /* and refused because there was no room */
    uint64_t left;    /* never served: nothing was left that could run them, or it was stopped */
    uint64_t events;  /* arrivals, ends of runs, drops and changes of the device */
    uint64_t decisions;
    int64_t first_arrival_ns, last_end_ns;
    double energy_uj;
    hist decision_ns; /* empty without a stopwatch */
    int model_count, processor_count;
    sim_model_result *models;
    sim_processor_result processors[SCHED_PROCESSORS_MAX];
    bool stopped; /* the observer asked for it */
} sim_result;

/* Runs until no request waits, runs or will come. Errors: OUT_OF_MEMORY, and those of
 * sched_core_create (an unknown policy). *out is to be deinitialised even after an error. Blocks;
 * any thread. */
COSREL_CHECKED cosrel_status sim_run(const sim_setup *setup, sim_result *out, cosrel_error *err);
void sim_result_deinit(sim_result *r);

/* Over all models, of the served requests. */
typedef struct sim_summary {
    double mean_ms, p50_ms, p99_ms,
        max_ms;                /* percentiles: nearest rank; 0 where nothing was served */
    double throughput_rps;     /* served / (last end - first arrival) */
    double deadline_miss_rate; /* of the requests that have a deadline; 0: none has */
    double energy_mj_per_request;
} sim_summary;

/* model < 0: all of them. */
COSREL_CHECKED cosrel_status sim_summarise(const sim_result *r, int model, sim_summary *out);

#endif
