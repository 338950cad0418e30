/* Policies that give each request to a processor when it arrives: each processor then serves its
 * own in order of arrival.
 *
 * Where processors share units, the oldest request goes first: a younger one does not start on a
 * processor that would keep an older one's from starting. So nothing starves, and a processor set
 * is not starved by its cores. A request whose processor is taken out, or can no longer run it, is
 * given to another one. Requests are served one at a time; these policies never form batches.
 *
 * Each lane is a list, so that a decision looks at the first request of every lane only, however
 * long the queues are. */
#ifndef SCHED_LANES_H
#define SCHED_LANES_H

#include "sched/view.h"

struct lanes;

/* Which of the `usable` processors (never empty) a request goes to. */
typedef int (*lanes_choose_fn)(struct lanes *lanes, const sched_view *view, uint32_t request,
                               uint64_t usable);

typedef struct lane_link {
    uint32_t next, prev;
    int16_t lane; /* processor; -1: not yet given */
} lane_link;

typedef struct lane {
    uint32_t head, tail;
} lane;

typedef struct lanes {
    lanes_choose_fn choose;
    lane_link *links; /* per request */
    lane lanes[CLASS_COUNT][SCHED_PROCESSORS_MAX];
    uint32_t *counts; /* [class][processor][model]: requests in the lane */
    int model_max;
    int home; /* `single`: its processor; `round-robin`: the next one */
} lanes;

COSREL_CHECKED cosrel_status lanes_create(const sched_view *view, lanes_choose_fn choose,
                                          void **state, cosrel_error *err);

/* The entries of sched_policy. */
void lanes_destroy(void *state);
void lanes_arrive(void *state, const sched_view *view, uint32_t request);
void lanes_leave(void *state, const sched_view *view, uint32_t request);
bool lanes_decide(void *state, const sched_view *view, sched_decision *out);

/* What waits in a lane of a class, in ns. */
int64_t lanes_work_ns(const lanes *l, const sched_view *view, int class, int processor);

/* The processor of `usable` with the least cost of one request, ties to the first. */
int lanes_fastest(const sched_view *view, int model, uint64_t usable);

#endif
