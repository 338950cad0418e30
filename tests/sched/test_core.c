#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "sched/core_state.h"
#include "sched/policy.h"
#include "world.h"

static const sched_processor two[] = {{.name = "cpu0", .units = 1}, {.name = "cpu1", .units = 2}};
static const sched_processor sets[] = {
    {.name = "cpu0", .units = 1}, {.name = "cpu0-1", .units = 3}, {.name = "cpu1", .units = 2}};
static const sched_processor levels[] = {{.name = "cpu0", .units = 1},
                                         {.name = "cpu0.bg", .units = 1, .level = 1}};

static sched_setup setup_of(const sched_processor *processors, int count, const char *policy)
{
    return (sched_setup){.processors = processors,
                         .processor_count = count,
                         .model_max = 4,
                         .requests_max = 64,
                         .policy = policy};
}

typedef struct bench {
    cost_table costs;
    sched_core *core;
} bench;

static void bench_init(bench *b, sched_setup setup, int models, const double *ms)
{
    world_costs(&b->costs, models, setup.processor_count, ms);
    setup.model_max = models;
    cosrel_error err;
    if (sched_core_create(&setup, &b->costs, &b->core, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    for (int m = 0; m < models; m++)
        assert_int_equal(sched_core_add_model(b->core, 0, "m"), COSREL_OK);
}

static void bench_deinit(bench *b)
{
    sched_core_free(b->core);
    cost_deinit(&b->costs);
}

static sched_id arrive(bench *b, int64_t t_ns, int model, int priority, int64_t deadline_ns,
                       uint64_t tag)
{
    const sched_arrival a = {
        .model = model, .priority = priority, .deadline_ns = deadline_ns, .tag = tag};
    sched_id id = 0;
    assert_int_equal(sched_core_arrive(b->core, t_ns, &a, &id), COSREL_OK);
    assert_int_not_equal(id, 0);
    return id;
}

/* The next action must start `tag` on `processor`. */
static void expect_start(bench *b, int64_t t_ns, int processor, uint64_t tag)
{
    sched_action action;
    assert_true(sched_core_next(b->core, t_ns, &action));
    assert_int_equal(action.type, SCHED_DISPATCH);
    assert_int_equal(action.processor, processor);
    assert_int_equal(action.tags[0], tag);
    sched_core_check(b->core);
}

static void expect_drop(bench *b, int64_t t_ns, sched_drop_reason reason, uint64_t tag)
{
    sched_action action;
    assert_true(sched_core_next(b->core, t_ns, &action));
    assert_int_equal(action.type, SCHED_DROP);
    assert_int_equal(action.reason, reason);
    assert_int_equal(action.tags[0], tag);
}

static void expect_nothing(bench *b, int64_t t_ns)
{
    sched_action action;
    assert_false(sched_core_next(b->core, t_ns, &action));
    sched_core_check(b->core);
}

static void bad_setups_are_named(void **state)
{
    (void)state;
    const struct {
        const char *policy, *says;
    } cases[] = {{"min-mim", "did you mean 'min-min'"},
                 {"", "is unknown"},
                 {NULL, "is unknown"},
                 {"single", "needs the name of a processor"},
                 {"single:gpu7", "there is no 'gpu7'"},
                 {"min-min:x", "takes nothing after its name"},
                 {"heft:", "takes nothing after its name"}};
    cost_table costs;
    world_costs(&costs, 1, 2, (const double[]){1, 1});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const sched_setup s = setup_of(two, 2, cases[i].policy);
        sched_setup setup = s;
        setup.model_max = 1;
        sched_core *core;
        cosrel_error err = {""};
        assert_int_equal(sched_core_create(&setup, &costs, &core, &err), COSREL_INVALID_ARGUMENT);
        assert_null(core);
        assert_non_null(strstr(err.text, cases[i].says));
    }
    const sched_processor unsorted[] = {{.name = "b", .units = 1}, {.name = "a", .units = 2}};
    const sched_processor empty[] = {{.name = "a", .units = 0}, {.name = "b", .units = 2}};
    const sched_processor *const wrong[] = {unsorted, empty};
    for (int i = 0; i < 2; i++) {
        sched_setup setup = setup_of(wrong[i], 2, "min-min");
        setup.model_max = 1;
        sched_core *core;
        cosrel_error err;
        assert_int_equal(sched_core_create(&setup, &costs, &core, &err), COSREL_INVALID_ARGUMENT);
    }
    cost_deinit(&costs);
    sched_core_free(NULL);
}

static void a_wrong_policy_leaves_the_old_one(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, setup_of(two, 2, "heft"), 1, (const double[]){1, 1});
    assert_int_equal(sched_core_set_policy(b.core, 0, "single:none", NULL),
                     COSREL_INVALID_ARGUMENT);
    assert_string_equal(sched_core_policy(b.core), "heft");
    arrive(&b, 0, 0, 0, SCHED_NEVER, 5);
    assert_int_equal(sched_core_set_policy(b.core, 0, "single:cpu1", NULL), COSREL_OK);
    assert_string_equal(sched_core_policy(b.core), "single:cpu1");
    expect_start(&b, 0, 1, 5);
    bench_deinit(&b);
}

