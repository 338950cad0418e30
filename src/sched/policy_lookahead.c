/* Looking ahead: each candidate, waiting included, is tried in many short simulations of the future
 * from the present state, and the one with the least cost is taken (a rollout policy: Tesauro and
 * Galperin 1996; Bertsekas, Tsitsiklis and Wu 1997; one step of policy iteration over the base).
 *
 * The base is the better of two: min-min, which is hard to beat while queues are short, and the
 * shadow-price rule, which keeps every processor at what it does best while they are long. Both
 * play the first futures; the cheaper one plays on.
 *
 * Futures are common to all candidates. A candidate that is clearly worse than the best is dropped
 * early (a race: Maron and Moore 1994), so that the budget goes where the choice is close. What the
 * base would do is kept unless another candidate is better by more than the noise of the
 * comparison: where nothing can be gained, this is the base policy.
 *
 * The budget is counted in steps of the simulation, not in time read off a clock, so that decisions
 * depend on nothing but the state and the seed: `lookahead:200` is 200 microseconds on one core of
 * the machine of docs/benchmarks.md. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "sched/plan.h"
#include "sched/policies.h"
#include "sched/rollout.h"

enum {
    BUDGET_US = 200,
    BUDGET_US_MAX = 1000000,
    CANDIDATES_MAX = 48,
    CANDIDATES_FEW = 4, /* tried even where the budget is too small for them */
    /* Futures: at least this many before a candidate may be dropped or preferred; at most that
       many. */
    FUTURES_MIN = 6,
    FUTURES_MAX = 256,
    /* Arrivals in a future, and events in all before the rest is estimated (chosen: see the
     * ablation in docs/policies.md). */
    ARRIVALS = 14,
    EVENTS_MAX = 100,
};

/* Steps of a rollout that take a microsecond (measured: bench_lookahead). */
static const double STEPS_PER_US = 800;

/* Standard errors by which a candidate must be worse than the best to be dropped, and better than
 * the base to be taken. */
static const double DROP_ERRORS = 2.5;
static const double TAKE_ERRORS = 1.5;

typedef struct candidate {
    rollout_action action;
    double sum, squares; /* of the differences to the base's choice */
    bool out;
} candidate;

typedef struct lookahead {
    rollout *r;
    uint64_t budget_steps;
    candidate all[CANDIDATES_MAX + 2];
    int count;
} lookahead;

static void destroy(void *state)
{
    lookahead *l = state;
    if (!l)
        return;
    rollout_free(l->r);
    free(l);
}

static cosrel_status create(const sched_view *view, const char *argument, void **state,
                            cosrel_error *err)
{
    int64_t budget_us = BUDGET_US;
    if (argument &&
        (!text_to_int64(argument, &budget_us) || budget_us < 1 || budget_us > BUDGET_US_MAX))
        return error_set(
            err, COSREL_INVALID_ARGUMENT,
            "policy 'lookahead:%.40s': expected microseconds per decision from 1 to %d", argument,
            BUDGET_US_MAX);
    lookahead *l = calloc(1, sizeof *l);
    if (!l || rollout_create(view, &l->r) != COSREL_OK) {
        destroy(l);
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the policy");
    }
    l->budget_steps = (uint64_t)((double)budget_us * STEPS_PER_US);
    *state = l;
    return COSREL_OK;
}

static bool same(const rollout_action *a, const rollout_action *b)
{
    return a->first == b->first && a->processor == b->processor && a->model == b->model &&
           a->batch_index == b->batch_index;
}

static void add(lookahead *l, const rollout_action *action)
{
    for (int i = 0; i < l->count; i++)
        if (same(&l->all[i].action, action))
            return;
    if (l->count < CANDIDATES_MAX + 2)
        l->all[l->count++] = (candidate){.action = *action};
}

/* The base's own choice first; waiting, if something will end it; everything else. */
static void collect(lookahead *l, rollout_base base)
{
    static const rollout_action wait = {.first = ROLLOUT_WAIT};
    rollout_action own, others[CANDIDATES_MAX];
    l->count = 0;
    if (rollout_choose(l->r, base, &own))
        add(l, &own);
    if (rollout_busy(l->r))
        add(l, &wait);
    const int count = rollout_candidates(l->r, others, CANDIDATES_MAX);
    for (int i = 0; i < count; i++)
        add(l, &others[i]);
}

