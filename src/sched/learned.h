/* Between the learned policy and who trains, watches or replaces its network. */
#ifndef SCHED_LEARNED_H
#define SCHED_LEARNED_H

#include "nn/scorer_file.h"
#include "sched/observe.h"

/* Given in sched_setup; stays its owner's, who may change it between two calls into the core. */
struct learned_hook {
    const scorer *net; /* instead of the shipped one; NULL: that one. learned:FILE keeps its own.
                          Once there was one, it may be replaced but not taken away */
    /* Called with every decision that has more than one candidate; returns the number of the one to
     * take, `best` or another. NULL: best. Must not allocate where the core must not. */
    int (*choose)(void *user, const sched_view *view, const observation *seen, const float *scores,
                  int best);
    /* Called with every decision, last: `out` holds it, processor < 0 where it waits. Whoever
     * follows what happened elsewhere may put any other decision there that can be started now, or
     * waiting with what it holds. NULL: it stands. */
    void (*follow)(void *user, const sched_view *view, sched_decision *out);
    void *user;
};

/* The policy that ships with the project. INVALID_FILE: it was built without a good one. */
COSREL_CHECKED cosrel_status learned_shipped(scorer *net, scorer_about *about, cosrel_error *err);

/* A policy's file; see nn/scorer_file.h. */
COSREL_CHECKED cosrel_status learned_read(const char *path, scorer *net, scorer_about *about,
                                          cosrel_error *err);

#endif
