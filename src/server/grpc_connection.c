#include "server/grpc_connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "server/tls_identity.h"

enum {
    FRAME_HEAD_BYTES = 9,
    BY_REFERENCE = 8192, /* less is copied: then more frames fit in one system call */
    READS_MAX = 8,       /* of one connection before the others have their turn */
    STREAM_WINDOW = 1 << 20,
    CONNECTION_WINDOW = 8 << 20, /* both (chosen): a 10 Gb/s link of 5 ms stays full */
    ENTRY_BYTES =
        32, /* what HTTP/2 counts for a header beside its name and value (RFC 9113, 6.5.2) */
};
/* With TLS it counts anew after the handshake. */
#define GREETING_NS                                                                                \
    ((int64_t)10 * 1000000000) /* a client that says nothing for so long is none                   \
                                */

/* ---- Calls ---- */

nghttp2_session *grpc_connection_session(grpc_connection *c)
{
    return c->session;
}

void grpc_connection_touch(grpc_connection *c)
{
    if (c->is_touched)
        return;
    c->is_touched = true;
    c->next_touched = c->shared->touched;
    c->shared->touched = c;
}

void grpc_connection_add(grpc_connection *c, grpc_call *call)
{
    call->previous = NULL;
    call->next = c->calls;
    if (c->calls)
        c->calls->previous = call;
    c->calls = call;
}

void grpc_connection_remove(grpc_connection *c, grpc_call *call)
{
    if (call->previous)
        call->previous->next = call->next;
    else
        c->calls = call->next;
    if (call->next)
        call->next->previous = call->previous;
}

/* ---- Sending ---- */

/* Sends what is gathered. False: the socket is full, or the client has gone. */
static bool flush(grpc_connection *c)
{
    size_t bytes;
    const grpc_sent sent = grpc_out_send(&c->shared->out, &c->socket, &c->left, &bytes);
    if (bytes)
        c->moved_ns = c->shared->calls->now_ns;
    c->gone |= sent == GRPC_SENT_GONE;
    return sent == GRPC_SENT_ALL;
}

/* 0, or what nghttp2 wants to hear. */
static int make_room(grpc_connection *c, size_t bytes, int pieces)
{
    if (c->gone)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (c->left.data)
        return NGHTTP2_ERR_WOULDBLOCK;
    if (grpc_out_fits(&c->shared->out, bytes, pieces) || flush(c))
        return 0;
    return c->gone ? NGHTTP2_ERR_CALLBACK_FAILURE : NGHTTP2_ERR_WOULDBLOCK;
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t bytes, int flags,
                       void *user)
{
    grpc_connection *c = user;
    (void)session, (void)flags;
    if (bytes > GRPC_OUT_BYTES)
        bytes = GRPC_OUT_BYTES; /* the rest is offered again */
    const int refused = make_room(c, bytes, 1);
    if (refused)
        return refused;
    grpc_out_copy(&c->shared->out, data, bytes);
    return (ssize_t)bytes;
}

/* A DATA frame; its bytes are fetched here. There is no padding, since nobody asked for any. */
static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                        size_t bytes, nghttp2_data_source *source, void *user)
{
    grpc_connection *c = user;
    grpc_call *call = source->ptr;
    grpc_out *out = &c->shared->out;
    (void)session, (void)frame;
    /* A frame of 16 KB may have a head and two large pieces with small ones around each. Under TLS
     * all is copied: a record takes what lies together, and encrypting reads it anyway. */
    const int refused = make_room(c, FRAME_HEAD_BYTES + bytes, 6);
    if (refused)
        return refused;
    grpc_out_copy(out, head, FRAME_HEAD_BYTES);
    while (bytes > 0) {
        const struct iovec part = grpc_answer_next(&call->answer, bytes);
        if (part.iov_len >= BY_REFERENCE && !c->socket.tls)
            grpc_out_refer(out, part.iov_base, part.iov_len);
        else
            grpc_out_copy(out, part.iov_base, part.iov_len);
        bytes -= part.iov_len;
    }
    call->moved_ns = c->shared->calls->now_ns;
    return 0;
}

