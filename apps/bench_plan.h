/* Which policies, in which order. */
#ifndef APPS_BENCH_PLAN_H
#define APPS_BENCH_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "cosrel/status.h"
#include "ort_baseline.h"

enum { BENCH_POLICIES_MAX = 64 };

typedef struct bench_policy {
    const char *spec; /* as typed: "min-min", "single:cpu0", "ort-default" */
    const char *summary;
    const ort_baseline *baseline; /* NULL: a policy of Cosrel's */
} bench_policy;

typedef struct bench_plan {
    char *text; /* what the specs point into */
    bench_policy policies[BENCH_POLICIES_MAX];
    int count;
    bool any_cosrel;
    bool any_baseline;
} bench_plan;

/* list: "a,b,c"; NULL: every baseline and every policy that needs no argument.
 * INVALID_ARGUMENT: an unknown name (the nearest is named), one given twice, none. */
COSREL_CHECKED cosrel_status bench_plan_make(const char *list, bench_plan *plan, cosrel_error *err);
void bench_plan_free(bench_plan *plan);

/* Which policy comes at `place` of a round (from 0). The order is rotated from round to round, so
 * that no policy always runs on a machine that the same other one has just warmed up. */
int bench_plan_at(const bench_plan *plan, int round, int rounds, int place);

#endif
