/* The scheduler's state machine: events and a time go in, actions come out.
 *
 * It owns queues, processor states, deadlines and estimates, and knows no clock, thread, file or
 * inference library. The caller (wall-clock runtime, simulator, learner) serialises the calls and
 * passes a time that never goes back.
 *
 *     sched_core_arrive(core, now, &arrival, &id);
 *     while (sched_core_next(core, now, &action))
 *         ... carry the action out ...
 *
 * After every event the caller drains sched_core_next. All memory is taken in sched_core_create and
 * sched_core_add_model; no event allocates.
 *
 * Levels. A processor of level 0 runs foreground requests. One of level 1 runs background requests
 * (priority below zero) beside them: the operating system lets level 0 pre-empt it at any instant,
 * so a level-1 run holds its units only against other level-1 runs. Where no level-1 processor can
 * run a model, its background requests run on level 0, only when no foreground request waits for
 * that processor. */
#ifndef SCHED_CORE_H
#define SCHED_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "profile/cost.h"
#include "sched/objective.h"

#define SCHED_NEVER INT64_MAX

enum {
    SCHED_PROCESSORS_MAX = 64,
    SCHED_BATCH_MAX = 64,
    SCHED_ATTEMPTS_MAX = 3,
    SCHED_PATIENCE = 8
};

/* A request's handle: index and generation, never 0. Stale ids are recognised. */
typedef uint64_t sched_id;

typedef struct sched_core sched_core;
typedef struct learned_hook learned_hook; /* sched/learned.h */

typedef struct sched_processor {
    const char *name; /* copied; processors are given in alphabetical order of name */
    uint64_t units;   /* resource units, one bit each; runs that share a unit on one level exclude
                         each other */
    int level;        /* 0 foreground, 1 background (pre-emptible) */
} sched_processor;

typedef struct sched_setup {
    const sched_processor *processors;
    int processor_count;
    int model_max;
    uint32_t requests_max;  /* waiting and running together */
    uint32_t queue_len_max; /* waiting per model; 0: requests_max */
    const char *policy;     /* "min-min", "single:cpu0", ... */
    bool drop_late; /* drop a waiting request when its deadline has passed or cannot be met any more
                     */
    uint64_t seed;  /* of the policy's random stream */
    /* A model that waits while none of its requests was started for this many times the slowest
     * waiting model's least cost goes first, whatever the policy prefers. 0: the algorithms as
     * published, which let some requests starve under overload. SCHED_PATIENCE: see view.h. */
    int patience;
    sched_objective objective;   /* zeroed: latency */
    const learned_hook *learned; /* for the learned policy; NULL: none */
} sched_setup;

typedef struct sched_arrival {
    int model;
    int priority;        /* < 0 background, 0 normal, > 0 served before normal ones */
    int64_t deadline_ns; /* absolute; SCHED_NEVER: none */
    uint64_t tag;        /* the driver's own; comes back in actions */
} sched_arrival;

typedef enum sched_action_type { SCHED_DISPATCH, SCHED_DROP } sched_action_type;

typedef enum sched_drop_reason {
    SCHED_DROP_LATE,        /* only with drop_late */
    SCHED_DROP_FAILED,      /* SCHED_ATTEMPTS_MAX runs failed */
    SCHED_DROP_UNAVAILABLE, /* no processor that is up or may come back can run the model */
} sched_drop_reason;

typedef struct sched_action {
    sched_action_type type;
    int processor; /* DISPATCH */
    int model;
    int32_t batch;             /* DISPATCH: the number of requests */
    int batch_index;           /* DISPATCH: the row of the cost table that was assumed */
    int64_t expected_start_ns; /* DISPATCH: now, or when the run that is ending there is over */
    int64_t expected_end_ns;   /* DISPATCH: that + estimate */
    sched_drop_reason reason;  /* DROP */
    const sched_id *ids;  /* `batch` of them (DROP: one); valid until the next call into the core */
    const uint64_t *tags; /* likewise */
} sched_action;

/* `costs` stays the caller's, outlives the core, and may be changed by the caller between calls.
 * Errors name the policy or processor that is wrong. */
COSREL_CHECKED cosrel_status sched_core_create(const sched_setup *setup, const cost_table *costs,
                                               sched_core **out, cosrel_error *err);
void sched_core_free(sched_core *core);

/* Announces a model. Its index is sched_core_next_model: the least that no model has, so 0, 1, 2,
 * ... while none is removed; its row in `costs` must be filled. QUEUE_FULL: model_max are there.
 * sched_core_model_changed: the set of processors that can run it, or its costs, changed greatly (a
 * profile).
 * sched_core_remove_model: its index is free for another one; no request of it may be waiting or
 * running, or about to be dropped: UNAVAILABLE. INVALID_ARGUMENT: there is no such model. */
