#include "server/grpc_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "server/grpc_connection.h"
#include "server/grpc_infer.h"

enum {
    FREE_MAX = 32,          /* calls that are kept for later ones */
    KEPT_BYTES = 256 << 10, /* of copied tensors */
};

/* ---- Calls come and go ---- */

grpc_call *grpc_call_begin(grpc_calls_shared *shared, grpc_connection *connection, int32_t stream)
{
    grpc_call *call = shared->free_calls;
    if (shared->call_count >= shared->call_max)
        return NULL;
    if (call) {
        shared->free_calls = call->next;
        shared->free_count--;
    } else if (!(call = calloc(1, sizeof *call))) {
        return NULL;
    }
    shared->call_count++;
    call->shared = shared;
    call->connection = connection;
    call->stream = stream;
    call->state = GRPC_READING;
    call->method = NULL;
    call->rights = auth_find(&shared->service->who, NULL, &call->token);
    call->is_post = call->is_grpc = call->timeout_is_wrong = call->ended = call->whole = false;
    call->held = call->header_bytes = 0;
    call->client = NULL;
    note_begin(&call->note, shared->service);
    call->note.peer = connection->peer;
    call->task = NULL;
    call->deadline_ns = 0;
    call->moved_ns = shared->now_ns;
    grpc_connection_add(connection, call);
    return call;
}

static void destroy(grpc_call *call)
{
    infer_call_deinit(&call->infer);
    grpc_answer_deinit(&call->answer);
    grpc_message_deinit(&call->message);
    arena_deinit(&call->memory);
    free(call);
}

/* What the request took is not needed for its answer. */
static void let_request_go(grpc_call *call)
{
    bodies_give(&call->shared->service->bodies, call->held);
    call->held = 0;
    grpc_message_clear(&call->message);
    arena_deinit(&call->memory);
}

static void give(grpc_call *call)
{
    grpc_calls_shared *shared = call->shared;
    shared->call_count--;
    shared->busy -= call->state != GRPC_READING;
    if (!call->note.answered)
        note_status(&call->note, 0, grpc_code_name(GRPC_CANCELLED), NULL);
    note_end(&call->note, shared->service, "grpc", &call->infer, call->whole);
    clients_leave(&shared->service->clients, call->client);
    infer_call_clear(&call->infer);
    if (call->infer.memory_room > KEPT_BYTES)
        infer_call_deinit(&call->infer);
    grpc_answer_clear(&call->answer);
    let_request_go(call);
    if (shared->free_count == FREE_MAX) {
        destroy(call);
        return;
    }
    call->next = shared->free_calls;
    shared->free_calls = call;
    shared->free_count++;
}

void grpc_calls_deinit(grpc_calls_shared *shared)
{
    while (shared->free_calls) {
        grpc_call *call = shared->free_calls;
        shared->free_calls = call->next;
        destroy(call);
    }
    shared->free_count = 0;
}

void grpc_call_closed(grpc_call *call)
{
    grpc_connection_remove(call->connection, call);
    call->connection = NULL;
    if (call->state == GRPC_UNDER_WAY && !call->task)
        infer_call_cancel(&call->infer);
    else if (call->state != GRPC_UNDER_WAY)
        give(call);
}

/* ---- Answers ---- */

static nghttp2_nv constant(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)name,
                        .value = (uint8_t *)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value),
                        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

static nghttp2_nv copied(const char *name, const char *value)
{
    nghttp2_nv nv = constant(name, value);
    nv.flags = NGHTTP2_NV_FLAG_NO_COPY_NAME;
    return nv;
}

static void enter(grpc_call *call, grpc_state state)
{
    call->shared->busy += call->state == GRPC_READING;
    call->state = state;
    call->moved_ns = call->shared->now_ns;
}

static void submit(grpc_call *call, const nghttp2_nv *headers, size_t count,
                   const nghttp2_data_provider *provider)
{
    nghttp2_session *session = grpc_connection_session(call->connection);
    enter(call, GRPC_ANSWERING);
    if (nghttp2_submit_response(session, call->stream, headers, count, provider) != 0)
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, call->stream,
                                        NGHTTP2_INTERNAL_ERROR);
    grpc_connection_touch(call->connection);
}

