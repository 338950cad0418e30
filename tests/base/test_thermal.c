/* The thermal meter on zones that this test writes. */
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

#include "base/file.h"
#include "base/thermal.h"

static int open_folder(void **state)
{
    char *folder = strdup("/tmp/cosrel-thermal-XXXXXX");
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

static void put(const char *root, int zone, const char *file, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/sys/class/thermal/thermal_zone%d", root, zone);
    assert_int_equal(file_make_folder(path, NULL), COSREL_OK);
    snprintf(path, sizeof path, "%s/sys/class/thermal/thermal_zone%d/%s", root, zone, file);
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    fputs(text, stream);
    assert_int_equal(fclose(stream), 0);
}

static void put_trip(const char *root, int zone, int trip, const char *type, const char *temp)
{
    char file[32];
    snprintf(file, sizeof file, "trip_point_%d_type", trip);
    put(root, zone, file, type);
    snprintf(file, sizeof file, "trip_point_%d_temp", trip);
    put(root, zone, file, temp);
}

static void expect(const thermal_meter *meter, double heat)
{
    const double value = thermal_meter_read(meter);
    if (!(fabs(value - heat) < 1e-9))
        fail_msg("%.17g, expected %.17g", value, heat);
}

static void test_no_zones(void **state)
{
    thermal_meter meter;
    thermal_meter_open(&meter, *state);
    assert_int_equal(meter.zone_count, 0);
    expect(&meter, 0);
}

static void test_zones(void **state)
{
    thermal_meter meter;
    put(*state, 0, "temp", "30000\n");
    put_trip(*state, 0, 0, "active\n", "45000\n"); /* a fan */
    put_trip(*state, 0, 1, "passive\n", "95000\n");
    put_trip(*state, 0, 2, "passive\n", "80000\n");
    put_trip(*state, 0, 3, "critical\n", "105000\n");
    put(*state, 1, "temp", "99000\n"); /* does not say where it throttles */
    put(*state, 2, "temp", "60000\n");
    put_trip(*state, 2, 0, "passive\n", "0\n"); /* means nothing */
    put_trip(*state, 2, 1, "hot\n", "120000\n");
    put_trip(*state, 2, 2, "critical\n", "110000\n");
    put_trip(*state, 3, 0, "passive\n", "80000\n"); /* has no sensor */
    put(*state, 7, "temp", "20000\n");              /* not without a gap */
    put_trip(*state, 7, 0, "passive\n", "50000\n");
    thermal_meter_open(&meter, *state);
    assert_int_equal(meter.zone_count, 3);
    expect(&meter, 20. / 60);
    put(*state, 0, "temp", "70000\n");
    expect(&meter, 0.75);
    put(*state, 7, "temp", "49000\n");
    expect(&meter, 0.9);
    put(*state, 7, "temp", "51000\n");
    expect(&meter, 1);
    put(*state, 7, "temp", "no number\n");
    expect(&meter, 0.75);
    put(*state, 0, "temp", "-5000\n");
    put(*state, 2, "temp", "");
    expect(&meter, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_zones, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_zones, open_folder, close_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
