/* What serving adds: requests per second and latency over HTTP, on a model that takes microseconds
 * (one Relu on 16 floats), binary tensors, beside a plain Node.js server with the same model.
 *
 *     build/bench/bench_serve [ROUNDS [NODE_FOLDER]]      default: 5, without Node.js
 *
 * NODE_FOLDER holds node_modules/onnxruntime-node. A round is 3 s with 16 connections and 1 s with
 * one, for each server in turn, and 5000 requests to the library in this process: what HTTP adds is
 * the difference. Load and servers share the machine. At the end: what 1000 idle connections cost
 * `cosrel serve` in memory, and in requests per second of 16 busy ones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "cosrel/cosrel.h"
#include "serve/http_load.h"
#include "serve/server_process.h"
#include "tiny_onnx.h"

enum { SERVERS = 2, ROUNDS_MAX = 50, LOADS = 2, IDLE = 1000, LIBRARY_CALLS = 5000 };

static const struct {
    int connections;
    double seconds;
} loads[LOADS] = {{16, 3}, {1, 1}};

typedef struct measured {
    const char *name;
    server_process process;
    double rate[LOADS][ROUNDS_MAX], p50_us[LOADS][ROUNDS_MAX], p99_us[LOADS][ROUNDS_MAX];
} measured;

static measured servers[SERVERS];
static int server_count;
static double library_p50_us[ROUNDS_MAX], library_p99_us[ROUNDS_MAX], added_us[ROUNDS_MAX];

static void fail(const char *what)
{
    fprintf(stderr, "bench_serve: %s\n", what);
    exit(1);
}

static void start(const char *name, const char *const *command)
{
    measured *s = &servers[server_count++];
    s->name = name;
    server_process_start(&s->process, command);
}

static size_t make_request(char *out, size_t room)
{
    static const char json[] =
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,16],\"datatype\":\"FP32\",\"parameters\":{"
        "\"binary_data_size\":64}}],\"outputs\":[{\"name\":\"y\",\"parameters\":{\"binary_data\":"
        "true}}]}";
    float x[16];
    for (int i = 0; i < 16; i++)
        x[i] = (float)(i - 8);
    const int head = snprintf(out, room,
                              "POST /v2/models/relu/infer HTTP/1.1\r\nHost: localhost\r\n"
                              "Content-Type: application/octet-stream\r\n"
                              "Inference-Header-Content-Length: %zu\r\nContent-Length: %zu\r\n\r\n",
                              strlen(json), strlen(json) + sizeof x);
    memcpy(out + head, json, strlen(json));
    memcpy(out + head + strlen(json), x, sizeof x);
    return (size_t)head + strlen(json) + sizeof x;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, int count)
{
    double sorted[ROUNDS_MAX];
    memcpy(sorted, values, (size_t)count * sizeof *values);
    qsort(sorted, (size_t)count, sizeof *sorted, compare);
    return sorted[count / 2];
}

static void measure(measured *s, int load, int round, const char *request, size_t bytes)
{
    static http_load_result result;
    const http_load now = {.port = s->process.port,
                           .connections = loads[load].connections,
                           .request = request,
                           .request_bytes = bytes,
                           .seconds = loads[load].seconds};
    http_load_run(&now, &result);
    if (result.refused || !result.answered)
        fail("a request was refused");
    s->rate[load][round] = (double)result.answered / result.seconds;
    s->p50_us[load][round] = (double)hist_percentile(&result.latency_ns, 0.5) / 1e3;
    s->p99_us[load][round] = (double)hist_percentile(&result.latency_ns, 0.99) / 1e3;
}

/* The same request in this process: what a program has that links the library. */
static void measure_library(cosrel_runtime *rt, int round)
{
    static const int64_t shape[] = {1, 16};
    static float x[16];
    static hist latency;
    const cosrel_tensor input = {
        .type = COSREL_FLOAT32, .rank = 2, .shape = shape, .data = x, .bytes = sizeof x};
    cosrel_model *model = cosrel_runtime_model(rt, 0);
    hist_reset(&latency);
    for (int i = 0; i < LIBRARY_CALLS; i++) {
        const cosrel_result *result;
        cosrel_error err;
        const int64_t start_ns = clock_now_ns();
        if (cosrel_run(rt, model, &input, 1, &result, &err) != COSREL_OK)
            fail(err.text);
        cosrel_result_release(result);
        hist_add(&latency, clock_now_ns() - start_ns);
    }
    library_p50_us[round] = (double)hist_percentile(&latency, 0.5) / 1e3;
    library_p99_us[round] = (double)hist_percentile(&latency, 0.99) / 1e3;
}

