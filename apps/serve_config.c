#include "serve_config.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "base/yaml.h"
#include "server/hosts.h"

typedef struct config_file {
    char *models, *http, *grpc, *policy, *objective, *profile, *learn;
    char *settings, *processors, *cache_folder, *tls_cert, *tls_key;
    char *admin_token, *access_log, *allow_host;
    /* NULL: not given, which is not the same as 0. */
    uint32_t *versions, *queue_max, *body_max_mb, *bodies_max_mb, *header_max_kb, *connections_max;
    uint32_t *client_requests_max, *drain_seconds;
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
    CYAML_FIELD_STRING_PTR("admin_token", TEXT, config_file, admin_token, 1, 255),
    CYAML_FIELD_STRING_PTR("access_log", TEXT, config_file, access_log, 1, PATH_MAX_BYTES),
    CYAML_FIELD_STRING_PTR("allow_host", TEXT, config_file, allow_host, 1, PATH_MAX_BYTES),
    CYAML_FIELD_STRING_PTR("tls_cert", TEXT, config_file, tls_cert, 1, PATH_MAX_BYTES),
    CYAML_FIELD_STRING_PTR("tls_key", TEXT, config_file, tls_key, 1, PATH_MAX_BYTES),
    CYAML_FIELD_UINT_PTR("versions", OPTIONAL, config_file, versions),
    CYAML_FIELD_UINT_PTR("queue_max", OPTIONAL, config_file, queue_max),
    CYAML_FIELD_UINT_PTR("body_max_mb", OPTIONAL, config_file, body_max_mb),
    CYAML_FIELD_UINT_PTR("bodies_max_mb", OPTIONAL, config_file, bodies_max_mb),
    CYAML_FIELD_UINT_PTR("header_max_kb", OPTIONAL, config_file, header_max_kb),
    CYAML_FIELD_UINT_PTR("connections_max", OPTIONAL, config_file, connections_max),
    CYAML_FIELD_UINT_PTR("client_requests_max", OPTIONAL, config_file, client_requests_max),
    CYAML_FIELD_UINT_PTR("drain_seconds", OPTIONAL, config_file, drain_seconds),
    CYAML_FIELD_ENUM("software_gpu", OPTIONAL | CYAML_FLAG_STRICT, config_file, software_gpu,
                     yaml_bool, YAML_BOOL_COUNT),
    CYAML_FIELD_ENUM("quiet", OPTIONAL | CYAML_FLAG_STRICT, config_file, quiet, yaml_bool,
                     YAML_BOOL_COUNT),
    CYAML_FIELD_SEQUENCE("tokens", TEXT, config_file, tokens, &token_schema, 0, 64),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, config_file, fields)};

/* What neither says; connections: chosen, a few per client of a small site; the other limits: as
 * server.c and http.c say. */
static const config_file DEFAULTS = {.http = "127.0.0.1:8000",
                                     .grpc = "127.0.0.1:8001",
                                     .policy = "learned",
                                     .objective = "latency",
                                     .versions = &(uint32_t){1},
                                     .queue_max = &(uint32_t){256},
                                     .body_max_mb = &(uint32_t){64},
                                     .bodies_max_mb = &(uint32_t){512},
                                     .header_max_kb = &(uint32_t){8},
                                     .connections_max = &(uint32_t){1024},
                                     .client_requests_max = &(uint32_t){512},
                                     .drain_seconds = &(uint32_t){10}};

/* Numbers of the file within what the options of the same names take. */
static cosrel_status check(const char *path, const config_file *f, cosrel_error *err)
{
    const struct {
        const char *key;
        const uint32_t *value;
        uint32_t most;
    } limits[] = {{"versions", f->versions, 100},
                  {"queue_max", f->queue_max, 100000},
                  {"body_max_mb", f->body_max_mb, 4096},
                  {"bodies_max_mb", f->bodies_max_mb, 1048576},
                  {"header_max_kb", f->header_max_kb, 1024},
                  {"connections_max", f->connections_max, 100000},
                  {"client_requests_max", f->client_requests_max, 100000},
                  {"drain_seconds", f->drain_seconds, 3600}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const uint32_t *value = limits[i].value;
        if (value && *value > limits[i].most)
            return error_set(err, COSREL_INVALID_FILE, "%s: key '%s': %u is more than %u", path,
                             limits[i].key, *value, limits[i].most);
        if (value && *value == 0)
            return error_set(err, COSREL_INVALID_FILE, "%s: key '%s': 0 is less than 1", path,
                             limits[i].key);
    }
    return COSREL_OK;
}

static void take(const char **value, const char *from)
{
    if (!*value)
        *value = from;
}

static void take_number(int64_t *value, const uint32_t *from)
{
    if (!*value && from)
        *value = *from;
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
    take(&v->tls_cert, f->tls_cert);
    take(&v->tls_key, f->tls_key);
    take(&v->admin_token, f->admin_token);
    take(&v->access_log, f->access_log);
    take(&v->allow_host, f->allow_host);
    take_number(&v->versions, f->versions);
    take_number(&v->queue_max, f->queue_max);
    take_number(&v->body_max_mb, f->body_max_mb);
    take_number(&v->bodies_max_mb, f->bodies_max_mb);
    take_number(&v->header_max_kb, f->header_max_kb);
    take_number(&v->connections_max, f->connections_max);
    take_number(&v->client_requests_max, f->client_requests_max);
    take_number(&v->drain_seconds, f->drain_seconds);
    v->open.software_gpu |= f->software_gpu != 0;
    v->open.quiet |= f->quiet != 0;
}

