/* Shadow-price index rule: see priced.h. What a rollout of lookahead does, without the rollouts:
 * about as cheap as min-min, and aware of how much of the device each choice takes from the others.
 *
 * Among the idle processors and the waiting models the pair of the greatest index starts. A pair
 * that is not efficient may start only where the request would end later on an efficient processor,
 * counting part of the work that waits for it. Batches: the size that serves most per time. Without
 * prices (none were computed yet) it is min-min. */
#include <stdlib.h>

#include "base/error.h"
#include "sched/plan.h"
#include "sched/policies.h"
#include "sched/rollout.h"

static cosrel_status create(const sched_view *view, const char *argument, void **state,
                            cosrel_error *err)
{
    rollout *r = NULL;
    cosrel_status status = policy_no_argument("priced", argument, err);
    if (status != COSREL_OK)
        return status;
    status = rollout_create(view, &r);
    *state = r;
    return status == COSREL_OK ? status : error_set(err, status, "no memory for the policy");
}

static void destroy(void *state)
{
    rollout_free(state);
}

static bool decide(void *state, const sched_view *view, sched_decision *out)
{
    rollout *r = state;
    rollout_action action;
    rollout_look(r, view, 0, 0);
    const bool found = rollout_choose(r, view->prices ? ROLLOUT_PRICED : ROLLOUT_MIN_MIN, &action);
    /* Nobody would end a wait in which nothing runs. */
    if (!found && (rollout_busy(r) || rollout_candidates(r, &action, 1) == 0)) {
        out->hold = plan_holds(view);
        return false;
    }
    rollout_decision(r, view, &action, out);
    return true;
}

const sched_policy policy_priced = {
    .name = "priced",
    .summary =
        "shortest first among the pairs that use the device best, by the bound's shadow prices",
    .uses_prices = true,
    .create = create,
    .destroy = destroy,
    .arrive = NULL,
    .decide = decide,
};