/* Not gRPC at all: plain HTTP says so. */
static void refuse_http(grpc_call *call, const char *status)
{
    const nghttp2_nv headers[] = {constant(":status", status)};
    note_status(&call->note, atoi(status), NULL, NULL);
    submit(call, headers, 1, NULL);
}

enum { HEADERS_COUNT = 8 };

/* What every answer begins with, and the request's id where it came in the metadata. */
static size_t first_headers(const grpc_call *call, nghttp2_nv headers[HEADERS_COUNT])
{
    size_t count = 0;
    headers[count++] = constant(":status", "200");
    headers[count++] = constant("content-type", "application/grpc");
    headers[count++] = constant("grpc-accept-encoding", "identity");
    if (call->note.header_id[0])
        headers[count++] = copied("x-request-id", call->note.header_id);
    return count;
}

/* The outcome alone, in headers that are trailers too. later: for how long clients should wait
 * before they try again, as HTTP says it and as gRPC's retries read it (proposal A6). */
static void refuse_with(grpc_call *call, grpc_code code, const char *why, bool later)
{
    char number[8], message[1024];
    nghttp2_nv headers[HEADERS_COUNT];
    size_t count = first_headers(call, headers);
    snprintf(number, sizeof number, "%d", (int)code);
    grpc_encode_message(why, message, sizeof message);
    headers[count++] = copied("grpc-status", number);
    headers[count++] = copied("grpc-message", message);
    if (later) {
        headers[count++] = constant("retry-after", "1");
        headers[count++] = constant("grpc-retry-pushback-ms", "1000");
    }
    note_status(&call->note, 0, grpc_code_name(code), why);
    submit(call, headers, count, NULL);
    let_request_go(call);
}

static void refuse(grpc_call *call, grpc_code code, const char *why)
{
    refuse_with(call, code, why, false);
}

/* What the runtime or a message says. */
static void refuse_as(grpc_call *call, cosrel_status status, const char *why)
{
    refuse_with(call, grpc_code_of(status), why,
                status == COSREL_QUEUE_FULL || status == COSREL_UNAVAILABLE);
}

/* The server has too much to do, whatever the model. */
static void refuse_as_full(grpc_call *call, tally_refusal kind, const char *why)
{
    call->shared->service->counts.refusals[kind]++;
    refuse_with(call, GRPC_RESOURCE_EXHAUSTED, why, true);
}

/* grpc_connection.c fetches the bytes when it can send them. */
/* NOLINTNEXTLINE(readability-non-const-parameter): nghttp2 says what it looks like */
static ssize_t offer(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t bytes_max,
                     uint32_t *flags, nghttp2_data_source *source, void *user)
{
    const grpc_call *call = source->ptr;
    const size_t left = call->answer.bytes_left;
    (void)buffer, (void)user;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (left > bytes_max)
        return (ssize_t)bytes_max;
    const nghttp2_nv trailers[] = {constant("grpc-status", "0")};
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (nghttp2_submit_trailer(session, stream, trailers, 1) != 0)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return (ssize_t)left;
}

static void send_answer(grpc_call *call)
{
    nghttp2_nv headers[HEADERS_COUNT];
    const size_t count = first_headers(call, headers);
    const nghttp2_data_provider provider = {.source.ptr = call, .read_callback = offer};
    note_status(&call->note, 0, grpc_code_name(GRPC_OK), NULL);
    call->note.bytes_out = call->answer.bytes_left;
    submit(call, headers, count, &provider);
    let_request_go(call);
}

static void send_outcome(grpc_call *call, cosrel_status status, const cosrel_error *err)
{
    if (status == COSREL_OK)
        send_answer(call);
    else
        refuse_as(call, status, err->text);
}

/* ---- Inference ---- */

/* The runtime has answered. */
static void answered(infer_call *infer)
{
    grpc_call *call = infer->owner;
    const cosrel_result *result = infer->result;
    cosrel_error err = {""};
    call->shared->service->under_way--;
    tally_result(&call->shared->service->counts, infer->model, result);
    if (!call->connection) {
        give(call);
        return;
    }
    if (result->status != COSREL_OK) {
        refuse_as(call, result->status, result->message);
        return;
    }
    infer_call_sends(infer);
    cosrel_status status = infer_call_check_regions(infer, &err);
    if (status == COSREL_OK)
        status = grpc_answer_infer(&call->answer, infer, &err);
    send_outcome(call, status, &err);
}

