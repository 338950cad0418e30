/* `cosrel serve` under more load than it can carry: what it still answers, how long that takes, and
 * what its memory does. Binary tensors over HTTP.
 *
 *     build/bench/bench_overload [SECONDS [MODEL]]      default: 60, small_cnn
 *
 * First the peak: the best of closed loops with more and more connections and of open loops at
 * rising rates. Then twice that for so many seconds, open loop (bench/serve/open_load.h), once
 * without deadlines and once with `timeout`: then only what is answered in time counts. Then the
 * peak again, since a virtual machine is not equally fast at all times: the higher one counts. Load
 * generator and server share the machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "machine.h"
#include "serve/http_load.h"
#include "serve/open_load.h"
#include "serve/server_process.h"

enum {
    QUEUE_MAX = 256, /* the server's default, given so that the bound is that of the server */
    SAMPLES_MAX = 3600,
    REQUEST_MAX = 1 << 20,
};

/* Of one closed loop or one step of the rising load (chosen: thousands of requests). */
static const double STEP_S = 3;

/* The time that clients wait for, in service times (chosen: a fifth of the queue, so that most of a
 * full queue would be too late). */
static const double TIMEOUT_SERVICES = 50;

static const struct known {
    const char *name, *shape;
    size_t floats;
} MODELS[] = {
    {"small_cnn", "1,3,32,32", 3 * 32 * 32},
    {"keyword_spotter", "1,1,49,10", 49 * 10},
    {"mobilenet_v2", "1,3,224,224", 3 * 224 * 224},
};

typedef struct request {
    char bytes[REQUEST_MAX];
    size_t count;
} request;

static void fail(const char *what)
{
    fprintf(stderr, "bench_overload: %s\n", what);
    exit(1);
}

static const struct known *find(const char *name)
{
    for (size_t i = 0; i < sizeof MODELS / sizeof *MODELS; i++)
        if (strcmp(MODELS[i].name, name) == 0)
            return &MODELS[i];
    fail("the model is small_cnn, keyword_spotter or mobilenet_v2");
    return NULL;
}

/* timeout_us 0: without a deadline. */
static void make_request(const struct known *model, long timeout_us, request *out)
{
    char json[512], timeout[64] = "";
    const size_t data_bytes = model->floats * sizeof(float);
    if (timeout_us)
        snprintf(timeout, sizeof timeout, ",\"timeout\":%ld", timeout_us);
    const int json_bytes = snprintf(json, sizeof json,
                                    "{\"inputs\":[{\"name\":\"input\",\"shape\":[%s],\"datatype\":"
                                    "\"FP32\",\"parameters\":{\"binary_data_size\":%zu}}],"
                                    "\"parameters\":{\"binary_data_output\":true%s}}",
                                    model->shape, data_bytes, timeout);
    const int head = snprintf(out->bytes, sizeof out->bytes,
                              "POST /v2/models/%s/infer HTTP/1.1\r\nHost: localhost\r\n"
                              "Content-Type: application/octet-stream\r\n"
                              "Inference-Header-Content-Length: %d\r\nContent-Length: %zu\r\n\r\n",
                              model->name, json_bytes, (size_t)json_bytes + data_bytes);
    memcpy(out->bytes + head, json, (size_t)json_bytes);
    memset(out->bytes + head + json_bytes, 0, data_bytes);
    out->count = (size_t)(head + json_bytes) + data_bytes;
}

/* ---- Whose the machine was ---- */

typedef struct cpu_use {
    double server, generator, others; /* cores; before they are taken: seconds */
    int64_t at_ns;
} cpu_use;

static cpu_use cpu_now(const server_process *s)
{
    const double server_s = server_process_cpu_s(s), own_s = (double)clock_process_cpu_ns() / 1e9;
    return (cpu_use){.server = server_s,
                     .generator = own_s,
                     .others = machine_busy_s() - server_s - own_s,
                     .at_ns = clock_now_ns()};
}

