/* The policies there are; policy_registry.c lists them. */
#ifndef SCHED_POLICIES_H
#define SCHED_POLICIES_H

#include "sched/policy.h"

extern const sched_policy policy_single;
extern const sched_policy policy_round_robin;
extern const sched_policy policy_static_best;
extern const sched_policy policy_shortest_latency;
extern const sched_policy policy_heft;
extern const sched_policy policy_least_slack;
extern const sched_policy policy_max_weight;
extern const sched_policy policy_min_min;
extern const sched_policy policy_priced;
extern const sched_policy policy_lookahead;
extern const sched_policy policy_learned;

#endif
