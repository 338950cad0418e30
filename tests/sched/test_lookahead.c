/* Looking ahead: what it promises whatever the world is, and two worlds in which it must be better
 * than the rule it starts from by a wide margin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "sim/sim.h"

enum { MODELS = 4, PROCESSORS = 3 };

static const int64_t MS = 1000000;

typedef struct setting {
    sched_processor processors[PROCESSORS];
    cost_table costs;
    sim_setup setup;
} setting;

/* Processors of one unit each, models a, b, ..; batches of 1, 2 and 4; nothing can run yet. */
static void open_setting(setting *s, int models, int processors)
{
    static const char *const names[] = {"a", "b", "c", "d"}, *const units[] = {"p0", "p1", "p2"};
    memset(s, 0, sizeof *s);
    assert_int_equal(cost_init(&s->costs, models, processors, (const int32_t[]){1, 2, 4}, 3),
                     COSREL_OK);
    s->costs.model_count = models;
    for (int p = 0; p < processors; p++)
        s->processors[p] = (sched_processor){.name = units[p], .units = (uint64_t)1 << p};
    s->setup = (sim_setup){.sched = {.processors = s->processors,
                                     .processor_count = processors,
                                     .model_max = models,
                                     .requests_max = 4096,
                                     .seed = 1},
                           .costs = &s->costs,
                           .models = names,
                           .check = true};
    assert_int_equal(objective_find("latency", &s->setup.sched.objective, NULL), COSREL_OK);
}

static void set_cost(setting *s, int model, int processor, double one_ms, double two_ms,
                     double four_ms)
{
    const double ms[] = {one_ms, two_ms, four_ms};
    for (int b = 0; b < 3; b++)
        cost_at(&s->costs, model, processor, b)->service_ns = (int64_t)(ms[b] * 1e6);
}

/* Poisson arrivals, all models alike. */
static arrivals_list *poisson(const setting *s, double rate_hz, int count, uint64_t seed)
{
    arrivals_list *list;
    rng random;
    int64_t t_ns = 0;
    rng_init(&random, seed);
    assert_int_equal(arrivals_make(&list, NULL), COSREL_OK);
    for (int i = 0; i < count; i++) {
        t_ns += (int64_t)rng_exponential(&random, 1e9 / rate_hz);
        const arrivals_row row = {
            .t_ns = t_ns,
            .deadline_ns = INT64_MAX,
            .model = (int32_t)rng_below(&random, (uint64_t)s->costs.model_count)};
        assert_int_equal(arrivals_add(list, &row, NULL), COSREL_OK);
    }
    return list;
}

/* FNV-1a over what was started. */
static void hash_dispatch(void *user, int64_t start_ns, int64_t end_ns, int processor, int model,
                          const uint32_t *ids, int count)
{
    uint64_t *hash = user;
    const int64_t values[] = {start_ns, end_ns, processor, model, ids[0], count};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        *hash = (*hash ^ (uint64_t)values[i]) * 1099511628211u;
}

static double mean_ms(setting *s, const arrivals_list *list, const char *policy, uint64_t *hash)
{
    sim_result result;
    sim_summary summary;
    uint64_t ignored;
    const sim_observer observer = {.user = hash ? hash : &ignored, .dispatch = hash_dispatch};
    s->setup.sched.policy = policy;
    s->setup.observer = &observer;
    assert_int_equal(source_from_arrivals(list, INT64_MAX, &s->setup.requests, NULL), COSREL_OK);
    if (hash)
        *hash = 14695981039346656037u;
    assert_int_equal(sim_run(&s->setup, &result, NULL), COSREL_OK);
    assert_int_equal(result.served, list->count);
    assert_int_equal(sim_summarise(&result, -1, &summary), COSREL_OK);
    sim_result_deinit(&result);
    source_free(s->setup.requests);
    return summary.mean_ms;
}