static void queues_have_limits(void **state)
{
    (void)state;
    bench b;
    sched_setup setup = setup_of(two, 2, "min-min");
    setup.requests_max = 4;
    setup.queue_len_max = 2;
    bench_init(&b, setup, 2, (const double[]){1, 1, 1, 0});
    const sched_arrival a = {.model = 0, .deadline_ns = SCHED_NEVER};
    const sched_arrival other = {.model = 1, .deadline_ns = SCHED_NEVER};
    sched_id id;
    assert_int_equal(sched_core_arrive(b.core, 0, &a, &id), COSREL_OK);
    assert_int_equal(sched_core_arrive(b.core, 0, &a, &id), COSREL_OK);
    assert_int_equal(sched_core_arrive(b.core, 0, &a, &id), COSREL_QUEUE_FULL);
    assert_int_equal(sched_core_arrive(b.core, 0, &other, &id), COSREL_OK);
    assert_int_equal(sched_core_arrive(b.core, 0, &other, &id), COSREL_OK);
    sched_action action;
    assert_true(sched_core_next(b.core, 0, &action));
    assert_int_equal(sched_core_arrive(b.core, 0, &a, &id), COSREL_QUEUE_FULL);
    assert_int_equal(sched_core_arrive(b.core, 0, &(sched_arrival){.model = 2}, &id),
                     COSREL_INVALID_ARGUMENT);
    assert_int_equal(sched_core_add_model(b.core, 0, "third"), COSREL_QUEUE_FULL);
    sched_core_check(b.core);
    bench_deinit(&b);
}

static void stale_ids_are_known(void **state)
{
    (void)state;
    bench b;
    sched_setup setup = setup_of(two, 2, "single:cpu0");
    setup.requests_max = 1;
    bench_init(&b, setup, 1, (const double[]){1, 1});
    const sched_id first = arrive(&b, 0, 0, 0, SCHED_NEVER, 1);
    assert_true(sched_core_cancel(b.core, 0, first));
    assert_false(sched_core_cancel(b.core, 0, first));
    assert_true(sched_core_idle(b.core));
    const sched_id second = arrive(&b, 0, 0, 0, SCHED_NEVER, 2);
    assert_int_not_equal(first, second);
    assert_false(sched_core_cancel(b.core, 0, first));
    expect_start(&b, 0, 0, 2);
    assert_false(sched_core_cancel(b.core, 0, second));
    sched_core_complete(b.core, MS, 0, true);
    assert_false(sched_core_cancel(b.core, MS, second));
    assert_false(sched_core_cancel(b.core, MS, 0));
    assert_false(sched_core_cancel(b.core, MS, UINT64_MAX));
    assert_true(sched_core_idle(b.core));
    bench_deinit(&b);
}

