/* The small parts of gRPC, and how a ModelInferRequest becomes a request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oip.pb-c.h"
#include "server/grpc_infer.h"
#include "server/grpc_message.h"
#include "server/grpc_status.h"

static void maps_every_status(void **state)
{
    (void)state;
    assert_int_equal(grpc_code_of(COSREL_OK), 0);
    assert_int_equal(grpc_code_of(COSREL_INVALID_ARGUMENT), 3);
    assert_int_equal(grpc_code_of(COSREL_QUEUE_FULL), 8);
    assert_int_equal(grpc_code_of(COSREL_DEADLINE_EXCEEDED), 4);
    assert_int_equal(grpc_code_of(COSREL_CANCELLED), 1);
    assert_int_equal(grpc_code_of(COSREL_UNAVAILABLE), 14);
#define NOT_OK(name, value, text, http)                                                            \
    if ((value) != COSREL_OK)                                                                      \
        assert_int_not_equal(grpc_code_of(COSREL_##name), 0);
    COSREL_STATUS_TABLE(NOT_OK)
#undef NOT_OK
}

static void encodes_messages(void **state)
{
    (void)state;
    char out[16];
    assert_int_equal(grpc_encode_message("a b%\n\xc3", out, sizeof out), 12);
    assert_string_equal(out, "a b%25%0A%C3");
    assert_int_equal(grpc_encode_message("0123456789abcdef", out, sizeof out), 13);
    assert_string_equal(out, "0123456789abc"); /* never half an escape */
}

