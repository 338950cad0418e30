/* Tensors in .npy and .pb files: what comes in, what goes out, and what is refused. */
#include "support.h"

#include <math.h>

#include "model/npy_text.h"
#include "model/small_float.h"
#include "model/tensor_npy.h"
#include "model/tensor_pb.h"
#include "onnx-ml.pb-c.h"

/* A version 1.0 file with this dictionary and these bytes of elements. */
static size_t make_npy(uint8_t *to, const char *dictionary, const void *data, size_t bytes)
{
    const size_t length = strlen(dictionary);
    const uint8_t head[] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)length, (uint8_t)(length >> 8)};
    memcpy(to, head, sizeof head);
    memcpy(to + sizeof head, dictionary, length);
    memcpy(to + sizeof head + length, data, bytes);
    return sizeof head + length + bytes;
}

static cosrel_status parse_npy(const char *dictionary, const void *data, size_t bytes,
                               tensor_buffer *out, cosrel_error *err)
{
    uint8_t *file = malloc(10 + strlen(dictionary) + bytes);
    assert_non_null(file);
    const size_t file_bytes = make_npy(file, dictionary, data, bytes);
    const cosrel_status status = tensor_npy_parse("t.npy", file, file_bytes, out, err);
    free(file);
    return status;
}

static void test_npy_orders(void **state)
{
    (void)state;
    const uint8_t little[] = {1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0};
    const uint8_t big[] = {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6};
    const uint16_t in_order[] = {1, 2, 3, 4, 5, 6};
    const uint16_t by_column[] = {1, 3, 5, 2, 4, 6};
    tensor_buffer t;
    cosrel_error err;
    EXPECT(parse_npy("{'descr': '<u2', 'fortran_order': False, 'shape': (2, 3), }", little, 12, &t,
                     &err),
           COSREL_OK, &err, "");
    assert_int_equal(t.type, COSREL_UINT16);
    assert_int_equal(t.rank, 2);
    assert_int_equal(t.shape[0], 2);
    assert_int_equal(t.shape[1], 3);
    assert_memory_equal(t.data, in_order, 12);
    tensor_buffer_deinit(&t);
    EXPECT(parse_npy("{'shape':(2,3),'fortran_order':False,'descr':'>u2'}\n", big, 12, &t, &err),
           COSREL_OK, &err, "");
    assert_memory_equal(t.data, in_order, 12);
    tensor_buffer_deinit(&t);
    EXPECT(parse_npy("{\"descr\": \"<u2\", \"fortran_order\": True, \"shape\": (2L, 3L)}", little,
                     12, &t, &err),
           COSREL_OK, &err, "");
    assert_memory_equal(t.data, by_column, 12);
    tensor_buffer_deinit(&t);
    EXPECT(
        parse_npy("{'descr': '>u2', 'fortran_order': True, 'shape': (2, 3), }", big, 12, &t, &err),
        COSREL_OK, &err, "");
    assert_memory_equal(t.data, by_column, 12);
    tensor_buffer_deinit(&t);
}

static void test_npy_kinds(void **state)
{
    (void)state;
    tensor_buffer t;
    cosrel_error err;
    const uint8_t bools[] = {0, 1, 7};
    const uint8_t normal[] = {0, 1, 1};
    EXPECT(
        parse_npy("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }", bools, 3, &t, &err),
        COSREL_OK, &err, "");
    assert_memory_equal(t.data, normal, 3);
    tensor_buffer_deinit(&t);
    const uint8_t complex_big[] = {0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0}; /* 1 - 2i */
    EXPECT(parse_npy("{'descr': '>c8', 'fortran_order': False, 'shape': (), }", complex_big, 8, &t,
                     &err),
           COSREL_OK, &err, "");
    assert_int_equal(t.rank, 0);
    assert_true(((float *)t.data)[0] == 1.0f && ((float *)t.data)[1] == -2.0f);
    tensor_buffer_deinit(&t);
    EXPECT(parse_npy(
               "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 9223372036854775807, 4), }",
               "", 0, &t, &err),
           COSREL_OK, &err, "");
    assert_int_equal(t.bytes, 0);
    tensor_buffer_deinit(&t);
}

