#include "runtime/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/yaml.h"

/* Chosen: enough for a busy edge server, and a pool that stays below a megabyte. */
enum { REQUESTS_DEFAULT = 1024, REQUESTS_MAX = 1 << 20 };
static const int64_t RUN_LIMIT_DEFAULT_NS = INT64_C(10000000000);
/* Eleven days are as good as never, and leave room to multiply. */
static const int64_t TIME_MAX_NS = INT64_C(1000000000000000);
static const int64_t RETRY_DEFAULT_NS = INT64_C(5000000000);

typedef struct option_entry {
    char *key;
    char *value;
} option_entry;

typedef struct provider_entry {
    char *name;
    char *provider;
    int *cores;
    unsigned cores_count;
    option_entry *options;
    unsigned options_count;
} provider_entry;

typedef struct emulated_entry {
    char *name;
    char *table;
    char *processor;
    int *cores;
    unsigned cores_count;
    int fail_every;
    int hang_every;
    int lose_every;
} emulated_entry;

struct settings_file {
    char **processors;
    unsigned processors_count;
    char *policy;
    char *objective;
    char *profile;
    char *cache_folder;
    uint32_t requests_max;
    uint32_t queue_len_max;
    uint32_t memory_mb;
    double run_limit_ms;
    double retry_ms;
    int software_gpu;
    int drop_late;
    int measure_energy;
    int one_at_a_time;
    emulated_entry *emulated;
    unsigned emulated_count;
    provider_entry *providers;
    unsigned providers_count;
};

/* ---- The file's schema ---- */

enum {
    OPTIONAL = CYAML_FLAG_OPTIONAL,
    TEXT = CYAML_FLAG_POINTER,
    OPTIONAL_TEXT = CYAML_FLAG_POINTER | OPTIONAL
};

static const cyaml_schema_value_t core_schema = {CYAML_VALUE_INT(CYAML_FLAG_DEFAULT, int)};
static const cyaml_schema_value_t name_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, DEVICE_NAME_MAX - 1)};

static const cyaml_schema_field_t option_fields[] = {
    CYAML_FIELD_STRING_PTR("key", TEXT, option_entry, key, 1, 63),
    CYAML_FIELD_STRING_PTR("value", TEXT, option_entry, value, 0, 191),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t option_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, option_entry, option_fields)};

static const cyaml_schema_field_t provider_fields[] = {
    CYAML_FIELD_STRING_PTR("name", TEXT, provider_entry, name, 1, DEVICE_NAME_MAX - 1),
    CYAML_FIELD_STRING_PTR("provider", TEXT, provider_entry, provider, 1, 47),
    CYAML_FIELD_SEQUENCE("cores", OPTIONAL_TEXT, provider_entry, cores, &core_schema, 0,
                         DEVICE_CORES_MAX),
    CYAML_FIELD_SEQUENCE("options", OPTIONAL_TEXT, provider_entry, options, &option_schema, 0,
                         DEVICE_OPTIONS_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t provider_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, provider_entry, provider_fields)};

static const cyaml_schema_field_t emulated_fields[] = {
    CYAML_FIELD_STRING_PTR("name", TEXT, emulated_entry, name, 1, DEVICE_NAME_MAX - 1),
    CYAML_FIELD_STRING_PTR("table", TEXT, emulated_entry, table, 1, 4095),
    CYAML_FIELD_STRING_PTR("processor", OPTIONAL_TEXT, emulated_entry, processor, 1,
                           DEVICE_NAME_MAX - 1),
    CYAML_FIELD_SEQUENCE("cores", OPTIONAL_TEXT, emulated_entry, cores, &core_schema, 0,
                         DEVICE_CORES_MAX),
    CYAML_FIELD_INT("fail_every", OPTIONAL, emulated_entry, fail_every),
    CYAML_FIELD_INT("hang_every", OPTIONAL, emulated_entry, hang_every),
    CYAML_FIELD_INT("lose_every", OPTIONAL, emulated_entry, lose_every),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t emulated_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, emulated_entry, emulated_fields)};

