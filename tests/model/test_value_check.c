/* Requests that fit their model and requests that do not. */
#include "support.h"

#include "model/value_check.h"
#include "model/value_info.h"

static const int64_t image_shape[] = {-1, 3, -1, -1};
static const char *const image_symbols[] = {"batch", "", "side", ""};
static const int64_t mask_shape[] = {-1, -1};
static const char *const mask_symbols[] = {"batch", "side"};

static const cosrel_value_info model_inputs[] = {
    {"image", COSREL_FLOAT32, 4, image_shape, image_symbols, 0},
    {"mask", COSREL_BOOL, 2, mask_shape, mask_symbols, 0},
    {"scale", COSREL_FLOAT32, 0, NULL, NULL, -1},
};
enum { INPUTS = 3 };

/* A good request of two rows, which each test spoils. */
typedef struct request {
    float image[2 * 3 * 5 * 7];
    uint8_t mask[2 * 5];
    float scale;
    int64_t image_dims[4];
    int64_t mask_dims[2];
    cosrel_tensor tensors[INPUTS + 1];
    size_t order[VALUE_CHECK_MAX];
    int64_t rows;
    cosrel_error err;
} request;

static int make_request(void **state)
{
    request *r = calloc(1, sizeof *r);
    const request dims = {.image_dims = {2, 3, 5, 7}, .mask_dims = {2, 5}};
    if (!r)
        return -1;
    *r = dims;
    r->tensors[0] = (cosrel_tensor){"image",       COSREL_FLOAT32, 4,
                                    r->image_dims, r->image,       sizeof r->image};
    r->tensors[1] = (cosrel_tensor){"mask", COSREL_BOOL, 2, r->mask_dims, r->mask, sizeof r->mask};
    r->tensors[2] = (cosrel_tensor){"scale", COSREL_FLOAT32, 0, NULL, &r->scale, sizeof r->scale};
    *state = r;
    return 0;
}

static int free_request(void **state)
{
    free(*state);
    return 0;
}

static cosrel_status check(request *r, size_t count)
{
    return value_check("detector", model_inputs, INPUTS, r->tensors, count, r->order, &r->rows,
                       &r->err);
}

static void refuse(request *r, size_t count, const char *words)
{
    EXPECT(check(r, count), COSREL_INVALID_ARGUMENT, &r->err, words);
    assert_memory_equal(r->err.text, "detector: ", 10);
    /* Nobody has to take the sentence. */
    assert_int_equal(
        value_check("detector", model_inputs, INPUTS, r->tensors, count, r->order, &r->rows, NULL),
        COSREL_INVALID_ARGUMENT);
}

static void test_good(void **state)
{
    request *r = *state;
    EXPECT(check(r, INPUTS), COSREL_OK, &r->err, "");
    assert_int_equal(r->rows, 2);
    for (size_t i = 0; i < INPUTS; i++)
        assert_int_equal(r->order[i], i);
}

static void test_order(void **state)
{
    request *r = *state;
    const cosrel_tensor first = r->tensors[0];
    r->tensors[0] = r->tensors[2];
    r->tensors[2] = first;
    EXPECT(check(r, INPUTS), COSREL_OK, &r->err, "");
    assert_int_equal(r->order[0], 2);
    assert_int_equal(r->order[1], 1);
    assert_int_equal(r->order[2], 0);
}

static void test_positions(void **state)
{
    request *r = *state;
    for (size_t i = 0; i < INPUTS; i++)
        r->tensors[i].name = NULL;
    EXPECT(check(r, INPUTS), COSREL_OK, &r->err, "");
    assert_int_equal(r->order[2], 2);
    r->tensors[1].name = "scale"; /* the third has that position */
    refuse(r, INPUTS, "input 'scale' is given twice");
}

static void test_names(void **state)
{
    request *r = *state;
    r->tensors[0].name = "imgae";
    refuse(r, INPUTS, "no input 'imgae'; did you mean 'image'?");
    r->tensors[0].name = "velocity";
    refuse(r, INPUTS, "no input 'velocity'; its first one is 'image'");
    r->tensors[0].name = "mask";
    refuse(r, INPUTS, "'mask' is given twice");
    r->tensors[0].name = "image";
    refuse(r, 2, "input 'scale' (float32) is missing; the request has 2 of 3");
    r->tensors[3] = r->tensors[2];
    r->tensors[3].name = NULL;
    refuse(r, 4, "takes 3 inputs; the request has 4");
    refuse(r, 0, "input 'image' (float32) is missing");
}

static void test_types_and_shapes(void **state)
{
    request *r = *state;
    r->tensors[0].type = COSREL_UINT8;
    refuse(r, INPUTS, "input 'image' has type uint8; it must be float32");
    r->tensors[0].type = COSREL_FLOAT32;
    r->tensors[0].rank = 3;
    refuse(r, INPUTS, "has shape [2,3,5]; it must be [batch,3,side,?]");
    r->tensors[0].rank = 4;
    r->image_dims[1] = 4;
    refuse(r, INPUTS, "has shape [2,4,5,7]; it must be [batch,3,side,?]");
    r->image_dims[1] = 3;
    r->image_dims[3] = -7;
    refuse(r, INPUTS, "has shape [2,3,5,-7]");
    r->image_dims[3] = 7;
    r->tensors[0].shape = NULL;
    refuse(r, INPUTS, "no shape (NULL)");
    r->tensors[0].shape = r->image_dims;
    r->tensors[2].rank = (size_t)1 << 40; /* a wild value must not be walked */
    r->tensors[2].shape = (const int64_t[16]){0};
    refuse(r, INPUTS, "it must be []");
}