static void test_npy_strings(void **state)
{
    (void)state;
    tensor_buffer t;
    cosrel_error err;
    EXPECT(parse_npy("{'descr': '|S3', 'fortran_order': False, 'shape': (2,), }", "ab\0xyz", 6, &t,
                     &err),
           COSREL_OK, &err, "");
    assert_string_equal(((const char **)t.data)[0], "ab");
    assert_string_equal(((const char **)t.data)[1], "xyz");
    tensor_buffer_deinit(&t);
    const uint32_t words[] = {0xe9, 0x20ac, 0x1f600, 'z', 0, 0};
    EXPECT(
        parse_npy("{'descr': '<U3', 'fortran_order': False, 'shape': (2,), }", words, 24, &t, &err),
        COSREL_OK, &err, "");
    assert_string_equal(((const char **)t.data)[0], "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_string_equal(((const char **)t.data)[1], "z");
    tensor_buffer_deinit(&t);
    const uint32_t surrogate[] = {0xd800};
    EXPECT(parse_npy("{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }", surrogate, 4, &t,
                     &err),
           COSREL_INVALID_FILE, &err, "no Unicode character");
}

static void test_npy_refused(void **state)
{
    static const struct {
        const char *dictionary;
        size_t bytes;
        const char *words;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 23, "the file is cut off"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 25, "need 24"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4), }", 8,
         "larger than any"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 8,
         "a dimension"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 8, "a dimension"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 3, }", 12, "a shape such as"},
        {"{'descr': '<f16', 'fortran_order': False, 'shape': (1,), }", 16, "type '<f16'"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8, "type '|O'"},
        {"{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000000,), }", 0, "type '<U0'"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4, "records"},
        {"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,), }", 4, "True or False"},
        {"{'descr': '<f4', 'shape': (1,), }", 4, "each of descr"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", 4, "one of the keys"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x", 4, "nothing more"},
        {"{'descr': '<f4", 4, "a quoted type"},
        {"", 4, "'{' is expected"},
    };
    (void)state;
    const uint8_t zeros[32] = {0};
    tensor_buffer t;
    cosrel_error err;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        EXPECT(parse_npy(cases[i].dictionary, zeros, cases[i].bytes, &t, &err), COSREL_INVALID_FILE,
               &err, cases[i].words);
    EXPECT(tensor_npy_parse("t", (const uint8_t *)"PK\x03\x04", 4, &t, &err), COSREL_INVALID_FILE,
           &err, ".npz");
    EXPECT(tensor_npy_parse("t", (const uint8_t *)"hello, world", 12, &t, &err),
           COSREL_INVALID_FILE, &err, "no .npy");
    EXPECT(tensor_npy_parse("t", (const uint8_t *)"\x93NUMPY\x09\0\0\0\0\0", 12, &t, &err),
           COSREL_INVALID_FILE, &err, "version 9");
    EXPECT(tensor_npy_parse("t", (const uint8_t *)"\x93NUMPY\x02\0\xff\xff\xff\xff", 12, &t, &err),
           COSREL_INVALID_FILE, &err, "header of 4294967295 bytes");
    EXPECT(tensor_npy_read("/nonexistent/x.npy", &t, &err), COSREL_NOT_FOUND, &err,
           "/nonexistent/x.npy");
}

