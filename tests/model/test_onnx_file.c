/* What onnx_file finds in good models, and what it says of bad ones. */
#include "support.h"

#include <sys/resource.h>
#include <unistd.h>

#include "model/onnx_file.h"
#include "tiny_onnx.h"

static const char *add_model(char *path, void **state)
{
    support_path(path, state, "add.onnx");
    assert_true(tiny_add(path));
    return path;
}

static void test_add(void **state)
{
    char path[512];
    onnx_file f;
    cosrel_error err;
    EXPECT(onnx_file_open(add_model(path, state), &f, &err), COSREL_OK, &err, "");
    assert_int_equal(f.ir_version, 8);
    assert_int_equal(f.opset_count, 1);
    assert_string_equal(f.opsets[0].domain, "");
    assert_int_equal(f.opsets[0].version, 17);
    assert_int_equal(f.input_count, 1);
    assert_string_equal(f.inputs[0].name, "x");
    assert_int_equal(f.inputs[0].type, COSREL_FLOAT32);
    assert_int_equal(f.inputs[0].rank, 2);
    assert_int_equal(f.inputs[0].shape[0], -1);
    assert_int_equal(f.inputs[0].shape[1], 4);
    assert_string_equal(f.inputs[0].symbols[0], "batch");
    assert_string_equal(f.inputs[0].symbols[1], "");
    assert_int_equal(f.output_count, 1);
    assert_true(f.batchable);
    assert_int_equal(f.inputs[0].batch_axis, 0);
    assert_int_equal(f.initializer_count, 1);
    assert_int_equal(f.initializers[0].where, ONNX_DATA_RAW);
    assert_int_equal(f.initializers[0].bytes, 16);
    const float expected[] = {1, 2, 3, 4};
    assert_memory_equal((const char *)f.data + f.initializers[0].offset, expected, 16);
    assert_int_equal(f.op_type_count, 1);
    assert_string_equal(f.op_types[0].name, "Add");
    assert_int_equal(f.node_count, 1);
    assert_int_equal(f.weight_bytes, 16);
    assert_string_equal(f.path, path);
    onnx_file_close(&f);
    onnx_file_close(&f);
}

static void test_multi(void **state)
{
    char path[512];
    onnx_file f;
    cosrel_error err;
    assert_true(tiny_multi(support_path(path, state, "multi.onnx")));
    EXPECT(onnx_file_open(path, &f, &err), COSREL_OK, &err, "");
    assert_int_equal(f.input_count, 3);
    assert_int_equal(f.output_count, 3);
    assert_string_equal(f.inputs[2].name, "n");
    assert_int_equal(f.inputs[2].type, COSREL_INT64);
    assert_int_equal(f.inputs[2].rank, 1);
    assert_true(f.batchable);
    assert_int_equal(f.op_type_count, 2);
    assert_string_equal(f.op_types[0].name, "Add");
    assert_int_equal(f.op_types[0].count, 2);
    assert_string_equal(f.op_types[1].name, "Mul");
    onnx_file_close(&f);
}

static void test_every_type(void **state)
{
    char path[512];
    onnx_file f;
    cosrel_error err;
    for (int type = COSREL_FLOAT32; type <= COSREL_INT4; type++) {
        assert_true(tiny_identity(support_path(path, state, "identity.onnx"), type));
        EXPECT(onnx_file_open(path, &f, &err), COSREL_OK, &err, "");
        assert_int_equal(f.inputs[0].type, type);
        assert_int_equal(f.outputs[0].type, type);
        onnx_file_close(&f);
    }
    assert_true(tiny_identity(path, 99));
    EXPECT(onnx_file_open(path, &f, &err), COSREL_INVALID_MODEL, &err,
           "input 'x' has element type 99");
}

static void test_subgraph(void **state)
{
    char path[512];
    onnx_file f;
    cosrel_error err;
    assert_true(tiny_slow(support_path(path, state, "slow.onnx"), 3));
    EXPECT(onnx_file_open(path, &f, &err), COSREL_OK, &err, "");
    assert_int_equal(f.node_count, 5);
    assert_int_equal(f.input_count, 1);
    assert_int_equal(f.initializer_count, 3);
    onnx_file_close(&f);
}

