/* Policies as files: what is written is read; anything else is refused with a reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <xxhash.h>

#include "base/file.h"
#include "nn/scorer_file.h"

static const scorer_shape SHAPE = {
    .candidate_inputs = 6, .state_inputs = 4, .first = 5, .second = 3};
enum { MEANING = 7 };

typedef struct written {
    char path[64];
    char *data;
    size_t bytes;
    scorer net;
} written;

static void write_one(written *w)
{
    scorer_about about = {.features = MEANING, .version = 12, .note = "how it came about"};
    snprintf(w->path, sizeof w->path, "/tmp/cosrel-policy-%d", (int)getpid());
    assert_int_equal(scorer_init(&w->net, &SHAPE), COSREL_OK);
    scorer_randomise(&w->net, 1);
    assert_int_equal(scorer_write(w->path, &w->net, &about, NULL), COSREL_OK);
    assert_int_equal(file_read(w->path, 1 << 20, &w->data, &w->bytes, NULL), COSREL_OK);
}

static void forget(written *w)
{
    unlink(w->path);
    free(w->data);
    scorer_deinit(&w->net);
}

static void refused(const void *data, size_t bytes, const char *why)
{
    scorer net;
    scorer_about about;
    cosrel_error err = {""};
    assert_int_equal(scorer_parse("x.policy", data, bytes, &SHAPE, MEANING, &net, &about, &err),
                     COSREL_INVALID_FILE);
    assert_null(net.parameters);
    assert_null(about.note);
    assert_non_null(strstr(err.text, "x.policy"));
    assert_non_null(strstr(err.text, why));
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    written w;
    scorer net;
    scorer_about about;
    write_one(&w);
    assert_int_equal(scorer_read(w.path, &SHAPE, MEANING, &net, &about, NULL), COSREL_OK);
    assert_int_equal(net.parameter_count, w.net.parameter_count);
    assert_memory_equal(net.parameters, w.net.parameters,
                        (size_t)net.parameter_count * sizeof *net.parameters);
    assert_string_equal(about.note, "how it came about");
    assert_int_equal(about.version, 12);
    assert_int_not_equal(about.checksum, 0);
    scorer_about_deinit(&about);
    scorer_deinit(&net);
    forget(&w);
}

static void every_damage_is_seen(void **state)
{
    (void)state;
    written w;
    write_one(&w);
    for (size_t bytes = 0; bytes < w.bytes; bytes++)
        refused(w.data, bytes, "");
    for (size_t at = 0; at < w.bytes; at++) {
        w.data[at] ^= 0x10;
        refused(w.data, w.bytes, at < 8 ? "not a policy" : at < 12 ? "format" : "damaged");
        w.data[at] ^= 0x10;
    }
    forget(&w);
}

/* A file that says of itself that it is whole. */
static void seal(written *w)
{
    const uint64_t sum = XXH64(w->data, w->bytes - 8, 0);
    memcpy(w->data + w->bytes - 8, &sum, 8);
}

static void foreign_ones_are_refused(void **state)
{
    (void)state;
    written w;
    write_one(&w);
    w.data[12] = MEANING + 1;
    seal(&w);
    refused(w.data, w.bytes, "train it again");
    w.data[12] = MEANING;
    w.data[16] = 5; /* other inputs */
    seal(&w);
    refused(w.data, w.bytes, "train it again");
    w.data[16] = 6;
    memset(w.data + 24, 0xff, 4); /* as many units as fit a uint32 */
    seal(&w);
    refused(w.data, w.bytes, "units");
    memset(w.data + 24, 0, 4);
    w.data[24] = 6; /* one more than there are parameters for */
    seal(&w);
    refused(w.data, w.bytes, "header says");
    w.data[24] = 5;
    memset(w.data + 40, 0xff, 4); /* a note as long as fits a uint32 */
    seal(&w);
    refused(w.data, w.bytes, "header says");
    forget(&w);
}

static void numbers_must_be_finite(void **state)
{
    (void)state;
    written w;
    const uint32_t nan_bits = 0x7fc00000;
    write_one(&w);
    memcpy(w.data + w.bytes - 8 - 4 * 10, &nan_bits, 4);
    seal(&w);
    refused(w.data, w.bytes, "finite");
    forget(&w);
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    scorer net;
    scorer_about about;
    cosrel_error err = {""};
    assert_int_equal(scorer_read("/tmp/cosrel-no-such-policy", &SHAPE, MEANING, &net, &about, &err),
                     COSREL_NOT_FOUND);
    assert_non_null(strstr(err.text, "/tmp/cosrel-no-such-policy"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),  cmocka_unit_test(every_damage_is_seen),
        cmocka_unit_test(foreign_ones_are_refused), cmocka_unit_test(numbers_must_be_finite),
        cmocka_unit_test(a_missing_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