static void test_npy_cut_everywhere(void **state)
{
    (void)state;
    static const uint8_t zeros[24];
    uint8_t file[128];
    const size_t bytes = make_npy(
        file, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", zeros, 24);
    for (size_t cut = 0; cut < bytes; cut++) {
        tensor_buffer t;
        cosrel_error err;
        uint8_t *part = malloc(cut + (cut == 0));
        assert_non_null(part);
        memcpy(part, file, cut);
        EXPECT(tensor_npy_parse("t.npy", part, cut, &t, &err), COSREL_INVALID_FILE, &err,
               "t.npy: ");
        free(part);
    }
}

/* Writes and reads back; the caller frees. */
static tensor_buffer round_trip(void **state, const cosrel_tensor *tensor)
{
    char path[512];
    tensor_buffer back;
    cosrel_error err;
    support_path(path, state, "out.npy");
    EXPECT(tensor_npy_write(path, tensor, &err), COSREL_OK, &err, "");
    EXPECT(tensor_npy_read(path, &back, &err), COSREL_OK, &err, "");
    assert_int_equal(back.rank, tensor->rank);
    for (size_t i = 0; i < back.rank; i++)
        assert_int_equal(back.shape[i], tensor->shape[i]);
    return back;
}

static void test_npy_round_trip(void **state)
{
    static const cosrel_dtype plain[] = {
        COSREL_FLOAT32, COSREL_UINT8,  COSREL_INT8,      COSREL_UINT16,     COSREL_INT16,
        COSREL_INT32,   COSREL_INT64,  COSREL_BOOL,      COSREL_FLOAT16,    COSREL_FLOAT64,
        COSREL_UINT32,  COSREL_UINT64, COSREL_COMPLEX64, COSREL_COMPLEX128,
    };
    uint8_t data[6 * 16];
    const int64_t shape[] = {2, 1, 3};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        for (size_t b = 0; b < sizeof data; b++)
            data[b] = plain[i] == COSREL_BOOL ? b % 2 : (uint8_t)(17 * b);
        const cosrel_tensor t = {"t", plain[i], 3, shape, data, cosrel_dtype_bytes(plain[i], 6)};
        tensor_buffer back = round_trip(state, &t);
        assert_int_equal(back.type, plain[i]);
        assert_int_equal(back.bytes, t.bytes);
        assert_memory_equal(back.data, data, t.bytes);
        tensor_buffer_deinit(&back);
    }
    for (size_t rank = 0; rank <= 1; rank++) {
        const int64_t one[] = {1};
        const cosrel_tensor t = {"t", COSREL_INT64, rank, one, data, 8};
        tensor_buffer back = round_trip(state, &t);
        assert_memory_equal(back.data, data, 8);
        tensor_buffer_deinit(&back);
    }
}

/* numpy.save of numpy.arange(3, dtype='<i2'), byte for byte. */
static void test_npy_golden(void **state)
{
    static const char dictionary[] = "{'descr': '<i2', 'fortran_order': False, 'shape': (3,), }";
    const int64_t shape[] = {3};
    int16_t values[] = {0, 1, 2};
    const cosrel_tensor t = {"t", COSREL_INT16, 1, shape, values, sizeof values};
    char path[512];
    size_t bytes;
    cosrel_error err;
    EXPECT(tensor_npy_write(support_path(path, state, "golden.npy"), &t, &err), COSREL_OK, &err,
           "");
    uint8_t *file = support_read(path, &bytes);
    assert_int_equal(bytes, 134);
    assert_memory_equal(file, "\x93NUMPY\x01\x00\x76\x00", 10);
    assert_memory_equal(file + 10, dictionary, sizeof dictionary - 1);
    for (size_t i = 10 + sizeof dictionary - 1; i < 127; i++)
        assert_int_equal(file[i], ' ');
    assert_int_equal(file[127], '\n');
    assert_memory_equal(file + 128, values, sizeof values);
    free(file);
}

static void test_npy_widened(void **state)
{
    const int64_t shape[] = {3};
    uint8_t nibbles[] = {0x8f, 0x07}; /* -1, -8, 7 */
    const cosrel_tensor small = {"t", COSREL_INT4, 1, shape, nibbles, 2};
    tensor_buffer back = round_trip(state, &small);
    const int8_t wide[] = {-1, -8, 7};
    assert_int_equal(back.type, COSREL_INT8);
    assert_memory_equal(back.data, wide, 3);
    tensor_buffer_deinit(&back);
    uint16_t halves[] = {0x3f80, 0xc000, 0x7f80}; /* bfloat16 1, -2, infinity */
    const cosrel_tensor brain = {"t", COSREL_BFLOAT16, 1, shape, halves, 6};
    back = round_trip(state, &brain);
    assert_int_equal(back.type, COSREL_FLOAT32);
    const float *values = back.data;
    assert_true(values[0] == 1.0f && values[1] == -2.0f && isinf(values[2]));
    tensor_buffer_deinit(&back);
}

