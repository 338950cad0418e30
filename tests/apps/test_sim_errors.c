/* `cosrel sim` and `cosrel bound` with what people get wrong: exactly one line on standard error
 * that names the file, the line and the column where there is one, nothing on standard output, and
 * exit status 2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "command.h"

#define COLUMNS                                                                                    \
    "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
#define GOOD_ROWS "d,cpu0,lenet,,,1,10,,,\nd,gpu0,lenet,,,1,4,,,\nd,gpu0,unet,,,1,5,,,\n"
#define ARRIVALS  "t_ms,model,deadline_ms\n"

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* The line says what is expected, and no other does. */
static void refused(const char *line, const char *says)
{
    command c = command_run(line);
    char whole[64];
    snprintf(whole, sizeof whole, "cosrel %.*s: ", (int)strcspn(line, " "), line);
    if (c.rc != 2 || c.out[0] != '\0')
        print_error("'cosrel %s'\n", line);
    expect_rc(&c, 2);
    assert_string_equal(c.out, "");
    expect_one_line(&c, says);
    assert_memory_equal(c.err, whole, strlen(whole));
    command_free(&c);
}

typedef struct wrong {
    const char *text; /* a row, or an option */
    const char *says;
} wrong;

static void device_tables(void **state)
{
    (void)state;
    static const wrong rows[] = {
        {"d,cpu0,unet,,,1,0,,,", "bad.csv:5:7: latency_ms is '0'; expected milliseconds above 0"},
        {"d,cpu0,unet,,,1,-3,,,", "bad.csv:5:7: latency_ms is '-3'; expected"},
        {"d,cpu0,unet,,,1,inf,,,", "bad.csv:5:7: latency_ms is 'inf'; expected"},
        {"d,cpu0,unet,,,1,nan,,,", "bad.csv:5:7: latency_ms is 'nan'; expected"},
        {"d,cpu0,unet,,,1,1e400,,,", "bad.csv:5:7: latency_ms is '1e400'; expected"},
        {"d,cpu0,unet,,,1,4ms,,,", "bad.csv:5:7: latency_ms is '4ms'; expected"},
        {"d,cpu0,unet,,,1,,,,", "bad.csv:5:7: latency_ms is ''; expected"},
        {"d,cpu0,unet,,,0,4,,,", "bad.csv:5:6: batch is '0'; expected a whole number from 1"},
        {"d,cpu0,unet,,,1.5,4,,,", "bad.csv:5:6: batch is '1.5'; expected a whole number from 1"},
        {"d,cpu0,,,,1,4,,,", "bad.csv:5:3: model is empty; expected a name"},
        {"d,,unet,,,1,4,,,", "bad.csv:5:2: processor is empty; expected a name"},
        {"d,cpu0,unet,,,1,4,x,,", "bad.csv:5:8: power_w is 'x'; expected nothing or a number"},
        {"d,cpu0,unet,,,1,4,,-1,", "bad.csv:5:9: energy_mj is '-1'; expected nothing or"},
        {"d,cpu0,unet,,,1,4,,", "bad.csv:5:10: has 9 fields; expected 10 as in the header"},
        {"d,cpu0,unet,,,1,4,,,,x", "bad.csv:5:11: has 11 fields; expected 10"},
        {"d,gpu0,lenet,,,1,9,,,",
         "bad.csv:5: a second row for processor 'gpu0', model 'lenet', batch 1; line 3 has the "
         "first"},
        {"d,cpu0,\"unet,,,1,4,,,", "bad.csv:5:3: a quoted field is not closed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, COLUMNS GOOD_ROWS "%s\n", rows[i].text);
        write_file("bad.csv", text);
        refused("sim --device bad.csv --arrivals good.arrivals", rows[i].says);
        refused("bound --device bad.csv", rows[i].says);
    }
}

static void device_headers(void **state)
{
    (void)state;
    static const char *const names[] = {"device", "processor",  "model",   "precision", "framework",
                                        "batch",  "latency_ms", "power_w", "energy_mj", "source"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char says[96], text[512] = "";
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            strcat(text, k == i ? "other" : names[k]);
            strcat(text, k + 1 < sizeof names / sizeof names[0] ? "," : "\n" GOOD_ROWS);
        }
        write_file("bad.csv", text);
        snprintf(says, sizeof says, "bad.csv:1: the header has no column '%s'", names[i]);
        refused("sim --device bad.csv --arrivals good.arrivals", says);
    }
    write_file("bad.csv", "model," COLUMNS);
    refused("sim --device bad.csv --arrivals good.arrivals",
            "bad.csv:1:4: the header names the column 'model' twice");
    write_file("bad.csv", COLUMNS);
    refused("sim --device bad.csv --arrivals good.arrivals", "bad.csv: the table has no rows");
    write_file("bad.csv", "");
    refused("sim --device bad.csv --arrivals good.arrivals", "bad.csv:1: the header has no column");
}

