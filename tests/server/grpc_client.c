#include "grpc_client.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct ask_body {
    char *data;
    size_t at, bytes;
    bool unended;
} ask_body;

int client_dial(int port)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = 30};
    const int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static grpc_reply *reply_of(grpc_client *c, int32_t stream)
{
    assert_in_range(stream, 1, 2 * CLIENT_STREAMS_MAX - 1);
    return &c->replies[stream / 2];
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t bytes, int flags,
                       void *user)
{
    grpc_client *c = user;
    (void)session, (void)flags;
    text_add_bytes(&c->out, (const char *)data, bytes);
    return (ssize_t)bytes;
}

static ssize_t on_read(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t room,
                       uint32_t *flags, nghttp2_data_source *source, void *user)
{
    ask_body *body = source->ptr;
    const size_t left = body->bytes - body->at, bytes = left < room ? left : room;
    (void)session, (void)stream, (void)user;
    if (bytes == 0 && body->unended)
        return NGHTTP2_ERR_DEFERRED;
    memcpy(buffer, body->data + body->at, bytes);
    body->at += bytes;
    if (bytes == left && !body->unended)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)bytes;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_bytes, const uint8_t *value, size_t value_bytes, uint8_t flags,
                     void *user)
{
    grpc_reply *r = reply_of(user, frame->hd.stream_id);
    const char *key = (const char *)name, *text = (const char *)value;
    (void)session, (void)name_bytes, (void)value_bytes, (void)flags;
    if (strcmp(key, ":status") == 0)
        r->http = atoi(text);
    else if (strcmp(key, "grpc-status") == 0)
        r->code = atoi(text);
    else if (strcmp(key, "grpc-message") == 0)
        strncpy(r->message, text, sizeof r->message - 1);
    else if (strcmp(key, "x-request-id") == 0)
        strncpy(r->request_id, text, sizeof r->request_id - 1);
    else if (strcmp(key, "retry-after") == 0)
        strncpy(r->retry_after, text, sizeof r->retry_after - 1);
    else if (strcmp(key, "grpc-retry-pushback-ms") == 0)
        strncpy(r->pushback, text, sizeof r->pushback - 1);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t bytes, void *user)
{
    (void)session, (void)flags;
    text_add_bytes(&reply_of(user, stream)->data, (const char *)data, bytes);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    grpc_client *c = user;
    (void)session;
    c->told_to_go |= frame->hd.type == NGHTTP2_GOAWAY;
    c->pongs += frame->hd.type == NGHTTP2_PING && frame->hd.flags & NGHTTP2_FLAG_ACK;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
    grpc_reply *r = reply_of(user, stream);
    (void)session;
    r->closed = true;
    r->error = code;
    return 0;
}

