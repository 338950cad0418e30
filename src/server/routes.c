#include "server/routes.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cosrel/version.h"
#include "server/metrics.h"
#include "server/model_config.h"
#include "server/oip_dtype.h"
#include "server/repository_routes.h"
#include "server/statistics.h"
#include "server/versions.h"

bool route_split(const char *url, route_path *out)
{
    const size_t length = strlen(url);
    char *at = out->text;
    out->count = 0;
    if (url[0] != '/' || length >= sizeof out->text)
        return false;
    memcpy(out->text, url, length + 1);
    while (*at) {
        *at++ = '\0';
        if (*at == '\0')
            break; /* a slash at the end */
        if (out->count == (int)(sizeof out->part / sizeof *out->part))
            return false;
        out->part[out->count++] = at;
        while (*at && *at != '/')
            at++;
    }
    return true;
}

static bool part_is(const route_path *path, int index, const char *text)
{
    return index < path->count && strcmp(path->part[index], text) == 0;
}

bool route_model(const route_path *path, const char *what, const char **name, int64_t *version)
{
    int at = 3;
    *version = 0;
    if (!part_is(path, 0, "v2") || !part_is(path, 1, "models") || path->count < 3)
        return false;
    *name = path->part[2];
    if (part_is(path, at, "versions") && path->count > at + 1) {
        if (!text_to_int64(path->part[at + 1], version) || *version < 1)
            *version = -1;
        at += 2;
    }
    return *what ? path->count == at + 1 && part_is(path, at, what) : path->count == at;
}

void route_error(route_reply *reply, int status, const char *text)
{
    reply->status = status;
    reply->type = "application/json";
    reply->body.length = 0;
    text_add(&reply->body, "{\"error\":");
    text_add_json(&reply->body, text);
    text_add(&reply->body, "}");
}

void route_forbid(route_reply *reply, unsigned rights)
{
    if (rights == AUTH_NOTHING)
        route_error(reply, 401, "a token is needed: Authorization: Bearer TOKEN");
    else
        route_error(reply, 403, "the token that was given, if any, does not allow this");
}

/* ---- What is there ---- */

static void server_metadata(route_reply *reply)
{
    text_add(&reply->body, "{\"name\":\"cosrel\",\"version\":");
    text_add_json(&reply->body, cosrel_version());
    text_add(&reply->body, ",\"extensions\":[\"binary_tensor_data\",\"model_configuration\","
                           "\"model_repository\",\"model_repository(unload_dependents)\","
                           "\"schedule_policy\",\"statistics\",\"system_shared_memory\"]}");
}

static void health(const service *s, const route_path *path, route_reply *reply)
{
    if (part_is(path, 2, "ready") && s->draining)
        route_error(reply, 503, "the server is ending");
}

static void add_values(text_builder *out, const char *key, const cosrel_value_info *values,
                       size_t count)
{
    text_addf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < count; i++) {
        const char *type = oip_dtype_name(values[i].type);
        text_add(out, i ? ",{\"name\":" : "{\"name\":");
        text_add_json(out, values[i].name);
        text_addf(out, ",\"datatype\":\"%s\",\"shape\":[", type ? type : "UNSUPPORTED");
        for (size_t d = 0; d < values[i].rank; d++)
            text_addf(out, d ? ",%lld" : "%lld", (long long)values[i].shape[d]);
        text_add(out, "]}");
    }
    text_add(out, "]");
}

static void model_metadata(cosrel_runtime *rt, const cosrel_model *model, route_reply *reply)
{
    const cosrel_model_info *info = cosrel_model_describe(model);
    text_builder *out = &reply->body;
    int64_t versions[VERSIONS_MAX];
    const size_t count = versions_of(rt, info->name, versions);
    text_add(out, "{\"name\":");
    text_add_json(out, info->name);
    text_add(out, ",\"versions\":[");
    for (size_t i = 0; i < count; i++)
        text_addf(out, i ? ",\"%lld\"" : "\"%lld\"", (long long)versions[i]);
    text_add(out, "],\"platform\":\"onnxruntime_onnx\"");
    add_values(out, "inputs", info->inputs, info->input_count);
    add_values(out, "outputs", info->outputs, info->output_count);
    text_add(out, "}");
}

static const cosrel_model *find_model(service *s, const char *name, int64_t version,
                                      route_reply *reply)
{
    const cosrel_model *model = version < 0 ? NULL
                                            : cosrel_runtime_find_model(s->rt, name, version);
    char text[512];
    if (model)
        return model;
    snprintf(text, sizeof text,
             version == 0 ? "there is no model '%.200s'"
                          : "there is no such version of a model '%.200s'",
             name);
    route_error(reply, 404, text);
    return NULL;
}

static metrics_source source_of(service *s)
{
    return (metrics_source){.rt = s->rt,
                            .learner = s->learner,
                            .counts = &s->counts,
                            .log = access_log_count(s->log),
                            .body_bytes = s->bodies.used,
                            .policy = s->policy,
                            .objective = s->objective,
                            .under_way = s->under_way,
                            .started_s = s->started_s};
}

