/* Models under a budget of memory: they sleep and wake, and nobody is lost on the way. */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "tiny_onnx.h"

enum { MODELS = 4, WEIGHT_BYTES = 1 << 20 };

static const int64_t shape[] = {1, 4};
static atomic_long answers, wrong;

static void make_models(const char *folder)
{
    for (int i = 0; i < MODELS; i++) {
        char name[64], path[512];
        snprintf(name, sizeof name, "%s/m%d.onnx", folder, i);
        fixture_path(name, path);
        assert_true(tiny_padded(path, WEIGHT_BYTES, (float)(i + 1)));
    }
}

static cosrel_runtime *open_with(uint64_t budget, const char *folder)
{
    cosrel_options options = fixture_options();
    options.processors = "cpu0";
    options.memory_budget = budget;
    return fixture_open(&options, folder);
}

static cosrel_model *model(cosrel_runtime *rt, int i)
{
    char name[16];
    snprintf(name, sizeof name, "m%d", i);
    return fixture_model(rt, name);
}

/* Model i adds i + 1. */
static bool answers_right(cosrel_runtime *rt, int i)
{
    float x[4] = {0, 10, 20, 30};
    const cosrel_tensor t = fixture_floats(shape, 2, x);
    const cosrel_result *r;
    const cosrel_status status = cosrel_run(rt, model(rt, i), &t, 1, &r, NULL);
    bool right = status == COSREL_OK;
    for (int k = 0; k < 4 && right; k++)
        right = ((const float *)r->outputs[0].data)[k] == x[k] + (float)(i + 1);
    cosrel_result_release(r);
    return right;
}

static void test_all_are_served_in_turn(void **state)
{
    (void)state;
    make_models("turn");
    cosrel_runtime *rt = open_with(5 * WEIGHT_BYTES / 2, "turn"); /* two of four */
    cosrel_runtime_stats stats;
    assert_int_equal(cosrel_runtime_model_count(rt), MODELS);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < MODELS; i++)
            assert_true(answers_right(rt, i));
    cosrel_runtime_get_stats(rt, &stats);
    assert_true(stats.wakes >= 3 * MODELS - 2);
    assert_true(stats.memory_bytes <= 5 * WEIGHT_BYTES / 2);
    /* What is used stays awake. */
    const uint64_t before = stats.wakes;
    for (int i = 0; i < 10; i++)
        assert_true(answers_right(rt, MODELS - 1) && answers_right(rt, MODELS - 2));
    cosrel_runtime_get_stats(rt, &stats);
    assert_true(stats.wakes == before);
    /* Asleep or not: it is loaded, and what it costs is known. */
    for (int i = 0; i < MODELS; i++) {
        assert_true(cosrel_model_is_loaded(model(rt, i)));
        assert_true(cosrel_model_cost_ns(rt, model(rt, i), 0, 1) > 0);
    }
    cosrel_runtime_close(rt);
}

static void test_too_large(void **state)
{
    (void)state;
    make_models("large");
    cosrel_options options = fixture_options();
    options.processors = "cpu0";
    options.memory_budget = WEIGHT_BYTES / 2;
    cosrel_runtime *rt;
    cosrel_error err;
    char path[512];
    fixture_path("large", path);
    assert_int_equal(cosrel_runtime_open(&options, &rt, &err), COSREL_OK);
    assert_int_equal(cosrel_runtime_load(rt, path, &err), COSREL_OUT_OF_MEMORY);
    assert_non_null(strstr(err.text, "m0: needs 1.0 MB; of the budget of 0.5 MB"));
    assert_int_equal(cosrel_runtime_model_count(rt), 0);
    cosrel_runtime_close(rt);
}

/* A model with requests does not sleep: those of two models that have room for one only are all
 * answered, by turns. */
static void test_who_works_stays_awake(void **state)
{
    (void)state;
    enum { MANY = 40 };
    float x[4] = {0};
    cosrel_ticket tickets[MANY];
    make_models("work");
    cosrel_runtime *rt = open_with(WEIGHT_BYTES + WEIGHT_BYTES / 2, "work");
    const cosrel_tensor t = fixture_floats(shape, 2, x);
    for (int i = 0; i < MANY; i++)
        tickets[i] = fixture_submit(rt, model(rt, i % 2), &t, 1);
    for (int i = 0; i < MANY; i++) {
        const cosrel_result *r;
        assert_int_equal(cosrel_wait(rt, tickets[i], -1, &r), COSREL_OK);
        assert_int_equal(r->status, COSREL_OK);
        assert_true(((const float *)r->outputs[0].data)[0] == (float)(i % 2 + 1));
        cosrel_result_release(r);
    }
    cosrel_runtime_close(rt);
}

static atomic_bool enough;

static void *ask_always(void *rt)
{
    while (!atomic_load(&enough))
        atomic_fetch_add(answers_right(rt, 0) ? &answers : &wrong, 1);
    return NULL;
}

/* Two clients keep the one model busy without a pause; the other one's requests are served all the
 * same. */
static void test_turns(void **state)
{
    (void)state;
    pthread_t threads[2];
    make_models("turns");
    cosrel_runtime *rt = open_with(WEIGHT_BYTES + WEIGHT_BYTES / 2, "turns");
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_always, rt), 0);
    for (int i = 0; i < 2; i++)
        assert_true(answers_right(rt, 1));
    atomic_store(&enough, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    cosrel_runtime_close(rt);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_true(atomic_load(&answers) > 0);
    atomic_store(&answers, 0);
}

static void test_parked_requests_can_go(void **state)
{
    (void)state;
    float x[4] = {0};
    cosrel_error err;
    make_models("parked");
    cosrel_runtime *rt = open_with(WEIGHT_BYTES + WEIGHT_BYTES / 2, "parked");
    const cosrel_tensor t = fixture_floats(shape, 2, x);
    for (int i = 0; i < 50; i++) {
        const cosrel_ticket ticket = fixture_submit(rt, model(rt, i % MODELS), &t, 1);
        (void)cosrel_cancel(rt, ticket);
        const cosrel_status status = fixture_answer(rt, ticket);
        assert_true(status == COSREL_CANCELLED || status == COSREL_OK);
    }
    for (int i = 0; i < MODELS; i++) {
        cosrel_model *m = model(rt, i);
        const cosrel_ticket ticket = fixture_submit(rt, m, &t, 1);
        assert_int_equal(cosrel_runtime_unload(rt, m, -1, &err), COSREL_OK);
        const cosrel_status status = fixture_answer(rt, ticket);
        assert_true(status == COSREL_UNAVAILABLE || status == COSREL_OK);
    }
    cosrel_runtime_close(rt);
}

static cosrel_runtime *shared;

static void *ask_around(void *seed)
{
    rng random;
    rng_init(&random, (uint64_t)(uintptr_t)seed);
    for (int i = 0; i < 60; i++)
        atomic_fetch_add(answers_right(shared, (int)rng_below(&random, MODELS)) ? &answers : &wrong,
                         1);
    return NULL;
}

static void test_many_at_once(void **state)
{
    (void)state;
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    make_models("many");
    shared = open_with(5 * WEIGHT_BYTES / 2, "many");
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_around, (void *)(i + 1)), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    cosrel_runtime_close(shared);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_int_equal(atomic_load(&answers), 60 * THREADS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_served_in_turn),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_who_works_stays_awake),
        cmocka_unit_test(test_parked_requests_can_go),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_many_at_once),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