static const cyaml_schema_field_t file_fields[] = {
    CYAML_FIELD_SEQUENCE("processors", OPTIONAL_TEXT, settings_file, processors, &name_schema, 1,
                         DEVICE_MAX),
    CYAML_FIELD_STRING_PTR("policy", OPTIONAL_TEXT, settings_file, policy, 1, 127),
    CYAML_FIELD_STRING_PTR("objective", OPTIONAL_TEXT, settings_file, objective, 1, 31),
    CYAML_FIELD_STRING_PTR("profile", OPTIONAL_TEXT, settings_file, profile, 1, 4095),
    CYAML_FIELD_STRING_PTR("cache_folder", OPTIONAL_TEXT, settings_file, cache_folder, 0, 4095),
    CYAML_FIELD_UINT("requests_max", OPTIONAL, settings_file, requests_max),
    CYAML_FIELD_UINT("queue_len_max", OPTIONAL, settings_file, queue_len_max),
    CYAML_FIELD_UINT("memory_mb", OPTIONAL, settings_file, memory_mb),
    CYAML_FIELD_FLOAT("run_limit_ms", OPTIONAL, settings_file, run_limit_ms),
    CYAML_FIELD_FLOAT("retry_ms", OPTIONAL, settings_file, retry_ms),
    CYAML_FIELD_ENUM("software_gpu", OPTIONAL | CYAML_FLAG_STRICT, settings_file, software_gpu,
                     yaml_bool, YAML_BOOL_COUNT),
    CYAML_FIELD_ENUM("drop_late", OPTIONAL | CYAML_FLAG_STRICT, settings_file, drop_late, yaml_bool,
                     YAML_BOOL_COUNT),
    CYAML_FIELD_ENUM("measure_energy", OPTIONAL | CYAML_FLAG_STRICT, settings_file, measure_energy,
                     yaml_bool, YAML_BOOL_COUNT),
    CYAML_FIELD_ENUM("one_at_a_time", OPTIONAL | CYAML_FLAG_STRICT, settings_file, one_at_a_time,
                     yaml_bool, YAML_BOOL_COUNT),
    CYAML_FIELD_SEQUENCE("emulated", OPTIONAL_TEXT, settings_file, emulated, &emulated_schema, 0,
                         DEVICE_MAX),
    CYAML_FIELD_SEQUENCE("providers", OPTIONAL_TEXT, settings_file, providers, &provider_schema, 0,
                         DEVICE_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t file_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, settings_file, file_fields)};

/* ---- Putting it together ---- */

void cosrel_options_init(cosrel_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_bytes = sizeof *options;
}

static char *join(char *const *names, unsigned count)
{
    size_t bytes = 1;
    for (unsigned i = 0; i < count; i++)
        bytes += strlen(names[i]) + 1;
    char *text = calloc(1, bytes);
    char *at = text;
    for (unsigned i = 0; text && i < count; i++)
        at += sprintf(at, "%s%s", i ? "," : "", names[i]);
    return text;
}

/* A path in the file is relative to the file's folder. malloc'ed. */
static char *beside(const settings *s, const char *path)
{
    const char *slash = s->path ? strrchr(s->path, '/') : NULL;
    if (path[0] == '/' || !slash)
        return strdup(path);
    char *folder = strndup(s->path, (size_t)(slash - s->path));
    char *joined = folder ? file_join(folder[0] ? folder : "/", path) : NULL;
    free(folder);
    return joined;
}

static char *default_cache(void)
{
    const char *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (xdg && xdg[0] == '/')
        return file_join(xdg, "cosrel");
    return home && home[0] == '/' ? file_join(home, ".cache/cosrel") : strdup("");
}

/* The file of "learned:FILE" is one of those paths. */
static char *policy_of(const settings *s, const char *policy)
{
    static const char learned[] = "learned:";
    if (strncmp(policy, learned, sizeof learned - 1) != 0)
        return strdup(policy);
    char *path = beside(s, policy + sizeof learned - 1);
    char *spec = path ? calloc(1, sizeof learned + strlen(path)) : NULL;
    if (spec)
        sprintf(spec, "%s%s", learned, path);
    free(path);
    return spec;
}

static cosrel_status take_objective(settings *s, const settings_file *f, const cosrel_options *o,
                                    cosrel_error *err)
{
    cosrel_error why;
    const char *name = o->objective ? o->objective : f->objective ? f->objective : "latency";
    if (objective_find(name, &s->objective, &why) == COSREL_OK) {
        snprintf(s->objective_name, sizeof s->objective_name, "%s", name);
        return COSREL_OK;
    }
    if (o->objective || !f->objective)
        return error_set(err, COSREL_INVALID_ARGUMENT, "options: %s", why.text);
    return error_set(err, COSREL_INVALID_FILE, "%s: key 'objective': %s", s->path, why.text);
}

