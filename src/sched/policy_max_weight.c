/* Max-weight (Tassiulas and Ephremides: IEEE TAC 37(12), 1992): among all that could start, the
 * greatest backlog times rate. Whatever load some scheduler can carry, its queues stay finite.
 *
 * A candidate is (model, processor, batch); its rate is batch / time. A set of k cores takes k
 * processors' worth of the machine, so its weight is divided by its share (view_share): the
 * greatest sum of weights over processors that can run together is then found greedily, one start
 * after the other.
 *
 * A model whose only processors are sets that are partly busy competes as well; where it wins, the
 * idle cores of the set are kept for it. Its backlog grows while it waits, so small runs cannot
 * starve it.
 *
 * Starvation: with a few clients that each wait for their answer no backlog grows, and under
 * overload the weights of slow models never catch up. See view_patience_ns for what is done; here
 * only where the model takes little more of the machine than it must. Every request has to be run
 * some time, so running one there early costs no throughput. */
#include <stddef.h>

#include "sched/policies.h"
#include "sched/view.h"

typedef struct candidate {
    double weight;
    int processor; /* -1: none */
    int model;
    int batch_index;
} candidate;

static cosrel_status create(const sched_view *view, const char *argument, void **state,
                            cosrel_error *err)
{
    (void)view;
    *state = NULL;
    return policy_no_argument("max-weight", argument, err);
}

static bool better(const candidate *a, const candidate *b)
{
    if (b->processor < 0 || a->weight != b->weight)
        return b->processor < 0 || a->weight > b->weight;
    if (a->processor != b->processor)
        return a->processor < b->processor;
    return a->model != b->model ? a->model < b->model : a->batch_index < b->batch_index;
}

static void consider(const sched_view *view, int model, uint64_t processors, candidate *best)
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
            const candidate c = {.weight = (double)waiting * batch / ((double)cost_ns * share),
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

/* Where the model takes at most twice (chosen) the unit time that it takes where it takes least. */
static uint64_t efficient(const sched_view *view, int model)
{
    double least = 0;
    uint64_t mask = 0;
    for (int turn = 0; turn < 2; turn++) {
        for (uint64_t left = view->can[model] & view->up; left; left &= left - 1) {
            const int p = view_lowest(left);
            const int units = __builtin_popcountll(view->processors[p].units);
            const double cost = (double)view_cost_ns(view, model, p, 0) * units;
            if (turn == 0 && cost > 0 && (least == 0 || cost < least))
                least = cost;
            if (turn == 1 && cost > 0 && cost <= 2 * least)
                mask |= VIEW_BIT(p);
        }
    }
    return mask;
}

/* The best start for one model on the processors `can`: one that is possible now, or else a set to
 * be kept. */
static void consider_model(const sched_view *view, int model, uint64_t can, uint64_t kept,
                           candidate *best)
{
    if (can & view->startable)
        consider(view, model, can & view->startable & ~kept, best);
    else
        consider(view, model, can & partly_busy(view) & ~kept, best);
}

/* Starts the candidate, or keeps its set: false. */
static bool settle(const sched_view *view, const candidate *c, uint64_t *kept, sched_decision *out)
{
    if (view->startable & ~*kept & VIEW_BIT(c->processor)) {
        *out = (sched_decision){.processor = c->processor,
                                .model = c->model,
                                .batch = view->costs->batches[c->batch_index],
                                .request = view_model_first(view, c->model)};
        return true;
    }
    out->hold |= VIEW_BIT(c->processor);
    *kept |= view->conflicts[c->processor];
    return false;
}

static bool decide(void *state, const sched_view *view, sched_decision *out)
{
    (void)state;
    const int64_t patience_ns = view_patience_ns(view);
    uint64_t kept = 0, sequence = 0;
    for (int model; (model = view_next_starved(view, patience_ns, &sequence)) >= 0;) {
        candidate best = {.processor = -1};
        consider_model(view, model, efficient(view, model), kept, &best);
        if (best.processor >= 0 && settle(view, &best, &kept, out))
            return true;
    }
    /* Each turn keeps one more processor, so this ends. */
    for (;;) {
        candidate best = {.processor = -1};
        for (int i = 0; i < view_active_count(view); i++)
            consider_model(view, view_active(view, i), view->can[view_active(view, i)], kept,
                           &best);
        if (best.processor < 0)
            return false;
        if (settle(view, &best, &kept, out))
            return true;
    }
}

const sched_policy policy_max_weight = {
    .name = "max-weight",
    .summary = "the greatest backlog times rate (Tassiulas and Ephremides 1992); keeps up with any "
               "load that can be carried",
    .create = create,
    .destroy = NULL,
    .arrive = NULL,
    .decide = decide,
};
