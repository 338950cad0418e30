#include "server/http.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "server/http_call.h"
#include "server/http_head.h"
#include "server/http_peers.h"
#include "server/http_tls.h"
#include "server/infer_answer.h"
#include "server/listen.h"
#include "server/live_http.h"
#include "server/repository_routes.h"
#include "server/routes.h"

enum {
    CONNECTION_S = 120,   /* without a byte in either direction (chosen: longer than clients' pools
                             keep one; a suspended one does not count) */
    HEADER_MAX = 8 << 10, /* published: what nginx, Apache and gRPC take */
    BODY_BYTES_PER_S = 8 << 10, /* at least, beyond the patience (chosen: below any network that
                                   carries tensors) */
    BESIDE_HEADERS = 8 << 10,   /* of libmicrohttpd's memory for a connection: for the answer's
                                   headers and for reading the body (chosen: 1000 idle connections
                                   stay small) */
};
#define BODY_MAX       ((size_t)64 << 20)
#define PATIENCE_NS    INT64_C(60000000000) /* as over gRPC */
#define CONNECTION_MAX 1024

struct http_server {
    struct MHD_Daemon *daemon;
    service *shared;
    http_tls *tls; /* NULL: clear text */
    live_http *live;
    host_names names;
    size_t header_max;
    int64_t patience_ns;
    http_calls calls;
    int listen_fd, port, epoll_fd;
    http_peers peers;
    int inferences; /* from their first header to the last byte of their answer */
};

/* ---- Inference ---- */

static void find_model(http_call *c, const char *name, int64_t version)
{
    char why[512];
    c->infer.version = version;
    c->infer.model = version < 0 ? NULL
                                 : cosrel_runtime_find_model(c->pool->shared->rt, name, version);
    if (c->infer.model)
        return;
    snprintf(why, sizeof why, "there is no %smodel '%.200s'", version ? "such version of a " : "",
             name);
    http_call_refuse(c, 404, why);
}

/* A byte now and then keeps the library's timeout away; so much as to be worth a place it must be.
 */
static bool is_too_slow(const http_call *c)
{
    const http_server *s = c->owner;
    const double seconds = (double)c->note.bytes_in / BODY_BYTES_PER_S;
    return (double)(clock_now_ns() - c->began_ns) > (double)s->patience_ns + seconds * 1e9;
}

/* Of an inference whose JSON is there. */
static void read_request(http_call *c)
{
    cosrel_error err = {""};
    http_body *b = &c->body;
    const cosrel_status status = infer_json_read(b->data, b->json_bytes, b->data + b->json_bytes,
                                                 http_body_binary_bytes(b), &c->infer.request,
                                                 &err);
    c->is_read = true;
    note_id(&c->note, c->infer.request.id);
    if (status == COSREL_OK)
        http_body_lend(b, c->infer.model, &c->infer.request);
    else
        http_call_refuse(c, cosrel_status_http(status), err.text);
}

/* False: more to a request that is refused than is worth reading. */
static bool take_piece(http_call *c, const char *data, size_t bytes)
{
    if (c->refused || c->deaf)
        return http_body_discard(&c->body, bytes);
    const http_fault fault = http_body_add(&c->body, data, bytes);
    http_call_refuse_for(c, &fault);
    return true;
}

/* The JSON says where what comes behind it goes. False: that is enough; or the client is too slow.
 */
static bool take_body(http_call *c, const char *data, size_t bytes)
{
    const size_t json = c->inference ? http_body_json_left(&c->body) : 0;
    c->note.bytes_in += bytes;
    if (is_too_slow(c))
        return false;
    if (json == 0 || json > bytes)
        return take_piece(c, data, bytes);
    const bool go_on = take_piece(c, data, json);
    if (!c->refused && !c->deaf)
        read_request(c);
    return go_on && take_piece(c, data + json, bytes - json);
}

static void answered(infer_call *call);

/* The body is in. True: it is under way, and will be answered when it is finished. */
static bool start(http_call *c)
{
    cosrel_error err = {""};
    const http_fault fault = http_body_end(&c->body);
    http_call_refuse_for(c, &fault);
    if (!c->refused && !c->is_read)
        read_request(c);
    if (c->refused)
        return false;
    c->infer.rt = c->pool->shared->rt;
    c->infer.regions = &c->pool->shared->regions;
    c->infer.counts = &c->pool->shared->counts;
    c->infer.finished = &c->pool->shared->finished;
    c->infer.answered = answered;
    c->infer.owner = c;
    const cosrel_status status = infer_call_start(&c->infer, &err);
    if (status != COSREL_OK)
        http_call_refuse(c, cosrel_status_http(status), err.text);
    return status == COSREL_OK;
}

