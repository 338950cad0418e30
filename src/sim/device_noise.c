/* Service times scatter log-normally (positive, skewed, as measured latencies are), and a few runs
 * take several times as long. The factors and the spikes have a stream each, so that changing one
 * of the two leaves the draws of the other. */
#include <math.h>

#include "sim/device_parts.h"

void noise_init(device_noise *n, const device_noise_spec *spec, const device_layout *layout)
{
    /* The mean is exp(mu + sigma^2 / 2) = 1, the cv sqrt(exp(sigma^2) - 1). */
    const double variance = log1p(spec->cv * spec->cv);
    n->sigma = sqrt(variance);
    n->mu = -variance / 2;
    n->spike_probability = spec->spike_probability;
    n->spike_min = spec->spike_min;
    n->spike_max = spec->spike_max;
    for (int p = 0; p < layout->count; p++) {
        device_stream(&n->factors[p], layout->seed, "noise", layout->processors[p].name);
        device_stream(&n->spikes[p], layout->seed, "spikes", layout->processors[p].name);
    }
}

double noise_draw(device_noise *n, int host)
{
    const double factor = exp(n->mu + n->sigma * rng_normal(&n->factors[host]));
    const double spike = rng_unit(&n->spikes[host]);
    const double place = rng_unit(&n->spikes[host]);
    if (spike >= n->spike_probability)
        return factor;
    return factor * (n->spike_min + place * (n->spike_max - n->spike_min));
}
