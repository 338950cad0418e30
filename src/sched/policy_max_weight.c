/* Max-weight (Tassiulas and Ephremides: IEEE TAC 37(12), 1992): among all that could start, the greatest backlog times
 * rate. Whatever load some scheduler can carry, its queues stay finite.
 *
 * A candidate is (model, processor, batch); its rate is batch / time. A set of k cores takes k processors' worth of the
 * machine, so its weight is divided by its share (view_share): the greatest sum of weights over processors that can run
 * together is then found greedily, one start after the other.
 *
 * A model whose only processors are sets that are partly busy competes as well; where it wins, the idle cores of the set
 * are kept for it. Its backlog grows while it waits, so small runs cannot starve it.
 *
 * With a few clients that each wait for their answer no backlog grows, and a slow model would starve. A model whose oldest
 * request has waited longer than view_patience_ns therefore counts a growing backlog: one more for each of the least
 * waiting model's costs. Weights by waiting time are throughput-optimal too (Andrews et al.: Probability in the Engineering
 * and Informational Sciences 18, 2004), so nothing is lost under load. */
#include <stdlib.h>

#include "base/error.h"
#include "sched/policies.h"
#include "sched/view.h"

typedef struct candidate {
    double weight;
    int processor;           /* -1: none */
    int model;
    int batch_index;
} candidate;

typedef struct max_weight {
    double *backlog;         /* per model */
} max_weight;

static void destroy(void *state)
{
    max_weight *w = state;
    if (!w)
        return;
    free(w->backlog);
    free(w);
}

static cosrel_status create(const sched_view *view, const char *argument, void **state, cosrel_error *err)
{
    const cosrel_status status = policy_no_argument("max-weight", argument, err);
    if (status != COSREL_OK)
        return status;
    max_weight *w = calloc(1, sizeof *w);
    if (w)
        w->backlog = malloc((size_t)view->model_max * sizeof *w->backlog);
    if (!w || !w->backlog) {
        destroy(w);
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the policy");
    }
    *state = w;
    return COSREL_OK;
}

static void count_backlogs(max_weight *w, const sched_view *view)
{
    const int64_t patience_ns = view_patience_ns(view);
    int64_t least_ns = SCHED_NEVER;
    for (int i = 0; i < view_active_count(view); i++) {
        const int64_t fastest_ns = view_fastest_ns(view, view_active(view, i));
        least_ns = fastest_ns < least_ns ? fastest_ns : least_ns;
    }
    for (int i = 0; i < view_active_count(view); i++) {
        const int model = view_active(view, i);
        const sched_request *oldest = &view->requests[view_model_first(view, model)];
        const int64_t beyond_ns = view->now_ns - oldest->arrived_ns - patience_ns;
        w->backlog[model] = view_waiting(view, model);
        if (beyond_ns > 0)
            w->backlog[model] += (double)beyond_ns / (double)least_ns;
    }
}

static bool better(const candidate *a, const candidate *b)
{
    if (b->processor < 0 || a->weight != b->weight)
        return b->processor < 0 || a->weight > b->weight;
    if (a->processor != b->processor)
        return a->processor < b->processor;
    return a->model != b->model ? a->model < b->model : a->batch_index < b->batch_index;
}

static void consider(const max_weight *w, const sched_view *view, int model, uint64_t processors, candidate *best)
{
    const uint32_t waiting = view_waiting(view, model);
    for (uint64_t left = processors; left; left &= left - 1) {
        const int p = view_lowest(left);
        const double share = view_share(view, p, view->queue->count);
        for (int b = 0; b < view->costs->batch_count; b++) {
            const int32_t batch = view->costs->batches[b];
            const int64_t cost_ns = view_cost_ns(view, model, p, b);
            if ((uint32_t)batch > waiting || batch > SCHED_BATCH_MAX)
                break;
            if (cost_ns == 0)
                continue;
            const candidate c = {.weight = w->backlog[model] * batch / ((double)cost_ns * share),
                                 .processor = p,
                                 .model = model,
                                 .batch_index = b};
            if (better(&c, best))
                *best = c;
        }
    }
}

/* Sets that are partly busy: their idle units can be kept until the others are idle too. */
static uint64_t partly_busy(const sched_view *view)
{
    uint64_t sets = 0;
    for (int p = 0; p < view->processor_count; p++) {
        const sched_processor *at = &view->processors[p];
        const uint64_t busy = at->units & view->busy_units[at->level];
        if (busy && busy != at->units)
            sets |= VIEW_BIT(p);
    }
    return sets & view->up;
}

static bool decide(void *state, const sched_view *view, sched_decision *out)
{
    max_weight *w = state;
    const uint64_t sets = partly_busy(view);
    uint64_t kept = 0;
    count_backlogs(w, view);
    for (;;) {
        candidate best = {.processor = -1};
        const uint64_t open = view->startable & ~kept;
        for (int i = 0; i < view_active_count(view); i++) {
            const int model = view_active(view, i);
            const uint64_t can = view->can[model];
            /* Once its set is kept, a model is settled: it waits. */
            if (can & view->startable)
                consider(w, view, model, can & open, &best);
            else if (!(can & out->hold))
                consider(w, view, model, can & sets & ~kept, &best);
        }
        if (best.processor < 0)
            return false;
        if (open & VIEW_BIT(best.processor)) {
            out->processor = best.processor;
            out->model = best.model;
            out->batch = view->costs->batches[best.batch_index];
            out->request = view_model_first(view, best.model);
            return true;
        }
        out->hold |= VIEW_BIT(best.processor);
        kept |= view->conflicts[best.processor];
    }
}

const sched_policy policy_max_weight = {
    .name = "max-weight",
    .summary = "the greatest backlog times rate (Tassiulas and Ephremides 1992); keeps up with any load that can be carried",
    .create = create,
    .destroy = destroy,
    .arrive = NULL,
    .decide = decide,
};
