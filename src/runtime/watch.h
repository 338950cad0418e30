/* What a learner beside a runtime needs of it, and nobody else: what is asked and answered, a
 * picture of what decisions stand on, and the means to change who decides. */
#ifndef RUNTIME_WATCH_H
#define RUNTIME_WATCH_H

#include "base/log.h"
#include "cosrel/runtime.h"
#include "nn/scorer.h"
#include "profile/cost.h"
#include "sched/core.h"

/* Called under the runtime's lock, on the dispatch path: O(1), no allocation, no lock, no call of
 * this runtime. Foreground requests only: what runs beneath them is not decided about. */
typedef struct runtime_watch {
    void *user;
    /* deadline_ns: absolute; SCHED_NEVER: none. What it returns comes back with the answer. */
    uint64_t (*accepted)(void *user, int64_t now_ns, int model, int64_t deadline_ns, int priority);
    /* dropped: without a run, because it was too late. energy_uj: by the cost table; 0: unknown. */
    void (*answered)(void *user, int64_t now_ns, uint64_t number, bool dropped, double energy_uj);
    /* The model was unloaded; its number may become another one's. Rare: may take a while. Or
     * NULL. */
    void (*unloaded)(void *user, int model);
} runtime_watch;

/* Copies it. NULL: nobody watches any more, and no call is under way. One at a time:
 * INVALID_ARGUMENT if somebody else does. */
COSREL_CHECKED cosrel_status runtime_set_watch(cosrel_runtime *rt, const runtime_watch *watch,
                                               cosrel_error *err);

/* Calls `look` with the lock held, so that no watch is called meanwhile: a few microseconds at
 * most. */
void runtime_with_lock(cosrel_runtime *rt, void (*look)(void *user), void *user);

typedef struct runtime_picture {
    cost_table costs; /* models by their numbers in the watch; foreground processors that are up */
    sched_processor processors[SCHED_PROCESSORS_MAX]; /* the names are the runtime's */
    int processor_count;
    sched_objective objective;
    bool drop_late;
    uint64_t unloads; /* of the runtime so far: after one a number may be another model's */
} runtime_picture;

/* OUT_OF_MEMORY; UNAVAILABLE: no model or no processor. Deinitialise it in any case. */
COSREL_CHECKED cosrel_status runtime_look(cosrel_runtime *rt, runtime_picture *out);
void runtime_picture_deinit(runtime_picture *p);

/* From the next decision on the policy "learned" uses `net`, which is the runtime's from now on;
 * returns the one before, the caller's from now on, or NULL. */
scorer *runtime_swap_network(cosrel_runtime *rt, scorer *net);

/* Whether the policy is this one, as it was asked for. */
bool runtime_has_policy(cosrel_runtime *rt, const char *policy);

/* Changes it from one to another between two events. False: it is another one, or it cannot be
 * changed; then nothing is. */
bool runtime_change_policy(cosrel_runtime *rt, const char *from, const char *to);

/* The rule that serves where a learned policy must not. */
const char *runtime_safe_policy(void);

const logger *runtime_log(const cosrel_runtime *rt);

#endif
