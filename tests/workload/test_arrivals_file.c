/* Arrivals as CSV: reading, what is said about mistakes, writing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/rng.h"
#include "base/text.h"
#include "cosrel/runtime.h"
#include "workload/arrivals_file.h"

static const char *const MODELS[] = {"resnet50", "mobilenet_v2", "a, \"b\""};
enum { MODEL_COUNT = sizeof MODELS / sizeof MODELS[0] };

static arrivals_list *parse(const char *text, const char *const *models)
{
    arrivals_list *list;
    cosrel_error err = {""};
    if (arrivals_parse("a.csv", text, strlen(text), models, models ? MODEL_COUNT : 0, &list,
                       &err) != COSREL_OK)
        fail_msg("%s", err.text);
    return list;
}

static void expect_row(const arrivals_list *list, size_t index, int64_t t_ns, int model,
                       int64_t deadline_ns)
{
    assert_true(index < list->count);
    assert_int_equal(list->rows[index].t_ns, t_ns);
    assert_int_equal(list->rows[index].model, model);
    assert_true(list->rows[index].deadline_ns == deadline_ns);
    assert_int_equal(list->rows[index].priority, COSREL_PRIORITY_NORMAL);
}

static void plain_rows(void **state)
{
    (void)state;
    arrivals_list *list = parse("t_ms,model,deadline_ms\n"
                                "0,resnet50,\n"
                                "1.5,mobilenet_v2,33\n"
                                "1.5,resnet50,0\n"
                                "2e3,mobilenet_v2,0.000001\n",
                                MODELS);
    assert_int_equal(list->count, 4);
    expect_row(list, 0, 0, 0, INT64_MAX);
    expect_row(list, 1, 1500000, 1, 34500000);
    expect_row(list, 2, 1500000, 0, 1500000);
    expect_row(list, 3, 2000000000, 1, 2000000001);
    assert_int_equal(list->model_count, 0);
    arrivals_free(list);
    arrivals_free(NULL);
}

static void other_ways_to_write_it(void **state)
{
    (void)state;
    arrivals_list *list = parse("\xef\xbb\xbf\"deadline_ms\",note,model,t_ms\r\n\r\n"
                                ",x,\"a, \"\"b\"\"\",0.25\r\n\r\n"
                                "\"10\",,resnet50,1",
                                MODELS);
    assert_int_equal(list->count, 2);
    expect_row(list, 0, 250000, 2, INT64_MAX);
    expect_row(list, 1, 1000000, 0, 11000000);
    arrivals_free(list);
}

static void names_are_collected(void **state)
{
    (void)state;
    arrivals_list *list = parse("t_ms,model,deadline_ms\n0,b,\n\n1,a,\n2,b,\n3,c,\n", NULL);
    assert_int_equal(list->model_count, 3);
    assert_string_equal(list->models[0], "b");
    assert_string_equal(list->models[1], "a");
    assert_string_equal(list->models[2], "c");
    assert_int_equal(list->model_lines[1], 4);
    expect_row(list, 2, 2000000, 0, INT64_MAX);
    arrivals_free(list);
}

#define HEADER "t_ms,model,deadline_ms\n"

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "a.csv:1: the header has no column 't_ms'; expected t_ms,model,deadline_ms"},
        {"t_ms,deadline_ms\n", "a.csv:1: the header has no column 'model'"},
        {"t_ms,model,t_ms,deadline_ms\n", "a.csv:1:3: the header names the column 't_ms' twice"},
        {HEADER "\n", "a.csv: has no rows"},
        {HEADER "1,resnet5,\n",
         "a.csv:2:2: model 'resnet5' is not in the device table; did you mean 'resnet50'?"},
        {HEADER "1,zebra,\n", "a.csv:2:2: model 'zebra' is not in the device table"},
        {HEADER "1,\"one\n two\",\n", "a.csv:2:2: model 'one  two' is not in the device table"},
        {HEADER "1,,\n", "a.csv:2:2: model is empty"},
        {HEADER "1,resnet50,\n\n4.1,resnet50,\n3.2,resnet50,\n",
         "a.csv:5:1: t_ms is 3.2 after 4.1 on line 4; expected times in order"},
        {HEADER "x,resnet50,\n", "a.csv:2:1: t_ms is 'x'; expected milliseconds from 0 to 1e12"},
        {HEADER ",resnet50,\n", "a.csv:2:1: t_ms is ''"},
        {HEADER "-1,resnet50,\n", "a.csv:2:1: t_ms is '-1'"},
        {HEADER "nan,resnet50,\n", "a.csv:2:1: t_ms is 'nan'"},
        {HEADER "inf,resnet50,\n", "a.csv:2:1: t_ms is 'inf'"},
        {HEADER "1e400,resnet50,\n", "a.csv:2:1: t_ms is '1e400'"},
        {HEADER "1000000000001,resnet50,\n", "a.csv:2:1: t_ms is '1000000000001'"},
        {HEADER "1 ,resnet50,\n", "a.csv:2:1: t_ms is '1 '"},
        {HEADER "1.2.3,resnet50,\n", "a.csv:2:1: t_ms is '1.2.3'"},
        {HEADER "0,resnet50,33 ms\n",
         "a.csv:2:3: deadline_ms is '33 ms'; expected nothing or milliseconds"},
        {HEADER "0,resnet50,-3\n", "a.csv:2:3: deadline_ms is '-3'"},
        {HEADER "0,resnet50\n", "a.csv:2:3: has 2 fields; expected 3"},
        {HEADER "0,resnet50,,4\n", "a.csv:2:4: has 4 fields; expected 3"},
        {HEADER "0,\"resnet50,\n", "a.csv:2:2: a quoted field is not closed"},
        {HEADER "0,res\"net50,\n", "a.csv:2:2: a quote inside a field"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        arrivals_list *list;
        cosrel_error err = {""};
        assert_int_equal(arrivals_parse("a.csv", cases[i].text, strlen(cases[i].text), MODELS,
                                        MODEL_COUNT, &list, &err),
                         COSREL_INVALID_FILE);
        assert_null(list);
        if (!strstr(err.text, cases[i].says))
            fail_msg("expected \"%s\" in \"%s\"", cases[i].says, err.text);
    }
    arrivals_list *list;
    cosrel_error err = {""};
    assert_int_equal(arrivals_parse("a.csv", "a\0b", 3, NULL, 0, &list, &err), COSREL_INVALID_FILE);
    assert_int_equal(arrivals_read("no/such.csv", NULL, 0, &list, &err), COSREL_NOT_FOUND);
    assert_non_null(strstr(err.text, "no/such.csv"));
}

/* The short way of reading numbers gives the very same double as the long one: seen in the
 * nanoseconds of many random decimals, short and long, against strtod's. */
