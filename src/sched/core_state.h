/* The core's insides, for core.c, core_events.c and core_check.c only. */
#ifndef SCHED_CORE_STATE_H
#define SCHED_CORE_STATE_H

#include "sched/core.h"
#include "sched/policy.h"
#include "sched/queue.h"
#include "sched/view.h"

typedef enum processor_state { PROCESSOR_UP, PROCESSOR_DOWN, PROCESSOR_REMOVED } processor_state;

typedef struct core_run {
    int32_t count; /* requests in it; 0: idle */
    int64_t started_ns;
    int64_t expected_end_ns;
    uint32_t requests[SCHED_BATCH_MAX];
} core_run;

struct sched_core {
    /* Fixed. */
    const cost_table *costs;
    int processor_count;
    int model_max;
    uint32_t requests_max;
    uint32_t queue_len_max;
    bool drop_late;
    int patience;
    sched_processor processors[SCHED_PROCESSORS_MAX];
    char *processor_names[SCHED_PROCESSORS_MAX]; /* what those point to */
    uint64_t conflicts[SCHED_PROCESSORS_MAX]; /* processors of the level that share a unit, itself
                                                 included */
    uint64_t families[SCHED_PROCESSORS_MAX];  /* units of those */

    /* Processors and models. */
    processor_state states[SCHED_PROCESSORS_MAX];
    core_run runs[SCHED_PROCESSORS_MAX];
    core_run endings[SCHED_PROCESSORS_MAX]; /* runs before those, which are not over yet */
    uint64_t up;
    uint64_t running; /* those with a run in `runs` */
    int model_count;
    char **model_names;       /* NULL: that index is free */
    uint64_t *can_foreground; /* per model: processors that may run it, not removed */
    uint64_t *can_background;

    /* Requests. */
    sched_request *requests;
    uint32_t free_head; /* of those that were used before */
    uint32_t fresh;     /* from here on: never used */
    uint32_t used;      /* waiting, running or dropping */
    uint64_t next_sequence;
    class_queue classes[CLASS_COUNT];
    uint32_t waiting;
    uint32_t deadlines_waiting; /* waiting requests that have one */
    uint32_t drop_head, drop_tail;

    arrival_rates rates[2]; /* of foreground and of background requests */
    uint64_t arrivals;
    sched_objective objective;
    uint64_t objectives; /* how often it was set */
    double prices[SCHED_PROCESSORS_MAX], energy_prices[SCHED_PROCESSORS_MAX];

    /* Deciding. */
    const sched_policy *policy;
    void *policy_state;
    char *policy_spec;
    rng random;
    uint64_t decisions;
    int64_t now_ns;
    bool dirty; /* something happened since the last "nothing to do" */
    int64_t wake_ns;
    sched_view view;
    int64_t ready_ns[SCHED_PROCESSORS_MAX];
    sched_id action_ids[SCHED_BATCH_MAX];
    uint64_t action_tags[SCHED_BATCH_MAX];
};

/* core.c */
void core_look(sched_core *core, request_class class, uint64_t held); /* fills core->view */
void core_set_now(sched_core *core, int64_t now_ns); /* and marks that something happened */

/* core_events.c */
void core_update_model(sched_core *core, int model); /* which processors can run it */
void core_unqueue(sched_core *core, uint32_t index); /* from waiting to nowhere */
void core_queue_drop(sched_core *core, uint32_t index,
                     sched_drop_reason reason);      /* from nowhere to the drop list */
uint32_t core_take_drop(sched_core *core);           /* from there to nowhere; REQUEST_NONE: none */
void core_release(sched_core *core, uint32_t index); /* from nowhere to free */

static inline sched_id core_id(const sched_core *core, uint32_t index)
{
    return (uint64_t)core->requests[index].generation << 32 | index;
}

static inline const uint64_t *core_can(const sched_core *core, request_class class)
{
    return class == CLASS_BACKGROUND ? core->can_background : core->can_foreground;
}

#endif
