/* The server over real sockets, with a real runtime: answers, errors, and that no answer goes to
 * another. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "serving.h"

static int start(void **state)
{
    (void)state;
    const server_options options = {.http = {.address = "127.0.0.1:0", .body_max = 100000}};
    return serving_start(&options);
}

#define ADD "/v2/models/add/infer"

/* ---- Tests ---- */

static void tells_what_is_there(void **state)
{
    (void)state;
    static reply r;
    ask("GET", "/v2", "", NULL, 0, &r);
    says(&r, 200, "\"name\":\"cosrel\"");
    ask("GET", "/v2/health/live", "", NULL, 0, &r);
    says(&r, 200, "");
    ask("GET", "/v2/health/ready", "", NULL, 0, &r);
    says(&r, 200, "");
    ask("GET", "/v2/models/multi", "", NULL, 0, &r);
    says(&r, 200,
         "{\"name\":\"multi\",\"versions\":[\"1\"],\"platform\":\"onnxruntime_onnx\",\"inputs\":[{"
         "\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[-1,2]},{\"name\":\"b\",\"datatype\":"
         "\"FP32\",\"shape\":[-1,2]},{\"name\":\"n\",\"datatype\":\"INT64\",\"shape\":[-1]}],"
         "\"outputs\":[");
    ask("GET", "/v2/models/multi/versions/1/ready", "", NULL, 0, &r);
    says(&r, 200, "");
    static const char *const missing[] = {"/v2/models/nix",
                                          "/v2/models/nix/ready",
                                          "/v2/models/add/versions/7",
                                          "/v2/models/add/versions/x/ready",
                                          "/v2/models/..%2f..%2fetc%2fpasswd",
                                          "/v2/models/add/nix",
                                          "/v1/models/add",
                                          "/v2/a/b/c/d/e/f/g/h/i/j/k"};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        ask("GET", missing[i], "", NULL, 0, &r);
        says(&r, 404, "{\"error\":\"");
    }
    ask("POST", "/v2/health/live", "", NULL, 0, &r);
    says(&r, 405, "GET");
    ask("GET", ADD, "", NULL, 0, &r);
    says(&r, 405, "POST");
}

static void infers_json(void **state)
{
    (void)state;
    static reply r;
    post(ADD,
         "{\"id\":\"q\",\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\",\"data\":"
         "[[0,0.5,-3,1e2]]}]}",
         &r);
    says(
        &r, 200,
        "{\"id\":\"q\",\"model_name\":\"add\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"y\","
        "\"datatype\":\"FP32\",\"shape\":[1,4],\"data\":[1,2.5,0,104]}]}");
    post("/v2/models/multi/versions/1/infer",
         "{\"inputs\":[{\"name\":\"n\",\"shape\":[1],\"datatype\":\"INT64\",\"data\":[4]},"
         "{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]},"
         "{\"name\":\"b\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[3,4]}],"
         "\"outputs\":[{\"name\":\"count\"},{\"name\":\"product\"}]}",
         &r);
    says(&r, 200,
         "\"outputs\":[{\"name\":\"count\",\"datatype\":\"INT64\",\"shape\":[1],\"data\":[8]},"
         "{\"name\":\"product\",\"datatype\":\"FP32\",\"shape\":[1,2],\"data\":[3,8]}]}");
    post("/v2/models/words/infer",
         "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"BYTES\",\"data\":[\"a\\n\","
         "\"\",\"\\u00e4]\"]}]}",
         &r);
    says(&r, 200, "\"data\":[\"a\\u000a\",\"\",\"\xc3\xa4]\"]");
}

static void infers_binary(void **state)
{
    (void)state;
    static reply r;
    char body[512], header[128];
    const char *json = "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\","
                       "\"parameters\":{\"binary_data_size\":16}}],\"parameters\":{"
                       "\"binary_data_output\":true}}";
    const float x[4] = {1, 2, 3, 4}, expected[4] = {2, 4, 6, 8};
    memcpy(body, json, strlen(json));
    memcpy(body + strlen(json), x, sizeof x);
    snprintf(header, sizeof header, "Inference-Header-Content-Length: %zu\r\n", strlen(json));
    ask("POST", ADD, header, body, strlen(json) + sizeof x, &r);
    says(&r, 200, "\"parameters\":{\"binary_data_size\":16}");
    const char *length = strstr(r.head, "Inference-Header-Content-Length: ");
    assert_non_null(length);
    assert_non_null(strstr(r.head, "application/octet-stream"));
    assert_int_equal(r.body_bytes, strtoul(length + 33, NULL, 10) + sizeof expected);
    assert_memory_equal(r.body + r.body_bytes - sizeof expected, expected, sizeof expected);
    const char *words = "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"BYTES\","
                        "\"parameters\":{\"binary_data_size\":15}}],\"outputs\":[{\"name\":\"y\","
                        "\"parameters\":{\"binary_data\":true}}]}";
    static const char raw[15] = {2, 0, 0, 0, 'a', 'b', 0, 0, 0, 0, 1, 0, 0, 0, 'c'};
    memcpy(body, words, strlen(words));
    memcpy(body + strlen(words), raw, sizeof raw);
    snprintf(header, sizeof header, "Inference-Header-Content-Length: %zu\r\n", strlen(words));
    ask("POST", "/v2/models/words/infer", header, body, strlen(words) + sizeof raw, &r);
    says(&r, 200, "\"binary_data_size\":15");
    assert_memory_equal(r.body + r.body_bytes - sizeof raw, raw, sizeof raw);
}

