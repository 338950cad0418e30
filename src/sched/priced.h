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

#include "sched/view.h"

/* A pair counts as efficient from here on (chosen: rounding of a linear program's duals). */
#define PRICED_EFFICIENT 0.999

/* Costs of a worth near zero (a processor that is never full) are all alike. (chosen) */
#define PRICED_WORTH_MIN 1e-9

/* With more requests waiting than this the device is overloaded: then the index is multiplied by
 * the model's backlog (max-weight among efficient pairs), which keeps the queues in proportion, so
 * that no processor runs out of what it does best and no model is left behind. Chosen: a few times
 * the longest queues that were seen at 0.95 of capacity. */
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

/* What a second of the whole device is worth: the sum of its units' prices, those of processors
 * that can still serve the class. A unit that only sets hold has its part of the cheapest of them.
 */
static inline double priced_total(const sched_view *v)
{
    double total = 0;
    uint64_t seen = 0;
    for (int p = 0; p < v->processor_count; p++)
        if (v->up & VIEW_BIT(p))
            seen |= v->processors[p].level == 0 ? v->processors[p].units : 0;
    for (uint64_t left = seen; left; left &= left - 1) {
        const uint64_t unit = left & -left;
        double least = -1;
        for (int p = 0; p < v->processor_count; p++) {
            const sched_processor *of = &v->processors[p];
            const double part = (v->prices ? v->prices[p] : 1) / __builtin_popcountll(of->units);
            if ((of->units & unit) && of->level == 0 && (v->up & VIEW_BIT(p)) &&
                (least < 0 || part < least))
                least = part;
        }
        total += least > 0 ? least : 0;
    }
    return total > 0 ? total : 1;
}

static inline double priced_index(double efficiency, double service_per_request)
{
    const double square = efficiency * efficiency, fourth = square * square;
    return fourth * fourth / service_per_request;
}

#endif
