#include "profile/drift.h"

#include <math.h>
#include <string.h>

/* A ratio counts at most so many deviations, and n ratios are a change where their sum is beyond
 * this many deviations of the sum of n. 5.2 > 3 sqrt(3): three runs are never enough, four that
 * agree are. Chosen; what follows from it, false alarms and runs until a change is followed, is
 * held by tests/profile/test_drift.c. */
static const double CLIP = 3;
static const double CHANGE = 5.2;

enum {
    RUNS_MIN = 4,       /* of a change that several models show */
    RUNS_ALONE_MIN = 6, /* and that one model shows alone (chosen: inputs of another size look the
                           same for a while) */
    SETTLED = 24,     /* runs behind a change's size, from where on it is exact enough: at noise of
                         0.3 to 6 % (chosen) */
    SETTLE_EVERY = 8, /* (chosen) */
    MEMORY = 64,      /* runs over which `usual` and `spread` are means (chosen: a spread that is
                         good to 7 %) */
};

/* The deviation of a normal distribution over its mean distance from the mean. */
static const double DEVIATION_OF_SPREAD = 1.2533141373155003; /* sqrt(pi / 2) */

/* At first, until there are runs: the most that is meant. Clock noise of embedded boards and other
 * programs make a coefficient of variation of 0.02 to 0.3 (profiles/). */
static const double SPREAD_FIRST = 0.24; /* 0.3 / DEVIATION_OF_SPREAD */

/* Noise below this is not believed, or changes of a few percent would be followed that cells follow
 * themselves. (chosen) */
static const double DEVIATION_MIN = 0.1;

/* A correction of less is not worth the renewal of prices that follows. (chosen) */
static const double CORRECTION_MIN = 0.02;

/* The most by which estimates change at once: 64-fold (chosen: more than any throttling). */
static const double FACTOR_MAX = 4.1588830833596715; /* ln 64 */

static double clip(double x, double most)
{
    return x > most ? most : x < -most ? -most : x;
}

static double deviation(const drift_watch *w)
{
    const double d = w->spread * DEVIATION_OF_SPREAD;
    return d > DEVIATION_MIN ? d : DEVIATION_MIN;
}

void drift_init(drift_watch *w)
{
    memset(w, 0, sizeof *w);
    w->spread = SPREAD_FIRST;
}

static bool same_cell(const drift_run *a, const drift_run *b)
{
    return a->model == b->model && a->batch_index == b->batch_index;
}

/* A run leaves the window: what is left of its ratio was noise. */
static void learn(drift_watch *w, double ratio)
{
    const double rest = ratio - w->usual;
    const double distance = fabs(rest);
    const double most = 4 * w->spread; /* an outlier is no measure, but greater noise must show */
    w->usual += clip(rest, CLIP * deviation(w)) / MEMORY;
    w->spread += ((distance < most ? distance : most) - w->spread) / MEMORY;
    /* Never 0, from where it could not grow. */
    if (w->spread < DEVIATION_MIN / 4)
        w->spread = DEVIATION_MIN / 4;
}

static void put(drift_watch *w, const drift_run *run)
{
    if (w->count == DRIFT_WINDOW)
        learn(w, w->runs[w->next].ratio);
    w->runs[w->next] = *run;
    w->next = (w->next + 1) % DRIFT_WINDOW;
    w->count += w->count < DRIFT_WINDOW;
}

/* What a run says for a change: against the estimate from where the change is supposed, and against
 * an older one, whichever says less. The first alone would take a cell's way back from a spike for
 * a change, the second a cell's own learning. */
static double evidence(const drift_watch *w, double since, const drift_run *run)
{
    const double a = since - w->usual, b = run->ratio + run->recent - w->usual;
    if (a * b <= 0)
        return 0;
    return fabs(a) < fabs(b) ? a : b;
}

/* The ratios of the n newest runs to the estimates from before them, given those of the n - 1
 * newest: what the n-th moved is taken back. */
