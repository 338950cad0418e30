/* What the command says: --help of every command and the error lines, held in golden files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "command.h"

static char *read_golden(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    char *text = calloc(1, 1 << 16);
    assert_non_null(text);
    const size_t n = fread(text, 1, (1 << 16) - 1, file);
    text[n] = '\0';
    fclose(file);
    return text;
}

static void compare(const char *name, const char *printed)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/apps/golden/%s.txt", COSREL_SOURCE_DIR, name);
    if (getenv("COSREL_UPDATE_GOLDEN")) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        fputs(printed, file);
        fclose(file);
    }
    char *golden = read_golden(path);
    if (!golden || strcmp(golden, printed) != 0)
        fail_msg("%s says something else now:\n%s\n(COSREL_UPDATE_GOLDEN=1 takes it over)", name,
                 printed);
    free(golden);
}

static void help(void **state)
{
    (void)state;
    static const char *const names[] = {"zoo", "devices", "run",   "profile", "bench",  "serve",
                                        "sim", "bound",   "trace", "train",   "explain"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char line[64], golden[64];
        snprintf(line, sizeof line, "%s --help", names[i]);
        snprintf(golden, sizeof golden, "help_%s", names[i]);
        command c = command_run(line);
        expect_rc(&c, 0);
        assert_string_equal(c.err, "");
        assert_non_null(strstr(c.out, "Example:\n  cosrel "));
        compare(golden, c.out);
        snprintf(line, sizeof line, "help %s", names[i]);
        command same = command_run(line);
        assert_string_equal(same.out, c.out);
        command_free(&same);
        command_free(&c);
    }
}

static void overview(void **state)
{
    (void)state;
    command c = command_run("--help");
    expect_rc(&c, 0);
    compare("help", c.out);
    command none = command_run("");
    expect_rc(&none, 2);
    assert_string_equal(none.err, c.out);
    command_free(&none);
    command_free(&c);
    c = command_run("--version");
    expect_rc(&c, 0);
    assert_memory_equal(c.out, "cosrel ", 7);
    command_free(&c);
}

/* Every line here ends with exit status 2 and one line on standard error. */
static const char *const WRONG[] = {
    "bnch",
    "frobnicate",
    "help bnch",
    "bench --polices a",
    "bench --frobnicate",
    "bench -x",
    "bench",
    "bench --models",
    "bench --models m --seconds 1x",
    "bench --models m --seconds 0",
    "bench --models m --rounds 1.5",
    "bench --json=3",
    "bench --models nowhere",
    "bench --models m --policies min-mim",
    "bench --models m --policies zzzzzzzz",
    "bench --models m --policies min-min,,heft",
    "bench --models m --policies min-min,min-min",
    "bench --models m --report no/such/folder/r.html",
    "bench extra",
    "zoo",
    "zoo d --only mobilnet_v2",
    "zoo d --only ,",
    "zoo d e",
    "zoo /proc/nothing",
    "devices --josn",
    "devices --processors cpu999",
    "devices --settings none.yaml",
    "run",
    "run nowhere.onnx",
    "profile --out x.csv",
    "profile --models m",
    "profile --models m --out no/such/folder/x.csv",
    "profile --models nowhere --out x.csv",
    "bench --models m --policies ort-default --record r",
    "bench --models m --policies min-min --record r.jsonl",
    "sim",
    "sim --replay r.jsonl",
    "sim --device nowhere.csv --replay r.jsonl",
    "sim --device",
    "sim --device d.csv --policy ,",
    "sim --tarce t.jsonl",
    "sim extra",
    "trace",
    "trace nowhere.jsonl",
    "bound",
    "bound --device nowhere.csv",
    "bound --device d.csv --rate 1 --load 1",
    "bound --device d.csv --load 0",
    "trace",
    "trace nowhere.jsonl",
    "trace a.jsonl b.jsonl",
    "explain",
    "explain t.jsonl",
    "explain t.jsonl u.jsonl",
    "explain t.jsonl --device nowhere.csv",
    "explain t.jsonl --device d.csv --at 1 --request 2",
    "explain t.jsonl --device d.csv --worst --decision 1",
    "explain t.jsonl --device d.csv --decision 0",
    "explain t.jsonl --device d.csv --policy min-min",
    "explain t.jsonl --device d.csv --wrst",
};

static void error_lines(void **state)
{
    (void)state;
    char *all = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&all, &length);
    assert_non_null(memory);
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        command c = command_run(WRONG[i]);
        expect_rc(&c, 2);
        assert_string_equal(c.out, "");
        expect_one_line(&c, "cosrel");
        /* These sentences are the library's, and some depend on the machine: what counts is that
         * they name the culprit. */
        const char *const others[] = {"cpu999", "none.yaml", "nowhere", "/proc/nothing"};
        const char *culprit = NULL;
        for (size_t k = 0; k < sizeof others / sizeof others[0]; k++)
            culprit = strstr(WRONG[i], others[k]) ? others[k] : culprit;
        if (culprit)
            expect_one_line(&c, culprit);
        else
            fprintf(memory, "$ cosrel %s\n%s", WRONG[i], c.err);
        command_free(&c);
    }
    fclose(memory);
    compare("errors", all);
    free(all);
}

static int enter(void **state)
{
    (void)state;
    enter_scratch("lines");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help),
        cmocka_unit_test(overview),
        cmocka_unit_test(error_lines),
    };
    return cmocka_run_group_tests(tests, enter, leave_scratch);
}
