#include "fuzz_clients.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { CLIENTS = 2, TURNS_MAX = 1000 };
/* Less than libFuzzer's, so that this says what it was. */
static const int64_t PATIENCE_NS = 8000000000;

void fuzz_need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

/* ---- The server ---- */

void fuzz_step(const fuzz_front *front)
{
    infer_call *list = finished_take(&front->shared->finished);
    while (list) {
        infer_call *call = list;
        list = call->next;
        call->answered(call);
    }
    front->run();
}

void fuzz_settle(const fuzz_front *front)
{
    for (int i = 0; i < TURNS_MAX; i++) {
        fuzz_step(front);
        if (!front->busy())
            return;
    }
}

static void finish_runs(const fuzz_front *front)
{
    const int64_t end_ns = clock_now_ns() + PATIENCE_NS;
    fuzz_settle(front);
    while (front->shared->under_way > 0) {
        fuzz_need(clock_now_ns() < end_ns, "a request is never answered");
        sched_yield();
        fuzz_step(front);
    }
    fuzz_settle(front);
}

void fuzz_finish(const fuzz_front *front)
{
    const int64_t end_ns = clock_now_ns() + PATIENCE_NS;
    finish_runs(front);
    while (front->left() > 0) {
        fuzz_need(clock_now_ns() < end_ns, "a request is there though its connection is not");
        sched_yield();
        fuzz_step(front);
    }
}

/* ---- Clients ---- */

void fuzz_dial(fuzz_client *c, const fuzz_front *front)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)front->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    /* From ever other addresses: of one alone the ports would all be resting before long. */
    static uint32_t dialled;
    const struct sockaddr_in from = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + dialled++ % 0xffff)};
    const int one = 1;
    c->front = front;
    c->heard_bytes = 0;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* Pieces as they are cut. */
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    fuzz_need(c->fd >= 0 && bind(c->fd, (const struct sockaddr *)&from, sizeof from) == 0,
              "no socket: out of descriptors?");
    /* libFuzzer's clock interrupts; the kernel goes on. */
    if (connect(c->fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        struct pollfd done = {.fd = c->fd, .events = POLLOUT};
        fuzz_need(errno == EINTR, strerror(errno));
        while (poll(&done, 1, -1) != 1)
            ;
    }
}

void fuzz_hear(fuzz_client *c)
{
    char some[4096];
    ssize_t n;
    while (c->fd >= 0 && (n = recv(c->fd, some, sizeof some, MSG_DONTWAIT)) > 0) {
        const size_t room = sizeof c->heard - c->heard_bytes;
        const size_t kept = (size_t)n < room ? (size_t)n : room;
        memcpy(c->heard + c->heard_bytes, some, kept);
        c->heard_bytes += kept;
    }
}

void fuzz_say(fuzz_client *c, const void *data, size_t bytes)
{
    const char *from = data;
    while (bytes > 0) {
        const ssize_t n = send(c->fd, from, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return; /* the server has had enough of it */
        from += n > 0 ? n : 0;
        bytes -= n > 0 ? (size_t)n : 0;
        if (bytes > 0)
            fuzz_settle(c->front);
        fuzz_hear(c);
    }
}

void fuzz_leave(fuzz_client *c, bool reset)
{
    static const struct linger at_once = {.l_onoff = 1};
    if (c->fd < 0)
        return;
    fuzz_hear(c);
    c->front->check(c->heard, c->heard_bytes);
    if (reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(c->fd);
    c->fd = -1;
}

void fuzz_hear_until(fuzz_client *c, const void *data, size_t bytes)
{
    const int64_t end_ns = clock_now_ns() + PATIENCE_NS;
    while (!memmem(c->heard, c->heard_bytes, data, bytes)) {
        fuzz_need(clock_now_ns() < end_ns, "a good request does not get its answer");
        fuzz_step(c->front);
        fuzz_hear(c);
    }
}

/* ---- The play ---- */

static void act(const fuzz_front *front, fuzz_client *c, int what)
{
    fuzz_settle(front);
    if (what == FUZZ_FINISH)
        finish_runs(front);
    else if (what == FUZZ_HALF_END && c->fd >= 0)
        shutdown(c->fd, SHUT_WR);
    else if (what == FUZZ_RESET)
        fuzz_leave(c, true);
}

void fuzz_play(const fuzz_front *front, const uint8_t *data, size_t bytes)
{
    fuzz_client clients[CLIENTS] = {{.fd = -1}, {.fd = -1}};
    size_t now = 0, from = 0;
    for (size_t i = 0; i <= bytes; i++) {
        if (i < bytes && (data[i] < FUZZ_CUT || data[i] > FUZZ_RESET))
            continue;
        if (clients[now].fd < 0 && i > from)
            fuzz_dial(&clients[now], front);
        fuzz_say(&clients[now], data + from, i - from);
        from = i + 1;
        if (i == bytes)
            break;
        act(front, &clients[now], data[i]);
        if (data[i] == FUZZ_OTHER)
            now = (now + 1) % CLIENTS;
    }
    /* The last byte may as well say how they leave. */
    if (bytes > 0 && (data[bytes - 1] & 2))
        fuzz_settle(front);
    for (int i = 0; i < CLIENTS; i++)
        fuzz_leave(&clients[i], bytes > 0 && (data[bytes - 1] & 1));
}