static cosrel_runtime *open_library(const char *model)
{
    cosrel_options options;
    cosrel_runtime *rt;
    cosrel_error err = {""};
    cosrel_options_init(&options);
    options.policy = "learned"; /* as the server does */
    if (cosrel_runtime_open(&options, &rt, &err) != COSREL_OK ||
        cosrel_runtime_load(rt, model, &err) != COSREL_OK)
        fail(err.text);
    return rt;
}

/* Rounds with and without them, in turn. */
static void measure_idle(measured *s, int rounds, const char *request, size_t bytes)
{
    static int fds[IDLE];
    double with[ROUNDS_MAX], without[ROUNDS_MAX], mb[ROUNDS_MAX];
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    for (int r = 0; r < rounds; r++) {
        measure(s, 0, r, request, bytes);
        without[r] = s->rate[0][r];
        const double before_mb = server_process_resident_mb(&s->process);
        http_load_idle(s->process.port, IDLE, fds);
        mb[r] = server_process_resident_mb(&s->process) - before_mb;
        measure(s, 0, r, request, bytes);
        with[r] = s->rate[0][r];
        for (int i = 0; i < IDLE; i++)
            close(fds[i]);
    }
    /* Memory that was freed is used again: only the first round sees all of it. */
    printf("%d idle connections: %.1f MB more; %.0f requests/s beside them, %.0f without\n", IDLE,
           mb[0], median(with, rounds), median(without, rounds));
}

static void print(int rounds)
{
    printf("%d rounds, medians; microseconds\n%-10s %11s %10s %8s %8s\n", rounds, "server",
           "connections", "requests/s", "p50", "p99");
    for (int k = 0; k < LOADS; k++)
        for (int i = 0; i < server_count; i++) {
            const measured *s = &servers[i];
            printf("%-10s %11d %10.0f %8.0f %8.0f\n", s->name, loads[k].connections,
                   median(s->rate[k], rounds), median(s->p50_us[k], rounds),
                   median(s->p99_us[k], rounds));
        }
    printf("library, in process, one request at a time: p50 %.0f, p99 %.0f; HTTP adds %.0f to the "
           "median\n",
           median(library_p50_us, rounds), median(library_p99_us, rounds),
           median(added_us, rounds));
}

int main(int argc, char **argv)
{
    const int rounds = argc > 1 ? atoi(argv[1]) : 5;
    char folder[] = "/tmp/bench-serve-XXXXXX", model[64], request[1024];
    if (rounds < 1 || rounds > ROUNDS_MAX)
        fail("usage: bench_serve [ROUNDS [NODE_FOLDER]]");
    if (!mkdtemp(folder))
        fail("no folder to be had");
    snprintf(model, sizeof model, "%s/relu.onnx", folder);
    if (!tiny_relu(model))
        fail("the model cannot be written");
    const char *const own[] = {"build/cosrel", "serve",  "--models", folder,    "--http",
                               "127.0.0.1:0",  "--grpc", "off",      "--quiet", NULL};
    start("cosrel", own);
    const char *const node[] = {"node", "bench/serve/node_server.js", argc > 2 ? argv[2] : "",
                                model, NULL};
    if (argc > 2)
        start("node", node);
    const size_t bytes = make_request(request, sizeof request);
    cosrel_runtime *rt = open_library(model);
    measure_library(rt, 0); /* until estimates have settled */
    for (int r = 0; r < rounds; r++) {
        for (int k = 0; k < LOADS; k++)
            for (int i = 0; i < server_count; i++)
                measure(&servers[i], k, r, request, bytes);
        measure_library(rt, r);
        added_us[r] = servers[0].p50_us[1][r] - library_p50_us[r];
    }
    print(rounds);
    measure_idle(&servers[0], rounds, request, bytes);
    cosrel_runtime_close(rt);
    for (int i = 0; i < server_count; i++)
        server_process_stop(&servers[i].process);
    unlink(model);
    return rmdir(folder);
}