static cosrel_status take_texts(settings *s, const settings_file *f, const cosrel_options *o)
{
    bool ok = true;
    if (o->processors || f->processors_count) {
        s->processors = o->processors ? strdup(o->processors)
                                      : join(f->processors, f->processors_count);
        ok = s->processors != NULL;
    }
    if (o->profile || f->profile) {
        s->profile = o->profile ? strdup(o->profile) : beside(s, f->profile);
        ok = ok && s->profile;
    }
    s->policy = o->policy   ? strdup(o->policy)
                : f->policy ? policy_of(s, f->policy)
                            : strdup("min-min");
    if (o->cache_folder)
        s->cache_folder = strdup(o->cache_folder);
    else
        s->cache_folder = f->cache_folder && f->cache_folder[0] ? beside(s, f->cache_folder)
                          : f->cache_folder                     ? strdup("")
                                                                : default_cache();
    return ok && s->policy && s->cache_folder ? COSREL_OK : COSREL_OUT_OF_MEMORY;
}

/* Milliseconds of the file or nanoseconds of the options; `fallback_ns` where neither says
 * anything. */
static cosrel_status take_time(const settings *s, const char *key, int64_t option_ns,
                               double file_ms, int64_t fallback_ns, int64_t *out, cosrel_error *err)
{
    if (option_ns < 0)
        return error_set(err, COSREL_INVALID_ARGUMENT, "options: %s must not be negative", key);
    if (!(file_ms >= 0 && file_ms <= 1e9))
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: key '%s_ms': %g is not between 0 and 1e9 ms", s->path, key, file_ms);
    if (option_ns > TIME_MAX_NS)
        option_ns = TIME_MAX_NS;
    *out = option_ns ? option_ns : file_ms > 0 ? (int64_t)(file_ms * 1e6) : fallback_ns;
    return COSREL_OK;
}

static cosrel_status take_all(settings *s, const cosrel_options *o, cosrel_error *err)
{
    const settings_file nothing = {.processors = NULL};
    const settings_file *f = s->file ? s->file : &nothing;
    if (take_texts(s, f, o) != COSREL_OK)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the settings");
    s->requests_max = o->requests_max   ? o->requests_max
                      : f->requests_max ? f->requests_max
                                        : REQUESTS_DEFAULT;
    if (s->requests_max > REQUESTS_MAX)
        return error_set(err, o->requests_max ? COSREL_INVALID_ARGUMENT : COSREL_INVALID_FILE,
                         "%s: requests_max: %u is more than %d",
                         o->requests_max ? "options" : s->path, s->requests_max, REQUESTS_MAX);
    s->queue_len_max = o->queue_len_max ? o->queue_len_max : f->queue_len_max;
    s->memory_budget = o->memory_budget ? o->memory_budget : (uint64_t)f->memory_mb << 20;
    s->software_gpu = o->software_gpu || f->software_gpu;
    s->drop_late = o->drop_late || f->drop_late;
    s->measure_energy = o->measure_energy || f->measure_energy;
    s->one_at_a_time = f->one_at_a_time;
    cosrel_status status = take_time(s, "run_limit", o->run_limit_ns, f->run_limit_ms,
                                     RUN_LIMIT_DEFAULT_NS, &s->run_limit_ns, err);
    if (status == COSREL_OK)
        status = take_time(s, "retry", o->retry_ns, f->retry_ms, RETRY_DEFAULT_NS, &s->retry_ns,
                           err);
    if (status == COSREL_OK)
        status = take_objective(s, f, o, err);
    return status;
}

cosrel_status settings_make(const cosrel_options *options, settings *out, cosrel_error *err)
{
    cosrel_options o;
    cosrel_options_init(&o);
    memset(out, 0, sizeof *out);
    if (options) {
        if (options->struct_bytes <
            offsetof(cosrel_options, settings_file) + sizeof o.settings_file)
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "options: fill them with cosrel_options_init first");
        /* A caller compiled against an older or newer header: what both know counts. */
        memcpy(&o, options, options->struct_bytes < sizeof o ? options->struct_bytes : sizeof o);
    }
    if (o.settings_file) {
        out->path = strdup(o.settings_file);
        if (!out->path)
            return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the settings");
        const cosrel_status status = yaml_load(o.settings_file, &file_schema, (void **)&out->file,
                                               err);
        if (status != COSREL_OK)
            return status;
    }
    return take_all(out, &o, err);
}

cosrel_status settings_parse(const char *text, size_t bytes, settings *out, cosrel_error *err)
{
    cosrel_options o;
    cosrel_options_init(&o);
    memset(out, 0, sizeof *out);
    out->path = strdup("settings.yaml");
    if (!out->path)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the settings");
    const cosrel_status status = yaml_parse(out->path, text, bytes, &file_schema,
                                            (void **)&out->file, err);
    return status == COSREL_OK ? take_all(out, &o, err) : status;
}

