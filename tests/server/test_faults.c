/* What comes from outside and is wrong, over real sockets: framing that lies, tricks in paths,
 * tensors that cannot be, and clients that stall or leave. Each gets HTTP's own error, or loses its
 * connection where HTTP says so, and the next good request is answered as if nothing had been. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "serving.h"
#include "tiny_onnx.h"

enum { BODY_MAX = 1 << 20, WIDE = 16 };
#define ADD  "/v2/models/add/infer"
#define HEAD "POST " ADD " HTTP/1.1\r\nHost: localhost\r\n"
#define GOOD                                                                                       \
    "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\",\"data\":[1,1,1,1]}]}"

static char folder[] = "/tmp/test-faults-XXXXXX";
static const struct {
    const char *name;
    int32_t type; /* ONNX's */
} identities[] = {{"flags", 9}, {"half", 10}, {"brain", 16}, {"tiny", 3}, {"words", 8}};
enum { IDENTITIES = sizeof identities / sizeof *identities };

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s.onnx", folder, name);
    return path;
}

static int start(void **state)
{
    (void)state;
    const server_options options = {.http = {.address = "127.0.0.1:0", .body_max = BODY_MAX}};
    cosrel_error err = {""};
    if (serving_start(&options) != 0 || !mkdtemp(folder) || !tiny_relu(path_of("relu")))
        return -1;
    for (int i = 0; i < IDENTITIES - 1; i++) /* "words" is there */
        if (!tiny_identity(path_of(identities[i].name), identities[i].type))
            return -1;
    return cosrel_runtime_load(serving_runtime, folder, &err) == COSREL_OK ? 0 : -1;
}

static int stop(void **state)
{
    for (int i = 0; i < IDENTITIES - 1; i++)
        unlink(path_of(identities[i].name));
    unlink(path_of("relu"));
    rmdir(folder);
    return serving_stop(state);
}

static void still_serves(void)
{
    static reply r;
    post(ADD, GOOD, &r);
    says(&r, 200, "\"data\":[2,3,4,5]");
}

/* Nothing but the end of the connection follows. */
static void is_over(int fd)
{
    char byte;
    const ssize_t n = recv(fd, &byte, 1, 0);
    if (n > 0 || (n < 0 && errno != ECONNRESET))
        fail_msg("the connection goes on: %zd, '%c'", n, n > 0 ? byte : ' ');
    close(fd);
}

/* The status that is answered before the connection ends; 0: none. What the library says by itself
 * to a request that it cannot read is the library's own: some of its versions write such headers
 * twice. */
static int last_status(int fd)
{
    char head[16384] = "";
    size_t used = 0;
    ssize_t n;
    while ((n = recv(fd, head + used, sizeof head - 1 - used, 0)) > 0 && used < sizeof head - 1)
        used += (size_t)n;
    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
    close(fd);
    return strncmp(head, "HTTP/1.1 ", 9) == 0 ? atoi(head + 9) : 0;
}

static int dial_and_say(const char *text)
{
    const int fd = dial();
    say(fd, text, strlen(text));
    return fd;
}

/* ---- Framing ---- */

static void refuses_framing_that_lies(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        int status; /* 0: none, or 400 */
    } cases[] = {
        /* Too small a length for the chunks: what is written there must not be beyond its memory.
         */
        {HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
              "1000\r\n",
         400},
        {HEAD "Transfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n0\r\n\r\n", 400},
        {HEAD "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400},
        {HEAD "Content-Length: 99999999999999999999999\r\n\r\n", 413},
        {HEAD "Content-Length: 9223372036854775807\r\n\r\n", 413},
        {HEAD "Content-Length: 18446744073709551615\r\n\r\n", 413},
        {HEAD "Content-Length: -1\r\n\r\n{}", 400},
        {HEAD "Content-Length: 0x10\r\n\r\n{}", 400},
        {HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 413},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n-5\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\n{}garbage", 400},
        {"nonsense\r\n\r\n", 0},
        {"GET /v2 HTTP/9.9\r\nHost: localhost\r\n\r\n", 505},
    };
    static char filler[0x1000];
    memset(filler, ' ', sizeof filler);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int fd = dial_and_say(cases[i].request);
        if (i == 0) {
            say(fd, filler, sizeof filler);
            say(fd, "\r\n0\r\n\r\n", 7);
        }
        const int status = last_status(fd);
        if (status != cases[i].status && !(cases[i].status == 0 && status == 400))
            fail_msg("%s: %d, expected %d", cases[i].request, status, cases[i].status);
        still_serves();
    }
}

