/* The server over gRPC: real sockets, a real runtime, an HTTP/2 client that behaves, and one that
 * does not. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "grpc_client.h"
#include "grpc_serve.h"
#include "health.pb-c.h"
#include "oip.pb-c.h"

/* ---- Asking ---- */

static void says(const grpc_reply *r, int code, const char *text)
{
    if (r->code != code || !strstr(r->message, text))
        fail_msg("%d '%s' (HTTP %d, closed %d, error %u), expected %d '%s'", r->code, r->message,
                 r->http, r->closed, r->error, code, text);
}

/* A method with an empty request or one packed message; the reply's message, unpacked. */
static void *ask(const char *path, const void *packed, size_t bytes,
                 const ProtobufCMessageDescriptor *type)
{
    text_builder body = {.data = NULL};
    client_frame(&body, packed, bytes);
    const grpc_ask question = {.path = path, .body = body.data, .bytes = body.length};
    grpc_reply r = client_call(served_port, &question);
    says(&r, 0, "");
    assert_true(r.data.length >= 5);
    void *message = protobuf_c_message_unpack(type, NULL, r.data.length - 5,
                                              (const uint8_t *)r.data.data + 5);
    assert_non_null(message);
    text_deinit(&body);
    text_deinit(&r.data);
    return message;
}

#define FREE(message) protobuf_c_message_free_unpacked(&(message)->base, NULL)

static bool is_ready(const char *packed)
{
    Inference__ModelReadyResponse *m = ask(METHOD("ModelReady"), packed, strlen(packed),
                                           &inference__model_ready_response__descriptor);
    const bool ready = m->ready;
    FREE(m);
    return ready;
}

static void tells_what_is_there(void **state)
{
    (void)state;
    Inference__ServerLiveResponse *live = ask(METHOD("ServerLive"), NULL, 0,
                                              &inference__server_live_response__descriptor);
    assert_true(live->live);
    FREE(live);
    Inference__ServerReadyResponse *ready = ask(METHOD("ServerReady"), NULL, 0,
                                                &inference__server_ready_response__descriptor);
    assert_true(ready->ready);
    FREE(ready);
    Inference__ServerMetadataResponse *about = ask(
        METHOD("ServerMetadata"), NULL, 0, &inference__server_metadata_response__descriptor);
    assert_string_equal(about->name, "cosrel");
    FREE(about);
    assert_true(is_ready("\x0a\3add"));
    assert_true(is_ready("\x0a\3add\x12\1"
                         "1"));
    assert_false(is_ready("\x0a\3add\x12\1"
                          "2"));
    assert_false(is_ready("\x0a\3add\x12\1x"));
    assert_false(is_ready("\x0a\3nix"));
    Inference__ModelMetadataResponse *model = ask(METHOD("ModelMetadata"), "\x0a\5multi", 7,
                                                  &inference__model_metadata_response__descriptor);
    assert_string_equal(model->name, "multi");
    assert_int_equal(model->n_versions, 1);
    assert_string_equal(model->versions[0], "1");
    assert_int_equal(model->n_inputs, 3);
    assert_string_equal(model->inputs[2]->name, "n");
    assert_string_equal(model->inputs[2]->datatype, "INT64");
    assert_int_equal(model->inputs[0]->n_shape, 2);
    assert_int_equal(model->inputs[0]->shape[0], -1);
    assert_int_equal(model->inputs[0]->shape[1], 2);
    assert_int_equal(model->n_outputs, 3);
    FREE(model);
    Grpc__Health__V1__HealthCheckResponse *health = ask(
        "/grpc.health.v1.Health/Check", NULL, 0,
        &grpc__health__v1__health_check_response__descriptor);
    assert_int_equal(health->status, 1);
    FREE(health);
}

/* ---- Inference ---- */

typedef Inference__ModelInferRequest__InferInputTensor input_type;
typedef Inference__ModelInferRequest__InferRequestedOutputTensor output_type;

