/* What policies see: one class of waiting requests, and the processors that may serve it.
 *
 * The core fills a sched_view before each call into a policy; policies read it through the
 * functions below and keep no pointer to it. A request's handle is its index: unique while it
 * waits, below view_request_max, good for arrays of a policy's own. Masks have one bit per
 * processor. */
#ifndef SCHED_VIEW_H
#define SCHED_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "profile/cost.h"
#include "sched/policy.h"
#include "sched/queue.h"
#include "sched/rates.h"

struct sched_view {
    int64_t now_ns;
    const cost_table *costs;
    int processor_count;
    int model_max;
    int model_count;
    uint32_t request_max;
    const sched_processor *processors;
    const uint64_t
        *conflicts; /* per processor: those that cannot run while it runs, itself included */
    const uint64_t *families; /* per processor: the units of all its conflicts */
    const int64_t *
        ready_ns; /* per processor: when it and all its conflicts are expected to be idle; >= now */
    const uint64_t *can; /* per model: not removed, of the class's level, batch 1 has a cost */
    uint64_t up;
    uint64_t startable;     /* up, its units free, not held for a higher class; idle, or its run is
                               about to end (then ready_ns says when) */
    uint64_t busy_units[2]; /* per level */
    bool lower_wait;        /* lower classes have waiting requests: what is held matters */
    const class_queue *queue;
    const sched_request *requests;
    const arrival_rates *rates; /* of foreground or of background requests, as the class is */
    const double *prices; /* per processor: requests/s that a second of its time is worth; NULL:
                             unknown */
    const double *energy_prices; /* per processor: mJ that a second more of its time would save at
                                    the present rate; NULL: unknown */
    double heat;                 /* sched_core_set_heat */
    const sched_objective *objective;
    const learned_hook *learned;
    int patience; /* see view_patience_ns */
    rng *random;  /* the policy's stream */
};

#define VIEW_BIT(processor) ((uint64_t)1 << (processor))

/* For loops over masks: the lowest processor of a mask that is not empty. */
static inline int view_lowest(uint64_t mask)
{
    return __builtin_ctzll(mask);
}

/* The processors that can run the model and are up; if none is, those that may come back. */
static inline uint64_t view_usable(const sched_view *v, int model)
{
    const uint64_t up = v->can[model] & v->up;
    return up ? up : v->can[model];
}

/* The cost of one run in ns; 0: it cannot run at that batch. */
static inline int64_t view_cost_ns(const sched_view *v, int model, int processor, int batch_index)
{
    return cost_at(v->costs, model, processor, batch_index)->service_ns;
}

/* A run of one request may start now. */
static inline bool view_can_start(const sched_view *v, int model, int processor)
{
    return (v->can[model] & v->startable & VIEW_BIT(processor)) != 0;
}

/* Waiting requests of the class in order of arrival; REQUEST_NONE after the last. */
static inline uint32_t view_first(const sched_view *v)
{
    return v->queue->head;
}
static inline uint32_t view_next(const sched_view *v, uint32_t request)
{
    return v->requests[request].next;
}

/* The same for one model. */
static inline uint32_t view_model_first(const sched_view *v, int model)
{
    return v->queue->models[model].head;
}
static inline uint32_t view_model_next(const sched_view *v, uint32_t request)
{
    return v->requests[request].model_next;
}
static inline uint32_t view_waiting(const sched_view *v, int model)
{
    return v->queue->models[model].count;
}

/* Models with waiting requests, in no particular order. */
static inline int view_active_count(const sched_view *v)
{
    return v->queue->active_count;
}
static inline int view_active(const sched_view *v, int i)
{
    return v->queue->active[i];
}

/* The model's least cost over the processors usable now. Costs move between calls, so it is looked
 * up each time. */
static inline int64_t view_fastest_ns(const sched_view *v, int model)
{
    int64_t least = SCHED_NEVER;
    for (uint64_t left = view_usable(v, model); left; left &= left - 1) {
        const int64_t cost = view_cost_ns(v, model, view_lowest(left), 0);
        if (cost > 0 && cost < least)
            least = cost;
    }
    return least;
}

/* Starvation. Algorithms that always prefer some kind of request (short, long, urgent) would starve
 * the others under overload, and where few clients wait for each other's answers. So a policy
 * starts the oldest request of a starved model first: one that waits while none of its model was
 * started for this many times the slowest waiting model's least cost (chosen: far above what
 * happens below capacity, where the published algorithm must decide alone; and the slowest model
 * gets a ninth of a processor). The runtime asks for SCHED_PATIENCE; a simulation of the algorithms
 * as published for none. */

static inline int64_t view_patience_ns(const sched_view *v)
{
    int64_t slowest = 0;
    if (v->patience == 0)
        return SCHED_NEVER / 4;
    for (int i = 0; i < view_active_count(v); i++) {
        const int64_t fastest = view_fastest_ns(v, view_active(v, i));
        if (fastest != SCHED_NEVER && fastest > slowest)
            slowest = fastest;
    }
    return slowest > SCHED_NEVER / 4 / v->patience ? SCHED_NEVER / 4 : v->patience * slowest;
}

static inline bool view_starved(const sched_view *v, int model, int64_t patience_ns)
{
    const model_queue *q = &v->queue->models[model];
    const int64_t since_ns = v->now_ns - patience_ns;
    return v->requests[q->head].arrived_ns < since_ns && q->started_ns < since_ns;
}

/* Starved models by their oldest requests: *sequence is where the walk stands, 0 at its start. -1
 * after the last. */
static inline int view_next_starved(const sched_view *v, int64_t patience_ns, uint64_t *sequence)
{
    int best = -1;
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < view_active_count(v); i++) {
        const int model = view_active(v, i);
        const uint64_t at = v->requests[view_model_first(v, model)].sequence;
        if (at >= *sequence && at < least && view_starved(v, model, patience_ns)) {
            least = at;
            best = model;
        }
    }
    *sequence = least == UINT64_MAX ? least : least + 1;
    return best;
}

/* For how many single units' worth of waiting work a set stands: a set of k units counts as one
 * processor while nothing else wants its units, and as k processors when as many requests wait. In
 * between the free units of its family are split evenly among the waiting requests. 1 for every
 * processor of a single unit. */
static inline double view_share(const sched_view *v, int processor, uint32_t waiting)
{
    const sched_processor *p = &v->processors[processor];
    const int units = __builtin_popcountll(p->units);
    if (units == 1)
        return 1;
    const int idle = __builtin_popcountll(v->families[processor] & ~v->busy_units[p->level]);
    if (idle == 0 || waiting >= (uint32_t)idle)
        return units;
    const double share = (double)units * waiting / idle;
    return share > 1 ? share : 1;
}

#endif
