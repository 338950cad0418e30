/* No event allocates: this program is linked so that every allocation passes through here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sched/core.h"
#include "sched/policy.h"

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *data, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *data, size_t bytes);

static uint64_t allocations; /* the linker's hook has no other place for it */

void *__wrap_malloc(size_t bytes)
{
    allocations++;
    return __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    allocations++;
    return __real_calloc(count, bytes);
}

void *__wrap_realloc(void *data, size_t bytes)
{
    allocations++;
    return __real_realloc(data, bytes);
}

enum { MODELS = 5, ROUNDS = 500 };

/* Arrivals of all classes, runs that fail, a processor that comes and goes. */
static void exercise(sched_core *core, int round)
{
    const int64_t now_ns = round * INT64_C(700000);
    for (int k = 0; k < 4; k++) {
        sched_id id;
        sched_action action;
        const sched_arrival a = {.model = (round + k) % MODELS,
                                 .priority = k % 3 - 1,
                                 .deadline_ns = k == 1 ? now_ns + 30000000 : SCHED_NEVER};
        if (sched_core_arrive(core, now_ns, &a, &id) == COSREL_OK && k == 3 && round % 5 == 0)
            assert_true(sched_core_cancel(core, now_ns, id));
        while (sched_core_next(core, now_ns, &action))
            ;
    }
    sched_core_complete(core, now_ns, round % 3, round % 11 != 0);
    if (round % 50 == 25) /* until then some policies do without */
        sched_core_set_prices(core, now_ns, (const double[]){50 + round, 120, 60});
    if (round % 17 == 0)
        sched_core_processor_down(core, now_ns, 0);
    if (round % 17 == 5)
        sched_core_processor_up(core, now_ns, 0);
    sched_core_model_changed(core, now_ns, round % MODELS);
}

static void events_do_not_allocate(void **state)
{
    (void)state;
    static const sched_processor processors[] = {
        {.name = "cpu0", .units = 1}, {.name = "cpu0-1", .units = 3}, {.name = "cpu1", .units = 2}};
    for (int i = 0; i < policy_count(); i++) {
        cost_table costs;
        assert_int_equal(cost_init(&costs, MODELS, 3, (const int32_t[]){1, 2}, 2), COSREL_OK);
        costs.model_count = MODELS;
        for (int m = 0; m < MODELS; m++) {
            for (int p = 0; p < 3; p++) {
                for (int b = 0; b < 2; b++)
                    cost_at(&costs, m, p, b)->service_ns = 500000 * (1 + m) * (2 + b) /
                                                           (p == 1 ? 3 : 2);
            }
        }
        const char *name = strcmp(policy_at(i)->name, "single") ? policy_at(i)->name
                                                                : "single:cpu1";
        const sched_setup setup = {.processors = processors,
                                   .processor_count = 3,
                                   .model_max = MODELS,
                                   .requests_max = 100,
                                   .policy = name,
                                   .drop_late = true};
        sched_core *core;
        sched_objective weights;
        assert_int_equal(sched_core_create(&setup, &costs, &core, NULL), COSREL_OK);
        for (int m = 0; m < MODELS; m++)
            assert_int_equal(sched_core_add_model(core, 0, "m"), COSREL_OK);
        assert_int_equal(objective_find("balanced", &weights, NULL), COSREL_OK);
        sched_core_set_objective(core, 0, &weights);
        assert_true(allocations > 0);
        const uint64_t before = allocations;
        for (int round = 0; round < ROUNDS; round++)
            exercise(core, round);
        assert_int_equal(allocations, before);
        assert_true(sched_core_decisions(core) > ROUNDS);
        sched_core_free(core);
        cost_deinit(&costs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(events_do_not_allocate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