static void goes_by_content_length(void **state)
{
    (void)state;
    static reply r;
    char head[256];
    /* Less than it says: waits for the rest, and gives up when the client does. */
    int fd = dial_and_say(HEAD "Content-Length: 500\r\n\r\n" GOOD);
    still_serves();
    shutdown(fd, SHUT_WR);
    is_over(fd);
    /* More: the rest is the next request, and none. */
    snprintf(head, sizeof head, HEAD "Content-Length: %zu\r\n\r\n" GOOD "}} nonsense\r\n\r\n",
             strlen(GOOD));
    fd = dial_and_say(head);
    hear(fd, &r);
    says(&r, 200, "[2,3,4,5]");
    const int status = last_status(fd);
    assert_true(status == 0 || status == 400);
    still_serves();
}

/* Who asks before it sends hears at once. */
static void answers_expectations(void **state)
{
    (void)state;
    static reply r;
    char head[256];
    snprintf(head, sizeof head, HEAD "Expect: 100-continue\r\nContent-Length: %zu\r\n\r\n",
             strlen(GOOD));
    int fd = dial_and_say(head);
    hear(fd, &r);
    assert_int_equal(r.status, 100);
    say(fd, GOOD, strlen(GOOD));
    hear(fd, &r);
    says(&r, 200, "[2,3,4,5]");
    close(fd);
    fd = dial_and_say(HEAD "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n");
    hear(fd, &r);
    says(&r, 413, "larger than this server takes");
    is_over(fd);
    fd = dial_and_say(
        "POST /v2/models/nix/infer HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
        "Content-Length: 99\r\n\r\n");
    hear(fd, &r);
    says(&r, 404, "no model 'nix'");
    is_over(fd);
    still_serves();
}

/* A body without end is read for a while, so that an honest client hears 413, and then no more. */
static void stops_reading_endless_bodies(void **state)
{
    (void)state;
    static char chunk[65536 + 16];
    int length = snprintf(chunk, sizeof chunk, "10000\r\n");
    memset(chunk + length, ' ', 0x10000);
    memcpy(chunk + length + 0x10000, "\r\n", 2);
    length += 0x10000 + 2;
    const int fd = dial_and_say(HEAD "Transfer-Encoding: chunked\r\n\r\n");
    ssize_t sent = 1;
    size_t total = 0;
    while (sent > 0 && total < (size_t)1 << 30) {
        sent = send(fd, chunk, (size_t)length, MSG_NOSIGNAL);
        total += sent > 0 ? (size_t)sent : 0;
    }
    assert_true(sent < 0 && (errno == EPIPE || errno == ECONNRESET));
    close(fd);
    still_serves();
}

static void refuses_headers_without_end(void **state)
{
    (void)state;
    static char path[40000];
    int fd = dial();
    memset(path, 'a', sizeof path);
    memcpy(path, "GET /v2/models/", 15);
    say(fd, path, sizeof path);
    assert_int_equal(last_status(fd), 414);
    fd = dial_and_say("GET /v2 HTTP/1.1\r\nHost: localhost\r\n");
    memcpy(path, "X-Long: aaaaaaa", 15);
    say(fd, path, sizeof path);
    assert_int_equal(last_status(fd), 431);
    still_serves();
}

/* ---- Paths ---- */

