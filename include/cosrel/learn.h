/* Learning while serving: beside a runtime whose policy is "learned".
 *
 *     cosrel_learner *learner;
 *     cosrel_learner_open(rt, NULL, &learner, &err);
 *     ... serve ...
 *     cosrel_learner_close(learner);                             before the runtime
 *
 * What is asked and answered is recorded. From it, a background thread of the kernel's idle class
 * goes on training the policy in simulations of the recent past. A new version is promoted only
 * after it has won in replays of that past against the one that serves, is watched, and is taken
 * back if what is measured gets worse; a policy that is worse than the safe rule (min-min) gives
 * way to that rule. It never serves longer than two windows after it became so: docs/learning.md.
 * While another policy is set, or learned:FILE, the learner waits. */
#ifndef COSREL_LEARN_H
#define COSREL_LEARN_H

#include "cosrel/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cosrel_learner cosrel_learner;

/* Zero and NULL mean the default everywhere. */
typedef struct cosrel_learner_options {
    size_t struct_bytes; /* set by cosrel_learner_options_init */
    /* Where versions are kept, policy-000007.cosrelp, the last eight. The newest good one there
     * serves from the start; one that is damaged or foreign is passed over with a warning. NULL:
     * nowhere, and the start is the policy that ships. */
    const char *folder;
    int64_t interval_ns; /* a window's least length; 0: 60 s. It lasts until 200 requests came */
    double cpu_part;     /* of one core, for learning; 0: 0.1; 1: all that is left */
    uint64_t seed;       /* of what is drawn while learning */
} cosrel_learner_options;

typedef enum cosrel_learner_state {
    COSREL_LEARNER_LEARNED,   /* the learned policy serves */
    COSREL_LEARNER_PROBATION, /* likewise, a version that was promoted lately */
    COSREL_LEARNER_SAFE,      /* the safe rule serves */
    COSREL_LEARNER_WAITING    /* another policy is set: nothing is recorded or changed */
} cosrel_learner_state;

/* Costs: per request, in nanoseconds of the runtime's objective, within the last window. */
typedef struct cosrel_learner_stats {
    cosrel_learner_state state;
    uint64_t version;    /* of the learned policy; 0: the one that ships */
    uint64_t promoted;   /* new versions so far */
    uint64_t taken_back; /* of those */
    uint64_t fallen;     /* how often the safe rule took over */
    uint64_t windows;    /* so far */
    uint64_t candidates; /* networks trained so far */
    uint64_t lessons;    /* decisions learned from so far */
    uint64_t requests;   /* that arrived in the last window */
    double live;         /* measured; 0: no window yet */
    double learned;      /* replayed under the learned policy */
    double safe;         /* replayed under the safe rule */
    double candidate;    /* replayed under the next version; 0: there was none */
} cosrel_learner_stats;

COSREL_API void cosrel_learner_options_init(cosrel_learner_options *options);

/* Starts two threads. options may be NULL. INVALID_ARGUMENT: an option that cannot be, or the
 * runtime has a learner; IO: the folder cannot be made or read; INVALID_FILE: there is no policy to
 * begin with. Whoever opens it closes it, before the runtime is closed. */
COSREL_API COSREL_CHECKED cosrel_status cosrel_learner_open(cosrel_runtime *rt,
                                                            const cosrel_learner_options *options,
                                                            cosrel_learner **out,
                                                            cosrel_error *err);

/* Waits for what is being simulated just now. The runtime goes on with whatever serves. NULL is
 * fine.
 */
COSREL_API void cosrel_learner_close(cosrel_learner *learner);

/* Any thread. */
COSREL_API void cosrel_learner_get_stats(cosrel_learner *learner, cosrel_learner_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
