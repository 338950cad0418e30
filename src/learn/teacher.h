/* What a decision's candidates would have cost, by short simulations of the future from there: the
 * teacher.
 *
 * The same rollouts as lookahead's (sched/rollout.h), under the better of its two base policies,
 * but what is learned from is the cost of every candidate and not only the choice: a close race
 * weighs little, a blunder much (classification-based policy iteration: Lagoudakis and Parr, ICML
 * 2003; with costs: Lazaric, Ghavamzadeh and Munos, ICML 2010). */
#ifndef LEARN_TEACHER_H
#define LEARN_TEACHER_H

#include "base/rng.h"
#include "sched/observe.h"
#include "sched/rollout.h"

/* Fills costs[0..seen->count), in the objective's ns, relative to the cheapest; returns that one's
 * number. -1: it cannot tell. `futures` are played for every candidate, four times as many for
 * those that are still close. */
int teacher_costs(rollout *r, const sched_view *view, const observation *seen, int futures,
                  rng *random, float *costs);

#endif
