/* Short simulations of the future from the present state: what lookahead compares candidates by.
 *
 * A rollout knows less than the core, so that it runs at tens of nanoseconds per event: requests of
 * a model are counts (served first come, first served), runs take exactly their estimated cost, and
 * a base policy decides. Its result is a cost: the sum over the requests in it of their latency and
 * what else the objective asks for. Two rollouts differ only in their first action and see the same
 * arrivals (common random numbers: Kelton and Law's name for it), so that the difference of their
 * costs has little noise.
 *
 *     rollout_look(r, view);              what is now: once per decision
 *     rollout_draw(r, random);            one future, for all candidates
 *     cost = rollout_run(r, base, &action);
 *
 * Models and processors are numbered anew: only those that matter, at most ROLLOUT_MODELS_MAX
 * models (those with waiting requests first, then the most frequent). */
#ifndef SCHED_ROLLOUT_H
#define SCHED_ROLLOUT_H

#include "base/rng.h"
#include "cosrel/status.h"
#include "sched/priced.h"
#include "sched/view.h"

enum {
    ROLLOUT_MODELS_MAX = 64,
    ROLLOUT_ARRIVALS_MAX = 64,
    ROLLOUT_DEADLINES_MAX = 32, /* requests per model whose deadlines a rollout knows */
};

typedef enum rollout_base {
    ROLLOUT_MIN_MIN, /* policy_min_min.c */
    ROLLOUT_PRICED,  /* policy_priced.c; needs view->prices */
    ROLLOUT_BASES
} rollout_base;

typedef enum rollout_first {
    ROLLOUT_ANY,  /* the base policy decides from the first instant on */
    ROLLOUT_WAIT, /* nothing is started before the next event */
    ROLLOUT_START /* this batch is started, then the base policy decides */
} rollout_first;

typedef struct rollout_action {
    rollout_first first;
    int processor; /* START: numbers of the rollout's own */
    int model;
    int batch_index;
} rollout_action;

typedef struct rollout rollout;

COSREL_CHECKED cosrel_status rollout_create(const sched_view *view, rollout **out);
void rollout_free(rollout *r); /* NULL is fine */

/* `arrivals`: how many a future holds. What waits beyond it and is not served by `events_max`
 * events is estimated. */
void rollout_look(rollout *r, const sched_view *view, int arrivals, int events_max);

/* False: no arrivals are known yet, all futures are the same. */
bool rollout_draw(rollout *r, rng *random);

double rollout_run(rollout *r, rollout_base base, const rollout_action *first);

/* The base policy whose futures, so many of them, are cheaper from here. *each: steps that a
 * rollout takes. */
rollout_base rollout_better_base(rollout *r, rng *random, int futures, uint64_t *each);

/* What the base policy would start now; false: it would wait. */
bool rollout_choose(rollout *r, rollout_base base, rollout_action *out);

/* Every batch that could start now, best first by the base policies' own measure; returns how many.
 */
int rollout_candidates(rollout *r, rollout_action *out, int max);

/* Whether a processor that matters runs something: only then an event will come that ends a wait.
 */
bool rollout_busy(const rollout *r);

/* In the core's numbers. */
void rollout_decision(const rollout *r, const sched_view *view, const rollout_action *action,
                      sched_decision *out);

/* And back; false: it is not among what the rollout knows. */
bool rollout_action_of(const rollout *r, const sched_decision *decision, int batch_index,
                       rollout_action *out);

/* How full the device is with the arrivals that are expected, 0 to 1; without prices a rough guess.
 */
double rollout_load(const rollout *r);

/* So many wait, where late ones are not dearer than others, that only the backlog counts: priced.h.
 */
bool rollout_crowded(const rollout *r);

/* Work done so far, in steps of about a nanosecond of one core (measured by bench_lookahead); the
 * same everywhere, so that a budget in it does not depend on the machine's speed or load. */
uint64_t rollout_steps(const rollout *r);

#endif
