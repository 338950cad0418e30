/* What the numbers and names of a device file may be. Tables say which number lies between what;
 * what follows from two keys together is said in functions. */
#include <string.h>

#include "base/error.h"
#include "sim/device_file.h"
#include "sim/device_lines.h"

typedef struct range {
    const char *key;
    size_t offset;
    bool pointer; /* to the number, NULL: not there */
    double min, max;
    const char *expected;
} range;

#define RANGE(type, key, min, max, expected)                                                       \
    {                                                                                              \
#key, offsetof(type, key), false, (min), (max), (expected)                                 \
    }
#define RANGE_PTR(type, key, min, max, expected)                                                   \
    {                                                                                              \
#key, offsetof(type, key), true, (min), (max), (expected)                                  \
    }

/* Chosen: wide enough for a chip in a vacuum flask, narrow enough that no result overflows. */
#define PROBABILITY "0 to 1"
#define DEGREES     "-60 to 300 degrees C"
#define WATTS       "0 to 10000 W"
#define SECONDS     "0 to 1000000000 s"
#define SOME_TIME   "0.001 to 1000000000 s"
#define SPEED       "0.001 to 10 (1: as the table says)"

static const range NOISE[] = {
    RANGE(device_noise_spec, cv, 0, DEVICE_NOISE_CV_MAX, "0 to 5"),
    RANGE(device_noise_spec, spike_probability, 0, 1, PROBABILITY),
    RANGE(device_noise_spec, spike_min, 0.1, 1000, "0.1 to 1000"),
    RANGE(device_noise_spec, spike_max, 0.1, 1000, "0.1 to 1000"),
};
static const range FACTOR[] = {
    RANGE(device_factor_spec, factor, 0.1, 100, "0.1 to 100 (times as long)")};
static const range HEAT[] = {
    RANGE(device_heat_spec, ambient_c, -60, 100, "-60 to 100 degrees C"),
    RANGE(device_heat_spec, resistance_c_per_w, 0.001, 1000, "0.001 to 1000 degrees per W"),
    RANGE(device_heat_spec, capacity_j_per_c, 0.01, 1e6, "0.01 to 1000000 J per degree"),
    RANGE_PTR(device_heat_spec, start_c, -60, 300, DEGREES),
    RANGE(device_heat_spec, idle_w, 0, 10000, WATTS),
    RANGE_PTR(device_heat_spec, max_w, 0, 10000, WATTS),
};
static const range POWER[] = {RANGE(device_power_spec, busy_w, 0, 10000, WATTS)};
static const range THROTTLE[] = {
    RANGE(device_throttle_spec, at_c, -60, 300, DEGREES),
    RANGE(device_throttle_spec, hysteresis_c, 0.1, 100, "0.1 to 100 degrees"),
    RANGE(device_throttle_spec, speed, 0.001, 1, "0.001 to 1"),
    RANGE_PTR(device_throttle_spec, power, 0, 1, "0 to 1"),
};
static const range MODE_FACTOR[] = {
    RANGE(device_mode_factor, speed, 0.001, 10, SPEED),
    RANGE(device_mode_factor, power, 0, 10, "0 to 10 (1: as the table says)"),
};
static const range SWITCH[] = {RANGE(device_switch_spec, at_s, 0, 1e9, SECONDS)};
static const range LOAD[] = {RANGE(device_load_spec, default_ms, 0, 1e7, "0 to 10000000 ms")};
static const range LOAD_MODEL[] = {RANGE(device_load_model, ms, 0, 1e7, "0 to 10000000 ms")};
static const range FAULTS[] = {
    RANGE_PTR(device_faults_spec, detect_ms, 0, 1e7, "0 to 10000000 ms")};
static const range EVENT[] = {
    RANGE(device_event_spec, at_s, 0, 1e9, SECONDS),
    RANGE_PTR(device_event_spec, for_s, 0.001, 1e9, SOME_TIME),
};
static const range RANDOM[] = {
    RANGE(device_random_spec, mean_between_s, 0.001, 1e9, SOME_TIME),
    RANGE(device_random_spec, mean_down_s, 0.001, 1e9, SOME_TIME),
};
static const range FAILURE[] = {RANGE(device_failure_spec, probability, 0, 1, PROBABILITY)};