static void test_npy_write_strings(void **state)
{
    const int64_t shape[] = {3};
    const char *words[] = {"", "gr\xc3\xbc\xc3\x9f", "\xf0\x9f\x98\x80"};
    const cosrel_tensor t = {"t", COSREL_STRING, 1, shape, words, sizeof words};
    char path[512];
    for (int broken = 0; broken < 2; broken++) {
        if (broken)
            words[0] = "\xff\xfe";
        tensor_buffer back = round_trip(state, &t);
        for (size_t i = 0; i < 3; i++)
            assert_string_equal(((const char **)back.data)[i], words[i]);
        tensor_buffer_deinit(&back);
        size_t bytes;
        uint8_t *file = support_read(support_path(path, state, "out.npy"), &bytes);
        assert_memory_equal(file + 10, broken ? "{'descr': '|S6'" : "{'descr': '<U4'", 15);
        free(file);
    }
    const cosrel_tensor wrong = {"t", COSREL_INT64, 1, shape, words, 5};
    cosrel_error err;
    EXPECT(tensor_npy_write(path, &wrong, &err), COSREL_INVALID_ARGUMENT, &err, "5 bytes");
    EXPECT(tensor_npy_write("/nonexistent/out.npy", &t, &err), COSREL_IO, &err,
           "/nonexistent/out.npy");
}

static tensor_buffer parse_pb(const Onnx__TensorProto *proto)
{
    tensor_buffer t;
    cosrel_error err;
    const size_t bytes = onnx__tensor_proto__get_packed_size(proto);
    uint8_t *data = malloc(bytes + 1);
    assert_non_null(data);
    onnx__tensor_proto__pack(proto, data);
    EXPECT(tensor_pb_parse("t.pb", data, bytes, &t, &err), COSREL_OK, &err, "");
    /* Cut anywhere it is refused: the shape comes first and asks for every element. */
    for (size_t cut = 0; cut < bytes; cut++) {
        tensor_buffer none;
        uint8_t *part = malloc(cut + (cut == 0));
        assert_non_null(part);
        memcpy(part, data, cut);
        EXPECT(tensor_pb_parse("t.pb", part, cut, &none, &err), COSREL_INVALID_FILE, &err,
               "t.pb: ");
        free(part);
    }
    free(data);
    return t;
}

