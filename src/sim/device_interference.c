/* How much slower a processor is while others are busy.
 *
 * Mostly one number is measured: the slowdown F with everything else busy. Its logarithm is shared
 * out over the resource units of the others, so that each of n busy units costs F^(1/n) and all
 * together F. Where a pair was measured that factor stands instead of the other's share. Factors
 * multiply, since each co-runner takes its part of the memory bandwidth or of the power budget that
 * is left, and never go past F where F is known. F < 1 is measured too: phones raise clocks when
 * more of the chip works (BetterTogether, IISWC 2025, section V-C). */
#include <math.h>
#include <string.h>

#include "sim/device_match.h"
#include "sim/device_parts.h"

static bool means_all(const device_factor_spec *e)
{
    return !e->busy || strcmp(e->busy, "*") == 0;
}

static const device_factor_spec *best_all(const device_spec *spec, const char *name)
{
    const device_factor_spec *best = NULL;
    int best_match = -1;
    for (uint32_t i = 0; i < spec->interference_count; i++) {
        const device_factor_spec *e = &spec->interference[i];
        const int match = means_all(e) ? device_match(e->processor, name) : -1;
        if (match > best_match) {
            best_match = match;
            best = e;
        }
    }
    return best;
}

/* The closest by the processor that suffers, then by the one that is busy. */
static const device_factor_spec *best_pair(const device_spec *spec, const char *name,
                                           const char *busy)
{
    const device_factor_spec *best = NULL;
    int best_match = -1, best_busy = -1;
    for (uint32_t i = 0; i < spec->interference_count; i++) {
        const device_factor_spec *e = &spec->interference[i];
        if (means_all(e))
            continue;
        const int match = device_match(e->processor, name);
        const int other = device_match(e->busy, busy);
        if (match < 0 || other < 0 || match < best_match ||
            (match == best_match && other <= best_busy))
            continue;
        best_match = match;
        best_busy = other;
        best = e;
    }
    return best;
}

static void init_host(device_interference *f, const device_spec *spec, const device_layout *layout,
                      int p)
{
    const sched_processor *processors = layout->processors;
    uint64_t others = 0;
    for (uint64_t left = layout->hosts; left; left &= left - 1)
        others |= processors[__builtin_ctzll(left)].units;
    others &= ~processors[p].units;
    const device_factor_spec *all = best_all(spec, processors[p].name);
    f->has_all[p] = all && others;
    f->all_log[p] = f->has_all[p] ? log(all->factor) : 0;
    for (uint64_t left = layout->hosts; left; left &= left - 1) {
        const int q = __builtin_ctzll(left);
        const device_factor_spec *pair = best_pair(spec, processors[p].name, processors[q].name);
        const uint64_t units = processors[q].units & others;
        if (p == q || !units)
            f->pair_log[p][q] = 0;
        else if (pair)
            f->pair_log[p][q] = log(pair->factor);
        else if (f->has_all[p])
            f->pair_log[p][q] = f->all_log[p] * (double)__builtin_popcountll(units) /
                                (double)__builtin_popcountll(others);
    }
}

void interference_init(device_interference *f, const device_spec *spec, const device_layout *layout)
{
    memset(f, 0, sizeof *f);
    for (uint64_t left = layout->hosts; left; left &= left - 1)
        init_host(f, spec, layout, __builtin_ctzll(left));
}

double interference_factor(const device_interference *f, int host, uint64_t busy)
{
    double sum = 0;
    for (uint64_t left = busy & ~((uint64_t)1 << host); left; left &= left - 1)
        sum += f->pair_log[host][__builtin_ctzll(left)];
    if (f->has_all[host] && f->all_log[host] >= 0 && sum > f->all_log[host])
        sum = f->all_log[host];
    if (f->has_all[host] && f->all_log[host] < 0 && sum < f->all_log[host])
        sum = f->all_log[host];
    return exp(sum);
}
