/* HTTP as those who run the server see it: whom it answers, how much it takes of each, the access
 * log, ids, and its end. */
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

#include "lines.h"
#include "serving.h"

#define ADD "/v2/models/add/infer"
static const char input[] = "{\"id\":\"own-1\",\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],"
                            "\"datatype\":\"FP32\",\"data\":[1,2,3,4]}]}";
static const char plain[] = "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],"
                            "\"datatype\":\"FP32\",\"data\":[1,2,3,4]}]}";

static int start(void **state)
{
    (void)state;
    return serving_start(&(server_options){.http = {.address = "127.0.0.1:0"}});
}

/* Another server in the place of the one that there is. */
static void serve_with(server_options options)
{
    serving_end();
    options.http.address = "127.0.0.1:0";
    assert_int_equal(serving_begin(&options), 0);
}

/* A request of which all is the test's, but for the body's length. */
static void ask_as(const char *line, const char *headers, const char *body, reply *r)
{
    char head[2048];
    const int fd = dial();
    say(fd, head,
        (size_t)snprintf(head, sizeof head, "%s\r\n%sContent-Length: %zu\r\n\r\n", line, headers,
                         strlen(body)));
    say(fd, body, strlen(body));
    hear(fd, r);
    close(fd);
}

static double metric(const char *sample)
{
    static reply r;
    ask("GET", "/metrics", "", NULL, 0, &r);
    assert_int_equal(r.status, 200);
    char line[256];
    const int length = snprintf(line, sizeof line, "\n%s ", sample);
    const char *at = strstr(r.body, line);
    if (!at)
        fail_msg("there is no %s", sample);
    return strtod(at + length, NULL);
}

static void until_metric(const char *sample, double value)
{
    for (int i = 0; i < 10000 && metric(sample) != value; i++)
        usleep(1000);
    if (metric(sample) != value)
        fail_msg("%s is %g, expected %g", sample, metric(sample), value);
}

/* ---- Names and pages ---- */

static void answers_to_its_names_only(void **state)
{
    (void)state;
    static reply r;
    serve_with((server_options){.policy = ""});
    ask_as("GET /v2 HTTP/1.1", "Host: evil.example:8000\r\n", "", &r);
    says(&r, 421, "--allow-host");
    ask_as("POST " ADD " HTTP/1.1", "Host: evil.example\r\n", input, &r);
    says(&r, 421, "--allow-host");
    ask_as("GET / HTTP/1.1", "Host: evil.example\r\n", "", &r); /* the live page too */
    says(&r, 421, "--allow-host");
    ask_as("GET /metrics HTTP/1.1", "Host: evil.example\r\n", "", &r);
    says(&r, 421, "--allow-host");
    ask_as("GET /v2 HTTP/1.1", "Host: 127.0.0.1:1\r\n", "", &r);
    says(&r, 200, "cosrel");
    ask_as("GET /v2 HTTP/1.0", "", "", &r); /* no browser */
    says(&r, 200, "cosrel");
    assert_true(metric("cosrel_requests_refused_total{reason=\"host\"}") == 4);
    serve_with((server_options){.http = {.allow_hosts = "camera.example"}});
    ask_as("GET /v2 HTTP/1.1", "Host: camera.example:8000\r\n", "", &r);
    says(&r, 200, "cosrel");
    ask_as("GET /v2 HTTP/1.1", "Host: evil.example\r\n", "", &r);
    says(&r, 421, "");
    server *s;
    cosrel_error err = {""};
    const server_options wrong = {
        .http = {.address = "127.0.0.1:0", .allow_hosts = "http://camera.example"}};
    assert_int_equal(server_create(&wrong, serving_runtime, &s, &err), COSREL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "allow-host"));
}

