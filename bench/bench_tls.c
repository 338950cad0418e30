/* What TLS costs over HTTP: requests per second and latency with it and without it, new connections
 * per second, a large tensor, and the memory of idle connections.
 *
 *     build/bench/bench_tls [ROUNDS]      default: 3
 *
 * Two servers of the same model (y = x + constant), one of them with TLS, are asked in turn; each
 * connection has a thread here that sends and waits. Clients and servers share the machine, so that
 * what the clients encrypt counts as well. Certificate: P-256. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hist.h"
#include "serve/server_process.h"
#include "tiny_onnx.h"
#include "tls_files.h"
#include "tls_peer.h"

enum { CLEAR, TLS, KINDS, ROUNDS_MAX = 20, CLIENTS_MAX = 16, IDLE = 1000, LARGE_ROWS = 37632 };

static const char *const names[KINDS] = {"clear", "TLS"};
static server_process servers[KINDS];
static char folder[] = "/tmp/bench-tls-XXXXXX", authority[64], certificate[64], key[64];

typedef struct load {
    const char *name;
    int clients;
    double seconds;
    size_t rows;       /* of four floats */
    bool reconnecting; /* a connection per request */
} load;

static const load loads[] = {{"16 connections", 16, 3, 1, false},
                             {"1 connection", 1, 1, 1, false},
                             {"602 KB each way", 1, 2, LARGE_ROWS, false},
                             {"a connection each", 4, 2, 1, true}};
enum { LOADS = sizeof loads / sizeof *loads };

static void fail(const char *what)
{
    fprintf(stderr, "bench_tls: %s\n", what);
    exit(1);
}

/* ---- Servers ---- */

static void start(int kind)
{
    const char *command[] = {"build/cosrel", "serve",     "--models", folder,    "--http",
                             "127.0.0.1:0",  "--grpc",    "off",      "--quiet", NULL,
                             certificate,    "--tls-key", key,        NULL};
    if (kind == TLS)
        command[9] = "--tls-cert";
    server_process_start(&servers[kind], command);
}

/* ---- Clients ---- */

typedef struct wire {
    int fd;
    tls_peer *tls;
} wire;

static wire dial(int kind)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)servers[kind].port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const tls_peer_options options = {.authority = authority, .protocol = "http/1.1"};
    const int one = 1;
    wire w = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (w.fd < 0 || connect(w.fd, (const struct sockaddr *)&to, sizeof to) != 0)
        fail("a connection was refused");
    setsockopt(w.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (kind == TLS && !(w.tls = tls_peer_begin(w.fd, &options)))
        fail("a handshake failed");
    return w;
}

static void hang_up(wire *w)
{
    if (w->tls)
        tls_peer_end(w->tls);
    else
        close(w->fd);
}

static void ask(const wire *w, const char *request, size_t bytes)
{
    static _Thread_local char buffer[1 << 20];
    size_t used = 0, answer_bytes = 0;
    const char *body = NULL;
    const ssize_t sent = w->tls ? tls_peer_send(w->tls, request, bytes)
                                : send(w->fd, request, bytes, MSG_NOSIGNAL);
    if (sent != (ssize_t)bytes)
        fail("a request was not taken");
    while (!body || (size_t)(buffer + used - body) < answer_bytes) {
        const size_t room = sizeof buffer - 1 - used;
        const ssize_t n = w->tls ? tls_peer_receive(w->tls, buffer + used, room)
                                 : recv(w->fd, buffer + used, room, 0);
        if (n <= 0)
            fail("an answer broke off");
        used += (size_t)n;
        buffer[used] = '\0';
        if (!body && (body = strstr(buffer, "\r\n\r\n")) != NULL) {
            const char *length = strstr(buffer, "\r\nContent-Length: ");
            body += 4;
            answer_bytes = length ? strtoul(length + 18, NULL, 10) : 0;
        }
    }
    if (strncmp(buffer, "HTTP/1.1 200", 12) != 0)
        fail("a request was refused");
}

static char *make_request(size_t rows, size_t *bytes)
{
    char json[512];
    const size_t floats = rows * 4;
    const int json_bytes = snprintf(
        json, sizeof json,
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[%zu,4],\"datatype\":\"FP32\",\"parameters\":{"
        "\"binary_data_size\":%zu}}],\"outputs\":[{\"name\":\"y\",\"parameters\":{\"binary_data\":"
        "true}}]}",
        rows, floats * sizeof(float));
    char *request = calloc(1, 1024 + floats * sizeof(float));
    if (!request)
        fail("no memory");
    const int head = snprintf(
        request, 1024,
        "POST /v2/models/add/infer HTTP/1.1\r\nHost: localhost\r\n"
        "Inference-Header-Content-Length: %d\r\nContent-Length: %zu\r\n\r\n%s",
        json_bytes, (size_t)json_bytes + floats * sizeof(float), json);
    *bytes = (size_t)head + floats * sizeof(float);
    return request;
}

/* ---- Measuring ---- */