static void statistics(service *s, const char *name, int64_t version, route_reply *reply)
{
    if (!name || find_model(s, name, version, reply))
        statistics_add_json(&reply->body, s->rt, &s->counts, name, version);
}

static void configuration(service *s, const char *name, int64_t version, route_reply *reply)
{
    const cosrel_model *model = find_model(s, name, version, reply);
    if (!model)
        return;
    const model_config config = model_config_of(s->rt, model, s->versions);
    model_config_add_json(&reply->body, &config);
}

static void metrics(service *s, route_reply *reply)
{
    const metrics_source source = source_of(s);
    reply->type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_add(&reply->body, &source);
}

/* ---- Shared memory ---- */

static void fail(route_reply *reply, cosrel_status status, const cosrel_error *err)
{
    if (status != COSREL_OK)
        route_error(reply, cosrel_status_http(status), err->text);
}

static void register_region(service *s, const char *name, const route_request *request,
                            route_reply *reply)
{
    json_error_t why;
    json_t *root = json_loadb(request->body, request->body_bytes, JSON_REJECT_DUPLICATES, &why);
    const json_t *key = json_object_get(root, "key"), *offset = json_object_get(root, "offset");
    const json_t *bytes = json_object_get(root, "byte_size");
    cosrel_error err = {""};
    if (!root && !why.text[0]) /* the library says no more of it */
        route_error(reply, 503, "no memory for a request");
    else if (!json_is_string(key) || (offset && !json_is_integer(offset)) ||
             !json_is_integer(bytes) || json_integer_value(offset) < 0 ||
             json_integer_value(bytes) < 0)
        route_error(reply, 400,
                    "expected {\"key\": \"/name\", \"offset\": 0, \"byte_size\": 1} with numbers "
                    "from 0");
    else
        fail(reply,
             regions_add(&s->regions, name, json_string_value(key),
                         (uint64_t)json_integer_value(offset), (uint64_t)json_integer_value(bytes),
                         &err),
             &err);
    json_decref(root);
}

/* /v2/systemsharedmemory[/region/NAME]/WHAT. False: another path. */
static bool shared_memory(service *s, const route_request *request, route_reply *reply)
{
    const route_path *path = &request->path;
    const bool named = path->count == 5 && part_is(path, 2, "region");
    const char *name = named ? path->part[3] : NULL;
    const int at = named ? 4 : 2;
    const bool post = strcmp(request->method, "POST") == 0;
    cosrel_error err = {""};
    if (!part_is(path, 1, "systemsharedmemory") || path->count != at + 1)
        return false;
    if (!(request->rights & AUTH_INFER))
        route_forbid(reply, request->rights);
    else if (part_is(path, at, "status") && !post)
        fail(reply, regions_describe(&s->regions, name, &reply->body, &err), &err);
    else if (part_is(path, at, "register") && named && post)
        register_region(s, name, request, reply);
    else if (part_is(path, at, "unregister") && post)
        fail(reply, regions_remove(&s->regions, name, &err), &err);
    else
        return false;
    return true;
}

/* ---- The table ---- */

static void read_only(service *s, const route_request *request, route_reply *reply)
{
    const route_path *path = &request->path;
    const char *name;
    int64_t version;
    if (path->count == 1 && part_is(path, 0, "metrics"))
        metrics(s, reply);
    else if (path->count == 1)
        server_metadata(reply);
    else if (path->count == 3 && part_is(path, 1, "models") && part_is(path, 2, "stats"))
        statistics(s, NULL, 0, reply);
    else if (route_model(path, "stats", &name, &version))
        statistics(s, name, version, reply);
    else if (route_model(path, "config", &name, &version))
        configuration(s, name, version, reply);
    else if (route_model(path, "ready", &name, &version))
        (void)find_model(s, name, version, reply);
    else if (route_model(path, "", &name, &version)) {
        const cosrel_model *model = find_model(s, name, version, reply);
        if (model)
            model_metadata(s->rt, model, reply);
    } else {
        route_error(reply, 404, "there is no such route");
    }
}

void route_answer(service *s, const route_request *request, route_reply *reply)
{
    const route_path *path = &request->path;
    const bool get = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    const bool index = path->count == 3 && part_is(path, 1, "repository") &&
                       part_is(path, 2, "index");
    reply->status = 200;
    reply->type = "application/json";
    if (!part_is(path, 0, "v2") && !(part_is(path, 0, "metrics") && path->count == 1))
        route_error(reply, 404, "there is nothing here; the protocol's routes begin with /v2");
    else if (path->count == 3 && part_is(path, 1, "health") && get &&
             (part_is(path, 2, "live") || part_is(path, 2, "ready")))
        health(s, path, reply);
    else if (shared_memory(s, request, reply))
        return;
    else if (!(request->rights & AUTH_READ))
        route_forbid(reply, request->rights);
    else if (index && !get)
        repository_route_index(s, request, reply);
    else if (!get || index)
        route_error(reply, 405,
                    get ? "this route is asked for with POST" : "this route is read with GET");
    else
        read_only(s, request, reply);
}
