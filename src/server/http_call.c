#include "server/http_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http_head.h"

enum {
    TOGETHER_BYTES = 4096,    /* of binary outputs that are copied instead of sent by themselves */
    KEPT_BYTES = 1 << 20,     /* larger memory is not kept for the next request */
    KEPT_TOGETHER = 64 << 20, /* of bodies' memory that is kept for later requests */
    FREE_MAX =
        256, /* calls that are kept for later ones (chosen: more are seldom served at once) */
};

/* ---- Calls ---- */

http_call *http_call_take(http_calls *s, struct MHD_Connection *connection)
{
    http_call *c = s->free;
    if (c) {
        s->free = c->next;
        s->free_count--;
        s->kept_bytes -= c->body.room;
    } else if (!(c = calloc(1, sizeof *c))) {
        return NULL;
    }
    c->pool = s;
    note_begin(&c->note, s->shared);
    c->client = NULL;
    c->body.together = &s->shared->bodies;
    http_body_begin(&c->body, s->body_max);
    c->state = HTTP_READING;
    c->inference = c->live = c->forbidden = c->deaf = c->counted = c->is_read = false;
    c->task = NULL;
    c->refused = 0;
    c->connection = connection;
    c->peer = NULL;
    return c;
}

static void destroy(http_call *c)
{
    infer_call_deinit(&c->infer);
    infer_answer_deinit(&c->answer);
    http_body_deinit(&c->body);
    free(c);
}

void http_call_give(http_call *c)
{
    http_calls *s = c->pool;
    http_body_let_go(&c->body);
    clients_leave(&s->shared->clients, c->client);
    infer_call_clear(&c->infer);
    if (c->infer.memory_room > KEPT_BYTES || c->infer.request.names_room > KEPT_BYTES)
        infer_call_deinit(&c->infer);
    free(c->task);
    for (size_t i = 0; i < c->answer.binary_count; i++)
        text_deinit(&c->answer.strings[i]);
    c->answer.binary_count = 0;
    c->answer.json.length = 0;
    if (c->body.room > KEPT_TOGETHER - s->kept_bytes)
        http_body_deinit(&c->body);
    if (c->answer.json.capacity > KEPT_BYTES || c->answer.json.failed)
        text_deinit(&c->answer.json);
    if (s->free_count == FREE_MAX) {
        destroy(c);
        return;
    }
    s->kept_bytes += c->body.room;
    c->next = s->free;
    s->free = c;
    s->free_count++;
}

void http_calls_deinit(http_calls *pool)
{
    while (pool->free) {
        http_call *c = pool->free;
        pool->free = c->next;
        destroy(c);
    }
    pool->free_count = 0;
}

void http_call_refuse(http_call *c, int status, const char *why)
{
    if (c->refused)
        return;
    c->refused = status;
    snprintf(c->why, sizeof c->why, "%s", why);
}

void http_call_refuse_as_full(http_call *c, tally_refusal kind, int status, const char *why)
{
    if (c->refused)
        return;
    c->pool->shared->counts.refusals[kind]++;
    c->counted = true;
    http_call_refuse(c, status, why);
    http_body_let_go(&c->body);
}

void http_call_refuse_for(http_call *c, const http_fault *fault)
{
    if (fault->full)
        http_call_refuse_as_full(c, TALLY_BODIES, fault->status, fault->why);
    else if (fault->status)
        http_call_refuse(c, fault->status, fault->why);
}

/* ---- Answers ---- */