static void a_failed_run_is_tried_again_then_dropped(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, setup_of(two, 1, "min-min"), 1, (const double[]){1});
    arrive(&b, 0, 0, 0, SCHED_NEVER, 1);
    arrive(&b, 0, 0, 0, SCHED_NEVER, 2);
    for (int i = 0; i < SCHED_ATTEMPTS_MAX; i++) {
        expect_start(&b, i * MS, 0, 1); /* back at the head each time */
        expect_nothing(&b, i * MS);
        sched_core_complete(b.core, (i + 1) * MS, 0, false);
    }
    expect_drop(&b, 3 * MS, SCHED_DROP_FAILED, 1);
    expect_start(&b, 3 * MS, 0, 2);
    bench_deinit(&b);
}

static void a_processor_goes_down_and_comes_back(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, setup_of(two, 2, "static-best"), 2, (const double[]){1, 5, 1, 0});
    arrive(&b, 0, 0, 0, SCHED_NEVER, 1);
    expect_start(&b, 0, 0, 1);
    arrive(&b, 0, 1, 0, SCHED_NEVER, 2);
    arrive(&b, 0, 0, 0, SCHED_NEVER, 3);
    expect_nothing(&b, 0);
    sched_core_processor_down(b.core, 10, 0);
    expect_start(&b, 10, 1, 1); /* its run goes to the other, before the one that came later */
    expect_nothing(&b, 10);
    sched_core_complete(b.core, 20, 0, true); /* too late: nothing runs there any more */
    sched_core_complete(b.core, 6 * MS, 1, true);
    expect_start(&b, 6 * MS, 1, 3);
    expect_nothing(&b, 6 * MS); /* model 1 waits: cpu0 may come back */
    sched_core_processor_up(b.core, 7 * MS, 0);
    expect_start(&b, 7 * MS, 0, 2);
    bench_deinit(&b);
}

static void without_any_processor_requests_are_dropped(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, setup_of(two, 2, "round-robin"), 2, (const double[]){1, 1, 1, 0});
    arrive(&b, 0, 1, 0, SCHED_NEVER, 1);
    arrive(&b, 0, 1, 0, SCHED_NEVER, 2);
    expect_start(&b, 0, 0, 1);
    sched_core_processor_remove(b.core, 5, 0);
    expect_drop(&b, 5, SCHED_DROP_UNAVAILABLE, 1);
    expect_drop(&b, 5, SCHED_DROP_UNAVAILABLE, 2);
    expect_nothing(&b, 5);
    sched_id id;
    const sched_arrival a = {.model = 1, .deadline_ns = SCHED_NEVER};
    assert_int_equal(sched_core_arrive(b.core, 6, &a, &id), COSREL_UNAVAILABLE);
    arrive(&b, 6, 0, 0, SCHED_NEVER, 3);
    cost_at(&b.costs, 0, 1, 0)->service_ns = 0;
    sched_core_model_changed(b.core, 6, 0);
    expect_drop(&b, 6, SCHED_DROP_UNAVAILABLE, 3);
    assert_true(sched_core_idle(b.core));
    bench_deinit(&b);
}

static void late_requests_are_dropped_only_if_asked(void **state)
{
    (void)state;
    for (int asked = 0; asked < 2; asked++) {
        bench b;
        sched_setup setup = setup_of(two, 1, "min-min");
        setup.drop_late = asked;
        bench_init(&b, setup, 1, (const double[]){10});
        arrive(&b, 0, 0, 0, SCHED_NEVER, 1);
        expect_start(&b, 0, 0, 1);
        arrive(&b, 0, 0, 0, 15 * MS, 2); /* would end at 20 */
        arrive(&b, 0, 0, 0, 20 * MS, 3); /* exactly in time */
        expect_nothing(&b, 0);
        if (asked) {
            assert_int_equal(sched_core_wake_ns(b.core), 5 * MS + 1);
            expect_nothing(&b, 5 * MS);
            expect_drop(&b, 5 * MS + 1, SCHED_DROP_LATE, 2);
        }
        sched_core_complete(b.core, 10 * MS, 0, true);
        expect_start(&b, 10 * MS, 0, asked ? 3 : 2);
        bench_deinit(&b);
    }
}