static void note_under_way(http_server *s, http_call *c)
{
    c->state = HTTP_UNDER_WAY;
    s->shared->under_way++;
}

static void note_finished(http_server *s, http_call *c)
{
    c->state = HTTP_FINISHED;
    s->shared->under_way--;
}

static void answered(infer_call *call)
{
    http_call *c = call->owner;
    note_finished(c->owner, c);
    tally_result(&c->pool->shared->counts, call->model, call->result);
    MHD_resume_connection(c->connection);
}

/* ---- Loading and unloading ---- */

static void changed(desk_task *task)
{
    http_call *c = task->owner;
    c->state = HTTP_FINISHED;
    MHD_resume_connection(c->connection);
}

/* It may take seconds: the connection rests until it is done. */
static enum MHD_Result change_models(http_call *c, const route_request *request)
{
    route_reply reply = {.status = 200};
    c->task = repository_route_start(c->pool->shared, request, &reply);
    if (!c->task)
        return http_call_send(c, &reply, NULL);
    c->task->done = changed;
    c->task->owner = c;
    c->state = HTTP_UNDER_WAY;
    MHD_suspend_connection(c->connection);
    return MHD_YES;
}

static enum MHD_Result answer_change(http_call *c)
{
    route_reply reply = {.status = 200};
    repository_route_finish(c->task, &reply);
    return http_call_send(c, &reply, NULL);
}

/* ---- Other routes ---- */

static enum MHD_Result answer_route(http_call *c, const char *url, const char *method)
{
    route_request request = {
        .method = method, .rights = c->rights, .body = c->body.data, .body_bytes = c->body.bytes};
    route_reply reply = {.status = 200};
    if (c->forbidden)
        route_forbid(&reply, c->rights);
    else if (!route_split(url, &request.path))
        route_error(&reply, 404, "there is no such route");
    else if (repository_route_has(&request.path))
        return change_models(c, &request);
    else
        route_answer(c->pool->shared, &request, &reply);
    return http_call_send(c, &reply, NULL);
}

/* ---- libmicrohttpd's callbacks ---- */

/* A client that says no more: its request is not run any more, or will never be there. An answer
 * that is on its way goes on, as it may still be read. */
static void client_has_gone(http_peer *peer)
{
    http_call *c = peer->call;
    if (!c || c->state == HTTP_READING)
        http_peer_end(peer);
    else if (c->state == HTTP_UNDER_WAY && !c->task)
        infer_call_cancel(&c->infer);
}

void http_look_for_gone(http_server *s)
{
    if (s->tls)
        http_tls_look(s->tls, clock_now_ns());
    http_peers_look(&s->peers, client_has_gone);
    http_peers_end_fresh(&s->peers, clock_now_ns() - s->patience_ns);
}

/* Under TLS a connection that could not be noted gets no certificate: it fails. */
static void connection_changed(void *user, struct MHD_Connection *connection, void **context,
                               enum MHD_ConnectionNotificationCode what)
{
    http_server *s = user;
    const bool begins = what == MHD_CONNECTION_NOTIFY_STARTED;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (begins)
        *context = info ? http_peers_add(&s->peers, info->connect_fd, clock_now_ns()) : NULL;
    http_peer *peer = *context;
    if (peer && s->tls)
        http_tls_notify(s->tls, connection, &peer->tls, what);
    if (begins)
        return;
    http_peers_remove(&s->peers, peer);
    *context = NULL;
}

static http_peer *watched(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* A refused body that the client would send only if it were asked to, or that is too much to be
 * read for nothing, is not waited for; the library then ends the connection with the answer. */
static bool answers_at_once(const http_call *c)
{
    const char *expected = MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND,
                                                       MHD_HTTP_HEADER_EXPECT);
    if (!c->refused && !c->forbidden)
        return false;
    return (expected && strcasecmp(expected, "100-continue") == 0) ||
           http_body_is_too_long(&c->body);
}