static void reads_timeouts(void **state)
{
    (void)state;
    int64_t ns;
    assert_true(grpc_read_timeout("1n", &ns) && ns == 1);
    assert_true(grpc_read_timeout("99999999m", &ns) && ns == 99999999000000);
    assert_true(grpc_read_timeout("2S", &ns) && ns == 2000000000);
    assert_true(grpc_read_timeout("99999999H", &ns) && ns == INT64_MAX);
    assert_true(grpc_read_timeout("0u", &ns) && ns == 0);
    static const char *const wrong[] = {"", "1", "n", "123456789n", "1s", "1nn", "-1n", "1 n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(grpc_read_timeout(wrong[i], &ns));
}

/* ---- Requests ---- */

typedef Inference__ModelInferRequest request_type;
typedef Inference__ModelInferRequest__InferInputTensor input_type;

static infer_request request;
static arena memory;
static const char *model, *version;
static char *message;

static int clean(void **state)
{
    (void)state;
    infer_request_deinit(&request);
    arena_deinit(&memory);
    free(message);
    message = NULL;
    return 0;
}

static cosrel_status read(const request_type *m, cosrel_error *err)
{
    const size_t bytes = inference__model_infer_request__get_packed_size(m);
    clean(NULL);
    message = malloc(bytes + 1);
    assert_int_equal(inference__model_infer_request__pack(m, (uint8_t *)message), bytes);
    return grpc_infer_read(message, bytes, &memory, &request, &model, &version, err);
}

static void refuses(const request_type *m, const char *why)
{
    cosrel_error err = {""};
    assert_int_equal(read(m, &err), COSREL_INVALID_ARGUMENT);
    if (!strstr(err.text, why))
        fail_msg("'%s', expected '%s'", err.text, why);
}

static void accepts(const request_type *m)
{
    cosrel_error err = {""};
    if (read(m, &err) != COSREL_OK)
        fail_msg("%s", err.text);
}

static void reads_all_there_is(void **state)
{
    (void)state;
    int64_t shape[] = {1, 4};
    input_type input = INFERENCE__MODEL_INFER_REQUEST__INFER_INPUT_TENSOR__INIT, *inputs = &input;
    Inference__ModelInferRequest__InferRequestedOutputTensor
        output = INFERENCE__MODEL_INFER_REQUEST__INFER_REQUESTED_OUTPUT_TENSOR__INIT,
        *outputs = &output;
    Inference__InferParameter first = INFERENCE__INFER_PARAMETER__INIT, second = first;
    Inference__ModelInferRequest__ParametersEntry
        a = INFERENCE__MODEL_INFER_REQUEST__PARAMETERS_ENTRY__INIT,
        b = a, *entries[] = {&a, &b};
    ProtobufCBinaryData raw = {16, (uint8_t *)"0123456789abcdef"};
    request_type m = INFERENCE__MODEL_INFER_REQUEST__INIT;
    m.model_name = "m";
    m.model_version = "3";
    m.id = "x";
    input.name = "in";
    input.datatype = "FP32";
    input.n_shape = 2;
    input.shape = shape;
    output.name = "out";
    a.key = "priority";
    a.value = &first;
    first.parameter_choice_case = INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_UINT64_PARAM;
    first.uint64_param = 1;
    b.key = "timeout";
    b.value = &second;
    second.parameter_choice_case = INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_INT64_PARAM;
    second.int64_param = 5000;
    m.n_parameters = 2;
    m.parameters = entries;
    m.n_inputs = m.n_outputs = m.n_raw_input_contents = 1;
    m.inputs = &inputs;
    m.outputs = &outputs;
    m.raw_input_contents = &raw;
    accepts(&m);
    assert_string_equal(model, "m");
    assert_string_equal(version, "3");
    assert_string_equal(request.id, "x");
    assert_int_equal(request.priority, 1);
    assert_int_equal(request.timeout_us, 5000);
    assert_int_equal(request.input_count, 1);
    assert_string_equal(request.inputs[0].name, "in");
    assert_int_equal(request.inputs[0].type, COSREL_FLOAT32);
    assert_int_equal(request.inputs[0].elements, 4);
    assert_int_equal(request.inputs[0].bytes, 16);
    assert_memory_equal(request.inputs[0].raw, "0123456789abcdef", 16);
    /* In place. */
    const size_t bytes = inference__model_infer_request__get_packed_size(&m);
    assert_ptr_equal(request.inputs[0].raw, message + bytes - 16);
    assert_int_equal(grpc_infer_raw_begins(message, bytes - 16), bytes - 16);
    assert_int_equal(grpc_infer_raw_begins(message, 3), 0);
    assert_string_equal(request.outputs[0].name, "out");

    second.int64_param = -1;
    refuses(&m, "timeout: expected an integer");
    b.value = NULL; /* an entry without a value: no number either */
    refuses(&m, "timeout: expected an integer");
    m.n_parameters = 1;
    first.parameter_choice_case = INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_STRING_PARAM;
    first.string_param = "1";
    refuses(&m, "priority: expected an integer");
}

/* A request with one input. */
typedef struct single {
    request_type m;
    input_type input, *inputs;
    Inference__InferTensorContents contents;
    int64_t shape;
} single;

static single *make(const char *type, int64_t elements)
{
    static single s;
    s.m = (request_type)INFERENCE__MODEL_INFER_REQUEST__INIT;
    s.input = (input_type)INFERENCE__MODEL_INFER_REQUEST__INFER_INPUT_TENSOR__INIT;
    s.contents = (Inference__InferTensorContents)INFERENCE__INFER_TENSOR_CONTENTS__INIT;
    s.shape = elements;
    s.inputs = &s.input;
    s.input.name = "x";
    s.input.datatype = (char *)type;
    s.input.n_shape = 1;
    s.input.shape = &s.shape;
    s.input.contents = &s.contents;
    s.m.n_inputs = 1;
    s.m.inputs = &s.inputs;
    return &s;
}

static void becomes(const single *s, const void *expected, size_t bytes)
{
    accepts(&s->m);
    assert_int_equal(request.inputs[0].bytes, bytes);
    assert_memory_equal(request.inputs[0].raw, expected, bytes);
}

#define CONTENTS(s, field, ...)                                                                    \
    (s)->contents.n_##field = sizeof((__typeof__(*(s)->contents.field)[])__VA_ARGS__) /            \
                              sizeof(*(s)->contents.field);                                        \
    (s)->contents.field = (__typeof__(*(s)->contents.field)[])__VA_ARGS__

static void reads_typed_contents(void **state)
{
    (void)state;
    single *s = make("BOOL", 3);
    CONTENTS(s, bool_contents, {1, 0, 1});
    becomes(s, "\1\0\1", 3);
    s = make("INT8", 3);
    CONTENTS(s, int_contents, {-128, 127, -1});
    becomes(s, (int8_t[]){-128, 127, -1}, 3);
    s = make("INT16", 2);
    CONTENTS(s, int_contents, {-32768, 32767});
    becomes(s, (int16_t[]){-32768, 32767}, 4);
    s = make("INT32", 2);
    CONTENTS(s, int_contents, {INT32_MIN, 7});
    becomes(s, (int32_t[]){INT32_MIN, 7}, 8);
    s = make("INT64", 2);
    CONTENTS(s, int64_contents, {INT64_MIN, 7});
    becomes(s, (int64_t[]){INT64_MIN, 7}, 16);
    s = make("UINT8", 2);
    CONTENTS(s, uint_contents, {255, 0});
    becomes(s, (uint8_t[]){255, 0}, 2);
    s = make("UINT16", 2);
    CONTENTS(s, uint_contents, {65535, 1});
    becomes(s, (uint16_t[]){65535, 1}, 4);
    s = make("UINT32", 2);
    CONTENTS(s, uint_contents, {UINT32_MAX, 1});
    becomes(s, (uint32_t[]){UINT32_MAX, 1}, 8);
    s = make("UINT64", 1);
    CONTENTS(s, uint64_contents, {UINT64_MAX});
    becomes(s, (uint64_t[]){UINT64_MAX}, 8);
    s = make("FP32", 2);
    CONTENTS(s, fp32_contents, {0.5F, -3});
    becomes(s, (float[]){0.5F, -3}, 8);
    s = make("FP64", 1);
    CONTENTS(s, fp64_contents, {0.1});
    becomes(s, (double[]){0.1}, 8);
    s = make("BYTES", 2);
    CONTENTS(s, bytes_contents, {{2, (uint8_t *)"ab"}, {0, NULL}});
    becomes(s, "\2\0\0\0ab\0\0\0\0", 10);
    s = make("FP32", 0);
    becomes(s, "", 0);
    s->input.contents = NULL;
    becomes(s, "", 0);
}

static void refuses_wrong_contents(void **state)
{
    (void)state;
    single *s = make("INT8", 1);
    CONTENTS(s, int_contents, {128});
    refuses(&s->m, "cannot hold");
    s = make("UINT8", 1);
    CONTENTS(s, uint_contents, {UINT32_MAX});
    refuses(&s->m, "cannot hold");
    s = make("UINT16", 1);
    CONTENTS(s, uint_contents, {65536});
    refuses(&s->m, "cannot hold");
    s = make("FP16", 1);
    refuses(&s->m, "raw_input_contents only");
    s = make("FP32", 1);
    CONTENTS(s, fp64_contents, {1});
    refuses(&s->m, "another datatype");
    s = make("FP32", 3);
    CONTENTS(s, fp32_contents, {1, 2});
    refuses(&s->m, "2 elements; its shape makes 3");
    s = make("FP32", 1);
    s->input.contents = NULL;
    refuses(&s->m, "0 elements");
    ProtobufCBinaryData raw[2] = {{4, (uint8_t *)"abcd"}, {4, (uint8_t *)"abcd"}};
    s = make("FP32", 1);
    CONTENTS(s, fp32_contents, {1});
    s->m.n_raw_input_contents = 1;
    s->m.raw_input_contents = raw;
    refuses(&s->m, "expected one of contents");
    s->input.contents = NULL;
    accepts(&s->m);
    s->m.n_raw_input_contents = 2;
    refuses(&s->m, "more entries than inputs");
    input_type *twice[] = {&s->input, &s->input};
    s->m.n_raw_input_contents = 1;
    s->m.n_inputs = 2;
    s->m.inputs = twice;
    refuses(&s->m, "no entry");
    s = make("FP32", -1);
    refuses(&s->m, "shape[0] is -1");
    s = make("FLOAT", 1);
    refuses(&s->m, "datatype: expected BOOL");
    s = make("FP32", 1);
    s->input.name = "";
    refuses(&s->m, "without a name");
    input_type *many[65];
    s = make("FP32", 0);
    for (int i = 0; i < 65; i++)
        many[i] = &s->input;
    s->m.n_inputs = 65;
    s->m.inputs = many;
    refuses(&s->m, "more than 64");
}

static void refuses_what_is_no_message(void **state)
{
    (void)state;
    cosrel_error err = {""};
    static const char *const wrong[] = {"\xff", "\x0a\5xy", "\x2a\2\x0a\5", "\x0b"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(
            grpc_infer_read(wrong[i], strlen(wrong[i]), &memory, &request, &model, &version, &err),
            COSREL_INVALID_FILE);
}

/* Two bytes for an entry of a map, which unpacked takes a hundred. */
static void bounds_memory(void **state)
{
    (void)state;
    enum { PAIRS = 1 << 20 };
    cosrel_error err = {""};
    const size_t inner = 2 * PAIRS, bytes = inner + 5;
    char *bomb = malloc(bytes);
    /* inputs { parameters {} ... }: one input of a four-byte length. */
    bomb[0] = 0x2a;
    for (size_t i = 0; i < 4; i++)
        bomb[1 + i] = (char)((inner >> (7 * i) & 0x7f) | (i < 3 ? 0x80 : 0));
    for (size_t i = 5; i < bytes; i += 2) {
        bomb[i] = 0x22;
        bomb[i + 1] = 0;
    }
    assert_int_equal(grpc_infer_read(bomb, bytes, &memory, &request, &model, &version, &err),
                     COSREL_OUT_OF_MEMORY);
    assert_in_range(memory.taken_bytes, 1, 20 * bytes);
    for (size_t i = 0; i < bytes - 1; i += 2) { /* as parameters of the request itself */
        bomb[i] = 0x22;
        bomb[i + 1] = 0;
    }
    assert_int_equal(grpc_infer_read(bomb, bytes - 1, &memory, &request, &model, &version, &err),
                     COSREL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "1024 fields"));
    free(bomb);
}

/* ---- Framing ---- */

static grpc_code take(grpc_message *m, const char *data, size_t bytes)
{
    const char *why = NULL;
    const grpc_code code = grpc_message_take(m, (const uint8_t *)data, bytes, 100, &why);
    assert_true((code == GRPC_OK) == (why == NULL));
    return code;
}

static void takes_messages_in_pieces(void **state)
{
    (void)state;
    const char *why;
    static const char whole[] = "\0\0\0\0\7abcdefg";
    for (size_t cut = 0; cut <= 12; cut++) {
        grpc_message m = {.memory = NULL};
        assert_int_equal(take(&m, whole, cut), GRPC_OK);
        if (cut < 12)
            assert_int_not_equal(grpc_message_end(&m, &why), GRPC_OK);
        assert_int_equal(take(&m, whole + cut, 12 - cut), GRPC_OK);
        assert_int_equal(grpc_message_end(&m, &why), GRPC_OK);
        assert_memory_equal(m.data, "abcdefg", 7);
        assert_int_equal(take(&m, "", 1), GRPC_UNIMPLEMENTED);
        grpc_message_deinit(&m);
    }
    grpc_message m = {.memory = NULL};
    assert_int_equal(take(&m, "\1\0\0\0\1", 5), GRPC_UNIMPLEMENTED);
    grpc_message_clear(&m);
    assert_int_equal(take(&m, "\2\0\0\0\1", 5), GRPC_INTERNAL);
    grpc_message_clear(&m);
    assert_int_equal(take(&m, "\0\0\0\0\x65", 5), GRPC_RESOURCE_EXHAUSTED);
    grpc_message_clear(&m);
    assert_int_equal(take(&m, "\0\xff\xff\xff\xff", 5), GRPC_RESOURCE_EXHAUSTED);
    grpc_message_clear(&m);
    /* model_name "abc", then a raw tensor: that is aligned. */
    assert_int_equal(take(&m,
                          "\0\0\0\0\x0b\x0a\3abc\x3a\4"
                          "1234",
                          16),
                     GRPC_OK);
    assert_memory_equal(m.data + 7, "1234", 4);
    assert_int_equal((uintptr_t)(m.data + 7) % 64, 0);
    grpc_message_deinit(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_every_status),
        cmocka_unit_test(encodes_messages),
        cmocka_unit_test(reads_timeouts),
        cmocka_unit_test_teardown(reads_all_there_is, clean),
        cmocka_unit_test_teardown(reads_typed_contents, clean),
        cmocka_unit_test_teardown(refuses_wrong_contents, clean),
        cmocka_unit_test_teardown(refuses_what_is_no_message, clean),
        cmocka_unit_test_teardown(bounds_memory, clean),
        cmocka_unit_test(takes_messages_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