static cpu_use cpu_since(const server_process *s, const cpu_use *from)
{
    cpu_use use = cpu_now(s);
    const double seconds = (double)(use.at_ns - from->at_ns) / 1e9;
    use.server = (use.server - from->server) / seconds;
    use.generator = (use.generator - from->generator) / seconds;
    use.others = (use.others - from->others) / seconds;
    return use;
}

/* ---- The peak ---- */

typedef struct peak {
    double rate; /* answers/s */
    cpu_use cpu;
} peak;

static peak closed(const server_process *s, const request *r, int connections)
{
    static http_load_result result;
    const http_load load = {.port = s->port,
                            .connections = connections,
                            .request = r->bytes,
                            .request_bytes = r->count,
                            .seconds = STEP_S};
    const cpu_use before = cpu_now(s);
    http_load_run(&load, &result);
    return (peak){(double)result.answered / result.seconds, cpu_since(s, &before)};
}

static peak open_step(const server_process *s, const request *r, double rate)
{
    static open_load_result result;
    const open_load load = {.port = s->port,
                            .request = r->bytes,
                            .request_bytes = r->count,
                            .rate = rate,
                            .seconds = STEP_S,
                            .seed = 1};
    const cpu_use before = cpu_now(s);
    open_load_run(&load, &result);
    return (peak){(double)result.in_time / result.seconds, cpu_since(s, &before)};
}

static peak find_peak(const server_process *s, const request *r)
{
    static const int connections[] = {4, 16, 64, 256};
    static const double shares[] = {0.9, 1.0, 1.1};
    peak best = {.rate = 0};
    printf("closed loop, connections: answers/s");
    for (size_t i = 0; i < sizeof connections / sizeof *connections; i++) {
        const peak now = closed(s, r, connections[i]);
        printf("  %d: %.0f", connections[i], now.rate);
        best = now.rate > best.rate ? now : best;
    }
    const double base = best.rate;
    printf("\nopen loop, offered/s: answers/s    ");
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        const peak now = open_step(s, r, base * shares[i]);
        printf("  %.0f: %.0f", base * shares[i], now.rate);
        best = now.rate > best.rate ? now : best;
    }
    printf("\n");
    fflush(stdout);
    return best;
}

/* ---- Overload ---- */

typedef struct memory_trace {
    const server_process *server;
    double mb[SAMPLES_MAX];
    int count;
} memory_trace;

static void sample(void *user)
{
    memory_trace *m = user;
    if (m->count < SAMPLES_MAX)
        m->mb[m->count++] = server_process_resident_mb(m->server);
}

typedef struct overload {
    const char *name;
    long timeout_us; /* 0: none */
    open_load_result result;
    memory_trace memory;
    cpu_use cpu;
} overload;

static void run_overload(const server_process *s, const struct known *model, double rate,
                         double seconds, overload *o)
{
    static request r;
    make_request(model, o->timeout_us, &r);
    o->memory.server = s;
    sample(&o->memory);
    const cpu_use before = cpu_now(s);
    const open_load load = {.port = s->port,
                            .request = r.bytes,
                            .request_bytes = r.count,
                            .rate = rate,
                            .seconds = seconds,
                            .in_time_ns = o->timeout_us * 1000,
                            .seed = 2,
                            .each_second = sample,
                            .user = &o->memory};
    open_load_run(&load, &o->result);
    o->cpu = cpu_since(s, &before);
    sample(&o->memory);
}

static double ms(const hist *h, double q)
{
    return (double)hist_percentile(h, q) / 1e6;
}

static void print_memory(const memory_trace *m)
{
    double most = 0;
    for (int i = 0; i < m->count; i++)
        most = m->mb[i] > most ? m->mb[i] : most;
    printf(
        "  server's memory, MB      %.1f at the start, %.1f in the middle, %.1f at the end, %.1f "
        "at most\n",
        m->mb[0], m->mb[m->count / 2], m->mb[m->count - 1], most);
}

