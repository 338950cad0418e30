#include "open_load.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rng.h"
#include "http_client.h"

/* Connections: more than any queue of the benchmarks, fewer than the server takes. When all are in
 * use, what is due waits, and counts as late. */
enum { CONNECTIONS_MAX = 1000, EVENTS = 256 };

typedef struct client {
    http_client http; /* first: epoll reports its address */
    int64_t due_ns;
    struct client *next_idle;
} client;

static client clients[CONNECTIONS_MAX];

typedef struct generator {
    const open_load *load;
    open_load_result *out;
    rng random;
    int epoll_fd;
    client *idle;
    uint64_t under_way;
    int64_t next_due_ns, end_ns;
} generator;

static void fail(const char *what)
{
    fprintf(stderr, "load generator: %s\n", what);
    exit(1);
}

static client *take_client(generator *g)
{
    client *c = g->idle;
    if (c) {
        g->idle = c->next_idle;
        return c;
    }
    if (g->out->connections == CONNECTIONS_MAX)
        return NULL;
    c = &clients[g->out->connections++];
    http_client_open(&c->http, g->load->port, g->epoll_fd);
    return c;
}

/* All that is due by now, while there are connections. */
static void send_due(generator *g)
{
    int64_t now_ns = clock_now_ns();
    while (g->next_due_ns <= now_ns && g->next_due_ns < g->end_ns) {
        client *c = take_client(g);
        if (!c)
            return;
        c->due_ns = g->next_due_ns;
        http_client_begin(&c->http, g->load->request, g->load->request_bytes);
        now_ns = clock_now_ns();
        hist_add(&g->out->behind_ns, now_ns - c->due_ns);
        g->out->due++;
        g->under_way++;
        g->next_due_ns += (int64_t)rng_exponential(&g->random, 1e9 / g->load->rate) + 1;
    }
}

static void answered(generator *g, client *c, int64_t now_ns)
{
    open_load_result *out = g->out;
    const int64_t took_ns = now_ns - c->due_ns;
    c->next_idle = g->idle;
    g->idle = c;
    g->under_way--;
    if (c->http.status == 200) {
        const bool late = g->load->in_time_ns && took_ns > g->load->in_time_ns;
        out->in_time += !late;
        out->late += late;
        hist_add(&out->latency_ns, took_ns);
    } else {
        out->refused += c->http.status == 429;
        out->expired += c->http.status == 504;
        out->other += c->http.status != 429 && c->http.status != 504;
    }
}

/* Until something comes or is due. */
static void wait_and_receive(generator *g)
{
    struct epoll_event events[EVENTS];
    const bool may_send = g->idle || g->out->connections < CONNECTIONS_MAX;
    int64_t left_ns = g->next_due_ns - clock_now_ns();
    if (left_ns < 0)
        left_ns = 0;
    if (!may_send || left_ns > 10000000)
        left_ns = 10000000; /* not longer: the end may come before */
    const struct timespec timeout = {.tv_nsec = left_ns};
    const int count = epoll_pwait2(g->epoll_fd, events, EVENTS, &timeout, NULL);
    const int64_t now_ns = clock_now_ns();
    for (int i = 0; i < count; i++)
        if (http_client_event(events[i].data.ptr, events[i].events))
            answered(g, events[i].data.ptr, now_ns);
}

void open_load_run(const open_load *load, open_load_result *out)
{
    generator g = {.load = load, .out = out, .epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
    memset(out, 0, sizeof *out);
    if (g.epoll_fd < 0)
        fail("no epoll to be had");
    /* The kernel may wake sleepers up to 50 us late to save wake-ups, which is a burst here. */
    (void)prctl(PR_SET_TIMERSLACK, 1000UL);
    rng_init(&g.random, load->seed);
    const int64_t start_ns = clock_now_ns();
    int64_t second_ns = start_ns + 1000000000;
    g.next_due_ns = start_ns;
    g.end_ns = start_ns + (int64_t)(load->seconds * 1e9);
    int64_t now_ns = start_ns;
    while (now_ns < g.end_ns) {
        send_due(&g);
        wait_and_receive(&g);
        now_ns = clock_now_ns();
        if (now_ns >= second_ns && load->each_second) {
            load->each_second(load->user);
            second_ns += 1000000000;
        }
    }
    out->seconds = (double)(now_ns - start_ns) / 1e9;
    out->unanswered = g.under_way;
    for (int i = 0; i < out->connections; i++)
        http_client_close(&clients[i].http);
    close(g.epoll_fd);
}