/* A list of equal structures: `name` is the key that every entry has and that says where it is. */
typedef struct shape {
    const char *name;
    size_t size, line_offset;
    const range *ranges;
    size_t range_count;
    bool (*same)(const void *a, const void *b); /* which must not be; NULL: all may */
    bool named; /* the value of `name` is a text, the first member */
} shape;

typedef struct check {
    device_spec *spec;
    device_lines all;
    cosrel_error *err;
} check;

static const double *number_at(const char *entry, const range *r)
{
    if (!r->pointer)
        return (const double *)(const void *)(entry + r->offset);
    return *(const double *const *)(const void *)(entry + r->offset);
}

static cosrel_status check_numbers(const check *c, device_lines part, const void *entries,
                                   size_t index, size_t size, const range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const range *r = &ranges[i];
        const double *value = number_at((const char *)entries + index * size, r);
        if (!value || (*value >= r->min && *value <= r->max))
            continue;
        unsigned n = 0;
        for (size_t before = 0; before < index; before++)
            n += number_at((const char *)entries + before * size, r) != NULL;
        return error_set(c->err, COSREL_INVALID_FILE,
                         "%s:%u: key '%s': %g is out of range: expected %s", c->spec->path,
                         device_lines_of(part, r->key, n), r->key, *value, r->expected);
    }
    return COSREL_OK;
}

static unsigned *line_at(const shape *s, void *entries, size_t i)
{
    return (unsigned *)(void *)((char *)entries + i * s->size + s->line_offset);
}

/* YAML folds a text of several lines into one with line breaks; every message is one line. */
static cosrel_status check_text(const check *c, device_lines part, const char *key, unsigned n,
                                const char *text)
{
    for (const char *at = text ? text : ""; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return error_set(c->err, COSREL_INVALID_FILE,
                             "%s:%u: key '%s': it holds a line break or another control character; "
                             "expected a name on one line",
                             c->spec->path, device_lines_of(part, key, n), key);
    return COSREL_OK;
}

static cosrel_status check_list(const check *c, device_lines part, const shape *s, void *entries,
                                size_t count)
{
    cosrel_status status = COSREL_OK;
    for (size_t i = 0; i < count && status == COSREL_OK; i++) {
        *line_at(s, entries, i) = device_lines_of(part, s->name, (unsigned)i);
        if (s->named)
            status = check_text(
                c, part, s->name, (unsigned)i,
                *(char *const *)(const void *)((const char *)entries + i * s->size));
        if (status == COSREL_OK)
            status = check_numbers(c, part, entries, i, s->size, s->ranges, s->range_count);
        for (size_t before = 0; s->same && before < i && status == COSREL_OK; before++)
            if (s->same((const char *)entries + before * s->size,
                        (const char *)entries + i * s->size))
                status = error_set(c->err, COSREL_INVALID_FILE,
                                   "%s:%u: key '%s': this entry is for the same as the one on line "
                                   "%u; expected one of them",
                                   c->spec->path, *line_at(s, entries, i), s->name,
                                   *line_at(s, entries, before));
    }
    return status;
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "*", b ? b : "*") == 0;
}

#define SAME(function, type, condition)                                                            \
    static bool function(const void *left, const void *right)                                      \
    {                                                                                              \
        const type *a = left;                                                                      \
        const type *b = right;                                                                     \
        return condition;                                                                          \
    }
SAME(same_factor, device_factor_spec,
     same_text(a->processor, b->processor) && same_text(a->busy, b->busy))
SAME(same_power, device_power_spec, same_text(a->processor, b->processor))
SAME(same_mode_factor, device_mode_factor, same_text(a->processor, b->processor))
SAME(same_mode, device_mode_spec, same_text(a->name, b->name))
SAME(same_load, device_load_spec, same_text(a->processor, b->processor))
SAME(same_load_model, device_load_model, same_text(a->model, b->model))
SAME(same_random, device_random_spec, same_text(a->processor, b->processor) && a->kind == b->kind)
SAME(same_failure, device_failure_spec, same_text(a->processor, b->processor))

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define SHAPE(key, type, ranges, same)                                                             \
    {                                                                                              \
        (key), sizeof(type), offsetof(type, line), (ranges), COUNT(ranges), (same), true           \
    }
