/* Names that were meant, numbers read strictly, strings built and escaped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "base/text.h"

static void test_nearest(void **state)
{
    (void)state;
    static const char *const names[] = {"min-min", NULL, "round-robin", "single", "heft", "x"};
    const size_t count = sizeof names / sizeof names[0];
    assert_string_equal(text_nearest("minmin", names, count), "min-min");
    assert_string_equal(text_nearest("MIN-MIN", names, count), "min-min");
    assert_string_equal(text_nearest("ronud-robni", names, count), "round-robin"); /* two swaps */
    assert_string_equal(text_nearest("hefd", names, count), "heft");
    assert_null(text_nearest("hexx", names, count));
    assert_null(text_nearest("static", names, count));
    assert_null(text_nearest("", names, count));
    assert_null(text_nearest("heft", names, 0));
    assert_string_equal(text_nearest("y", names, count), "x"); /* one edit is always near */
    char long_word[100];
    memset(long_word, 'a', sizeof long_word - 1);
    long_word[99] = '\0';
    const char *const long_names[] = {long_word};
    assert_null(text_nearest(long_word, long_names, 1));
    long_word[63] = '\0';
    assert_ptr_equal(text_nearest(long_word, long_names, 1), long_word);
}

static void test_int64(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"-1", -1},
                {"+7", 7},
                {"007", 7},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    static const char *const bad[] = {
        "", "-", "+", " 1", "1 ", "1.0", "0x10", "--1", "9223372036854775808", "1e3", "a"};
    int64_t value;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(text_to_int64(good[i].text, &value));
        assert_int_equal(value, good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        value = 42;
        assert_false(text_to_int64(bad[i], &value));
        assert_int_equal(value, 42);
    }
}

static void test_double(void **state)
{
    (void)state;
    static const char *const bad[] = {"",   "nan",   "inf", "0x1p3", "1,5", " 1",
                                      "1 ", "1e999", "-",   "1.2.3", "1e",  "e"};
    double value = 42.0;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(text_to_double(bad[i], &value));
        assert_true(value == 42.0);
    }
    assert_true(text_to_double("-1.5e-3", &value));
    assert_true(value == -1.5e-3);
    assert_true(text_to_double(".5", &value));
    assert_true(value == 0.5);
}

/* Every double is written as text that reads back as the same, in a locale with a decimal comma
 * too, if there is one. */
static void test_double_round_trip(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 1);
    if (!setlocale(LC_ALL, "de_DE.UTF-8"))
        setlocale(LC_ALL, "C");
    for (int i = 0; i < 20000; i++) {
        const uint64_t bits = rng_u64(&random);
        double value;
        double back = 0.0;
        memcpy(&value, &bits, sizeof value);
        text_builder b = {0};
        text_add_double(&b, value);
        if (isfinite(value) && fpclassify(value) != FP_SUBNORMAL) {
            assert_true(text_to_double(b.data, &back));
            assert_true(back == value);
        } else if (!isfinite(value)) {
            assert_string_equal(b.data, "null");
        }
        text_deinit(&b);
    }
    text_builder b = {0};
    text_add_double(&b, 0.1);
    text_addf(&b, " %.1f", 2.5);
    assert_string_equal(b.data, "0.1 2.5");
    text_deinit(&b);
    setlocale(LC_ALL, "C");
}

static void test_builder(void **state)
{
    (void)state;
    text_builder b = {0};
    char *text;
    size_t length;
    assert_int_equal(text_take(&b, &text, &length), COSREL_OK);
    assert_string_equal(text, "");
    assert_int_equal(length, 0);
    free(text);
    for (int i = 0; i < 1000; i++)
        text_addf(&b, "%04d", i);
    text_addf(&b, "%0500d", 7); /* longer than what is kept ready */
    text_add_bytes(&b, "a\0b", 3);
    assert_int_equal(text_take(&b, &text, &length), COSREL_OK);
    assert_int_equal(length, 4503);
    assert_memory_equal(text, "00000001", 8);
    assert_memory_equal(text + 4499, "7a\0b", 5);
    free(text);
    assert_null(b.data);
    text_add_bytes(&b, "x", SIZE_MAX); /* cannot be: remembered, and nothing is added after it */
    text_add(&b, "y");
    assert_int_equal(text_take(&b, &text, NULL), COSREL_OUT_OF_MEMORY);
    assert_false(b.failed);
}

static void expect_json(const char *text, const char *json)
{
    text_builder b = {0};
    text_add_json(&b, text);
    assert_string_equal(b.data, json);
    text_deinit(&b);
}

static void test_json(void **state)
{
    (void)state;
    expect_json("", "\"\"");
    expect_json("a\"b\\c\n\x7f", "\"a\\\"b\\\\c\\u000a\\u007f\"");
    expect_json("</script>", "\"\\u003c/script>\"");
    expect_json("gr\xc3\xbc\xf0\x9f\x98\x80", "\"gr\xc3\xbc\xf0\x9f\x98\x80\"");
    expect_json("\xff", "\"\\ufffd\"");
    expect_json("\xc0\xaf", "\"\\ufffd\\ufffd\"");                       /* overlong */
    expect_json("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"");            /* a surrogate */
    expect_json("\xe2\x82", "\"\\ufffd\\ufffd\"");                       /* cut off */
    expect_json("\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""); /* beyond U+10FFFF */
}

static void test_html(void **state)
{
    (void)state;
    text_builder b = {0};
    text_add_html(&b, "<a href=\"x\">'&'</a>");
    assert_string_equal(b.data, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
    text_deinit(&b);
}

static void test_status(void **state)
{
    (void)state;
    assert_string_equal(cosrel_status_name(COSREL_QUEUE_FULL), "QUEUE_FULL");
    assert_int_equal(cosrel_status_http(COSREL_QUEUE_FULL), 429);
    assert_string_equal(cosrel_status_text(COSREL_OK), "done");
    assert_string_equal(cosrel_status_name((cosrel_status)99), "UNKNOWN");
    assert_string_equal(cosrel_status_name((cosrel_status)-1), "UNKNOWN");
    assert_int_equal(cosrel_status_http((cosrel_status)99), 500);
    /* The values are in files and in other programs: they never change. */
    assert_int_equal(COSREL_INTERNAL, 15);
    assert_int_equal(COSREL_DEADLINE_EXCEEDED, 8);
}

static void test_error(void **state)
{
    (void)state;
    cosrel_error err;
    char long_text[2000];
    memset(long_text, 'a', sizeof long_text - 1);
    long_text[1999] = '\0';
    assert_int_equal(error_set(&err, COSREL_IO, "%s: %d", "x", 7), COSREL_IO);
    assert_string_equal(err.text, "x: 7");
    assert_int_equal(error_set(&err, COSREL_IO, "%s", long_text), COSREL_IO);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_int_equal(error_set(NULL, COSREL_IO, "%s", "x"), COSREL_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest), cmocka_unit_test(test_int64),
        cmocka_unit_test(test_double),  cmocka_unit_test(test_double_round_trip),
        cmocka_unit_test(test_builder), cmocka_unit_test(test_json),
        cmocka_unit_test(test_html),    cmocka_unit_test(test_status),
        cmocka_unit_test(test_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
