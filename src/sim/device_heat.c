/* One lump of heat: the chip and what cools it, with the resistance R to the air and the capacity C
 *
 *     T' = (P R - (T - ambient)) / (R C)
 *
 * (the first-order circuit of compact thermal models; Skadron et al., "Temperature-aware
 * microarchitecture", ISCA 2003). While the busy set stays P is constant and T goes exponentially
 * to ambient + P R, so that the next crossing of a threshold is a logarithm, not a tick. A step of
 * throttling begins at its threshold and ends `hysteresis_c` below it, as the trip points of
 * kernels do. */
#include <math.h>

#include "sim/device_match.h"
#include "sim/device_parts.h"

/* A crossing is rounded to the next ns and may lie this much off by the rounding of doubles;
 * chosen: a hundredth of what any sensor could show would be 10^4 times as much. */
static const double NEAR_C = 1e-9;
/* Beyond 10^17 ns, three years, it does not matter any more. */
static const double FAR_NS = 1e17;

static double ends_c(const device_throttle_spec *t)
{
    return t->at_c - t->hysteresis_c;
}

static void change_steps(device_heat *h, double temperature_c)
{
    for (uint32_t i = 0; i < h->spec->throttle_count; i++) {
        const device_throttle_spec *t = &h->spec->throttle[i];
        if (temperature_c >= t->at_c - NEAR_C)
            h->in_force |= (uint32_t)1 << i;
        else if (temperature_c <= ends_c(t) + NEAR_C)
            h->in_force &= ~((uint32_t)1 << i);
    }
}

void heat_init(device_heat *h, const device_heat_spec *spec, const device_layout *layout)
{
    h->spec = spec;
    h->tau_s = spec->resistance_c_per_w * spec->capacity_j_per_c;
    h->settles_c = h->idle_c = spec->ambient_c + spec->idle_w * spec->resistance_c_per_w;
    h->first_c = NAN;
    for (uint32_t i = 0; i < spec->throttle_count; i++)
        if (!(spec->throttle[i].at_c >= h->first_c))
            h->first_c = spec->throttle[i].at_c;
    h->base_c = spec->start_c ? *spec->start_c : h->settles_c;
    h->base_ns = 0;
    for (uint64_t left = layout->hosts; left; left &= left - 1) {
        const int p = __builtin_ctzll(left);
        const char *name = layout->processors[p].name;
        const device_power_spec *power = device_match_best(spec->power, sizeof *spec->power,
                                                           spec->power_count, name);
        h->busy_w[p] = power ? power->busy_w : 0;
        for (uint32_t i = 0; i < spec->throttle_count; i++)
            if (device_match(spec->throttle[i].processor, name) >= 0)
                h->steps[p] |= (uint32_t)1 << i;
    }
    change_steps(h, h->base_c);
    h->next_ns = NEVER_NS;
}

double heat_temperature_c(const device_heat *h, int64_t now_ns)
{
    const double passed_s = (double)(now_ns - h->base_ns) * 1e-9;
    return h->settles_c + (h->base_c - h->settles_c) * exp(-passed_s / h->tau_s);
}

double heat_level(const device_heat *h, int64_t now_ns)
{
    if (h->in_force)
        return 1;
    const double level = (heat_temperature_c(h, now_ns) - h->idle_c) / (h->first_c - h->idle_c);
    /* Without steps there is nothing to be near to; with one below idle it would be in force, but
     * for what its hysteresis lets pass. */
    return level > 0 ? (level < 1 ? level : 1) : 0;
}

/* From base_ns on. */
static double ns_until(const device_heat *h, double threshold_c)
{
    const double ratio = (h->base_c - h->settles_c) / (threshold_c - h->settles_c);
    return ratio > 1 ? h->tau_s * log(ratio) * 1e9 : 0;
}

static int64_t find_next(const device_heat *h)
{
    double soonest_ns = FAR_NS;
    for (uint32_t i = 0; i < h->spec->throttle_count; i++) {
        const device_throttle_spec *t = &h->spec->throttle[i];
        double at_ns = FAR_NS;
        if (h->in_force & (uint32_t)1 << i) {
            if (h->settles_c < ends_c(t) - NEAR_C)
                at_ns = ns_until(h, ends_c(t));
        } else if (h->settles_c > t->at_c + NEAR_C) {
            at_ns = ns_until(h, t->at_c);
        }
        soonest_ns = at_ns < soonest_ns ? at_ns : soonest_ns;
    }
    if (soonest_ns >= FAR_NS)
        return NEVER_NS;
    return h->base_ns + (soonest_ns > 1 ? (int64_t)ceil(soonest_ns) : 1);
}

void heat_set(device_heat *h, int64_t now_ns, uint64_t busy, const double *power)
{
    double watts = h->spec->idle_w;
    for (uint64_t left = busy; left; left &= left - 1) {
        const int p = __builtin_ctzll(left);
        watts += h->busy_w[p] * power[p];
    }
    if (h->spec->max_w && watts > *h->spec->max_w)
        watts = *h->spec->max_w;
    const double settles_c = h->spec->ambient_c + watts * h->spec->resistance_c_per_w;
    /* Set anew only where something changes: the curve is the same however often it is asked. */
    if (settles_c != h->settles_c || h->next_ns <= now_ns || now_ns == h->base_ns) {
        h->base_c = heat_temperature_c(h, now_ns);
        h->base_ns = now_ns;
        h->settles_c = settles_c;
        h->next_ns = find_next(h);
    }
}

void heat_step(device_heat *h, int64_t now_ns)
{
    change_steps(h, heat_temperature_c(h, now_ns));
}

device_factors heat_limits(const device_heat *h, int host)
{
    device_factors least = {1, 1};
    for (uint32_t left = h->in_force & h->steps[host]; left; left &= left - 1) {
        const device_throttle_spec *t = &h->spec->throttle[__builtin_ctz(left)];
        if (t->speed <= least.speed)
            least = (device_factors){t->speed, t->power ? *t->power : t->speed};
    }
    return least;
}