void settings_deinit(settings *s)
{
    yaml_free(&file_schema, s->file);
    free(s->path);
    free(s->processors);
    free(s->policy);
    free(s->profile);
    free(s->cache_folder);
    memset(s, 0, sizeof *s);
}

/* ---- Processors ---- */

static cosrel_status take_cores(const settings *s, const char *name, const int *cores,
                                unsigned count, device_spec *spec, cosrel_error *err)
{
    for (unsigned i = 0; i < count; i++) {
        if (cores[i] < 0 || cores[i] > 4095)
            return error_set(err, COSREL_INVALID_FILE,
                             "%s: processor '%s': key 'cores': %d is no logical CPU", s->path, name,
                             cores[i]);
        spec->cores[spec->core_count++] = cores[i];
    }
    return COSREL_OK;
}

static cosrel_status add(const settings *s, device_list *list, const device_spec *spec,
                         cosrel_error *err)
{
    cosrel_error why;
    const cosrel_status status = device_add(list, spec, &why);
    if (status == COSREL_OK)
        return COSREL_OK;
    return error_set(err, COSREL_INVALID_FILE, "%s: %s", s->path, why.text);
}

static cosrel_status add_provider(const settings *s, device_list *list, const provider_entry *entry,
                                  cosrel_error *err)
{
    device_spec spec = {.kind = DEVICE_PROVIDER};
    snprintf(spec.name, sizeof spec.name, "%s", entry->name);
    snprintf(spec.provider, sizeof spec.provider, "%s", entry->provider);
    snprintf(spec.description, sizeof spec.description, "execution provider %s", entry->provider);
    for (unsigned i = 0; i < entry->options_count; i++) {
        device_option *option = &spec.options[spec.option_count++];
        snprintf(option->key, sizeof option->key, "%s", entry->options[i].key);
        snprintf(option->value, sizeof option->value, "%s", entry->options[i].value);
    }
    const cosrel_status status = take_cores(s, entry->name, entry->cores, entry->cores_count, &spec,
                                            err);
    return status == COSREL_OK ? add(s, list, &spec, err) : status;
}

static cosrel_status add_emulated(const settings *s, device_list *list, const emulated_entry *entry,
                                  device_table **table, cosrel_error *err)
{
    device_spec spec = {.kind = DEVICE_EMULATED,
                        .fail_every = entry->fail_every,
                        .hang_every = entry->hang_every,
                        .lose_every = entry->lose_every};
    const char *processor = entry->processor ? entry->processor : entry->name;
    if (entry->fail_every < 0 || entry->hang_every < 0 || entry->lose_every < 0)
        return error_set(
            err, COSREL_INVALID_FILE,
            "%s: processor '%s': fail_every, hang_every and lose_every count runs from 1; 0: never",
            s->path, entry->name);
    char *path = beside(s, entry->table);
    if (!path)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for the settings", s->path);
    if (strlen(path) >= sizeof spec.table_path) {
        free(path);
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: processor '%s': key 'table': the path is too long", s->path,
                         entry->name);
    }
    snprintf(spec.table_path, sizeof spec.table_path, "%s", path);
    cosrel_status status = table_read(path, table, err);
    free(path);
    if (status != COSREL_OK)
        return status;
    spec.table = *table;
    snprintf(spec.name, sizeof spec.name, "%s", entry->name);
    snprintf(spec.table_processor, sizeof spec.table_processor, "%s", processor);
    const char *base = strrchr(spec.table_path, '/');
    snprintf(spec.description, sizeof spec.description, "emulated: times of '%.40s' in %.80s",
             processor, base ? base + 1 : spec.table_path);
    status = take_cores(s, entry->name, entry->cores, entry->cores_count, &spec, err);
    return status == COSREL_OK ? add(s, list, &spec, err) : status;
}

cosrel_status settings_add_devices(const settings *s, device_list *list, device_table **tables,
                                   cosrel_error *err)
{
    cosrel_status status = COSREL_OK;
    if (!s->file)
        return COSREL_OK;
    for (unsigned i = 0; i < s->file->providers_count && status == COSREL_OK; i++)
        status = add_provider(s, list, &s->file->providers[i], err);
    for (unsigned i = 0; i < s->file->emulated_count && status == COSREL_OK; i++)
        status = add_emulated(s, list, &s->file->emulated[i], &tables[i], err);
    device_sort(list);
    return status;
}
