/* How much earlier than the client's deadline a run has to be over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/reserve.h"

#define MS  INT64_C(1000000)
#define NOW (1000000 * MS)

static void nothing_is_kept_while_answers_are_in_time(void **state)
{
    (void)state;
    reserve r = {.kept_ns = 0};
    assert_int_equal(reserve_deadline_ns(&r, NOW, 30 * MS), 30 * MS);
    assert_int_equal(reserve_deadline_ns(&r, NOW, 0), 0);
    reserve_learn(&r, NOW, -5 * MS);
    reserve_learn(&r, NOW, 0);
    assert_int_equal(reserve_deadline_ns(&r, NOW, 30 * MS), 30 * MS);
    assert_int_equal(reserve_deadline_ns(&r, NOW, INT64_MAX), INT64_MAX);
}

static void the_latest_answer_counts(void **state)
{
    (void)state;
    reserve r = {.kept_ns = 0};
    reserve_learn(&r, NOW, 2 * MS);
    assert_int_equal(reserve_deadline_ns(&r, NOW, 30 * MS), 28 * MS);
    reserve_learn(&r, NOW + 1, 4 * MS);
    assert_int_equal(reserve_deadline_ns(&r, NOW + 1, 30 * MS), 26 * MS);
    /* Those after it that were less late, or not at all, do not take its place. */
    reserve_learn(&r, NOW + 1, 3 * MS);
    reserve_learn(&r, NOW + 1, -9 * MS);
    assert_int_equal(reserve_deadline_ns(&r, NOW + 1, 30 * MS), 26 * MS);
    assert_int_equal(reserve_deadline_ns(&r, NOW + 1, 0), 0);
}

static void it_goes_with_time(void **state)
{
    (void)state;
    reserve r = {.kept_ns = 0};
    reserve_learn(&r, NOW, 8 * MS);
    assert_int_equal(reserve_deadline_ns(&r, NOW + 2000 * MS, 30 * MS), 26 * MS);
    assert_int_equal(reserve_deadline_ns(&r, NOW + 4000 * MS, 30 * MS), 28 * MS);
    /* By then 3 ms are more than what is left of it. */
    reserve_learn(&r, NOW + 4000 * MS, 3 * MS);
    assert_int_equal(reserve_deadline_ns(&r, NOW + 4000 * MS, 30 * MS), 27 * MS);
    assert_int_equal(reserve_deadline_ns(&r, NOW + 100000000 * MS, 30 * MS), 30 * MS);
}

/* Others' late answers must not shut out a request with a short deadline. */
static void half_of_a_deadline_always_stays(void **state)
{
    (void)state;
    reserve r = {.kept_ns = 0};
    reserve_learn(&r, NOW, 1000 * MS);
    assert_int_equal(reserve_deadline_ns(&r, NOW, 30 * MS), 15 * MS);
    assert_int_equal(reserve_deadline_ns(&r, NOW, 1), 1);
    assert_int_equal(reserve_deadline_ns(&r, NOW, 10000 * MS), 9000 * MS);
    reserve_learn(&r, NOW, INT64_MAX);
    assert_int_equal(reserve_deadline_ns(&r, NOW, 30 * MS), 15 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_kept_while_answers_are_in_time),
        cmocka_unit_test(the_latest_answer_counts),
        cmocka_unit_test(it_goes_with_time),
        cmocka_unit_test(half_of_a_deadline_always_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