/* "%00" would end the path, and "%2f" would divide it, for whoever reads it after the library has
 * decoded it, though not for whoever read it before: such a path stays as it is, and is no
 * route. */
static size_t decode(void *user, struct MHD_Connection *connection, char *text)
{
    (void)user, (void)connection;
    return strstr(text, "%00") || strstr(text, "%2f") || strstr(text, "%2F")
               ? strlen(text)
               : MHD_http_unescape(text);
}

/* Whom the request asks for what, and whether it may; the answer comes when its body is there. */
static void receive(http_call *c, const char *url, const char *method, const http_head *head)
{
    http_server *s = c->owner;
    route_path path;
    const char *name;
    int64_t version;
    if (!route_split(url, &path)) {
        http_call_refuse(c, 404, "there is no such route");
        return;
    }
    c->live = live_http_has(url, &c->body.max);
    c->inference = route_model(&path, "infer", &name, &version);
    s->inferences += c->inference;
    if (c->inference && !(c->rights & AUTH_INFER))
        c->forbidden = true;
    else if (c->inference)
        find_model(c, name, version);
    c->deaf = c->forbidden || c->rights == AUTH_NOTHING;
    if (c->inference && strcmp(method, "POST") != 0)
        http_call_refuse(c, 405, "an inference is asked for with POST");
    if (c->inference && !c->forbidden && !c->refused &&
        !clients_enter(&s->shared->clients, head->token, &c->note.peer, &c->client))
        http_call_refuse_as_full(c, TALLY_CLIENT, 429,
                                 "this client has as many requests in flight as it may");
    const http_fault fault = http_body_expect(&c->body, c->connection, !c->refused && !c->deaf);
    http_call_refuse_for(c, &fault);
}

static enum MHD_Result begin(http_server *s, struct MHD_Connection *connection, const char *url,
                             const char *method, void **state)
{
    const char *why;
    http_head head;
    http_call *c = http_call_take(&s->calls, connection);
    *state = c;
    if (!c)
        return MHD_NO;
    c->owner = s;
    c->began_ns = clock_now_ns();
    c->peer = watched(connection);
    if (c->peer) {
        http_peers_asks(&s->peers, c->peer);
        c->peer->call = c;
        c->peer->looks = 0;
    }
    note_method(&c->note, method);
    note_path(&c->note, url);
    const int wrong = http_head_read(connection, s->shared, &s->names, s->header_max, &head,
                                     &c->note, &why);
    c->rights = head.rights;
    c->counted = wrong != 0;
    if (wrong)
        http_call_refuse(c, wrong, why);
    else
        receive(c, url, method, &head);
    if (!answers_at_once(c))
        return MHD_YES;
    c->state = HTTP_FINISHED;
    return c->refused ? http_call_answer(c) : answer_route(c, url, method);
}

static enum MHD_Result handle(void *user, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *bytes, void **state)
{
    http_server *s = user;
    http_call *c = *state;
    (void)version;
    if (!c)
        return begin(s, connection, url, method, state);
    if (*bytes) {
        const bool go_on = take_body(c, data, *bytes);
        *bytes = 0;
        return go_on ? MHD_YES : MHD_NO;
    }
    if (c->state == HTTP_READING && !c->refused && c->inference && !c->forbidden && start(c)) {
        if (!c->infer.at_once) {
            note_under_way(s, c);
            MHD_suspend_connection(connection);
            return MHD_YES;
        }
        tally_result(&s->shared->counts, c->infer.model, c->infer.result);
    }
    c->state = HTTP_FINISHED;
    if (c->task)
        return answer_change(c);
    if (c->refused || c->infer.result)
        return http_call_answer(c);
    if (c->live)
        return live_http_answer(s->live, &(live_request){.url = url,
                                                         .method = method,
                                                         .connection = connection,
                                                         .note = &c->note,
                                                         .rights = c->rights,
                                                         .body = c->body.data,
                                                         .body_bytes = c->body.bytes});
    return answer_route(c, url, method);
}

