#include <string.h>

#include "base/error.h"
#include "sched/lanes.h"
#include "sched/policies.h"

static int choose(lanes *l, const sched_view *view, uint32_t request, uint64_t usable)
{
    if (usable & VIEW_BIT(l->home))
        return l->home;
    return lanes_fastest(view, view->requests[request].model, usable);
}

static cosrel_status create(const sched_view *view, const char *argument, void **state,
                            cosrel_error *err)
{
    int home = -1;
    for (int p = 0; argument && p < view->processor_count; p++) {
        if (strcmp(view->processors[p].name, argument) == 0)
            home = p;
    }
    if (home < 0) {
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "policy 'single' needs the name of a processor, as in 'single:%s'; %s%s%s",
                         view->processors[0].name, argument ? "there is no '" : "none is given",
                         argument ? argument : "", argument ? "'" : "");
    }
    const cosrel_status status = lanes_create(view, choose, state, err);
    if (status == COSREL_OK)
        ((lanes *)*state)->home = home;
    return status;
}

const sched_policy policy_single = {
    .name = "single",
    .summary = "single:PROCESSOR: everything there; a model that it cannot run goes to its fastest "
               "processor",
    .create = create,
    .destroy = lanes_destroy,
    .arrive = lanes_arrive,
    .leave = lanes_leave,
    .decide = lanes_decide,
};
