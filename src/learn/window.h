/* A window of the past: what was there at its start, what arrived until its end, and what that
 * cost.
 *
 * The cost is what happened within the window and nothing else: for each request the time that it
 * spent waiting and running inside, a price for each deadline that passed inside without an
 * answer, and the energy of the runs that ended inside; all over the number of arrivals. So a queue
 * that grows counts in full, a policy gains nothing by leaving the hard requests for later, and
 * what was measured and what is replayed from the same start mean the same. */
#ifndef LEARN_WINDOW_H
#define LEARN_WINDOW_H

#include "learn/experience.h"
#include "profile/cost.h"
#include "sched/objective.h"

typedef struct window_row {
    int64_t t_ns;        /* since the window's start; what was there before: 0 */
    int64_t deadline_ns; /* likewise, and perhaps below 0; INT64_MAX: none */
    int64_t allowed_ns;  /* from the arrival to the deadline; 0: none */
    int model;
    int priority;
} window_row;

/* How a row ended. */
typedef struct window_end {
    int64_t t_ns; /* since the window's start; INT64_MAX: it did not */
    double energy_uj;
    bool dropped;
} window_end;

typedef struct window {
    window_row *rows;     /* in order of arrival */
    window_end *measured; /* of the same rows, as it happened */
    size_t count;
    size_t arrived; /* those that were not there before */
    int64_t length_ns;
} window;

/* From records in order: those that were there in [start_ns, end_ns). If more than `arrivals_max`
 * arrived, the window begins later. Requests whose model `costs` gives no processor for are left
 * out. OUT_OF_MEMORY. Deinitialise it in any case. */
COSREL_CHECKED cosrel_status window_make(const experience_record *records, size_t count,
                                         int64_t start_ns, int64_t end_ns, size_t arrivals_max,
                                         const cost_table *costs, window *out);
COSREL_CHECKED cosrel_status window_copy(window *to, const window *from);
void window_deinit(window *w); /* zeroed is fine */

/* Per arrival, in the objective's ns; `ends` are those of its rows. 0: nothing arrived. */
double window_cost(const window *w, const window_end *ends, const sched_objective *objective);

/* Some batch of the model has a cost on some processor. */
bool window_can_run(const cost_table *costs, int model);

#endif