/* The shorter of grpc-timeout, of which some has gone, and the parameter. False: it has passed. */
static bool set_timeout(grpc_call *call)
{
    infer_request *r = &call->infer.request;
    if (!call->deadline_ns)
        return true;
    const int64_t left_us = (call->deadline_ns - call->shared->now_ns) / 1000;
    if (left_us <= 0)
        return false;
    if (r->timeout_us == 0 || left_us < r->timeout_us)
        r->timeout_us = left_us;
    return true;
}

static cosrel_status start(grpc_call *call, cosrel_error *err)
{
    infer_call *infer = &call->infer;
    const char *model, *version;
    infer->rt = call->shared->service->rt;
    infer->regions = &call->shared->service->regions;
    infer->counts = &call->shared->service->counts;
    infer->finished = &call->shared->service->finished;
    infer->answered = answered;
    infer->owner = call;
    cosrel_status status = grpc_infer_read(call->message.data, call->message.bytes, &call->memory,
                                           &infer->request, &model, &version, err);
    if (status != COSREL_OK)
        return status;
    infer_rows_point(&call->message.rows.rows, call->message.data, &infer->request);
    note_id(&call->note, infer->request.id);
    if (!text_to_int64(version, &infer->version))
        infer->version = 0; /* "": any */
    infer->model = grpc_find_model(infer->rt, model, version, err);
    if (!infer->model)
        return COSREL_NOT_FOUND;
    if (!set_timeout(call))
        return error_set(err, COSREL_DEADLINE_EXCEEDED,
                         "the deadline passed before the request "
                         "was there");
    return infer_call_start(infer, err);
}

static void infer(grpc_call *call)
{
    cosrel_error err = {""};
    const cosrel_status status = start(call, &err);
    if (status == COSREL_OK) {
        enter(call, GRPC_UNDER_WAY);
        call->shared->service->under_way++;
        if (call->infer.at_once)
            answered(&call->infer);
        return;
    }
    tally_refused(&call->shared->service->counts, call->infer.model, status);
    refuse_as(call, status, err.text);
}

static void tell(grpc_call *call)
{
    cosrel_error err = {""};
    const grpc_question question = {
        .method = call->method, .message = call->message.data, .bytes = call->message.bytes};
    send_outcome(call, grpc_method_answer(call->shared->service, &question, &call->answer, &err),
                 &err);
}

/* ---- Loading and unloading ---- */

static void changed(desk_task *task)
{
    grpc_call *call = task->owner;
    cosrel_error err = {""};
    call->task = NULL;
    if (!call->connection)
        give(call);
    else
        send_outcome(call, grpc_method_end(task, &call->answer, &err), &err);
    free(task);
}

static void change(grpc_call *call)
{
    cosrel_error err = {""};
    const grpc_question question = {
        .method = call->method, .message = call->message.data, .bytes = call->message.bytes};
    desk_task *task = calloc(1, sizeof *task);
    const cosrel_status status =
        task ? grpc_method_begin(call->shared->service, &question, task, &err)
             : error_set(&err, COSREL_OUT_OF_MEMORY, "no memory for a request");
    if (status != COSREL_OK) {
        free(task);
        refuse(call, grpc_code_of(status), err.text);
        return;
    }
    task->done = changed;
    task->owner = call;
    call->task = task;
    enter(call, GRPC_UNDER_WAY);
}

/* ---- The request comes in ---- */

void grpc_call_header(grpc_call *call, const char *name, const char *value)
{
    static const char type[] = "application/grpc";
    int64_t timeout_ns;
    if (strcmp(name, ":path") == 0) {
        call->method = grpc_method_find(value);
        note_path(&call->note, value);
    } else if (strcmp(name, ":method") == 0) {
        call->is_post = strcmp(value, "POST") == 0;
        note_method(&call->note, value);
    } else if (strcmp(name, "content-type") == 0) {
        /* application/grpc, +proto or with parameters; not +json, grpc-web or the like. */
        const bool begins = strncmp(value, type, sizeof type - 1) == 0;
        const char *rest = begins ? value + sizeof type - 1 : "-";
        call->is_grpc = *rest == '\0' || *rest == ';' || strncmp(rest, "+proto", 6) == 0;
    } else if (strcmp(name, "authorization") == 0) {
        call->rights = auth_find(&call->shared->service->who, value, &call->token);
        call->note.role = auth_role(&call->shared->service->who, call->token);
    } else if (strcmp(name, "x-request-id") == 0) {
        note_header_id(&call->note, value);
    } else if (strcmp(name, "user-agent") == 0) {
        note_agent(&call->note, value);
    } else if (strcmp(name, "grpc-timeout") == 0) {
        call->timeout_is_wrong = !grpc_read_timeout(value, &timeout_ns);
        if (!call->timeout_is_wrong &&
            __builtin_add_overflow(call->shared->now_ns, timeout_ns, &call->deadline_ns))
            call->deadline_ns = INT64_MAX;
    }
}

