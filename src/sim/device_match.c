#include "sim/device_match.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

int device_match(const char *pattern, const char *name)
{
    const size_t length = strlen(pattern);
    if (length > 0 && pattern[length - 1] == '*')
        return strncmp(pattern, name, length - 1) == 0 ? 2 * (int)(length - 1) : -1;
    return strcmp(pattern, name) == 0 ? 2 * (int)length + 1 : -1;
}

const void *device_match_best(const void *entries, size_t entry_bytes, size_t count,
                              const char *name)
{
    const void *best = NULL;
    int best_match = -1;
    for (size_t i = 0; i < count; i++) {
        const void *entry = (const char *)entries + i * entry_bytes;
        const int match = device_match(*(char *const *)entry, name);
        if (match > best_match) {
            best_match = match;
            best = entry;
        }
    }
    return best;
}

int device_host(const sched_processor *processors, int count, int p)
{
    static const char suffix[] = ".bg";
    const char *name = processors[p].name;
    const size_t length = strlen(name);
    if (processors[p].level == 0 || length < sizeof suffix ||
        strcmp(name + length - (sizeof suffix - 1), suffix) != 0)
        return p;
    for (int h = 0; h < count; h++)
        if (processors[h].level == 0 &&
            strlen(processors[h].name) == length - (sizeof suffix - 1) &&
            strncmp(processors[h].name, name, length - (sizeof suffix - 1)) == 0)
            return h;
    return p;
}

typedef struct fit {
    const device_spec *spec;
    const char *names[SCHED_PROCESSORS_MAX]; /* of hosts */
    int name_count;
    const char *const *models;
    int model_count;
    cosrel_error *err;
} fit;

static cosrel_status missing(const fit *f, unsigned line, const char *key, const char *pattern,
                             const char *const *names, int count)
{
    text_builder known = {.data = NULL};
    const char *nearest = text_nearest(pattern, names, (size_t)count);
    for (int i = 0; i < count && known.length < 120; i++)
        text_addf(&known, "%s'%.40s'", i ? ", " : "", names[i]);
    const cosrel_status status = error_set(
        f->err, COSREL_INVALID_FILE,
        "%s:%u: key '%s': the device has no %s '%.80s'%s%.60s%s; expected one of its own (%s%s) or "
        "'optional: yes'",
        f->spec->path, line, key, key, pattern, nearest ? "; did you mean '" : "",
        nearest ? nearest : "", nearest ? "'?" : "", known.data ? known.data : "there is none",
        count > 0 && known.length >= 120 ? ", ..." : "");
    text_deinit(&known);
    return status;
}

static cosrel_status fit_name(const fit *f, const char *key, const char *pattern, bool optional,
                              unsigned line, const char *const *names, int count)
{
    if (optional || strcmp(pattern, "*") == 0)
        return COSREL_OK;
    for (int i = 0; i < count; i++)
        if (device_match(pattern, names[i]) >= 0)
            return COSREL_OK;
    return missing(f, line, key, pattern, names, count);
}

/* A list whose entries have `processor`, `optional` and `line`. */
#define FIT(f, status, list, count)                                                                \
    for (uint32_t i_ = 0; (status) == COSREL_OK && i_ < (count); i_++)                             \
    (status) = fit_name((f), "processor", (list)[i_].processor, (list)[i_].optional,               \
                        (list)[i_].line, (f)->names, (f)->name_count)

static cosrel_status fit_interference(const fit *f)
{
    const device_spec *s = f->spec;
    cosrel_status status = COSREL_OK;
    FIT(f, status, s->interference, s->interference_count);
    for (uint32_t i = 0; status == COSREL_OK && i < s->interference_count; i++)
        if (s->interference[i].busy)
            status = fit_name(f, "processor", s->interference[i].busy, s->interference[i].optional,
                              s->interference[i].line, f->names, f->name_count);
    return status;
}

static cosrel_status fit_heat(const fit *f)
{
    const device_heat_spec *h = f->spec->heat;
    cosrel_status status = COSREL_OK;
    FIT(f, status, h->power, h->power_count);
    FIT(f, status, h->throttle, h->throttle_count);
    return status;
}

static cosrel_status fit_modes(const fit *f)
{
    const device_modes_spec *m = f->spec->power_modes;
    cosrel_status status = COSREL_OK;
    for (uint32_t i = 0; i < m->mode_count; i++)
        FIT(f, status, m->modes[i].factors, m->modes[i].factor_count);
    return status;
}

static cosrel_status fit_load(const fit *f)
{
    const device_spec *s = f->spec;
    cosrel_status status = COSREL_OK;
    FIT(f, status, s->load, s->load_count);
    for (uint32_t i = 0; i < s->load_count; i++)
        for (uint32_t m = 0; status == COSREL_OK && m < s->load[i].model_count; m++)
            status = fit_name(f, "model", s->load[i].models[m].model, s->load[i].models[m].optional,
                              s->load[i].models[m].line, f->models, f->model_count);
    return status;
}

static cosrel_status fit_faults(const fit *f)
{
    const device_faults_spec *s = f->spec->faults;
    cosrel_status status = COSREL_OK;
    FIT(f, status, s->events, s->event_count);
    FIT(f, status, s->random, s->random_count);
    FIT(f, status, s->failures, s->failure_count);
    return status;
}

cosrel_status device_match_check(const device_spec *spec, const sched_processor *processors,
                                 int processor_count, const char *const *models, int model_count,
                                 cosrel_error *err)
{
    fit f = {.spec = spec, .models = models, .model_count = model_count, .err = err};
    cosrel_status status = COSREL_OK;
    for (int p = 0; p < processor_count; p++)
        if (device_host(processors, processor_count, p) == p)
            f.names[f.name_count++] = processors[p].name;
    if (spec->enabled & DEVICE_INTERFERENCE)
        status = fit_interference(&f);
    if (status == COSREL_OK && (spec->enabled & DEVICE_HEAT))
        status = fit_heat(&f);
    if (status == COSREL_OK && (spec->enabled & DEVICE_POWER_MODES))
        status = fit_modes(&f);
    if (status == COSREL_OK && (spec->enabled & DEVICE_LOAD))
        status = fit_load(&f);
    if (status == COSREL_OK && (spec->enabled & DEVICE_FAULTS))
        status = fit_faults(&f);
    return status;
}
