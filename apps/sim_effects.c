#include "sim_effects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

static unsigned wanted(const sim_effects_options *o)
{
    unsigned effects = 0;
    effects |= o->noise ? DEVICE_NOISE : 0u;
    effects |= o->interference ? DEVICE_INTERFERENCE : 0u;
    effects |= o->heat ? DEVICE_HEAT : 0u;
    effects |= o->power_mode ? DEVICE_POWER_MODES : 0u;
    effects |= o->load_times ? DEVICE_LOAD : 0u;
    effects |= o->faults ? DEVICE_FAULTS : 0u;
    return effects;
}

/* board.csv: board.yaml if there is one. malloc'ed; NULL: none. */
static char *beside_table(const char *table)
{
    static const char csv[] = ".csv", yaml[] = ".yaml";
    size_t length = strlen(table);
    if (length >= sizeof csv - 1 && strcmp(table + length - (sizeof csv - 1), csv) == 0)
        length -= sizeof csv - 1;
    char *path = malloc(length + sizeof yaml);
    if (!path)
        return NULL;
    memcpy(path, table, length);
    memcpy(path + length, yaml, sizeof yaml);
    if (access(path, F_OK) == 0)
        return path;
    free(path);
    return NULL;
}

static cosrel_status read_spec(const sim_effects_options *o, const char *table, device_spec **out,
                               cosrel_error *err)
{
    char *found = o->file ? NULL : beside_table(table);
    const char *path = o->file ? o->file : found;
    const cosrel_status status = path ? device_spec_read(path, out, err)
                                      : device_spec_default(out, err);
    free(found);
    return status;
}

static cosrel_status set_noise(const sim_effects_options *o, device_spec *spec, cosrel_error *err)
{
    double cv;
    if (strcmp(o->noise, "default") == 0)
        return device_spec_enable(spec, DEVICE_NOISE, err);
    if (!text_to_double(o->noise, &cv) || !(cv >= 0 && cv <= DEVICE_NOISE_CV_MAX))
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "--noise: '%.40s' is neither a number from 0 to %d nor 'default'",
                         o->noise, DEVICE_NOISE_CV_MAX);
    return device_spec_set_noise(spec, cv, err);
}

static cosrel_status enable(const sim_effects_options *o, device_spec *spec, cosrel_error *err)
{
    const unsigned effects = wanted(o);
    cosrel_status status = device_spec_borrow(spec, effects, err);
    if (status == COSREL_OK && o->noise)
        status = set_noise(o, spec, err);
    if (status == COSREL_OK && o->power_mode)
        status = device_spec_set_power_mode(spec, o->power_mode, err);
    if (status == COSREL_OK)
        status = device_spec_enable(spec, effects, err);
    if (status == COSREL_OK && o->all)
        status = device_spec_enable(spec, device_spec_effects(spec), err);
    return status;
}

cosrel_status sim_effects_read(const sim_effects_options *o, const char *table, device_spec **out,
                               cosrel_error *err)
{
    *out = NULL;
    if (!o->all && wanted(o) == 0) {
        if (o->file)
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "--effects switches nothing on: expected --noise, --interference, "
                             "--heat, --power-mode, --load-times, --faults or --all-effects too");
        return COSREL_OK;
    }
    cosrel_status status = read_spec(o, table, out, err);
    if (status == COSREL_OK)
        status = enable(o, *out, err);
    if (status != COSREL_OK) {
        device_spec_free(*out);
        *out = NULL;
    }
    return status;
}

void sim_effects_print(const device_spec *spec)
{
    const char *separator = "Effects: ";
    for (unsigned effect = 1; effect & DEVICE_ALL; effect <<= 1) {
        if (!(spec->enabled & effect))
            continue;
        printf("%s%s", separator, device_effect_name(effect));
        separator = ", ";
    }
    printf(" (%s)\n", spec->path);
}
