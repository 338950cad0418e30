/* Batches found while serving, against processors whose true times are known to the test alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "profile/batches.h"

#define MS     INT64_C(1000000)
#define MINUTE (60000 * MS)

static const int32_t sizes[] = {1, 2, 4, 8, 16};
enum { SIZES = 5 };

typedef struct rig {
    cost_table t;
    const double *each_ms; /* true time per request at each size */
    int64_t now_ns;
    rng random;
    uint64_t runs[SIZES];
} rig;

static rig make(const double *each_ms)
{
    rig r = {.each_ms = each_ms};
    assert_int_equal(cost_init(&r.t, 1, 1, sizes, SIZES), COSREL_OK);
    r.t.model_count = 1;
    *cost_at(&r.t, 0, 0, 0) = (cost_cell){.service_ns = (int64_t)(each_ms[0] * 1e6), .samples = 3};
    rng_init(&r.random, 7);
    return r;
}

/* What a scheduler would run: the open batch with the least time per request among those that wait.
 */
static int choose(const rig *r, uint32_t waiting)
{
    int best = 0;
    for (int b = 1; b < SIZES; b++) {
        const int64_t ns = cost_at(&r->t, 0, 0, b)->service_ns;
        if (ns > 0 && (uint32_t)sizes[b] <= waiting &&
            (double)ns / sizes[b] < (double)cost_at(&r->t, 0, 0, best)->service_ns / sizes[best])
            best = b;
    }
    return best;
}

static void run(rig *r, uint32_t waiting, double noise)
{
    const int b = choose(r, waiting);
    const double ms = r->each_ms[b] * sizes[b] * (1 + noise * (2 * rng_unit(&r->random) - 1));
    r->now_ns += (int64_t)(ms * 1e6);
    r->runs[b]++;
    batches_observe(&r->t, 0, 0, b, (int64_t)(ms * 1e6), r->now_ns);
    batches_try_next(&r->t, 0, 0, b, waiting, 64, r->now_ns);
}

static void forget_runs(rig *r)
{
    for (int b = 0; b < SIZES; b++)
        r->runs[b] = 0;
}

static void grows_as_long_as_it_pays(void **state)
{
    (void)state;
    static const double each[SIZES] = {10, 7, 5, 4, 4.5};
    rig r = make(each);
    for (int i = 0; i < 200; i++)
        run(&r, 40, 0.02);
    assert_true(r.runs[3] > 180); /* eight at a time */
    assert_true(r.runs[4] > 0 && r.runs[4] < 5);
    assert_int_equal(cost_at(&r.t, 0, 0, 4)->service_ns, 0);
    cost_deinit(&r.t);
}

static void a_batch_that_hurts_is_left_alone(void **state)
{
    (void)state;
    static const double each[SIZES] = {10, 30, 30, 30, 30};
    rig r = make(each);
    while (r.now_ns < 4 * MINUTE)
        run(&r, 40, 0.05);
    assert_int_equal(r.runs[1], 2);
    assert_int_equal(r.runs[2] + r.runs[3] + r.runs[4], 0);
    while (r.now_ns < 14 * MINUTE) /* now and then it is asked again */
        run(&r, 40, 0.05);
    assert_in_range(r.runs[1], 4, 6);
    cost_deinit(&r.t);
}

static void nothing_is_tried_that_does_not_wait(void **state)
{
    (void)state;
    static const double each[SIZES] = {10, 5, 2.5, 1.25, 0.625};
    rig r = make(each);
    for (int i = 0; i < 100; i++)
        run(&r, 1, 0.02);
    assert_int_equal(r.runs[0], 100);
    for (int i = 0; i < 100; i++)
        run(&r, 3, 0.02);
    assert_true(r.runs[1] > 90);
    assert_int_equal(cost_at(&r.t, 0, 0, 2)->service_ns, 0);
    cost_deinit(&r.t);
}

/* Another program takes the memory bus: what paid no longer does. */
static void shrinks_when_it_pays_no_more(void **state)
{
    (void)state;
    static const double good[SIZES] = {10, 7, 5, 4, 4.5}, bad[SIZES] = {10, 14, 15, 16, 17};
    rig r = make(good);
    for (int i = 0; i < 100; i++)
        run(&r, 40, 0.02);
    assert_true(r.runs[3] > 80);
    r.each_ms = bad;
    for (int i = 0; i < 4000; i++)
        run(&r, 1 + (uint32_t)rng_below(&r.random, 40), 0.02);
    forget_runs(&r);
    for (int i = 0; i < 100; i++)
        run(&r, 1 + (uint32_t)rng_below(&r.random, 40), 0.02);
    assert_true(r.runs[0] > 90);
    cost_deinit(&r.t);
}

static void one_slow_run_is_no_verdict(void **state)
{
    (void)state;
    static const double each[SIZES] = {10, 6, 6.5, 7, 7};
    rig r = make(each);
    assert_true(batches_try_next(&r.t, 0, 0, 0, 2, 64, 0));
    assert_false(batches_observe(&r.t, 0, 0, 1, 100 * MS, 0));
    assert_true(cost_at(&r.t, 0, 0, 1)->service_ns < 20 * MS);
    assert_false(batches_observe(&r.t, 0, 0, 1, 12 * MS, 0));
    assert_int_equal(cost_at(&r.t, 0, 0, 1)->service_ns, 12 * MS);
    assert_false(cost_at(&r.t, 0, 0, 1)->trial);
    cost_deinit(&r.t);
}

static void a_profile_has_the_last_word(void **state)
{
    (void)state;
    static const double each[SIZES] = {10, 1, 1, 1, 1};
    rig r = make(each);
    cost_cell *cells = cost_at(&r.t, 0, 0, 0);
    cells[1].service_ns = 25 * MS; /* measured: it hurts */
    batches_close_lost(&r.t, cells, false);
    for (int b = 2; b < SIZES; b++)
        assert_false(batches_try_next(&r.t, 0, 0, b - 1, 64, 64, 1000 * MINUTE));
    /* A profile that ends while it still pays says nothing about what lies beyond. */
    cells[1].service_ns = 15 * MS;
    for (int b = 2; b < SIZES; b++)
        cells[b] = (cost_cell){.service_ns = 0};
    batches_close_lost(&r.t, cells, false);
    assert_true(batches_try_next(&r.t, 0, 0, 1, 64, 64, 0));
    cells[2] = (cost_cell){.service_ns = 0};
    batches_close_lost(&r.t, cells, true);
    assert_false(batches_try_next(&r.t, 0, 0, 1, 64, 64, 1000 * MINUTE));
    cost_deinit(&r.t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_as_long_as_it_pays),
        cmocka_unit_test(a_batch_that_hurts_is_left_alone),
        cmocka_unit_test(nothing_is_tried_that_does_not_wait),
        cmocka_unit_test(shrinks_when_it_pays_no_more),
        cmocka_unit_test(one_slow_run_is_no_verdict),
        cmocka_unit_test(a_profile_has_the_last_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
