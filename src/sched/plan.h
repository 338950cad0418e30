/* A trial schedule: policies that look ahead give waiting requests to processors on paper, in their
 * order, and start the first one whose processor is idle now. Giving a request to a set of cores
 * keeps those cores from later requests, so what is planned for a set cannot be starved by small
 * runs. */
#ifndef SCHED_PLAN_H
#define SCHED_PLAN_H

#include "sched/view.h"

typedef struct sched_plan {
    const sched_view *view;
    uint64_t open;    /* processors that may start now and that nothing planned excludes */
    uint64_t planned; /* processors that something was given to */
    uint64_t usable;  /* processors that matter: those that some waiting model can use */
    int64_t ready_ns[SCHED_PROCESSORS_MAX];
} sched_plan;

void plan_begin(sched_plan *p, const sched_view *view);

/* A request of `cost_ns` goes to `processor`, after all that was given to it and to those that
 * exclude it. */
void plan_give(sched_plan *p, int processor, int64_t cost_ns);

/* The processor where a run of one request would end first, ties to the first in alphabetical
 * order; -1: none is up. *end_ns: when. waiting > 0: sets count by their share (view_share) among
 * that many requests, and *end_ns with them. */
int plan_earliest(const sched_plan *p, int model, uint32_t waiting, int64_t *end_ns);

/* Whether planning more can change anything: some waiting model can use an open processor, or lower
 * classes could use one that a set should keep. */
static inline bool plan_goes_on(const sched_plan *p)
{
    return (p->open & p->usable) != 0;
}

/* Where the oldest request of each waiting model would go by earliest finish: what a policy that
 * waits keeps for them. */
uint64_t plan_holds(const sched_view *view);

#endif
