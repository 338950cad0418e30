/* Which processors a machine has, from copies of the kernel's files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "device/device.h"

static void put(const char *root, const char *file, const char *text)
{
    char path[512];
    cosrel_error err;
    snprintf(path, sizeof path, "%s/%s", root, file);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(file_make_folder(path, &err), COSREL_OK);
    *slash = '/';
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%s\n", text);
    fclose(f);
}

/* A machine: per CPU its siblings ("0,4") and capacity (0: the kernel says nothing). */
static void make_machine(char *root, int cpus, const char *const *siblings, const int *capacities)
{
    char file[128];
    char text[32];
    assert_non_null(mkdtemp(root));
    snprintf(text, sizeof text, "0-%d", cpus - 1);
    put(root, "sys/devices/system/cpu/online", text);
    put(root, "proc/cpuinfo", "processor\t: 0\nmodel name\t: Test CPU 3000");
    for (int i = 0; i < cpus; i++) {
        snprintf(file, sizeof file, "sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
                 i);
        put(root, file, siblings ? siblings[i] : (snprintf(text, sizeof text, "%d", i), text));
        if (!capacities || capacities[i] == 0)
            continue;
        snprintf(file, sizeof file, "sys/devices/system/cpu/cpu%d/cpu_capacity", i);
        snprintf(text, sizeof text, "%d", capacities[i]);
        put(root, file, text);
    }
}

static void remove_machine(const char *root)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    assert_int_equal(system(command), 0);
}

static void names_of(const device_list *list, char *text, size_t text_bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < list->count; i++)
        used += (size_t)snprintf(text + used, text_bytes - used, "%s%s", i ? " " : "",
                                 list->specs[i].name);
}

static const device_spec *named(const device_list *list, const char *name)
{
    for (int i = 0; i < list->count; i++) {
        if (strcmp(list->specs[i].name, name) == 0)
            return &list->specs[i];
    }
    fail_msg("no processor %s", name);
    return NULL;
}

static device_list *discover(const char *root)
{
    device_list *list = calloc(1, sizeof *list);
    cosrel_error err;
    assert_non_null(list);
    assert_int_equal(device_discover_cpus(root, list, &err), COSREL_OK);
    return list;
}

static void test_two_cores(void **state)
{
    (void)state;
    char root[] = "/tmp/cosrel-test-XXXXXX";
    char names[256];
    make_machine(root, 2, NULL, NULL);
    device_list *list = discover(root);
    names_of(list, names, sizeof names);
    assert_string_equal(names, "cpu0 cpu0-1 cpu1");
    assert_int_equal(named(list, "cpu0-1")->units,
                     named(list, "cpu0")->units | named(list, "cpu1")->units);
    assert_int_equal(named(list, "cpu0")->units & named(list, "cpu1")->units, 0);
    assert_true(named(list, "cpu0")->background);
    assert_false(named(list, "cpu0-1")->background);
    assert_string_equal(named(list, "cpu0-1")->description, "2 cores of Test CPU 3000");
    free(list);
    remove_machine(root);
}

static void test_big_little(void **state)
{
    (void)state;
    char root[] = "/tmp/cosrel-test-XXXXXX";
    char names[256];
    const int capacities[] = {400, 400, 400, 400, 1024, 1024, 800, 800};
    make_machine(root, 8, NULL, capacities);
    device_list *list = discover(root);
    names_of(list, names, sizeof names);
    assert_string_equal(names,
                        "cpu0 cpu0-3 cpu0-7 cpu1 cpu2 cpu3 cpu4 cpu4-5 cpu5 cpu6 cpu6-7 cpu7");
    assert_int_equal(named(list, "cpu0-3")->core_count, 4);
    free(list);
    remove_machine(root);
}

static void test_hardware_threads_count_once(void **state)
{
    (void)state;
    char root[] = "/tmp/cosrel-test-XXXXXX";
    char names[256];
    const char *const siblings[] = {"0,2", "1,3", "0,2", "1,3"};
    make_machine(root, 4, siblings, NULL);
    device_list *list = discover(root);
    names_of(list, names, sizeof names);
    assert_string_equal(names, "cpu0 cpu0-1 cpu1");
    free(list);
    remove_machine(root);
}

static void test_scattered_cluster(void **state)
{
    (void)state;
    char root[] = "/tmp/cosrel-test-XXXXXX";
    const int capacities[] = {1024, 400, 400, 1024, 1024, 400};
    make_machine(root, 6, NULL, capacities);
    device_list *list = discover(root);
    assert_int_equal(named(list, "cpu0+3-4")->core_count, 3);
    assert_int_equal(named(list, "cpu1-2+5")->cores[2], 5);
    free(list);
    remove_machine(root);
}

