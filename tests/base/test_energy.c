/* The energy meter on counters that this test writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/energy.h"
#include "base/file.h"

static int open_folder(void **state)
{
    char *folder = strdup("/tmp/cosrel-energy-XXXXXX");
    *state = folder;
    return folder && mkdtemp(folder) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static int close_folder(void **state)
{
    const int result = nftw(*state, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return result;
}

static void put(const char *root, int domain, const char *file, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/sys/class/powercap/intel-rapl:%d", root, domain);
    assert_int_equal(file_make_folder(path, NULL), COSREL_OK);
    snprintf(path, sizeof path, "%s/sys/class/powercap/intel-rapl:%d/%s", root, domain, file);
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    fputs(text, stream);
    assert_int_equal(fclose(stream), 0);
}

static void test_no_sensor(void **state)
{
    energy_meter meter;
    energy_meter_open(&meter, *state);
    assert_int_equal(meter.domain_count, 0);
    assert_true(energy_meter_read_j(&meter) < 0);
}

static void test_packages(void **state)
{
    energy_meter meter;
    put(*state, 0, "name", "package-0\n");
    put(*state, 0, "max_energy_range_uj", "10000000\n");
    put(*state, 0, "energy_uj", "9000000\n");
    put(*state, 1, "name", "psys\n"); /* holds the packages: would count them twice */
    put(*state, 1, "energy_uj", "5\n");
    put(*state, 3, "name", "package-1\n");
    put(*state, 3, "energy_uj", "100\n");
    energy_meter_open(&meter, *state);
    assert_int_equal(meter.domain_count, 2);
    assert_true(energy_meter_read_j(&meter) == 0.0);
    put(*state, 0, "energy_uj", "9500000\n");
    put(*state, 1, "energy_uj", "999999999\n");
    put(*state, 3, "energy_uj", "1500100\n");
    assert_true(fabs(energy_meter_read_j(&meter) - 2.0) < 1e-9);
    put(*state, 0, "energy_uj", "250000\n"); /* went round */
    assert_true(fabs(energy_meter_read_j(&meter) - 2.75) < 1e-9);
    put(*state, 3, "energy_uj", "7\n"); /* went round, but nobody said where: not counted */
    put(*state, 0, "energy_uj", "no number\n");
    assert_true(fabs(energy_meter_read_j(&meter) - 2.75) < 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_sensor, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_packages, open_folder, close_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
