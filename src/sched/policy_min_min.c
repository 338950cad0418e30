/* Min-min (Ibarra and Kim: JACM 24(2), 1977).
 *
 * Again and again the waiting request and the processor that would finish first, counting what was
 * given before; the first one whose processor is idle now is started. Requests of one model differ
 * only in their order, so the search is over models. Ties: processor, then model.
 *
 * A set of cores counts with its share (view_share): while others wait for its cores, a run on k of
 * them is compared as if it took k times as long, since it takes that much of the machine. On
 * processors that share nothing this is the published algorithm.
 *
 * Starvation: long requests would starve under overload by short ones; see view_patience_ns for
 * what is done. */
#include <stdlib.h>

#include "base/error.h"
#include "sched/plan.h"
#include "sched/policies.h"

typedef struct candidate {
    uint32_t cursor; /* the model's first request that is not given yet */
    int processor;   /* where that would finish first; -1: nowhere */
    int64_t end_ns;
} candidate;

static cosrel_status create(const sched_view *view, const char *argument, void **state,
                            cosrel_error *err)
{
    const cosrel_status status = policy_no_argument("min-min", argument, err);
    if (status != COSREL_OK)
        return status;
    *state = malloc((size_t)view->model_max * sizeof(candidate));
    return *state ? COSREL_OK : error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the policy");
}

static bool before(const candidate *all, int a, int b)
{
    const candidate *x = &all[a], *y = &all[b];
    if (x->end_ns != y->end_ns)
        return x->end_ns < y->end_ns;
    return x->processor != y->processor ? x->processor < y->processor : a < b;
}

/* The model whose next request would finish first; -1: none. */
static int first_to_finish(const candidate *all, const sched_view *view)
{
    int best = -1;
    for (int i = 0; i < view_active_count(view); i++) {
        const int model = view_active(view, i);
        if (all[model].processor < 0 || all[model].cursor == REQUEST_NONE)
            continue;
        if (best < 0 || before(all, model, best))
            best = model;
    }
    return best;
}

/* Gives the model's next request; true: it can start now. */
static bool give(candidate *all, sched_plan *plan, int model, sched_decision *out)
{
    const sched_view *view = plan->view;
    candidate *c = &all[model];
    const int p = c->processor;
    const uint32_t request = c->cursor;
    c->cursor = view_model_next(view, request);
    if (p < 0)
        return false;
    if (plan->open & VIEW_BIT(p)) {
        *out = (sched_decision){.processor = p, .model = model, .batch = 1, .request = request};
        return true;
    }
    plan_give(plan, p, view_cost_ns(view, model, p, 0));
    for (int i = 0; i < view_active_count(view); i++) {
        const int other = view_active(view, i);
        candidate *o = &all[other];
        if (o->processor >= 0 && (view->conflicts[p] & VIEW_BIT(o->processor)))
            o->processor = plan_earliest(plan, other, view->queue->count, &o->end_ns);
    }
    return false;
}

static bool decide(void *state, const sched_view *view, sched_decision *out)
{
    candidate *all = state;
    sched_plan plan;
    plan_begin(&plan, view);
    for (int i = 0; i < view_active_count(view); i++) {
        const int model = view_active(view, i);
        candidate *c = &all[model];
        c->cursor = view_model_first(view, model);
        c->processor = plan_earliest(&plan, model, view->queue->count, &c->end_ns);
    }
    const int64_t patience_ns = view_patience_ns(view);
    uint64_t sequence = 0;
    for (int model;
         plan_goes_on(&plan) && (model = view_next_starved(view, patience_ns, &sequence)) >= 0;) {
        if (give(all, &plan, model, out))
            return true;
    }
    while (plan_goes_on(&plan)) {
        const int model = first_to_finish(all, view);
        if (model < 0)
            break;
        if (give(all, &plan, model, out))
            return true;
    }
    out->hold = plan.planned;
    return false;
}

const sched_policy policy_min_min = {
    .name = "min-min",
    .summary = "again and again what would finish first; started if its processor is idle (Ibarra "
               "and Kim 1977)",
    .create = create,
    .destroy = free,
    .arrive = NULL,
    .decide = decide,
};