static void high_goes_before_normal(void **state)
{
    (void)state;
    for (int i = 0; i < policy_count(); i++) {
        const char *name = strcmp(policy_at(i)->name, "single") ? policy_at(i)->name
                                                                : "single:cpu0";
        bench b;
        bench_init(&b, setup_of(two, 1, name), 2, (const double[]){10, 10});
        arrive(&b, 0, 0, 0, SCHED_NEVER, 1);
        arrive(&b, 0, 1, 0, 5 * MS, 2);
        arrive(&b, 0, 0, 1, SCHED_NEVER, 3);
        arrive(&b, 0, 1, -1, SCHED_NEVER, 4);
        expect_start(&b, 0, 0, 3);
        sched_core_complete(b.core, 10 * MS, 0, true);
        for (int k = 0; k < 2; k++) {
            sched_action action;
            assert_true(sched_core_next(b.core, 20 * MS, &action));
            assert_in_range(action.tags[0], 1, 2);
            expect_nothing(&b, 20 * MS);
            sched_core_complete(b.core, 20 * MS, 0, true);
        }
        expect_start(&b, 20 * MS, 0, 4);
        bench_deinit(&b);
    }
}

/* A high request that waits for a set keeps its cores from normal ones. */
static void a_set_is_kept_for_a_higher_class(void **state)
{
    (void)state;
    for (int i = 0; i < policy_count(); i++) {
        const char *name = strcmp(policy_at(i)->name, "single") ? policy_at(i)->name
                                                                : "single:cpu0-1";
        bench b;
        bench_init(&b, setup_of(sets, 3, name), 3, (const double[]){0, 10, 0, 0, 0, 5, 5, 0, 0});
        arrive(&b, 0, 2, 0, SCHED_NEVER, 1);
        expect_start(&b, 0, 0, 1);
        arrive(&b, 1, 0, 1, SCHED_NEVER, 2);
        arrive(&b, 1, 1, 0, SCHED_NEVER, 3);
        expect_nothing(&b, 1); /* cpu1 is idle, but it is cpu0-1's turn */
        sched_core_complete(b.core, 5 * MS, 0, true);
        expect_start(&b, 5 * MS, 1, 2);
        bench_deinit(&b);
    }
}

static void background_runs_beneath(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, setup_of(levels, 2, "min-min"), 2, (const double[]){10, 10, 10, 0});
    arrive(&b, 0, 0, 0, SCHED_NEVER, 1);
    arrive(&b, 0, 0, -1, SCHED_NEVER, 2);
    arrive(&b, 0, 1, -1, SCHED_NEVER, 3); /* no level-1 processor can run it */
    arrive(&b, 0, 0, 0, SCHED_NEVER, 4);
    expect_start(&b, 0, 0, 1);
    expect_start(&b, 0, 1, 2); /* beside it, on the same core */
    expect_nothing(&b, 0);
    sched_core_complete(b.core, 10 * MS, 0, true);
    expect_start(&b, 10 * MS, 0, 4); /* foreground waits for cpu0, so background does not get it */
    sched_core_complete(b.core, 20 * MS, 0, true);
    expect_start(&b, 20 * MS, 0, 3);
    bench_deinit(&b);
}

/* A foreground request that waits for a better processor still keeps background off the one it
 * could use. */
static void background_stays_off_what_foreground_could_use(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, setup_of(two, 2, "min-min"), 2, (const double[]){10, 100, 0, 10});
    arrive(&b, 0, 0, 0, SCHED_NEVER, 1);
    expect_start(&b, 0, 0, 1);
    arrive(&b, 0, 0, 0, SCHED_NEVER, 2);
    arrive(&b, 0, 1, -1, SCHED_NEVER, 3);
    expect_nothing(&b, 0);
    sched_core_complete(b.core, 10 * MS, 0, true);
    expect_start(&b, 10 * MS, 0, 2);
    expect_start(&b, 10 * MS, 1, 3);
    bench_deinit(&b);
}

