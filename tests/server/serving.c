#include "serving.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tiny_onnx.h"

cosrel_runtime *serving_runtime;
static char folder[] = "/tmp/test-server-XXXXXX";
static server *served;
static pthread_t loop;

static void *run_loop(void *s)
{
    server_run(s);
    return NULL;
}

void serving_path(char *out, size_t room, const char *name)
{
    snprintf(out, room, "%s/%s", folder, name);
}

int serving_begin(const server_options *serve)
{
    cosrel_error err = {""};
    if (server_create(serve, serving_runtime, &served, &err) == COSREL_OK)
        return pthread_create(&loop, NULL, run_loop, served);
    fprintf(stderr, "%s\n", err.text);
    return -1;
}

void serving_end(void)
{
    server_stop(served);
    pthread_join(loop, NULL);
    server_free(served);
}

int serving_grpc_port(void)
{
    return server_grpc_port(served);
}

int serving_start(const server_options *serve)
{
    char path[128];
    cosrel_options options;
    cosrel_error err = {""};
    if (!mkdtemp(folder))
        return -1;
    serving_path(path, sizeof path, "add.onnx");
    if (!tiny_add(path))
        return -1;
    serving_path(path, sizeof path, "multi.onnx");
    if (!tiny_multi(path))
        return -1;
    serving_path(path, sizeof path, "words.onnx");
    if (!tiny_identity(path, 8))
        return -1;
    serving_path(path, sizeof path, "slow.onnx");
    if (!tiny_slow(path, 20))
        return -1;
    cosrel_options_init(&options);
    options.cache_folder = "";
    options.drop_late = true; /* as `cosrel serve` has it */
    if (cosrel_runtime_open(&options, &serving_runtime, &err) != COSREL_OK ||
        cosrel_runtime_load(serving_runtime, folder, &err) != COSREL_OK) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    server_options with_folder = *serve;
    with_folder.models = folder;
    return serving_begin(&with_folder);
}

int serving_stop(void **state)
{
    (void)state;
    char path[128];
    serving_end();
    cosrel_runtime_close(serving_runtime);
    static const char *const names[] = {"add.onnx", "multi.onnx", "words.onnx", "slow.onnx"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        serving_path(path, sizeof path, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

/* ---- A client ---- */

int dial_slowly(int receive_buffer)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)server_http_port(served)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = 30};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

int dial(void)
{
    return dial_slowly(0);
}

void say(int fd, const char *data, size_t bytes)
{
    while (bytes) {
        const ssize_t n = send(fd, data, bytes, MSG_NOSIGNAL);
        assert_true(n > 0);
        data += n;
        bytes -= (size_t)n;
    }
}

/* One answer; all its headers and as much body as Content-Length says. */
void hear(int fd, reply *r)
{
    size_t used = 0;
    char *end;
    memset(r, 0, sizeof *r);
    do { /* byte by byte: what follows belongs to the next answer */
        assert_true(used < sizeof r->head - 1);
        assert_int_equal(recv(fd, r->head + used, 1, 0), 1);
        r->head[++used] = '\0';
    } while (!(end = strstr(r->head, "\r\n\r\n")));
    r->status = atoi(r->head + 9);
    const char *length = strstr(r->head, "\r\nContent-Length: ");
    const size_t expected = length ? strtoul(length + 18, NULL, 10) : 0;
    assert_true(expected < sizeof r->body);
    while (r->body_bytes < expected) {
        const ssize_t n = recv(fd, r->body + r->body_bytes, expected - r->body_bytes, 0);
        assert_true(n > 0);
        r->body_bytes += (size_t)n;
    }
}

void ask(const char *method, const char *path, const char *headers, const char *body, size_t bytes,
         reply *r)
{
    char head[1024];
    const int fd = dial();
    const int length = snprintf(
        head, sizeof head, "%s %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n",
        method, path, headers, bytes);
    say(fd, head, (size_t)length);
    if (bytes)
        say(fd, body, bytes);
    hear(fd, r);
    close(fd);
}

void post(const char *path, const char *json, reply *r)
{
    ask("POST", path, "", json, strlen(json), r);
}

void says(const reply *r, int status, const char *text)
{
    if (r->status != status || !strstr(r->body, text))
        fail_msg("%d '%s', expected %d '%s'", r->status, r->body, status, text);
}
