/* An index rule from shadow prices, for policy_priced.c and the rollouts of lookahead.
 *
 * The dual prices of the capacity bound (sched/bound.h) say what a second of each processor's time
 * is worth while the device is full. A pair (model, processor) is efficient where the time it takes
 * there is worth least; its efficiency is that least worth over the pair's own, 1 for the pairs
 * that the bound's optimum uses. The index of a pair is efficiency^8 / service time per request:
 * among efficient pairs the shortest first, as c-mu rules do (Cox and Smith 1961; Mandelbaum and
 * Stolyar 2004 for many servers), others far behind. */
#ifndef SCHED_PRICED_H
#define SCHED_PRICED_H

#include <stdbool.h>

/* A pair counts as efficient from here on (chosen: rounding of a linear program's duals). */
#define PRICED_EFFICIENT 0.999

/* Costs of a worth near zero (a processor that is never full) are all alike. (chosen) */
#define PRICED_WORTH_MIN 1e-9

/* With more requests waiting than this the device is overloaded: then the index is multiplied by the
 * model's backlog (max-weight among efficient pairs), which keeps the queues in proportion, so that no
 * processor runs out of what it does best and no model is left behind. Chosen: a few times the
 * longest queues that were seen at 0.95 of capacity. */
#define PRICED_CROWD 128

/* Part of the work that waits for an efficient processor that a request is expected to wait out
 * before it: much of it comes after, being longer, or goes elsewhere. Chosen: 0.3 was better than 0
 * and 1 on the tables of docs/policies.md. */
#define PRICED_BACKLOG 0.3

/* worth: of the pair's time; least: of the model's best pair. In [0.02, 1]. */
static inline double priced_efficiency(double worth, double least)
{
    const double e = (least + PRICED_WORTH_MIN) / (worth + PRICED_WORTH_MIN);
    return e > 0.02 ? (e < 1 ? e : 1) : 0.02;
}

static inline double priced_index(double efficiency, double service_per_request)
{
    const double square = efficiency * efficiency, fourth = square * square;
    return fourth * fourth / service_per_request;
}

#endif
