/* Where the tensors of a ModelInferRequest go while it comes in, however it is cut and whatever
 * order its fields have: into rows or into the message, and always the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "server/grpc_infer.h"
#include "server/grpc_message.h"
#include "tiny_onnx.h"

static cosrel_runtime *rt;

static int start(void **state)
{
    (void)state;
    char folder[] = "/tmp/test-rows-XXXXXX", path[64];
    cosrel_options options;
    cosrel_error err = {""};
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/multi.onnx", folder);
    cosrel_options_init(&options);
    options.cache_folder = "";
    options.processors = "cpu0";
    const bool ok = tiny_multi(path) && cosrel_runtime_open(&options, &rt, &err) == COSREL_OK &&
                    cosrel_runtime_load(rt, path, &err) == COSREL_OK;
    if (!ok)
        fprintf(stderr, "%s\n", err.text);
    unlink(path);
    rmdir(folder);
    return ok ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    cosrel_runtime_close(rt);
    return 0;
}

/* ---- Messages ---- */

enum { MODEL = 1, VERSION = 2, ID = 3, PARAMETERS = 4, INPUT = 5, RAW = 7 };

static text_builder message;

static void add_varint(text_builder *to, size_t value)
{
    for (; value >= 0x80; value >>= 7)
        text_add_bytes(to, &(char){(char)(value | 0x80)}, 1);
    text_add_bytes(to, &(char){(char)value}, 1);
}

static void field_to(text_builder *to, unsigned number, const char *data, size_t bytes)
{
    add_varint(to, number << 3 | 2);
    add_varint(to, bytes);
    text_add_bytes(to, data, bytes);
}

static void field(unsigned number, const char *text)
{
    field_to(&message, number, text, strlen(text));
}

static void input_with(const char *name, const char *type, const char *shape, const char *more)
{
    text_builder in = {.data = NULL};
    field_to(&in, 1, name, strlen(name));
    field_to(&in, 2, type, strlen(type));
    field_to(&in, 3, shape, strlen(shape));
    text_add(&in, more);
    field_to(&message, INPUT, in.data, in.length);
    text_deinit(&in);
}

static void a(void)
{
    input_with("a", "FP32", "\1\2", "");
}

static void b(void)
{
    input_with("b", "FP32", "\1\2", "");
}

static void n(void)
{
    input_with("n", "INT64", "\1", "");
}

/* ---- Reading ---- */

static bool lies_in(const infer_input *in, const grpc_message *m)
{
    return (uintptr_t)in->raw >= (uintptr_t)m->memory &&
           (uintptr_t)in->raw < (uintptr_t)m->memory + m->room;
}

/* Taken in pieces of `piece` bytes: each tensor has the bytes that it has in the message, and so
 * many lie in rows. */
static void take(size_t piece, cosrel_status expected, int in_rows)
{
    static infer_request whole, cut;
    arena first = {.chunks = NULL}, second = {.chunks = NULL};
    const char *model, *version, *why;
    cosrel_error err = {""};
    grpc_message m = {.memory = NULL};
    const uint8_t prefix[] = {0, 0, 0, (uint8_t)(message.length >> 8), (uint8_t)message.length};
    grpc_rows_begin(&m.rows, rt);
    assert_int_equal(grpc_message_take(&m, prefix, sizeof prefix, 4096, &why), GRPC_OK);
    for (size_t at = 0; at < message.length; at += piece) {
        const size_t left = message.length - at;
        assert_int_equal(grpc_message_take(&m, (const uint8_t *)message.data + at,
                                           left < piece ? left : piece, 4096, &why),
                         GRPC_OK);
    }
    assert_int_equal(grpc_message_end(&m, &why), GRPC_OK);
    assert_int_equal(
        grpc_infer_read(message.data, message.length, &first, &whole, &model, &version, &err),
        expected);
    assert_int_equal(grpc_infer_read(m.data, m.bytes, &second, &cut, &model, &version, &err),
                     expected);
    if (expected == COSREL_OK) {
        infer_rows_point(&m.rows.rows, m.data, &cut);
        assert_int_equal(cut.input_count, whole.input_count);
        for (size_t i = 0; i < cut.input_count; i++) {
            const infer_input *in = &cut.inputs[i];
            assert_int_equal(in->bytes, whole.inputs[i].bytes);
            if (in->raw)
                assert_memory_equal(in->raw, whole.inputs[i].raw, in->bytes);
            if (in->raw && in->bytes && !lies_in(in, &m))
                in_rows--;
        }
        assert_int_equal(in_rows, 0);
    }
    grpc_message_deinit(&m);
    arena_deinit(&first);
    arena_deinit(&second);
    infer_request_deinit(&whole);
    infer_request_deinit(&cut);
}

/* What was put together, which is empty again. */
static void gives(cosrel_status expected, int in_rows)
{
    for (size_t piece = 1; piece <= message.length; piece++)
        take(piece, expected, in_rows);
    text_deinit(&message);
    message = (text_builder){.data = NULL};
}