typedef struct client {
    pthread_t thread;
    const load *load;
    int kind;
    const char *request;
    size_t bytes;
    atomic_bool *over;
    uint64_t answered;
    hist latency_ns;
} client;

static void *drive(void *user)
{
    client *c = user;
    wire w = {.fd = -1};
    if (!c->load->reconnecting)
        w = dial(c->kind);
    while (!atomic_load(c->over)) {
        const int64_t began_ns = clock_now_ns();
        if (c->load->reconnecting)
            w = dial(c->kind);
        ask(&w, c->request, c->bytes);
        hist_add(&c->latency_ns, clock_now_ns() - began_ns);
        c->answered++;
        if (c->load->reconnecting)
            hang_up(&w);
    }
    if (!c->load->reconnecting)
        hang_up(&w);
    return NULL;
}

typedef struct figures {
    double rate, p50_us, p99_us;
} figures;

static figures measure(const load *l, int kind)
{
    static client clients[CLIENTS_MAX];
    atomic_bool over = false;
    size_t bytes;
    char *request = make_request(l->rows, &bytes);
    memset(clients, 0, sizeof clients);
    const int64_t began_ns = clock_now_ns();
    for (int i = 0; i < l->clients; i++) {
        client *c = &clients[i];
        c->load = l;
        c->kind = kind;
        c->request = request;
        c->bytes = bytes;
        c->over = &over;
        hist_reset(&c->latency_ns);
        if (pthread_create(&c->thread, NULL, drive, c) != 0)
            fail("no thread to be had");
    }
    usleep((useconds_t)(l->seconds * 1e6));
    atomic_store(&over, true);
    uint64_t answered = 0;
    for (int i = 0; i < l->clients; i++) {
        pthread_join(clients[i].thread, NULL);
        answered += clients[i].answered;
        if (i > 0)
            hist_merge(&clients[0].latency_ns, &clients[i].latency_ns);
    }
    const double seconds = (double)(clock_now_ns() - began_ns) / 1e9;
    free(request);
    return (figures){(double)answered / seconds,
                     (double)hist_percentile(&clients[0].latency_ns, 0.5) / 1e3,
                     (double)hist_percentile(&clients[0].latency_ns, 0.99) / 1e3};
}

static int compare(const void *a, const void *b)
{
    const figures *x = a, *y = b;
    return (x->rate > y->rate) - (x->rate < y->rate);
}

static void measure_idle(int kind)
{
    static const char ready[] = "GET /v2/models/add HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static wire wires[IDLE];
    const double before_mb = server_process_resident_mb(&servers[kind]);
    for (int i = 0; i < IDLE; i++) {
        wires[i] = dial(kind);
        ask(&wires[i], ready, sizeof ready - 1);
    }
    printf("%-18s %-6s %.1f MB more\n", "1000 idle", names[kind],
           server_process_resident_mb(&servers[kind]) - before_mb);
    for (int i = 0; i < IDLE; i++)
        hang_up(&wires[i]);
}

int main(int argc, char **argv)
{
    static figures found[LOADS][KINDS][ROUNDS_MAX];
    const int rounds = argc > 1 ? atoi(argv[1]) : 3;
    char model[64];
    struct rlimit limit;
    if (rounds < 1 || rounds > ROUNDS_MAX)
        fail("usage: bench_tls [ROUNDS]");
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (!mkdtemp(folder))
        fail("no folder to be had");
    snprintf(model, sizeof model, "%s/add.onnx", folder);
    snprintf(authority, sizeof authority, "%s/ca.pem", folder);
    snprintf(certificate, sizeof certificate, "%s/cert.pem", folder);
    snprintf(key, sizeof key, "%s/key.pem", folder);
    if (!tiny_add(model) || !tls_files_make(authority, certificate, key, "localhost", 30))
        fail("a file cannot be written");
    for (int kind = 0; kind < KINDS; kind++)
        start(kind);
    for (int r = 0; r < rounds; r++)
        for (int k = 0; k < LOADS; k++)
            for (int kind = 0; kind < KINDS; kind++)
                found[k][kind][r] = measure(&loads[k], kind);
    printf("%d rounds, medians; microseconds\n%-18s %-6s %10s %8s %8s\n", rounds, "", "",
           "requests/s", "p50", "p99");
    for (int k = 0; k < LOADS; k++)
        for (int kind = 0; kind < KINDS; kind++) {
            qsort(found[k][kind], (size_t)rounds, sizeof(figures), compare);
            const figures *f = &found[k][kind][rounds / 2];
            printf("%-18s %-6s %10.0f %8.0f %8.0f\n", loads[k].name, names[kind], f->rate,
                   f->p50_us, f->p99_us);
        }
    for (int kind = 0; kind < KINDS; kind++)
        measure_idle(kind);
    for (int i = 0; i < KINDS; i++)
        server_process_stop(&servers[i]);
    unlink(model);
    unlink(authority);
    unlink(certificate);
    unlink(key);
    return rmdir(folder);
}
