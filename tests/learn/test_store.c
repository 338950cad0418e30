/* Versions in a folder: the newest good one, and none that is damaged or foreign. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "learn/store.h"
#include "sched/learned.h"

static char folder[64];
static char warned[1024];

static void keep_warning(void *user, cosrel_log_level level, const char *message)
{
    (void)user;
    if (level == COSREL_LOG_WARNING)
        snprintf(warned, sizeof warned, "%s", message);
}

static int enter(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/cosrel-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int leave(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void path_of(unsigned version, char path[128])
{
    snprintf(path, 128, "%s/policy-%06u.cosrelp", folder, version);
}

static bool is_there(unsigned version)
{
    char path[128];
    path_of(version, path);
    return access(path, R_OK) == 0;
}

static void write_version(unsigned version)
{
    scorer net;
    cosrel_error err = {.text = ""};
    const scorer_shape shape = observe_shape(8, 4);
    assert_int_equal(scorer_init(&net, &shape), COSREL_OK);
    scorer_randomise(&net, version);
    if (store_write(folder, version, &net, "a test", &err) != COSREL_OK)
        fail_msg("%s", err.text);
    scorer_deinit(&net);
}

static cosrel_status newest(uint64_t *version, uint64_t *highest)
{
    scorer net = {.parameters = NULL};
    logger log;
    cosrel_error err;
    logger_init(&log, COSREL_LOG_WARNING, keep_warning, NULL);
    warned[0] = '\0';
    *version = 0;
    const cosrel_status status = store_newest(folder, &log, &net, version, highest, &err);
    scorer_deinit(&net);
    return status;
}

static void damage(unsigned version, long at)
{
    char path[128];
    path_of(version, path);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, at, SEEK_SET);
    const int byte = fgetc(f);
    fseek(f, at, SEEK_SET);
    fputc(byte ^ 0x10, f);
    assert_int_equal(fclose(f), 0);
}

static void test_versions(void **state)
{
    (void)state;
    uint64_t version, highest;
    assert_int_equal(newest(&version, &highest), COSREL_NOT_FOUND);
    assert_int_equal(highest, 0);
    for (unsigned v = 1; v <= 10; v++)
        write_version(v);
    for (unsigned v = 1; v <= 10; v++)
        assert_int_equal(is_there(v), v > 10 - STORE_KEPT);
    assert_int_equal(newest(&version, &highest), COSREL_OK);
    assert_int_equal(version, 10);
    assert_string_equal(warned, "");
    damage(10, 300);
    assert_int_equal(newest(&version, &highest), COSREL_OK);
    assert_int_equal(version, 9);
    assert_int_equal(highest, 10);
    assert_non_null(strstr(warned, "policy-000010.cosrelp"));
    store_remove(folder, 9);
    assert_int_equal(newest(&version, &highest), COSREL_OK);
    assert_int_equal(version, 8);
}

static void test_foreign_files(void **state)
{
    (void)state;
    char path[128], other[128];
    uint64_t version, highest;
    write_version(3);
    write_version(4);
    /* One that was copied to another number, and names that are none. */
    path_of(4, path);
    path_of(5, other);
    assert_int_equal(rename(path, other), 0);
    static const char *const names[] = {"policy-7.cosrelp",
                                        "policy-.cosrelp",
                                        "policy-000008.txt",
                                        "policy--00009.cosrelp",
                                        "x",
                                        "policy-000000.cosrelp"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%.64s/%s", folder, names[i]);
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fclose(f), 0);
    }
    assert_int_equal(newest(&version, &highest), COSREL_OK);
    assert_int_equal(version, 3);
    assert_int_equal(highest, 5);
    assert_non_null(strstr(warned, "policy-000005.cosrelp: holds version 4, expected 5"));
    damage(3, 0);
    assert_int_equal(newest(&version, &highest), COSREL_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_versions, enter, leave),
        cmocka_unit_test_setup_teardown(test_foreign_files, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
