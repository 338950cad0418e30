/* Rollouts from states made by hand, of which the right choice and its cost are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sched/rollout.h"

enum { MODELS = 3, PROCESSORS = 3, REQUESTS = 64, BATCHES = 2 };

static const int64_t MS = 1000000;
static const int64_t NOW = INT64_C(7000000000); /* not zero: times in a rollout are from now */

/* All that a view points at. */
typedef struct moment {
    sched_view view;
    cost_table costs;
    sched_processor processors[PROCESSORS];
    uint64_t conflicts[PROCESSORS], families[PROCESSORS], can[MODELS];
    int64_t ready_ns[PROCESSORS];
    class_queue queue;
    sched_request requests[REQUESTS];
    uint32_t request_count;
    arrival_rates rates;
    sched_objective objective;
    double prices[PROCESSORS];
    rng random;
    rollout *r;
} moment;

/* Processors p0, p1, .. of one unit each, all idle; batches of 1 and 4; nothing can run yet. */
static void open_moment(moment *m, int models, int processors)
{
    static const char *const names[PROCESSORS] = {"p0", "p1", "p2"};
    memset(m, 0, sizeof *m);
    rng_init(&m->random, 1);
    assert_int_equal(cost_init(&m->costs, models, processors, (const int32_t[]){1, 4}, BATCHES),
                     COSREL_OK);
    m->costs.model_count = models;
    assert_int_equal(class_queue_init(&m->queue, models), COSREL_OK);
    assert_int_equal(rates_init(&m->rates, models), COSREL_OK);
    assert_int_equal(objective_find("latency", &m->objective, NULL), COSREL_OK);
    for (int p = 0; p < processors; p++) {
        m->processors[p] = (sched_processor){.name = names[p], .units = VIEW_BIT(p)};
        m->conflicts[p] = m->families[p] = VIEW_BIT(p);
        m->ready_ns[p] = NOW;
    }
    m->view = (sched_view){.now_ns = NOW,
                           .costs = &m->costs,
                           .processor_count = processors,
                           .model_max = models,
                           .model_count = models,
                           .request_max = REQUESTS,
                           .processors = m->processors,
                           .conflicts = m->conflicts,
                           .families = m->families,
                           .ready_ns = m->ready_ns,
                           .can = m->can,
                           .up = VIEW_BIT(processors) - 1,
                           .startable = VIEW_BIT(processors) - 1,
                           .queue = &m->queue,
                           .requests = m->requests,
                           .rates = &m->rates,
                           .objective = &m->objective,
                           .random = &m->random};
    assert_int_equal(rollout_create(&m->view, &m->r), COSREL_OK);
}

static void close_moment(moment *m)
{
    rollout_free(m->r);
    cost_deinit(&m->costs);
    class_queue_deinit(&m->queue);
    rates_deinit(&m->rates);
}

/* ms of one request, and of four; 0: cannot. */
static void set_cost(moment *m, int model, int processor, double one_ms, double four_ms)
{
    cost_at(&m->costs, model, processor, 0)->service_ns = (int64_t)(one_ms * 1e6);
    cost_at(&m->costs, model, processor, 1)->service_ns = (int64_t)(four_ms * 1e6);
    if (one_ms > 0)
        m->can[model] |= VIEW_BIT(processor);
}

static void busy(moment *m, int processor, double ms)
{
    m->view.startable &= ~VIEW_BIT(processor);
    m->view.busy_units[0] |= m->processors[processor].units;
    m->ready_ns[processor] = NOW + (int64_t)(ms * 1e6);
}

/* due_ms from now; 0: none. */
static void wait_for(moment *m, int model, double due_ms)
{
    const uint32_t i = m->request_count++;
    m->requests[i] = (sched_request){.arrived_ns = NOW,
                                     .deadline_ns = due_ms > 0 ? NOW + (int64_t)(due_ms * 1e6)
                                                               : SCHED_NEVER,
                                     .sequence = i,
                                     .model = model,
                                     .state = REQUEST_WAITING};
    class_queue_add(&m->queue, m->requests, i);
}

static rollout_action start(const moment *m, int model, int processor, int batch_index)
{
    sched_decision d;
    /* Numbers of the rollout's own: those of the core are found by asking for all of them. */
    rollout_action all[64];
    const int count = rollout_candidates(m->r, all, 64);
    for (int i = 0; i < count; i++) {
        rollout_decision(m->r, &m->view, &all[i], &d);
        if (d.model == model && d.processor == processor && all[i].batch_index == batch_index)
            return all[i];
    }
    fail_msg("no candidate: model %d on processor %d, batch %d", model, processor, batch_index);
    return (rollout_action){0};
}

