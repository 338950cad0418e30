/* Drives a runtime with a workload: clients over the public API, as a program of a user's would. */
#ifndef APPS_BENCH_LOAD_H
#define APPS_BENCH_LOAD_H

#include "bench_run.h"
#include "cosrel/cosrel.h"

/* Runs job's streams on `rt` under its present policy and fills `run`. Blocks until every request
 * is answered. *counted: false if Ctrl-C came before there was anything to count. */
COSREL_CHECKED cosrel_status bench_load(cosrel_runtime *rt, bench_run *run, bool *counted,
                                        cosrel_error *err);

#endif
