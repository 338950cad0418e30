/* The capacity bound: the greatest arrival rate of a mix that any scheduler could sustain.
 *
 * A mix can be sustained by some scheduler exactly if the device's time can be shared out so that
 * every model is run as often as it is asked for (the stability region; Tassiulas and Ephremides,
 * "Stability properties of constrained queueing systems", IEEE Trans. Automatic Control 37(12),
 * 1992). With x[m][p][b] >= 0 the runs per second of model m on processor p in batches b, that is
 * the linear program
 *
 *     maximise lambda
 *     such that sum over p, b of b x[m][p][b] = lambda mix[m]      for every model with mix[m] > 0
 *               sum over m, b, p that holds u of s[m][p][b] x[m][p][b] <= 1    for every unit u
 *
 * over all cells of the cost table that can run. Its dual solution prices the device: what a second
 * of each unit's time is worth and what a request of each model costs. GLPK solves it.
 *
 * Only processors of level 0 count: those of level 1 run on the same cores.
 *
 * Any thread may call this, several at once, where GLPK keeps its state per thread
 * (glp_config("TLS"); Debian's does); with another GLPK, one at a time. Nothing stays behind in a
 * thread, and a GLPK that the program around us uses itself is left as it was, unless GLPK fails
 * inside (it then forgets all of this thread's problems). Blocks, allocates; a problem of 25 models
 * and 6 processors takes a fraction of a millisecond, so a driver may renew prices while it serves,
 * but not for every decision. */
#ifndef SCHED_BOUND_H
#define SCHED_BOUND_H

#include "cosrel/status.h"
#include "profile/cost.h"
#include "sched/core.h"

typedef struct bound_problem {
    const cost_table *costs;
    const sched_processor *processors; /* costs->processor_count of them */
    const double *mix; /* one weight >= 0 per model, not all zero; their sum does not matter */
    const char *const *models; /* names for errors, or NULL: errors give the number */
} bound_problem;

/* All rates are requests or runs per second, of the mix normalised to a sum of 1. */
typedef struct bound_result {
    int model_count, processor_count, batch_count;
    double rate_rps;              /* the capacity, or the rate that bound_energy was asked for */
    double energy_mj_per_request; /* of this plan; the least there is only from bound_energy */
    double *runs_per_s;           /* x: [model][processor][batch]; see bound_runs */
    /* Prices. They certify the result: for every cell that can run,
     *     batch model_price[m] <= (bound_energy: the run's energy in mJ +) s processor_price[p],
     * and with equality where x > 0.
     *   bound_capacity: a unit's price is how much the capacity would rise (requests/s) per second
     *     of its time more in every second; a model's is how many requests of the mix one of its
     *     requests costs. sum of unit prices = capacity; sum of mix x model prices = 1.
     *   bound_energy: a unit's price is how much energy (mJ) a second more of its time would save;
     *     a model's is what one more request of it costs (mJ).
     *     rate x sum of mix x model prices - sum of unit prices = energy per second.
     * A model outside the mix has the price that its cheapest cell gives it, 0 if it has none. */
    double *model_price;
    double unit_price[64];
    double processor_price[SCHED_PROCESSORS_MAX]; /* the sum over the processor's units */
} bound_result;

/* INVALID_ARGUMENT: a weight is negative or not finite, all are zero. UNAVAILABLE: a model of the
 * mix that nothing can run; the sentence names it. OUT_OF_MEMORY, INTERNAL (GLPK failed, for
 * lack of memory too). On errors *out is zeroed. */
COSREL_CHECKED cosrel_status bound_capacity(const bound_problem *problem, bound_result *out,
                                            cosrel_error *err);

/* The least energy that this rate of the mix can be served with. A run whose energy is unknown
 * counts as zero. At the capacity itself units may be up to 1e-6 over full. As bound_capacity;
 * UNAVAILABLE also where rate_rps > 0 is above the capacity. */
COSREL_CHECKED cosrel_status bound_energy(const bound_problem *problem, double rate_rps,
                                          bound_result *out, cosrel_error *err);

void bound_result_deinit(bound_result *r); /* zeroed is fine */

static inline double bound_runs(const bound_result *r, int model, int processor, int batch_index)
{
    return r->runs_per_s[((int64_t)model * r->processor_count + processor) * r->batch_count +
                         batch_index];
}

/* The share of the processor's time that the plan gives to this model; model < 0: to all. */
double bound_share(const bound_problem *problem, const bound_result *r, int model, int processor);

#endif
