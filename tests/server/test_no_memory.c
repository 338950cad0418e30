/* The n-th allocation fails, for every n: while a server is created, answers one request of each
 * kind, and is freed. Whatever it answers is right or an error, the next request is answered as if
 * nothing had been, and (as a sanitizer sees) nothing leaks.
 *
 * Allocations are those of this program, into which Cosrel is linked, and jansson's. Of the other
 * libraries' none fails here: ONNX Runtime throws where it finds no memory, and libmicrohttpd,
 * nghttp2 and protobuf-c answer for their own. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/text.h"
#include "failing_alloc.h"
#include "grpc_client.h"
#include "oip.pb-c.h"
#include "server/server.h"
#include "tiny_onnx.h"

/* ---- Allocations ---- */

/* jansson takes a string that it has no memory for as a fault of the text. */
static atomic_bool parser_failed;

static void *parser_malloc(size_t bytes)
{
    if (!failing_alloc_now())
        return failing_alloc_malloc(bytes);
    atomic_store(&parser_failed, true);
    return NULL;
}

/* ---- A server ---- */

static char folder[] = "/tmp/test-memory-XXXXXX";
static cosrel_runtime *rt;
static server *served;
static pthread_t loop;
static char key[64];

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s.onnx", folder, name);
    return path;
}

/* What the runtime says of a model that it could not load again. */
static void say_nothing(void *user, cosrel_log_level level, const char *message)
{
    (void)user, (void)level, (void)message;
}

static int start(void **state)
{
    (void)state;
    cosrel_options options;
    cosrel_error err = {""};
    failing_alloc_spared = true;
    json_set_alloc_funcs(parser_malloc, free);
    snprintf(key, sizeof key, "/cosrel-memory-%d", (int)getpid());
    const int fd = shm_open(key, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, 4096) != 0 || close(fd) != 0 || !mkdtemp(folder) ||
        !tiny_add(path_of("add")) || !tiny_identity(path_of("words"), 8))
        return -1;
    cosrel_options_init(&options);
    options.cache_folder = "";
    options.processors = "cpu0";
    options.log = say_nothing;
    return cosrel_runtime_open(&options, &rt, &err) == COSREL_OK &&
                   cosrel_runtime_load(rt, folder, &err) == COSREL_OK
               ? 0
               : -1;
}

static int stop(void **state)
{
    (void)state;
    cosrel_runtime_close(rt);
    unlink(path_of("add"));
    unlink(path_of("words"));
    shm_unlink(key);
    return rmdir(folder);
}

static void *run_loop(void *s)
{
    server_run(s);
    return NULL;
}

/* False: an error says so. */
static bool serve(void)
{
    const server_token admin = {.token = "admin-token", .role = "admin"};
    const server_options options = {.http = {.address = "127.0.0.1:0"},
                                    .grpc = {.address = "127.0.0.1:0"},
                                    .models = folder,
                                    .tokens = &admin,
                                    .token_count = 1};
    cosrel_error err = {""};
    failing_alloc_spared = false;
    const cosrel_status status = server_create(&options, rt, &served, &err);
    failing_alloc_spared = true;
    if (status == COSREL_OK)
        return pthread_create(&loop, NULL, run_loop, served) == 0;
    assert_null(served);
    assert_true(err.text[0] != '\0');
    return false;
}

static void end(void)
{
    server_stop(served);
    pthread_join(loop, NULL);
    failing_alloc_spared = false;
    server_free(served);
    failing_alloc_spared = true;
}

/* ---- Requests ---- */

typedef struct heard {
    char text[256 << 10]; /* head and body */
    size_t bytes;
    const char *body; /* NULL: nothing, or not all of it */
    int status;
} heard;

static int dial(void)
{
    return client_dial(server_http_port(served));
}

/* All that comes until the end. */
static void hear(int fd, heard *h)
{
    ssize_t n;
    memset(h, 0, sizeof *h);
    while (h->bytes < sizeof h->text - 1 &&
           (n = recv(fd, h->text + h->bytes, sizeof h->text - 1 - h->bytes, 0)) > 0)
        h->bytes += (size_t)n;
    const char *length = strstr(h->text, "\r\nContent-Length: "),
               *end = strstr(h->text, "\r\n\r\n");
    if (!length || !end)
        return;
    h->status = atoi(h->text + 9);
    if ((size_t)(h->text + h->bytes - (end + 4)) == strtoul(length + 18, NULL, 10))
        h->body = end + 4;
}

static void ask(const char *method, const char *path, const char *headers, const char *body,
                size_t bytes, heard *h)
{
    char head[512];
    const int fd = dial();
    const int length = snprintf(
        head, sizeof head,
        "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        "Authorization: Bearer admin-token\r\n%sContent-Length: %zu\r\n\r\n",
        method, path, headers, bytes);
    client_say(fd, head, (size_t)length);
    client_say(fd, body, bytes);
    hear(fd, h);
    close(fd);
}

