#include "sim/device_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/yaml.h"

enum {
    OPTIONAL = CYAML_FLAG_OPTIONAL,
    POINTER = CYAML_FLAG_POINTER,
    OPTIONAL_POINTER = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
    NAME_MAX_BYTES = 255,
    SOURCE_MAX_BYTES = 4095
};

static const cyaml_strval_t KINDS[] = {{"down", DEVICE_FAULT_DOWN}, {"hang", DEVICE_FAULT_HANG}};

#define TEXT(key, flags, type, max) CYAML_FIELD_STRING_PTR(#key, flags, type, key, 1, max)
#define NAME(key, type)             TEXT(key, POINTER, type, NAME_MAX_BYTES)
#define SOURCE(type)                TEXT(source, POINTER, type, SOURCE_MAX_BYTES)
#define NUMBER(key, type)           CYAML_FIELD_FLOAT(#key, CYAML_FLAG_DEFAULT, type, key)
#define NUMBER_OR_NONE(key, type)   CYAML_FIELD_FLOAT_PTR(#key, OPTIONAL_POINTER, type, key)
#define IF_THERE(type)                                                                             \
    CYAML_FIELD_ENUM("optional", CYAML_FLAG_STRICT | OPTIONAL, type, optional, yaml_bool,          \
                     YAML_BOOL_COUNT)
#define KIND(type)                                                                                 \
    CYAML_FIELD_ENUM("kind", CYAML_FLAG_STRICT, type, kind, KINDS, sizeof KINDS / sizeof KINDS[0])
#define LIST(key, flags, type, member, entry, min)                                                 \
    CYAML_FIELD_SEQUENCE_COUNT(#key, flags, type, key, member, entry, min, DEVICE_ENTRIES_MAX)
#define ENTRY(name, type, fields)                                                                  \
    static const cyaml_schema_value_t name = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, type, fields)}

static const cyaml_schema_field_t NOISE_FIELDS[] = {NUMBER(cv, device_noise_spec),
                                                    NUMBER(spike_probability, device_noise_spec),
                                                    NUMBER(spike_min, device_noise_spec),
                                                    NUMBER(spike_max, device_noise_spec),
                                                    SOURCE(device_noise_spec),
                                                    CYAML_FIELD_END};

static const cyaml_schema_field_t FACTOR_FIELDS[] = {
    NAME(processor, device_factor_spec),
    TEXT(busy, OPTIONAL_POINTER, device_factor_spec, NAME_MAX_BYTES),
    NUMBER(factor, device_factor_spec),
    IF_THERE(device_factor_spec),
    SOURCE(device_factor_spec),
    CYAML_FIELD_END};
ENTRY(FACTOR, device_factor_spec, FACTOR_FIELDS);

static const cyaml_schema_field_t POWER_FIELDS[] = {NAME(processor, device_power_spec),
                                                    NUMBER(busy_w, device_power_spec),
                                                    IF_THERE(device_power_spec), CYAML_FIELD_END};
ENTRY(POWER, device_power_spec, POWER_FIELDS);
static const cyaml_schema_field_t THROTTLE_FIELDS[] = {NAME(processor, device_throttle_spec),
                                                       NUMBER(at_c, device_throttle_spec),
                                                       NUMBER(hysteresis_c, device_throttle_spec),
                                                       NUMBER(speed, device_throttle_spec),
                                                       NUMBER_OR_NONE(power, device_throttle_spec),
                                                       IF_THERE(device_throttle_spec),
                                                       CYAML_FIELD_END};
ENTRY(THROTTLE, device_throttle_spec, THROTTLE_FIELDS);
static const cyaml_schema_field_t HEAT_FIELDS[] = {
    NUMBER(ambient_c, device_heat_spec),
    NUMBER(resistance_c_per_w, device_heat_spec),
    NUMBER(capacity_j_per_c, device_heat_spec),
    NUMBER_OR_NONE(start_c, device_heat_spec),
    NUMBER(idle_w, device_heat_spec),
    NUMBER_OR_NONE(max_w, device_heat_spec),
    LIST(power, POINTER, device_heat_spec, power_count, &POWER, 1),
    LIST(throttle, OPTIONAL_POINTER, device_heat_spec, throttle_count, &THROTTLE, 0),
    SOURCE(device_heat_spec),
    CYAML_FIELD_END};

static const cyaml_schema_field_t MODE_FACTOR_FIELDS[] = {
    NAME(processor, device_mode_factor), NUMBER(speed, device_mode_factor),
    NUMBER(power, device_mode_factor), IF_THERE(device_mode_factor), CYAML_FIELD_END};
ENTRY(MODE_FACTOR, device_mode_factor, MODE_FACTOR_FIELDS);
static const cyaml_schema_field_t MODE_FIELDS[] = {
    NAME(name, device_mode_spec),
    LIST(factors, POINTER, device_mode_spec, factor_count, &MODE_FACTOR, 1),
    SOURCE(device_mode_spec), CYAML_FIELD_END};
ENTRY(MODE, device_mode_spec, MODE_FIELDS);
static const cyaml_schema_field_t SWITCH_FIELDS[] = {
    NUMBER(at_s, device_switch_spec), NAME(mode, device_switch_spec), CYAML_FIELD_END};
