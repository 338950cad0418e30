/* Heterogeneous Earliest Finish Time (Topcuoglu, Hariri, Wu: IEEE TPDS 13(3), 2002) for independent
 * requests.
 *
 * A task without successors has its mean cost as upward rank. So: models by mean cost, greatest
 * first, each one's requests in order of arrival, each given to the processor where it ends first;
 * ties of rank in model order. No request is inserted before one that was given earlier. The first
 * one given to a processor that is idle now is started.
 *
 * Starvation: cheap models would starve under overload by costly ones; see view_patience_ns for
 * what is done. */
#include <stdlib.h>

#include "base/error.h"
#include "sched/plan.h"
#include "sched/policies.h"

typedef struct heft {
    double *rank;     /* per model */
    uint32_t *cursor; /* per model: its first request that is not given yet */
    int *order;       /* the waiting models by rank */
} heft;

static void destroy(void *state)
{
    heft *h = state;
    if (!h)
        return;
    free(h->rank);
    free(h->cursor);
    free(h->order);
    free(h);
}

static cosrel_status create(const sched_view *view, const char *argument, void **state,
                            cosrel_error *err)
{
    const cosrel_status status = policy_no_argument("heft", argument, err);
    if (status != COSREL_OK)
        return status;
    const size_t models = (size_t)view->model_max;
    heft *h = calloc(1, sizeof *h);
    if (h) {
        h->rank = malloc(models * sizeof *h->rank);
        h->cursor = malloc(models * sizeof *h->cursor);
        h->order = malloc(models * sizeof *h->order);
    }
    if (!h || !h->rank || !h->cursor || !h->order) {
        destroy(h);
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the policy");
    }
    *state = h;
    return COSREL_OK;
}

static double mean_cost(const sched_view *view, int model)
{
    double sum = 0;
    int count = 0;
    for (uint64_t left = view->can[model] & view->up; left; left &= left - 1) {
        sum += (double)view_cost_ns(view, model, view_lowest(left), 0);
        count++;
    }
    return count ? sum / count : 0;
}

static void rank_models(heft *h, const sched_view *view)
{
    const int count = view_active_count(view);
    for (int i = 0; i < count; i++) {
        const int model = view_active(view, i);
        const double rank = mean_cost(view, model);
        int at = i;
        h->rank[model] = rank;
        h->cursor[model] = view_model_first(view, model);
        for (; at > 0; at--) {
            const int other = h->order[at - 1];
            if (h->rank[other] > rank || (h->rank[other] == rank && other < model))
                break;
            h->order[at] = other;
        }
        h->order[at] = model;
    }
}

/* Gives the model's next request. True: it can start now. */
static bool give(heft *h, sched_plan *plan, int model, sched_decision *out)
{
    int64_t end_ns;
    const uint32_t request = h->cursor[model];
    const int p = plan_earliest(plan, model, 0, &end_ns);
    h->cursor[model] = view_model_next(plan->view, request);
    if (p < 0)
        return false;
    if (plan->open & VIEW_BIT(p)) {
        *out = (sched_decision){.processor = p, .model = model, .batch = 1, .request = request};
        return true;
    }
    plan_give(plan, p, view_cost_ns(plan->view, model, p, 0));
    return false;
}

static bool decide(void *state, const sched_view *view, sched_decision *out)
{
    heft *h = state;
    sched_plan plan;
    plan_begin(&plan, view);
    rank_models(h, view);
    const int64_t patience_ns = view_patience_ns(view);
    uint64_t sequence = 0;
    for (int model;
         plan_goes_on(&plan) && (model = view_next_starved(view, patience_ns, &sequence)) >= 0;) {
        if (give(h, &plan, model, out))
            return true;
    }
    for (int i = 0; i < view_active_count(view); i++) {
        const int model = h->order[i];
        while (h->cursor[model] != REQUEST_NONE && plan_goes_on(&plan)) {
            if (give(h, &plan, model, out))
                return true;
        }
    }
    out->hold = plan.planned;
    return false;
}

const sched_policy policy_heft = {
    .name = "heft",
    .summary = "costly models first, each where it ends first (Topcuoglu et al. 2002)",
    .create = create,
    .destroy = destroy,
    .arrive = NULL,
    .decide = decide,
};
