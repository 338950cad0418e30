/* The ways that bench_datapath compares. */
#ifndef BENCH_DATAPATH_WAYS_H
#define BENCH_DATAPATH_WAYS_H

#include "datapath/load.h"

/* What people write today: one session per model with default options, one thread and one queue
 * per model, which copies the input into the session's buffer, runs, and copies the output out. */
extern const load_way way_plain;

/* What somebody writes who has measured: sessions of one thread each, as many threads as cores,
 * one queue for all models, first come first served. It copies as much. */
extern const load_way way_tuned;

/* Inputs are written where the model reads them, outputs read where it left them. */
extern const load_way way_cosrel;

/* Before way_cosrel is opened. `cosrel serve` has "learned" and "latency". */
void ways_set_policy(const char *policy, const char *objective);

#endif
