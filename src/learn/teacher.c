#include "learn/teacher.h"

#include <math.h>

/* As in lookahead (see the ablation in docs/policies.md). */
enum { ARRIVALS = 14, EVENTS_MAX = 100, BASE_FUTURES = 4, CLOSE_ROUNDS = 3 };

/* Standard errors by which a candidate is worse than the best before its future is no longer
 * played. */
static const double CLOSE_ERRORS = 2.5;

typedef struct trial {
    rollout_action actions[OBSERVE_CANDIDATES_MAX];
    double sum[OBSERVE_CANDIDATES_MAX]; /* of differences to the first candidate */
    double squares[OBSERVE_CANDIDATES_MAX];
    int futures[OBSERVE_CANDIDATES_MAX];
    bool out[OBSERVE_CANDIDATES_MAX];
    int count;
} trial;

static bool find_actions(trial *t, const rollout *r, const sched_view *view,
                         const observation *seen)
{
    t->count = seen->count;
    for (int c = 0; c < seen->count; c++) {
        const observe_candidate *from = &seen->all[c];
        const sched_decision d = {.processor = from->processor, .model = from->model};
        t->sum[c] = t->squares[c] = 0;
        t->futures[c] = 0;
        t->out[c] = false;
        if (from->processor < 0)
            t->actions[c] = (rollout_action){.first = ROLLOUT_WAIT};
        else if (!rollout_action_of(r, &d, from->batch_index, &t->actions[c]))
            return false;
    }
    (void)view;
    return true;
}

/* `reference` is in every future; costs are differences to it. */
static void play(trial *t, rollout *r, rollout_base base, rng *random, int futures, int reference)
{
    for (int i = 0; i < futures; i++) {
        rollout_draw(r, random);
        const double own = rollout_run(r, base, &t->actions[reference]);
        for (int c = 0; c < t->count; c++) {
            if (t->out[c])
                continue;
            const double d = c == reference ? 0 : rollout_run(r, base, &t->actions[c]) - own;
            t->sum[c] += d;
            t->squares[c] += d * d;
            t->futures[c]++;
        }
    }
}

static double mean_of(const trial *t, int c)
{
    return t->sum[c] / t->futures[c];
}

static int cheapest(const trial *t)
{
    int best = 0;
    for (int c = 1; c < t->count; c++)
        if (!t->out[c] && mean_of(t, c) < mean_of(t, best))
            best = c;
    return best;
}

static int narrow(trial *t, int best)
{
    int left = 0;
    for (int c = 0; c < t->count; c++) {
        const double mean = mean_of(t, c);
        const double variance = t->squares[c] / t->futures[c] - mean * mean;
        const double error = sqrt(variance > 0 ? variance / t->futures[c] : 0);
        t->out[c] = t->out[c] ||
                    (c != 0 && c != best && mean - mean_of(t, best) > CLOSE_ERRORS * error + 1);
        left += !t->out[c];
    }
    return left;
}

int teacher_costs(rollout *r, const sched_view *view, const observation *seen, int futures,
                  rng *random, float *costs)
{
    trial t;
    uint64_t each;
    rollout_look(r, view, ARRIVALS, EVENTS_MAX);
    if (!find_actions(&t, r, view, seen))
        return -1;
    const rollout_base base = rollout_better_base(r, random, BASE_FUTURES, &each);
    play(&t, r, base, random, futures, 0);
    int best = cheapest(&t);
    for (int i = 0; i < CLOSE_ROUNDS && narrow(&t, best) > 1; i++) {
        play(&t, r, base, random, futures, 0);
        best = cheapest(&t);
    }
    for (int c = 0; c < t.count; c++)
        costs[c] = (float)(mean_of(&t, c) - mean_of(&t, best));
    return best;
}
