#include "learn/guard.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void guard_init(guard *g)
{
    memset(g, 0, sizeof *g);
    g->need = GUARD_GOOD;
}

void guard_new_candidate(guard *g)
{
    g->all = g->untrained = g->last = (guard_trial){.windows = 0};
}

static bool is_cost(double x)
{
    return isfinite(x) && x > 0;
}

static bool says_something(const guard_window *w)
{
    return w->requests >= GUARD_REQUESTS_MIN && is_cost(w->learned) && is_cost(w->safe);
}

static void add_trial(guard_trial *t, const guard_window *w)
{
    t->windows++;
    t->to_learned += log(w->candidate / w->learned);
    t->to_safe += log(w->candidate / w->safe);
}

void guard_try(guard *g, const guard_window *w)
{
    if (!says_something(w) || !is_cost(w->candidate))
        return;
    add_trial(&g->all, w);
    g->last = (guard_trial){.windows = 0};
    add_trial(&g->last, w);
    if (!w->trained_on)
        add_trial(&g->untrained, w);
}

static bool has_won(const guard *g)
{
    if (g->all.windows < 2 || g->untrained.windows < 1)
        return false;
    const guard_trial *trials[] = {&g->all, &g->untrained, &g->last};
    for (int i = 0; i < 3; i++)
        if (trials[i]->to_learned > trials[i]->windows * log(1 - GUARD_GAIN) ||
            trials[i]->to_safe > 0)
            return false;
    return true;
}

bool guard_candidate_lost(const guard *g)
{
    return g->untrained.windows >= GUARD_TRIALS_MAX && !has_won(g);
}

/* ---- The ratio ---- */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, int count)
{
    double sorted[GUARD_RATIOS];
    memcpy(sorted, values, (size_t)count * sizeof *sorted);
    qsort(sorted, (size_t)count, sizeof *sorted, by_size);
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static int ratios_known(const guard *g)
{
    return g->ratio_count < GUARD_RATIOS ? g->ratio_count : GUARD_RATIOS;
}

static void add_ratio(guard *g, double live, double replayed)
{
    if (is_cost(live))
        g->ratios[g->ratio_count++ % GUARD_RATIOS] = live / replayed;
}

double guard_ratio(const guard *g)
{
    const int count = ratios_known(g);
    return count >= GUARD_RATIOS_MIN ? median(g->ratios, count) : 0;
}

double guard_live_margin(const guard *g)
{
    const int count = ratios_known(g);
    const double middle = guard_ratio(g);
    double away[GUARD_RATIOS];
    if (middle <= 0)
        return GUARD_MARGIN;
    for (int i = 0; i < count; i++)
        away[i] = fabs(g->ratios[i] / middle - 1);
    /* The median of what lies away from the median, times 1.48, is the deviation of what scatters
     * normally (Rousseeuw and Croux, JASA 1993). */
    const double scatter = 2 * 1.48 * median(away, count);
    return scatter > GUARD_MARGIN ? scatter : GUARD_MARGIN;
}

/* ---- Steps ---- */

static bool live_above(const guard *g, const guard_window *w, double replayed)
{
    const double ratio = guard_ratio(g);
    return ratio > 0 && is_cost(w->live) && w->live > ratio * replayed * (1 + guard_live_margin(g));
}

static void count_anew(guard *g)
{
    g->bad = g->worse = g->good = 0;
}

static guard_answer promote(guard *g)
{
    guard_new_candidate(g);
    count_anew(g);
    if (g->state != GUARD_ON_SAFE) {
        g->state = GUARD_ON_TRIAL;
        g->probation = GUARD_PROBATION;
    }
    return GUARD_PROMOTE;
}

/* by_replay: the replays say so too, so that they can say when it is over. */
static guard_answer fall(guard *g, bool by_replay)
{
    if (!by_replay)
        g->need = 2 * g->need < GUARD_GOOD_MAX ? 2 * g->need : GUARD_GOOD_MAX;
    g->state = GUARD_ON_SAFE;
    g->ratio_count = 0; /* it is the safe rule's from now on */
    guard_new_candidate(g);
    count_anew(g);
    return GUARD_SAFE;
}

static guard_answer step_on_safe(guard *g, const guard_window *w)
{
    add_ratio(g, w->live, w->safe);
    g->good = w->learned <= (1 - GUARD_MARGIN) * w->safe ? g->good + 1 : 0;
    if (g->good >= g->need) {
        g->state = GUARD_TRUSTED;
        count_anew(g);
        return GUARD_LEARNED;
    }
    return has_won(g) ? promote(g) : GUARD_KEEP;
}

static guard_answer good_window(guard *g, const guard_window *w)
{
    g->bad = g->worse = 0;
    if (++g->good >= GUARD_FORGIVE)
        g->need = GUARD_GOOD;
    if (g->state == GUARD_ON_TRIAL) {
        if (--g->probation == 0)
            g->state = GUARD_TRUSTED;
        return GUARD_KEEP;
    }
    add_ratio(g, w->live, w->learned);
    return has_won(g) && guard_ratio(g) > 0 ? promote(g) : GUARD_KEEP;
}

guard_answer guard_step(guard *g, const guard_window *w)
{
    if (!says_something(w))
        return GUARD_KEEP;
    guard_try(g, w);
    if (g->state == GUARD_ON_SAFE)
        return step_on_safe(g, w);
    const bool by_replay = w->learned > (1 + GUARD_MARGIN) * w->safe;
    const bool worse = by_replay || live_above(g, w, w->safe);
    const bool bad = worse || (g->state == GUARD_ON_TRIAL && live_above(g, w, w->learned));
    if (!bad)
        return good_window(g, w);
    g->good = 0;
    g->bad++;
    g->worse = worse ? g->worse + 1 : 0;
    if (g->worse >= GUARD_BAD_MAX)
        return fall(g, by_replay);
    if (g->state != GUARD_ON_TRIAL || g->bad < GUARD_BAD_MAX)
        return GUARD_KEEP;
    g->state = GUARD_TRUSTED;
    g->bad = g->worse; /* the promise counts on over the change */
    guard_new_candidate(g);
    return GUARD_TAKE_BACK;
}