static void refuses_tricks_in_paths(void **state)
{
    (void)state;
    static const char *const tricks[] = {
        "/v2/models/%2e%2e/%2e%2e/etc/passwd",
        "/v2/models/../../etc/passwd",
        "/v2/models/add%00",
        "/v2/models/add%00/ready",
        "/v2%00/models/add",
        "/v2/models/%c0%ae%c0%ae%c0%afetc",
        "/v2/models/%e0%80%ae",
        "/v2/models/%ff%fe",
        "/v2%2fmodels%2fadd",
        "/v2/models/add%2Fready",
        "/v2/models/add%",
        "/v2/models/add%zz",
        "/v2/models/%252e%252e",
        "/v2/models//add",
        "/v2/models/add/versions/1%20",
        "/v2/models/add/versions/+0",
        "/v2/models/add/versions/99999999999999999999",
        "/v2/models/",
        "/v2/models/add/versions",
        "//v2",
        "/v2/models/%0d%0aX-Injected:%201",
        "/v2/models/%22%7d%3c%2fscript%3e",
    };
    static reply r;
    static char path[2048];
    for (size_t i = 0; i < sizeof tricks / sizeof *tricks; i++) {
        ask("GET", tricks[i], "", NULL, 0, &r);
        if (r.status != 404 || strncmp(r.body, "{\"error\":\"", 10) != 0)
            fail_msg("%s: %d '%s'", tricks[i], r.status, r.body);
        assert_null(strstr(r.head, "Injected"));
    }
    for (size_t length = 900; length < 1100; length += 50) { /* longer than any route, and not */
        memset(path, 'n', sizeof path);
        memcpy(path, "GET /v2/models/", 15);
        snprintf(path + length, sizeof path - length, "/ready HTTP/1.1\r\nHost: localhost\r\n\r\n");
        const int fd = dial_and_say(path);
        hear(fd, &r);
        says(&r, 404, "{\"error\":\"there is no");
        close(fd);
    }
    still_serves();
}

/* ---- Tensors ---- */

#define X(shape, data) INPUT_OF("x", "FP32", shape, data)
#define INPUT_OF(name, type, shape, data)                                                          \
    "{\"inputs\":[{\"name\":\"" name "\",\"datatype\":\"" type "\",\"shape\":" shape               \
    ",\"data\":" data "}]}"

