/* SIGHUP: what is read anew, what stays, and nobody who asks meanwhile notices. */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "command.h"
#include "tiny_onnx.h"

static int port;

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void write_settings(const char *token, const char *more)
{
    char text[512];
    snprintf(text, sizeof text,
             "grpc: \"off\"\ncache_folder: \"\"\nprocessors: cpu0\nadmin_token: the-admin-token\n"
             "access_log: log\ntokens:\n  - {token: %s, role: read}\n%s",
             token, more);
    write_file("c.yaml", text);
}

/* 0: no answer. */
static int ask(const char *method, const char *path, const char *token, const char *body)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = 30};
    char text[2048];
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int status = 0;
    const int length = snprintf(text, sizeof text,
                                "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                "Authorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n%s",
                                method, path, token, strlen(body), body);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 &&
        send(fd, text, (size_t)length, MSG_NOSIGNAL) == length &&
        recv(fd, text, 12, MSG_WAITALL) == 12)
        status = atoi(text + 9);
    close(fd);
    return status;
}

static int read_with(const char *token)
{
    return ask("GET", "/v2", token, "");
}

static atomic_bool stop;
static atomic_int answers, wrong;

static void *keep_asking(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop)) {
        const int status = ask("POST", "/v2/models/add/infer", "the-admin-token",
                               "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\","
                               "\"data\":[1,2,3,4]}]}");
        atomic_fetch_add(status == 200 ? &answers : &wrong, 1);
    }
    return NULL;
}

static void reload(command *c, const char *says)
{
    assert_int_equal(kill(c->pid, SIGHUP), 0);
    if (!command_says(c, says))
        fail_msg("it does not say: %s", says);
}

static void a_signal_reads_all_anew(void **state)
{
    (void)state;
    pthread_t client;
    assert_int_equal(mkdir("models", 0700), 0);
    assert_true(tiny_add("models/add.onnx"));
    write_settings("the-first-token", "");
    command c = command_started("serve --config c.yaml --models models --http 127.0.0.1:0 --quiet");
    port = command_http_port(&c);
    assert_int_equal(read_with("the-first-token"), 200);
    assert_int_equal(read_with("the-second-token"), 401);
    assert_int_equal(pthread_create(&client, NULL, keep_asking, NULL), 0);

    write_settings("the-second-token", "objective: deadline\nqueue_max: 7\n");
    assert_true(tiny_add("models/more.onnx"));
    assert_int_equal(rename("log", "log.1"), 0);
    reload(&c, "done; models that are served: 2");
    assert_true(command_says(&c, "reload: queue_max: holds from the next start on"));
    assert_int_equal(read_with("the-first-token"), 401);
    assert_int_equal(read_with("the-second-token"), 200);
    assert_int_equal(ask("GET", "/v2/models/more/ready", "the-second-token", ""), 200);
    for (int i = 0; i < 1000 && access("log", F_OK) != 0; i++)
        usleep(10000);
    assert_int_equal(access("log", F_OK), 0);

    /* What is wrong changes nothing; the rest is read all the same. */
    write_settings("the-third-token", "queue_mx: 7\n");
    assert_int_equal(unlink("models/more.onnx"), 0);
    reload(&c, "done; models that are served: 1");
    assert_true(command_says(&c, "queue_max"));
    assert_true(command_says(&c, "the settings of before stay"));
    assert_int_equal(read_with("the-third-token"), 401);
    assert_int_equal(read_with("the-second-token"), 200);
    assert_int_equal(ask("GET", "/v2/models/more/ready", "the-second-token", ""), 404);

    write_settings("short", "");
    assert_true(tiny_unsupported("models/broken.onnx"));
    reload(&c, "Frobnicate");
    assert_true(command_says(&c, "a token has 8 to 255 characters"));
    assert_int_equal(read_with("the-second-token"), 200);

    atomic_store(&stop, true);
    pthread_join(client, NULL);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_true(atomic_load(&answers) > 0);
    kill(c.pid, SIGTERM);
    command_wait(&c);
    expect_rc(&c, 0);
    command_free(&c);
}

static int begin(void **state)
{
    (void)state;
    enter_scratch("serve-reload");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_signal_reads_all_anew)};
    return cmocka_run_group_tests(tests, begin, leave_scratch);
}
