/* Learning from the recent past: rounds of episodes in worlds made of it, and a bounded number of
 * small steps from the network that serves.
 *
 * A quarter of the episodes are drawn worlds (learn/world.h), so that what is known about other
 * loads is not forgotten; the past ones are resampled, so that no one sequence is learned by heart.
 *
 * In slices of some ten milliseconds, so that whoever drives it decides how much of a core it gets.
 * No clock, no thread, no file: the same seed and the same input give the same candidate. */
#ifndef LEARN_ONLINE_H
#define LEARN_ONLINE_H

#include "learn/window.h"
#include "learn/world.h"
#include "nn/scorer.h"

typedef struct online online;

/* OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status online_create(uint64_t seed, online **out);
void online_free(online *o); /* NULL is fine */

/* Begins a candidate from `net`, on these windows; place and windows stay the caller's and must
 * stay unchanged until the last slice. OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status online_begin(online *o, const scorer *net, const world_place *place,
                                          const window *windows, int window_count);

/* One piece of work: an episode or a few steps. *done: the candidate is there. After an error begin
 * again. */
COSREL_CHECKED cosrel_status online_slice(online *o, bool *done, cosrel_error *err);

/* What has been learned so far; valid until the next call. */
const scorer *online_candidate(const online *o);

uint64_t online_lessons(const online *o); /* taken so far, since it was created */

#endif