/* Answered before the client has said all: it need not say the rest. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)user;
    if (frame->hd.type != NGHTTP2_HEADERS || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    const grpc_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call && !call->ended)
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                        NGHTTP2_NO_ERROR);
    return 0;
}

static void watch(grpc_connection *c)
{
    const tls_stream *tls = c->socket.tls;
    const bool writes = c->left.data || (tls && tls_stream_wants_write(tls));
    struct epoll_event event = {.events = EPOLLIN | (writes ? EPOLLOUT : 0), .data.ptr = c};
    (void)epoll_ctl(c->shared->epoll_fd, EPOLL_CTL_MOD, c->socket.fd, &event);
}

static bool may_talk(const grpc_connection *c)
{
    return !c->socket.tls || tls_stream_is_shaken(c->socket.tls);
}

/* A step of the handshake. False: it failed. */
static bool shake(grpc_connection *c)
{
    const tls_shake outcome = tls_stream_shake(c->socket.tls);
    if (outcome == TLS_UNTRUSTED)
        return false;
    watch(c);
    if (outcome == TLS_SHAKEN) {
        c->moved_ns = c->shared->calls->now_ns;
        grpc_connection_touch(c); /* our greeting waits */
    }
    return true;
}

bool grpc_connection_write(grpc_connection *c)
{
    const bool was_blocked = c->left.data != NULL;
    if (!may_talk(c))
        return shake(c);
    if (was_blocked) {
        size_t bytes;
        const grpc_sent sent = grpc_left_send(&c->left, &c->socket, &bytes);
        if (bytes)
            c->moved_ns = c->shared->calls->now_ns;
        if (sent != GRPC_SENT_ALL)
            return sent == GRPC_SENT_SOME;
    }
    c->gone |= nghttp2_session_send(c->session) != 0;
    (void)flush(c);
    const bool is_blocked = c->left.data != NULL;
    c->shared->blocked += is_blocked - was_blocked;
    if (is_blocked != was_blocked)
        watch(c);
    return !c->gone && (is_blocked || nghttp2_session_want_read(c->session) ||
                        nghttp2_session_want_write(c->session));
}

/* ---- Receiving ---- */

static ssize_t receive(const grpc_socket *from, void *data, size_t room)
{
    return from->tls ? tls_stream_receive(from->tls, data, room)
                     : recv(from->fd, data, room, MSG_DONTWAIT);
}

bool grpc_connection_read(grpc_connection *c)
{
    grpc_connections_shared *shared = c->shared;
    if (!may_talk(c)) {
        if (!shake(c))
            return false;
        if (!may_talk(c))
            return true;
    }
    for (int reads = 0; reads < READS_MAX; reads++) {
        const ssize_t n = receive(&c->socket, shared->in, sizeof shared->in);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        if (n == 0 || nghttp2_session_mem_recv(c->session, shared->in, (size_t)n) < 0)
            return false;
        grpc_connection_touch(c);
        if ((size_t)n < sizeof shared->in && !c->socket.tls) /* which gives a record at a time */
            break;
    }
    return true;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    grpc_connection *c = user;
    const int32_t stream = frame->hd.stream_id;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    grpc_call *call = grpc_call_begin(c->shared->calls, c, stream);
    if (call) /* cannot fail: the stream is there */
        (void)nghttp2_session_set_stream_user_data(session, stream, call);
    else /* clients try again by themselves */
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_REFUSED_STREAM);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_bytes, const uint8_t *value, size_t value_bytes, uint8_t flags,
                     void *user)
{
    grpc_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)flags, (void)user;
    if (!call || frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    call->header_bytes += name_bytes + value_bytes + ENTRY_BYTES;
    if (call->header_bytes <= call->shared->header_max)
        grpc_call_header(call, (const char *)name, (const char *)value); /* they end in NUL */
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t bytes, void *user)
{
    grpc_call *call = nghttp2_session_get_stream_user_data(session, stream);
    (void)flags, (void)user;
    if (call)
        grpc_call_data(call, data, bytes);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    grpc_connection *c = user;
    c->greeted = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    grpc_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!call)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        grpc_call_headers_end(call);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        grpc_call_end(call);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
    grpc_connection *c = user;
    grpc_call *call = nghttp2_session_get_stream_user_data(session, stream);
    if (!call)
        return 0;
    /* What is gathered may point into its answer, which goes now. */
    if (c->shared->out.refers)
        (void)flush(c);
    call->whole = code == NGHTTP2_NO_ERROR;
    grpc_call_closed(call);
    return 0;
}

