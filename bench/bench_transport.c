/* What it costs to bring a large tensor to `cosrel serve`: an image of 224 x 224 x 3 floats as
 * JSON, as a binary tensor, and in shared memory, for a model that only takes the mean of each
 * channel.
 *
 *     build/bench/bench_transport [ROUNDS]      default: 5
 *
 * A round is 2 s of each with one connection and with four. Load generator and server share the
 * machine; the load generator sends prepared bytes: what a client takes to print its numbers as
 * JSON comes on top. In shared memory the image stays where it is, as a camera's would that is
 * written there. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/rng.h"
#include "serve/http_client.h"
#include "serve/http_load.h"
#include "serve/server_process.h"
#include "tiny_onnx.h"

enum { FLOATS = 3 * 224 * 224, WAYS = 3, LOADS = 2, ROUNDS_MAX = 50, HEAD_MAX = 1024 };

static const int CONNECTIONS[LOADS] = {1, 4};
static const double SECONDS = 2;

typedef struct way {
    const char *name;
    char *request; /* the head, then the body */
    size_t bytes;
    double rate[LOADS][ROUNDS_MAX], p50_ms[LOADS][ROUNDS_MAX];
} way;

static char key[64]; /* of the shared memory */

static void fail(const char *what)
{
    fprintf(stderr, "bench_transport: %s\n", what);
    exit(1);
}

static void *must(void *memory)
{
    if (!memory)
        fail("no memory");
    return memory;
}

/* json_bytes < bytes: the rest is a binary tensor. */
static void make_request(way *w, const char *path, const char *body, size_t json_bytes,
                         size_t bytes)
{
    char binary[64] = "";
    if (json_bytes < bytes)
        snprintf(binary, sizeof binary, "Inference-Header-Content-Length: %zu\r\n", json_bytes);
    w->request = must(malloc(HEAD_MAX + bytes));
    const int head = snprintf(
        w->request, HEAD_MAX,
        "POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n", path, binary,
        bytes);
    memcpy(w->request + head, body, bytes);
    w->bytes = (size_t)head + bytes;
}

#define INFER "/v2/models/pool/infer"
#define INPUT "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,3,224,224],\"datatype\":\"FP32\","

static void make_json(way *w, const float *image)
{
    /* "0.123456," */
    char *body = must(malloc(256 + 10 * FLOATS));
    size_t used = (size_t)sprintf(body, INPUT "\"data\":[");
    for (int i = 0; i < FLOATS; i++)
        used += (size_t)sprintf(body + used, i ? ",%.6f" : "%.6f", (double)image[i]);
    used += (size_t)sprintf(body + used, "]}]}");
    make_request(w, INFER, body, used, used);
    free(body);
}

static void make_binary(way *w, const float *image)
{
    const size_t image_bytes = FLOATS * sizeof *image;
    char *body = must(malloc(256 + image_bytes));
    const size_t json_bytes = (size_t)sprintf(
        body, INPUT "\"parameters\":{\"binary_data_size\":%zu}}]}", image_bytes);
    memcpy(body + json_bytes, image, image_bytes);
    make_request(w, INFER, body, json_bytes, json_bytes + image_bytes);
    free(body);
}

static void make_shared(way *w, const float *image)
{
    char body[512];
    const size_t image_bytes = FLOATS * sizeof *image;
    snprintf(key, sizeof key, "/bench-transport-%ld", (long)getpid());
    const int fd = shm_open(key, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)image_bytes) != 0 ||
        write(fd, image, image_bytes) != (ssize_t)image_bytes)
        fail("no shared memory to be had");
    close(fd);
    const size_t bytes = (size_t)snprintf(body, sizeof body,
                                          INPUT "\"parameters\":{\"shared_memory_region\":\"bench\""
                                                ",\"shared_memory_byte_size\":%zu}}]}",
                                          image_bytes);
    make_request(w, INFER, body, bytes, bytes);
}

static void add_region(int port)
{
    static http_client c;
    way w = {.name = "register"};
    char body[256];
    struct epoll_event event;
    const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    const size_t bytes = (size_t)snprintf(body, sizeof body, "{\"key\":\"%s\",\"byte_size\":%zu}",
                                          key, FLOATS * sizeof(float));
    make_request(&w, "/v2/systemsharedmemory/region/bench/register", body, bytes, bytes);
    http_client_open(&c, port, epoll_fd);
    http_client_begin(&c, w.request, w.bytes);
    do
        (void)epoll_wait(epoll_fd, &event, 1, -1);
    while (!http_client_event(&c, event.events));
    if (c.status != 200)
        fail("the region was refused");
    http_client_close(&c);
    close(epoll_fd);
    free(w.request);
}

static void measure(way *w, int port, int load, int round)
{
    static http_load_result result;
    const http_load now = {.port = port,
                           .connections = CONNECTIONS[load],
                           .request = w->request,
                           .request_bytes = w->bytes,
                           .seconds = SECONDS};
    http_load_run(&now, &result);
    if (result.refused || !result.answered)
        fail("a request was refused");
    w->rate[load][round] = (double)result.answered / result.seconds;
    w->p50_ms[load][round] = (double)hist_percentile(&result.latency_ns, 0.5) / 1e6;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

int main(int argc, char **argv)
{
    static way ways[WAYS] = {{.name = "JSON"}, {.name = "binary"}, {.name = "shared memory"}};
    const int rounds = argc > 1 ? atoi(argv[1]) : 5;
    char folder[] = "/tmp/bench-transport-XXXXXX", model[64];
    if (rounds < 1 || rounds > ROUNDS_MAX)
        fail("usage: bench_transport [ROUNDS], at most 50");
    if (!mkdtemp(folder))
        fail("no folder to be had");
    snprintf(model, sizeof model, "%s/pool.onnx", folder);
    if (!tiny_pool(model))
        fail("the model cannot be written");
    float *image = must(malloc(FLOATS * sizeof *image));
    rng random;
    rng_init(&random, 1);
    for (int i = 0; i < FLOATS; i++)
        image[i] = (float)rng_unit(&random);
    make_json(&ways[0], image);
    make_binary(&ways[1], image);
    make_shared(&ways[2], image);
    const char *const command[] = {"build/cosrel", "serve",  "--models", folder,    "--http",
                                   "127.0.0.1:0",  "--grpc", "off",      "--quiet", NULL};
    server_process server;
    server_process_start(&server, command);
    add_region(server.port);
    for (int r = 0; r < rounds; r++)
        for (int k = 0; k < LOADS; k++)
            for (int i = 0; i < WAYS; i++)
                measure(&ways[i], server.port, k, r);
    printf("224 x 224 x 3 floats, %d rounds, medians\n%-14s %11s %12s %10s %9s\n", rounds, "",
           "connections", "bytes sent", "requests/s", "p50 ms");
    for (int k = 0; k < LOADS; k++)
        for (int i = 0; i < WAYS; i++)
            printf("%-14s %11d %12zu %10.0f %9.3f\n", ways[i].name, CONNECTIONS[k], ways[i].bytes,
                   median(ways[i].rate[k], rounds), median(ways[i].p50_ms[k], rounds));
    server_process_stop(&server);
    shm_unlink(key);
    unlink(model);
    for (int i = 0; i < WAYS; i++)
        free(ways[i].request);
    free(image);
    return rmdir(folder);
}
