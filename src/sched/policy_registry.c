#include <string.h>

#include "base/error.h"
#include "sched/policies.h"

static const sched_policy *const policies[] = {
    &policy_single, &policy_round_robin, &policy_static_best, &policy_shortest_latency,
    &policy_heft,   &policy_least_slack, &policy_max_weight,  &policy_min_min,
    &policy_priced, &policy_lookahead,   &policy_learned,
};

int policy_count(void)
{
    return (int)(sizeof policies / sizeof policies[0]);
}

const sched_policy *policy_at(int index)
{
    return policies[index];
}

const sched_policy *policy_find(const char *spec, const char **argument)
{
    const size_t length = strcspn(spec, ":");
    *argument = spec[length] ? spec + length + 1 : NULL;
    for (int i = 0; i < policy_count(); i++) {
        if (strlen(policies[i]->name) == length && memcmp(policies[i]->name, spec, length) == 0)
            return policies[i];
    }
    return NULL;
}

cosrel_status policy_no_argument(const char *name, const char *argument, cosrel_error *err)
{
    if (!argument)
        return COSREL_OK;
    return error_set(err, COSREL_INVALID_ARGUMENT,
                     "policy '%s' takes nothing after its name; found ':%s'", name, argument);
}