static void refuses_tensors_that_cannot_be(void **state)
{
    (void)state;
    static const struct {
        const char *model, *body, *says;
    } cases[] = {
        {"add", X("[9223372036854775807,4]", "[1]"), "more elements than any memory"},
        {"add", X("[4611686018427387904,4]", "[1]"), "more elements than any memory"},
        {"add", X("[4294967296,4294967296]", "[]"), "more elements than any memory"},
        {"add", X("[9223372036854775808,4]", "[1]"), "too big integer"},
        {"add", X("[0,9223372036854775807]", "[]"), "it must be [batch,4]"},
        {"add", X("[1073741824,4]", "[1,2,3,4]"), "fewer elements"},
        {"add", X("[-1,4]", "[1,2,3,4]"), "expected 0 or more"},
        {"add", X("[1.0,4]", "[1,2,3,4]"), "array of integers"},
        {"add", X("[]", "[1]"), "it must be [batch,4]"},
        {"add", X("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,4]", "[1,2,3,4]"), "more than 16 dimensions"},
        {"add", X("[0,4]", "[]"), "no rows"},
        {"add", X("[1,4]", "[1,2,3,NaN]"), "expected a number at 'NaN"},
        {"add", X("[1,4]", "[1,2,3,Infinity]"), "expected a number"},
        {"add", X("[1,4]", "[1,2,3,-Infinity]"), "expected a number"},
        {"add", X("[1,4]", "[1,2,3,null]"), "expected a number"},
        {"add", X("[1,4]", "[1,2,3,\"4\"]"), "expected a number"},
        {"add", X("[1,4]", "[1,2,3,{}]"), "expected a number"},
        {"add", X("[1,4]", "[1,2,3,1e39]"), "beyond the type's largest"},
        {"add", X("[1,4]", "[1,2,3,1e999999999999]"), "beyond the type's largest"},
        {"add", X("[1,4]", "[1,2,3,4],\"data\":[1,2,3,4]"), "duplicate"},
        {"add", X("[1,4]", "[1,2,3,4],\"d\\u0061ta\":[1,2,3,4]"), "duplicate"},
        {"add", "{\"inputs\":[],\"inputs\":[]}", "duplicate"},
        {"add",
         "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,4],\"data\":[1,2,3,4]},"
         "{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,4],\"data\":[1,2,3,4]}]}",
         "given twice"},
        {"half", INPUT_OF("x", "FP16", "[1,3]", "[1,2,65520]"), "beyond the type's largest"},
        {"brain", INPUT_OF("x", "BF16", "[1,3]", "[1,2,3.4e38]"), "beyond the type's largest"},
        {"tiny", INPUT_OF("x", "INT8", "[1,3]", "[1,2,128]"), "beyond its type"},
        {"tiny", INPUT_OF("x", "INT8", "[1,3]", "[1,2,-129]"), "beyond its type"},
        {"tiny", INPUT_OF("x", "INT8", "[1,3]", "[1,2,1.5]"), "expected an integer"},
        {"flags", INPUT_OF("x", "BOOL", "[1,3]", "[true,false,2]"), "expected true or false"},
        {"words", INPUT_OF("x", "BYTES", "[1,3]", "[\"a\",\"b\",3]"), "expected strings"},
        {"words", INPUT_OF("x", "BYTES", "[1,3]", "[\"a\",\"b\",\"\\u0000\"]"), "x"},
        {"words", INPUT_OF("x", "BYTES", "[1,3]", "[\"a\",\"b\",\"\\ud800\"]"), "x"},
        {"words", INPUT_OF("x", "BYTES", "[1,3]", "[\"a\",\"b\",\"\xff\xfe\"]"), "x"},
    };
    static reply r;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[64];
        snprintf(path, sizeof path, "/v2/models/%s/infer", cases[i].model);
        post(path, cases[i].body, &r);
        if (r.status != 400 || !strstr(r.body, cases[i].says))
            fail_msg("%s: %d '%s', expected '%s'", cases[i].body, r.status, r.body, cases[i].says);
    }
    still_serves();
}

static void carries_small_types(void **state)
{
    (void)state;
    static reply r;
    post("/v2/models/half/infer", INPUT_OF("x", "FP16", "[1,3]", "[1.5,-65504,0.25]"), &r);
    says(&r, 200, "\"datatype\":\"FP16\",\"shape\":[1,3],\"data\":[1.5,-65504,0.25]");
    post("/v2/models/brain/infer", INPUT_OF("x", "BF16", "[1,3]", "[1.5,-2,256]"), &r);
    says(&r, 200, "\"data\":[1.5,-2,256]");
    post("/v2/models/flags/infer", INPUT_OF("x", "BOOL", "[1,3]", "[true,false,1]"), &r);
    says(&r, 200, "\"data\":[true,false,true]");
    post("/v2/models/tiny/infer", INPUT_OF("x", "INT8", "[[1],3]", "[1,2,3]"), &r);
    says(&r, 400, "array of integers");
}

/* `bytes` of binary data for the one input. */
static void post_binary(const char *model, const char *type, const char *shape, const char *data,
                        size_t bytes, reply *r)
{
    char path[64], header[64], body[1024];
    snprintf(path, sizeof path, "/v2/models/%s/infer", model);
    const int length = snprintf(body, sizeof body,
                                "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"%s\",\"shape\":%s,"
                                "\"parameters\":{\"binary_data_size\":%zu}}]}",
                                type, shape, bytes);
    memcpy(body + length, data, bytes);
    snprintf(header, sizeof header, "Inference-Header-Content-Length: %d\r\n", length);
    ask("POST", path, header, body, (size_t)length + bytes, r);
}

