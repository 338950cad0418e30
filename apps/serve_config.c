#include "serve_config.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "base/yaml.h"

typedef struct config_file {
    char *models, *http, *grpc, *policy, *objective, *profile, *learn;
    char *settings, *processors, *cache_folder, *tls_cert, *tls_key;
    uint32_t versions, queue_max, body_max_mb, connections_max;
    int software_gpu, quiet;
    server_token *tokens;
    unsigned tokens_count;
} config_file;

#define OPTIONAL       CYAML_FLAG_OPTIONAL
#define TEXT           (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define PATH_MAX_BYTES 4095

static const cyaml_schema_field_t token_fields[] = {
    CYAML_FIELD_STRING_PTR("token", CYAML_FLAG_POINTER, server_token, token, 1, 255),
    CYAML_FIELD_STRING_PTR("role", CYAML_FLAG_POINTER, server_token, role, 1, 15),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t token_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, server_token, token_fields)};

static const cyaml_schema_field_t fields[] = {
    CYAML_FIELD_STRING_PTR("models", TEXT, config_file, models, 1, PATH_MAX_BYTES),
    CYAML_FIELD_STRING_PTR("http", TEXT, config_file, http, 1, 255),
    CYAML_FIELD_STRING_PTR("grpc", TEXT, config_file, grpc, 1, 255),
    CYAML_FIELD_STRING_PTR("policy", TEXT, config_file, policy, 1, PATH_MAX_BYTES),
    CYAML_FIELD_STRING_PTR("objective", TEXT, config_file, objective, 1, 31),
    CYAML_FIELD_STRING_PTR("profile", TEXT, config_file, profile, 1, PATH_MAX_BYTES),
    CYAML_FIELD_STRING_PTR("learn", TEXT, config_file, learn, 1, PATH_MAX_BYTES),
    CYAML_FIELD_STRING_PTR("settings", TEXT, config_file, settings, 1, PATH_MAX_BYTES),
    CYAML_FIELD_STRING_PTR("processors", TEXT, config_file, processors, 1, PATH_MAX_BYTES),
    CYAML_FIELD_STRING_PTR("cache_folder", TEXT, config_file, cache_folder, 0, PATH_MAX_BYTES),
    CYAML_FIELD_UINT("versions", OPTIONAL, config_file, versions),
    CYAML_FIELD_STRING_PTR("tls_cert", TEXT, config_file, tls_cert, 1, PATH_MAX_BYTES),
    CYAML_FIELD_STRING_PTR("tls_key", TEXT, config_file, tls_key, 1, PATH_MAX_BYTES),
    CYAML_FIELD_UINT("queue_max", OPTIONAL, config_file, queue_max),
    CYAML_FIELD_UINT("body_max_mb", OPTIONAL, config_file, body_max_mb),
    CYAML_FIELD_UINT("connections_max", OPTIONAL, config_file, connections_max),
    CYAML_FIELD_ENUM("software_gpu", OPTIONAL | CYAML_FLAG_STRICT, config_file, software_gpu,
                     yaml_bool, YAML_BOOL_COUNT),
    CYAML_FIELD_ENUM("quiet", OPTIONAL | CYAML_FLAG_STRICT, config_file, quiet, yaml_bool,
                     YAML_BOOL_COUNT),
    CYAML_FIELD_SEQUENCE("tokens", TEXT, config_file, tokens, &token_schema, 0, 64),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, config_file, fields)};

/* What neither says; connections: chosen, a few per client of a small site. */
static const config_file DEFAULTS = {.http = "127.0.0.1:8000",
                                     .grpc = "127.0.0.1:8001",
                                     .policy = "learned",
                                     .objective = "latency",
                                     .versions = 1,
                                     .queue_max = 256,
                                     .body_max_mb = 64,
                                     .connections_max = 1024};

