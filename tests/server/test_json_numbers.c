/* Numbers between JSON and tensors: what is written is read back the same, bad text is refused with
 * the element's number, and nothing is read beyond the text. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "server/json_numbers.h"

/* In memory of exactly its size, so that a sanitizer sees a read beyond it. */
static cosrel_status read_text(const char *text, cosrel_dtype type, void *out, uint64_t elements,
                               cosrel_error *err)
{
    const size_t length = strlen(text);
    char *exact = malloc(length ? length : 1);
    memcpy(exact, text, length);
    const cosrel_status status = json_numbers_read(exact, length, type, out, elements, err);
    free(exact);
    return status;
}

static void reads_what_is_written(void **state)
{
    (void)state;
    float f[6];
    const float expected[6] = {1, -2.5f, 3e10f, 0.1f, 1e-30f, -0.0f};
    cosrel_error err;
    assert_int_equal(
        read_text("[ 1, -2.5,\n[3E+10 ,[0.1]], 1e-30, -0 ] ", COSREL_FLOAT32, f, 6, &err),
        COSREL_OK);
    assert_memory_equal(f, expected, sizeof f);
    int8_t i8[3];
    assert_int_equal(read_text("[-128,0,127]", COSREL_INT8, i8, 3, &err), COSREL_OK);
    assert_int_equal(i8[0], -128);
    assert_int_equal(i8[2], 127);
    uint64_t u64[3];
    assert_int_equal(
        read_text("[18446744073709551615,18446744073709551610,0]", COSREL_UINT64, u64, 3, &err),
        COSREL_OK);
    assert_true(u64[0] == UINT64_MAX && u64[1] == UINT64_MAX - 5);
    int64_t i64[2];
    assert_int_equal(
        read_text("[-9223372036854775808,9223372036854775807]", COSREL_INT64, i64, 2, &err),
        COSREL_OK);
    assert_true(i64[0] == INT64_MIN && i64[1] == INT64_MAX);
    uint8_t b[4];
    assert_int_equal(read_text("[true,false,1,0]", COSREL_BOOL, b, 4, &err), COSREL_OK);
    assert_true(b[0] == 1 && b[1] == 0 && b[2] == 1 && b[3] == 0);
    uint16_t h[2];
    assert_int_equal(read_text("[1.0,-2]", COSREL_FLOAT16, h, 2, &err), COSREL_OK);
    assert_true(h[0] == 0x3c00 && h[1] == 0xc000);
    assert_int_equal(read_text("[1.0,-2]", COSREL_BFLOAT16, h, 2, &err), COSREL_OK);
    assert_true(h[0] == 0x3f80 && h[1] == 0xc000);
    assert_int_equal(read_text("[]", COSREL_FLOAT32, f, 0, &err), COSREL_OK);
    assert_int_equal(read_text("[[],[[]]]", COSREL_FLOAT32, f, 0, &err), COSREL_OK);
}

static void refuses_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        cosrel_dtype type;
        const char *says;
    } cases[] = {
        {"[1,2", COSREL_FLOAT32, "does not end"},
        {"[1 2]", COSREL_FLOAT32, "element 1: expected ',' or ']'"},
        {"[1,]", COSREL_FLOAT32, "element 1: expected a number at ']'"},
        {"[,1]", COSREL_FLOAT32, "element 0"},
        {"[1,2,3]", COSREL_FLOAT32, "more elements"},
        {"[1]", COSREL_FLOAT32, "before as many"},
        {"[01,2]", COSREL_FLOAT32, "begins with a zero"},
        {"[1.,2]", COSREL_FLOAT32, "without digits"},
        {"[1e,2]", COSREL_FLOAT32, "without digits"},
        {"[.5,2]", COSREL_FLOAT32, "expected a number"},
        {"[+5,2]", COSREL_FLOAT32, "expected a number"},
        {"[NaN,2]", COSREL_FLOAT32, "expected a number"},
        {"[1e39,2]", COSREL_FLOAT32, "beyond the type's largest"},
        {"[1e400,2]", COSREL_FLOAT64, "beyond the type's largest"},
        {"[65520,2]", COSREL_FLOAT16, "beyond the type's largest"},
        {"[1.5,2]", COSREL_INT32, "expected an integer"},
        {"[1e3,2]", COSREL_INT32, "expected an integer"},
        {"[128,2]", COSREL_INT8, "beyond its type"},
        {"[-129,2]", COSREL_INT8, "beyond its type"},
        {"[-1,2]", COSREL_UINT8, "beyond its type"},
        {"[18446744073709551616,2]", COSREL_UINT64, "beyond its type"},
        {"[99999999999999999999999,2]", COSREL_UINT64, "beyond its type"},
        {"[9223372036854775808,2]", COSREL_INT64, "beyond its type"},
        {"[2,1]", COSREL_BOOL, "true or false"},
        {"[tru,1]", COSREL_BOOL, "true or false"},
        {"{}", COSREL_FLOAT32, "expected an array"},
        {"", COSREL_FLOAT32, "expected an array"},
        {"[\"a\",1]", COSREL_FLOAT32, "expected a number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double out[4];
        cosrel_error err = {""};
        assert_int_equal(read_text(cases[i].text, cases[i].type, out, 2, &err),
                         COSREL_INVALID_ARGUMENT);
        if (!strstr(err.text, cases[i].says))
            fail_msg("%s: '%s' does not say '%s'", cases[i].text, err.text, cases[i].says);
    }
    cosrel_error err;
    assert_int_equal(read_text("[]", COSREL_STRING, NULL, 0, &err), COSREL_UNSUPPORTED);
}