static int64_t one_row[] = {1, 4};

static const input_type no_input = INFERENCE__MODEL_INFER_REQUEST__INFER_INPUT_TENSOR__INIT;

static input_type describe(const char *name, const char *type, int64_t *shape, size_t rank)
{
    input_type in = no_input;
    in.name = (char *)name;
    in.datatype = (char *)type;
    in.shape = shape;
    in.n_shape = rank;
    return in;
}

static void pack(const Inference__ModelInferRequest *m, text_builder *out)
{
    const size_t bytes = inference__model_infer_request__get_packed_size(m);
    uint8_t *packed = malloc(bytes + 1);
    inference__model_infer_request__pack(m, packed);
    client_frame(out, packed, bytes);
    free(packed);
}

/* The model "add" with one row of four numbers: x, x, x, x. */
static void pack_add(float x, text_builder *out)
{
    float row[4] = {x, x, x, x};
    input_type in = describe("x", "FP32", one_row, 2), *inputs = &in;
    ProtobufCBinaryData raw = {sizeof row, (uint8_t *)row};
    Inference__ModelInferRequest m = INFERENCE__MODEL_INFER_REQUEST__INIT;
    m.model_name = "add";
    m.n_inputs = m.n_raw_input_contents = 1;
    m.inputs = &inputs;
    m.raw_input_contents = &raw;
    pack(&m, out);
}