static void numbers_are_exact(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    rng random;
    rng_init(&random, 3);
    char text[128];
    for (int i = 0; i < COUNT; i++) {
        const int places = (int)rng_below(&random, 17);
        const uint64_t digits = rng_u64(&random) >> (14 + rng_below(&random, 50));
        char number[64];
        snprintf(number, sizeof number, "%017llu", (unsigned long long)digits % 100000000000000000);
        memmove(&number[17 - places + 1], &number[17 - places], (size_t)places + 1);
        number[17 - places] = '.';
        const char *shown = number + rng_below(&random, (uint64_t)(17 - places) + 1);
        double expected = 0;
        if (strcmp(shown, ".") == 0 || !text_to_double(shown, &expected) || expected > 1e12)
            continue;
        snprintf(text, sizeof text, HEADER "%s,resnet50,\n", shown);
        arrivals_list *list = parse(text, MODELS);
        if (list->rows[0].t_ns != (int64_t)__builtin_llround(expected * 1e6))
            fail_msg("%s: %lld", shown, (long long)list->rows[0].t_ns);
        arrivals_free(list);
    }
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    static const arrivals_row rows[] = {{0, INT64_MAX, 0, 0},
                                        {1, 1, 1, 0},
                                        {1000000, 34333333, 2, 0},
                                        {1010000, 1010001, 0, 0},
                                        {1999999999999999, 2000000000000000, 1, 0}};
    enum { COUNT = sizeof rows / sizeof rows[0] };
    char path[] = "arrivals_test_XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    cosrel_error err = {""};
    assert_int_equal(arrivals_write(path, MODELS, rows, COUNT, &err), COSREL_OK);
    char *text;
    size_t bytes;
    assert_int_equal(file_read(path, 1 << 20, &text, &bytes, &err), COSREL_OK);
    assert_string_equal(text, HEADER "0,resnet50,\n"
                                     "0.000001,mobilenet_v2,0\n"
                                     "1,\"a, \"\"b\"\"\",33.333333\n"
                                     "1.01,resnet50,0.000001\n"
                                     "1999999999.999999,mobilenet_v2,0.000001\n");
    free(text);
    arrivals_list *list;
    assert_int_equal(arrivals_read(path, MODELS, MODEL_COUNT, &list, &err), COSREL_OK);
    assert_int_equal(list->count, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        expect_row(list, i, rows[i].t_ns, rows[i].model, rows[i].deadline_ns);
    arrivals_free(list);
    unlink(path);
    assert_int_equal(arrivals_write("no/such/folder/a.csv", MODELS, rows, COUNT, &err), COSREL_IO);
}

static void rows_are_added_in_order(void **state)
{
    (void)state;
    arrivals_list *list;
    assert_int_equal(arrivals_make(&list, NULL), COSREL_OK);
    for (int i = 0; i < 1000; i++) {
        const arrivals_row row = {.t_ns = i / 2, .deadline_ns = INT64_MAX, .priority = 1};
        assert_int_equal(arrivals_add(list, &row, NULL), COSREL_OK);
    }
    const arrivals_row early = {.t_ns = 498};
    assert_int_equal(arrivals_add(list, &early, NULL), COSREL_INVALID_ARGUMENT);
    assert_int_equal(list->count, 1000);
    arrivals_free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_rows),
        cmocka_unit_test(other_ways_to_write_it),
        cmocka_unit_test(names_are_collected),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(numbers_are_exact),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(rows_are_added_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
