#include "server/routes.h"

#include <stdio.h>
#include <string.h>

#include "cosrel/version.h"
#include "server/oip_dtype.h"

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
            *version = -1; /* no such version */
        at += 2;
    }
    return *what ? path->count == at + 1 && part_is(path, at, what) : path->count == at;
}

void route_error(route_reply *reply, int status, const char *text)
{
    reply->status = status;
    text_add(&reply->body, "{\"error\":");
    text_add_json(&reply->body, text);
    text_add(&reply->body, "}");
}

static void server_metadata(route_reply *reply)
{
    text_add(&reply->body, "{\"name\":\"cosrel\",\"version\":");
    text_add_json(&reply->body, cosrel_version());
    text_add(&reply->body,
             ",\"extensions\":[\"binary_tensor_data\",\"schedule_policy\",\"statistics\"]}");
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
    bool first = true;
    text_add(out, "{\"name\":");
    text_add_json(out, info->name);
    text_add(out, ",\"versions\":[");
    for (size_t i = 0; i < cosrel_runtime_model_count(rt); i++) {
        const cosrel_model_info *other = cosrel_model_describe(cosrel_runtime_model(rt, i));
        if (strcmp(other->name, info->name) == 0) {
            text_addf(out, first ? "\"%lld\"" : ",\"%lld\"", (long long)other->version);
            first = false;
        }
    }
    text_add(out, "],\"platform\":\"onnxruntime_onnx\"");
    add_values(out, "inputs", info->inputs, info->input_count);
    add_values(out, "outputs", info->outputs, info->output_count);
    text_add(out, "}");
}

static void about_model(cosrel_runtime *rt, const char *name, int64_t version, bool metadata,
                        route_reply *reply)
{
    const cosrel_model *model = version < 0 ? NULL : cosrel_runtime_find_model(rt, name, version);
    char text[512];
    if (model) {
        if (metadata)
            model_metadata(rt, model, reply);
        return;
    }
    if (version == 0)
        snprintf(text, sizeof text, "there is no model '%.200s'", name);
    else
        snprintf(text, sizeof text, "there is no such version of a model '%.200s'", name);
    route_error(reply, 404, text);
}

void route_answer(cosrel_runtime *rt, const char *method, const route_path *path,
                  route_reply *reply)
{
    const char *name;
    int64_t version;
    const bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    reply->status = 200;
    if (!part_is(path, 0, "v2"))
        route_error(reply, 404, "there is nothing here; the protocol's routes begin with /v2");
    else if (!get)
        route_error(reply, 405, "this route is read with GET");
    else if (path->count == 1)
        server_metadata(reply);
    else if (path->count == 3 && part_is(path, 1, "health") &&
             (part_is(path, 2, "live") || part_is(path, 2, "ready")))
        return;
    else if (route_model(path, "", &name, &version))
        about_model(rt, name, version, true, reply);
    else if (route_model(path, "ready", &name, &version))
        about_model(rt, name, version, false, reply);
    else
        route_error(reply, 404, "there is no such route");
}