static const shape FACTORS = SHAPE("processor", device_factor_spec, FACTOR, same_factor);
static const shape POWERS = SHAPE("processor", device_power_spec, POWER, same_power);
static const shape THROTTLES = SHAPE("processor", device_throttle_spec, THROTTLE, NULL);
static const shape MODES = {
    "name", sizeof(device_mode_spec), offsetof(device_mode_spec, line), NULL, 0, same_mode, true};
static const shape MODE_FACTORS = SHAPE("processor", device_mode_factor, MODE_FACTOR,
                                        same_mode_factor);
static const shape SWITCHES = {"at_s",
                               sizeof(device_switch_spec),
                               offsetof(device_switch_spec, line),
                               SWITCH,
                               COUNT(SWITCH),
                               NULL,
                               false};
static const shape LOADS = SHAPE("processor", device_load_spec, LOAD, same_load);
static const shape LOAD_MODELS = SHAPE("model", device_load_model, LOAD_MODEL, same_load_model);
static const shape EVENTS = SHAPE("processor", device_event_spec, EVENT, NULL);
static const shape RANDOMS = SHAPE("processor", device_random_spec, RANDOM, same_random);
static const shape FAILURES = SHAPE("processor", device_failure_spec, FAILURE, same_failure);

static device_lines section(const check *c, const char *effect, const char *list)
{
    const device_lines part = device_lines_under(c->all, effect, 0);
    return list ? device_lines_under(part, list, 0) : part;
}

static cosrel_status wrong(const check *c, unsigned line, const char *key, const char *what)
{
    return error_set(c->err, COSREL_INVALID_FILE, "%s:%u: key '%s': %s", c->spec->path, line, key,
                     what);
}

static cosrel_status check_noise(const check *c)
{
    const device_noise_spec *n = c->spec->noise;
    const device_lines part = section(c, "noise", NULL);
    const cosrel_status status = check_numbers(c, part, n, 0, sizeof *n, NOISE, COUNT(NOISE));
    if (status == COSREL_OK && n->spike_max < n->spike_min)
        return wrong(c, device_lines_of(part, "spike_max", 0), "spike_max",
                     "it is less than spike_min; expected at least as much");
    return status;
}

static cosrel_status check_heat(const check *c)
{
    device_heat_spec *h = c->spec->heat;
    const device_lines throttle = section(c, "heat", "throttle");
    cosrel_status status = check_numbers(c, section(c, "heat", NULL), h, 0, sizeof *h, HEAT,
                                         COUNT(HEAT));
    if (status == COSREL_OK)
        status = check_list(c, section(c, "heat", "power"), &POWERS, h->power, h->power_count);
    if (status == COSREL_OK)
        status = check_list(c, throttle, &THROTTLES, h->throttle, h->throttle_count);
    if (status == COSREL_OK && h->throttle_count > DEVICE_THROTTLES_MAX)
        return wrong(c, h->throttle[DEVICE_THROTTLES_MAX].line, "throttle",
                     "too many steps; expected 16 at most");
    return status;
}

static bool has_mode(const device_modes_spec *m, const char *name)
{
    for (uint32_t i = 0; i < m->mode_count; i++)
        if (strcmp(m->modes[i].name, name) == 0)
            return true;
    return false;
}

static cosrel_status check_switches(const check *c, device_lines part)
{
    const device_modes_spec *m = c->spec->power_modes;
    const cosrel_status status = check_list(c, part, &SWITCHES, m->switches, m->switch_count);
    for (uint32_t i = 0; status == COSREL_OK && i < m->switch_count; i++) {
        const device_switch_spec *s = &m->switches[i];
        const cosrel_status text = check_text(c, part, "mode", i, s->mode);
        if (text != COSREL_OK)
            return text;
        if (!has_mode(m, s->mode))
            return error_set(c->err, COSREL_INVALID_FILE,
                             "%s:%u: key 'mode': '%.80s' is none of the modes above; expected the "
                             "name of one",
                             c->spec->path, device_lines_of(part, "mode", i), s->mode);
        if (i > 0 && !(s->at_s > s[-1].at_s))
            return wrong(c, s->line, "at_s",
                         "it is not after the switch before; expected switches in order of time");
    }
    return status;
}

