/* A latency histogram of fixed size: percentiles to within 3 %, from 64 ns to 1099 s, without
 * allocation.
 *
 * Each power of two is cut into 20 equal buckets, so a bucket is at most 5 % wide, and its middle
 * (harmonic mean of its edges) is at most 2.5 % from any value in it. HdrHistogram's scheme, with a
 * number of parts per octave that just meets the bound. Not locked: one thread owns it, or its
 * owner's lock covers it. */
#ifndef BASE_HIST_H
#define BASE_HIST_H

#include <stdint.h>

enum {
    HIST_OCTAVE_FIRST = 6,
    HIST_OCTAVES = 34,
    HIST_PARTS = 20,
    HIST_BUCKETS = HIST_OCTAVES * HIST_PARTS
};

/* Zeroed: empty. */
typedef struct hist {
    uint64_t count;
    double sum_ns;
    int64_t min_ns;
    int64_t max_ns;
    uint32_t buckets[HIST_BUCKETS]; /* all halved when one would overflow: shares stay, `count`
                                       stays exact */
} hist;

void hist_reset(hist *h);
void hist_add(hist *h,
              int64_t value_ns); /* out of range: counts in the nearest bucket; < 0 counts as 0 */
void hist_merge(hist *into, const hist *from);

/* What was added between two copies of a histogram, `before` and `now`; if it was reset in between,
 * what was added since then. Its least and greatest are only known to within their buckets. `out`
 * may be neither. */
void hist_since(const hist *now, const hist *before, hist *out);

/* The smallest value such that a share q of all are at most as large; q in [0, 1], clipped. Never
 * outside [min, max]; hist_percentile(h, 1) is the maximum exactly. 0 if empty. */
int64_t hist_percentile(const hist *h, double q);
int64_t hist_mean(const hist *h); /* exact; 0 if empty */
int64_t hist_max(const hist *h);  /* exact; 0 if empty */

#endif