static void test_not_onnx(void **state)
{
    static const struct {
        const char *data;
        size_t bytes;
        const char *words;
    } cases[] = {
        {"", 0, "is empty"},
        {"version https://git-lfs.github.com/spec/v1\n", 44, "Git LFS"},
        {"PK\x03\x04....", 8, "PyTorch"},
        {"\x1c\0\0\0TFL3....", 12, "TensorFlow Lite"},
        {"<!DOCTYPE html>", 15, "HTML"},
        {"{\"a\": 1}", 8, "JSON"},
        {"hello world, this is text", 25, "is not an ONNX model"},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, "is not an ONNX model"},
        {"\0\0\0\0\0\0\0\0", 8, "is not an ONNX model"},
    };
    char path[512];
    onnx_file f;
    cosrel_error err;
    support_path(path, state, "wrong.onnx");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        support_write(path, cases[i].data, cases[i].bytes);
        EXPECT(onnx_file_open(path, &f, &err), COSREL_INVALID_MODEL, &err, cases[i].words);
        assert_non_null(strstr(err.text, path));
    }
    EXPECT(onnx_file_open(*state, &f, &err), COSREL_INVALID_MODEL, &err, "regular file");
    EXPECT(onnx_file_open(support_path(path, state, "none.onnx"), &f, &err), COSREL_NOT_FOUND, &err,
           "none.onnx");
}

/* A whole model is never taken for another one, however short it is cut. */
static void test_truncated_everywhere(void **state)
{
    char path[512];
    size_t bytes;
    onnx_file f;
    cosrel_error err;
    uint8_t *whole = support_read(add_model(path, state), &bytes);
    for (size_t cut = 0; cut < bytes; cut++) {
        /* A block of exactly this size, so that a sanitizer sees a byte read beyond. */
        uint8_t *part = malloc(cut + (cut == 0));
        assert_non_null(part);
        memcpy(part, whole, cut);
        EXPECT(onnx_file_parse("cut.onnx", part, cut, &f, &err), COSREL_INVALID_MODEL, &err,
               "cut.onnx: ");
        free(part);
    }
    support_write(path, whole, bytes - 20);
    EXPECT(onnx_file_open(path, &f, &err), COSREL_INVALID_MODEL, &err, "is cut off");
    free(whole);
}

/* Any one byte changed: an error or a model, and never a read outside of the bytes. */
static void test_every_byte_changed(void **state)
{
    char path[512];
    size_t bytes;
    size_t refused = 0;
    cosrel_error err;
    uint8_t *data = support_read(add_model(path, state), &bytes);
    for (size_t at = 0; at < bytes; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            onnx_file f;
            data[at] ^= (uint8_t)(1u << bit);
            const cosrel_status status = onnx_file_parse(path, data, bytes, &f, &err);
            assert_true(status == COSREL_OK || status == COSREL_INVALID_MODEL);
            refused += status != COSREL_OK;
            onnx_file_close(&f);
            data[at] ^= (uint8_t)(1u << bit);
        }
    }
    assert_true(refused > bytes); /* out of eight times as many */
    free(data);
}

static void test_huge_claims(void **state)
{
    static const struct {
        int64_t elements;
        const char *words;
    } cases[] = {
        {(int64_t)1 << 30, "2 GiB or more"}, /* 4 GiB of float32 */
        {(int64_t)1 << 60, "more elements than"},
        {-4, "must not be negative"},
        {5, "need 20"},
        {0, "need 0"},
    };
    char path[512];
    onnx_file f;
    cosrel_error err;
    struct rusage before, after;
    support_path(path, state, "lying.onnx");
    getrusage(RUSAGE_SELF, &before);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(tiny_lying(path, cases[i].elements));
        EXPECT(onnx_file_open(path, &f, &err), COSREL_INVALID_MODEL, &err, cases[i].words);
        assert_non_null(strstr(err.text, "tensor 'c'"));
    }
    getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_maxrss - before.ru_maxrss <
                64 * 1024); /* KiB: nothing of that size was taken */
}

static void test_external(void **state)
{
    char path[512];
    char data[512];
    onnx_file f;
    cosrel_error err;
    support_path(path, state, "external.onnx");
    support_path(data, state, "weights.bin");
    assert_true(tiny_external(path, "weights.bin", 64, data));
    EXPECT(onnx_file_open(path, &f, &err), COSREL_OK, &err, "");
    assert_int_equal(f.external_count, 1);
    assert_string_equal(f.externals[0].location, "weights.bin");
    assert_int_equal(f.externals[0].bytes, 80);
    assert_int_equal(f.initializers[0].where, ONNX_DATA_EXTERNAL);
    assert_int_equal(f.initializers[0].offset, 64);
    assert_int_equal(f.initializers[0].bytes, 16);
    onnx_file_close(&f);
    assert_int_equal(truncate(data, 70), 0);
    EXPECT(onnx_file_open(path, &f, &err), COSREL_INVALID_MODEL, &err, "which has only 70");
    assert_int_equal(unlink(data), 0);
    EXPECT(onnx_file_open(path, &f, &err), COSREL_INVALID_MODEL, &err, "'weights.bin' is missing");
}

