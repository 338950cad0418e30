#include "sched/lanes.h"
#include "sched/policies.h"

static int choose(lanes *l, const sched_view *view, uint32_t request, uint64_t usable)
{
    (void)request;
    int p = l->home;
    while (!(usable & VIEW_BIT(p)))
        p = p + 1 < view->processor_count ? p + 1 : 0;
    l->home = p + 1 < view->processor_count ? p + 1 : 0;
    return p;
}

static cosrel_status create(const sched_view *view, const char *argument, void **state,
                            cosrel_error *err)
{
    const cosrel_status status = policy_no_argument("round-robin", argument, err);
    return status == COSREL_OK ? lanes_create(view, choose, state, err) : status;
}

const sched_policy policy_round_robin = {
    .name = "round-robin",
    .summary = "a pointer walks the processors; each arrival goes to the next one that can run it",
    .create = create,
    .destroy = lanes_destroy,
    .arrive = lanes_arrive,
    .leave = lanes_leave,
    .decide = lanes_decide,
};