static void test_pb_typed(void **state)
{
    (void)state;
    int64_t dims[] = {3};
    int32_t numbers[] = {1, -2, 0x3c00};
    static const struct {
        cosrel_dtype type;
        size_t unit;
    } cases[] = {{COSREL_INT32, 4},    {COSREL_INT16, 2},     {COSREL_UINT16, 2},
                 {COSREL_INT8, 1},     {COSREL_UINT8, 1},     {COSREL_FLOAT16, 2},
                 {COSREL_BFLOAT16, 2}, {COSREL_FLOAT8E5M2, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Onnx__TensorProto p = ONNX__TENSOR_PROTO__INIT;
        p.n_dims = 1;
        p.dims = dims;
        p.has_data_type = 1;
        p.data_type = cases[i].type;
        p.n_int32_data = 3;
        p.int32_data = numbers;
        tensor_buffer t = parse_pb(&p);
        assert_int_equal(t.type, cases[i].type);
        assert_int_equal(t.bytes, 3 * cases[i].unit);
        for (size_t k = 0; k < 3; k++)
            assert_memory_equal((uint8_t *)t.data + k * cases[i].unit, &numbers[k], cases[i].unit);
        tensor_buffer_deinit(&t);
    }
}

static void test_pb_other_fields(void **state)
{
    (void)state;
    int64_t two[] = {2};
    float floats[] = {1, 2, 3, 4};
    double doubles[] = {5, 6};
    int64_t longs[] = {INT64_MIN, -1};
    uint64_t unsigneds[] = {UINT64_MAX, 4294967295u};
    ProtobufCBinaryData words[] = {{3, (uint8_t *)"one"}, {0, NULL}};
    Onnx__TensorProto p = ONNX__TENSOR_PROTO__INIT;
    p.n_dims = 1;
    p.dims = two;
    p.has_data_type = 1;
    p.data_type = COSREL_COMPLEX64;
    p.n_float_data = 4;
    p.float_data = floats;
    tensor_buffer t = parse_pb(&p);
    assert_memory_equal(t.data, floats, 16);
    tensor_buffer_deinit(&t);
    p.n_float_data = 0;
    p.data_type = COSREL_FLOAT64;
    p.n_double_data = 2;
    p.double_data = doubles;
    t = parse_pb(&p);
    assert_memory_equal(t.data, doubles, 16);
    tensor_buffer_deinit(&t);
    p.n_double_data = 0;
    p.data_type = COSREL_INT64;
    p.n_int64_data = 2;
    p.int64_data = longs;
    t = parse_pb(&p);
    assert_memory_equal(t.data, longs, 16);
    tensor_buffer_deinit(&t);
    p.n_int64_data = 0;
    p.data_type = COSREL_UINT64;
    p.n_uint64_data = 2;
    p.uint64_data = unsigneds;
    t = parse_pb(&p);
    assert_memory_equal(t.data, unsigneds, 16);
    tensor_buffer_deinit(&t);
    p.n_uint64_data = 0;
    p.data_type = COSREL_STRING;
    p.n_string_data = 2;
    p.string_data = words;
    t = parse_pb(&p);
    assert_string_equal(((const char **)t.data)[0], "one");
    assert_string_equal(((const char **)t.data)[1], "");
    tensor_buffer_deinit(&t);
}

static void test_pb_raw_and_refused(void **state)
{
    int64_t dims[] = {2, 2};
    uint8_t raw[] = {0, 1, 5, 0};
    Onnx__TensorProto p = ONNX__TENSOR_PROTO__INIT;
    p.n_dims = 2;
    p.dims = dims;
    p.has_data_type = 1;
    p.data_type = COSREL_BOOL;
    p.has_raw_data = 1;
    p.raw_data.data = raw;
    p.raw_data.len = sizeof raw;
    tensor_buffer t = parse_pb(&p);
    const uint8_t normal[] = {0, 1, 1, 0};
    assert_memory_equal(t.data, normal, 4);
    tensor_buffer_deinit(&t);
    uint8_t packed[64];
    cosrel_error err;
    p.data_type = COSREL_FLOAT32;
    size_t bytes = onnx__tensor_proto__pack(&p, packed);
    EXPECT(tensor_pb_parse("t.pb", packed, bytes, &t, &err), COSREL_INVALID_FILE, &err, "need 16");
    p.data_type = 25; /* newer than our table */
    bytes = onnx__tensor_proto__pack(&p, packed);
    EXPECT(tensor_pb_parse("t.pb", packed, bytes, &t, &err), COSREL_INVALID_FILE, &err,
           "element type 25");
    dims[0] = (int64_t)1 << 30;
    p.data_type = COSREL_FLOAT32;
    bytes = onnx__tensor_proto__pack(&p, packed);
    EXPECT(tensor_pb_parse("t.pb", packed, bytes, &t, &err), COSREL_INVALID_FILE, &err,
           "2 GiB or more");
    Onnx__StringStringEntryProto entry = ONNX__STRING_STRING_ENTRY_PROTO__INIT;
    Onnx__StringStringEntryProto *entries[] = {&entry};
    char path[512];
    entry.key = "location";
    entry.value = "data.bin";
    support_write(support_path(path, state, "data.bin"), "0123456789abcdef", 16);
    dims[0] = 2;
    p.has_raw_data = 0;
    p.has_data_location = 1;
    p.data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    p.n_external_data = 1;
    p.external_data = entries;
    bytes = onnx__tensor_proto__pack(&p, packed);
    EXPECT(tensor_pb_parse(support_path(path, state, "t.pb"), packed, bytes, &t, &err),
           COSREL_INVALID_FILE, &err, "data are in another file");
}

static void test_pb_read(void **state)
{
    char path[512];
    tensor_buffer t;
    cosrel_error err;
    float values[] = {1, 2};
    int64_t dims[] = {2};
    uint8_t packed[64];
    Onnx__TensorProto p = ONNX__TENSOR_PROTO__INIT;
    p.n_dims = 1;
    p.dims = dims;
    p.has_data_type = 1;
    p.data_type = COSREL_FLOAT32;
    p.n_float_data = 2;
    p.float_data = values;
    const size_t bytes = onnx__tensor_proto__pack(&p, packed);
    support_write(support_path(path, state, "read.pb"), packed, bytes);
    EXPECT(tensor_pb_read(path, &t, &err), COSREL_OK, &err, "");
    assert_memory_equal(t.data, values, sizeof values);
    tensor_buffer_deinit(&t);
    support_write(path, "", 0);
    EXPECT(tensor_pb_read(path, &t, &err), COSREL_INVALID_FILE, &err, "is empty");
    support_write(path, "hello, world", 12);
    EXPECT(tensor_pb_read(path, &t, &err), COSREL_INVALID_FILE, &err, path);
    support_path(path, state, "absent.pb");
    EXPECT(tensor_pb_read(path, &t, &err), COSREL_NOT_FOUND, &err, path);
}

/* A name is kept only to be thrown away: it must not take memory as it likes. */
static void test_pb_long_name(void **state)
{
    enum { NAME_BYTES = 2 << 20 };
    (void)state;
    float value = 1.0f;
    char *name = malloc(NAME_BYTES);
    uint8_t *packed = malloc(NAME_BYTES + 64);
    assert_non_null(name);
    assert_non_null(packed);
    memset(name, 'n', NAME_BYTES - 1);
    name[NAME_BYTES - 1] = '\0';
    Onnx__TensorProto p = ONNX__TENSOR_PROTO__INIT;
    p.has_data_type = 1;
    p.data_type = COSREL_FLOAT32;
    p.n_float_data = 1;
    p.float_data = &value;
    p.name = name;
    tensor_buffer t;
    cosrel_error err;
    const size_t bytes = onnx__tensor_proto__pack(&p, packed);
    EXPECT(tensor_pb_parse("t.pb", packed, bytes, &t, &err), COSREL_INVALID_FILE, &err,
           "names and shapes take more");
    free(name);
    free(packed);
}

/* Against the definition: sign, exponent, fraction. */
static void test_small_floats(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 65536; bits++) {
        const float half = small_float_widen(COSREL_FLOAT16, (uint16_t)bits);
        if (!isnan(half))
            assert_int_equal(small_float_half(half), bits);
        const uint32_t wide = bits << 16;
        float brain;
        memcpy(&brain, &wide, sizeof brain);
        const float ours = small_float_widen(COSREL_BFLOAT16, (uint16_t)bits);
        assert_true(isnan(brain) ? isnan(ours) : brain == ours);
    }
    assert_true(small_float_widen(COSREL_FLOAT8E4M3FN, 0x7e) == 448.0f);
    assert_true(isnan(small_float_widen(COSREL_FLOAT8E4M3FN, 0x7f)));
    assert_true(small_float_widen(COSREL_FLOAT8E4M3FN, 0x01) == 0x1p-9f);
    assert_true(small_float_widen(COSREL_FLOAT8E4M3FNUZ, 0x7f) == 240.0f);
    assert_true(isnan(small_float_widen(COSREL_FLOAT8E4M3FNUZ, 0x80)));
    assert_true(small_float_widen(COSREL_FLOAT8E5M2, 0x7b) == 57344.0f);
    assert_true(isinf(small_float_widen(COSREL_FLOAT8E5M2, 0xfc)));
    assert_true(small_float_widen(COSREL_FLOAT8E5M2FNUZ, 0x7f) == 57344.0f);
    assert_int_equal(small_float_half(-INFINITY), 0xfc00);
    assert_true(isnan(small_float_widen(COSREL_FLOAT16, small_float_half(NAN))));
    assert_int_equal(small_float_half(65519.0f), 0x7bff);
    assert_int_equal(small_float_half(65520.0f), 0x7c00);
    assert_int_equal(small_float_half(1.0f + 0x1p-11f), 0x3c00); /* a tie, to even */
    assert_int_equal(small_float_half(1.0f + 0x3p-11f), 0x3c02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_npy_orders),
        cmocka_unit_test(test_npy_kinds),
        cmocka_unit_test(test_npy_strings),
        cmocka_unit_test(test_npy_refused),
        cmocka_unit_test(test_npy_cut_everywhere),
        cmocka_unit_test(test_npy_round_trip),
        cmocka_unit_test(test_npy_golden),
        cmocka_unit_test(test_npy_widened),
        cmocka_unit_test(test_npy_write_strings),
        cmocka_unit_test(test_pb_typed),
        cmocka_unit_test(test_pb_other_fields),
        cmocka_unit_test(test_pb_raw_and_refused),
        cmocka_unit_test(test_pb_read),
        cmocka_unit_test(test_pb_long_name),
        cmocka_unit_test(test_small_floats),
    };
    return cmocka_run_group_tests(tests, support_open, support_close);
}
