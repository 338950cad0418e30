/* When the requests of a stream arrive. */
#ifndef WORKLOAD_ARRIVALS_H
#define WORKLOAD_ARRIVALS_H

#include <stdint.h>

#include "base/rng.h"
#include "workload/workload.h"

typedef struct arrivals {
    const workload_stream *stream; /* periodic or poisson; outlives this */
    rng random;
    int64_t index;
    double clock_ns; /* poisson: the last arrival; periodic: the first */
} arrivals;

/* The same stream and seed give the same arrivals, whatever serves them: each policy is asked the
 * same. A periodic stream starts at a random point of its first period: cameras do not start
 * together. */
void arrivals_init(arrivals *a, const workload_stream *stream, uint64_t seed);

/* The next arrival in ns since the start, never before the last one. */
int64_t arrivals_next_ns(arrivals *a);

#endif
