/* What each policy is known by, in small scenes that can be followed by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "sched/policy.h"
#include "world.h"

static const sched_processor apart[] = {
    {.name = "a", .units = 1}, {.name = "b", .units = 2}, {.name = "c", .units = 4}};
static const sched_processor cores[] = {
    {.name = "cpu0", .units = 1}, {.name = "cpu0-1", .units = 3}, {.name = "cpu1", .units = 2}};
enum { A, B, C };
enum { CPU0, CPU01, CPU1 };

typedef struct scene {
    world w;
    cost_table costs;
} scene;

static void open_scene(scene *s, const sched_processor *processors, int count, const char *policy,
                       int models, const double *ms)
{
    world_costs(&s->costs, models, count, ms);
    const sched_setup setup = {.processors = processors,
                               .processor_count = count,
                               .model_max = models,
                               .requests_max = 64,
                               .policy = policy};
    world_init(&s->w, &setup, &s->costs, 1);
}

static void close_scene(scene *s)
{
    world_deinit(&s->w);
    cost_deinit(&s->costs);
}

/* Requests 0, 1, ... of these models, all at once; or 1 us apart, so that each meets its own
 * decision. */
static void arrive_together(scene *s, const int *models, int count)
{
    for (int i = 0; i < count; i++)
        world_arrive_at(&s->w, 0, models[i], 0, SCHED_NEVER);
}

static void arrive_in_turn(scene *s, const int *models, int count)
{
    for (int i = 0; i < count; i++)
        world_arrive_at(&s->w, i * 1000, models[i], 0, SCHED_NEVER);
}

static void expect_run(const scene *s, int request, int processor, double start_ms)
{
    const world_request *r = &s->w.requests[request];
    assert_int_equal(r->state, WORLD_DONE);
    assert_int_equal(r->processor, processor);
    const int64_t off_ns = r->started_ns - (int64_t)(start_ms * 1e6);
    assert_in_range(off_ns + 100000, 0, 200000);
}

static void single_sends_all_to_one(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, apart, 3, "single:b", 2, (const double[]){1, 4, 1, 3, 0, 2});
    arrive_together(&s, (const int[]){0, 0, 1, 0}, 4);
    world_run_until(&s.w, INT64_MAX);
    expect_run(&s, 0, B, 0);
    expect_run(&s, 1, B, 4);
    expect_run(&s, 2, C, 0); /* b cannot run it; c is its fastest */
    expect_run(&s, 3, B, 8);
    close_scene(&s);
}

static void round_robin_walks(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, apart, 3, "round-robin", 2, (const double[]){1, 50, 1, 2, 0, 2});
    arrive_in_turn(&s, (const int[]){0, 1, 1, 0, 0}, 5);
    world_run_until(&s.w, INT64_MAX);
    expect_run(&s, 0, A, 0);
    expect_run(&s, 1, C, 0); /* b cannot: the next one */
    expect_run(&s, 2, A, 1);
    expect_run(&s, 3, B, 0); /* however slow it is */
    expect_run(&s, 4, C, 2);
    close_scene(&s);
}

static void static_best_waits_for_the_fastest(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, apart, 3, "static-best", 1, (const double[]){3, 2, 2});
    arrive_together(&s, (const int[]){0, 0, 0}, 3);
    world_run_until(&s.w, INT64_MAX);
    expect_run(&s, 0, B, 0); /* as fast as c: the first in the alphabet */
    expect_run(&s, 1, B, 2);
    expect_run(&s, 2, B, 4);
    close_scene(&s);
}

static void shortest_latency_counts_the_work_left(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, apart, 2, "shortest-latency", 1, (const double[]){2, 5});
    arrive_in_turn(&s, (const int[]){0, 0, 0, 0}, 4);
    world_run_until(&s.w, INT64_MAX);
    expect_run(&s, 0, A, 0);
    expect_run(&s, 1, A, 2); /* 4 < 5 */
    expect_run(&s, 2, B, 0); /* 6 > 5 */
    expect_run(&s, 3, A, 4); /* 6 < 10 */
    close_scene(&s);
}

