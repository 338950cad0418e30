/* Least slack time first, as in Band (Jeong et al., MobiSys 2022).
 *
 * Slack = deadline - now - expected latency, where the expected latency is the least, over the
 * processors, of the time until it is idle plus the run. Requests are looked at by slack, least
 * first; one whose best processor is idle is started, others are passed over and wait for theirs.
 * Without deadline: slack without end, in order of arrival. Band drops a request that is too late;
 * here that is the core's drop_late.
 *
 * Two additions. A request that waits for a set of cores keeps less urgent ones from its cores, or
 * it would never get them all. And a starved model (view_patience_ns) goes first: models without
 * deadlines would starve beside an overload of urgent ones. */
#include <stdlib.h>

#include "base/error.h"
#include "sched/plan.h"
#include "sched/policies.h"

/* A model's most urgent request. All requests of a model have the same best processor, so no other
 * one matters. */
typedef struct urgent {
    bool starved;
    int64_t slack_ns;
    uint32_t request;
    int model;
    int processor;
} urgent;

static cosrel_status create(const sched_view *view, const char *argument, void **state,
                            cosrel_error *err)
{
    const cosrel_status status = policy_no_argument("least-slack", argument, err);
    if (status != COSREL_OK)
        return status;
    *state = malloc((size_t)view->model_max * sizeof(urgent));
    return *state ? COSREL_OK : error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the policy");
}

static bool before(const sched_view *view, const urgent *a, const urgent *b)
{
    if (a->starved != b->starved)
        return a->starved;
    if (!a->starved && a->slack_ns != b->slack_ns)
        return a->slack_ns < b->slack_ns;
    return view->requests[a->request].sequence < view->requests[b->request].sequence;
}

static urgent most_urgent(const sched_view *view, int model, int processor, int64_t end_ns,
                          bool starved)
{
    urgent best = {.request = REQUEST_NONE};
    for (uint32_t r = view_model_first(view, model); r != REQUEST_NONE;
         r = view_model_next(view, r)) {
        const sched_request *at = &view->requests[r];
        const urgent u = {.starved = starved,
                          .slack_ns = at->deadline_ns == SCHED_NEVER ? SCHED_NEVER
                                                                     : at->deadline_ns - end_ns,
                          .request = r,
                          .model = model,
                          .processor = processor};
        if (best.request == REQUEST_NONE || before(view, &u, &best))
            best = u;
        if (starved) /* it is the turn of the oldest one */
            break;
    }
    return best;
}

static bool decide(void *state, const sched_view *view, sched_decision *out)
{
    urgent *sorted = state;
    sched_plan plan;
    int count = 0;
    plan_begin(&plan, view);
    const int64_t patience_ns = view_patience_ns(view);
    for (int i = 0; i < view_active_count(view); i++) {
        int64_t end_ns;
        const int model = view_active(view, i);
        const int p = plan_earliest(&plan, model, 0, &end_ns);
        if (p < 0)
            continue;
        const urgent u = most_urgent(view, model, p, end_ns,
                                     view_starved(view, model, patience_ns));
        int at = count++;
        for (; at > 0 && before(view, &u, &sorted[at - 1]); at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = u;
    }
    uint64_t kept = 0;
    for (int i = 0; i < count; i++) {
        const urgent *u = &sorted[i];
        if (view->startable & ~kept & VIEW_BIT(u->processor)) {
            *out = (sched_decision){
                .processor = u->processor, .model = u->model, .batch = 1, .request = u->request};
            return true;
        }
        kept |= view->conflicts[u->processor];
        out->hold |= VIEW_BIT(u->processor);
    }
    return false;
}

const sched_policy policy_least_slack = {
    .name = "least-slack",
    .summary = "least slack first, each where it ends first (Band, MobiSys 2022)",
    .create = create,
    .destroy = free,
    .arrive = NULL,
    .decide = decide,
};