static void a_hung_run_is_thought_over(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, setup_of(two, 2, "min-min"), 1, (const double[]){10, 100});
    arrive(&b, 0, 0, 0, SCHED_NEVER, 1);
    expect_start(&b, 0, 0, 1);
    arrive(&b, 0, 0, 0, SCHED_NEVER, 2);
    expect_nothing(&b, 0); /* waits for cpu0: 20 ms there, 100 ms on cpu1 */
    int64_t t_ns = 0;
    sched_action action;
    for (int i = 0; i < 20; i++) {
        const int64_t wake_ns = sched_core_wake_ns(b.core);
        assert_true(wake_ns > t_ns && wake_ns != SCHED_NEVER);
        t_ns = wake_ns;
        if (sched_core_next(b.core, t_ns, &action))
            break;
    }
    assert_int_equal(action.processor, 1);
    assert_in_range(t_ns, 90 * MS, 250 * MS);
    bench_deinit(&b);
}

static void heat_is_seen_and_changes_nothing_by_itself(void **state)
{
    (void)state;
    bench b;
    sched_action action;
    bench_init(&b, setup_of(two, 2, "min-min"), 1, (const double[]){1, 50});
    assert_true(b.core->view.heat == 0);
    arrive(&b, 0, 0, 0, SCHED_NEVER, 1);
    arrive(&b, 0, 0, 0, SCHED_NEVER, 2);
    expect_start(&b, 0, 0, 1);
    assert_false(sched_core_next(b.core, 0, &action)); /* the second waits for cpu0 */
    const uint64_t decisions = sched_core_decisions(b.core);
    static const double given[] = {0.5, 7, -1, NAN}, seen[] = {0.5, 1, 0, 0};
    for (int i = 0; i < 4; i++) {
        sched_core_set_heat(b.core, 1000 + i, given[i]);
        assert_true(b.core->view.heat == seen[i]);
        assert_false(sched_core_next(b.core, 1000 + i, &action));
    }
    assert_true(sched_core_decisions(b.core) == decisions);
    sched_core_complete(b.core, 1000000, 0, true);
    expect_start(&b, 1000000, 0, 2);
    bench_deinit(&b);
}

/* While a run ends, one more is prepared: it counts from when the first is expected to be over, and
 * begins when that is told. */
static void the_next_run_is_prepared(void **state)
{
    (void)state;
    bench b;
    sched_action action;
    const double ms[] = {4, 40};
    bench_init(&b, setup_of(two, 2, "single:cpu0"), 1, ms);
    for (uint64_t tag = 1; tag <= 3; tag++)
        arrive(&b, 0, 0, 0, SCHED_NEVER, tag);
    expect_start(&b, 0, 0, 1);
    expect_nothing(&b, MS);
    sched_core_ending(b.core, 3 * MS, 0);
    assert_true(sched_core_next(b.core, 3 * MS, &action));
    assert_int_equal(action.tags[0], 2);
    assert_int_equal(action.expected_start_ns, 4 * MS);
    assert_int_equal(action.expected_end_ns, 8 * MS);
    sched_core_ending(b.core, 3 * MS, 0); /* no more than one */
    expect_nothing(&b, 3 * MS);
    sched_core_complete(b.core, 5 * MS, 0, true); /* later than expected: so is the next one */
    assert_int_equal(b.core->runs[0].expected_end_ns, 9 * MS);
    expect_nothing(&b, 5 * MS);
    sched_core_complete(b.core, 9 * MS, 0, true);
    expect_start(&b, 9 * MS, 0, 3);
    bench_deinit(&b);
}

/* A processor that is taken out loses the run under way; what was prepared is the driver's to take
 * back, and was no attempt. */
static void what_was_prepared_is_taken_back(void **state)
{
    (void)state;
    bench b;
    const double ms[] = {4, 40};
    bench_init(&b, setup_of(two, 2, "shortest-latency"), 1, ms);
    arrive(&b, 0, 0, 0, SCHED_NEVER, 1);
    expect_start(&b, 0, 0, 1);
    sched_core_ending(b.core, 0, 0);
    arrive(&b, 0, 0, 0, SCHED_NEVER, 2);
    expect_start(&b, 0, 0, 2);
    const uint32_t prepared = b.core->runs[0].requests[0];
    sched_core_processor_down(b.core, MS, 0);
    expect_start(&b, MS, 1, 1); /* the one whose run was lost */
    expect_nothing(&b, MS);
    sched_core_take_back(b.core, 2 * MS, 0);
    assert_int_equal(b.core->requests[prepared].attempts, 0);
    sched_core_complete(b.core, 3 * MS, 1, true);
    expect_start(&b, 3 * MS, 1, 2);
    sched_core_complete(b.core, 4 * MS, 1, true);
    assert_true(sched_core_idle(b.core));
    bench_deinit(&b);
}