/* What a page of another site could send without being asked for leave, and its streams. */
static void refuses_pages_of_other_sites(void **state)
{
    (void)state;
#define FOREIGN                                                                                    \
    "Host: localhost:8000\r\nOrigin: http://evil.example\r\nContent-Type: text/plain\r\n"
    static reply r;
    serve_with((server_options){.admin_token = "admin-token"});
    const cosrel_model *add = cosrel_runtime_find_model(serving_runtime, "add", 0);
    cosrel_model_stats before, after;
    cosrel_model_get_stats(serving_runtime, add, &before);
    static const char *const lines[] = {
        "POST " ADD " HTTP/1.1",
        "POST /v2/systemsharedmemory/region/r/register HTTP/1.1",
        "POST /v2/systemsharedmemory/unregister HTTP/1.1",
        "POST /live/objective HTTP/1.1",
        "GET /live/events HTTP/1.1",
        "GET /v2 HTTP/1.1",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        ask_as(lines[i], FOREIGN "Authorization: Bearer admin-token\r\n", input, &r);
        says(&r, 403, "other sites");
        assert_null(strstr(r.head, "Access-Control-Allow"));
    }
    ask_as(lines[0], "Host: localhost\r\nOrigin: null\r\n", input, &r); /* a sandboxed frame */
    says(&r, 403, "other sites");
    cosrel_model_get_stats(serving_runtime, add, &after);
    assert_int_equal(after.completed, before.completed);
    ask_as("OPTIONS " ADD " HTTP/1.1", "Host: localhost\r\n", "", &r); /* a preflight */
    says(&r, 405, "");
    assert_null(strstr(r.head, "Access-Control-Allow"));
    ask_as(lines[0], "Host: localhost:8000\r\nOrigin: http://localhost:8000\r\n", input, &r);
    says(&r, 200, "[2,4,6,8]");
    serve_with((server_options){.http = {.allow_hosts = "evil.example"}});
    ask_as(lines[0], FOREIGN, input, &r);
    says(&r, 200, "[2,4,6,8]");
}

/* ---- Limits ---- */

/* What is within the limit is served, what is beyond it is told so; what libmicrohttpd has no
 * memory for may only find its connection closed. */
static void limits_headers(void **state)
{
    (void)state;
    enum { LIMIT = 4096 };
    static reply r;
    serve_with((server_options){.http = {.header_max = LIMIT}});
    for (size_t bytes = 100; bytes < 11000; bytes += 700) {
        char *head = malloc(bytes + 200);
        const int length = sprintf(head, "GET /v2 HTTP/1.1\r\nHost: localhost\r\nX-Long: ");
        memset(head + length, 'x', bytes);
        strcpy(head + length + bytes, "\r\n\r\n");
        const int fd = dial();
        say(fd, head, strlen(head));
        hear(fd, &r);
        if (r.status != (strlen(head) <= LIMIT ? 200 : 431))
            fail_msg("%d for headers of %zu bytes", r.status, strlen(head));
        close(fd);
        free(head);
    }
    assert_true(metric("cosrel_requests_refused_total{reason=\"header_size\"}") >= 1);
    static char much[1 << 20];
    memset(much, 'x', sizeof much);
    memcpy(much, "GET /v2 HTTP/1.1\r\nX-Long: ", 26);
    const int fd = dial();
    (void)send(fd, much, sizeof much, MSG_NOSIGNAL);
    while (recv(fd, much, sizeof much, 0) > 0)
        continue;
    close(fd);
    ask("GET", "/v2", "", NULL, 0, &r);
    says(&r, 200, "cosrel");
}

/* The head of a request whose body is to come; the server has read it when this returns. */
static int begin_post(const char *headers, size_t bytes)
{
    char head[512], got[64] = "";
    const int fd = dial();
    say(fd, head,
        (size_t)snprintf(head, sizeof head,
                         "POST " ADD " HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n"
                         "Expect: 100-continue\r\n\r\n",
                         headers, bytes));
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    assert_int_equal(recv(fd, got, sizeof go_on - 1, MSG_WAITALL), sizeof go_on - 1);
    assert_string_equal(got, go_on);
    return fd;
}