/* Nobody would end a wait in which nothing runs. */
static void it_never_waits_when_nothing_runs(void **state)
{
    (void)state;
    static const char *const objectives[] = {"latency", "throughput", "deadline", "energy",
                                             "balanced"};
    rng random;
    rng_init(&random, 1);
    for (int world = 0; world < 200; world++) {
        setting s;
        sched_core *core;
        sched_id id;
        sched_action action;
        int64_t now_ns = 0;
        open_setting(&s, MODELS, PROCESSORS);
        for (int m = 0; m < MODELS; m++) {
            for (int p = 0; p < PROCESSORS; p++) {
                const double ms = 0.1 + 100 * rng_unit(&random);
                if (p == 0 || rng_below(&random, 2))
                    set_cost(&s, m, p, ms, ms * 1.5, ms * 2);
                for (int b = 0; b < 3; b++)
                    cost_at(&s.costs, m, p, b)->energy_uj = (int64_t)rng_below(&random, 1000000);
            }
        }
        sched_setup setup = s.setup.sched;
        setup.policy = world % 2 ? "lookahead:5" : "priced";
        assert_int_equal(objective_find(objectives[world % 5], &setup.objective, NULL), COSREL_OK);
        assert_int_equal(sched_core_create(&setup, &s.costs, &core, NULL), COSREL_OK);
        for (int m = 0; m < MODELS; m++)
            assert_int_equal(sched_core_add_model(core, 0, s.setup.models[m]), COSREL_OK);
        if (world % 3) /* a worth that calls every pair but one a waste */
            sched_core_set_prices(core, 0, (const double[]){1000, 1, 1e-6});
        for (int i = 0; i < 20; i++) {
            now_ns += MS;
            const sched_arrival a = {.model = (int)rng_below(&random, MODELS),
                                     .deadline_ns = i % 2 ? now_ns + MS : SCHED_NEVER};
            assert_int_equal(sched_core_arrive(core, now_ns, &a, &id), COSREL_OK);
            assert_true(sched_core_next(core, now_ns, &action));
            assert_int_equal(action.type, SCHED_DISPATCH);
            const int processor = action.processor;
            now_ns = action.expected_end_ns;
            assert_false(sched_core_next(core, now_ns, &action));
            sched_core_complete(core, now_ns, processor, true);
            assert_true(sched_core_idle(core));
        }
        sched_core_free(core);
        cost_deinit(&s.costs);
    }
}

static void its_budget_is_a_number(void **state)
{
    (void)state;
    static const char *const right[] = {"lookahead", "lookahead:1", "lookahead:1000000"};
    static const char *const wrong[] = {"lookahead:",        "lookahead:0",   "lookahead:-5",
                                        "lookahead:1000001", "lookahead:2.5", "lookahead:5us"};
    setting s;
    sched_core *core;
    open_setting(&s, 1, 1);
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        s.setup.sched.policy = right[i];
        assert_int_equal(sched_core_create(&s.setup.sched, &s.costs, &core, NULL), COSREL_OK);
        sched_core_free(core);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cosrel_error err = {""};
        s.setup.sched.policy = wrong[i];
        assert_int_equal(sched_core_create(&s.setup.sched, &s.costs, &core, &err),
                         COSREL_INVALID_ARGUMENT);
        assert_non_null(strstr(err.text, "from 1 to 1000000"));
    }
    cost_deinit(&s.costs);
}

/* a and b both go fastest to p0, and b can go nowhere else. */
static void make_contested(setting *s)
{
    open_setting(s, 2, 2);
    set_cost(s, 0, 0, 8, 0, 0);
    set_cost(s, 0, 1, 12, 0, 0);
    set_cost(s, 1, 0, 12, 0, 0);
}

static void the_same_seed_decides_the_same(void **state)
{
    (void)state;
    uint64_t one, again, other;
    setting s;
    make_contested(&s);
    arrivals_list *list = poisson(&s, 120, 1500, 3);
    mean_ms(&s, list, "lookahead:20", &one);
    mean_ms(&s, list, "lookahead:20", &again);
    assert_true(one == again);
    s.setup.sched.seed = 2;
    mean_ms(&s, list, "lookahead:20", &other);
    assert_true(one != other); /* its futures are others */
    arrivals_free(list);
    cost_deinit(&s.costs);
}

/* Min-min sends a to the contested processor whenever that ends sooner. */
static void it_leaves_the_processor_to_those_who_need_it(void **state)
{
    (void)state;
    double base = 0, ahead = 0;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        setting s;
        make_contested(&s);
        arrivals_list *list = poisson(&s, 135, 3000, seed);
        base += mean_ms(&s, list, "min-min", NULL);
        ahead += mean_ms(&s, list, "lookahead:20", NULL);
        arrivals_free(list);
        cost_deinit(&s.costs);
    }
    print_message("contested: min-min %.2f ms, lookahead %.2f ms\n", base / 3, ahead / 3);
    assert_true(ahead < 0.8 * base);
}

/* More arrive than single runs could serve; batches can. */
static void it_makes_batches_where_they_pay(void **state)
{
    (void)state;
    double base = 0, ahead = 0;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        setting s;
        open_setting(&s, 2, 1);
        set_cost(&s, 0, 0, 10, 12, 16);
        set_cost(&s, 1, 0, 5, 6, 8);
        arrivals_list *list = poisson(&s, 180, 3000, seed);
        base += mean_ms(&s, list, "min-min", NULL);
        ahead += mean_ms(&s, list, "lookahead:20", NULL);
        arrivals_free(list);
        cost_deinit(&s.costs);
    }
    print_message("batches: min-min %.2f ms, lookahead %.2f ms\n", base / 3, ahead / 3);
    assert_true(ahead < 0.1 * base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_never_waits_when_nothing_runs),
        cmocka_unit_test(its_budget_is_a_number),
        cmocka_unit_test(the_same_seed_decides_the_same),
        cmocka_unit_test(it_leaves_the_processor_to_those_who_need_it),
        cmocka_unit_test(it_makes_batches_where_they_pay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