/* Bound at arrival: a later request does not profit from what it did not know. */
static void shortest_latency_does_not_think_again(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, apart, 2, "shortest-latency", 2, (const double[]){10, 0, 1, 4});
    arrive_in_turn(&s, (const int[]){0, 1, 1, 1}, 4);
    world_run_until(&s.w, INT64_MAX);
    expect_run(&s, 1, B, 0);
    expect_run(&s, 2, B, 4);
    expect_run(&s, 3, A, 10); /* 11 < 12 */
    close_scene(&s);
}

static void heft_starts_with_the_costly(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, apart, 2, "heft", 2, (const double[]){1, 2, 8, 9});
    arrive_together(&s, (const int[]){0, 1, 1}, 3);
    world_run_until(&s.w, INT64_MAX);
    expect_run(&s, 1, A, 0);
    expect_run(&s, 2, B, 0);
    expect_run(&s, 0, A, 8); /* 8 + 1 < 9 + 2 */
    close_scene(&s);
}

static void min_min_starts_with_what_ends_first(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, apart, 2, "min-min", 2, (const double[]){1, 5, 8, 9});
    arrive_together(&s, (const int[]){1, 0, 0, 1}, 4);
    world_run_until(&s.w, INT64_MAX);
    expect_run(&s, 1, A, 0);
    expect_run(&s, 2, A, 1); /* waits: 2 there, 5 on b */
    expect_run(&s, 0, B, 0); /* b: 9, a after both: 10 */
    expect_run(&s, 3, A, 2);
    close_scene(&s);
}

static void least_slack_looks_at_deadlines(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, apart, 1, "least-slack", 2, (const double[]){2, 6});
    const int relaxed = world_arrive_at(&s.w, 0, 0, 0, SCHED_NEVER);
    const int early = world_arrive_at(&s.w, 0, 0, 0, 10 * MS); /* slack 8 */
    const int late = world_arrive_at(&s.w, 0, 1, 0, 12 * MS);  /* slack 6 */
    const int other = world_arrive_at(&s.w, 0, 0, 0, 9 * MS);  /* slack 7 */
    world_run_until(&s.w, INT64_MAX);
    expect_run(&s, late, A, 0);
    expect_run(&s, other, A, 6);
    expect_run(&s, early, A, 8);
    expect_run(&s, relaxed, A, 10);
    close_scene(&s);
}

static void max_weight_takes_the_longest_queue_by_rate(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, apart, 1, "max-weight", 2, (const double[]){4, 1});
    /* 6 x 1/4 against 1 x 1; then 5/4, 4/4: a tie goes to the first model. */
    arrive_together(&s, (const int[]){1, 0, 0, 0, 0, 0, 0}, 7);
    world_run_until(&s.w, INT64_MAX);
    expect_run(&s, 1, A, 0);
    expect_run(&s, 2, A, 4);
    expect_run(&s, 3, A, 8); /* equal; and 12 ms is still below the patience of 8 x 4 */
    expect_run(&s, 0, A, 12);
    close_scene(&s);
}

static void max_weight_batches_where_it_pays(void **state)
{
    (void)state;
    static const int32_t sizes[] = {1, 2, 4};
    /* In ms for batches of 1, 2, 4: a gain, a loss, a gain at 4 alone. */
    static const double ms[3][3] = {{4, 5, 7}, {4, 8.5, 17}, {4, 9, 12}};
    static const int64_t runs[3] = {2, 5, 2};
    for (int k = 0; k < 3; k++) {
        cost_table costs;
        world w;
        assert_int_equal(cost_init(&costs, 1, 1, sizes, 3), COSREL_OK);
        costs.model_count = 1;
        for (int b = 0; b < 3; b++)
            cost_at(&costs, 0, 0, b)->service_ns = (int64_t)(ms[k][b] * 1e6);
        const sched_setup setup = {.processors = apart,
                                   .processor_count = 1,
                                   .model_max = 1,
                                   .requests_max = 64,
                                   .policy = "max-weight"};
        world_init(&w, &setup, &costs, 1);
        for (int i = 0; i < 5; i++)
            world_arrive_at(&w, 0, 0, 0, SCHED_NEVER);
        world_run_until(&w, INT64_MAX);
        assert_int_equal(w.dispatches, runs[k]);
        world_deinit(&w);
        cost_deinit(&costs);
    }
}

