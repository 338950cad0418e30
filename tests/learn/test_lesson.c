/* Lessons keep what they were given; the teacher knows what is plain to see; steps go towards what
 * is cheap. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "learn/student.h"
#include "learn/teacher.h"
#include "sched/learned.h"

static void draw(rng *r, int count, observation *seen, float *costs)
{
    memset(seen, 0, sizeof *seen);
    seen->count = seen->input.count = count;
    for (int f = 0; f < STATE_FEATURES; f++)
        seen->input.state[f] = (float)rng_normal(r);
    for (int f = 0; f < CANDIDATE_FEATURES; f++)
        for (int c = 0; c < count; c++)
            seen->input.x[f * SCORER_CANDIDATES_MAX + c] = (float)rng_normal(r);
    for (int c = 0; c < count; c++)
        costs[c] = (float)rng_unit(r);
}

static void what_goes_in_comes_out(void **state)
{
    (void)state;
    static observation seen;
    static scorer_input in;
    float costs[OBSERVE_CANDIDATES_MAX];
    lessons l = {.count = 0}, twice = {.count = 0};
    rng r;
    rng_init(&r, 1);
    for (int i = 0; i < 300; i++) {
        draw(&r, 1 + i % OBSERVE_CANDIDATES_MAX, &seen, costs);
        assert_int_equal(lessons_add(&l, &seen, costs), COSREL_OK);
    }
    assert_int_equal(lessons_append(&twice, &l, 1), COSREL_OK);
    assert_int_equal(lessons_append(&twice, &l, 2), COSREL_OK);
    lessons_drop(&twice, 100);
    assert_int_equal(twice.count, 500);
    rng_init(&r, 1);
    for (int i = 0; i < 300; i++) {
        draw(&r, 1 + i % OBSERVE_CANDIDATES_MAX, &seen, costs);
        for (int copy = i < 100; copy < 2; copy++) {
            const float *kept = lessons_get(&twice, (size_t)(i - 100 + 300 * copy), &in);
            assert_int_equal(in.count, seen.count);
            assert_memory_equal(in.state, seen.input.state, STATE_FEATURES * sizeof *in.state);
            for (int f = 0; f < CANDIDATE_FEATURES; f++)
                assert_memory_equal(in.x + f * SCORER_CANDIDATES_MAX,
                                    seen.input.x + f * SCORER_CANDIDATES_MAX,
                                    (size_t)in.count * sizeof *in.x);
            for (int c = 0; c < in.count; c++)
                assert_true(kept[c] == costs[c] * (float)(copy + 1));
        }
    }
    lessons_deinit(&l);
    lessons_deinit(&twice);
}

/* Costs that one feature tells: after some steps the network takes the cheapest. */
static void steps_lead_to_what_is_cheap(void **state)
{
    (void)state;
    static observation seen;
    float costs[OBSERVE_CANDIDATES_MAX];
    lessons l = {.count = 0};
    student s;
    rng r;
    rng_init(&r, 2);
    for (int i = 0; i < 400; i++) {
        draw(&r, 2 + i % 9, &seen, costs);
        for (int c = 0; c < seen.count; c++)
            costs[c] = fabsf(seen.input.x[3 * SCORER_CANDIDATES_MAX + c]);
        assert_int_equal(lessons_add(&l, &seen, costs), COSREL_OK);
    }
    assert_int_equal(student_init(&s, 16, 8, 3, 2), COSREL_OK);
    const double before = student_step(&s, &l, &r, 256, 3e-3);
    double after = 0;
    for (int i = 0; i < 400; i++)
        after = student_step(&s, &l, &r, 256, 3e-3);
    assert_true(after < 0.5 * before);
    student_deinit(&s);
    lessons_deinit(&l);
}

typedef struct scene {
    rollout *r;
    rng random;
    int asked, cheapest_processor;
    float cost_of[2], cost_of_waiting;
} scene;

static int ask(void *user, const sched_view *view, const observation *seen, const float *scores,
               int best)
{
    scene *s = user;
    float costs[OBSERVE_CANDIDATES_MAX];
    (void)scores;
    if (!s->r)
        assert_int_equal(rollout_create(view, &s->r), COSREL_OK);
    const int cheapest = teacher_costs(s->r, view, seen, 8, &s->random, costs);
    assert_true(cheapest >= 0 && costs[cheapest] == 0);
    s->asked++;
    s->cheapest_processor = seen->all[cheapest].processor;
    for (int c = 0; c < seen->count; c++) {
        assert_true(costs[c] >= 0);
        if (seen->all[c].processor < 0)
            s->cost_of_waiting = costs[c];
        else
            s->cost_of[seen->all[c].processor] = costs[c];
    }
    return best;
}

/* The fast processor is busy for another millisecond, the slow one would take 100: waiting is
 * cheap. */
static void the_teacher_waits_for_the_fast(void **state)
{
    (void)state;
    static const int32_t one[] = {1};
    const sched_processor processors[] = {{.name = "fast", .units = 1},
                                          {.name = "slow", .units = 2}};
    cost_table costs;
    sched_core *core;
    sched_action action;
    sched_id id;
    scene s = {.asked = 0, .cost_of_waiting = -1};
    const learned_hook hook = {.choose = ask, .user = &s};
    rng_init(&s.random, 1);
    assert_int_equal(cost_init(&costs, 1, 2, one, 1), COSREL_OK);
    costs.model_count = 1;
    cost_at(&costs, 0, 0, 0)->service_ns = 5000000;
    cost_at(&costs, 0, 1, 0)->service_ns = 100000000;
    const sched_setup setup = {.processors = processors,
                               .processor_count = 2,
                               .model_max = 1,
                               .requests_max = 10,
                               .policy = "static-best",
                               .learned = &hook};
    assert_int_equal(sched_core_create(&setup, &costs, &core, NULL), COSREL_OK);
    assert_int_equal(sched_core_add_model(core, 0, "m"), COSREL_OK);
    const sched_arrival a = {.model = 0, .deadline_ns = SCHED_NEVER};
    assert_int_equal(sched_core_arrive(core, 0, &a, &id), COSREL_OK);
    while (sched_core_next(core, 0, &action))
        assert_int_equal(action.processor, 0);
    assert_int_equal(sched_core_set_policy(core, 1, "learned", NULL), COSREL_OK);
    assert_int_equal(sched_core_arrive(core, 4000000, &a, &id), COSREL_OK);
    while (sched_core_next(core, 4000000, &action))
        ;
    assert_int_equal(s.asked, 1);
    assert_int_equal(s.cheapest_processor, -1);
    assert_true(s.cost_of_waiting == 0 && s.cost_of[1] > 5e7f);
    sched_core_free(core);
    cost_deinit(&costs);
    rollout_free(s.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(steps_lead_to_what_is_cheap),
        cmocka_unit_test(the_teacher_waits_for_the_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
