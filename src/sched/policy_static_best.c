#include "sched/lanes.h"
#include "sched/policies.h"

static int choose(lanes *l, const sched_view *view, uint32_t request, uint64_t usable)
{
    (void)l;
    return lanes_fastest(view, view->requests[request].model, usable);
}

static cosrel_status create(const sched_view *view, const char *argument, void **state,
                            cosrel_error *err)
{
    const cosrel_status status = policy_no_argument("static-best", argument, err);
    return status == COSREL_OK ? lanes_create(view, choose, state, err) : status;
}

const sched_policy policy_static_best = {
    .name = "static-best",
    .summary = "each model on the processor that runs it fastest",
    .create = create,
    .destroy = lanes_destroy,
    .arrive = lanes_arrive,
    .leave = lanes_leave,
    .decide = lanes_decide,
};