static void refuses_binary_that_lies(void **state)
{
    (void)state;
    static reply r;
    post_binary("flags", "BOOL", "[1,3]", "\1\0\1", 3, &r);
    says(&r, 200, "[true,false,true]");
    post_binary("flags", "BOOL", "[1,3]", "\1\0\2", 3, &r);
    says(&r, 400, "neither 0 nor 1");
    post_binary("tiny", "INT8", "[1,3]", "\1\2", 2, &r);
    says(&r, 400, "2 bytes; its shape and type make 3");
    /* Its memory must not be asked for before its bytes are counted; it is misaligned, too. */
    post_binary("half", "FP16", "[100000000000,3]", "\1", 1, &r);
    says(&r, 400, "1 bytes; its shape and type make 600000000000");
    post_binary("half", "FP16", "[0,3]", "", 0, &r);
    says(&r, 400, "no rows");
    post_binary("words", "BYTES", "[1,3]", "\1\0\0\0a\1\0\0\0b\377\377\377\377", 14, &r);
    says(&r, 400, "a string longer than the data");
    post_binary("words", "BYTES", "[1,3]", "\1\0\0\0a\1\0\0\0b\1\0\0", 13, &r);
    says(&r, 400, "fewer strings");
    post_binary("words", "BYTES", "[1,1]", "\1\0\0\0a\1\0\0\0b", 10, &r);
    says(&r, 400, "more strings");
    still_serves();
}

static void refuses_nesting_and_crowds(void **state)
{
    (void)state;
    static reply r;
    static char text[60000];
    memset(text, '[', 50000);
    text[50000] = '\0';
    post(ADD, text, &r);
    says(&r, 400, "not JSON");
    text_builder body = {.data = NULL};
    text_addf(&body, "{\"parameters\":{\"a\":%s", text);
    post(ADD, body.data, &r);
    says(&r, 400, "not JSON");
    body.length = 0;
    text_addf(&body,
              "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,4],\"data\":%s",
              text);
    post(ADD, body.data, &r);
    says(&r, 400, "does not end");
    memset(text, ']', 49999);
    text[49999] = '\0';
    text_addf(&body, "1%s]}]}", text);
    post(ADD, body.data, &r);
    says(&r, 400, "ends before as many elements");
    for (int outputs = 0; outputs < 2; outputs++) {
        body.length = 0;
        text_add(&body, outputs ? "{\"inputs\":[],\"outputs\":[" : "{\"inputs\":[");
        for (int i = 0; i < 65; i++)
            text_addf(&body,
                      outputs
                          ? "%s{\"name\":\"y\"}"
                          : "%s{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1],\"data\":[1]}",
                      i ? "," : "");
        text_add(&body, "]}");
        post(ADD, body.data, &r);
        says(&r, 400, "more than 64");
    }
    text_deinit(&body);
    still_serves();
}

/* ---- Clients ---- */

/* Asks for as many rows of "relu", all of this number, so that the answer is large. */
static void ask_for_rows(int fd, int rows, float number)
{
    static float row[WIDE];
    char json[256], head[256];
    for (int i = 0; i < WIDE; i++)
        row[i] = number;
    const int length = snprintf(json, sizeof json,
                                "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":"
                                "[%d,%d],\"parameters\":{\"binary_data_size\":%zu}}],"
                                "\"parameters\":{\"binary_data_output\":false}}",
                                rows, WIDE, (size_t)rows * sizeof row);
    say(fd, head,
        (size_t)snprintf(
            head, sizeof head,
            "POST /v2/models/relu/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n"
            "Inference-Header-Content-Length: %d\r\n\r\n",
            (size_t)length + (size_t)rows * sizeof row, length));
    say(fd, json, (size_t)length);
    for (int i = 0; i < rows; i++)
        say(fd, (const char *)row, sizeof row);
}

static double under_way(void)
{
    static reply r;
    ask("GET", "/metrics", "", NULL, 0, &r);
    const char *at = strstr(r.body, "\ncosrel_requests_under_way ");
    assert_non_null(at);
    return strtod(at + strlen("\ncosrel_requests_under_way "), NULL);
}

static void until_nothing_is_under_way(void)
{
    for (int i = 0; i < 3000 && under_way() > 0; i++)
        usleep(10000);
    assert_true(under_way() == 0);
}

