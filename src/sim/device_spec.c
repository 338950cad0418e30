/* Choosing effects, and the description that stands in where there is no file. */
#include "sim/device_spec.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

static const char *const NAMES[] = {"noise",       "interference", "heat",
                                    "power_modes", "load",         "faults"};
enum { EFFECT_COUNT = sizeof NAMES / sizeof NAMES[0] };

/* A file like any other. Sources: BetterTogether (IISWC 2025), section V-C, for interference and
 * noise; Synaptics' AI-Benchmark 5 report of the VS680 for loading; settings of the runtime for
 * faults. The text says what was derived. */
static const char DEFAULTS[] =
    "device: any\n"
    "noise:\n"
    "  cv: 0.1\n"
    "  spike_probability: 0.003\n"
    "  spike_min: 2\n"
    "  spike_max: 6\n"
    "  source: derived; kernels on a Pixel 7a have a cv of 0.21 in the median and a slowest of\n"
    "    100 runs of 2.4 times the median; cv 0.1 with these spikes gives 0.20 together\n"
    "interference:\n"
    "  - processor: cpu*\n"
    "    factor: 1.33\n"
    "    optional: yes\n"
    "    source: derived; mean of three CPU clusters of a Pixel 7a with all else busy (1.39, "
    "1.20,\n"
    "      1.40; BetterTogether)\n"
    "  - processor: gpu*\n"
    "    factor: 1.19\n"
    "    optional: yes\n"
    "    source: GPU of a Jetson Orin Nano at 25 W with its CPU busy (BetterTogether); phones "
    "that\n"
    "      raise clocks have 0.64 to 0.86\n"
    "  - processor: igpu*\n"
    "    factor: 1.46\n"
    "    optional: yes\n"
    "    source: derived; Intel CPU and integrated GPU together reach 0.685 of the sum of both\n"
    "      alone, median of nine models on a Core i7-1185G7 (OpenVINO 2024.1 benchmark data)\n"
    "  - processor: npu*\n"
    "    factor: 1.25\n"
    "    optional: yes\n"
    "    source: derived; the middle between 0.88 (EdgeTPU of a Pixel 7a, BetterTogether) and "
    "1.67\n"
    "      (P99 of a DLA of a Jetson Orin, XSched, OSDI 2025), rounded\n"
    "load:\n"
    "  - processor: npu*\n"
    "    default_ms: 15.7\n"
    "    optional: yes\n"
    "    source: median of 21 compiled models on the NPU of a Synaptics VS680 (AI-Benchmark 5)\n"
    "faults:\n"
    "  detect_ms: 10000\n"
    "  random:\n"
    "    - processor: '*'\n"
    "      kind: down\n"
    "      mean_between_s: 300\n"
    "      mean_down_s: 5\n"
    "    - processor: '*'\n"
    "      kind: hang\n"
    "      mean_between_s: 3000\n"
    "      mean_down_s: 5\n"
    "  failures:\n"
    "    - processor: '*'\n"
    "      probability: 0.0001\n"
    "  source: chosen, a drill; nobody publishes how often edge processors fail. A hang is "
    "noticed\n"
    "    and a processor tried again as late as the runtime does it\n";

cosrel_status device_spec_default(device_spec **out, cosrel_error *err)
{
    return device_spec_parse("built-in", DEFAULTS, sizeof DEFAULTS - 1, out, err);
}

unsigned device_spec_effects(const device_spec *s)
{
    unsigned effects = 0;
    effects |= s->noise ? DEVICE_NOISE : 0u;
    effects |= s->interference_count > 0 ? DEVICE_INTERFERENCE : 0u;
    effects |= s->heat ? DEVICE_HEAT : 0u;
    effects |= s->power_modes ? DEVICE_POWER_MODES : 0u;
    effects |= s->load_count > 0 ? DEVICE_LOAD : 0u;
    effects |= s->faults ? DEVICE_FAULTS : 0u;
    return effects;
}

const char *device_effect_name(unsigned effect)
{
    for (int i = 0; i < EFFECT_COUNT; i++)
        if (effect == 1u << i)
            return NAMES[i];
    return "?";
}

cosrel_status device_spec_enable(device_spec *s, unsigned effects, cosrel_error *err)
{
    const unsigned lacking = effects & ~device_spec_effects(s);
    if (lacking)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "%s: it does not describe '%s', which is switched on; expected a device "
                         "file that does",
                         s->path, device_effect_name(lacking & (0u - lacking)));
    s->enabled |= effects;
    return COSREL_OK;
}

/* Both were made by the same schema, so that either can free what the other had. */
cosrel_status device_spec_borrow(device_spec *s, unsigned effects, cosrel_error *err)
{
    device_spec *built_in;
    const unsigned lacking = effects & ~device_spec_effects(s);
    if (!lacking)
        return COSREL_OK;
    const cosrel_status status = device_spec_default(&built_in, err);
    if (status != COSREL_OK)
        return status;
    if ((lacking & DEVICE_NOISE) && !s->noise) {
        s->noise = built_in->noise;
        built_in->noise = NULL;
    }
    if ((lacking & DEVICE_INTERFERENCE) && !s->interference) {
        s->interference = built_in->interference;
        s->interference_count = built_in->interference_count;
        built_in->interference = NULL;
        built_in->interference_count = 0;
    }
    if ((lacking & DEVICE_LOAD) && !s->load) {
        s->load = built_in->load;
        s->load_count = built_in->load_count;
        built_in->load = NULL;
        built_in->load_count = 0;
    }
    if ((lacking & DEVICE_FAULTS) && !s->faults) {
        s->faults = built_in->faults;
        built_in->faults = NULL;
    }
    device_spec_free(built_in);
    return COSREL_OK;
}

cosrel_status device_spec_set_noise(device_spec *s, double cv, cosrel_error *err)
{
    if (!(cv >= 0 && cv <= DEVICE_NOISE_CV_MAX))
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "noise: %g is out of range: expected 0 to %d", cv, DEVICE_NOISE_CV_MAX);
    if (!s->noise) {
        s->noise = calloc(1, sizeof *s->noise);
        if (!s->noise)
            return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory", s->path);
    }
    s->noise->cv = cv;
    s->noise->spike_probability = 0;
    s->noise->spike_min = s->noise->spike_max = 1;
    return device_spec_enable(s, DEVICE_NOISE, err);
}

cosrel_status device_spec_set_power_mode(device_spec *s, const char *mode, cosrel_error *err)
{
    const char *names[DEVICE_ENTRIES_MAX];
    const cosrel_status status = device_spec_enable(s, DEVICE_POWER_MODES, err);
    if (status != COSREL_OK)
        return status;
    device_modes_spec *m = s->power_modes;
    text_builder known = {.data = NULL};
    for (uint32_t i = 0; i < m->mode_count; i++) {
        names[i] = m->modes[i].name;
        if (strcmp(names[i], mode) == 0) {
            text_deinit(&known);
            char *start = strdup(mode);
            if (!start)
                return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory", s->path);
            free(m->start);
            m->start = start;
            m->keep_start = true;
            return COSREL_OK;
        }
        text_addf(&known, "%s'%s'", i ? ", " : "", names[i]);
    }
    const char *nearest = text_nearest(mode, names, m->mode_count);
    (void)error_set(err, COSREL_INVALID_ARGUMENT,
                    "%s: it has no power mode '%.80s'%s%s%s; expected one of %.200s", s->path, mode,
                    nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "",
                    known.data ? known.data : "none");
    text_deinit(&known);
    return COSREL_INVALID_ARGUMENT;
}
