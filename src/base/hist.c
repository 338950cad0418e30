#include "base/hist.h"

#include <math.h>
#include <string.h>

static int bucket_of(int64_t value_ns)
{
    if (value_ns < (int64_t)1 << HIST_OCTAVE_FIRST)
        return 0;
    const int octave = 63 - __builtin_clzll((unsigned long long)value_ns);
    if (octave >= HIST_OCTAVE_FIRST + HIST_OCTAVES)
        return HIST_BUCKETS - 1;
    /* value < 2^40 here, so the product stays below 2^45. */
    const uint64_t above = (uint64_t)value_ns - ((uint64_t)1 << octave);
    const int part = (int)((above * HIST_PARTS) >> octave);
    return (octave - HIST_OCTAVE_FIRST) * HIST_PARTS + part;
}

static double bucket_value(int bucket)
{
    const double start = ldexp(1.0, HIST_OCTAVE_FIRST + bucket / HIST_PARTS);
    const double low = start * (1.0 + (double)(bucket % HIST_PARTS) / HIST_PARTS);
    const double high = low + start / HIST_PARTS;
    return 2.0 * low * high / (low + high);
}

static void halve(uint32_t *buckets)
{
    for (int i = 0; i < HIST_BUCKETS; i++)
        buckets[i] = buckets[i] / 2 +
                     (buckets[i] & 1); /* rounded up: a rare outlier does not vanish */
}

void hist_reset(hist *h)
{
    memset(h, 0, sizeof *h);
}

void hist_add(hist *h, int64_t value_ns)
{
    if (value_ns < 0)
        value_ns = 0;
    uint32_t *bucket = &h->buckets[bucket_of(value_ns)];
    if (*bucket == UINT32_MAX)
        halve(h->buckets);
    (*bucket)++;
    if (h->count == 0 || value_ns < h->min_ns)
        h->min_ns = value_ns;
    if (value_ns > h->max_ns)
        h->max_ns = value_ns;
    h->count++;
    h->sum_ns += (double)value_ns;
}

void hist_merge(hist *into, const hist *from)
{
    if (from->count == 0)
        return;
    uint32_t other[HIST_BUCKETS];
    memcpy(other, from->buckets, sizeof other);
    for (int i = 0; i < HIST_BUCKETS; i++) {
        while ((uint64_t)into->buckets[i] + other[i] > UINT32_MAX) {
            halve(into->buckets);
            halve(other);
        }
    }
    for (int i = 0; i < HIST_BUCKETS; i++)
        into->buckets[i] += other[i];
    if (into->count == 0 || from->min_ns < into->min_ns)
        into->min_ns = from->min_ns;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
    into->count += from->count;
    into->sum_ns += from->sum_ns;
}

void hist_since(const hist *now, const hist *before, hist *out)
{
    static const hist none;
    if (before->count > now->count)
        before = &none;
    for (int i = 0; i < HIST_BUCKETS; i++) {
        const uint32_t n = now->buckets[i], b = before->buckets[i];
        out->buckets[i] = n > b ? n - b : 0; /* less: it was reset, or halved */
    }
    out->count = now->count - before->count;
    out->sum_ns = now->sum_ns - before->sum_ns;
    out->min_ns = 0;
    out->max_ns = now->max_ns;
}

int64_t hist_percentile(const hist *h, double q)
{
    if (h->count == 0)
        return 0;
    if (q >= 1.0)
        return h->max_ns;
    uint64_t kept = 0; /* not `count`: see halve */
    for (int i = 0; i < HIST_BUCKETS; i++)
        kept += h->buckets[i];
    double rank = ceil(fmax(q, 0.0) * (double)kept);
    if (rank < 1.0)
        rank = 1.0;
    uint64_t seen = 0;
    int bucket = 0;
    for (; bucket < HIST_BUCKETS - 1; bucket++) {
        seen += h->buckets[bucket];
        if ((double)seen >= rank)
            break;
    }
    const int64_t value = (int64_t)bucket_value(bucket);
    if (value < h->min_ns)
        return h->min_ns;
    return value > h->max_ns ? h->max_ns : value;
}

int64_t hist_mean(const hist *h)
{
    return h->count == 0 ? 0 : (int64_t)(h->sum_ns / (double)h->count + 0.5);
}

int64_t hist_max(const hist *h)
{
    return h->max_ns;
}