static void limits_requests_of_a_client(void **state)
{
    (void)state;
#define TOKEN "Authorization: Bearer client-token\r\n"
    static reply r;
    static const server_token token = {.token = "client-token", .role = "infer"};
    static const server_token other = {.token = "other-token-1", .role = "infer"};
    const server_token both[] = {token, other};
    serve_with((server_options){.client_requests_max = 2, .tokens = both, .token_count = 2});
    const int first = begin_post(TOKEN, sizeof input - 1);
    const int second = begin_post(TOKEN, sizeof input - 1);
    ask("POST", ADD, TOKEN, input, sizeof input - 1, &r);
    says(&r, 429, "in flight");
    assert_non_null(strstr(r.head, "\r\nRetry-After: 1\r\n"));
    ask("GET", "/v2/models/add", TOKEN, NULL, 0, &r); /* other questions are free */
    says(&r, 200, "");
    /* Another client is served, though its address is the same. */
    ask("POST", ADD, "Authorization: Bearer other-token-1\r\n", input, sizeof input - 1, &r);
    says(&r, 200, "[2,4,6,8]");
    say(first, input, sizeof input - 1);
    hear(first, &r);
    says(&r, 200, "[2,4,6,8]");
    /* The place is free when the answer is sent, which the client may see a moment before. */
    for (int i = 0; i < 1000; i++) {
        ask("POST", ADD, TOKEN, input, sizeof input - 1, &r);
        if (r.status == 200)
            break;
        usleep(1000);
    }
    says(&r, 200, "[2,4,6,8]");
    close(second); /* one that leaves gives its place back, too */
    const int third = begin_post(TOKEN, sizeof input - 1);
    say(third, input, sizeof input - 1);
    hear(third, &r);
    says(&r, 200, "[2,4,6,8]");
    close(first);
    close(third);
    ask("POST", ADD, "", input, sizeof input - 1, &r); /* who is nobody takes no place */
    says(&r, 401, "token");
}

/* Without tokens it is the address that counts. */
static void limits_requests_of_an_address(void **state)
{
    (void)state;
    static reply r;
    serve_with((server_options){.client_requests_max = 1});
    const int first = begin_post("", sizeof input - 1);
    ask("POST", ADD, "", input, sizeof input - 1, &r);
    says(&r, 429, "in flight");
    close(first);
    for (int i = 0; i < 1000 && r.status != 200; i++) {
        ask("POST", ADD, "", input, sizeof input - 1, &r);
        usleep(1000);
    }
    says(&r, 200, "[2,4,6,8]");
    assert_true(metric("cosrel_requests_refused_total{reason=\"client_requests\"}") >= 1);
    assert_true(metric("cosrel_requests_dropped_total{model=\"add\",version=\"1\","
                       "reason=\"queue_full\"}") == 0); /* not the queue's fault */
}

/* What is half there never waits for what else is half there: the one that does not fit is refused,
 * and the other gets its answer. */