static double mean_of(const candidate *c, int futures)
{
    return c->sum / futures;
}

static double error_of(const candidate *c, int futures)
{
    const double mean = mean_of(c, futures);
    const double variance = (c->squares / futures - mean * mean) * futures / (futures - 1);
    return variance > 0 ? sqrt(variance / futures) : 0;
}

/* Drops what is clearly worse than the best so far; returns how many are left. */
static int narrow(lookahead *l, int futures)
{
    int best = 0, left = 0;
    for (int i = 1; i < l->count; i++)
        if (!l->all[i].out && l->all[i].sum < l->all[best].sum)
            best = i;
    for (int i = 0; i < l->count; i++) {
        candidate *c = &l->all[i];
        if (c->out)
            continue;
        /* The base's own choice is what the others are compared with: it stays. */
        const double worse = mean_of(c, futures) - mean_of(&l->all[best], futures);
        c->out = i > 0 && i != best &&
                 worse > DROP_ERRORS * (error_of(c, futures) + 1e-12 * fabs(c->sum));
        left += !c->out;
    }
    return left;
}

/* One more future for every candidate that is still in. */
static void play(lookahead *l, rollout_base base)
{
    const double own = rollout_run(l->r, base, &l->all[0].action);
    for (int i = 1; i < l->count; i++) {
        candidate *c = &l->all[i];
        if (c->out)
            continue;
        const double difference = rollout_run(l->r, base, &c->action) - own;
        c->sum += difference;
        c->squares += difference * difference;
    }
}

static int choose(const lookahead *l, int futures)
{
    int best = 0;
    double gain = 0;
    for (int i = 1; i < l->count; i++) {
        const candidate *c = &l->all[i];
        if (c->out)
            continue;
        const double sure = mean_of(c, futures) + TAKE_ERRORS * error_of(c, futures);
        if (sure < gain) {
            gain = sure;
            best = i;
        }
    }
    return best;
}

/* Plays futures until one candidate is left or the budget is used; returns how many. */
static int race(lookahead *l, const sched_view *view, rollout_base base, uint64_t each,
                uint64_t limit)
{
    const uint64_t used = rollout_steps(l->r);
    const uint64_t fits = used < limit ? (limit - used) / (FUTURES_MIN * each) : 0;
    /* Rather few candidates in enough futures than many in few: they are sorted by promise. */
    if ((uint64_t)l->count > fits)
        l->count = fits > CANDIDATES_FEW       ? (int)fits
                   : l->count < CANDIDATES_FEW ? l->count
                                               : CANDIDATES_FEW;
    int futures = 0, left = l->count;
    while (left > 1 && futures < FUTURES_MAX &&
           (futures < 2 || rollout_steps(l->r) + each * (uint64_t)left <= limit)) {
        const bool random = rollout_draw(l->r, view->random);
        play(l, base);
        futures++;
        if (futures >= FUTURES_MIN || (!random && futures > 1))
            left = narrow(l, futures);
        if (!random && futures > 1)
            break; /* every other future is the same */
    }
    return futures;
}

static bool decide(void *state, const sched_view *view, sched_decision *out)
{
    lookahead *l = state;
    const uint64_t limit = rollout_steps(l->r) + l->budget_steps;
    int futures = 0;
    rollout_look(l->r, view, ARRIVALS, EVENTS_MAX);
    if (rollout_crowded(l->r)) {
        collect(l, ROLLOUT_PRICED); /* futures are too short to see anything of such queues */
    } else {
        uint64_t each;
        const rollout_base base = rollout_better_base(l->r, view->random, FUTURES_MIN, &each);
        collect(l, base);
        futures = race(l, view, base, each, limit);
    }
    const candidate *c = &l->all[futures > 1 ? choose(l, futures) : 0];
    if (l->count == 0 || c->action.first != ROLLOUT_START) {
        out->hold = plan_holds(view);
        return false;
    }
    rollout_decision(l->r, view, &c->action, out);
    return true;
}

const sched_policy policy_lookahead = {
    .name = "lookahead",
    .summary = "each candidate tried in short simulations of the future (rollouts)",
    .uses_prices = true,
    .create = create,
    .destroy = destroy,
    .arrive = NULL,
    .decide = decide,
};
