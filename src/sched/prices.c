#include "sched/prices.h"

#include <stdlib.h>
#include <string.h>

#include "sched/bound.h"
#include "sched/core_state.h"

cosrel_status prices_look(const sched_core *core, price_problem *out)
{
    const cost_table *from = core->costs;
    const int models = core->model_count;
    *out = (price_problem){.mix = NULL};
    if (models == 0)
        return COSREL_UNAVAILABLE;
    const cosrel_status status = cost_copy(&out->costs, from, models);
    if (status != COSREL_OK)
        return status;
    out->mix = malloc((size_t)models * sizeof *out->mix);
    if (!out->mix)
        return COSREL_OUT_OF_MEMORY;
    out->costs.model_count = models;
    memcpy(out->processors, core->processors,
           (size_t)core->processor_count * sizeof *out->processors);
    sched_core_mix(core, out->mix);
    for (int m = 0; m < models; m++)
        if (core->can_foreground[m] == 0)
            out->mix[m] = 0;
    return COSREL_OK;
}

cosrel_status prices_solve(const price_problem *problem, double prices[SCHED_PROCESSORS_MAX])
{
    const bound_problem bound = {
        .costs = &problem->costs, .processors = problem->processors, .mix = problem->mix};
    bound_result result;
    cosrel_error err;
    const cosrel_status status = bound_capacity(&bound, &result, &err);
    if (status == COSREL_OK)
        memcpy(prices, result.processor_price,
               (size_t)problem->costs.processor_count * sizeof *prices);
    bound_result_deinit(&result);
    return status;
}

void prices_free(price_problem *problem)
{
    cost_deinit(&problem->costs);
    free(problem->mix);
    problem->mix = NULL;
}

void prices_renew(sched_core *core, int64_t now_ns)
{
    price_problem problem;
    double prices[SCHED_PROCESSORS_MAX];
    if (prices_look(core, &problem) == COSREL_OK && prices_solve(&problem, prices) == COSREL_OK)
        sched_core_set_prices(core, now_ns, prices);
    prices_free(&problem);
}
