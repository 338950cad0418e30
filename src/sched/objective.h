/* What a policy that weighs consequences is to make small: for each request its latency, plus a
 * price for a missed deadline, plus one for energy. All in nanoseconds of latency, so that one
 * number compares them. */
#ifndef SCHED_OBJECTIVE_H
#define SCHED_OBJECTIVE_H

#include <stddef.h>

#include "cosrel/status.h"

typedef struct sched_objective {
    double latency;          /* weight of a request's latency */
    double miss;             /* what a missed deadline costs, in times the usual deadline (from the
                              * arrival; the mean over what arrives): the same whosever it is */
    double energy_ns_per_uj; /* what a microjoule costs */
} sched_objective;

/* "latency", "throughput", "deadline", "energy", "balanced". INVALID_ARGUMENT: another name; err
 * says which there are. */
COSREL_CHECKED cosrel_status objective_find(const char *name, sched_objective *out,
                                            cosrel_error *err);

/* Those names one after the other; NULL after the last. */
const char *objective_at(size_t index);

#endif
