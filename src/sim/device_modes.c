/* A power mode caps clocks, and with them speed and power: both are factors on what the table says,
 * per processor. What a mode does not name runs as the table was measured. */
#include <stdlib.h>
#include <string.h>

#include "sim/device_match.h"
#include "sim/device_parts.h"

static int find_mode(const device_modes_spec *spec, const char *name)
{
    for (uint32_t i = 0; i < spec->mode_count; i++)
        if (strcmp(spec->modes[i].name, name) == 0)
            return (int)i;
    return -1;
}

bool modes_init(device_modes *m, const device_modes_spec *spec, const device_layout *layout)
{
    m->spec = spec;
    m->count = layout->count;
    m->at = spec->keep_start ? spec->switch_count : 0;
    m->mode = spec->start ? find_mode(spec, spec->start) : -1;
    m->factors = calloc((size_t)spec->mode_count * (size_t)layout->count, sizeof *m->factors);
    if (!m->factors)
        return false;
    for (uint32_t i = 0; i < spec->mode_count; i++) {
        const device_mode_spec *mode = &spec->modes[i];
        for (int p = 0; p < layout->count; p++) {
            const device_mode_factor *f = device_match_best(mode->factors, sizeof *mode->factors,
                                                            mode->factor_count,
                                                            layout->processors[p].name);
            m->factors[i * (uint32_t)m->count + (uint32_t)p] =
                f ? (device_factors){f->speed, f->power} : (device_factors){1, 1};
        }
    }
    return true;
}

void modes_deinit(device_modes *m)
{
    free(m->factors);
    m->factors = NULL;
}

int64_t modes_next_ns(const device_modes *m)
{
    return m->at < m->spec->switch_count ? device_ns_of_s(m->spec->switches[m->at].at_s) : NEVER_NS;
}

void modes_step(device_modes *m)
{
    m->mode = find_mode(m->spec, m->spec->switches[m->at++].mode);
}

device_factors modes_factors(const device_modes *m, int host)
{
    return m->mode < 0 ? (device_factors){1, 1} : m->factors[m->mode * m->count + host];
}
