#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "profile/cost.h"

static void sizes_are_checked(void **state)
{
    (void)state;
    cost_table t;
    assert_int_equal(cost_init(&t, 1, 1, (const int32_t[]){2}, 1), COSREL_INVALID_ARGUMENT);
    assert_int_equal(cost_init(&t, 1, 1, (const int32_t[]){1, 4, 4}, 3), COSREL_INVALID_ARGUMENT);
    assert_int_equal(cost_init(&t, 1, 0, (const int32_t[]){1}, 1), COSREL_INVALID_ARGUMENT);
    assert_int_equal(cost_init(&t, 1, 1, (const int32_t[]){1}, 0), COSREL_INVALID_ARGUMENT);
    cost_deinit(&t); /* of one that failed */
}

static void cells_are_apart_and_batches_found(void **state)
{
    (void)state;
    cost_table t;
    assert_int_equal(cost_init(&t, 3, 2, (const int32_t[]){1, 2, 8}, 3), COSREL_OK);
    for (int m = 0; m < 3; m++) {
        for (int p = 0; p < 2; p++) {
            for (int b = 0; b < 3; b++) {
                assert_int_equal(cost_at(&t, m, p, b)->service_ns, 0);
                cost_at(&t, m, p, b)->service_ns = 100 * m + 10 * p + b + 1;
            }
        }
    }
    assert_int_equal(cost_at(&t, 2, 1, 2)->service_ns, 213);
    assert_int_equal(cost_at(&t, 0, 1, 0)->service_ns, 11);
    assert_int_equal(cost_batch_index(&t, 1), 0);
    assert_int_equal(cost_batch_index(&t, 2), 1);
    assert_int_equal(cost_batch_index(&t, 7), 1);
    assert_int_equal(cost_batch_index(&t, 100), 2);
    cost_deinit(&t);
}

static void estimates_follow_what_is_seen(void **state)
{
    (void)state;
    cost_table t;
    assert_int_equal(cost_init(&t, 1, 1, (const int32_t[]){1}, 1), COSREL_OK);
    cost_cell *cell = cost_at(&t, 0, 0, 0);
    cost_observe(&t, 0, 0, 0, 1000); /* the first one is the estimate */
    assert_int_equal(cell->service_ns, 1000);
    cost_observe(&t, 0, 0, 0, 2000); /* then 1/4 */
    assert_int_equal(cell->service_ns, 1250);
    for (int i = 0; i < 6; i++)
        cost_observe(&t, 0, 0, 0, cell->service_ns);
    assert_int_equal(cell->samples, 8);
    cost_observe(&t, 0, 0, 0, 1250 + 160); /* then 1/16 */
    assert_int_equal(cell->service_ns, 1260);
    cost_observe(&t, 0, 0, 0, INT64_MAX); /* an outlier counts as 4 x 1260 */
    assert_int_equal(cell->service_ns, 1260 + 3 * 1260 / 16);
    for (int i = 0; i < 300; i++)
        cost_observe(&t, 0, 0, 0, 50000);
    assert_in_range(cell->service_ns, 49000, 50000);
    for (int i = 0; i < 1000; i++)
        cost_observe(&t, 0, 0, 0, -5); /* a clock that went wrong never makes a cell "cannot run" */
    assert_in_range(cell->service_ns, 1, 16);
    cost_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(cells_are_apart_and_batches_found),
        cmocka_unit_test(estimates_follow_what_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