static cosrel_status check_modes(const check *c)
{
    device_modes_spec *m = c->spec->power_modes;
    const device_lines part = section(c, "power_modes", "modes");
    cosrel_status status = check_list(c, part, &MODES, m->modes, m->mode_count);
    for (uint32_t i = 0; status == COSREL_OK && i < m->mode_count; i++)
        status = check_list(c, device_lines_under(part, "factors", i), &MODE_FACTORS,
                            m->modes[i].factors, m->modes[i].factor_count);
    if (status == COSREL_OK)
        status = check_text(c, section(c, "power_modes", NULL), "start", 0, m->start);
    if (status != COSREL_OK)
        return status;
    if (m->start && !has_mode(m, m->start))
        return error_set(c->err, COSREL_INVALID_FILE,
                         "%s:%u: key 'start': '%.80s' is none of the modes here; expected the name "
                         "of one",
                         c->spec->path,
                         device_lines_of(section(c, "power_modes", NULL), "start", 0), m->start);
    return check_switches(c, section(c, "power_modes", "switches"));
}

static cosrel_status check_load(const check *c)
{
    const device_spec *s = c->spec;
    const device_lines part = section(c, "load", NULL);
    cosrel_status status = check_list(c, part, &LOADS, s->load, s->load_count);
    unsigned lists = 0;
    for (uint32_t i = 0; status == COSREL_OK && i < s->load_count; i++)
        if (s->load[i].models)
            status = check_list(c, device_lines_under(part, "models", lists++), &LOAD_MODELS,
                                s->load[i].models, s->load[i].model_count);
    return status;
}

static cosrel_status check_faults(const check *c)
{
    device_faults_spec *f = c->spec->faults;
    unsigned hang = 0;
    cosrel_status status = check_numbers(c, section(c, "faults", NULL), f, 0, sizeof *f, FAULTS,
                                         COUNT(FAULTS));
    if (status == COSREL_OK)
        status = check_list(c, section(c, "faults", "events"), &EVENTS, f->events, f->event_count);
    if (status == COSREL_OK)
        status = check_list(c, section(c, "faults", "random"), &RANDOMS, f->random,
                            f->random_count);
    if (status == COSREL_OK)
        status = check_list(c, section(c, "faults", "failures"), &FAILURES, f->failures,
                            f->failure_count);
    for (uint32_t i = 0; i < f->event_count; i++)
        hang = f->events[i].kind == DEVICE_FAULT_HANG && !hang ? f->events[i].line : hang;
    for (uint32_t i = 0; i < f->random_count; i++)
        hang = f->random[i].kind == DEVICE_FAULT_HANG && !hang ? f->random[i].line : hang;
    if (status == COSREL_OK && hang && !f->detect_ms)
        return wrong(c, hang, "kind",
                     "a hang needs 'detect_ms' in 'faults': after what time it is noticed");
    return status;
}

static cosrel_status check_interference(const check *c)
{
    device_spec *s = c->spec;
    const device_lines part = section(c, "interference", NULL);
    cosrel_status status = check_list(c, part, &FACTORS, s->interference, s->interference_count);
    unsigned busy = 0;
    for (uint32_t i = 0; status == COSREL_OK && i < s->interference_count; i++)
        if (s->interference[i].busy)
            status = check_text(c, part, "busy", busy++, s->interference[i].busy);
    return status;
}

cosrel_status device_spec_check(device_spec *s, const char *text, cosrel_error *err)
{
    const check c = {.spec = s, .all = device_lines_all(text), .err = err};
    cosrel_status status = COSREL_OK;
    if (s->noise)
        status = check_noise(&c);
    if (status == COSREL_OK && s->interference)
        status = check_interference(&c);
    if (status == COSREL_OK && s->heat)
        status = check_heat(&c);
    if (status == COSREL_OK && s->power_modes)
        status = check_modes(&c);
    if (status == COSREL_OK && s->load)
        status = check_load(&c);
    if (status == COSREL_OK && s->faults)
        status = check_faults(&c);
    return status;
}
