/* A window of the past once more, in the simulator, under any policy. */
#ifndef LEARN_REPLAY_H
#define LEARN_REPLAY_H

#include "learn/window.h"
#include "learn/world.h"
#include "nn/scorer.h"

/* What it would have cost (window_cost). net: for "learned", NULL for the shipped one. The rows'
 * models must be able to run (window_make sees to that). Deterministic; blocks. */
COSREL_CHECKED cosrel_status replay_window(const world_place *place, const window *w,
                                           const char *policy, const scorer *net, double *cost,
                                           cosrel_error *err);

/* The ends themselves, w->count of them. */
COSREL_CHECKED cosrel_status replay_ends(const world_place *place, const window *w,
                                         const char *policy, const scorer *net, window_end *ends,
                                         cosrel_error *err);

#endif