static grpc_client *create(void)
{
    grpc_client *c = calloc(1, sizeof *c);
    nghttp2_session_callbacks *to;
    nghttp2_option *option;
    assert_non_null(c);
    assert_int_equal(nghttp2_session_callbacks_new(&to), 0);
    assert_int_equal(nghttp2_option_new(&option), 0);
    nghttp2_option_set_peer_max_concurrent_streams(option, CLIENT_STREAMS_MAX);
    nghttp2_session_callbacks_set_send_callback(to, on_send);
    nghttp2_session_callbacks_set_on_header_callback(to, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(to, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(to, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(to, on_close);
    assert_int_equal(nghttp2_session_client_new2(&c->session, to, c, option), 0);
    nghttp2_session_callbacks_del(to);
    nghttp2_option_del(option);
    assert_int_equal(nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, NULL, 0), 0);
    for (int i = 0; i < CLIENT_STREAMS_MAX; i++)
        c->replies[i].code = -1;
    return c;
}

grpc_client *client_open(int port)
{
    grpc_client *c = create();
    c->fd = client_dial(port);
    return c;
}

grpc_client *client_open_on(tls_peer *tls)
{
    grpc_client *c = create();
    c->tls = tls;
    return c;
}

void client_close(grpc_client *c)
{
    if (c->tls)
        tls_peer_end(c->tls);
    else
        close(c->fd);
    nghttp2_session_del(c->session);
    for (int i = 0; i < CLIENT_STREAMS_MAX; i++) {
        text_deinit(&c->replies[i].data);
        if (c->bodies[i])
            free(c->bodies[i]->data);
        free(c->bodies[i]);
    }
    text_deinit(&c->out);
    free(c);
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)name,
                        .value = (uint8_t *)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

int client_ask(grpc_client *c, const grpc_ask *ask)
{
    ask_body *body = calloc(1, sizeof *body);
    const nghttp2_data_provider provider = {.source.ptr = body, .read_callback = on_read};
    nghttp2_nv headers[12] = {header(":method", ask->method ? ask->method : "POST"),
                              header(":scheme", "http"),
                              header(":path", ask->path ? ask->path : METHOD("ModelInfer")),
                              header(":authority", "localhost"),
                              header("te", "trailers"),
                              header("content-type", ask->type ? ask->type : "application/grpc")};
    size_t count = 6;
    if (ask->timeout)
        headers[count++] = header("grpc-timeout", ask->timeout);
    if (ask->token)
        headers[count++] = header("authorization", ask->token);
    if (ask->request_id)
        headers[count++] = header("x-request-id", ask->request_id);
    if (ask->agent)
        headers[count++] = header("user-agent", ask->agent);
    if (ask->filler)
        headers[count++] = header("x-filler", ask->filler);
    body->data = malloc(ask->bytes + 1);
    memcpy(body->data, ask->body ? ask->body : "", ask->bytes);
    body->bytes = ask->bytes;
    body->unended = ask->unended;
    const int32_t stream = nghttp2_submit_request(
        c->session, NULL, headers, count, ask->body || ask->unended ? &provider : NULL, NULL);
    assert_in_range(stream, 1, 2 * CLIENT_STREAMS_MAX - 1);
    c->bodies[stream / 2] = body;
    return stream / 2;
}

void client_gather(grpc_client *c)
{
    assert_int_equal(nghttp2_session_send(c->session), 0);
}

void client_say(int fd, const char *data, size_t bytes)
{
    while (bytes) {
        const ssize_t n = send(fd, data, bytes, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        data += n;
        bytes -= (size_t)n;
    }
}

void client_flush(grpc_client *c)
{
    client_gather(c);
    if (c->tls)
        (void)tls_peer_send(c->tls, c->out.data, c->out.length);
    else
        client_say(c->fd, c->out.data, c->out.length);
    c->out.length = 0;
}

void client_hear(grpc_client *c)
{
    uint8_t buffer[16384];
    const ssize_t n = c->tls ? tls_peer_receive(c->tls, buffer, sizeof buffer)
                             : recv(c->fd, buffer, sizeof buffer, 0);
    if (n <= 0) {
        assert_true(n == 0 || c->over || nghttp2_session_want_read(c->session));
        c->over = true;
        return;
    }
    assert_int_equal(nghttp2_session_mem_recv(c->session, buffer, (size_t)n), n);
    client_flush(c);
}

const grpc_reply *client_wait(grpc_client *c, int reply)
{
    client_flush(c);
    while (!c->replies[reply].closed && !c->over)
        client_hear(c);
    return &c->replies[reply];
}

void client_send_all(grpc_client *c, int reply)
{
    client_flush(c);
    while (c->bodies[reply]->at < c->bodies[reply]->bytes && !c->over)
        client_hear(c);
}

grpc_reply client_call(int port, const grpc_ask *ask)
{
    grpc_client *c = client_open(port);
    const int number = client_ask(c, ask);
    const grpc_reply result = *client_wait(c, number);
    c->replies[number].data = (text_builder){.data = NULL};
    client_close(c);
    return result;
}

void client_frame(text_builder *out, const void *message, size_t bytes)
{
    const char prefix[5] = {0, (char)(bytes >> 24), (char)(bytes >> 16), (char)(bytes >> 8),
                            (char)bytes};
    text_add_bytes(out, prefix, sizeof prefix);
    text_add_bytes(out, message ? message : "", bytes);
}
