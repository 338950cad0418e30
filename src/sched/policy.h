/* What a scheduling policy is: a table of functions over a read-only view of the core.
 *
 * Adding a policy is one new file with one `const sched_policy` and one line in policy_registry.c.
 *
 * A policy never sees levels or priorities: the core shows it one class of waiting requests at a
 * time (the highest priority that has something to start) and only processors that may serve that
 * class. */
#ifndef SCHED_POLICY_H
#define SCHED_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "cosrel/status.h"
#include "profile/cost.h"
#include "sched/core.h"

/* A read-only snapshot; see view.h for the functions on it. */
typedef struct sched_view sched_view;

typedef struct sched_decision {
    int processor;
    int model;
    int32_t batch;    /* >= 1, one of the cost table's sizes, <= the model's waiting requests */
    uint32_t request; /* the first request of the batch (view handle); the rest follow it in the
                         model's order */
    uint64_t hold; /* when it decides to wait: processors (one bit each) that it keeps for waiting
                    * requests; lower classes start nothing that would exclude them. 0 on entry. */
} sched_decision;

typedef struct sched_policy {
    bool uses_prices;    /* looks at view->prices: they are worth computing */
    const char *name;    /* what the user types, before any ':' */
    const char *summary; /* one line for --help, with the source of the algorithm */
    /* `argument` is what follows ':' or NULL. A policy without state sets *state to NULL. */
    cosrel_status (*create)(const sched_view *view, const char *argument, void **state,
                            cosrel_error *err);
    void (*destroy)(void *state); /* NULL: nothing to free */
    /* A request waits from now on: it arrived, came back after a failed run, or waited already when
     * the policy was chosen. NULL: does not care. */
    void (*arrive)(void *state, const sched_view *view, uint32_t request);
    /* It does no longer: it was started, cancelled or dropped. Only the view's requests are to be
     * looked at. NULL: does not care. */
    void (*leave)(void *state, const sched_view *view, uint32_t request);
    /* A candidate to start now, or false: wait. Called again after each accepted decision. The
     * decision must be startable (view_can_start; a batch above 1 needs a cost of its own and that
     * many waiting); the core aborts otherwise. Allocates nothing. */
    bool (*decide)(void *state, const sched_view *view, sched_decision *out);
} sched_policy;

/* The policy named by the part before ':'; *argument: the part after it, in spec, or NULL. NULL:
 * there is none. */
const sched_policy *policy_find(const char *spec, const char **argument);
int policy_count(void);
const sched_policy *policy_at(int index);

/* For `create` of a policy that takes no argument. */
COSREL_CHECKED cosrel_status policy_no_argument(const char *name, const char *argument,
                                                cosrel_error *err);

#endif