static void extend(const drift_watch *w, double *since, int n)
{
    const drift_run *oldest = drift_newest(w, n - 1);
    for (int i = 0; i < n - 1; i++)
        if (same_cell(drift_newest(w, i), oldest))
            since[i] += oldest->moved;
    since[n - 1] = oldest->ratio;
}

static bool convincing(const drift_watch *w, int n)
{
    bool alone = true;
    for (int i = 1; i < n; i++)
        alone &= drift_newest(w, i)->model == drift_newest(w, 0)->model;
    return alone ? n >= RUNS_ALONE_MIN && drift_newest(w, n - 1)->mature : n >= RUNS_MIN;
}

/* Of at most 16 values, which it sorts. */
static double median(double *x, int n)
{
    for (int i = 1; i < n; i++) {
        const double value = x[i];
        int at = i;
        for (; at > 0 && x[at - 1] > value; at--)
            x[at] = x[at - 1];
        x[at] = value;
    }
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

/* Seldom is there anything to search: a change that is under way shows in the newest run and in
 * most of those just before. */
static bool suspect(const drift_watch *w, double sigma)
{
    if (w->count < RUNS_MIN)
        return false;
    const drift_run *newest = drift_newest(w, 0);
    const double x = evidence(w, newest->ratio, newest);
    int agree = 0;
    if (fabs(x) < sigma)
        return false;
    for (int i = 1; i < RUNS_MIN; i++) {
        const drift_run *run = drift_newest(w, i);
        const double y = evidence(w, run->ratio, run);
        agree += x > 0 ? y > sigma / 2 : y < -sigma / 2;
    }
    return agree >= RUNS_MIN - 2;
}

static bool find_change(const drift_watch *w, double *log_factor, int *count)
{
    double since[DRIFT_WINDOW], kept[DRIFT_WINDOW];
    double best = CHANGE * CHANGE;
    const double sigma = deviation(w);
    *count = 0;
    if (!suspect(w, sigma))
        return false;
    for (int n = 1; n <= w->count; n++) {
        double sum = 0;
        extend(w, since, n);
        for (int i = 0; i < n; i++)
            sum += clip(evidence(w, since[i], drift_newest(w, i)) / sigma, CLIP);
        if (sum * sum <= best * n || !convincing(w, n))
            continue;
        best = sum * sum / n;
        *count = n;
        for (int i = 0; i < n; i++)
            kept[i] = since[i] - w->usual;
    }
    if (*count == 0)
        return false;
    *log_factor = clip(median(kept, *count), FACTOR_MAX);
    return true;
}

/* A change is found with few runs, and its size is only as good as these. The next ones say it more
 * exactly. */
static bool correct(const drift_watch *w, double *log_factor, int *count)
{
    if (w->behind == 0 || w->count < SETTLE_EVERY)
        return false;
    double since[DRIFT_WINDOW];
    double sum = 0;
    for (int n = 1; n <= w->count; n++)
        extend(w, since, n);
    for (int i = 0; i < w->count; i++)
        sum += clip(since[i] - w->usual, CLIP * deviation(w));
    *count = w->count;
    *log_factor = sum / (w->behind + w->count);
    return true;
}

bool drift_add(drift_watch *w, const drift_run *run, double *log_factor, int *count)
{
    put(w, run);
    if (find_change(w, log_factor, count)) {
        w->behind = 0;
        return true;
    }
    if (!correct(w, log_factor, count))
        return false;
    if (fabs(*log_factor) >= CORRECTION_MIN)
        return true;
    drift_restart(w, 0, *count);
    return false;
}

void drift_restart(drift_watch *w, double log_factor, int count)
{
    for (int i = w->count - 1; i >= 0; i--)
        learn(w, drift_newest(w, i)->ratio - (i < count ? log_factor : 0));
    w->behind += count;
    if (w->behind >= SETTLED)
        w->behind = 0;
    w->count = 0;
}

void drift_forget(drift_watch *w)
{
    w->count = 0;
    w->behind = 0;
}
