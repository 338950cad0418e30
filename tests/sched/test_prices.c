/* When prices are out of date, and what they are made from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sched/prices.h"

enum { MODELS = 3, PROCESSORS = 3 };

static const int64_t MS = 1000000;

typedef struct rig {
    cost_table costs;
    sched_core *core;
    prices_clock clock;
} rig;

/* In place: the core points to the costs. Model 2 runs on "c" alone. */
static void start(rig *r, const char *policy)
{
    static const sched_processor processors[PROCESSORS] = {{"a", 1, 0}, {"b", 2, 0}, {"c", 4, 0}};
    static const char *const names[MODELS] = {"x", "y", "z"};
    const sched_setup setup = {.processors = processors,
                               .processor_count = PROCESSORS,
                               .model_max = MODELS,
                               .requests_max = 64,
                               .policy = policy};
    *r = (rig){.core = NULL};
    assert_int_equal(cost_init(&r->costs, MODELS, PROCESSORS, (const int32_t[]){1, 2}, 2),
                     COSREL_OK);
    for (int m = 0; m < MODELS; m++)
        for (int p = 0; p < PROCESSORS; p++)
            for (int b = 0; b < 2 && (m < 2 || p == 2); b++)
                cost_at(&r->costs, m, p, b)->service_ns = (1 + m + p + b) * MS;
    assert_int_equal(sched_core_create(&setup, &r->costs, &r->core, NULL), COSREL_OK);
    for (int m = 0; m < MODELS; m++)
        assert_int_equal(sched_core_add_model(r->core, 0, names[m]), COSREL_OK);
}

static void stop(rig *r)
{
    sched_core_free(r->core);
    cost_deinit(&r->costs);
}

static bool due(rig *r, uint64_t arrivals, int64_t now_ms)
{
    return prices_due(&r->clock, r->core, arrivals, now_ms * MS);
}

/* Makes a processor three times slower, as far as its estimates can tell. */
static void slow_down(rig *r, int processor)
{
    const uint64_t shifts = r->costs.shifts;
    for (int i = 0; i < 20 && r->costs.shifts == shifts; i++)
        cost_observe(&r->costs, i % 2, processor, 0, 3 * (1 + i % 2 + processor) * MS);
    assert_true(r->costs.shifts == shifts + 1);
}

static void by_arrivals(void **state)
{
    (void)state;
    static const uint64_t expected[] = {0, 16, 32, 64, 128, 256, 512, 1024, 1536, 2048};
    rig r;
    size_t count = 0;
    start(&r, "priced");
    for (uint64_t arrivals = 0; arrivals <= 2048; arrivals++)
        if (due(&r, arrivals, 1000))
            assert_true(arrivals == expected[count++]);
    assert_int_equal(count, sizeof expected / sizeof expected[0]);
    stop(&r);
}

static void when_the_device_changes(void **state)
{
    (void)state;
    rig r;
    start(&r, "priced");
    assert_true(due(&r, 0, 0));
    assert_false(due(&r, 1, 1000));
    assert_true(prices_wake_ns(&r.clock, r.core) == SCHED_NEVER);

    slow_down(&r, 0);
    assert_true(prices_wake_ns(&r.clock, r.core) <= 1000 * MS);
    assert_true(due(&r, 1, 1000));
    assert_false(due(&r, 1, 1000));

    /* The next one waits. */
    slow_down(&r, 2);
    assert_false(due(&r, 1, 1001));
    const int64_t wake_ns = prices_wake_ns(&r.clock, r.core);
    assert_true(wake_ns > 1001 * MS && wake_ns <= 1100 * MS);
    assert_false(due(&r, 1, wake_ns / MS - 1));
    assert_true(due(&r, 1, wake_ns / MS));
    assert_true(prices_wake_ns(&r.clock, r.core) == SCHED_NEVER);

    /* Processors that come and go do not wait, and take what waits with them. */
    slow_down(&r, 1);
    assert_false(due(&r, 1, 1060));
    sched_core_processor_down(r.core, 1061 * MS, 1);
    assert_true(prices_wake_ns(&r.clock, r.core) <= 1061 * MS);
    assert_true(due(&r, 1, 1061));
    assert_false(due(&r, 1, 1200));
    sched_core_processor_up(r.core, 1201 * MS, 1);
    assert_true(due(&r, 1, 1201));
    sched_core_processor_remove(r.core, 3000 * MS, 1);
    assert_true(due(&r, 1, 3000));
    /* Gone and back before anybody looked. */
    sched_core_processor_down(r.core, 4000 * MS, 0);
    sched_core_processor_up(r.core, 4000 * MS, 0);
    assert_false(due(&r, 1, 4000));
    stop(&r);
}

/* However often speeds change, at most 20 times a second. */
static void not_too_often(void **state)
{
    (void)state;
    rig r;
    int count = 0;
    start(&r, "priced");
    for (int ms = 0; ms < 10000; ms++) {
        r.costs.shifts++;
        count += due(&r, 1, ms);
    }
    assert_in_range(count, 150, 201);
    stop(&r);
}

static void only_while_somebody_looks(void **state)
{
    (void)state;
    rig r;
    start(&r, "min-min");
    slow_down(&r, 0);
    for (uint64_t arrivals = 0; arrivals < 1000; arrivals++)
        assert_false(due(&r, arrivals, 1000 * (int64_t)arrivals));
    assert_true(prices_wake_ns(&r.clock, r.core) == SCHED_NEVER);
    assert_int_equal(sched_core_set_policy(r.core, 0, "priced", NULL), COSREL_OK);
    assert_true(due(&r, 1000, 2000000));
    assert_false(due(&r, 1000, 2001000));
    stop(&r);
}

static void what_is_down_does_not_count(void **state)
{
    (void)state;
    rig r;
    price_problem problem;
    start(&r, "priced");
    slow_down(&r, 0);
    assert_int_equal(prices_look(r.core, &problem), COSREL_OK);
    for (int i = 0; i < MODELS * PROCESSORS * 2; i++)
        assert_int_equal(problem.costs.cells[i].service_ns, r.costs.cells[i].service_ns);
    for (int m = 0; m < MODELS; m++)
        assert_true(problem.mix[m] > 0);
    prices_free(&problem);

    sched_core_processor_down(r.core, MS, 2);
    assert_int_equal(prices_look(r.core, &problem), COSREL_OK);
    for (int m = 0; m < MODELS; m++) {
        for (int p = 0; p < PROCESSORS; p++)
            for (int b = 0; b < 2; b++)
                assert_int_equal(cost_at(&problem.costs, m, p, b)->service_ns,
                                 p == 2 ? 0 : cost_at(&r.costs, m, p, b)->service_ns);
        assert_true((problem.mix[m] > 0) == (m < 2));
    }
    prices_free(&problem);
    assert_true(cost_at(&r.costs, 2, 2, 0)->service_ns > 0);
    stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_arrivals),
        cmocka_unit_test(when_the_device_changes),
        cmocka_unit_test(not_too_often),
        cmocka_unit_test(only_while_somebody_looks),
        cmocka_unit_test(what_is_down_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