static const rollout_action WAIT = {.first = ROLLOUT_WAIT}, ANY = {.first = ROLLOUT_ANY};

static double cost_ms(moment *m, rollout_action first)
{
    return rollout_run(m->r, ROLLOUT_MIN_MIN, &first) / 1e6;
}

static void near(double a, double b)
{
    if (!(a > b - 1e-6 && a < b + 1e-6))
        fail_msg("%.9g instead of %.9g", a, b);
}

static void waiting_for_the_fast_processor(void **state)
{
    (void)state;
    moment m;
    rollout_action own;
    open_moment(&m, 1, 2);
    set_cost(&m, 0, 0, 2, 0);
    set_cost(&m, 0, 1, 100, 0);
    busy(&m, 0, 1);
    wait_for(&m, 0, 0);
    rollout_look(m.r, &m.view, 0, 100);
    assert_true(rollout_busy(m.r));
    near(cost_ms(&m, WAIT), 3); /* 1 until it is free, 2 there */
    near(cost_ms(&m, start(&m, 0, 1, 0)), 100);
    near(cost_ms(&m, ANY), 3); /* min-min sees that itself */
    assert_false(rollout_choose(m.r, ROLLOUT_MIN_MIN, &own));
    close_moment(&m);
}

static void the_efficient_pair_is_left_to_the_model_that_needs_it(void **state)
{
    (void)state;
    moment m;
    open_moment(&m, 2, 2);
    set_cost(&m, 0, 0, 9, 0);
    set_cost(&m, 0, 1, 12, 0);
    set_cost(&m, 1, 0, 10, 0); /* nowhere else */
    wait_for(&m, 0, 0);
    wait_for(&m, 1, 0);
    rollout_look(m.r, &m.view, 0, 100);
    near(cost_ms(&m, start(&m, 0, 1, 0)), 12 + 10);
    near(cost_ms(&m, start(&m, 0, 0, 0)), 9 + 19);
    near(cost_ms(&m, start(&m, 1, 0, 0)), 10 + 12);
    near(cost_ms(&m, ANY), 28); /* the greedy base takes the 9 ms */
    assert_false(rollout_busy(m.r));
    /* The prices of the bound know it: the first processor is what is short. */
    rollout_action own;
    sched_decision d;
    m.prices[0] = 100;
    m.prices[1] = 60;
    m.view.prices = m.prices;
    rollout_look(m.r, &m.view, 0, 100);
    near(rollout_run(m.r, ROLLOUT_PRICED, &ANY) / 1e6, 22);
    assert_true(rollout_choose(m.r, ROLLOUT_PRICED, &own));
    rollout_decision(m.r, &m.view, &own, &d);
    assert_true(d.model != 0 || d.processor != 0);
    close_moment(&m);
}

static void a_batch_where_it_pays(void **state)
{
    (void)state;
    for (int pays = 0; pays < 2; pays++) {
        moment m;
        rollout_action own;
        open_moment(&m, 1, 1);
        set_cost(&m, 0, 0, 10, pays ? 15 : 39);
        for (int i = 0; i < 4; i++)
            wait_for(&m, 0, 0);
        rollout_look(m.r, &m.view, 0, 100);
        near(cost_ms(&m, start(&m, 0, 0, 0)), 10 + 20 + 30 + 40);
        near(cost_ms(&m, start(&m, 0, 0, 1)), pays ? 4 * 15 : 4 * 39);
        assert_true(rollout_choose(m.r, ROLLOUT_MIN_MIN, &own));
        assert_int_equal(own.batch_index, 1); /* it serves most per time either way */
        close_moment(&m);
    }
}

static void batches_that_gain_nothing_are_no_candidates(void **state)
{
    (void)state;
    moment m;
    rollout_action all[8];
    open_moment(&m, 1, 1);
    set_cost(&m, 0, 0, 10, 41);
    for (int i = 0; i < 4; i++)
        wait_for(&m, 0, 0);
    rollout_look(m.r, &m.view, 0, 100);
    assert_int_equal(rollout_candidates(m.r, all, 8), 1);
    assert_int_equal(all[0].batch_index, 0);
    close_moment(&m);
}