static void forbid(grpc_call *call)
{
    call->shared->service->counts.refusals[TALLY_TOKEN]++;
    if (call->rights == AUTH_NOTHING)
        refuse(call, GRPC_UNAUTHENTICATED, "a token is needed: authorization: Bearer TOKEN");
    else
        refuse(call, GRPC_PERMISSION_DENIED,
               "the token that was given, if any, does not allow this");
}

static bool is_inference(const grpc_method *method)
{
    return !method->answer && !method->begin;
}

void grpc_call_headers_end(grpc_call *call)
{
    service *s = call->shared->service;
    if (call->state != GRPC_READING)
        return;
    if (call->header_bytes > call->shared->header_max) {
        s->counts.refusals[TALLY_HEADERS]++;
        refuse(call, GRPC_RESOURCE_EXHAUSTED,
               "the metadata is larger than this server takes (header-max-kb)");
    } else if (!call->is_post)
        refuse_http(call, "405");
    else if (!call->is_grpc)
        refuse_http(call, "415");
    else if (!call->method)
        refuse(call, GRPC_UNIMPLEMENTED, "there is no such method");
    else if ((call->rights & call->method->right) != call->method->right)
        forbid(call);
    else if (call->timeout_is_wrong)
        refuse(call, GRPC_INVALID_ARGUMENT,
               "grpc-timeout: expected up to eight digits and one of H, M, S, m, u, n");
    else if (!call->method->answer &&
             !clients_enter(&s->clients, call->token, &call->note.peer, &call->client))
        refuse_as_full(call, TALLY_CLIENT, "this client has as many requests in flight as it may");
    else if (is_inference(call->method))
        grpc_rows_begin(&call->message.rows, s->rt);
}

void grpc_call_data(grpc_call *call, const uint8_t *data, size_t bytes)
{
    grpc_calls_shared *shared = call->shared;
    const char *why = "";
    call->note.bytes_in += bytes;
    if (call->state != GRPC_READING)
        return; /* answered already; it may still be sending */
    call->moved_ns = shared->now_ns;
    if (!bodies_take(&shared->service->bodies, bytes)) {
        refuse_as_full(call, TALLY_BODIES, "this server holds as many bodies as it has memory for");
        return;
    }
    call->held += bytes;
    const grpc_code code = grpc_message_take(&call->message, data, bytes, shared->message_max,
                                             &why);
    if (code != GRPC_OK)
        refuse(call, code, why);
}

void grpc_call_end(grpc_call *call)
{
    const char *why = "";
    call->ended = true;
    if (call->state != GRPC_READING)
        return;
    const grpc_code code = grpc_message_end(&call->message, &why);
    if (code != GRPC_OK)
        refuse(call, code, why);
    else if (call->method->begin)
        change(call);
    else if (is_inference(call->method))
        infer(call);
    else
        tell(call);
}

void grpc_call_look(grpc_call *call)
{
    const grpc_calls_shared *shared = call->shared;
    const bool stalls = shared->now_ns - call->moved_ns > shared->stall_ns;
    if (call->state == GRPC_READING && call->deadline_ns && shared->now_ns > call->deadline_ns)
        refuse(call, GRPC_DEADLINE_EXCEEDED, "the deadline passed before the request was there");
    else if (call->state == GRPC_READING && stalls)
        refuse(call, GRPC_DEADLINE_EXCEEDED, "the request stopped coming in");
    else if (call->state == GRPC_ANSWERING && stalls) {
        (void)nghttp2_submit_rst_stream(grpc_connection_session(call->connection),
                                        NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL);
        grpc_connection_touch(call->connection);
        call->moved_ns = shared->now_ns; /* once is enough */
    }
}
