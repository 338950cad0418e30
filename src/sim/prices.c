#include "sim/prices.h"

#include <stdlib.h>

#include "sched/bound.h"

void prices_renew(sched_core *core, const cost_table *costs, const sched_setup *sched,
                  int64_t now_ns)
{
    double *mix = malloc((size_t)costs->model_count * sizeof *mix);
    if (!mix)
        return;
    sched_core_mix(core, mix);
    const bound_problem problem = {.costs = costs, .processors = sched->processors, .mix = mix};
    bound_result result;
    cosrel_error err;
    if (bound_capacity(&problem, &result, &err) == COSREL_OK)
        sched_core_set_prices(core, now_ns, result.processor_price);
    bound_result_deinit(&result);
    free(mix);
}
