#include "sched/prices.h"

#include <stdlib.h>
#include <string.h>

#include "sched/bound.h"
#include "sched/core_state.h"

/* After so many arrivals the mix has changed enough. (chosen: shares of 600 remembered arrivals) */
enum { ARRIVALS_FIRST = 16, ARRIVALS_BETWEEN = 512 };

/* Between two renewals because speeds changed (chosen: at 0.1 to 0.5 ms each, at most a hundredth
 * of a core, and soon enough: a change takes some runs to be seen at all). */
static const int64_t SHIFTS_BETWEEN_NS = 50000000;

int64_t prices_wake_ns(const prices_clock *clock, const sched_core *core)
{
    if (!core->policy->uses_prices || clock->arrivals_next == 0)
        return SCHED_NEVER;
    if (clock->up != core->up || clock->objectives != core->objectives)
        return clock->shifted_ns; /* long ago */
    return clock->shifts != core->costs->shifts ? clock->shifted_ns + SHIFTS_BETWEEN_NS
                                                : SCHED_NEVER;
}

bool prices_due(prices_clock *clock, const sched_core *core, uint64_t arrivals, int64_t now_ns)
{
    const bool by_arrivals = arrivals >= clock->arrivals_next;
    const bool by_device = now_ns >= prices_wake_ns(clock, core);
    if (by_arrivals)
        clock->arrivals_next = arrivals >= ARRIVALS_BETWEEN ? arrivals + ARRIVALS_BETWEEN
                               : arrivals < ARRIVALS_FIRST  ? ARRIVALS_FIRST
                                                            : 2 * arrivals;
    if ((!by_arrivals && !by_device) || !core->policy->uses_prices)
        return false;
    if (clock->shifts != core->costs->shifts)
        clock->shifted_ns = now_ns;
    clock->shifts = core->costs->shifts;
    clock->up = core->up;
    clock->objectives = core->objectives;
    return true;
}

/* Part of the capacity whose energy prices stand for all greater rates too (chosen: a plan for the
 * very capacity would spend any energy to find the last of it). */
static const double ENERGY_RATE_MAX = 0.97;

/* What is down can run nothing; true: something else can run the model. */
static bool leave_out_down(const sched_core *core, cost_table *costs, int model)
{
    for (int p = 0; p < core->processor_count; p++)
        for (int b = 0; !(core->up & VIEW_BIT(p)) && b < costs->batch_count; b++)
            cost_at(costs, model, p, b)->service_ns = 0;
    return (core->can_foreground[model] & core->up) != 0;
}

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
    if (core->objective.energy_ns_per_uj > 0)
        out->rate_rps = rates_total(&core->rates[0], core->now_ns) * 1e9;
    for (int m = 0; m < models; m++)
        if (!leave_out_down(core, &out->costs, m))
            out->mix[m] = 0;
    return COSREL_OK;
}

/* The least-energy plan exists only below the capacity. */
static void solve_energy(const bound_problem *bound, double rate_rps, price_list *prices)
{
    bound_result result;
    cosrel_error err;
    prices->has_energy = bound_energy(bound, rate_rps, &result, &err) == COSREL_OK;
    if (prices->has_energy)
        memcpy(prices->energy, result.processor_price,
               (size_t)bound->costs->processor_count * sizeof *prices->energy);
    bound_result_deinit(&result);
}

cosrel_status prices_solve(const price_problem *problem, price_list *prices)
{
    const bound_problem bound = {
        .costs = &problem->costs, .processors = problem->processors, .mix = problem->mix};
    bound_result result;
    cosrel_error err;
    prices->has_energy = false;
    const cosrel_status status = bound_capacity(&bound, &result, &err);
    if (status == COSREL_OK) {
        const double most_rps = ENERGY_RATE_MAX * result.rate_rps;
        memcpy(prices->time, result.processor_price,
               (size_t)problem->costs.processor_count * sizeof *prices->time);
        if (problem->rate_rps > 0)
            solve_energy(&bound, problem->rate_rps < most_rps ? problem->rate_rps : most_rps,
                         prices);
    }
    bound_result_deinit(&result);
    return status;
}

void prices_set(sched_core *core, int64_t now_ns, const price_list *prices)
{
    sched_core_set_prices(core, now_ns, prices->time);
    sched_core_set_energy_prices(core, now_ns, prices->has_energy ? prices->energy : NULL);
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
    price_list prices;
    if (prices_look(core, &problem) == COSREL_OK && prices_solve(&problem, &prices) == COSREL_OK)
        prices_set(core, now_ns, &prices);
    prices_free(&problem);
}
