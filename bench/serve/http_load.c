#include "http_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { CONNECTIONS_MAX = 4096, HEAD_MAX = 4096, READ_BYTES = 1 << 16 };

typedef struct client {
    int fd;
    size_t sent;
    int64_t began_ns;
    char head[HEAD_MAX]; /* of the answer, until its headers are complete */
    size_t head_bytes;
    int64_t left; /* of its body; < 0: the headers are not complete */
    int status;
} client;

static client clients[CONNECTIONS_MAX];
static char scratch[READ_BYTES];

static void fail(const char *what)
{
    fprintf(stderr, "bench_serve: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int connect_to(int port)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0)
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void send_more(const http_load *load, client *c)
{
    while (c->sent < load->request_bytes) {
        const ssize_t n = send(c->fd, load->request + c->sent, load->request_bytes - c->sent,
                               MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            fail("send");
        c->sent += (size_t)n;
    }
}

static void begin(const http_load *load, client *c)
{
    c->sent = c->head_bytes = 0;
    c->left = -1;
    c->began_ns = clock_now_ns();
    send_more(load, c);
}

/* The headers are complete: status and length. Returns how many bytes of the body came with them.
 */
static size_t read_head(client *c, const char *end)
{
    const char *length = c->head;
    c->status = atoi(c->head + strlen("HTTP/1.1 "));
    c->left = 0;
    while (length && length < end && strncasecmp(length, "content-length:", 15) != 0) {
        length = strchr(length, '\n');
        length = length ? length + 1 : NULL;
    }
    if (length && length < end)
        c->left = strtoll(length + 15, NULL, 10);
    return c->head_bytes - (size_t)(end + 4 - c->head);
}

/* True: the answer is complete. */
static bool take(client *c, const char *data, size_t bytes)
{
    if (c->left < 0) {
        const size_t room = HEAD_MAX - 1 - c->head_bytes, part = bytes < room ? bytes : room;
        memcpy(c->head + c->head_bytes, data, part);
        c->head_bytes += part;
        c->head[c->head_bytes] = '\0';
        const char *end = strstr(c->head, "\r\n\r\n");
        if (!end)
            return false;
        bytes = read_head(c, end) + (bytes - part);
    }
    c->left -= (int64_t)bytes;
    return c->left <= 0;
}

static void answered(const http_load *load, client *c, http_load_result *out, bool more)
{
    if (c->status == 200) {
        out->answered++;
        hist_add(&out->latency_ns, clock_now_ns() - c->began_ns);
    } else {
        out->refused++;
    }
    if (more)
        begin(load, c);
}

void http_load_run(const http_load *load, http_load_result *out)
{
    const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    const int64_t start_ns = clock_now_ns(), end_ns = start_ns + (int64_t)(load->seconds * 1e9);
    memset(out, 0, sizeof *out);
    for (int i = 0; i < load->connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        clients[i].fd = connect_to(load->port);
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, clients[i].fd, &event) != 0)
            fail("epoll");
        begin(load, &clients[i]);
    }
    while (clock_now_ns() < end_ns) {
        struct epoll_event events[64];
        const int count = epoll_wait(epoll_fd, events, 64, 100);
        for (int i = 0; i < count; i++) {
            client *c = events[i].data.ptr;
            const ssize_t n = recv(c->fd, scratch, sizeof scratch, MSG_DONTWAIT);
            if (n == 0)
                errno = ECONNRESET;
            if (n == 0 || (n < 0 && errno != EAGAIN))
                fail("receive");
            if (n > 0 && take(c, scratch, (size_t)n))
                answered(load, c, out, true);
        }
        for (int i = 0; i < load->connections; i++)
            if (clients[i].sent < load->request_bytes)
                send_more(load, &clients[i]);
    }
    out->seconds = (double)(clock_now_ns() - start_ns) / 1e9;
    for (int i = 0; i < load->connections; i++)
        close(clients[i].fd);
    close(epoll_fd);
}

void http_load_idle(int port, int count, int *fds)
{
    static const char ask[] = "GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (int i = 0; i < count; i++) {
        fds[i] = connect_to(port);
        if (send(fds[i], ask, sizeof ask - 1, MSG_NOSIGNAL) != (ssize_t)sizeof ask - 1 ||
            recv(fds[i], scratch, sizeof scratch, 0) <= 0)
            fail("an idle connection");
    }
}