static void test_external_outside(void **state)
{
    char path[512];
    char link[512];
    char outside[512];
    char folder[512];
    onnx_file f;
    cosrel_error err;
    support_folder(support_path(folder, state, "inner"));
    support_path(path, state, "inner/model.onnx");
    support_path(outside, state, "secret.bin");
    assert_true(tiny_external(path, "../secret.bin", 0, outside));
    EXPECT(onnx_file_open(path, &f, &err), COSREL_INVALID_MODEL, &err, "with '..'");
    assert_true(tiny_external(path, outside, 0, NULL));
    EXPECT(onnx_file_open(path, &f, &err), COSREL_INVALID_MODEL, &err, "absolute");
    assert_true(tiny_external(path, "C:\\secret.bin", 0, NULL));
    EXPECT(onnx_file_open(path, &f, &err), COSREL_INVALID_MODEL, &err, "absolute");
    assert_true(tiny_external(path, "*/_ORT_MEM_ADDR_/*", 0, NULL));
    EXPECT(onnx_file_open(path, &f, &err), COSREL_INVALID_MODEL, &err, "address in memory");
    assert_int_equal(symlink(outside, support_path(link, state, "inner/link.bin")), 0);
    assert_true(tiny_external(path, "link.bin", 0, NULL));
    EXPECT(onnx_file_open(path, &f, &err), COSREL_INVALID_MODEL, &err, "leads outside");
    assert_int_equal(symlink(*state, support_path(link, state, "inner/up")), 0);
    assert_true(tiny_external(path, "up/secret.bin", 0, NULL));
    EXPECT(onnx_file_open(path, &f, &err), COSREL_INVALID_MODEL, &err, "leads outside");
    assert_true(tiny_external(path, "", 0, NULL));
    EXPECT(onnx_file_open(path, &f, &err), COSREL_INVALID_MODEL, &err, "name no file");
    assert_true(tiny_external(path, ".", 0, NULL));
    EXPECT(onnx_file_open(path, &f, &err), COSREL_INVALID_MODEL, &err, "'.'");
}

static void hash_of(const char *path, char text[33])
{
    onnx_file f;
    onnx_hash hash;
    cosrel_error err;
    EXPECT(onnx_file_open(path, &f, &err), COSREL_OK, &err, "");
    EXPECT(onnx_file_hash(&f, &hash, &err), COSREL_OK, &err, "");
    onnx_hash_text(&hash, text);
    assert_int_equal(strlen(text), 32);
    onnx_file_close(&f);
}

static void test_hash(void **state)
{
    char a[512], b[512], data[512];
    char first[33], second[33];
    assert_true(tiny_add(support_path(a, state, "a.onnx")));
    assert_true(tiny_add(support_path(b, state, "b.onnx")));
    hash_of(a, first);
    hash_of(b, second);
    assert_string_equal(first, second);
    assert_true(tiny_multi(b));
    hash_of(b, second);
    assert_string_not_equal(first, second);
    assert_true(tiny_external(a, "w.bin", 0, support_path(data, state, "w.bin")));
    hash_of(a, first);
    support_write(data, "0123456789abcdef", 16);
    hash_of(a, second);
    assert_string_not_equal(first, second);
}

static void put_varint(uint8_t *to, size_t *at, uint64_t value)
{
    for (; value > 127; value >>= 7)
        to[(*at)++] = (uint8_t)(value | 0x80);
    to[(*at)++] = (uint8_t)value;
}

/* Wraps the first `bytes` of `data` as field `number` of a new message. */
static size_t wrap(uint8_t *data, size_t bytes, unsigned number)
{
    uint8_t head[16];
    size_t at = 0;
    put_varint(head, &at, number << 3 | 2);
    put_varint(head, &at, bytes);
    memmove(data + at, data, bytes);
    memcpy(data, head, at);
    return at + bytes;
}

/* Graph in attribute in node in graph ..., deeper than any stack should follow. */
static void test_deep_nesting(void **state)
{
    enum { DEPTH = 2000 };
    (void)state;
    uint8_t *data = calloc(1, 16 + DEPTH * 24);
    assert_non_null(data);
    size_t bytes = 0;
    for (int i = 0; i < DEPTH; i++) {
        bytes = wrap(data, bytes, 6); /* AttributeProto.g */
        bytes = wrap(data, bytes, 5); /* NodeProto.attribute */
        bytes = wrap(data, bytes, 1); /* GraphProto.node */
    }
    bytes = wrap(data, bytes, 7); /* ModelProto.graph */
    onnx_file f;
    cosrel_error err;
    EXPECT(onnx_file_parse("deep.onnx", data, bytes, &f, &err), COSREL_INVALID_MODEL, &err,
           "nested more than 32");
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_multi),
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_subgraph),
        cmocka_unit_test(test_not_onnx),
        cmocka_unit_test(test_truncated_everywhere),
        cmocka_unit_test(test_every_byte_changed),
        cmocka_unit_test(test_huge_claims),
        cmocka_unit_test(test_external),
        cmocka_unit_test(test_external_outside),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_deep_nesting),
    };
    return cmocka_run_group_tests(tests, support_open, support_close);
}
