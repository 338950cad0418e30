/* When a simulation renews the price estimates of the core: whoever drives a core does so, since
 * solving a linear program takes longer than a decision may. */
#ifndef SIM_PRICES_H
#define SIM_PRICES_H

#include "sched/core.h"

/* After how many arrivals the prices are next computed, given how many there were: often at first,
 * while the mix is becoming known, then every 512 (chosen: shares of 600 remembered arrivals have
 * changed by then). */
static inline uint64_t prices_next(uint64_t arrivals)
{
    return arrivals < 512 ? (arrivals < 16 ? 16 : 2 * arrivals) : arrivals + 512;
}

/* From the mix that the core has seen and the costs that it knows. Where the bound has no solution
 * (a model that nothing can run any more) the old prices stay. */
void prices_renew(sched_core *core, const cost_table *costs, const sched_setup *sched,
                  int64_t now_ns);

#endif