static void arrivals(void **state)
{
    (void)state;
    static const wrong rows[] = {
        {"2,lente,", "bad.arrivals:4:2: model 'lente' is not in the device table; did you mean "
                     "'lenet'?"},
        {"2,zzzzzzzz,", "bad.arrivals:4:2: model 'zzzzzzzz' is not in the device table"},
        {"0.5,lenet,", "bad.arrivals:4:1: t_ms is 0.5 after 1 on line 3; expected times in order"},
        {"-1,lenet,", "bad.arrivals:4:1: t_ms is '-1'; expected milliseconds from 0"},
        {"inf,lenet,", "bad.arrivals:4:1: t_ms is 'inf'; expected"},
        {"nan,lenet,", "bad.arrivals:4:1: t_ms is 'nan'; expected"},
        {"1e13,lenet,", "bad.arrivals:4:1: t_ms is '1e13'; expected"},
        {",lenet,", "bad.arrivals:4:1: t_ms is ''; expected"},
        {"2,,", "bad.arrivals:4:2: model is empty; expected a name"},
        {"2,lenet,-1", "bad.arrivals:4:3: deadline_ms is '-1'; expected nothing or milliseconds"},
        {"2,lenet,x", "bad.arrivals:4:3: deadline_ms is 'x'; expected nothing or milliseconds"},
        {"2,lenet", "bad.arrivals:4:3: has 2 fields; expected 3 as in the header"},
        {"2,lenet,,1", "bad.arrivals:4:4: has 4 fields; expected 3 as in the header"},
        {"2,\"lenet,", "bad.arrivals:4:2: a quoted field is not closed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, ARRIVALS "0,lenet,\n1,unet,5\n%s\n", rows[i].text);
        write_file("bad.arrivals", text);
        refused("sim --device good.csv --arrivals bad.arrivals", rows[i].says);
    }
    write_file("bad.arrivals", "t_ms,modell,deadline_ms\n0,lenet,\n");
    refused("sim --device good.csv --arrivals bad.arrivals",
            "bad.arrivals:1: the header has no column 'model'");
    write_file("bad.arrivals", "t_ms,model,deadline_ms,t_ms\n0,lenet,,\n");
    refused("sim --device good.csv --arrivals bad.arrivals",
            "bad.arrivals:1:4: the header names the column 't_ms' twice");
    write_file("bad.arrivals", ARRIVALS);
    refused("sim --device good.csv --arrivals bad.arrivals", "bad.arrivals: has no rows");
}

static void options(void **state)
{
    (void)state;
#define GIVEN "sim --device good.csv --arrivals good.arrivals "
    static const wrong lines[] = {
        {"sim", "--device is missing"},
        {"sim --arrivals good.arrivals", "--device is missing"},
        {"sim --device good.csv", "--arrivals A.csv"},
        {"sim --device", "--device needs a value"},
        {"sim --device none.csv --arrivals good.arrivals", "none.csv: cannot be opened"},
        {"sim --device good.csv --arrivals none.csv", "none.csv: cannot be opened"},
        {"sim --device . --arrivals good.arrivals", ".: is not a regular file"},
        {"sim --device good.csv --workload none.yaml", "none.yaml: cannot be opened"},
        {GIVEN "--workload w.yaml", "exclude each other"},
        {GIVEN "--policy min-mim", "policy 'min-mim' is unknown; did you mean 'min-min'"},
        {GIVEN "--policy zzzzzzzz", "policy 'zzzzzzzz' is unknown; expected one of single"},
        {GIVEN "--policy min-min,,heft", "--policy: an empty name in 'min-min,,heft'"},
        {GIVEN "--policy min-min,hefd", "policy 'hefd' is unknown; did you mean 'heft'"},
        {GIVEN "--policy min-min:3", "'min-min' takes nothing after its name; found ':3'"},
        {GIVEN "--policy single", "as in 'single:cpu0'; none is given"},
        {GIVEN "--policy single:gpu9", "there is no 'gpu9'"},
        {GIVEN "--policy lookahead:0", "'lookahead:0': expected microseconds per decision"},
        {GIVEN "--objective latencie", "'latencie' is unknown; did you mean 'latency'"},
        {GIVEN "--objective zzzzzzzz", "'zzzzzzzz' is unknown; expected latency, throughput"},
        {GIVEN "--seed x", "--seed: 'x' is not a whole number"},
        {GIVEN "--seed -1", "--seed: '-1' is not a whole number"},
        {GIVEN "--patience -1", "--patience: '-1' is not a whole number"},
        {GIVEN "--seconds 0", "--seconds: '0' is not a number"},
        {GIVEN "--trace no/such/folder", "--trace: "},
        {GIVEN "extra", "'extra'"},
        {GIVEN "--frobnicate", "unknown option '--frobnicate'"},
        {"bound", "--device is missing"},
        {"bound --device none.csv", "none.csv: cannot be opened"},
        {"bound --device good.csv --mix lente=1", "no model 'lente'; did you mean 'lenet'?"},
        {"bound --device good.csv --mix lenet=-1", "the weight of 'lenet' is '-1'; expected"},
        {"bound --device good.csv --mix lenet=inf", "the weight of 'lenet' is 'inf'; expected"},
        {"bound --device good.csv --mix lenet=x", "the weight of 'lenet' is 'x'; expected"},
        {"bound --device good.csv --mix lenet=0,unet=0", "the weights sum up to 0"},
        {"bound --device good.csv --mix lenet", "'lenet' has no weight; expected MODEL=WEIGHT"},
        {"bound --device good.csv --mix lenet=1,lenet=2", "'lenet' is there twice"},
        {"bound --device good.csv --mix lenet=1,", "has an empty part"},
    };
#undef GIVEN
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        refused(lines[i].text, lines[i].says);
}

/* A million rows, the last one as given. */
static void write_million(const char *path, const char *last)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(ARRIVALS, file);
    for (int i = 0; i < 999999; i++)
        fprintf(file, "%d,%s,\n", 10 * i, i % 2 ? "lenet" : "unet");
    fprintf(file, "%s\n", last);
    assert_int_equal(fclose(file), 0);
}