static void limits_memory_of_bodies(void **state)
{
    (void)state;
    enum { MOST = 100000, PART = 60000 };
    static reply r;
    static char blanks[MOST];
    memset(blanks, ' ', sizeof blanks);
    memcpy(blanks, input, sizeof input - 1);
    serve_with((server_options){.bodies_max = MOST});
    const int first = begin_post("", MOST);
    say(first, blanks, PART);
    until_metric("cosrel_body_bytes", PART);
    ask("POST", ADD, "", blanks, PART, &r); /* there is no room for another such */
    says(&r, 503, "memory");
    assert_non_null(strstr(r.head, "\r\nRetry-After: 1\r\n"));
    post(ADD, input, &r); /* for a small one there is */
    says(&r, 200, "[2,4,6,8]");
    /* A second one is let in while there is room, and then both are half there. */
    const int second = begin_post("", MOST - PART - 1000);
    say(second, blanks, MOST - PART - 2000);
    until_metric("cosrel_body_bytes", MOST - 2000);
    say(first, blanks + PART, MOST - PART);
    hear(first, &r);
    says(&r, 503, "memory");
    say(second, blanks + MOST - PART - 2000, 1000);
    hear(second, &r);
    says(&r, 200, "[2,4,6,8]");
    until_metric("cosrel_body_bytes", 0);
    /* Chunks announce nothing; the connection that was refused goes on. */
    const int third = begin_post("", MOST);
    say(third, blanks, PART);
    until_metric("cosrel_body_bytes", PART);
    char chunk[64];
    static const char chunked[] = "POST " ADD " HTTP/1.1\r\nHost: localhost\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n";
    say(first, chunked, sizeof chunked - 1);
    for (int i = 0; i < 5; i++) {
        say(first, chunk, (size_t)snprintf(chunk, sizeof chunk, "%x\r\n", 10000));
        say(first, blanks, 10000);
        say(first, "\r\n", 2);
    }
    say(first, "0\r\n\r\n", 5);
    hear(first, &r);
    says(&r, 503, "memory");
    close(third);
    until_metric("cosrel_body_bytes", 0);
    say(first, chunk,
        (size_t)snprintf(chunk, sizeof chunk, "GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    hear(first, &r);
    says(&r, 200, "cosrel");
    close(first);
    close(second);
    assert_true(metric("cosrel_requests_refused_total{reason=\"body_memory\"}") == 3);
}

/* Bodies of those who may not ask are not kept. */
static void keeps_nothing_of_strangers(void **state)
{
    (void)state;
    static reply r;
    static const server_token token = {.token = "client-token", .role = "read"};
    serve_with((server_options){.bodies_max = 10, .tokens = &token, .token_count = 1});
    ask("POST", ADD, "", input, sizeof input - 1, &r);
    says(&r, 401, "token");
    ask("POST", ADD, TOKEN, input, sizeof input - 1, &r);
    says(&r, 403, "token");
    ask("POST", "/v2", "", input, sizeof input - 1, &r);
    says(&r, 401, "token");
}

/* ---- Ids and the log ---- */

static void hands_ids_through(void **state)
{
    (void)state;
    static reply r;
    serve_with((server_options){.policy = ""});
    ask("POST", ADD, "X-Request-ID: abc-7\r\n", input, sizeof input - 1, &r);
    says(&r, 200, "\"id\":\"own-1\"");
    assert_non_null(strstr(r.head, "\r\nX-Request-ID: abc-7\r\n"));
    ask("POST", ADD, "x-request-id: abc-8\r\n", plain, sizeof plain - 1, &r);
    says(&r, 200, "[2,4,6,8]");
    assert_null(strstr(r.body, "\"id\""));
    assert_non_null(strstr(r.head, "\r\nX-Request-ID: abc-8\r\n"));
    post(ADD, input, &r);
    assert_null(strstr(r.head, "X-Request-ID"));
    static const char *const routes[] = {"/v2", "/", "/nix", "/v2/models/nix/infer", "/metrics"};
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        ask("GET", routes[i], "X-Request-ID: r\r\n", NULL, 0, &r);
        assert_non_null(strstr(r.head, "\r\nX-Request-ID: r\r\n"));
    }
    /* What cannot stand in a header or in a log is made harmless. */
    ask("GET", "/v2", "X-Request-ID: a b\x01\xff<\"\r\n", NULL, 0, &r);
    assert_non_null(strstr(r.head, "\r\nX-Request-ID: a_b__<\"\r\n"));
    char header[600] = "X-Request-ID: ", expected[200] = "\r\nX-Request-ID: ";
    memset(header + 14, 'y', 500);
    strcpy(header + 514, "\r\n");
    memset(expected + 16, 'y', 128);
    strcpy(expected + 144, "\r\n");
    ask("GET", "/v2", header, NULL, 0, &r);
    assert_non_null(strstr(r.head, expected));
}

static void writes_lines(void **state)
{
    (void)state;
    static reply r;
    static const server_token token = {.token = "client-token", .role = "infer"};
    serve_with((server_options){.access_log = lines_begin(),
                                .tokens = &token,
                                .token_count = 1,
                                .admin_token = "admin-xyz"});
    ask("POST", ADD, TOKEN "User-Agent: tester/1 \"x\"\r\nX-Request-ID: h-1\r\n", input,
        sizeof input - 1, &r);
    says(&r, 200, "");
    const size_t body_bytes = r.body_bytes;
    ask("POST", ADD, TOKEN "X-Request-ID: h-2\r\n", plain, sizeof plain - 1, &r);
    says(&r, 200, "");
    ask("POST", ADD, TOKEN "X-Request-ID: h-3\r\n", "{\"id\":\"b\",\"inputs\":[]}", 22, &r);
    says(&r, 400, "");
    ask("POST", "/v2/models/nix/infer?token=secret", TOKEN, plain, sizeof plain - 1, &r);
    says(&r, 404, "");
    ask("GET", "/metrics", "Authorization: Bearer wrong-token\r\n", NULL, 0, &r);
    says(&r, 401, "");
    ask("GET", "/live/live.js", "", NULL, 0, &r);
    json_t *lines = lines_wait(6);
    line_says(lines, 0, "protocol", "http");
    line_says(lines, 0, "method", "POST");
    line_says(lines, 0, "path", ADD);
    line_says(lines, 0, "model", "add");
    line_counts(lines, 0, "version", 1);
    line_says(lines, 0, "id", "own-1"); /* the protocol's before the header's */
    line_counts(lines, 0, "status", 200);
    line_counts(lines, 0, "bytes_in", sizeof input - 1);
    line_counts(lines, 0, "bytes_out", (json_int_t)body_bytes);
    line_counts(lines, 0, "batch", 1);
    line_says(lines, 0, "role", "infer");
    line_says(lines, 0, "user_agent", "tester/1 \"x\"");
    line_lacks(lines, 0, "error");
    line_lacks(lines, 0, "incomplete");
    const char *peer = json_string_value(json_object_get(json_array_get(lines, 0), "peer"));
    assert_true(peer && strncmp(peer, "127.0.0.1:", 10) == 0 && atoi(peer + 10) > 0);
    assert_true(json_is_string(json_object_get(json_array_get(lines, 0), "processor")));
    assert_true(line_number(lines, 0, "queue_us") + line_number(lines, 0, "compute_us") <=
                line_number(lines, 0, "total_us"));
    line_says(lines, 1, "id", "h-2");
    line_lacks(lines, 1, "user_agent");
    line_says(lines, 2, "id", "b");
    line_counts(lines, 2, "status", 400);
    line_lacks(lines, 2, "queue_us");
    assert_non_null(json_object_get(json_array_get(lines, 2), "error"));
    line_counts(lines, 3, "status", 404);
    line_lacks(lines, 3, "model");
    line_says(lines, 3, "path", "/v2/models/nix/infer"); /* what follows it may be secret */
    line_counts(lines, 4, "status", 401);
    line_lacks(lines, 4, "role");
    line_counts(lines, 5, "status", 200);
    assert_true(line_number(lines, 5, "bytes_out") > 100);
    /* Each that has no id gets one of its own. */
    const char *made[] = {json_string_value(json_object_get(json_array_get(lines, 4), "id")),
                          json_string_value(json_object_get(json_array_get(lines, 5), "id"))};
    assert_true(made[0] && made[1] && strcmp(made[0], made[1]) != 0);
    char *all = json_dumps(lines, 0);
    assert_null(strstr(all, "token"));
    free(all);
    json_decref(lines);
    ask("GET", "/metrics", TOKEN, NULL, 0, &r);
    says(&r, 200, "\ncosrel_access_log_lines_total 6\n");
    says(&r, 200, "\ncosrel_access_log_lines_lost_total 0\n");
    serve_with((server_options){.policy = ""});
    lines_end();
}

/* A viewer's stream, and a client that leaves while its request runs. */
static void writes_lines_of_what_ends_early(void **state)
{
    (void)state;
    char head[512];
    serve_with((server_options){.access_log = lines_begin()});
    int fd = dial();
    say(fd, head,
        (size_t)snprintf(head, sizeof head,
                         "GET /live/events HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    assert_true(recv(fd, head, sizeof head, 0) > 0);
    usleep(100000);
    close(fd);
    json_t *lines = lines_wait(1);
    line_says(lines, 0, "path", "/live/events");
    line_counts(lines, 0, "status", 200);
    assert_true(json_is_true(json_object_get(json_array_get(lines, 0), "incomplete")));
    json_decref(lines);
    fd = dial();
    say(fd, head,
        (size_t)snprintf(head, sizeof head,
                         "POST /v2/models/slow/infer HTTP/1.1\r\nHost: localhost\r\n"
                         "Content-Length: %zu\r\n\r\n%s",
                         sizeof input - 1, input));
    usleep(10000);
    close(fd);
    lines = lines_wait(2);
    line_says(lines, 1, "path", "/v2/models/slow/infer");
    const json_int_t status = line_number(lines, 1, "status");
    assert_true(status == 499 || status == 200); /* a machine so fast that it was answered */
    json_decref(lines);
    serve_with((server_options){.policy = ""});
    lines_end();
}

/* ---- The end ---- */

static void *end_it(void *unused)
{
    serving_end();
    return unused;
}

/* A large answer, of which the client has read nothing when the server is told to end. */
static int ask_for_much(size_t bytes)
{
    char head[512], json[256];
    const int length = snprintf(json, sizeof json,
                                "{\"inputs\":[{\"name\":\"x\",\"shape\":[%zu,4],\"datatype\":"
                                "\"FP32\",\"parameters\":{\"binary_data_size\":%zu}}],"
                                "\"parameters\":{\"binary_data_output\":true}}",
                                bytes / 16, bytes);
    char *zeros = calloc(1, bytes);
    const int fd = dial_slowly(4096);
    say(fd, head,
        (size_t)snprintf(head, sizeof head,
                         "POST " ADD " HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n"
                         "Inference-Header-Content-Length: %d\r\n\r\n%s",
                         bytes + (size_t)length, length, json));
    say(fd, zeros, bytes);
    free(zeros);
    assert_int_equal(recv(fd, head, 1, 0), 1); /* it begins */
    return fd;
}

static size_t read_to_the_end(int fd)
{
    static char buffer[1 << 16];
    size_t all = 1;
    ssize_t n;
    while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0)
        all += (size_t)n;
    close(fd);
    return all;
}

static void waits_for_answers_at_its_end(void **state)
{
    (void)state;
    enum { MUCH = 16 << 20 };
    pthread_t ending;
    serve_with((server_options){.drain_ns = (int64_t)60 * 1000000000});
    int fd = ask_for_much(MUCH);
    assert_int_equal(pthread_create(&ending, NULL, end_it, NULL), 0);
    usleep(50000);
    assert_true(read_to_the_end(fd) > MUCH);
    pthread_join(ending, NULL);
    assert_int_equal(
        serving_begin(&(server_options){.http = {.address = "127.0.0.1:0"}, .drain_ns = 1}), 0);
    fd = ask_for_much(MUCH);
    serving_end(); /* gives it up: else it would wait for us, who read no more until then */
    assert_true(read_to_the_end(fd) < MUCH);
    assert_int_equal(serving_begin(&(server_options){.http = {.address = "127.0.0.1:0"}}), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_to_its_names_only),
        cmocka_unit_test(refuses_pages_of_other_sites),
        cmocka_unit_test(limits_headers),
        cmocka_unit_test(limits_requests_of_a_client),
        cmocka_unit_test(limits_requests_of_an_address),
        cmocka_unit_test(limits_memory_of_bodies),
        cmocka_unit_test(keeps_nothing_of_strangers),
        cmocka_unit_test(hands_ids_through),
        cmocka_unit_test(writes_lines),
        cmocka_unit_test(writes_lines_of_what_ends_early),
        cmocka_unit_test(waits_for_answers_at_its_end),
    };
    return cmocka_run_group_tests(tests, start, serving_stop);
}