/* Numbers of the file within what the options of the same names take. */
static cosrel_status check(const char *path, const config_file *f, cosrel_error *err)
{
    const struct {
        const char *key;
        uint32_t value, most;
    } limits[] = {{"versions", f->versions, 100},
                  {"queue_max", f->queue_max, 100000},
                  {"body_max_mb", f->body_max_mb, 4096},
                  {"connections_max", f->connections_max, 100000}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (limits[i].value > limits[i].most)
            return error_set(err, COSREL_INVALID_FILE, "%s: key '%s': %u is more than %u", path,
                             limits[i].key, limits[i].value, limits[i].most);
    return COSREL_OK;
}

static void take(const char **value, const char *from)
{
    if (!*value)
        *value = from;
}

static void fill(serve_values *v, const config_file *f)
{
    take(&v->models, f->models);
    take(&v->http, f->http);
    take(&v->grpc, f->grpc);
    take(&v->policy, f->policy);
    take(&v->objective, f->objective);
    take(&v->profile, f->profile);
    take(&v->learn, f->learn);
    take(&v->open.settings, f->settings);
    take(&v->open.processors, f->processors);
    take(&v->open.cache_folder, f->cache_folder);
    v->versions = v->versions ? v->versions : f->versions;
    take(&v->tls_cert, f->tls_cert);
    take(&v->tls_key, f->tls_key);
    v->queue_max = v->queue_max ? v->queue_max : f->queue_max;
    v->body_max_mb = v->body_max_mb ? v->body_max_mb : f->body_max_mb;
    v->connections_max = v->connections_max ? v->connections_max : f->connections_max;
    v->open.software_gpu |= f->software_gpu != 0;
    v->open.quiet |= f->quiet != 0;
}

cosrel_status serve_config_init(const serve_values *values, serve_config *out, cosrel_error *err)
{
    *out = (serve_config){.values = *values};
    if (values->config) {
        cosrel_status status = yaml_load(values->config, &schema, &out->file, err);
        const config_file *f = out->file;
        if (status == COSREL_OK && f)
            status = check(values->config, f, err);
        if (status != COSREL_OK) {
            serve_config_deinit(out);
            return status;
        }
        if (f) {
            fill(&out->values, f);
            out->tokens = f->tokens;
            out->token_count = f->tokens_count;
        }
    }
    fill(&out->values, &DEFAULTS);
    return COSREL_OK;
}

void serve_config_deinit(serve_config *c)
{
    yaml_free(&schema, c->file);
    memset(c, 0, sizeof *c);
}

/* JSON's strings are YAML's double-quoted ones. */
static void print_text(FILE *to, const char *key, const char *value)
{
    text_builder quoted = {.data = NULL};
    if (!value) {
        fprintf(to, "# %s:\n", key);
        return;
    }
    text_add_json(&quoted, value);
    fprintf(to, "%s: %s\n", key, quoted.failed ? "" : quoted.data);
    text_deinit(&quoted);
}

void serve_config_print(const serve_config *c, FILE *to)
{
    const serve_values *v = &c->values;
    print_text(to, "models", v->models);
    print_text(to, "http", v->http);
    print_text(to, "grpc", v->grpc);
    print_text(to, "policy", v->policy);
    print_text(to, "objective", v->objective);
    print_text(to, "profile", v->profile);
    print_text(to, "learn", v->learn);
    print_text(to, "settings", v->open.settings);
    print_text(to, "processors", v->open.processors);
    print_text(to, "cache_folder", v->open.cache_folder);
    fprintf(to, "versions: %lld\n", (long long)v->versions);
    print_text(to, "tls_cert", v->tls_cert);
    print_text(to, "tls_key", v->tls_key);
    fprintf(to, "queue_max: %lld\nbody_max_mb: %lld\nconnections_max: %lld\n",
            (long long)v->queue_max, (long long)v->body_max_mb, (long long)v->connections_max);
    fprintf(to, "software_gpu: %s\nquiet: %s\n", v->open.software_gpu ? "true" : "false",
            v->open.quiet ? "true" : "false");
    if (c->token_count)
        fprintf(to, "# tokens: %u, not shown\n", c->token_count);
}