#define INPUT(name, type, shape, rest)                                                             \
    "{\"inputs\":[{\"name\":\"" name "\",\"datatype\":\"" type "\",\"shape\":" shape "," rest "}]"
#define BINARY                                                                                     \
    INPUT("x", "FP32", "[1,4]", "\"parameters\":{\"binary_data_size\":16}")                        \
    ",\"parameters\":{\"binary_data_output\":true}}"
#define SHARED                                                                                     \
    INPUT("x", "FP32", "[1,4]",                                                                    \
          "\"parameters\":{\"shared_memory_region\":\"r\",\"shared_memory_byte_size\":16}")        \
    ",\"outputs\":[{\"name\":\"y\",\"parameters\":{\"shared_memory_region\":\"r\","                \
    "\"shared_memory_offset\":64,\"shared_memory_byte_size\":16}}]}"

static char registration[128], binary_header[64];

/* One of each kind. `answer`: the beginning of the body and its end, when all is well. */
static const struct {
    const char *method, *path, *headers, *body, *begins, *ends;
} kinds[] = {
    {"POST", "/v2/models/add/infer", "", INPUT("x", "FP32", "[1,4]", "\"data\":[1,2,3,4]") "}",
     "{\"model_name\":\"add\"", "\"data\":[2,4,6,8]}]}"},
    {"POST", "/v2/models/add/infer", binary_header, BINARY "0000000000000000",
     "{\"model_name\":\"add\"", "\200@"},
    {"POST", "/v2/models/words/infer", "",
     INPUT("x", "BYTES", "[1,3]", "\"data\":[\"a\",\"b\",\"c\"]") "}", "{\"model_name\":\"words\"",
     "\"data\":[\"a\",\"b\",\"c\"]}]}"},
    {"POST", "/v2/systemsharedmemory/region/r/register", "", registration, "", ""},
    {"GET", "/v2/systemsharedmemory/status", "", "", "[", "]"},
    {"POST", "/v2/models/add/infer", "", SHARED, "{\"model_name\":\"add\"",
     "\"shared_memory_byte_size\":16}}]}"},
    {"POST", "/v2/systemsharedmemory/unregister", "", "", "", ""},
    {"GET", "/v2", "", "", "{\"name\":\"cosrel\"", "]}"},
    {"GET", "/v2/models/add", "", "", "{\"name\":\"add\",\"versions\":[\"1\"]",
     "\"shape\":[-1,4]}]}"},
    {"GET", "/v2/models/add/config", "", "", "{\"name\":\"add\"", "\"dims\":[4]}]}"},
    {"GET", "/v2/models/stats", "", "", "{\"model_stats\":[{", "]}"},
    {"POST", "/v2/repository/index", "", "", "[{\"name\":\"add\"", "\"reason\":\"\"}]"},
    {"POST", "/v2/repository/models/words/load", "", "", "", ""},
    {"GET", "/metrics", "", "", "# HELP cosrel_requests_total", "\"} 1\n"},
    {"GET", "/", "", "", "<!", "</html>\n"},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void check(int kind, const heard *h)
{
    const size_t bytes = h->body ? (size_t)(h->text + h->bytes - h->body) : 0;
    const size_t begins = strlen(kinds[kind].begins), ends = strlen(kinds[kind].ends);
    if (!h->body)
        return; /* the connection was given up */
    if (h->status == 200 && bytes >= begins + ends &&
        memcmp(h->body, kinds[kind].begins, begins) == 0 &&
        memcmp(h->body + bytes - ends, kinds[kind].ends, ends) == 0)
        return;
    /* No fault of the client's, unless its region could not be registered before; one that cannot
     * be counted counts as too many. */
    const bool may_be_400 = atomic_load(&parser_failed) || strcmp(kinds[kind].body, SHARED) == 0;
    if ((h->status < (may_be_400 ? 400 : 500) && h->status != 429) ||
        strncmp(h->body, "{\"error\":\"", 10) != 0)
        fail_msg("%s: %s", kinds[kind].path, h->text);
}

/* The head of the live stream; it has no end. */
static void watch(void)
{
    static const char request[] =
        "GET /live/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        "Authorization: Bearer admin-token\r\n\r\n";
    char some[1024];
    const int fd = dial();
    client_say(fd, request, sizeof request - 1);
    const ssize_t n = recv(fd, some, sizeof some, 0);
    assert_true(n <= 0 || strncmp(some, "HTTP/1.1 200", 12) == 0 ||
                strncmp(some, "HTTP/1.1 503", 12) == 0 || strncmp(some, "HTTP/1.1 500", 12) == 0);
    (void)recv(fd, some, sizeof some, 0); /* a snapshot, or the end */
    close(fd);
}

/* ---- gRPC ---- */

static int call(const char *path, const ProtobufCMessage *m, text_builder *data)
{
    uint8_t packed[512];
    text_builder body = {.data = NULL};
    client_frame(&body, packed, protobuf_c_message_pack(m, packed));
    grpc_reply r = client_call(server_grpc_port(served), &(grpc_ask){.path = path,
                                                                     .token = "Bearer admin-token",
                                                                     .body = body.data,
                                                                     .bytes = body.length});
    text_deinit(&body);
    *data = r.data;
    return r.code;
}

/* -1: no answer at all. */
static int infer(void)
{
    static const float row[4] = {1, 2, 3, 4}, expected[4] = {2, 4, 6, 8};
    int64_t shape[] = {1, 4};
    Inference__ModelInferRequest__InferInputTensor
        in = INFERENCE__MODEL_INFER_REQUEST__INFER_INPUT_TENSOR__INIT,
        *inputs = &in;
    Inference__InferTensorContents contents = INFERENCE__INFER_TENSOR_CONTENTS__INIT;
    Inference__ModelInferRequest m = INFERENCE__MODEL_INFER_REQUEST__INIT;
    text_builder data;
    contents.n_fp32_contents = 4;
    contents.fp32_contents = (float *)row;
    in.name = "x";
    in.datatype = "FP32";
    in.n_shape = 2;
    in.shape = shape;
    in.contents = &contents;
    m.model_name = "add";
    m.n_inputs = 1;
    m.inputs = &inputs;
    const int code = call(METHOD("ModelInfer"), &m.base, &data);
    if (code == 0) {
        assert_true(data.length > sizeof expected);
        assert_memory_equal(data.data + data.length - sizeof expected, expected, sizeof expected);
    }
    text_deinit(&data);
    return code;
}

static void tell(void)
{
    static const char *const methods[] = {METHOD("ModelMetadata"), METHOD("ModelConfig"),
                                          METHOD("ModelStatistics"), METHOD("RepositoryIndex"),
                                          METHOD("ServerMetadata")};
    Inference__ModelMetadataRequest m = INFERENCE__MODEL_METADATA_REQUEST__INIT;
    m.name = "add";
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        text_builder data;
        const int code = call(methods[i], &m.base, &data);
        if (code == 0)
            assert_true(memmem(data.data, data.length, i == 4 ? "cosrel" : "add", 3) != NULL);
        else
            assert_true(code == -1 || code == 8);
        text_deinit(&data);
    }
}