static void print(const overload *o, const peak *best)
{
    const open_load_result *r = &o->result;
    const double goodput = (double)r->in_time / r->seconds;
    const double per_cpu = goodput / o->cpu.server, best_per_cpu = best->rate / best->cpu.server;
    printf("%s: %.0f s at %.0f/s\n", o->name, r->seconds, (double)r->due / r->seconds);
    printf("  goodput                  %.0f/s, %.1f %% of the peak; per second of the server's CPU "
           "time %.0f, %.1f %%\n",
           goodput, 100 * goodput / best->rate, per_cpu, 100 * per_cpu / best_per_cpu);
    printf("  answers                  %llu in time, %llu late, %llu refused (429), %llu expired "
           "(504), %llu other; %llu under way at the end\n",
           (unsigned long long)r->in_time, (unsigned long long)r->late,
           (unsigned long long)r->refused, (unsigned long long)r->expired,
           (unsigned long long)r->other, (unsigned long long)r->unanswered);
    printf("  latency of the accepted  p50 %.1f ms, p99 %.1f ms, most %.1f ms; ",
           ms(&r->latency_ns, 0.5), ms(&r->latency_ns, 0.99), ms(&r->latency_ns, 1));
    /* Everything in the queue before it, then its own run. */
    if (o->timeout_us)
        printf("timeout %.1f ms\n", (double)o->timeout_us / 1e3);
    else
        printf("a full queue is %.1f ms at the peak's rate, %.1f at this one's\n",
               (QUEUE_MAX + 1) * 1e3 / best->rate, (QUEUE_MAX + 1) * 1e3 / goodput);
    print_memory(&o->memory);
    printf("  cores in use             server %.2f, load generator %.2f, others %.2f\n",
           o->cpu.server, o->cpu.generator, o->cpu.others);
    printf("  requests sent late by    p50 %.2f ms, p99 %.2f ms; %d connections\n",
           ms(&r->behind_ns, 0.5), ms(&r->behind_ns, 0.99), r->connections);
}

static void write_model(const char *folder, const char *model)
{
    char command[256];
    snprintf(command, sizeof command, "build/cosrel zoo %s --only %s --quiet", folder, model);
    if (system(command) != 0)
        fail("build/cosrel zoo failed; run this from the repository's root");
}

static void measure(const server_process *server, const struct known *model, double seconds)
{
    static overload overloads[] = {{.name = "twice the peak"},
                                   {.name = "twice the peak, with deadlines"}};
    static request r;
    make_request(model, 0, &r);
    (void)closed(server, &r, 16); /* until estimates have settled */
    peak best = find_peak(server, &r);
    const double rate = best.rate;
    overloads[1].timeout_us = (long)(TIMEOUT_SERVICES * 1e6 / rate);
    for (int i = 0; i < 2; i++)
        run_overload(server, model, 2 * rate, seconds, &overloads[i]);
    const peak again = find_peak(server, &r);
    best = again.rate > best.rate ? again : best;
    printf("peak %.0f/s; cores in use: server %.2f, load generator %.2f, others %.2f\n", best.rate,
           best.cpu.server, best.cpu.generator, best.cpu.others);
    for (int i = 0; i < 2; i++)
        print(&overloads[i], &best);
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? atof(argv[1]) : 60;
    const struct known *model = find(argc > 2 ? argv[2] : "small_cnn");
    char folder[] = "/tmp/bench-overload-XXXXXX", path[128], queue[16];
    if (seconds < 1 || seconds > SAMPLES_MAX / 2)
        fail("usage: bench_overload [SECONDS [MODEL]]");
    if (!mkdtemp(folder))
        fail("no folder to be had");
    write_model(folder, model->name);
    snprintf(path, sizeof path, "%s/%s.onnx", folder, model->name);
    snprintf(queue, sizeof queue, "%d", QUEUE_MAX);
    const char *const command[] = {"build/cosrel", "serve",       "--models", folder,
                                   "--http",       "127.0.0.1:0", "--grpc",   "off",
                                   "--quiet",      "--queue-max", queue,      NULL};
    server_process server;
    server_process_start(&server, command);
    printf("%s\n", model->name);
    measure(&server, model, seconds);
    server_process_stop(&server);
    unlink(path);
    return rmdir(folder);
}