static void test_symbols(void **state)
{
    request *r = *state;
    r->mask_dims[0] = 1;
    r->tensors[1].bytes = 5;
    refuse(r, INPUTS,
           "'batch' is 2 in input 'image' (dimension 0) but 1 in input 'mask' (dimension 0)");
    r->mask_dims[0] = 2;
    r->mask_dims[1] = 4;
    r->tensors[1].bytes = 8;
    refuse(r, INPUTS,
           "'side' is 5 in input 'image' (dimension 2) but 4 in input 'mask' (dimension 1)");
}

static void test_data(void **state)
{
    request *r = *state;
    r->tensors[0].bytes--;
    refuse(r, INPUTS, "has 839 bytes; its shape and type (float32) need 840");
    r->tensors[0].bytes++;
    r->tensors[0].data = NULL;
    refuse(r, INPUTS, "has no data (NULL)");
    r->tensors[0].data = r->image;
    r->image_dims[2] = INT64_MAX;
    refuse(r, INPUTS, "larger than any memory");
    r->image_dims[2] = (int64_t)1 << 62;
    r->image_dims[3] = (int64_t)1 << 62;
    r->tensors[0].bytes = SIZE_MAX;
    refuse(r, INPUTS, "larger than any memory");
}

static void test_no_rows(void **state)
{
    request *r = *state;
    r->image_dims[0] = 0;
    r->mask_dims[0] = 0;
    r->tensors[0].bytes = 0;
    r->tensors[1].bytes = 0;
    r->image_dims[3] = INT64_MAX; /* zero times anything is zero */
    refuse(r, INPUTS, "has no rows");
}

static void test_strings(void **state)
{
    const char *words[] = {"a", "b"};
    const int64_t shape[] = {2};
    const char *const symbols[] = {""};
    const cosrel_value_info input = {"text", COSREL_STRING, 1, shape, symbols, -1};
    cosrel_tensor tensor = {NULL, COSREL_STRING, 1, shape, words, sizeof words};
    request *r = *state;
    EXPECT(value_check("m", &input, 1, &tensor, 1, r->order, &r->rows, &r->err), COSREL_OK, &r->err,
           "");
    assert_int_equal(r->rows, 1);
    words[1] = NULL;
    EXPECT(value_check("m", &input, 1, &tensor, 1, r->order, &r->rows, &r->err),
           COSREL_INVALID_ARGUMENT, &r->err, "string 1 is NULL");
}

static void test_no_inputs(void **state)
{
    request *r = *state;
    EXPECT(value_check("m", NULL, 0, NULL, 0, r->order, &r->rows, &r->err), COSREL_OK, &r->err, "");
    assert_int_equal(r->rows, 1);
    EXPECT(value_check("m", NULL, 0, r->tensors, 1, r->order, &r->rows, &r->err),
           COSREL_INVALID_ARGUMENT, &r->err, "takes no inputs");
    EXPECT(value_check("m", model_inputs, INPUTS, NULL, 3, r->order, &r->rows, &r->err),
           COSREL_INVALID_ARGUMENT, &r->err, "none (NULL)");
    EXPECT(value_check("m", model_inputs, VALUE_CHECK_MAX + 1, r->tensors, 1, r->order, &r->rows,
                       &r->err),
           COSREL_UNSUPPORTED, &r->err, "1025 inputs");
}

static void test_batch_axis(void **state)
{
    (void)state;
    cosrel_value_info in[2] = {model_inputs[0], model_inputs[1]};
    cosrel_value_info out[1] = {model_inputs[1]};
    assert_true(value_info_find_batch(in, 2, out, 1));
    assert_int_equal(in[1].batch_axis, 0);
    const char *const other[] = {"rows", "side"};
    out[0].symbols = other;
    assert_false(value_info_find_batch(in, 2, out, 1));
    assert_int_equal(in[0].batch_axis, -1);
    assert_int_equal(out[0].batch_axis, -1);
    in[0] = model_inputs[2]; /* a scalar has no batch axis */
    out[0].symbols = mask_symbols;
    assert_false(value_info_find_batch(in, 2, out, 1));
    in[0] = model_inputs[0];
    assert_false(value_info_find_batch(in, 2, out, 0));
    assert_false(value_info_find_batch(in, 0, out, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good, make_request, free_request),
        cmocka_unit_test_setup_teardown(test_order, make_request, free_request),
        cmocka_unit_test_setup_teardown(test_positions, make_request, free_request),
        cmocka_unit_test_setup_teardown(test_names, make_request, free_request),
        cmocka_unit_test_setup_teardown(test_types_and_shapes, make_request, free_request),
        cmocka_unit_test_setup_teardown(test_symbols, make_request, free_request),
        cmocka_unit_test_setup_teardown(test_data, make_request, free_request),
        cmocka_unit_test_setup_teardown(test_no_rows, make_request, free_request),
        cmocka_unit_test_setup_teardown(test_strings, make_request, free_request),
        cmocka_unit_test_setup_teardown(test_no_inputs, make_request, free_request),
        cmocka_unit_test(test_batch_axis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