/* ---- Connections ---- */

cosrel_status grpc_connections_init(grpc_connections_shared *shared, cosrel_error *err)
{
    if (nghttp2_session_callbacks_new(&shared->callbacks) != 0 ||
        nghttp2_option_new(&shared->option) != 0)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the gRPC server");
    nghttp2_option_set_no_closed_streams(shared->option, 1); /* they are for priorities only */
    nghttp2_session_callbacks *to = shared->callbacks;
    nghttp2_session_callbacks_set_send_callback(to, on_send);
    nghttp2_session_callbacks_set_send_data_callback(to, on_send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(to, on_frame_sent);
    nghttp2_session_callbacks_set_on_begin_headers_callback(to, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(to, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(to, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(to, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(to, on_stream_close);
    return COSREL_OK;
}

void grpc_connections_deinit(grpc_connections_shared *shared)
{
    nghttp2_session_callbacks_del(shared->callbacks);
    nghttp2_option_del(shared->option);
    shared->callbacks = NULL;
    shared->option = NULL;
}

static bool greet(grpc_connection *c)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, c->shared->stream_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)c->shared->calls->header_max},
    };
    return nghttp2_session_server_new2(&c->session, c->shared->callbacks, c, c->shared->option) ==
               0 &&
           nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings,
                                   sizeof settings / sizeof *settings) == 0 &&
           nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0,
                                                 CONNECTION_WINDOW) == 0;
}

static bool secure(grpc_connection *c)
{
    tls_context *tls = c->shared->calls->service->tls;
    return !tls || (c->socket.tls = tls_stream_open(tls, c->socket.fd, "h2")) != NULL;
}

grpc_connection *grpc_connection_create(grpc_connections_shared *shared, int fd)
{
    grpc_connection *c = calloc(1, sizeof *c);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (!c) {
        close(fd);
        return NULL;
    }
    c->shared = shared;
    c->socket.fd = fd;
    c->peer = peer_of(fd);
    c->moved_ns = shared->calls->now_ns;
    if (!secure(c) || !greet(c) || epoll_ctl(shared->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        grpc_connection_free(c);
        return NULL;
    }
    grpc_connection_touch(c);
    return c;
}

void grpc_connection_free(grpc_connection *c)
{
    grpc_connection **at = &c->shared->touched;
    while (c->is_touched && *at != c)
        at = &(*at)->next_touched;
    if (c->is_touched)
        *at = c->next_touched;
    c->shared->blocked -= c->left.data != NULL;
    while (c->calls)
        grpc_call_closed(c->calls);
    nghttp2_session_del(c->session); /* calls no callback */
    grpc_left_clear(&c->left);
    tls_stream_close(c->socket.tls);
    close(c->socket.fd);
    free(c);
}

bool grpc_connection_look(grpc_connection *c)
{
    const grpc_calls_shared *calls = c->shared->calls;
    const int64_t still_ns = calls->now_ns - c->moved_ns;
    if (!may_talk(c))
        return still_ns <= tls_handshake_ns(calls->service->tls);
    if ((!c->greeted && still_ns > GREETING_NS) || (c->left.data && still_ns > calls->stall_ns))
        return false;
    for (grpc_call *call = c->calls, *next; call; call = next) {
        next = call->next;
        grpc_call_look(call);
    }
    return true;
}

void grpc_connection_drain(grpc_connection *c)
{
    (void)nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(c->session),
                                NGHTTP2_NO_ERROR, NULL, 0);
    grpc_connection_touch(c);
}