int sched_core_next_model(const sched_core *core);
COSREL_CHECKED cosrel_status sched_core_add_model(sched_core *core, int64_t now_ns,
                                                  const char *name);
COSREL_CHECKED cosrel_status sched_core_remove_model(sched_core *core, int64_t now_ns, int model);
void sched_core_model_changed(sched_core *core, int64_t now_ns, int model);

/* A new version of a model: it is expected to be asked for as often as the one before it was, which
 * no longer is. Both have an index. */
void sched_core_succeed(sched_core *core, int before, int model);

/* Changes the policy between two events; waiting requests stay. On error the old policy stays. */
COSREL_CHECKED cosrel_status sched_core_set_policy(sched_core *core, int64_t now_ns,
                                                   const char *policy, cosrel_error *err);

/* What policies that weigh consequences aim at, from now on. */
void sched_core_set_objective(sched_core *core, int64_t now_ns, const sched_objective *objective);

/* Estimates for policies: what a second of each processor's time is worth, in requests per second
 * of the present mix (the dual prices of the capacity bound, sched/bound.h), one number per
 * processor. They age with the mix and the costs; who drives the core renews them. NULL: unknown.
 */
void sched_core_set_prices(sched_core *core, int64_t now_ns, const double *prices);

/* Likewise: how much energy (mJ) a second more of each processor's time would save at the present
 * rate. */
void sched_core_set_energy_prices(sched_core *core, int64_t now_ns, const double *prices);

/* Whether the policy looks at them. */
bool sched_core_uses_prices(const sched_core *core);

/* How near the device is to throttling: 0 as cool as when idle, or unknown (as at first), 1
 * throttles. What is beyond is brought to 0 or 1. Policies see it at their next decision; it moves
 * too slowly to bring one about. */
void sched_core_set_heat(sched_core *core, int64_t now_ns, double heat);

/* Each model's part in the foreground arrivals so far, and how many there were: the mix for those
 * prices. */
void sched_core_mix(const sched_core *core, double *shares);
uint64_t sched_core_arrivals(const sched_core *core);

/* QUEUE_FULL when there is no room; UNAVAILABLE when no processor can run the model. */
COSREL_CHECKED cosrel_status sched_core_arrive(sched_core *core, int64_t now_ns,
                                               const sched_arrival *arrival, sched_id *id);

/* The run on `processor` ended. If it failed, its requests go back to the head of their queue, and
 * after SCHED_ATTEMPTS_MAX failed runs they are dropped. The driver takes the processor down if it
 * thinks so. */
void sched_core_complete(sched_core *core, int64_t now_ns, int processor, bool ok);

/* The run on `processor` is not over, but the driver can prepare another one there meanwhile: the
 * core may dispatch one more, which begins when this one is over. Nothing where no run is under
 * way, where one is prepared already, or where the processor excludes others. sched_core_complete
 * and what takes the processor out then mean the run that is ending; what was prepared stays until
 * the driver tells how that went, or takes it back: its requests wait again, and this was no
 * attempt of theirs. */
void sched_core_ending(sched_core *core, int64_t now_ns, int processor);
void sched_core_take_back(sched_core *core, int64_t now_ns, int processor);

/* Takes a processor out (its running requests go back as after a failure) or in again. A processor
 * that is down counts as one that may come back. sched_core_processor_remove: it never will. */
void sched_core_processor_down(sched_core *core, int64_t now_ns, int processor);
void sched_core_processor_up(sched_core *core, int64_t now_ns, int processor);
void sched_core_processor_remove(sched_core *core, int64_t now_ns, int processor);

/* True: it was waiting and is gone, no action will name it. False: it runs, is done, or never was.
 */
bool sched_core_cancel(sched_core *core, int64_t now_ns, sched_id id);

/* Nothing happened, and yet the policy is to be asked again. */
void sched_core_wake(sched_core *core, int64_t now_ns);

/* The next action at this time; false when there is none. */
bool sched_core_next(sched_core *core, int64_t now_ns, sched_action *action);

/* When the core wants sched_core_next to be called again even if no event comes; SCHED_NEVER: not
 * at all. */
int64_t sched_core_wake_ns(const sched_core *core);

/* Reading. */
uint32_t sched_core_waiting(const sched_core *core, int model); /* model < 0: all */
bool sched_core_idle(const sched_core *core);                   /* nothing waits, nothing runs */
const char *sched_core_policy(const sched_core *core);          /* as it was asked for */
uint64_t sched_core_decisions(const sched_core *core);          /* calls into the policy so far */

/* Aborts with a message if an invariant is broken: every request in exactly one place, counts
 * right, no unit held twice on a level. For tests and the simulator; O(everything). */
void sched_core_check(const sched_core *core);

#endif