static Inference__ModelInferResponse *unpack(const grpc_reply *r)
{
    says(r, 0, "");
    assert_true(r->data.length > 5);
    const uint8_t *prefix = (const uint8_t *)r->data.data;
    assert_int_equal((size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 8 |
                         prefix[4],
                     r->data.length - 5);
    Inference__ModelInferResponse *m = inference__model_infer_response__unpack(
        NULL, r->data.length - 5, prefix + 5);
    assert_non_null(m);
    assert_int_equal(m->n_outputs, m->n_raw_output_contents);
    return m;
}

static void is_added(const grpc_reply *r, float x)
{
    const float expected[4] = {x + 1, x + 2, x + 3, x + 4};
    Inference__ModelInferResponse *m = unpack(r);
    assert_int_equal(m->n_outputs, 1);
    assert_int_equal(m->raw_output_contents[0].len, sizeof expected);
    assert_memory_equal(m->raw_output_contents[0].data, expected, sizeof expected);
    FREE(m);
}

static grpc_reply infer(const Inference__ModelInferRequest *m)
{
    text_builder body = {.data = NULL};
    pack(m, &body);
    const grpc_ask question = {.body = body.data, .bytes = body.length};
    const grpc_reply r = client_call(served_port, &question);
    text_deinit(&body);
    return r;
}

static void refuses(const Inference__ModelInferRequest *m, int code, const char *why)
{
    grpc_reply r = infer(m);
    says(&r, code, why);
    assert_int_equal(r.data.length, 0);
    text_deinit(&r.data);
}

static void infers_raw(void **state)
{
    (void)state;
    int64_t one[] = {1}, two[] = {1, 2};
    int64_t n = 4;
    float a[] = {1, 2}, b[] = {3, 4}, product[] = {3, 8};
    input_type in[] = {describe("n", "INT64", one, 1), describe("a", "FP32", two, 2),
                       describe("b", "FP32", two, 2)};
    input_type *inputs[] = {&in[0], &in[1], &in[2]};
    ProtobufCBinaryData raw[] = {{8, (uint8_t *)&n}, {8, (uint8_t *)a}, {8, (uint8_t *)b}};
    output_type first = INFERENCE__MODEL_INFER_REQUEST__INFER_REQUESTED_OUTPUT_TENSOR__INIT;
    output_type second = first, *outputs[] = {&first, &second};
    first.name = "product";
    second.name = "count";
    Inference__ModelInferRequest m = INFERENCE__MODEL_INFER_REQUEST__INIT;
    m.model_name = "multi";
    m.model_version = "1";
    m.id = "an id";
    m.n_inputs = m.n_raw_input_contents = 3;
    m.inputs = inputs;
    m.raw_input_contents = raw;
    m.n_outputs = 2;
    m.outputs = outputs;
    grpc_reply r = infer(&m);
    Inference__ModelInferResponse *reply = unpack(&r);
    assert_string_equal(reply->id, "an id");
    assert_string_equal(reply->model_name, "multi");
    assert_string_equal(reply->model_version, "1");
    assert_int_equal(reply->n_outputs, 2);
    assert_string_equal(reply->outputs[0]->name, "product");
    assert_string_equal(reply->outputs[0]->datatype, "FP32");
    assert_int_equal(reply->outputs[0]->n_shape, 2);
    assert_memory_equal(reply->raw_output_contents[0].data, product, sizeof product);
    n = 8;
    assert_memory_equal(reply->raw_output_contents[1].data, &n, sizeof n);
    FREE(reply);
    text_deinit(&r.data);
    second.name = "nix";
    refuses(&m, 3, "no output 'nix'");
}

static void infers_strings(void **state)
{
    (void)state;
    int64_t shape[] = {1, 3};
    static const char expected[] = "\2\0\0\0ab\0\0\0\0\1\0\0\0c";
    input_type in = describe("x", "BYTES", shape, 2), *inputs = &in;
    ProtobufCBinaryData raw = {15, (uint8_t *)expected};
    Inference__InferTensorContents contents = INFERENCE__INFER_TENSOR_CONTENTS__INIT;
    ProtobufCBinaryData words[] = {{2, (uint8_t *)"ab"}, {0, NULL}, {1, (uint8_t *)"c"}};
    contents.n_bytes_contents = 3;
    contents.bytes_contents = words;
    Inference__ModelInferRequest m = INFERENCE__MODEL_INFER_REQUEST__INIT;
    m.model_name = "words";
    m.n_inputs = 1;
    m.inputs = &inputs;
    for (int typed = 0; typed < 2; typed++) {
        m.n_raw_input_contents = typed ? 0 : 1;
        m.raw_input_contents = typed ? NULL : &raw;
        in.contents = typed ? &contents : NULL;
        grpc_reply r = infer(&m);
        Inference__ModelInferResponse *reply = unpack(&r);
        assert_int_equal(reply->raw_output_contents[0].len, 15);
        assert_memory_equal(reply->raw_output_contents[0].data, expected, 15);
        FREE(reply);
        text_deinit(&r.data);
    }
    raw.len = 14;
    m.n_raw_input_contents = 1;
    m.raw_input_contents = &raw;
    in.contents = NULL;
    refuses(&m, 3, "longer than the data");
}

/* As numbers, through a model that changes nothing; all other types are in test_grpc_parts.c. */
static void infers_typed(void **state)
{
    (void)state;
    int64_t shape[] = {1, 3};
    int32_t numbers[] = {-128, 0, 127};
    input_type in = describe("x", "INT8", shape, 2), *inputs = &in;
    Inference__InferTensorContents contents = INFERENCE__INFER_TENSOR_CONTENTS__INIT;
    contents.n_int_contents = 3;
    contents.int_contents = numbers;
    in.contents = &contents;
    Inference__ModelInferRequest m = INFERENCE__MODEL_INFER_REQUEST__INIT;
    m.model_name = "bytes";
    m.n_inputs = 1;
    m.inputs = &inputs;
    grpc_reply r = infer(&m);
    Inference__ModelInferResponse *reply = unpack(&r);
    assert_int_equal(reply->raw_output_contents[0].len, 3);
    assert_memory_equal(reply->raw_output_contents[0].data, "\x80\0\x7f", 3);
    FREE(reply);
    text_deinit(&r.data);
    numbers[2] = 128;
    refuses(&m, 3, "cannot hold");
}

/* Many frames each way, through windows that are smaller; the numbers tell their places. */
static void infers_much(void **state)
{
    (void)state;
    enum { ROWS = 60000 };
    const size_t bytes = (size_t)ROWS * 16 * sizeof(float);
    int64_t shape[] = {ROWS, 16};
    float *numbers = malloc(bytes);
    for (size_t i = 0; i < (size_t)ROWS * 16; i++)
        numbers[i] = (float)i;
    input_type in = describe("x", "FP32", shape, 2), *inputs = &in;
    ProtobufCBinaryData raw = {bytes, (uint8_t *)numbers};
    Inference__ModelInferRequest m = INFERENCE__MODEL_INFER_REQUEST__INIT;
    m.model_name = "relu";
    m.n_inputs = m.n_raw_input_contents = 1;
    m.inputs = &inputs;
    m.raw_input_contents = &raw;
    grpc_reply r = infer(&m);
    Inference__ModelInferResponse *reply = unpack(&r);
    assert_int_equal(reply->raw_output_contents[0].len, bytes);
    assert_memory_equal(reply->raw_output_contents[0].data, numbers, bytes);
    FREE(reply);
    text_deinit(&r.data);
    free(numbers);
}

static void refuses_wrong_inference(void **state)
{
    (void)state;
    float row[4] = {0};
    static char name[1024];
    int64_t large[] = {1000000, 1000000}, overflowing[] = {INT64_MAX, 4}, many[17] = {0};
    input_type in = describe("x", "FP32", one_row, 2), *inputs = &in;
    ProtobufCBinaryData raw = {sizeof row, (uint8_t *)row};
    Inference__ModelInferRequest m = INFERENCE__MODEL_INFER_REQUEST__INIT;
    m.model_name = "nix%";
    refuses(&m, 5, "there is no model 'nix%25'");
    m.model_name = "add";
    m.model_version = "2";
    refuses(&m, 5, "no such version");
    m.model_version = "-1";
    refuses(&m, 5, "no such version");
    m.model_version = "";
    refuses(&m, 3, "x");
    m.n_inputs = m.n_raw_input_contents = 1;
    m.inputs = &inputs;
    m.raw_input_contents = &raw;
    raw.len = 12;
    refuses(&m, 3, "12 bytes; its shape and type make 16");
    raw.len = 16;
    in.datatype = "INT32";
    refuses(&m, 3, "float32");
    in.datatype = "FP32";
    in.shape = large;
    refuses(&m, 3, "16 bytes; its shape and type make");
    in.shape = overflowing;
    refuses(&m, 3, "more elements than any memory");
    in.n_shape = 0;
    refuses(&m, 3, "16 bytes; its shape and type make 4");
    in.shape = many;
    in.n_shape = 17;
    refuses(&m, 3, "more than 16 dimensions");
    in.shape = one_row;
    in.n_shape = 2;
    in.datatype = "BOOL";
    raw.len = 4;
    row[0] = 1; /* 0, 0, 0x80, 0x3f */
    refuses(&m, 3, "neither 0 nor 1");
    in.datatype = "FP32";
    raw.len = 16;
    in.name = "y";
    refuses(&m, 3, "y");
    memset(name, 'n', sizeof name - 1);
    m.model_name = name;
    refuses(&m, 5, "there is no model 'nnn");
    m.model_name = "\xc0\xae\xc0\xae/\xff";
    refuses(&m, 5, "there is no model '%C0%AE");
}

static void refuses_wrong_calls(void **state)
{
    (void)state;
    text_builder body = {.data = NULL};
    pack_add(1, &body);
    const size_t bytes = body.length;
    char *data = body.data;
    static const struct {
        const char *path, *method, *type, *timeout;
        int http, code;
    } wrong[] = {
        {METHOD("ModelStreamInfer"), NULL, NULL, NULL, 200, 12},
        {"/", NULL, NULL, NULL, 200, 12},
        {"/inference.GRPCInferenceService", NULL, NULL, NULL, 200, 12},
        {NULL, "GET", NULL, NULL, 405, -1},
        {NULL, NULL, "application/json", NULL, 415, -1},
        {NULL, NULL, "application/grpc-web", NULL, 415, -1},
        {NULL, NULL, "application/grpc+json", NULL, 415, -1},
        {NULL, NULL, NULL, "soon", 200, 3},
        {NULL, NULL, NULL, "1n", 200, 4},
        {NULL, NULL, NULL, "0S", 200, 4},
        {NULL, NULL, "application/grpc+proto", "10S", 200, 0},
        {NULL, NULL, "application/grpc; x=y", "99999999H", 200, 0},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const grpc_ask question = {.path = wrong[i].path,
                                   .method = wrong[i].method,
                                   .type = wrong[i].type,
                                   .timeout = wrong[i].timeout,
                                   .body = data,
                                   .bytes = bytes};
        grpc_reply r = client_call(served_port, &question);
        if (r.http != wrong[i].http || r.code != wrong[i].code)
            fail_msg("case %zu: HTTP %d, %d '%s'", i, r.http, r.code, r.message);
        text_deinit(&r.data);
    }
    text_deinit(&body);
}

static void refuses_wrong_framing(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        size_t bytes;
        int code;
        const char *why;
    } wrong[] = {
        {NULL, 0, 12, "no message"},
        {"", 0, 12, "no message"},
        {"\0\0\0", 3, 13, "within a message"},
        {"\0\0\0\0\5abc", 8, 13, "within a message"},
        {"\0\0\0\0\1abc", 8, 12, "more than one"},
        {"\0\0\0\0\0\0\0\0\0\0", 10, 12, "more than one"},
        {"\1\0\0\0\0", 5, 12, "compressed"},
        {"\7\0\0\0\0", 5, 13, "begin"},
        {"\0\xff\xff\xff\xff", 5, 8, "larger"},
        {"\0\0\x7a\x12\1abc", 8, 8, "larger"}, /* one byte more than the server takes */
        {"\0\0\0\0\2\xff\xff", 7, 13, "not a ModelInferRequest"},
        {"\0\0\0\0\3\x0a\7a", 8, 13, "not a ModelInferRequest"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const grpc_ask question = {.body = wrong[i].body, .bytes = wrong[i].bytes};
        grpc_reply r = client_call(served_port, &question);
        says(&r, wrong[i].code, wrong[i].why);
        text_deinit(&r.data);
    }
    /* What is refused at once need not be sent to its end: the client is told to stop. */
    const grpc_ask question = {.body = "\0\xff\xff\xff\xff", .bytes = 5, .unended = true};
    grpc_reply r = client_call(served_port, &question);
    says(&r, 8, "larger");
    assert_int_equal(r.error, NGHTTP2_NO_ERROR);
}

/* ---- Many ---- */

static void answers_all_streams(void **state)
{
    (void)state;
    enum { STREAMS = 200 };
    grpc_client *c = client_open(served_port);
    int numbers[STREAMS];
    for (int i = 0; i < STREAMS; i++) {
        text_builder body = {.data = NULL};
        pack_add((float)i, &body);
        numbers[i] = client_ask(c, &(grpc_ask){.body = body.data, .bytes = body.length});
        text_deinit(&body);
    }
    for (int i = STREAMS; i-- > 0;)
        is_added(client_wait(c, numbers[i]), (float)i);
    client_close(c);
}

static void *one_client(void *arg)
{
    const int own = *(const int *)arg;
    grpc_client *c = client_open(served_port);
    for (int i = 0; i < 50; i++) {
        text_builder body = {.data = NULL};
        int numbers[4];
        for (int k = 0; k < 4; k++) {
            body.length = 0;
            pack_add((float)(own * 1000 + 4 * i + k), &body);
            numbers[k] = client_ask(c, &(grpc_ask){.body = body.data, .bytes = body.length});
        }
        for (int k = 0; k < 4; k++)
            is_added(client_wait(c, numbers[k]), (float)(own * 1000 + 4 * i + k));
        text_deinit(&body);
    }
    client_close(c);
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

/* ---- Bad ways ---- */

/* All that a client says for one inference, before it has heard anything. */
static grpc_client *recorded(int *number)
{
    text_builder body = {.data = NULL};
    grpc_client *c = client_open(served_port);
    pack_add(5, &body);
    *number = client_ask(c, &(grpc_ask){.body = body.data, .bytes = body.length});
    client_gather(c);
    text_deinit(&body);
    return c;
}

static void reads_frames_cut_anywhere(void **state)
{
    (void)state;
    size_t length = 2;
    for (size_t cut = 1; cut < length; cut++) {
        int number;
        grpc_client *c = recorded(&number);
        length = c->out.length;
        client_say(c->fd, c->out.data, cut);
        usleep(300);
        client_say(c->fd, c->out.data + cut, length - cut);
        c->out.length = 0;
        is_added(client_wait(c, number), 5);
        client_close(c);
    }
    int number; /* byte by byte */
    grpc_client *c = recorded(&number);
    for (size_t i = 0; i < length; i++) {
        client_say(c->fd, c->out.data + i, 1);
        usleep(50);
    }
    c->out.length = 0;
    is_added(client_wait(c, number), 5);
    client_close(c);
}

static void survives_clients_that_leave(void **state)
{
    (void)state;
    size_t length = 1;
    for (size_t cut = 0; cut <= length; cut++) {
        int number;
        grpc_client *c = recorded(&number);
        length = c->out.length;
        client_say(c->fd, c->out.data, cut);
        if (cut % 2) { /* with a reset instead of a farewell */
            const struct linger now = {.l_onoff = 1};
            setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        }
        client_close(c);
    }
    tells_what_is_there(NULL);
}

/* Any byte of the conversation replaced: whatever comes of it, the server goes on. */
static void survives_wrong_bytes(void **state)
{
    (void)state;
    size_t length = 1;
    for (size_t at = 0; at < length; at++) {
        int number;
        grpc_client *c = recorded(&number);
        length = c->out.length;
        c->out.data[at] ^= (char)(1 << at % 8);
        client_say(c->fd, c->out.data, length);
        shutdown(c->fd, SHUT_WR);
        char sink[4096];
        while (recv(c->fd, sink, sizeof sink, 0) > 0)
            continue;
        client_close(c);
    }
    static const char *const others[] = {
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "\x16\x03\x01\x02",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense that is no frame"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const int fd = client_dial(served_port);
        char sink[4096];
        client_say(fd, others[i], strlen(others[i]));
        shutdown(fd, SHUT_WR);
        while (recv(fd, sink, sizeof sink, 0) > 0)
            continue;
        close(fd);
    }
    tells_what_is_there(NULL);
}

static void answers_pings(void **state)
{
    (void)state;
    grpc_client *c = client_open(served_port);
    assert_int_equal(nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL), 0);
    client_flush(c);
    while (!c->pongs && !c->over)
        client_hear(c);
    assert_int_equal(c->pongs, 1);
    client_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_is_there),
        cmocka_unit_test(infers_raw),
        cmocka_unit_test(infers_strings),
        cmocka_unit_test(infers_typed),
        cmocka_unit_test(infers_much),
        cmocka_unit_test(refuses_wrong_inference),
        cmocka_unit_test(refuses_wrong_calls),
        cmocka_unit_test(refuses_wrong_framing),
        cmocka_unit_test(answers_all_streams),
        cmocka_unit_test(answers_everyone_their_own),
        cmocka_unit_test(reads_frames_cut_anywhere),
        cmocka_unit_test(survives_clients_that_leave),
        cmocka_unit_test(survives_wrong_bytes),
        cmocka_unit_test(answers_pings),
    };
    return cmocka_run_group_tests(tests, serve_start, serve_stop);
}