/* A lone request gets all cores; where several wait, each gets one. */
static void sets_are_for_the_lonely(void **state)
{
    (void)state;
    static const char *const names[] = {"min-min", "max-weight"};
    for (int i = 0; i < 2; i++) {
        scene s;
        open_scene(&s, cores, 3, names[i], 2, (const double[]){10, 6, 10, 10, 6, 10});
        arrive_together(&s, (const int[]){0}, 1);
        world_run_until(&s.w, INT64_MAX);
        expect_run(&s, 0, CPU01, 0);
        close_scene(&s);
        open_scene(&s, cores, 3, names[i], 2, (const double[]){10, 6, 10, 10, 6, 10});
        arrive_together(&s, (const int[]){0, 1}, 2);
        world_run_until(&s.w, INT64_MAX);
        expect_run(&s, 0, CPU0, 0);
        expect_run(&s, 1, CPU1, 0);
        close_scene(&s);
        /* So much faster together that it pays even then. */
        open_scene(&s, cores, 3, names[i], 2, (const double[]){10, 4, 10, 10, 4, 10});
        arrive_together(&s, (const int[]){0, 1}, 2);
        world_run_until(&s.w, INT64_MAX);
        expect_run(&s, 0, CPU01, 0);
        expect_run(&s, 1, CPU01, 4);
        close_scene(&s);
    }
}

/* The older request waits for both cores: the younger one must not take the idle one. */
static void lanes_keep_a_set_for_the_older(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, cores, 3, "static-best", 3, (const double[]){5, 0, 0, 0, 3, 0, 0, 0, 1});
    arrive_in_turn(&s, (const int[]){0, 1, 2}, 3);
    world_run_until(&s.w, INT64_MAX);
    expect_run(&s, 0, CPU0, 0);
    expect_run(&s, 1, CPU01, 5);
    expect_run(&s, 2, CPU1, 8);
    close_scene(&s);
}

/* What waits for both cores and goes first by the policy's own order keeps the idle one. */
static void a_set_is_kept_for_what_goes_first(void **state)
{
    (void)state;
    static const char *const names[] = {"heft", "least-slack", "max-weight"};
    for (int i = 0; i < 3; i++) {
        scene s;
        open_scene(&s, cores, 3, names[i], 3, (const double[]){5, 0, 0, 0, 10, 0, 0, 0, 5});
        world_arrive_at(&s.w, 0, 0, 0, SCHED_NEVER);
        const int small = world_arrive_at(&s.w, 1000, 2, 0, SCHED_NEVER);
        const int set = world_arrive_at(&s.w, 1000, 1, 0, 20 * MS);
        for (int k = 0; k < 4; k++) /* 5 / (10 x 2) against 1 / 5 */
            world_arrive_at(&s.w, 1000, 1, 0, 200 * MS);
        world_run_until(&s.w, INT64_MAX);
        expect_run(&s, set, CPU01, 5);
        assert_true(s.w.requests[small].started_ns >= 15 * MS);
        close_scene(&s);
    }
}

static void the_registry_is_whole(void **state)
{
    (void)state;
    assert_int_equal(policy_count(), 11);
    for (int i = 0; i < policy_count(); i++) {
        const char *argument;
        const sched_policy *p = policy_at(i);
        assert_ptr_equal(policy_find(p->name, &argument), p);
        assert_null(argument);
        assert_true(strlen(p->summary) > 20 && p->create && p->decide);
    }
    const char *argument;
    assert_string_equal(policy_find("single:cpu0-1", &argument)->name, "single");
    assert_string_equal(argument, "cpu0-1");
    assert_null(policy_find("sing", &argument));
    assert_null(policy_find("singles", &argument));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_sends_all_to_one),
        cmocka_unit_test(round_robin_walks),
        cmocka_unit_test(static_best_waits_for_the_fastest),
        cmocka_unit_test(shortest_latency_counts_the_work_left),
        cmocka_unit_test(shortest_latency_does_not_think_again),
        cmocka_unit_test(heft_starts_with_the_costly),
        cmocka_unit_test(min_min_starts_with_what_ends_first),
        cmocka_unit_test(least_slack_looks_at_deadlines),
        cmocka_unit_test(max_weight_takes_the_longest_queue_by_rate),
        cmocka_unit_test(max_weight_batches_where_it_pays),
        cmocka_unit_test(sets_are_for_the_lonely),
        cmocka_unit_test(lanes_keep_a_set_for_the_older),
        cmocka_unit_test(a_set_is_kept_for_what_goes_first),
        cmocka_unit_test(the_registry_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
