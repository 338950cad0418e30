/* Random device files: every effect, alone and together, on the time scale of the world, so that
 * something of each happens within its few hundred requests. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "scene.h"

typedef struct page {
    char *text;
    size_t bytes;
} page;

__attribute__((format(printf, 2, 3))) static void put(page *at, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int used = vsnprintf(at->text, at->bytes, format, arguments);
    va_end(arguments);
    const size_t wrote = used < 0 ? 0 : (size_t)used < at->bytes ? (size_t)used : at->bytes - 1;
    at->text += wrote;
    at->bytes -= wrote;
}

static double between(rng *r, double least, double most)
{
    return least + (most - least) * rng_unit(r);
}

/* A processor of the world, or all. Workers of the idle class are their core. */
static const char *some_processor(const scene *s, rng *r)
{
    const uint64_t count = (uint64_t)s->setup.sched.processor_count;
    const uint64_t pick = rng_below(r, count + 1);
    return pick == count || strstr(s->processors[pick].name, ".bg") ? "'*'"
                                                                    : s->processors[pick].name;
}

static void put_noise(page *at, rng *r)
{
    put(at, "noise:\n  cv: %.3f\n", between(r, 0, 1));
    put(at, "  spike_probability: %.3f\n  spike_min: 2\n  spike_max: 6\n  source: made\n",
        between(r, 0, 0.1));
}

static void put_interference(page *at, const scene *s, rng *r)
{
    put(at, "interference:\n");
    put(at, "  - processor: %s\n", some_processor(s, r));
    put(at, "    source: made\n    factor: %.3f\n", between(r, 0.5, 3));
}

static void put_heat(page *at, const scene *s, rng *r, double span_s)
{
    put(at, "heat:\n  source: made\n  ambient_c: 25\n  resistance_c_per_w: 10\n");
    put(at, "  capacity_j_per_c: %.6f\n", fmax(0.01, span_s * between(r, 0.01, 0.2)));
    put(at, "  idle_w: 1\n  power:\n    - processor: '*'\n      busy_w: %.3f\n", between(r, 1, 9));
    put(at, "  throttle:\n    - processor: %s\n", some_processor(s, r));
    put(at, "      at_c: %.3f\n      hysteresis_c: 3\n", between(r, 40, 80));
    put(at, "      speed: %.3f\n", between(r, 0.2, 1));
}

static void put_modes(page *at, rng *r, double span_s)
{
    put(at, "power_modes:\n  modes:\n    - name: low\n      source: made\n      factors:\n");
    put(at, "        - processor: '*'\n          speed: %.3f\n", between(r, 0.2, 1));
    put(at, "          power: %.3f\n", between(r, 0.2, 1));
    put(at, "    - name: high\n      source: made\n      factors:\n");
    put(at, "        - {processor: '*', speed: 1.0, power: 1.0}\n");
    put(at, "  switches:\n    - {at_s: %.6f, mode: low}\n", span_s * between(r, 0, 0.5));
    put(at, "    - {at_s: %.6f, mode: high}\n", span_s * between(r, 0.5, 1));
}

static void put_load(page *at, const scene *s, rng *r, double span_s)
{
    put(at, "load:\n  - processor: %s\n", some_processor(s, r));
    put(at, "    default_ms: %.6f\n", 1e3 * span_s * between(r, 0, 0.05));
    put(at, "    source: made\n    resident: %d\n", (int)rng_below(r, 4));
}

static void put_fault(page *at, const char *name, rng *r)
{
    put(at, "    - processor: %s\n", name);
    put(at, "      kind: %s\n", rng_below(r, 2) ? "down" : "hang");
}

static void put_faults(page *at, const scene *s, rng *r, double span_s)
{
    put(at, "faults:\n  source: made\n");
    put(at, "  detect_ms: %.6f\n", 1e3 * span_s * between(r, 0, 0.1));
    put(at, "  events:\n");
    for (uint64_t i = rng_below(r, 4) + 1; i > 0; i--) {
        put_fault(at, some_processor(s, r), r);
        put(at, "      at_s: %.6f\n", span_s * rng_unit(r));
        if (rng_below(r, 3))
            put(at, "      for_s: %.6f\n", 0.001 + span_s * between(r, 0, 0.2));
    }
    put(at, "  random:\n");
    put_fault(at, some_processor(s, r), r);
    put(at, "      mean_between_s: %.6f\n", 0.001 + span_s * between(r, 0.05, 1));
    put(at, "      mean_down_s: %.6f\n", 0.001 + span_s * between(r, 0, 0.2));
    put(at, "  failures:\n    - processor: %s\n", some_processor(s, r));
    put(at, "      probability: %.3f\n", between(r, 0, 0.5));
}

void scene_effects(const scene *s, rng *r, char *text, size_t bytes)
{
    page at = {text, bytes};
    const double span_s = (double)s->until_ns / 1e9;
    const uint64_t effects = 1 + rng_below(r, DEVICE_ALL);
    put(&at, "device: made\n");
    if (effects & DEVICE_NOISE)
        put_noise(&at, r);
    if (effects & DEVICE_INTERFERENCE)
        put_interference(&at, s, r);
    if (effects & DEVICE_HEAT)
        put_heat(&at, s, r, span_s);
    if (effects & DEVICE_POWER_MODES)
        put_modes(&at, r, span_s);
    if (effects & DEVICE_LOAD)
        put_load(&at, s, r, span_s);
    if (effects & DEVICE_FAULTS)
        put_faults(&at, s, r, span_s);
}
