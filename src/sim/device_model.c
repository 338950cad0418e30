/* Puts the effects together: keeps the time, the busy set and, per processor, the speed and power
 * that follow from all of them. */
#include "sim/device_model.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "sim/device_match.h"
#include "sim/device_parts.h"

/* The present run of a processor. */
typedef struct work {
    int64_t table_ns;
    double powered_ns; /* its time at work, times the power */
} work;

struct device_model {
    unsigned enabled;
    int count;
    int host[SCHED_PROCESSORS_MAX];
    uint64_t units[SCHED_PROCESSORS_MAX];
    int level[SCHED_PROCESSORS_MAX];
    int64_t now_ns;
    uint64_t busy;    /* as the driver says */
    uint64_t working; /* those of it that do not stand still for level 0 */
    uint64_t hosts_working;
    device_factors at[HOSTS_MAX]; /* of each host that works */
    work works[SCHED_PROCESSORS_MAX];
    device_change told[SCHED_PROCESSORS_MAX]; /* what take_change said last */
    bool untold;                              /* it may have more to say */
    device_noise noise;
    device_interference interference;
    device_heat heat;
    device_modes modes;
    device_load load;
    device_faults faults;
};

static bool has(const device_model *d, unsigned effect)
{
    return (d->enabled & effect) != 0;
}

/* FNV-1a (Fowler, Noll, Vo), 64 bits. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

void device_stream(rng *r, uint64_t seed, const char *purpose, const char *name)
{
    const uint64_t hash = hash_text(hash_text(UINT64_C(0xcbf29ce484222325), purpose), ":");
    rng_init(r, seed);
    rng_init(r, rng_u64(r) ^ hash_text(hash, name));
}

int64_t device_ns_of_ms(double ms)
{
    return llround(ms * 1e6);
}

int64_t device_ns_of_s(double s)
{
    return llround(s * 1e9);
}

/* ---- What follows from the busy set ---- */

static void find_working(device_model *d)
{
    uint64_t foreground = 0;
    for (uint64_t left = d->busy; left; left &= left - 1) {
        const int p = __builtin_ctzll(left);
        foreground |= d->level[p] == 0 ? d->units[p] : 0;
    }
    d->working = d->hosts_working = 0;
    for (uint64_t left = d->busy; left; left &= left - 1) {
        const int p = __builtin_ctzll(left);
        if (d->level[p] == 1 && (d->units[p] & foreground))
            continue;
        d->working |= (uint64_t)1 << p;
        d->hosts_working |= (uint64_t)1 << d->host[p];
    }
}

static device_factors factors_of(const device_model *d, int host)
{
    device_factors all = {1, 1};
    if (has(d, DEVICE_POWER_MODES))
        all = modes_factors(&d->modes, host);
    if (has(d, DEVICE_HEAT)) {
        const device_factors limit = heat_limits(&d->heat, host);
        all.speed *= limit.speed;
        all.power *= limit.power;
    }
    if (has(d, DEVICE_INTERFERENCE)) {
        const double factor = interference_factor(&d->interference, host, d->hosts_working);
        all.speed /= factor;
        all.power /= factor < 1 ? factor : 1; /* a raised clock needs more */
    }
    if (has(d, DEVICE_FAULTS) && d->faults.health[host].broken)
        all.speed = 0;
    return all;
}

/* Something changed at now_ns: speeds, powers and what comes next. */
static void refresh(device_model *d)
{
    double power[HOSTS_MAX];
    find_working(d);
    for (int p = 0; p < d->count; p++) {
        d->at[p] = factors_of(d, p);
        power[p] = d->at[p].power;
    }
    if (has(d, DEVICE_HEAT))
        heat_set(&d->heat, d->now_ns, d->hosts_working, power);
    if (has(d, DEVICE_FAULTS))
        faults_set(&d->faults, d->now_ns, d->hosts_working);
}

/* ---- Time ---- */

int64_t device_model_next_ns(const device_model *d)
{
    int64_t next_ns = NEVER_NS;
    if (has(d, DEVICE_HEAT))
        next_ns = d->heat.next_ns;
    if (has(d, DEVICE_POWER_MODES) && modes_next_ns(&d->modes) < next_ns)
        next_ns = modes_next_ns(&d->modes);
    if (has(d, DEVICE_FAULTS) && d->faults.next_ns < next_ns)
        next_ns = d->faults.next_ns;
    return next_ns;
}

static void pass(device_model *d, int64_t to_ns)
{
    const double passed_ns = (double)(to_ns - d->now_ns);
    for (uint64_t left = d->working; left; left &= left - 1) {
        const int p = __builtin_ctzll(left);
        d->works[p].powered_ns += passed_ns * d->at[d->host[p]].power;
    }
    d->now_ns = to_ns;
}

static void step(device_model *d)
{
    if (has(d, DEVICE_HEAT) && d->heat.next_ns <= d->now_ns)
        heat_step(&d->heat, d->now_ns);
    while (has(d, DEVICE_POWER_MODES) && modes_next_ns(&d->modes) <= d->now_ns)
        modes_step(&d->modes);
    if (has(d, DEVICE_FAULTS) && d->faults.next_ns <= d->now_ns) {
        uint64_t back = faults_step(&d->faults, d->now_ns);
        for (; has(d, DEVICE_LOAD) && back; back &= back - 1)
            load_forget(&d->load, __builtin_ctzll(back));
        d->untold = true;
    }
    refresh(d);
}

