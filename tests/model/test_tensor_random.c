/* Random inputs: the same for the same seed, in range for every type, of one size under one symbol.
 */
#include "support.h"

#include "model/small_float.h"
#include "model/tensor_random.h"

static void test_sizes(void **state)
{
    (void)state;
    static const int64_t image[] = {-1, 3, -1, -1}, pixels[] = {-1, -1, -1, 1},
                         free4[] = {-1, -1, -1, 8};
    static const int64_t tokens[] = {-1, -1}, fixed[] = {7};
    static const char *const none[] = {"", "", "", ""};
    static const char *const batch_none[] = {"batch", "", "", ""};
    static const char *const sequence[] = {"batch", "sequence_length"};
    static const char *const odd[] = {"n", "height", "width", ""};
    const cosrel_value_info inputs[] = {
        {"image", COSREL_FLOAT32, 4, image, batch_none, 0},
        {"pixels", COSREL_FLOAT32, 4, pixels, odd, -1},
        {"free", COSREL_FLOAT32, 4, free4, none, -1},
        {"tokens", COSREL_INT64, 2, tokens, sequence, -1},
        {"fixed", COSREL_FLOAT32, 1, fixed, none, -1},
    };
    static const struct {
        size_t input, dim;
        int64_t size;
    } cases[] = {{0, 0, 5},   {0, 1, 3},   {0, 2, 224}, {0, 3, 224}, {1, 0, 1},
                 {1, 1, 224}, {1, 2, 224}, {1, 3, 1},   {2, 1, 1},   {2, 3, 8},
                 {3, 0, 5},   {3, 1, 16},  {4, 0, 7}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(tensor_random_size(inputs, 5, cases[i].input, cases[i].dim, 5),
                         cases[i].size);
}

static void check_values(const tensor_buffer *t)
{
    const uint8_t *bytes = t->data;
    for (size_t i = 0; i < 1000; i++) {
        int64_t number = 0;
        switch (t->type) {
        case COSREL_FLOAT32:
            assert_true(((float *)t->data)[i] >= 0 && ((float *)t->data)[i] < 1);
            break;
        case COSREL_FLOAT64:
            assert_true(((double *)t->data)[i] >= 0 && ((double *)t->data)[i] < 1);
            break;
        case COSREL_STRING:
            assert_in_range(*((const char **)t->data)[i], 'a', 'z');
            break;
        case COSREL_BOOL:
            assert_in_range(bytes[i], 0, 1);
            break;
        case COSREL_INT64:
            assert_in_range(((int64_t *)t->data)[i], 0, 1);
            break;
        case COSREL_INT32:
            assert_in_range(((int32_t *)t->data)[i], 0, 1);
            break;
        case COSREL_INT16:
            assert_in_range(((int16_t *)t->data)[i], 0, 127);
            break;
        case COSREL_INT8:
            assert_in_range(((int8_t *)t->data)[i], 0, 127);
            break;
        case COSREL_INT4:
            number = bytes[i / 2] >> i % 2 * 4 & 15;
            assert_in_range(number, 0, 7);
            break;
        case COSREL_FLOAT16:
        case COSREL_BFLOAT16: {
            const float value = small_float_widen(t->type, ((uint16_t *)t->data)[i]);
            assert_true(value >= 0.0f && value < 1.0f);
            break;
        }
        case COSREL_FLOAT8E4M3FN:
        case COSREL_FLOAT8E4M3FNUZ:
        case COSREL_FLOAT8E5M2:
        case COSREL_FLOAT8E5M2FNUZ: {
            const float value = small_float_widen(t->type, bytes[i]);
            assert_true(value >= 0.0f && value < 1.0f);
            break;
        }
        default:
            break;
        }
    }
}

static void test_values(void **state)
{
    (void)state;
    static const int64_t shape[] = {-1, 100};
    static const char *const symbols[] = {"batch", ""};
    for (int type = COSREL_FLOAT32; type <= COSREL_INT4; type++) {
        const cosrel_value_info input = {"x", (cosrel_dtype)type, 2, shape, symbols, 0};
        tensor_buffer t[3];
        cosrel_error err;
        for (int i = 0; i < 3; i++) {
            rng r;
            rng_init(&r, i == 2 ? 8 : 7);
            EXPECT(tensor_random_init(&r, &input, 1, 0, 10, &t[i], &err), COSREL_OK, &err, "");
            assert_int_equal(t[i].shape[0], 10);
            assert_int_equal(t[i].bytes, cosrel_dtype_bytes(input.type, 1000));
            check_values(&t[i]);
        }
        if (type != COSREL_STRING) {
            assert_memory_equal(t[0].data, t[1].data, t[0].bytes);
            assert_memory_not_equal(t[0].data, t[2].data, t[0].bytes);
        }
        for (int i = 0; i < 3; i++)
            tensor_buffer_deinit(&t[i]);
    }
}

static void test_too_large(void **state)
{
    (void)state;
    const int64_t shape[] = {1 << 20, 1 << 20};
    const cosrel_value_info input = {"x", COSREL_FLOAT32, 2, shape, NULL, -1};
    tensor_buffer t;
    cosrel_error err;
    rng r;
    rng_init(&r, 1);
    EXPECT(tensor_random_init(&r, &input, 1, 0, 1, &t, &err), COSREL_INVALID_ARGUMENT, &err,
           "[1048576,1048576]");
    const cosrel_value_info odd = {"x", (cosrel_dtype)77, 0, NULL, NULL, -1};
    EXPECT(tensor_random_init(&r, &odd, 1, 0, 1, &t, &err), COSREL_INVALID_ARGUMENT, &err,
           "type 77");
}

static void test_buffer(void **state)
{
    (void)state;
    const int64_t shape[] = {2, 3};
    const int64_t overflow[] = {INT64_MAX, 3};
    uint64_t elements;
    tensor_buffer t;
    cosrel_error err;
    assert_true(tensor_count(shape, 2, &elements));
    assert_int_equal(elements, 6);
    assert_true(tensor_count(shape, 0, &elements));
    assert_int_equal(elements, 1);
    assert_false(tensor_count(overflow, 2, &elements));
    assert_false(tensor_count((const int64_t[]){-1}, 1, &elements));
    EXPECT(tensor_buffer_init(&t, COSREL_INT4, shape, 2, 0, "t", &err), COSREL_OK, &err, "");
    assert_int_equal(t.bytes, 3);
    const cosrel_tensor view = tensor_buffer_view(&t, "x");
    assert_string_equal(view.name, "x");
    assert_ptr_equal(view.data, t.data);
    assert_int_equal(view.shape[1], 3);
    tensor_buffer_deinit(&t);
    EXPECT(tensor_buffer_init(&t, COSREL_INT8, overflow, 2, 0, "t", &err), COSREL_INVALID_ARGUMENT,
           &err, "t: a int8");
    EXPECT(tensor_buffer_init(&t, COSREL_INT8, shape, 65, 0, "t", &err), COSREL_INVALID_ARGUMENT,
           &err, "65 dimensions");
    assert_string_equal(cosrel_dtype_name(COSREL_FLOAT8E4M3FNUZ), "float8e4m3fnuz");
    assert_string_equal(cosrel_dtype_name((cosrel_dtype)0), "undefined");
    assert_string_equal(cosrel_dtype_name((cosrel_dtype)-1), "undefined");
    assert_int_equal(cosrel_dtype_bytes(COSREL_COMPLEX128, UINT64_MAX / 8), 0);
    assert_int_equal(cosrel_dtype_bytes(COSREL_UINT4, 7), 4);
    assert_int_equal(cosrel_dtype_bytes(COSREL_STRING, 2), 2 * sizeof(char *));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
