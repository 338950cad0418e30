#include "http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 16 };

static char scratch[READ_BYTES];

static void fail(const char *what)
{
    fprintf(stderr, "load generator: %s: %s\n", what, strerror(errno));
    exit(1);
}

void http_client_open(http_client *c, int port, int epoll_fd)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    const int one = 1;
    memset(c, 0, sizeof *c);
    c->epoll_fd = epoll_fd;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof to) != 0)
        fail("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0)
        fail("epoll");
}

void http_client_close(http_client *c)
{
    close(c->fd);
}

static void send_on(http_client *c)
{
    while (c->sent < c->request_bytes) {
        const ssize_t n = send(c->fd, c->request + c->sent, c->request_bytes - c->sent,
                               MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            fail("send");
        c->sent += (size_t)n;
    }
    const bool wait = c->sent < c->request_bytes;
    if (wait == c->waits_for_room)
        return;
    struct epoll_event event = {.events = wait ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
    c->waits_for_room = wait;
    if (epoll_ctl(c->epoll_fd, EPOLL_CTL_MOD, c->fd, &event) != 0)
        fail("epoll");
}

void http_client_begin(http_client *c, const char *request, size_t bytes)
{
    c->request = request;
    c->request_bytes = bytes;
    c->sent = c->head_bytes = 0;
    c->left = -1;
    send_on(c);
}

/* The headers are complete: status and length. Returns how many bytes of the body came with them.
 */
static size_t read_head(http_client *c, const char *end)
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

static bool take(http_client *c, const char *data, size_t bytes)
{
    if (c->left < 0) {
        const size_t room = HTTP_CLIENT_HEAD_MAX - 1 - c->head_bytes,
                     part = bytes < room ? bytes : room;
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

static bool receive(http_client *c)
{
    const ssize_t n = recv(c->fd, scratch, sizeof scratch, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n == 0)
        errno = ECONNRESET;
    if (n <= 0)
        fail("receive");
    return take(c, scratch, (size_t)n);
}

bool http_client_event(http_client *c, uint32_t events)
{
    if (events & EPOLLOUT)
        send_on(c);
    return (events & ~(uint32_t)EPOLLOUT) && receive(c);
}