static void test_one_core_is_no_set(void **state)
{
    (void)state;
    char root[] = "/tmp/cosrel-test-XXXXXX";
    char names[64];
    make_machine(root, 1, NULL, NULL);
    device_list *list = discover(root);
    names_of(list, names, sizeof names);
    assert_string_equal(names, "cpu0");
    free(list);
    remove_machine(root);
}

static void test_empty_machine_is_an_error(void **state)
{
    (void)state;
    char root[] = "/tmp/cosrel-test-XXXXXX";
    device_list *list = calloc(1, sizeof *list);
    cosrel_error err;
    assert_non_null(list);
    assert_non_null(mkdtemp(root));
    assert_int_equal(device_discover_cpus(root, list, &err), COSREL_UNAVAILABLE);
    assert_non_null(strstr(err.text, root));
    free(list);
    remove_machine(root);
}

static void test_select_and_add(void **state)
{
    (void)state;
    char root[] = "/tmp/cosrel-test-XXXXXX";
    char names[256];
    cosrel_error err;
    make_machine(root, 2, NULL, NULL);
    device_list *list = discover(root);
    device_spec npu = {.kind = DEVICE_EMULATED, .name = "npu"};
    assert_int_equal(device_add(list, &npu, &err), COSREL_OK);
    assert_int_equal(device_add(list, &npu, &err), COSREL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "'npu' is there twice"));
    device_spec on_core = {.kind = DEVICE_PROVIDER, .name = "vino", .cores = {1}, .core_count = 1};
    assert_int_equal(device_add(list, &on_core, &err), COSREL_OK);
    assert_int_equal(named(list, "vino")->units, named(list, "cpu1")->units);
    assert_int_equal(named(list, "npu")->units & (named(list, "cpu0-1")->units), 0);
    device_spec twin = {.kind = DEVICE_EMULATED, .name = "cpu9.bg"};
    assert_int_equal(device_add(list, &twin, &err), COSREL_INVALID_ARGUMENT);
    device_sort(list);
    assert_int_equal(device_select(list, "npu,cpu1", &err), COSREL_OK);
    names_of(list, names, sizeof names);
    assert_string_equal(names, "cpu1 npu");
    assert_int_equal(device_select(list, "gpu0", &err), COSREL_NOT_FOUND);
    assert_string_equal(err.text, "processor 'gpu0' is not on this machine; there are: cpu1, npu");
    free(list);
    remove_machine(root);
}

static void test_one_call_at_a_time(void **state)
{
    (void)state;
    char root[] = "/tmp/cosrel-test-XXXXXX";
    cosrel_error err;
    make_machine(root, 2, NULL, NULL);
    device_list *list = discover(root);
    static const device_spec others[] = {
        {.kind = DEVICE_GPU, .name = "gpu0", .provider = "WebGPU"},
        {.kind = DEVICE_PROVIDER, .name = "npu", .provider = "QNN"},
        {.kind = DEVICE_PROVIDER, .name = "again", .provider = "WebGPU"}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(device_add(list, &others[i], &err), COSREL_OK);
    assert_true(named(list, "gpu0")->one_call && named(list, "again")->one_call);
    assert_false(named(list, "npu")->one_call || named(list, "cpu0")->one_call);
    assert_int_equal(named(list, "gpu0")->units, named(list, "again")->units);
    assert_int_equal(named(list, "gpu0")->units & named(list, "npu")->units, 0);
    free(list);
    remove_machine(root);
}

static void test_this_machine(void **state)
{
    (void)state;
    device_list *list = calloc(1, sizeof *list);
    cosrel_error err;
    assert_non_null(list);
    assert_int_equal(device_discover(false, list, &err), COSREL_OK);
    assert_true(list->count >= 1);
    for (int i = 0; i < list->count; i++)
        assert_false(list->specs[i].software);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_cores),
        cmocka_unit_test(test_big_little),
        cmocka_unit_test(test_hardware_threads_count_once),
        cmocka_unit_test(test_scattered_cluster),
        cmocka_unit_test(test_one_core_is_no_set),
        cmocka_unit_test(test_empty_machine_is_an_error),
        cmocka_unit_test(test_select_and_add),
        cmocka_unit_test(test_one_call_at_a_time),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