/* Any float, by its bits: all exponents, and those that networks give. */
static float random_float(rng *r)
{
    const uint32_t bits = (uint32_t)rng_below(r, (uint64_t)1 << 32);
    float value;
    memcpy(&value, &bits, sizeof value);
    if (rng_below(r, 2))
        value = (float)(rng_normal(r) * pow(10, (double)rng_below(r, 12) - 6));
    return value;
}

static void floats_come_back(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    static float out[COUNT], in[COUNT];
    rng r;
    rng_init(&r, 7);
    for (int i = 0; i < COUNT; i++) {
        do
            out[i] = random_float(&r);
        while (!isfinite(out[i]));
    }
    out[0] = 0, out[1] = -0.0f, out[2] = FLT_MAX, out[3] = FLT_TRUE_MIN, out[4] = 999999999.0f;
    out[5] = 1e9f, out[6] = 1e-5f, out[7] = 0.999999999f, out[8] = 16777216;
    text_builder text = {.data = NULL};
    cosrel_error err = {""};
    assert_int_equal(json_numbers_add(&text, COSREL_FLOAT32, out, COUNT), COSREL_OK);
    const cosrel_status status = json_numbers_read(text.data, text.length, COSREL_FLOAT32, in,
                                                   COUNT, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(status, COSREL_OK);
    for (int i = 0; i < COUNT; i++)
        if (memcmp(&in[i], &out[i], sizeof in[i]) != 0)
            fail_msg("%a became %a", (double)out[i], (double)in[i]);
    text_deinit(&text);
}

/* The quick way to a double gives what the library gives. */
static void doubles_are_the_librarys(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 8);
    for (int i = 0; i < 50000; i++) {
        char text[64];
        double value;
        cosrel_error err;
        const int form = (int)rng_below(&r, 3);
        if (form == 0)
            snprintf(text, sizeof text, "[%.*g]", 1 + (int)rng_below(&r, 20),
                     rng_normal(&r) * pow(10, (double)rng_below(&r, 60) - 30));
        else if (form == 1)
            snprintf(text, sizeof text, "[%llu.%llue%d]",
                     (unsigned long long)rng_below(&r, UINT64_C(1) << (rng_below(&r, 60))),
                     (unsigned long long)rng_below(&r, UINT64_C(1) << (rng_below(&r, 40))),
                     (int)rng_below(&r, 80) - 40);
        else
            snprintf(text, sizeof text, "[-%llu%llu]", (unsigned long long)1 + rng_below(&r, 9),
                     (unsigned long long)rng_below(&r, UINT64_C(1) << 60));
        assert_int_equal(json_numbers_read(text, strlen(text), COSREL_FLOAT64, &value, 1, &err),
                         COSREL_OK);
        if (value != strtod(text + 1, NULL))
            fail_msg("%s became %.17g", text, value);
    }
}

/* With more digits than a double has, and close to where a float's rounding turns. */
static void floats_are_the_librarys(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 9);
    for (int i = 0; i < 100000; i++) {
        char text[80];
        float value;
        cosrel_error err;
        const float near = (float)(rng_normal(&r) * pow(10, (double)rng_below(&r, 20) - 10));
        const double next = (double)nextafterf(near, 1e30f);
        /* The middle between two floats, and a little beside it. */
        double middle = (near + next) / 2;
        if (rng_below(&r, 2))
            middle *= 1 + ((double)rng_below(&r, 9) - 4) * 0x1p-52;
        snprintf(text, sizeof text, "[%.*g]", 15 + (int)rng_below(&r, 12),
                 rng_below(&r, 4) ? middle : (double)near);
        assert_int_equal(json_numbers_read(text, strlen(text), COSREL_FLOAT32, &value, 1, &err),
                         COSREL_OK);
        if (value != (float)strtod(text + 1, NULL))
            fail_msg("%s became %.9g", text, (double)value);
    }
}

static void finds_the_end_of_an_array(void **state)
{
    (void)state;
    assert_int_equal(json_array_length("[1,[2]],", 8), 7);
    assert_int_equal(json_array_length("[\"]\\\"]\"]x", 10), 8);
    assert_int_equal(json_array_length("[1,[2]", 6), 0);
    assert_int_equal(json_array_length("[\"]", 3), 0);
    assert_int_equal(json_array_length("[\"\\", 3), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_written),     cmocka_unit_test(refuses_what_is_wrong),
        cmocka_unit_test(floats_come_back),          cmocka_unit_test(doubles_are_the_librarys),
        cmocka_unit_test(finds_the_end_of_an_array), cmocka_unit_test(floats_are_the_librarys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
