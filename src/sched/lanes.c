#include "sched/lanes.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

cosrel_status lanes_create(const sched_view *view, lanes_choose_fn choose, void **state,
                           cosrel_error *err)
{
    lanes *l = calloc(1, sizeof *l);
    if (l)
        l->lane = malloc(view->request_max * sizeof *l->lane);
    if (!l || !l->lane) {
        lanes_destroy(l);
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the policy");
    }
    memset(l->lane, -1, view->request_max * sizeof *l->lane);
    l->choose = choose;
    *state = l;
    return COSREL_OK;
}

void lanes_destroy(void *state)
{
    lanes *l = state;
    if (!l)
        return;
    free(l->lane);
    free(l);
}

void lanes_arrive(void *state, const sched_view *view, uint32_t request)
{
    lanes *l = state;
    l->lane[request] = (int16_t)l->choose(l, view, request,
                                          view_usable(view, view->requests[request].model));
}

bool lanes_decide(void *state, const sched_view *view, sched_decision *out)
{
    lanes *l = state;
    uint64_t kept = 0; /* processors that an older request waits for, and those that exclude them */
    for (uint32_t r = view_first(view); r != REQUEST_NONE; r = view_next(view, r)) {
        const uint64_t open = view->startable & ~kept;
        if (!open)
            break;
        const int model = view->requests[r].model;
        const uint64_t usable = view_usable(view, model);
        if (l->lane[r] < 0 || !(usable & VIEW_BIT(l->lane[r])))
            lanes_arrive(l, view, r);
        const int p = l->lane[r];
        if (view_cost_ns(view, model, p, 0) == 0)
            continue; /* a cost was cleared and the core has not been told yet */
        if (open & VIEW_BIT(p)) {
            *out = (sched_decision){.processor = p, .model = model, .batch = 1, .request = r};
            return true;
        }
        if (view->up & VIEW_BIT(p)) {
            kept |= view->conflicts[p];
            out->hold |= VIEW_BIT(p);
        }
    }
    return false;
}

int lanes_fastest(const sched_view *view, int model, uint64_t usable)
{
    int best = view_lowest(usable);
    int64_t least_ns = SCHED_NEVER;
    for (uint64_t left = usable; left; left &= left - 1) {
        const int p = view_lowest(left);
        const int64_t cost_ns = view_cost_ns(view, model, p, 0);
        if (cost_ns > 0 && cost_ns < least_ns) {
            least_ns = cost_ns;
            best = p;
        }
    }
    return best;
}