static void a_million_lines(void **state)
{
    (void)state;
    write_million("million.arrivals", "9999990,lenet,");
    command c = command_run("sim --device good.csv --arrivals million.arrivals --policy "
                            "static-best --json --quiet");
    expect_rc(&c, 0);
    assert_string_equal(c.err, "");
    json_t *json = command_json(&c);
    assert_int_equal(json_integer_value(json_object_get(json, "served")), 1000000);
    assert_int_equal(json_integer_value(json_object_get(json, "dropped")), 0);
    /* One at a time: half of them takes 4 ms, the others 5. */
    assert_true(json_real_value(json_object_get(json, "p99_ms")) == 5);
    assert_true(json_real_value(json_object_get(json, "p50_ms")) == 4);
    json_decref(json);
    command_free(&c);
    write_million("million.arrivals", "9999990,unte,");
    refused("sim --device good.csv --arrivals million.arrivals --policy static-best",
            "million.arrivals:1000001:2: model 'unte' is not in the device table; did you mean "
            "'unet'?");
    write_million("million.arrivals", "9999980.5,unet,-2");
    refused("sim --device good.csv --arrivals million.arrivals --policy static-best",
            "million.arrivals:1000001:3: deadline_ms is '-2'");
    assert_int_equal(remove("million.arrivals"), 0);
}

static int enter(void **state)
{
    (void)state;
    enter_scratch("sim-errors");
    write_file("good.csv", COLUMNS GOOD_ROWS);
    write_file("good.arrivals", ARRIVALS "0,lenet,\n1,unet,5\n");
    write_file("w.yaml", "streams:\n  - {model: lenet, kind: poisson, rate_hz: 5}\n");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_tables),   cmocka_unit_test(device_headers),
        cmocka_unit_test(arrivals),        cmocka_unit_test(options),
        cmocka_unit_test(a_million_lines),
    };
    return cmocka_run_group_tests(tests, enter, leave_scratch);
}