static enum MHD_Result send_response(http_call *c, int status, struct MHD_Response *response,
                                     const char *type)
{
    if (!response)
        return MHD_NO;
    if (type)
        MHD_add_response_header(response, "Content-Type", type);
    if (status == 429 || status == 503)
        MHD_add_response_header(response, "Retry-After", "1");
    if (status == 401)
        MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
    http_head_echo(c->connection, response);
    if (c->body.two_lengths)
        MHD_add_response_header(response, "Connection", "close");
    const enum MHD_Result result = MHD_queue_response(c->connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return result;
}

enum MHD_Result http_call_send(http_call *c, route_reply *reply, const char *why)
{
    const size_t bytes = reply->body.length;
    const bool token = reply->status == 401 || (reply->status == 403 && !c->refused);
    c->pool->shared->counts.refusals[TALLY_TOKEN] += token;
    note_status(&c->note, reply->status, NULL, why);
    c->note.bytes_out = bytes;
    const enum MHD_ResponseMemoryMode mode = bytes ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT;
    struct MHD_Response *response =
        reply->body.failed ? NULL : MHD_create_response_from_buffer(bytes, reply->body.data, mode);
    if (!response || !bytes)
        text_deinit(&reply->body);
    return send_response(c, reply->status, response, bytes ? reply->type : NULL);
}

/* What a refusal counts as: the first status with this code; those that only HTTP has (405, 413)
 * are the client's fault too. */
static cosrel_status status_of(int http)
{
    for (int status = COSREL_OK; status <= COSREL_INTERNAL; status++)
        if (cosrel_status_http((cosrel_status)status) == http)
            return (cosrel_status)status;
    return COSREL_INVALID_ARGUMENT;
}

static enum MHD_Result send_error(http_call *c, int status, const char *why)
{
    route_reply reply = {.status = status};
    /* Answers of the runtime were counted when they came. */
    if (c->inference && !c->infer.result && !c->counted)
        tally_refused(&c->pool->shared->counts, c->infer.model, status_of(status));
    route_error(&reply, status, why);
    return http_call_send(c, &reply, why);
}

/* JSON, then the binary outputs: straight from the memory that the run left them in, but for small
 * ones, which go out with the headers in one system call if they are laid beside the JSON. */
static enum MHD_Result send_outputs(http_call *c)
{
    infer_answer *a = &c->answer;
    const size_t json_bytes = a->json.length;
    if (a->binary_bytes <= TOGETHER_BYTES) {
        for (size_t i = 0; i < a->binary_count; i++)
            text_add_bytes(&a->json, a->binary[i].iov_base, a->binary[i].iov_len);
        if (a->json.failed)
            return MHD_NO;
    }
    struct MHD_IoVec parts[INFER_TENSORS_MAX + 1] = {
        {.iov_base = a->json.data, .iov_len = a->json.length}};
    unsigned count = 1;
    char length[24];
    for (size_t i = 0; i < a->binary_count; i++)
        if (a->binary[i].iov_len && a->binary_bytes > TOGETHER_BYTES)
            parts[count++] = (struct MHD_IoVec){a->binary[i].iov_base, a->binary[i].iov_len};
    struct MHD_Response *response = count == 1
                                        ? MHD_create_response_from_buffer(
                                              a->json.length, a->json.data, MHD_RESPMEM_PERSISTENT)
                                        : MHD_create_response_from_iovec(parts, count, NULL, NULL);
    if (!response)
        return MHD_NO;
    note_status(&c->note, 200, NULL, NULL);
    c->note.bytes_out = json_bytes + a->binary_bytes;
    if (a->binary_count == 0)
        return send_response(c, 200, response, "application/json");
    snprintf(length, sizeof length, "%zu", json_bytes);
    MHD_add_response_header(response, "Inference-Header-Content-Length", length);
    return send_response(c, 200, response, "application/octet-stream");
}

enum MHD_Result http_call_answer(http_call *c)
{
    const cosrel_result *result = c->infer.result;
    cosrel_error err = {""};
    if (c->refused)
        return send_error(c, c->refused, c->why);
    if (result->status != COSREL_OK)
        return send_error(c, cosrel_status_http(result->status), result->message);
    infer_call_sends(&c->infer);
    cosrel_status status = infer_call_check_regions(&c->infer, &err);
    if (status == COSREL_OK)
        status = infer_answer_json(&c->infer, &c->answer, &err);
    http_body_let_go(&c->body); /* the outputs lie elsewhere */
    return status == COSREL_OK ? send_outputs(c)
                               : send_error(c, cosrel_status_http(status), err.text);
}