/* What is in force must work together; said before models are loaded. */
static cosrel_status agree(const serve_values *v, cosrel_error *err)
{
    host_names names;
    if (v->bodies_max_mb < v->body_max_mb)
        return error_set(
            err, COSREL_INVALID_ARGUMENT,
            "bodies_max_mb: %lld is less than body_max_mb: %lld: so large a body would "
            "never be taken",
            (long long)v->bodies_max_mb, (long long)v->body_max_mb);
    return hosts_init(&names, v->allow_host, true, err);
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
    if (!out->values.bodies_max_mb && out->values.body_max_mb > *DEFAULTS.bodies_max_mb)
        out->values.bodies_max_mb = out->values.body_max_mb;
    fill(&out->values, &DEFAULTS);
    const cosrel_status status = agree(&out->values, err);
    if (status != COSREL_OK)
        serve_config_deinit(out);
    return status;
}

void serve_config_deinit(serve_config *c)
{
    yaml_free(&schema, c->file);
    memset(c, 0, sizeof *c);
}

void serve_config_server(const serve_config *c, server_options *out)
{
    const serve_values *v = &c->values;
    const bool grpc = strcmp(v->grpc, "off") != 0;
    const size_t body_max = (size_t)v->body_max_mb << 20;
    const size_t header_max = (size_t)v->header_max_kb << 10;
    *out = (server_options){.http = {.address = v->http,
                                     .body_max = body_max,
                                     .connection_max = (unsigned)v->connections_max,
                                     .header_max = header_max,
                                     .allow_hosts = v->allow_host},
                            .grpc = {.address = grpc ? v->grpc : NULL,
                                     .message_max = body_max,
                                     .connection_max = (unsigned)v->connections_max,
                                     .header_max = header_max},
                            .policy = v->policy,
                            .objective = v->objective,
                            .models = v->models,
                            .versions = (uint32_t)v->versions,
                            .admin_token = v->admin_token,
                            .tokens = c->tokens,
                            .token_count = c->token_count,
                            .access_log = v->access_log,
                            .client_requests_max = (unsigned)v->client_requests_max,
                            .bodies_max = (size_t)v->bodies_max_mb << 20,
                            .drain_ns = v->drain_seconds * 1000000000};
}

/* Of valid UTF-8. */
static unsigned code_point(const char *at, size_t *bytes)
{
    const unsigned char first = (unsigned char)*at;
    unsigned code = first;
    *bytes = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (*bytes > 1)
        code = first & (0x7fU >> *bytes);
    for (size_t i = 1; i < *bytes; i++)
        code = code << 6 | ((unsigned char)at[i] & 0x3f);
    return code;
}

/* JSON's strings are YAML's double-quoted ones, but for characters that YAML does not take as they
 * are, or takes for the end of a line. */
static void print_quoted(FILE *to, const char *json)
{
    size_t bytes;
    for (const char *at = json; *at; at += bytes) {
        const unsigned code = code_point(at, &bytes);
        if ((code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 || code == 0xfeff ||
            code == 0xfffe || code == 0xffff)
            fprintf(to, "\\u%04x", code);
        else
            fwrite(at, 1, bytes, to);
    }
}

static void print_text(FILE *to, const char *key, const char *value)
{
    text_builder quoted = {.data = NULL};
    if (!value) {
        fprintf(to, "# %s:\n", key);
        return;
    }
    text_add_json(&quoted, value);
    fprintf(to, "%s: ", key);
    print_quoted(to, quoted.failed ? "" : quoted.data);
    fputc('\n', to);
    text_deinit(&quoted);
}

static void print_number(FILE *to, const char *key, int64_t value)
{
    fprintf(to, "%s: %lld\n", key, (long long)value);
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
    print_text(to, "tls_cert", v->tls_cert);
    print_text(to, "tls_key", v->tls_key);
    print_text(to, "access_log", v->access_log);
    print_text(to, "allow_host", v->allow_host);
    print_number(to, "versions", v->versions);
    print_number(to, "queue_max", v->queue_max);
    print_number(to, "body_max_mb", v->body_max_mb);
    print_number(to, "bodies_max_mb", v->bodies_max_mb);
    print_number(to, "header_max_kb", v->header_max_kb);
    print_number(to, "connections_max", v->connections_max);
    print_number(to, "client_requests_max", v->client_requests_max);
    print_number(to, "drain_seconds", v->drain_seconds);
    fprintf(to, "software_gpu: %s\nquiet: %s\n", v->open.software_gpu ? "true" : "false",
            v->open.quiet ? "true" : "false");
    fprintf(to, "# admin_token:%s\n", v->admin_token ? " set, not shown" : "");
    if (c->token_count)
        fprintf(to, "# tokens: %u, not shown\n", c->token_count);
}