/* One of two can still be in time, and the other is shorter. */
static void a_deadline_that_can_still_be_met(void **state)
{
    (void)state;
    moment m;
    open_moment(&m, 2, 1);
    set_cost(&m, 0, 0, 8, 0);
    set_cost(&m, 1, 0, 4, 0);
    m.rates.deadline_ns[0] = m.rates.deadline_ns[1] = 20 * MS; /* as a rule */
    wait_for(&m, 0, 10);
    wait_for(&m, 1, 2); /* lost: it takes 4 */
    rollout_look(m.r, &m.view, 0, 100);
    near(cost_ms(&m, start(&m, 0, 0, 0)), 8 + 12);
    near(cost_ms(&m, start(&m, 1, 0, 0)), 4 + 12);
    assert_int_equal(objective_find("deadline", &m.objective, NULL), COSREL_OK);
    rollout_look(m.r, &m.view, 0, 100);
    const double saved = cost_ms(&m, start(&m, 0, 0, 0)), lost = cost_ms(&m, start(&m, 1, 0, 0));
    near(saved, m.objective.latency * 20 + m.objective.miss * 20);
    near(lost, m.objective.latency * 16 + m.objective.miss * 40);
    assert_true(saved < lost);
    close_moment(&m);
}

static void energy_has_its_price(void **state)
{
    (void)state;
    moment m;
    open_moment(&m, 1, 2);
    set_cost(&m, 0, 0, 10, 0);
    set_cost(&m, 0, 1, 11, 0);
    cost_at(&m.costs, 0, 0, 0)->energy_uj = 90000;
    cost_at(&m.costs, 0, 1, 0)->energy_uj = 20000;
    m.objective = (sched_objective){.latency = 1, .energy_ns_per_uj = 100};
    wait_for(&m, 0, 0);
    rollout_look(m.r, &m.view, 0, 100);
    near(cost_ms(&m, start(&m, 0, 0, 0)), 10 + 9);
    near(cost_ms(&m, start(&m, 0, 1, 0)), 11 + 2);
    close_moment(&m);
}

/* Two processors that share a unit, as cpu0 and cpu0-1 do. */
static void a_set_keeps_its_cores(void **state)
{
    (void)state;
    moment m;
    open_moment(&m, 1, 2);
    m.processors[1].units = 3;
    m.conflicts[0] = m.conflicts[1] = 3;
    m.families[0] = m.families[1] = 3;
    set_cost(&m, 0, 0, 10, 0);
    set_cost(&m, 0, 1, 6, 0);
    wait_for(&m, 0, 0);
    wait_for(&m, 0, 0);
    rollout_look(m.r, &m.view, 0, 100);
    near(cost_ms(&m, start(&m, 0, 1, 0)), 6 + 12);
    near(cost_ms(&m, start(&m, 0, 0, 0)), 10 + 16);
    close_moment(&m);
}

/* The same future gives every candidate the same arrivals, and the same cost again. */
static void futures_are_common(void **state)
{
    (void)state;
    moment m;
    open_moment(&m, 2, 2);
    for (int k = 0; k < 2; k++) {
        set_cost(&m, 0, k, 10 + k, 0);
        set_cost(&m, 1, k, 20 + k, 0);
    }
    wait_for(&m, 0, 0);
    rollout_look(m.r, &m.view, 16, 100);
    assert_false(rollout_draw(m.r, &m.random)); /* no arrivals are known */
    for (int i = 0; i < 200; i++)
        rates_arrive(&m.rates, NOW - (200 - i) * 10 * MS, i % 2, SCHED_NEVER);
    rollout_look(m.r, &m.view, 16, 100);
    double least = 1e300, most = 0;
    for (int i = 0; i < 50; i++) {
        assert_true(rollout_draw(m.r, &m.random));
        const double cost = cost_ms(&m, ANY);
        const uint64_t steps = rollout_steps(m.r);
        near(cost_ms(&m, ANY), cost);
        near(cost_ms(&m, start(&m, 0, 0, 0)), cost); /* that is what the base starts */
        assert_true(cost_ms(&m, start(&m, 0, 1, 0)) > cost - 200);
        assert_true(rollout_steps(m.r) > steps);
        least = cost < least ? cost : least;
        most = cost > most ? cost : most;
    }
    /* 17 requests of 10 and 20 ms each at least; futures differ. */
    assert_true(least > 17 * 10 && most > least + 10);
    close_moment(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_for_the_fast_processor),
        cmocka_unit_test(the_efficient_pair_is_left_to_the_model_that_needs_it),
        cmocka_unit_test(a_batch_where_it_pays),
        cmocka_unit_test(batches_that_gain_nothing_are_no_candidates),
        cmocka_unit_test(a_deadline_that_can_still_be_met),
        cmocka_unit_test(energy_has_its_price),
        cmocka_unit_test(a_set_keeps_its_cores),
        cmocka_unit_test(futures_are_common),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
