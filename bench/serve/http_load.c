#include "http_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "http_client.h"

enum { CONNECTIONS_MAX = 4096 };

typedef struct client {
    http_client http; /* first: epoll reports its address */
    int64_t began_ns;
} client;

static client clients[CONNECTIONS_MAX];

static void fail(const char *what)
{
    fprintf(stderr, "load generator: %s\n", what);
    exit(1);
}

static void begin(const http_load *load, client *c)
{
    c->began_ns = clock_now_ns();
    http_client_begin(&c->http, load->request, load->request_bytes);
}

static void answered(const http_load *load, client *c, http_load_result *out)
{
    if (c->http.status == 200) {
        out->answered++;
        hist_add(&out->latency_ns, clock_now_ns() - c->began_ns);
    } else {
        out->refused++;
    }
    begin(load, c);
}

void http_load_run(const http_load *load, http_load_result *out)
{
    const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    const int64_t start_ns = clock_now_ns(), end_ns = start_ns + (int64_t)(load->seconds * 1e9);
    memset(out, 0, sizeof *out);
    if (epoll_fd < 0 || load->connections > CONNECTIONS_MAX)
        fail("no epoll to be had, or too many connections");
    for (int i = 0; i < load->connections; i++) {
        http_client_open(&clients[i].http, load->port, epoll_fd);
        begin(load, &clients[i]);
    }
    while (clock_now_ns() < end_ns) {
        struct epoll_event events[64];
        const int count = epoll_wait(epoll_fd, events, 64, 100);
        for (int i = 0; i < count; i++)
            if (http_client_event(events[i].data.ptr, events[i].events))
                answered(load, events[i].data.ptr, out);
    }
    out->seconds = (double)(clock_now_ns() - start_ns) / 1e9;
    for (int i = 0; i < load->connections; i++)
        http_client_close(&clients[i].http);
    close(epoll_fd);
}

void http_load_idle(int port, int count, int *fds)
{
    static const char ask[] = "GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static http_client c;
    const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event;
    for (int i = 0; i < count; i++) {
        http_client_open(&c, port, epoll_fd);
        http_client_begin(&c, ask, sizeof ask - 1);
        do
            (void)epoll_wait(epoll_fd, &event, 1, -1);
        while (!http_client_event(&c, event.events));
        fds[i] = c.fd;
    }
    close(epoll_fd);
}
