#include "sched/lanes.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

cosrel_status lanes_create(const sched_view *view, lanes_choose_fn choose, void **state,
                           cosrel_error *err)
{
    lanes *l = calloc(1, sizeof *l);
    if (l) {
        l->links = malloc(view->request_max * sizeof *l->links);
        l->counts = calloc((size_t)CLASS_COUNT * (size_t)view->processor_count *
                               (size_t)view->model_max,
                           sizeof *l->counts);
    }
    if (!l || !l->links || !l->counts) {
        lanes_destroy(l);
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the policy");
    }
    l->model_max = view->model_max;
    for (int c = 0; c < CLASS_COUNT; c++)
        for (int p = 0; p < view->processor_count; p++)
            l->lanes[c][p] = (lane){REQUEST_NONE, REQUEST_NONE};
    l->choose = choose;
    *state = l;
    return COSREL_OK;
}

void lanes_destroy(void *state)
{
    lanes *l = state;
    if (!l)
        return;
    free(l->links);
    free(l->counts);
    free(l);
}

static uint32_t *count_of(const lanes *l, const sched_view *view, int class, int processor,
                          int model)
{
    return &l->counts[((size_t) class * (size_t)view->processor_count + (size_t)processor) *
                          (size_t)l->model_max +
                      (size_t)model];
}

/* At its place by order of arrival: new ones at the tail, what comes back near the head. */
static void insert(lanes *l, const sched_view *view, uint32_t request, int processor)
{
    const sched_request *r = &view->requests[request];
    lane *at = &l->lanes[r->class][processor];
    lane_link *link = &l->links[request];
    uint32_t after = at->tail;
    while (after != REQUEST_NONE && view->requests[after].sequence > r->sequence)
        after = l->links[after].prev;
    link->lane = (int16_t)processor;
    link->prev = after;
    link->next = after == REQUEST_NONE ? at->head : l->links[after].next;
    *(link->prev == REQUEST_NONE ? &at->head : &l->links[link->prev].next) = request;
    *(link->next == REQUEST_NONE ? &at->tail : &l->links[link->next].prev) = request;
    ++*count_of(l, view, r->class, processor, r->model);
}

void lanes_arrive(void *state, const sched_view *view, uint32_t request)
{
    lanes *l = state;
    const sched_request *r = &view->requests[request];
    const uint64_t usable = view_usable(view, r->model);
    l->links[request].lane = -1;
    insert(l, view, request, l->choose(l, view, request, usable));
}

void lanes_leave(void *state, const sched_view *view, uint32_t request)
{
    lanes *l = state;
    const sched_request *r = &view->requests[request];
    const lane_link *link = &l->links[request];
    lane *at = &l->lanes[r->class][link->lane];
    *(link->prev == REQUEST_NONE ? &at->head : &l->links[link->prev].next) = link->next;
    *(link->next == REQUEST_NONE ? &at->tail : &l->links[link->next].prev) = link->prev;
    --*count_of(l, view, r->class, link->lane, r->model);
}

/* Gives the requests of a processor that is down to those that are up; only the first one that it
 * can no longer run, where it is up. */
static void give_elsewhere(lanes *l, const sched_view *view, int class, int processor)
{
    uint32_t next;
    for (uint32_t r = l->lanes[class][processor].head; r != REQUEST_NONE; r = next) {
        next = l->links[r].next;
        const uint64_t usable = view_usable(view, view->requests[r].model);
        if (!(usable & VIEW_BIT(processor))) {
            lanes_leave(l, view, r);
            lanes_arrive(l, view, r);
        } else if (view->up & VIEW_BIT(processor)) {
            break;
        }
    }
}

bool lanes_decide(void *state, const sched_view *view, sched_decision *out)
{
    lanes *l = state;
    const int class = view->requests[view_first(view)].class;
    uint64_t kept = 0; /* processors that an older request waits for, and those that exclude them */
    uint64_t left = 0; /* lanes that were not looked at */
    for (int p = 0; p < view->processor_count; p++)
        if (l->lanes[class][p].head != REQUEST_NONE)
            give_elsewhere(l, view, class, p);
    for (int p = 0; p < view->processor_count; p++)
        left |= l->lanes[class][p].head != REQUEST_NONE ? VIEW_BIT(p) : 0;
    while (left && (view->startable & ~kept)) {
        int p = -1;
        uint64_t oldest = UINT64_MAX;
        for (uint64_t rest = left; rest; rest &= rest - 1) {
            const uint32_t head = l->lanes[class][view_lowest(rest)].head;
            if (view->requests[head].sequence < oldest) {
                oldest = view->requests[head].sequence;
                p = view_lowest(rest);
            }
        }
        if (p < 0)
            break;
        left &= ~VIEW_BIT(p);
        const uint32_t r = l->lanes[class][p].head;
        const int model = view->requests[r].model;
        if (view_cost_ns(view, model, p, 0) == 0)
            continue; /* a cost was cleared and the core has not been told yet */
        if (view->startable & ~kept & VIEW_BIT(p)) {
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

int64_t lanes_work_ns(const lanes *l, const sched_view *view, int class, int processor)
{
    const uint32_t *counts = count_of(l, view, class, processor, 0);
    int64_t work_ns = 0;
    for (int m = 0; m < view->model_count; m++)
        if (counts[m] > 0)
            work_ns += counts[m] * view_cost_ns(view, m, processor, 0);
    return work_ns;
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