/* ---- The test ---- */

/* The n-th fails. False: there were fewer. */
static bool fail_one(long n)
{
    static heard h;
    atomic_store(&parser_failed, false);
    atomic_store(&failing_alloc_left, n);
    if (!serve()) {
        assert_int_equal(atomic_load(&failing_alloc_left), 0);
        return true;
    }
    for (int i = 0; i < KINDS; i++) {
        ask(kinds[i].method, kinds[i].path, kinds[i].headers, kinds[i].body, strlen(kinds[i].body),
            &h);
        check(i, &h);
    }
    watch();
    const int code = infer();
    assert_true(code == 0 || code == -1 || code == 8);
    tell();
    const bool failed = atomic_load(&failing_alloc_left) <= 0;
    if (failed) { /* it was one, and it is over */
        ask(kinds[0].method, kinds[0].path, "", kinds[0].body, strlen(kinds[0].body), &h);
        if (h.status != 200)
            fail_msg("after allocation %ld: %s", n, h.text);
        check(0, &h);
        assert_int_equal(infer(), 0);
    }
    end();
    return failed || atomic_load(&failing_alloc_left) <= 0;
}

/* All is well as long as none fails, so that an error above is the failure's. */
static void works_with_memory(void **state)
{
    (void)state;
    static heard h;
    snprintf(binary_header, sizeof binary_header, "Inference-Header-Content-Length: %zu\r\n",
             sizeof BINARY - 1);
    snprintf(registration, sizeof registration, "{\"key\":\"%s\",\"byte_size\":4096}", key);
    assert_true(serve());
    for (int i = 0; i < KINDS; i++) {
        ask(kinds[i].method, kinds[i].path, kinds[i].headers, kinds[i].body, strlen(kinds[i].body),
            &h);
        if (h.status != 200 || !h.body)
            fail_msg("%s: %s", kinds[i].path, h.text);
        check(i, &h);
    }
    assert_int_equal(infer(), 0);
    end();
}

static void survives_each_failure(void **state)
{
    (void)state;
    long n = 1;
    while (fail_one(n) && n < 100000)
        n++;
    assert_true(n > 100 && n < 100000); /* there are some hundred */
    atomic_store(&failing_alloc_left, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(works_with_memory),
        cmocka_unit_test(survives_each_failure),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
