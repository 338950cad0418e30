#include "workload/arrivals.h"

void arrivals_init(arrivals *a, const workload_stream *stream, uint64_t seed)
{
    a->stream = stream;
    a->index = 0;
    rng_init(&a->random, seed);
    a->clock_ns = stream->kind == WORKLOAD_PERIODIC ? rng_unit(&a->random) * 1e9 / stream->rate_hz
                                                    : 0;
}

int64_t arrivals_next_ns(arrivals *a)
{
    if (a->stream->kind == WORKLOAD_POISSON) {
        a->clock_ns += rng_exponential(&a->random, 1e9 / a->stream->rate_hz);
        return (int64_t)a->clock_ns;
    }
    const double period_ns = 1e9 / a->stream->rate_hz;
    double jitter_ns = a->stream->jitter_ms * 1e6;
    if (jitter_ns > period_ns)
        jitter_ns = period_ns; /* keeps the order */
    const double moved_ns = jitter_ns > 0 ? rng_unit(&a->random) * jitter_ns : 0;
    return (int64_t)(a->clock_ns + (double)a->index++ * period_ns + moved_ns);
}