static void rows_are_used(void **state)
{
    (void)state;
    /* As clients write it, in any order of inputs. */
    field(MODEL, "multi");
    n(), a(), b();
    field(RAW, "12345678"), field(RAW, "abcdefgh"), field(RAW, "ABCDEFGH");
    gives(COSREL_OK, 3);
    /* With all that may be beside it; the last name counts. */
    field(MODEL, "nix"), field(MODEL, "multi"), field(VERSION, "1"), field(ID, "x");
    field(PARAMETERS, "\x0a\1p");
    field(9, "unknown"), text_add_bytes(&message,
                                        "\x50\x96\1\x5d"
                                        "1234\x61"
                                        "12345678",
                                        17);
    a(), n(), b();
    field(6, "\x0a\3sum"); /* an output */
    field(RAW, "12345678"), field(RAW, "abcdefgh"), field(RAW, "ABCDEFGH");
    gives(COSREL_OK, 3);
    /* In turn. */
    field(MODEL, "multi");
    a(), field(RAW, "12345678"), b(), field(RAW, "abcdefgh"), n(), field(RAW, "ABCDEFGH");
    gives(COSREL_OK, 3);
    /* Fewer than the model has, of which it will hear later. */
    field(MODEL, "multi");
    b(), field(RAW, "12345678");
    gives(COSREL_OK, 1);
    /* It turns out to be another model's: bytes are bytes. */
    field(MODEL, "multi");
    a(), field(RAW, "12345678"), field(MODEL, "nix"), field(VERSION, "7");
    gives(COSREL_OK, 1);
}

static void what_does_not_fit_stays_in_the_message(void **state)
{
    (void)state;
    field(RAW, "12345678"), field(MODEL, "multi"), a();
    gives(COSREL_OK, 0);
    field(MODEL, "multi"), field(RAW, "12345678"), a();
    gives(COSREL_OK, 0);
    field(MODEL, "nix"), a(), field(RAW, "12345678");
    gives(COSREL_OK, 0);
    field(MODEL, "multi"), field(VERSION, "2"), a(), field(RAW, "12345678");
    gives(COSREL_OK, 0);
    field(MODEL, "multi"), field(VERSION, "123456789012345678901"), a(), field(RAW, "12345678");
    gives(COSREL_OK, 0);
    /* Another size, and all that follows. */
    field(MODEL, "multi"), input_with("a", "FP32", "\2\2", ""), b();
    field(RAW, "1234567812345678"), field(RAW, "abcdefgh");
    gives(COSREL_OK, 0);
    field(MODEL, "multi"), a(), b(), n();
    field(RAW, "12345678"), field(RAW, ""), field(RAW, "abcdefgh");
    gives(COSREL_OK, 1);
    /* Another name, the same one twice. */
    field(MODEL, "multi"), input_with("c", "FP32", "\1\2", ""), field(RAW, "12345678");
    gives(COSREL_OK, 0);
    field(MODEL, "multi"), a(), a(), field(RAW, "12345678"), field(RAW, "abcdefgh");
    gives(COSREL_OK, 1);
    /* An input that may lie elsewhere. */
    field(MODEL, "multi"), input_with("a", "FP32", "\1\2", "\x22\3\x0a\1p"), b();
    field(RAW, "12345678"), field(RAW, "abcdefgh");
    gives(COSREL_OK, 0);
}

static void wrong_messages_stay_wrong(void **state)
{
    (void)state;
    field(MODEL, "multi"), a(), b(), field(RAW, "12345678");
    gives(COSREL_INVALID_ARGUMENT, 0); /* one is missing */
    field(MODEL, "multi"), a(), field(RAW, "12345678"), field(RAW, "abcdefgh");
    gives(COSREL_INVALID_ARGUMENT, 0); /* one too many */
    field(MODEL, "multi"),
        input_with("a", "FP32", "\1\2",
                   "\x2a\4\x35"
                   "123"),
        field(RAW, "12345678");
    gives(COSREL_INVALID_FILE, 0); /* contents that are none */
    static const char *const ends[] = {
        "\x3a\01112345678",                               /* longer than the message */
        "\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\1",     /* than any */
        "\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", /* no number */
        "\x3a",
        "\x3b",
        "\x07",
        "\xff\xff\xff\xff\x7f\1",
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        field(MODEL, "multi"), a(), a(), field(RAW, "12345678");
        text_add(&message, ends[i]);
        gives(COSREL_INVALID_FILE, 0);
    }
    for (int i = 0; i < 1025; i++)
        field(RAW, "");
    take(1000, COSREL_INVALID_ARGUMENT, 0);
    field(MODEL, "multi"), a(), field(RAW, "12345678");
    take(1, COSREL_INVALID_ARGUMENT, 0);
    text_deinit(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_used),
        cmocka_unit_test(what_does_not_fit_stays_in_the_message),
        cmocka_unit_test(wrong_messages_stay_wrong),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
