/* What can be said of a bound without solving anything. */
#include "sched/bound.h"

#include <stdlib.h>
#include <string.h>

void bound_result_deinit(bound_result *r)
{
    free(r->runs_per_s);
    free(r->model_price);
    memset(r, 0, sizeof *r);
}

double bound_share(const bound_problem *problem, const bound_result *r, int model, int processor)
{
    double share = 0;
    const int first = model < 0 ? 0 : model, last = model < 0 ? r->model_count - 1 : model;
    for (int m = first; m <= last; m++)
        for (int b = 0; b < r->batch_count; b++)
            share += bound_runs(r, m, processor, b) *
                     (double)cost_at(problem->costs, m, processor, b)->service_ns / 1e9;
    return share;
}
