/* Work left on a processor counts what excludes it too: all given requests are replayed in order of
 * arrival over the processors and those that share their units. Without shared units that is the
 * plain sum. */
#include "sched/lanes.h"
#include "sched/plan.h"
#include "sched/policies.h"

/* Any processor that shares its units with another. */
static bool any_shared(const sched_view *view)
{
    for (int p = 0; p < view->processor_count; p++)
        if (view->conflicts[p] != VIEW_BIT(p))
            return true;
    return false;
}

static int choose_apart(const lanes *l, const sched_view *view, uint32_t request, uint64_t usable)
{
    const sched_request *r = &view->requests[request];
    int64_t least_ns = SCHED_NEVER;
    int best = view_lowest(usable);
    for (uint64_t left = usable & view->up; left; left &= left - 1) {
        const int p = view_lowest(left);
        const int64_t cost_ns = view_cost_ns(view, r->model, p, 0);
        const int64_t end_ns = view->ready_ns[p] + lanes_work_ns(l, view, r->class, p) + cost_ns;
        if (cost_ns > 0 && end_ns < least_ns) {
            least_ns = end_ns;
            best = p;
        }
    }
    return best;
}

static int choose(lanes *l, const sched_view *view, uint32_t request, uint64_t usable)
{
    if (!any_shared(view))
        return choose_apart(l, view, request, usable);
    sched_plan plan;
    plan_begin(&plan, view);
    for (uint32_t r = view_first(view); r != REQUEST_NONE && r != request; r = view_next(view, r)) {
        const int p = l->links[r].lane;
        if (p >= 0 && (view->up & VIEW_BIT(p)))
            plan_give(&plan, p, view_cost_ns(view, view->requests[r].model, p, 0));
    }
    int64_t end_ns;
    const int best = plan_earliest(&plan, view->requests[request].model, 0, &end_ns);
    return best >= 0 ? best : view_lowest(usable);
}

static cosrel_status create(const sched_view *view, const char *argument, void **state,
                            cosrel_error *err)
{
    const cosrel_status status = policy_no_argument("shortest-latency", argument, err);
    return status == COSREL_OK ? lanes_create(view, choose, state, err) : status;
}

const sched_policy policy_shortest_latency = {
    .name = "shortest-latency",
    .summary = "at arrival: where the work left plus its own time is least; first come, first "
               "served there",
    .create = create,
    .destroy = lanes_destroy,
    .arrive = lanes_arrive,
    .leave = lanes_leave,
    .decide = lanes_decide,
};
