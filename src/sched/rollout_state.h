/* The insides of rollouts, for rollout.c and rollout_base.c only. Models and processors are the
 * rollout's own numbers; times are in ns from now. */
#ifndef SCHED_ROLLOUT_STATE_H
#define SCHED_ROLLOUT_STATE_H

#include "sched/rollout.h"

#define ROLLOUT_NEVER 1e30

enum { ROLLOUT_CANDIDATES_MAX = 64 };

struct rollout {
    /* What is now. */
    int model_count, active_count; /* those with waiting requests come first */
    int processor_count, batch_count;
    int models[ROLLOUT_MODELS_MAX]; /* in the core's numbers */
    int processors[SCHED_PROCESSORS_MAX];
    bool *chosen; /* per model of the core: it is among them */
    int32_t batches[COST_BATCHES_MAX];
    double *cost;                            /* [model][processor][batch]; NEVER: cannot run */
    double *energy;                          /* likewise, uJ */
    double *single;                          /* [model][processor]: batch 1 */
    double least_energy[ROLLOUT_MODELS_MAX]; /* uJ per request */
    double *index;                           /* [model][processor]: priced.h */
    uint64_t efficient[ROLLOUT_MODELS_MAX];
    double work_ns[ROLLOUT_MODELS_MAX]; /* of the whole device, per request */
    int by_work[ROLLOUT_MODELS_MAX];
    uint64_t conflicts[SCHED_PROCESSORS_MAX];
    uint64_t idle;
    double free_at[SCHED_PROCESSORS_MAX];
    int waiting[ROLLOUT_MODELS_MAX];
    int waiting_total;
    bool priced, any_deadline;
    sched_objective objective;
    double usual_deadline[ROLLOUT_MODELS_MAX];
    double miss_cost;                                      /* of one missed deadline, ns */
    double due[ROLLOUT_MODELS_MAX][ROLLOUT_DEADLINES_MAX]; /* of waiting and coming requests */
    double load;
    double part[SCHED_PROCESSORS_MAX]; /* of the device that a processor is */
    int crowd;                         /* with more waiting than this the backlog decides */
    double later;                      /* weight of what waits after the last arrival of a future */
    double rate;                       /* arrivals per ns */
    double share_sums[ROLLOUT_MODELS_MAX];

    /* A future. */
    int arrivals_max, arrival_count, events_max;
    double arrival_at[ROLLOUT_ARRIVALS_MAX];
    int arrival_model[ROLLOUT_ARRIVALS_MAX];

    double *gaps, *picks; /* random numbers in store */
    uint64_t steps;
};

/* One run's present. */
typedef struct rollout_state {
    double now, cost;
    uint64_t idle;
    int waiting_total, active_count;
    int active[ROLLOUT_MODELS_MAX]; /* models with waiting requests, in no order */
    int active_at[ROLLOUT_MODELS_MAX];
    int waiting[ROLLOUT_MODELS_MAX];
    /* Only with deadlines: how many were served, and which of the first. */
    int served[ROLLOUT_MODELS_MAX];
    uint32_t served_which[ROLLOUT_MODELS_MAX];
    double free_at[SCHED_PROCESSORS_MAX];
} rollout_state;

static inline int rollout_pair(const rollout *r, int model, int processor)
{
    return model * r->processor_count + processor;
}

static inline uint64_t rollout_all(const rollout *r)
{
    return r->processor_count == 64 ? UINT64_MAX : VIEW_BIT(r->processor_count) - 1;
}

/* rollout_base.c: what the base policy would start, of those that wait, on an idle processor;
 * false: nothing. */
bool rollout_base_choose(rollout *r, rollout_base base, const rollout_state *x, int *processor,
                         int *model);

#endif