/* Who shares a core is not to be prepared for: the others could not use it. */
static void sets_are_not_prepared(void **state)
{
    (void)state;
    bench b;
    const double ms[] = {4, 4, 4};
    bench_init(&b, setup_of(sets, 3, "single:cpu0"), 1, ms);
    arrive(&b, 0, 0, 0, SCHED_NEVER, 1);
    expect_start(&b, 0, 0, 1);
    arrive(&b, 0, 0, 0, SCHED_NEVER, 2);
    sched_core_ending(b.core, MS, 0);
    expect_nothing(&b, MS);
    sched_core_complete(b.core, 4 * MS, 0, true);
    expect_start(&b, 4 * MS, 0, 2);
    bench_deinit(&b);
}

/* The batch that is started first, of eight requests that wait, where one of 1, 2, 4, 8 takes 2, 3,
 * 5, 9 ms. */
static int32_t first_batch(const char *policy, const char *objective, int64_t deadline_ns)
{
    static const int32_t sizes[] = {1, 2, 4, 8};
    static const int64_t times_ms[] = {2, 3, 5, 9};
    bench b;
    cosrel_error err;
    sched_action action;
    sched_setup setup = setup_of(two, 1, policy);
    assert_int_equal(objective_find(objective, &setup.objective, &err), COSREL_OK);
    assert_int_equal(cost_init(&b.costs, 1, 1, sizes, 4), COSREL_OK);
    b.costs.model_count = setup.model_max = 1;
    for (int i = 0; i < 4; i++)
        cost_at(&b.costs, 0, 0, i)->service_ns = times_ms[i] * MS;
    if (sched_core_create(&setup, &b.costs, &b.core, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    assert_int_equal(sched_core_add_model(b.core, 0, "m"), COSREL_OK);
    for (uint64_t tag = 0; tag < 8; tag++)
        arrive(&b, 0, 0, 0, deadline_ns, tag);
    assert_true(sched_core_next(b.core, 0, &action));
    const int32_t batch = action.batch;
    bench_deinit(&b);
    return batch;
}

/* No larger than the deadlines leave time for, as large as pays where they leave enough. */
static void batches_fit_the_slack(void **state)
{
    (void)state;
    static const char *const policies[] = {"lookahead", "learned"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(first_batch(policies[i], "deadline", 4 * MS), 2);
        assert_int_equal(first_batch(policies[i], "deadline", 6 * MS), 4);
        assert_true(first_batch(policies[i], "deadline", 100 * MS) >= 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heat_is_seen_and_changes_nothing_by_itself),
        cmocka_unit_test(bad_setups_are_named),
        cmocka_unit_test(a_wrong_policy_leaves_the_old_one),
        cmocka_unit_test(queues_have_limits),
        cmocka_unit_test(stale_ids_are_known),
        cmocka_unit_test(a_failed_run_is_tried_again_then_dropped),
        cmocka_unit_test(a_processor_goes_down_and_comes_back),
        cmocka_unit_test(without_any_processor_requests_are_dropped),
        cmocka_unit_test(late_requests_are_dropped_only_if_asked),
        cmocka_unit_test(high_goes_before_normal),
        cmocka_unit_test(a_set_is_kept_for_a_higher_class),
        cmocka_unit_test(background_runs_beneath),
        cmocka_unit_test(background_stays_off_what_foreground_could_use),
        cmocka_unit_test(a_hung_run_is_thought_over),
        cmocka_unit_test(the_next_run_is_prepared),
        cmocka_unit_test(batches_fit_the_slack),
        cmocka_unit_test(what_was_prepared_is_taken_back),
        cmocka_unit_test(sets_are_not_prepared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
