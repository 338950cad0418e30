/* When and how the price estimates of a core are renewed. Whoever drives the core does it between
 * events, since solving a linear program takes longer than a decision may; only where the policy
 * looks at prices (sched_core_uses_prices). */
#ifndef SCHED_PRICES_H
#define SCHED_PRICES_H

#include "sched/core.h"

/* What the present prices were made from; zeroed: there are none. The driver's. */
typedef struct prices_clock {
    uint64_t arrivals_next; /* at which the mix has changed enough */
    uint64_t shifts;        /* cost_table's */
    uint64_t up;            /* processors */
    int64_t shifted_ns;     /* when they were last renewed after shifts */
    uint64_t objectives;    /* how often the objective had been set */
} prices_clock;

/* Whether the policy looks at prices and the present ones are out of date: by arrivals (as the
 * driver counts them; often at first, while the mix is becoming known, then every 512), because the
 * objective was set, because the
 * costs of a processor shifted, which counts at most every 50 ms, or because one went down, was
 * removed or came back, which counts at once: with its old price, 0, one that is back would draw
 * all work. (It cannot happen often: the runtime tries processors again at intervals of its own.) A
 * true answer must be followed by a renewal. O(1). */
bool prices_due(prices_clock *clock, const sched_core *core, uint64_t arrivals, int64_t now_ns);

/* Until when a change of the device has to wait for its renewal; SCHED_NEVER: none does. Drivers
 * that look by themselves only now and then look again then. */
int64_t prices_wake_ns(const prices_clock *clock, const sched_core *core);

/* What the linear program is made of, taken from a core under its owner's lock. */
typedef struct price_problem {
    cost_table costs;
    sched_processor processors[SCHED_PROCESSORS_MAX]; /* names are the core's */
    double *mix;
    double rate_rps; /* of arrivals, where the objective counts energy; else 0 */
} price_problem;

/* Per processor, as sched_core_set_prices and sched_core_set_energy_prices take them. */
typedef struct price_list {
    double time[SCHED_PROCESSORS_MAX];
    double energy[SCHED_PROCESSORS_MAX];
    bool has_energy;
} price_list;

/* Copies the mix that the core has seen and its costs. Processors that are not up do not count, nor
 * do models that only they could run. OUT_OF_MEMORY. Free it in any case. */
COSREL_CHECKED cosrel_status prices_look(const sched_core *core, price_problem *out);

/* Fails where the bound has no solution: then old prices may stay. Takes some 0.1 ms; no lock is
 * needed. Of a rate near or above the capacity the energy prices are those of nearly all of it. */
COSREL_CHECKED cosrel_status prices_solve(const price_problem *problem, price_list *prices);
void prices_set(sched_core *core, int64_t now_ns, const price_list *prices);
void prices_free(price_problem *problem);

/* All of it, for drivers that have the core to themselves. Where there is no solution, nothing
 * changes. */
void prices_renew(sched_core *core, int64_t now_ns);

#endif