static void refuses_what_is_wrong(void **state)
{
    (void)state;
    static reply r;
    static char large[200001];
    post("/v2/models/nix/infer", "{}", &r);
    says(&r, 404, "there is no model 'nix'");
    post("/v2/models/add/versions/2/infer", "{}", &r);
    says(&r, 404, "no such version");
    post(ADD, "{", &r);
    says(&r, 400, "not JSON");
    post(ADD, "{\"inputs\":[]}", &r);
    says(&r, 400, "x");
    post(ADD,
         "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\",\"data\":[1,2,3]}]}",
         &r);
    says(&r, 400, "before as many elements");
    post(
        ADD,
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"INT32\",\"data\":[1,2,3,4]}]}",
        &r);
    says(&r, 400, "float32");
    post(ADD,
         "{\"inputs\":[{\"name\":\"x\",\"shape\":[1000000,1000000],\"datatype\":\"FP32\",\"data\":"
         "[1]}]}",
         &r);
    says(&r, 400, "fewer elements");
    post(ADD,
         "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\",\"data\":[1,2,3,4]}],"
         "\"outputs\":[{\"name\":\"nix\"}]}",
         &r);
    says(&r, 400, "no output 'nix'");
    ask("POST", ADD, "Inference-Header-Content-Length: 9999\r\n", "{}", 2, &r);
    says(&r, 400, "more than the body");
    ask("POST", ADD, "Inference-Header-Content-Length: -1\r\n", "{}", 2, &r);
    says(&r, 400, "expected a number");
    memset(large, ' ', sizeof large - 1);
    ask("POST", ADD, "", large, sizeof large - 1, &r);
    says(&r, 413, "larger");
}

/* In pieces, with pauses in between, and as chunks of unknown number. */
static void reads_slow_and_chunked_bodies(void **state)
{
    (void)state;
    static reply r;
    const char *head = "POST " ADD
                       " HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    const char *json =
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\",\"data\":"
        "[1,1,1,1]}]}";
    const int fd = dial();
    for (int again = 0; again < 2; again++) { /* the connection stays */
        for (size_t i = 0; i < strlen(head); i += 7)
            say(fd, head + i, strlen(head) - i < 7 ? strlen(head) - i : 7);
        for (size_t i = 0; i < strlen(json); i++) {
            char chunk[16];
            say(fd, chunk, (size_t)snprintf(chunk, sizeof chunk, "1\r\n%c\r\n", json[i]));
            usleep(100);
        }
        say(fd, "0\r\n\r\n", 5);
        hear(fd, &r);
        says(&r, 200, "\"data\":[2,3,4,5]");
    }
    close(fd);
}

/* Clients that go away at any point leave nothing behind (a sanitizer would say so), and the server
 * goes on. */
static void survives_clients_that_leave(void **state)
{
    (void)state;
    static reply r;
    const char *whole = "POST " ADD " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 77\r\n\r\n"
                        "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\","
                        "\"data\":[1,1,1,1]}]}";
    const size_t length = strlen(whole);
    for (size_t cut = 1; cut <= length; cut += 3) {
        const int fd = dial();
        say(fd, whole, cut);
        close(fd);
    }
    ask("GET", "/v2/health/live", "", NULL, 0, &r);
    says(&r, 200, "");
}

/* Each client asks for its own numbers again and again; some in binary, some in JSON. */
static void *one_client(void *arg)
{
    const int own = *(const int *)arg, fd = dial();
    reply *r = malloc(sizeof *r);
    for (int i = 0; i < 100; i++) {
        char json[256], head[256], expected[128];
        const int value = own * 1000 + i;
        const int length = snprintf(json, sizeof json,
                                    "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":"
                                    "\"FP32\",\"data\":[%d,%d,%d,%d]}]}",
                                    value, value, value, value);
        say(fd, head,
            (size_t)snprintf(
                head, sizeof head,
                "POST " ADD " HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", length));
        say(fd, json, (size_t)length);
        hear(fd, r);
        snprintf(expected, sizeof expected, "\"data\":[%d,%d,%d,%d]", value + 1, value + 2,
                 value + 3, value + 4);
        says(r, 200, expected);
    }
    close(fd);
    free(r);
    return NULL;
}

static void answers_everyone_their_own(void **state)
{
    (void)state;
    enum { CLIENTS = 8 };
    pthread_t threads[CLIENTS];
    int numbers[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, one_client, &numbers[i]), 0);
    }
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
}

static void refuses_wrong_addresses(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",      "8000",       "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:x",
        ":8000", "999.0.0.1:1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const server_options options = {.http = {.address = wrong[i]}};
        server *s;
        cosrel_error err = {""};
        assert_int_not_equal(server_create(&options, serving_runtime, &s, &err), COSREL_OK);
        assert_non_null(strstr(err.text, "address"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_is_there),
        cmocka_unit_test(infers_json),
        cmocka_unit_test(infers_binary),
        cmocka_unit_test(refuses_what_is_wrong),
        cmocka_unit_test(reads_slow_and_chunked_bodies),
        cmocka_unit_test(survives_clients_that_leave),
        cmocka_unit_test(answers_everyone_their_own),
        cmocka_unit_test(refuses_wrong_addresses),
    };
    return cmocka_run_group_tests(tests, start, serving_stop);
}