/* While it waits, while it is answered; politely and not. */
static void survives_clients_that_leave_late(void **state)
{
    (void)state;
    static const struct linger at_once = {.l_onoff = 1};
    char request[512];
    snprintf(
        request, sizeof request,
        "POST /v2/models/slow/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s",
        strlen(GOOD), GOOD);
    for (int round = 0; round < 8; round++) {
        const int waiting = dial_and_say(request), answered = dial_slowly(1024);
        ask_for_rows(answered, 15000, 1.5F);
        if (round & 1) {
            char some[64];
            assert_true(recv(answered, some, sizeof some, 0) > 0);
        }
        if (round & 2) {
            setsockopt(waiting, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
            setsockopt(answered, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        }
        if (round & 4) {
            shutdown(waiting, SHUT_WR);
            shutdown(answered, SHUT_WR);
        }
        still_serves();
        close(waiting);
        close(answered);
    }
    until_nothing_is_under_way();
    still_serves();
}

/* An answer of `rows` rows of this number, however large. */
static void hear_rows(int fd, int rows, float number)
{
    static char text[4 << 20];
    char head[4096] = "", expected[64];
    size_t used = 0, bytes;
    while (!strstr(head, "\r\n\r\n")) {
        assert_true(used < sizeof head - 1);
        assert_int_equal(recv(fd, head + used++, 1, 0), 1);
    }
    assert_int_equal(strncmp(head, "HTTP/1.1 200 ", 13), 0);
    bytes = strtoul(strstr(head, "\r\nContent-Length: ") + 18, NULL, 10);
    assert_true(bytes < sizeof text);
    for (used = 0; used < bytes;) {
        const ssize_t n = recv(fd, text + used, bytes - used, 0);
        assert_true(n > 0);
        used += (size_t)n;
    }
    text[bytes] = '\0';
    const int length = snprintf(expected, sizeof expected, "%g,", (double)number);
    const char *at = strstr(text, "\"data\":[");
    assert_non_null(at);
    at += 8;
    for (int i = 0; i < rows * WIDE - 1; i++, at += length)
        assert_memory_equal(at, expected, (size_t)length);
    assert_memory_equal(at, expected, (size_t)length - 1);
    assert_string_equal(at + length - 1, "]}]}");
}

/* Whoever sends a byte now and then keeps no place for longer than patience allows. */
static void slow_senders_lose_their_place(void **state)
{
    (void)state;
    const server_options quick = {
        .http = {.address = "127.0.0.1:0", .body_max = BODY_MAX, .patience_ns = 300000000}};
    const server_options usual = {.http = {.address = "127.0.0.1:0", .body_max = BODY_MAX}};
    static const char *const begins[] = {"POST /v2/mod", HEAD "Content-Length: 400000\r\n\r\n"};
    serving_end();
    assert_int_equal(serving_begin(&quick), 0);
    for (size_t i = 0; i < 2; i++) {
        const int fd = dial();
        struct pollfd over = {.fd = fd, .events = POLLRDHUP};
        say(fd, begins[i], strlen(begins[i]));
        int bytes = 0;
        while (bytes < 2000 && poll(&over, 1, 20) == 0) {
            (void)!send(fd, "x", 1, MSG_NOSIGNAL);
            bytes++;
        }
        assert_true(bytes < 2000);
        is_over(fd);
        still_serves();
    }
    /* One that has asked for something may rest for as long as it likes. */
    static reply r;
    const int resting = dial();
    const char get[] = "GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    say(resting, get, sizeof get - 1);
    hear(resting, &r);
    usleep(700000);
    say(resting, get, sizeof get - 1);
    hear(resting, &r);
    assert_int_equal(r.status, 200);
    close(resting);
    serving_end();
    assert_int_equal(serving_begin(&usual), 0);
}

/* Some take nothing of their answers while others are served; later they get them, whole. */
static void waits_for_slow_readers_alone(void **state)
{
    (void)state;
    enum { READERS = 4, ROWS = 15000 };
    int fds[READERS];
    for (int i = 0; i < READERS; i++) {
        fds[i] = dial_slowly(1024);
        ask_for_rows(fds[i], ROWS, (float)i + 0.5F);
    }
    for (int i = 0; i < 50; i++)
        still_serves();
    for (int i = 0; i < READERS; i++) {
        hear_rows(fds[i], ROWS, (float)i + 0.5F);
        close(fds[i]);
    }
}

/* Those that say nothing, half a line, half a header or half a body do not keep anyone waiting. */
static void serves_beside_half_open_connections(void **state)
{
    (void)state;
    enum { EACH = 40 };
    static const char *const halves[] = {"", "POST /v2/mod", HEAD "Content-Le",
                                         HEAD "Content-Length: 90\r\n\r\n{\"inputs\":[",
                                         HEAD "Transfer-Encoding: chunked\r\n\r\n40\r\n{\"in"};
    enum { HALVES = sizeof halves / sizeof *halves };
    int fds[HALVES * EACH];
    for (int i = 0; i < HALVES * EACH; i++)
        fds[i] = dial_and_say(halves[i % HALVES]);
    for (int i = 0; i < 20; i++)
        still_serves();
    for (int i = 0; i < HALVES * EACH; i++)
        close(fds[i]);
    still_serves();
}

static void answers_many_in_a_row(void **state)
{
    (void)state;
    enum { REQUESTS = 400 };
    static reply r;
    text_builder all = {.data = NULL};
    for (int i = 0; i < REQUESTS; i++) {
        char json[256];
        const int length = snprintf(json, sizeof json, X("[1,4]", "[%d,0,0,0]"), i);
        text_addf(&all, HEAD "Content-Length: %d\r\n\r\n%s", i % 7 == 6 ? 2 : length,
                  i % 7 == 6 ? "{}" : json);
    }
    const int fd = dial();
    say(fd, all.data, all.length);
    for (int i = 0; i < REQUESTS; i++) {
        char expected[64];
        hear(fd, &r);
        snprintf(expected, sizeof expected, "\"data\":[%d,2,3,4]", i + 1);
        if (i % 7 == 6)
            says(&r, 400, "inputs: expected an array");
        else
            says(&r, 200, expected);
    }
    close(fd);
    text_deinit(&all);
    until_nothing_is_under_way();
}

/* Who leaves right after the first part of a request, in one stroke, leaves the place to others at
 * once, not when the connection's time is over. */
static void forgets_clients_that_leave_early(void **state)
{
    (void)state;
    static const char *const halves[] = {"POST /v2/mod", HEAD "Content-Le",
                                         HEAD "Content-Length: 90\r\n\r\n{\"inputs\":[",
                                         HEAD "Transfer-Encoding: chunked\r\n\r\n40\r\n{\"in"};
    const server_options usual = {.http = {.address = "127.0.0.1:0", .body_max = BODY_MAX}};
    server_options tight = usual;
    tight.http.connection_max = 4;
    serving_end();
    assert_int_equal(serving_begin(&tight), 0);
    for (int round = 0; round < 40; round++)
        close(dial_and_say(halves[round % 4]));
    still_serves();
    serving_end();
    assert_int_equal(serving_begin(&usual), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_framing_that_lies),
        cmocka_unit_test(goes_by_content_length),
        cmocka_unit_test(answers_expectations),
        cmocka_unit_test(stops_reading_endless_bodies),
        cmocka_unit_test(refuses_headers_without_end),
        cmocka_unit_test(refuses_tricks_in_paths),
        cmocka_unit_test(refuses_tensors_that_cannot_be),
        cmocka_unit_test(carries_small_types),
        cmocka_unit_test(refuses_binary_that_lies),
        cmocka_unit_test(refuses_nesting_and_crowds),
        cmocka_unit_test(survives_clients_that_leave_late),
        cmocka_unit_test(slow_senders_lose_their_place),
        cmocka_unit_test(waits_for_slow_readers_alone),
        cmocka_unit_test(serves_beside_half_open_connections),
        cmocka_unit_test(answers_many_in_a_row),
        cmocka_unit_test(forgets_clients_that_leave_early),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