ENTRY(SWITCH, device_switch_spec, SWITCH_FIELDS);
static const cyaml_schema_field_t MODES_FIELDS[] = {
    TEXT(start, OPTIONAL_POINTER, device_modes_spec, NAME_MAX_BYTES),
    LIST(modes, POINTER, device_modes_spec, mode_count, &MODE, 1),
    LIST(switches, OPTIONAL_POINTER, device_modes_spec, switch_count, &SWITCH, 0), CYAML_FIELD_END};

static const cyaml_schema_field_t LOAD_MODEL_FIELDS[] = {
    NAME(model, device_load_model), NUMBER(ms, device_load_model), IF_THERE(device_load_model),
    CYAML_FIELD_END};
ENTRY(LOAD_MODEL, device_load_model, LOAD_MODEL_FIELDS);
static const cyaml_schema_field_t LOAD_FIELDS[] = {
    NAME(processor, device_load_spec),
    NUMBER(default_ms, device_load_spec),
    CYAML_FIELD_UINT("resident", OPTIONAL, device_load_spec, resident),
    LIST(models, OPTIONAL_POINTER, device_load_spec, model_count, &LOAD_MODEL, 0),
    IF_THERE(device_load_spec),
    SOURCE(device_load_spec),
    CYAML_FIELD_END};
ENTRY(LOAD, device_load_spec, LOAD_FIELDS);

static const cyaml_schema_field_t EVENT_FIELDS[] = {
    NAME(processor, device_event_spec), KIND(device_event_spec),
    NUMBER(at_s, device_event_spec),    NUMBER_OR_NONE(for_s, device_event_spec),
    IF_THERE(device_event_spec),        CYAML_FIELD_END};
ENTRY(EVENT, device_event_spec, EVENT_FIELDS);
static const cyaml_schema_field_t RANDOM_FIELDS[] = {NAME(processor, device_random_spec),
                                                     KIND(device_random_spec),
                                                     NUMBER(mean_between_s, device_random_spec),
                                                     NUMBER(mean_down_s, device_random_spec),
                                                     IF_THERE(device_random_spec),
                                                     CYAML_FIELD_END};
ENTRY(RANDOM, device_random_spec, RANDOM_FIELDS);
static const cyaml_schema_field_t FAILURE_FIELDS[] = {
    NAME(processor, device_failure_spec), NUMBER(probability, device_failure_spec),
    IF_THERE(device_failure_spec), CYAML_FIELD_END};
ENTRY(FAILURE, device_failure_spec, FAILURE_FIELDS);
static const cyaml_schema_field_t FAULTS_FIELDS[] = {
    NUMBER_OR_NONE(detect_ms, device_faults_spec),
    LIST(events, OPTIONAL_POINTER, device_faults_spec, event_count, &EVENT, 0),
    LIST(random, OPTIONAL_POINTER, device_faults_spec, random_count, &RANDOM, 0),
    LIST(failures, OPTIONAL_POINTER, device_faults_spec, failure_count, &FAILURE, 0),
    SOURCE(device_faults_spec),
    CYAML_FIELD_END};

static const cyaml_schema_field_t TOP_FIELDS[] = {
    TEXT(device, POINTER, device_spec, NAME_MAX_BYTES),
    TEXT(source, OPTIONAL_POINTER, device_spec, SOURCE_MAX_BYTES),
    CYAML_FIELD_MAPPING_PTR("noise", OPTIONAL_POINTER, device_spec, noise, NOISE_FIELDS),
    LIST(interference, OPTIONAL_POINTER, device_spec, interference_count, &FACTOR, 0),
    CYAML_FIELD_MAPPING_PTR("heat", OPTIONAL_POINTER, device_spec, heat, HEAT_FIELDS),
    CYAML_FIELD_MAPPING_PTR("power_modes", OPTIONAL_POINTER, device_spec, power_modes,
                            MODES_FIELDS),
    LIST(load, OPTIONAL_POINTER, device_spec, load_count, &LOAD, 0),
    CYAML_FIELD_MAPPING_PTR("faults", OPTIONAL_POINTER, device_spec, faults, FAULTS_FIELDS),
    CYAML_FIELD_END};
static const cyaml_schema_value_t TOP = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, device_spec, TOP_FIELDS)};

cosrel_status device_spec_parse(const char *name, const char *text, size_t bytes, device_spec **out,
                                cosrel_error *err)
{
    *out = NULL;
    void *data;
    cosrel_status status = yaml_parse(name, text, bytes, &TOP, &data, err);
    if (status != COSREL_OK)
        return status;
    device_spec *s = data;
    if (!s)
        return error_set(err, COSREL_INVALID_FILE, "%s:1: the file is empty: it needs 'device'",
                         name);
    s->path = strdup(name);
    status = s->path ? device_spec_check(s, text, err)
                     : error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory", name);
    if (status != COSREL_OK) {
        device_spec_free(s);
        return status;
    }
    *out = s;
    return COSREL_OK;
}

cosrel_status device_spec_read(const char *path, device_spec **out, cosrel_error *err)
{
    *out = NULL;
    char *text;
    size_t bytes;
    cosrel_status status = file_read(path, DEVICE_FILE_BYTES_MAX, &text, &bytes, err);
    if (status != COSREL_OK)
        return status;
    status = device_spec_parse(path, text, bytes, out, err);
    free(text);
    return status;
}

void device_spec_free(device_spec *s)
{
    if (!s)
        return;
    free(s->path);
    yaml_free(&TOP, s);
}
