#include "server/repository_routes.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static bool part_is(const route_path *path, int at, const char *text)
{
    return at < path->count && strcmp(path->part[at], text) == 0;
}

bool repository_route_has(const route_path *path)
{
    return path->count == 5 && part_is(path, 0, "v2") && part_is(path, 1, "repository") &&
           part_is(path, 2, "models") && (part_is(path, 4, "load") || part_is(path, 4, "unload"));
}

/* Bodies are optional, and objects. NULL: there is none, or (`wrong`) it is something else. */
static json_t *read_body(const route_request *request, bool *wrong)
{
    json_error_t why;
    if (request->body_bytes == 0)
        return NULL;
    json_t *root = json_loadb(request->body, request->body_bytes, JSON_REJECT_DUPLICATES, &why);
    *wrong = !json_is_object(root);
    if (!*wrong)
        return root;
    json_decref(root);
    return NULL;
}

/* Triton's clients may send a configuration or the files themselves; here a model is what lies in
 * the folder. */
static bool has_overrides(const json_t *body)
{
    const char *key;
    json_t *value;
    /* NOLINTNEXTLINE(bugprone-assignment-in-if-condition): jansson's own macro */
    json_object_foreach(json_object_get(body, "parameters"), key,
                        value) if (strcmp(key, "config") == 0 ||
                                   strncmp(key, "file:", 5) == 0) return true;
    return false;
}

static desk_task *make_task(const route_path *path, route_reply *reply)
{
    desk_task *task = NULL;
    if (strlen(path->part[3]) > DESK_NAME_MAX)
        route_error(reply, 404, "no model has a name of that length");
    else if (!(task = calloc(1, sizeof *task)))
        route_error(reply, 503, "no memory for a request");
    if (!task)
        return NULL;
    strcpy(task->name, path->part[3]);
    task->action = part_is(path, 4, "load") ? DESK_LOAD : DESK_UNLOAD;
    return task;
}

desk_task *repository_route_start(service *s, const route_request *request, route_reply *reply)
{
    bool wrong = false;
    cosrel_error err = {""};
    reply->type = "application/json";
    if (strcmp(request->method, "POST") != 0) {
        route_error(reply, 405, "models are loaded and unloaded with POST");
        return NULL;
    }
    if (!(request->rights & AUTH_ADMIN)) {
        route_forbid(reply, request->rights);
        return NULL;
    }
    json_t *body = read_body(request, &wrong);
    const bool overrides = has_overrides(body);
    json_decref(body);
    if (wrong || overrides) {
        route_error(reply, 400,
                    wrong ? "the body is not a JSON object"
                          : "parameters config and file: are not offered; a model is what lies in "
                            "the folder of models");
        return NULL;
    }
    desk_task *task = make_task(&request->path, reply);
    if (!task)
        return NULL;
    const cosrel_status status = desk_start(s->desk, task, &err);
    if (status == COSREL_OK)
        return task;
    free(task);
    route_error(reply, cosrel_status_http(status), err.text);
    return NULL;
}

void repository_route_finish(const desk_task *task, route_reply *reply)
{
    reply->type = "application/json";
    if (task->status != COSREL_OK)
        route_error(reply, cosrel_status_http(task->status), task->err.text);
}

void repository_route_index(service *s, const route_request *request, route_reply *reply)
{
    bool wrong = false;
    cosrel_error err = {""};
    desk_list list = {.items = NULL};
    text_builder *out = &reply->body;
    json_t *body = read_body(request, &wrong);
    const bool ready_only = json_is_true(json_object_get(body, "ready"));
    json_decref(body);
    if (wrong) {
        route_error(reply, 400, "the body is not a JSON object");
        return;
    }
    const cosrel_status status = desk_look(s->desk, ready_only, &list, &err);
    if (status != COSREL_OK) {
        route_error(reply, cosrel_status_http(status), err.text);
        return;
    }
    text_add(out, "[");
    for (size_t i = 0; i < list.count; i++) {
        const desk_item *item = &list.items[i];
        text_add(out, i ? ",{\"name\":" : "{\"name\":");
        text_add_json(out, item->name);
        text_addf(out,
                  ",\"version\":\"%lld\",\"state\":\"%s\",\"reason\":", (long long)item->version,
                  desk_state_name(item->state));
        text_add_json(out, item->reason);
        text_add(out, "}");
    }
    text_add(out, "]");
    desk_list_deinit(&list);
}
