/* When the requests of a stream arrive that depends on nothing but the clock. */
#ifndef WORKLOAD_ARRIVALS_H
#define WORKLOAD_ARRIVALS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "workload/workload.h"

typedef struct arrivals {
    const workload_stream *stream; /* periodic, poisson, bursts or day; outlives this */
    rng random;
    double gap_ns;   /* periodic: the period; poisson: the mean */
    double clock_ns; /* periodic: the first arrival; otherwise the last one */
    int64_t index;   /* periodic: of the next arrival */
    double until_ns; /* bursts: the end of the present state; day: of the present piece */
    bool bursting;
    uint32_t piece; /* day: the one from this point to the next */
    double cycle;   /* day: in which the piece ends */
} arrivals;

/* The same stream and seed give the same arrivals, whatever serves them: each policy is asked the
 * same. A periodic stream starts at a random point of its first period: cameras do not start
 * together. Bursts start in either state, as often as it is met in the long run. */
void arrivals_init(arrivals *a, const workload_stream *stream, uint64_t seed);

/* The next arrival in ns since the start, never before the last one; INT64_MAX: never. */
int64_t arrivals_next_ns(arrivals *a);

#endif