static void catch_up(device_model *d, int64_t now_ns)
{
    for (int64_t t = device_model_next_ns(d); t <= now_ns; t = device_model_next_ns(d)) {
        pass(d, t > d->now_ns ? t : d->now_ns);
        step(d);
    }
    pass(d, now_ns > d->now_ns ? now_ns : d->now_ns);
}

void device_model_advance(device_model *d, int64_t now_ns, uint64_t busy)
{
    catch_up(d, now_ns);
    if (busy == d->busy)
        return;
    d->busy = busy;
    refresh(d);
}

/* ---- Runs ---- */

int64_t device_model_begin(device_model *d, int64_t now_ns, int processor, int model,
                           int64_t table_ns)
{
    const int host = d->host[processor];
    catch_up(d, now_ns);
    d->works[processor] = (work){.table_ns = table_ns};
    double work_ns = (double)table_ns;
    if (has(d, DEVICE_NOISE))
        work_ns *= noise_draw(&d->noise, host);
    if (has(d, DEVICE_LOAD))
        work_ns += (double)load_begin(&d->load, host, model);
    /* The most: three years; a double of more is no longer exact to some ns. */
    return work_ns < 1 ? 1 : work_ns < 1e17 ? llround(work_ns) : (int64_t)1e17;
}

double device_model_speed(const device_model *d, int processor)
{
    return d->at[d->host[processor]].speed;
}

bool device_model_run_fails(device_model *d, int64_t now_ns, int processor)
{
    catch_up(d, now_ns);
    return has(d, DEVICE_FAULTS) && faults_run_fails(&d->faults, d->host[processor]);
}

double device_model_energy_factor(const device_model *d, int processor)
{
    const work *w = &d->works[processor];
    return w->table_ns > 0 ? w->powered_ns / (double)w->table_ns : 1;
}

double device_model_temperature_c(const device_model *d)
{
    return has(d, DEVICE_HEAT) ? heat_temperature_c(&d->heat, d->now_ns) : NAN;
}

double device_model_heat(const device_model *d)
{
    return has(d, DEVICE_HEAT) ? heat_level(&d->heat, d->now_ns) : 0;
}

bool device_model_resident(const device_model *d, int processor, int model)
{
    return !has(d, DEVICE_LOAD) || load_is_resident(&d->load, d->host[processor], model);
}

/* ---- Changes ---- */

static device_change wanted(const device_health *h)
{
    if (!h->out)
        return DEVICE_UP;
    return h->back_ns == NEVER_NS ? DEVICE_REMOVE : DEVICE_DOWN;
}

bool device_model_take_change(device_model *d, int64_t now_ns, int *processor,
                              device_change *change)
{
    if (!has(d, DEVICE_FAULTS))
        return false;
    catch_up(d, now_ns);
    for (int p = 0; d->untold && p < d->count; p++) {
        const device_change now = wanted(&d->faults.health[d->host[p]]);
        if (now == d->told[p])
            continue;
        d->told[p] = now;
        *processor = p;
        *change = now;
        return true;
    }
    d->untold = false;
    return false;
}

/* ---- Setting up ---- */

static bool init_effects(device_model *d, const device_spec *spec, const device_layout *layout)
{
    bool ok = true;
    if (has(d, DEVICE_NOISE))
        noise_init(&d->noise, spec->noise, layout);
    if (has(d, DEVICE_INTERFERENCE))
        interference_init(&d->interference, spec, layout);
    if (has(d, DEVICE_HEAT))
        heat_init(&d->heat, spec->heat, layout);
    if (has(d, DEVICE_POWER_MODES))
        ok = modes_init(&d->modes, spec->power_modes, layout);
    if (ok && has(d, DEVICE_LOAD))
        ok = load_init(&d->load, spec, layout);
    if (ok && has(d, DEVICE_FAULTS))
        ok = faults_init(&d->faults, spec->faults, layout);
    return ok;
}

cosrel_status device_model_create(const device_spec *spec, const sched_processor *processors,
                                  int processor_count, const char *const *models, int model_count,
                                  uint64_t seed, device_model **out, cosrel_error *err)
{
    *out = NULL;
    const cosrel_status status = device_match_check(spec, processors, processor_count, models,
                                                    model_count, err);
    if (status != COSREL_OK)
        return status;
    device_model *d = calloc(1, sizeof *d);
    if (!d)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the device's model");
    device_layout layout = {.processors = processors,
                            .count = processor_count,
                            .models = models,
                            .model_count = model_count,
                            .seed = seed};
    d->enabled = spec->enabled;
    d->count = processor_count;
    for (int p = 0; p < processor_count; p++) {
        d->host[p] = device_host(processors, processor_count, p);
        d->units[p] = processors[p].units;
        d->level[p] = processors[p].level;
        d->told[p] = DEVICE_UP;
        layout.hosts |= (uint64_t)1 << d->host[p];
    }
    if (!init_effects(d, spec, &layout)) {
        device_model_free(d);
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the device's model");
    }
    refresh(d);
    catch_up(d, 0);
    *out = d;
    return COSREL_OK;
}

void device_model_free(device_model *d)
{
    if (!d)
        return;
    modes_deinit(&d->modes);
    load_deinit(&d->load);
    faults_deinit(&d->faults);
    free(d);
}
