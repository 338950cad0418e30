#include "workload/arrivals.h"

/* Three centuries: what comes after does not come. Keeps int64_t from overflowing. */
static const double NEVER_NS = 9.2e18;

static int64_t whole_ns(double ns)
{
    return ns < NEVER_NS ? (int64_t)ns : INT64_MAX;
}

/* ---- Periodic ---- */

/* Each frame is late by itself, as exposure and transfer vary; the sensor's clock goes on evenly,
 * so jitter does not add up. */
static int64_t next_periodic(arrivals *a)
{
    const double period_ns = a->gap_ns;
    double jitter_ns = a->stream->jitter_ms * 1e6;
    if (jitter_ns > period_ns)
        jitter_ns = period_ns; /* keeps the order */
    const double moved_ns = jitter_ns > 0 ? rng_unit(&a->random) * jitter_ns : 0;
    return whole_ns(a->clock_ns + (double)a->index++ * period_ns + moved_ns);
}

/* ---- Bursts: a Poisson process modulated by two states of exponential length (Fischer and
 * Meier-Hellstern, "The Markov-modulated Poisson process (MMPP) cookbook", Performance Evaluation
 * 18, 1993) ---- */

static void enter_state(arrivals *a, bool bursting)
{
    const double mean_s = bursting ? a->stream->burst_s : a->stream->quiet_s;
    a->bursting = bursting;
    a->until_ns = a->clock_ns + rng_exponential(&a->random, mean_s * 1e9);
}

/* A Poisson process has no memory: what was drawn beyond the end of a state is drawn anew after it.
 */
static int64_t next_in_bursts(arrivals *a)
{
    while (a->clock_ns < NEVER_NS) {
        const double rate_hz = a->bursting ? a->stream->burst_rate_hz : a->stream->rate_hz;
        const double gap_ns = rate_hz > 0 ? rng_exponential(&a->random, 1e9 / rate_hz) : NEVER_NS;
        if (a->clock_ns + gap_ns < a->until_ns) {
            a->clock_ns += gap_ns;
            return (int64_t)a->clock_ns;
        }
        a->clock_ns = a->until_ns;
        enter_state(a, !a->bursting);
    }
    return INT64_MAX;
}

/* ---- A day: an inhomogeneous Poisson process by thinning (Lewis and Shedler, "Simulation of
 * nonhomogeneous Poisson processes by thinning", Naval Research Logistics 26, 1979), piece by piece
 * of the curve, so that a quiet night costs nothing ---- */

static uint32_t point_after(const workload_stream *s, uint32_t piece)
{
    return piece + 1 < s->point_count ? piece + 1 : 0;
}

/* Of a point in the n-th period. */
static double point_ns(const workload_stream *s, uint32_t point, double cycle)
{
    return (cycle + s->points[point][0] / 24) * s->period_s * 1e9;
}

static void begin_day(arrivals *a)
{
    const workload_stream *s = a->stream;
    /* The start lies on the way from the last point of the day before to the first one, unless that
     * is at 0. */
    a->piece = s->point_count - 1;
    a->cycle = 0;
    if (s->points[0][0] <= 0) {
        a->piece = 0;
        a->cycle = s->point_count == 1;
    }
    a->until_ns = point_ns(s, point_after(s, a->piece), a->cycle);
}

static void next_piece(arrivals *a)
{
    a->piece = point_after(a->stream, a->piece);
    if (point_after(a->stream, a->piece) == 0)
        a->cycle += 1;
    a->until_ns = point_ns(a->stream, point_after(a->stream, a->piece), a->cycle);
}

static int64_t next_in_day(arrivals *a)
{
    const workload_stream *s = a->stream;
    while (a->clock_ns < NEVER_NS) {
        const uint32_t to = point_after(s, a->piece);
        const double from_factor = s->points[a->piece][1], to_factor = s->points[to][1];
        const double highest = from_factor > to_factor ? from_factor : to_factor;
        const double gap_ns = highest > 0
                                  ? rng_exponential(&a->random, 1e9 / (s->rate_hz * highest))
                                  : NEVER_NS;
        if (a->clock_ns + gap_ns >= a->until_ns) {
            a->clock_ns = a->until_ns;
            next_piece(a);
            continue;
        }
        a->clock_ns += gap_ns;
        double hours = s->points[to][0] - s->points[a->piece][0];
        hours += to <= a->piece ? 24 : 0;
        const double left = (a->until_ns - a->clock_ns) / (hours / 24 * s->period_s * 1e9);
        const double factor = to_factor + (from_factor - to_factor) * left;
        if (rng_unit(&a->random) * highest < factor)
            return (int64_t)a->clock_ns;
    }
    return INT64_MAX;
}

void arrivals_init(arrivals *a, const workload_stream *stream, uint64_t seed)
{
    *a = (arrivals){.stream = stream};
    rng_init(&a->random, seed);
    if (stream->rate_hz > 0)
        a->gap_ns = 1e9 / stream->rate_hz;
    if (stream->kind == WORKLOAD_PERIODIC)
        a->clock_ns = rng_unit(&a->random) * 1e9 / stream->rate_hz;
    if (stream->kind == WORKLOAD_BURSTS)
        enter_state(a,
                    rng_unit(&a->random) * (stream->quiet_s + stream->burst_s) < stream->burst_s);
    if (stream->kind == WORKLOAD_DAY)
        begin_day(a);
}

int64_t arrivals_next_ns(arrivals *a)
{
    switch (a->stream->kind) {
    case WORKLOAD_PERIODIC:
        return next_periodic(a);
    case WORKLOAD_BURSTS:
        return next_in_bursts(a);
    case WORKLOAD_DAY:
        return next_in_day(a);
    default:
        a->clock_ns += rng_exponential(&a->random, a->gap_ns);
        return whole_ns(a->clock_ns);
    }
}
