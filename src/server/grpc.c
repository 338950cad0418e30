#include "server/grpc.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "server/grpc_connection.h"
#include "server/listen.h"

enum {
    MESSAGE_MAX = 64 << 20,
    HEADER_MAX = 8 << 10, /* published: gRPC's own limit */
    CONNECTION_MAX = 1024,
    STREAM_MAX = 256,
    CALL_MAX = 2048, /* twice what the runtime takes; a call is some 20 KB */
    EVENTS = 64,
    ACCEPTS_MAX = 64, /* before those that are there have their turn */
};
#define STALL_NS       ((int64_t)60 * 1000000000)
#define DRAIN_STALL_NS ((int64_t)5 * 1000000000) /* who is waited for at the end */

struct grpc_server {
    grpc_calls_shared calls;
    grpc_connections_shared shared;
    int listen_fd, port, epoll_fd, timer_fd;
    unsigned connection_max, connection_count;
    grpc_connection *connections;
    bool accepting, ticking;
    /* What epoll hands out for descriptors that are no connection. */
    char listen_mark, timer_mark;
};

/* ---- Connections come and go ---- */

/* Not while there are as many as there may be, or no descriptors: the kernel keeps who comes. */
static void accept_more(grpc_server *s, bool more)
{
    struct epoll_event event = {.events = more ? EPOLLIN : 0, .data.ptr = &s->listen_mark};
    if (s->listen_fd < 0 || s->accepting == more)
        return;
    s->accepting = more;
    (void)epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, s->listen_fd, &event);
}

/* Once a second, while there is somebody to look at. */
static void tick(grpc_server *s, bool on)
{
    const struct itimerspec each = {.it_interval.tv_sec = on, .it_value.tv_sec = on};
    if (s->ticking == on)
        return;
    s->ticking = on;
    (void)timerfd_settime(s->timer_fd, 0, &each, NULL);
}

static void add(grpc_server *s, grpc_connection *c)
{
    c->next = s->connections;
    if (s->connections)
        s->connections->previous = c;
    s->connections = c;
    s->connection_count++;
    tick(s, true);
}

static void end(grpc_server *s, grpc_connection *c)
{
    if (c->previous)
        c->previous->next = c->next;
    else
        s->connections = c->next;
    if (c->next)
        c->next->previous = c->previous;
    s->connection_count--;
    grpc_connection_free(c);
    accept_more(s, true);
}

static void accept_some(grpc_server *s)
{
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        if (s->connection_count == s->connection_max) {
            accept_more(s, false);
            return;
        }
        const int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                accept_more(s, false); /* until the next tick */
                tick(s, true);
            }
            return;
        }
        grpc_connection *c = grpc_connection_create(&s->shared, fd);
        if (c)
            add(s, c);
    }
}

static void look_around(grpc_server *s)
{
    uint64_t times;
    const ssize_t got = read(s->timer_fd, &times, sizeof times);
    (void)got;
    for (grpc_connection *c = s->connections, *next; c; c = next) {
        next = c->next;
        if (!grpc_connection_look(c))
            end(s, c);
    }
    if (s->connection_count < s->connection_max)
        accept_more(s, true);
    tick(s, s->connection_count > 0);
}

/* ---- Running ---- */

static void write_touched(grpc_server *s)
{
    grpc_connection *c;
    while ((c = s->shared.touched)) {
        s->shared.touched = c->next_touched;
        c->is_touched = false;
        if (!grpc_connection_write(c))
            end(s, c);
    }
}

static void take_event(grpc_server *s, const struct epoll_event *event)
{
    grpc_connection *c = event->data.ptr;
    if (event->events & EPOLLOUT)
        grpc_connection_touch(c);
    if ((event->events & ~(uint32_t)EPOLLOUT) && !grpc_connection_read(c))
        end(s, c);
}

void grpc_run(grpc_server *s, bool readable)
{
    struct epoll_event events[EVENTS];
    bool ticked = false, knocked = false;
    s->calls.now_ns = clock_now_ns();
    const int count = readable ? epoll_wait(s->epoll_fd, events, EVENTS, 0) : 0;
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == &s->listen_mark)
            knocked = true;
        else if (events[i].data.ptr == &s->timer_mark)
            ticked = true;
        else
            take_event(s, &events[i]);
    }
    if (ticked)
        look_around(s);
    if (knocked && s->listen_fd >= 0)
        accept_some(s);
    write_touched(s);
}

/* ---- The server ---- */

static cosrel_status watch(grpc_server *s, int fd, void *mark, cosrel_error *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = mark};
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return COSREL_OK;
    return error_set(err, COSREL_IO, "the gRPC server cannot watch a descriptor");
}

static cosrel_status open_descriptors(grpc_server *s, const char *address, cosrel_error *err)
{
    const int one = 1;
    cosrel_status status = listen_on(address, &s->listen_fd, &s->port, err);
    if (status != COSREL_OK)
        return status;
    /* Connections inherit both. Who has lost power without a word is noticed by the kernel. */
    (void)setsockopt(s->listen_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(s->listen_fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (s->epoll_fd < 0 || s->timer_fd < 0)
        return error_set(err, COSREL_IO, "no descriptors for the gRPC server");
    s->shared.epoll_fd = s->epoll_fd;
    s->accepting = true;
    status = watch(s, s->listen_fd, &s->listen_mark, err);
    return status == COSREL_OK ? watch(s, s->timer_fd, &s->timer_mark, err) : status;
}

static void set_limits(grpc_server *s, const grpc_options *o)
{
    s->calls.message_max = o->message_max ? o->message_max : MESSAGE_MAX;
    s->calls.header_max = o->header_max ? o->header_max : HEADER_MAX;
    s->calls.call_max = o->call_max ? o->call_max : CALL_MAX;
    s->calls.stall_ns = o->stall_ns ? o->stall_ns : STALL_NS;
    s->shared.stream_max = o->stream_max ? o->stream_max : STREAM_MAX;
    s->connection_max = o->connection_max ? o->connection_max : CONNECTION_MAX;
}

cosrel_status grpc_create(const grpc_options *options, service *shared, grpc_server **out,
                          cosrel_error *err)
{
    grpc_server *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the gRPC server");
    s->listen_fd = s->epoll_fd = s->timer_fd = -1;
    s->calls.service = shared;
    s->shared.calls = &s->calls;
    set_limits(s, options);
    cosrel_status status = grpc_connections_init(&s->shared, err);
    if (status == COSREL_OK)
        status = open_descriptors(s, options->address, err);
    if (status == COSREL_OK)
        *out = s;
    else
        grpc_free(s);
    return status;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void grpc_free(grpc_server *s)
{
    if (!s)
        return;
    while (s->connections)
        end(s, s->connections);
    close_one(&s->listen_fd);
    close_one(&s->timer_fd);
    close_one(&s->epoll_fd);
    grpc_connections_deinit(&s->shared);
    grpc_calls_deinit(&s->calls);
    free(s);
}

int grpc_port(const grpc_server *s)
{
    return s->port;
}

int grpc_epoll_fd(const grpc_server *s)
{
    return s->epoll_fd;
}

void grpc_drain(grpc_server *s)
{
    close_one(&s->listen_fd);
    if (s->calls.stall_ns > DRAIN_STALL_NS)
        s->calls.stall_ns = DRAIN_STALL_NS;
    for (grpc_connection *c = s->connections; c; c = c->next)
        grpc_connection_drain(c);
    write_touched(s);
}

int grpc_calls(const grpc_server *s)
{
    return s->calls.busy + s->shared.blocked;
}
