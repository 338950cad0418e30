#include "server/live_http.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/error.h"
#include "server/http_head.h"
#include "server/live.h"
#include "server/live_assets.h"
#include "server/routes.h"

#define EVENTS_URL    "/live/events"
#define OBJECTIVE_URL "/live/objective"

enum {
    OBJECTIVE_BODY_MAX = 4096,
    BLOCK_BYTES = 8192,
    /* The kernel's buffer for a viewer (chosen): what lies there is out of date before it is seen,
     * and cannot be left out any more. */
    SEND_BUFFER_BYTES = 64 << 10,
};

/* One answer without end. */
typedef struct stream {
    live_http *h;
    live_viewer *viewer;
    struct MHD_Connection *connection;
    request_note *note;
    bool suspended;
    struct stream *next, *before;
} stream;

struct live_http {
    service *shared;
    live *picture;
    stream *streams;
    bool ended;
};

/* ---- Answers ---- */

static void add_headers(struct MHD_Response *response, const char *type, const char *cache)
{
    static const char policy[] = "default-src 'self'; base-uri 'none'; form-action 'none'; "
                                 "frame-ancestors 'none'; object-src 'none'";
    if (type)
        MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", cache);
    MHD_add_response_header(response, "Content-Security-Policy", policy);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
}

static enum MHD_Result respond(const live_request *request, int status,
                               struct MHD_Response *response)
{
    http_head_echo(request->connection, response);
    note_status(request->note, status, NULL, NULL);
    const enum MHD_Result result = MHD_queue_response(request->connection, (unsigned)status,
                                                      response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result respond_json(const live_request *request, route_reply *reply)
{
    request->note->bytes_out = reply->body.length;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        reply->body.length, reply->body.data, MHD_RESPMEM_MUST_COPY);
    text_deinit(&reply->body);
    if (!response)
        return MHD_NO;
    add_headers(response, "application/json", "no-store");
    if (reply->status == 503)
        MHD_add_response_header(response, "Retry-After", "5");
    return respond(request, reply->status, response);
}

static enum MHD_Result respond_error(const live_request *request, int status, const char *why)
{
    route_reply reply = {.status = status};
    route_error(&reply, status, why);
    return respond_json(request, &reply);
}

static enum MHD_Result send_asset(const live_request *request, const live_asset *asset)
{
    char hash[20], tag[24];
    live_asset_tag(asset, hash, sizeof hash);
    snprintf(tag, sizeof tag, "\"%s\"", hash);
    const char *known = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                                    MHD_HTTP_HEADER_IF_NONE_MATCH);
    const bool same = known && strstr(known, tag);
    /* The library only reads it. */
    struct MHD_Response *response = MHD_create_response_from_buffer(
        same ? 0 : *asset->bytes, (void *)(uintptr_t)asset->data, MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    add_headers(response, same ? NULL : asset->type, "no-cache"); /* asks each time: 304 mostly */
    MHD_add_response_header(response, "ETag", tag);
    request->note->bytes_out = same ? 0 : *asset->bytes;
    return respond(request, same ? 304 : 200, response);
}

static bool may_administer(const auth *who)
{
    for (int i = 0; i < who->count; i++)
        if (who->tokens[i].rights & AUTH_ADMIN)
            return true;
    return false;
}

/* ---- The stream ---- */

static ssize_t read_stream(void *user, uint64_t place, char *out, size_t room)
{
    stream *s = user;
    (void)place;
    if (s->h->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    const size_t bytes = live_read(s->viewer, out, room);
    if (bytes == 0) {
        s->suspended = true;
        MHD_suspend_connection(s->connection);
    }
    s->note->bytes_out += bytes;
    return (ssize_t)bytes;
}

static void resume(stream *s)
{
    if (!s->suspended)
        return;
    s->suspended = false;
    MHD_resume_connection(s->connection);
}

static void wake(void *viewer_user)
{
    resume(viewer_user);
}

static void free_stream(void *user)
{
    stream *s = user;
    live_leave(s->viewer);
    if (s->next)
        s->next->before = s->before;
    if (s->before)
        s->before->next = s->next;
    else
        s->h->streams = s->next;
    free(s);
}

static cosrel_status open_stream(live_http *h, const live_request *request, stream **out,
                                 cosrel_error *err)
{
    stream *s = *out = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for one more viewer");
    const cosrel_status status = live_join(h->picture, s, &s->viewer, err);
    if (status != COSREL_OK) {
        free(s);
        return status;
    }
    s->h = h;
    s->connection = request->connection;
    s->note = request->note;
    s->next = h->streams;
    if (s->next)
        s->next->before = s;
    h->streams = s;
    return COSREL_OK;
}

static enum MHD_Result send_stream(live_http *h, const live_request *request)
{
    stream *s;
    cosrel_error err = {""};
    if (h->ended)
        return respond_error(request, 503, "the server ends");
    const cosrel_status status = open_stream(h, request, &s, &err);
    if (status != COSREL_OK)
        return respond_error(request, cosrel_status_http(status), err.text);
    struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES,
                                                                      read_stream, s, free_stream);
    if (!response) {
        free_stream(s);
        return MHD_NO;
    }
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const int bytes = SEND_BUFFER_BYTES;
    if (info)
        setsockopt(info->connect_fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    add_headers(response, "text/event-stream", "no-store");
    MHD_add_response_header(response, "X-Accel-Buffering", "no"); /* else nginx keeps it back */
    return respond(request, 200, response);
}

/* ---- The objective ---- */

static cosrel_status set_objective(live_http *h, const char *name, cosrel_error *err)
{
    if (!name)
        return error_set(err, COSREL_INVALID_ARGUMENT, "expected {\"objective\": NAME}");
    const cosrel_status status = cosrel_runtime_set_objective(h->shared->rt, name, err);
    const char *known;
    for (size_t i = 0; status == COSREL_OK && (known = cosrel_objective_at(i)) != NULL; i++)
        if (strcmp(known, name) == 0)
            h->shared->objective = known;
    return status;
}

static enum MHD_Result change_objective(live_http *h, const live_request *request)
{
    route_reply reply = {.status = 200};
    cosrel_error err = {""};
    if (!(request->rights & AUTH_ADMIN))
        return respond_error(request, 403,
                             may_administer(&h->shared->who)
                                 ? "the admin token is missing or wrong"
                                 : "this server was started without an admin token");
    json_t *json = request->body_bytes ? json_loadb(request->body, request->body_bytes, 0, NULL)
                                       : NULL;
    const char *name = json_string_value(json_object_get(json, "objective"));
    const cosrel_status status = set_objective(h, name, &err);
    if (status == COSREL_OK) {
        text_add(&reply.body, "{\"objective\":");
        text_add_json(&reply.body, name);
        text_add(&reply.body, "}");
    } else {
        route_error(&reply, cosrel_status_http(status), err.text);
    }
    json_decref(json);
    return respond_json(request, &reply);
}

/* ---- Routes ---- */

bool live_http_has(const char *url, size_t *body_max)
{
    const bool objective = strcmp(url, OBJECTIVE_URL) == 0;
    if (!objective && strcmp(url, EVENTS_URL) != 0 && !live_asset_find(url))
        return false;
    *body_max = objective ? OBJECTIVE_BODY_MAX : 0;
    return true;
}

enum MHD_Result live_http_answer(live_http *h, const live_request *request)
{
    const live_asset *asset = live_asset_find(request->url);
    const bool get = strcmp(request->method, "GET") == 0;
    if (strcmp(request->url, OBJECTIVE_URL) == 0)
        return strcmp(request->method, "POST") == 0
                   ? change_objective(h, request)
                   : respond_error(request, 405, "the objective is changed with POST");
    if (!get && !(asset && strcmp(request->method, "HEAD") == 0))
        return respond_error(request, 405, "this route is read with GET");
    if (asset)
        return send_asset(request, asset);
    if (!(request->rights & AUTH_READ)) {
        route_reply reply = {.status = 401};
        route_forbid(&reply, request->rights);
        return respond_json(request, &reply);
    }
    return send_stream(h, request);
}

/* ---- Its life ---- */

cosrel_status live_http_create(service *shared, live_http **out, cosrel_error *err)
{
    live_http *h = *out = calloc(1, sizeof *h);
    if (!h)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the live picture");
    h->shared = shared;
    const cosrel_status status = live_create(shared->rt, may_administer(&shared->who), wake,
                                             &h->picture, err);
    if (status != COSREL_OK) {
        free(h);
        *out = NULL;
    }
    return status;
}

void live_http_end(live_http *h)
{
    if (!h)
        return;
    h->ended = true;
    for (stream *s = h->streams; s; s = s->next)
        resume(s);
}

void live_http_free(live_http *h)
{
    if (!h)
        return;
    live_free(h->picture);
    free(h);
}

void live_http_tick(live_http *h)
{
    if (live_viewers(h->picture) > 0)
        live_tick(h->picture, clock_now_ns());
}

int live_http_due_ms(const live_http *h)
{
    return live_viewers(h->picture) > 0 ? live_due_ms(h->picture, clock_now_ns()) : -1;
}
