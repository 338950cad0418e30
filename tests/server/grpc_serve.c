#include "grpc_serve.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tiny_onnx.h"

struct serving {
    server *server;
    pthread_t loop;
};

cosrel_runtime *served_rt;
int served_port;

static char folder[] = "/tmp/test-grpc-XXXXXX";
static serving *served;

static void *run_loop(void *s)
{
    server_run(s);
    return NULL;
}

serving *serve_more(const server_options *limits, int *port)
{
    server_options options = *limits;
    serving *s = calloc(1, sizeof *s);
    cosrel_error err = {""};
    options.http.address = options.grpc.address = "127.0.0.1:0";
    if (!s || server_create(&options, served_rt, &s->server, &err) != COSREL_OK ||
        pthread_create(&s->loop, NULL, run_loop, s->server) != 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    *port = server_grpc_port(s->server);
    return s;
}

void serve_end(serving *s)
{
    server_stop(s->server);
    pthread_join(s->loop, NULL);
    server_free(s->server);
    free(s);
}

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s.onnx", folder, name);
    return path;
}

int serve_start(void **state)
{
    (void)state;
    cosrel_options options;
    cosrel_error err = {""};
    const server_options limits = {.grpc = {.message_max = 8000000}};
    if (!mkdtemp(folder) || !tiny_add(path_of("add")) || !tiny_multi(path_of("multi")) ||
        !tiny_identity(path_of("words"), COSREL_STRING) ||
        !tiny_identity(path_of("bytes"), COSREL_INT8) || !tiny_relu(path_of("relu")) ||
        !tiny_slow(path_of("slow"), 200))
        return -1;
    cosrel_options_init(&options);
    options.cache_folder = "";
    options.processors = "cpu0";
    if (cosrel_runtime_open(&options, &served_rt, &err) != COSREL_OK ||
        cosrel_runtime_load(served_rt, folder, &err) != COSREL_OK) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    served = serve_more(&limits, &served_port);
    return 0;
}

int serve_stop(void **state)
{
    (void)state;
    static const char *const names[] = {"add", "multi", "words", "bytes", "relu", "slow"};
    serve_end(served);
    cosrel_runtime_close(served_rt);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(path_of(names[i]));
    return rmdir(folder);
}
