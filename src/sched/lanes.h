/* Policies that give each request to a processor when it arrives: each processor then serves its
 * own in order of arrival.
 *
 * Where processors share units, the oldest request goes first: a younger one does not start on a
 * processor that would keep an older one's from starting. So nothing starves, and a processor set
 * is not starved by its cores. A request whose processor is taken out, or can no longer run it, is
 * given to another one. Requests are served one at a time; these policies never form batches. */
#ifndef SCHED_LANES_H
#define SCHED_LANES_H

#include "sched/view.h"

struct lanes;

/* Which of the `usable` processors (never empty) a request goes to. */
typedef int (*lanes_choose_fn)(struct lanes *lanes, const sched_view *view, uint32_t request,
                               uint64_t usable);

typedef struct lanes {
    lanes_choose_fn choose;
    int16_t *lane; /* per request; -1: not yet given */
    int home;      /* `single`: its processor; `round-robin`: the next one */
} lanes;

COSREL_CHECKED cosrel_status lanes_create(const sched_view *view, lanes_choose_fn choose,
                                          void **state, cosrel_error *err);

/* The entries of sched_policy. */
void lanes_destroy(void *state);
void lanes_arrive(void *state, const sched_view *view, uint32_t request);
bool lanes_decide(void *state, const sched_view *view, sched_decision *out);

/* The processor of `usable` with the least cost of one request, ties to the first. */
int lanes_fastest(const sched_view *view, int model, uint64_t usable);

#endif
