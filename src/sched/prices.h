/* When and how the price estimates of a core are renewed. Whoever drives the core does it between
 * events, since solving a linear program takes longer than a decision may; only where the policy
 * looks at prices (sched_core_uses_prices). */
#ifndef SCHED_PRICES_H
#define SCHED_PRICES_H

#include "sched/core.h"

/* After how many arrivals the prices are next computed, given how many there were: often at first,
 * while the mix is becoming known, then every 512 (chosen: shares of 600 remembered arrivals have
 * changed by then). */
static inline uint64_t prices_next(uint64_t arrivals)
{
    return arrivals < 512 ? (arrivals < 16 ? 16 : 2 * arrivals) : arrivals + 512;
}

/* What the linear program is made of, taken from a core under its owner's lock. */
typedef struct price_problem {
    cost_table costs;
    sched_processor processors[SCHED_PROCESSORS_MAX]; /* names are the core's */
    double *mix;
} price_problem;

/* Copies the mix that the core has seen and its costs. OUT_OF_MEMORY. Free it in any case. */
COSREL_CHECKED cosrel_status prices_look(const sched_core *core, price_problem *out);

/* One price per processor. Fails where the bound has no solution: then old prices may stay. Takes
 * some 0.1 ms; no lock is needed. */
COSREL_CHECKED cosrel_status prices_solve(const price_problem *problem,
                                          double prices[SCHED_PROCESSORS_MAX]);
void prices_free(price_problem *problem);

/* All of it, for drivers that have the core to themselves. Where there is no solution, nothing
 * changes. */
void prices_renew(sched_core *core, int64_t now_ns);

#endif
