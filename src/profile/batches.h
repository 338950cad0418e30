/* Which batch sizes of a model are worth running on a processor, found while it serves.
 *
 * A batch that nobody has measured is tried when as many requests wait and the next smaller one has
 * shown that it pays: its cell gets a guess, by which the scheduler may choose it. If its first
 * runs cost no less per request than the smaller batch, it is closed, for some minutes: on many
 * CPUs a batch across cores takes three times as long per image, and speeds change. One that paid
 * and pays no more is closed likewise. What a profile has closed stays so.
 *
 * Not locked, as the table. Times are of one clock, in ns. */
#ifndef PROFILE_BATCHES_H
#define PROFILE_BATCHES_H

#include "profile/cost.h"

#define BATCHES_NEVER INT64_MAX

/* A run of this batch has ended: cost_observe, and a verdict. True: the cell was closed. */
bool batches_observe(cost_table *t, int model, int processor, int batch_index, int64_t service_ns,
                     int64_t now_ns);

/* Whether the next larger batch than this should be tried, with so many requests waiting: true, and
 * its cell is open from now on. largest: no batch beyond it. */
bool batches_try_next(cost_table *t, int model, int processor, int batch_index, uint32_t waiting,
                      int32_t largest, int64_t now_ns);

/* Of a profile, `cells` of one model on one processor, [batch]: closes for good what lies beyond a
 * batch that takes longer per request than the one before it. all: whatever has no time, since who
 * made the table knows. */
void batches_close_lost(const cost_table *t, cost_cell *cells, bool all);

#endif
