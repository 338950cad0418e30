/* Whether a whole processor has become slower or faster: throttling, another power mode, another
 * program on its cores. All that runs on it then takes the same factor longer, so that a few runs
 * of whatever models tell about all of them.
 *
 * Each run gives a log-ratio, ln(observed / estimate), less what is usual for this processor (means
 * of skewed times have a bias). The last 16 of them are searched for a change: for the n newest,
 * their sum against what noise would make of it, which is the generalised likelihood ratio test for
 * a change of a mean at an unknown time (Lorden, Annals of Mathematical Statistics 42(6), 1971;
 * with a window: Willsky and Jones, IEEE Trans. Automatic Control 21(1), 1976). Three things make
 * it robust: each ratio counts at most three deviations of the noise, so that four runs must agree
 * and no spike does it; the noise is measured all along; and one model alone must show it for
 * longer, in cells that had been right before.
 *
 * No allocation, no clock; the same runs give the same answers. */
#ifndef PROFILE_DRIFT_H
#define PROFILE_DRIFT_H

#include <stdbool.h>
#include <stdint.h>

/* How far back a change is looked for. Chosen: changes that take more than 16 runs to be told from
 * noise are small enough to be left to the cells' own means. */
enum { DRIFT_WINDOW = 16 };

typedef struct drift_run {
    int32_t model;
    int32_t batch_index;
    bool mature;   /* its estimate stood on enough runs of its own */
    double ratio;  /* ln(observed / estimate) before this run moved the estimate */
    double moved;  /* ln(estimate after / before) */
    double recent; /* ln(estimate / what it was some runs of its own before) */
} drift_run;

/* Of one processor. */
typedef struct drift_watch {
    drift_run runs[DRIFT_WINDOW]; /* a ring */
    int count, next;
    double usual;  /* the usual log-ratio */
    double spread; /* the mean distance from it */
    int behind;    /* runs behind the last change's size while it is made more exact; 0: it is */
} drift_watch;

void drift_init(drift_watch *w);

/* A run has ended. True: the level changed by *log_factor with the *count newest runs. What these
 * have moved (drift_newest) is then to be taken back and the factor applied to all; drift_restart
 * must follow. */
bool drift_add(drift_watch *w, const drift_run *run, double *log_factor, int *count);

/* The i-th newest run, 0 <= i < count. */
static inline const drift_run *drift_newest(const drift_watch *w, int i)
{
    return &w->runs[(unsigned)(w->next - 1 - i + 2 * DRIFT_WINDOW) % DRIFT_WINDOW];
}

/* The estimates were changed so: the runs in the window say nothing about the new ones. */
void drift_restart(drift_watch *w, double log_factor, int count);

/* They were replaced by new ones altogether. */
void drift_forget(drift_watch *w);

#endif