static void completed(void *user, struct MHD_Connection *connection, void **state,
                      enum MHD_RequestTerminationCode code)
{
    http_server *s = user;
    http_call *c = *state;
    (void)connection;
    if (!c)
        return;
    if (!c->note.answered)
        note_status(&c->note, cosrel_status_http(COSREL_CANCELLED), NULL, NULL);
    note_end(&c->note, c->pool->shared, "http", c->inference ? &c->infer : NULL,
             code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    s->inferences -= c->inference;
    if (c->peer)
        c->peer->call = NULL;
    http_call_give(c);
    *state = NULL;
}

/* ---- The server ---- */

static cosrel_status start_daemon(http_server *s, const http_options *options, cosrel_error *err)
{
    struct MHD_OptionItem more[HTTP_TLS_OPTIONS + 1] = {{MHD_OPTION_END, 0, NULL}};
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
    if (s->tls) {
        http_tls_options(more);
        flags |= MHD_USE_TLS;
    }
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, handle, s, MHD_OPTION_LISTEN_SOCKET, s->listen_fd,
        MHD_OPTION_CONNECTION_LIMIT,
        options->connection_max ? options->connection_max : (unsigned)CONNECTION_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, s->header_max + BESIDE_HEADERS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_S, MHD_OPTION_UNESCAPE_CALLBACK, decode,
        NULL, MHD_OPTION_NOTIFY_COMPLETED, completed, s, MHD_OPTION_NOTIFY_CONNECTION,
        connection_changed, s, MHD_OPTION_ARRAY, more, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        s->daemon ? MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    s->epoll_fd = info ? info->epoll_fd : -1;
    return info ? COSREL_OK : error_set(err, COSREL_INTERNAL, "the HTTP library did not start");
}

cosrel_status http_create(const http_options *options, service *shared, http_server **out,
                          cosrel_error *err)
{
    http_server *s = calloc(1, sizeof *s);
    *out = s;
    if (!s)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the server");
    s->shared = shared;
    s->calls.shared = shared;
    s->calls.body_max = options->body_max ? options->body_max : BODY_MAX;
    s->header_max = options->header_max ? options->header_max : HEADER_MAX;
    s->patience_ns = options->patience_ns ? options->patience_ns : PATIENCE_NS;
    s->listen_fd = s->peers.epoll_fd = -1;
    cosrel_status status = listen_on(options->address, &s->listen_fd, &s->port, err);
    if (status == COSREL_OK)
        status = hosts_init(&s->names, options->allow_hosts, peer_listens_on_loopback(s->listen_fd),
                            err);
    if (status == COSREL_OK)
        status = http_peers_init(&s->peers, err);
    if (status == COSREL_OK)
        status = live_http_create(shared, &s->live, err);
    if (status == COSREL_OK && shared->tls)
        status = http_tls_create(shared->tls, &s->tls, err);
    if (status == COSREL_OK)
        status = start_daemon(s, options, err);
    if (status == COSREL_OK)
        return COSREL_OK;
    http_free(s);
    *out = NULL;
    return status;
}

void http_free(http_server *s)
{
    if (!s)
        return;
    live_http_end(s->live);
    if (s->tls)
        http_tls_end(s->tls);
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    else if (s->listen_fd >= 0)
        close(s->listen_fd);
    http_tls_free(s->tls);
    http_peers_deinit(&s->peers);
    live_http_free(s->live);
    http_calls_deinit(&s->calls);
    free(s);
}

int http_port(const http_server *s)
{
    return s->port;
}

int http_epoll_fd(const http_server *s)
{
    return s->epoll_fd;
}

int http_handshakes_fd(const http_server *s)
{
    return s->tls ? http_tls_epoll_fd(s->tls) : -1;
}

void http_run(http_server *s)
{
    live_http_tick(s->live);
    if (s->tls)
        http_tls_before(s->tls);
    MHD_run(s->daemon);
    if (s->tls)
        http_tls_after(s->tls);
}

int http_timeout_ms(http_server *s)
{
    MHD_UNSIGNED_LONG_LONG timeout;
    const int live_ms = live_http_due_ms(s->live);
    if (MHD_get_timeout(s->daemon, &timeout) != MHD_YES)
        return live_ms;
    const int own_ms = timeout < 1000000 ? (int)timeout : 1000000;
    return live_ms >= 0 && live_ms < own_ms ? live_ms : own_ms;
}

int http_inferences(const http_server *s)
{
    return s->inferences;
}

void http_drain(http_server *s)
{
    const int fd = MHD_quiesce_daemon(s->daemon);
    if (fd >= 0)
        close(fd);
    s->listen_fd = -1;
    live_http_end(s->live);
}
