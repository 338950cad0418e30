/* Many threads do everything at once; every accepted request is answered exactly once. */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "tiny_onnx.h"

enum { THREADS = 4, STEPS = 400, HELD = 8 };

static cosrel_runtime *rt;
static atomic_long accepted;
static atomic_long answered;
static atomic_long wrong;

static void on_done(const cosrel_result *r)
{
    if (r->status != COSREL_OK && r->status != COSREL_CANCELLED)
        atomic_fetch_add(&wrong, 1);
    atomic_fetch_add(&answered, 1);
}

static void collect(cosrel_ticket ticket, const cosrel_model *m, const float *x)
{
    const cosrel_result *r;
    if (cosrel_wait(rt, ticket, -1, &r) != COSREL_OK) {
        atomic_fetch_add(&wrong, 1);
        return;
    }
    const float added = strcmp(cosrel_model_describe(m)->name, "slow") == 0 ? 1.0f / 256 : 1;
    if (r->status == COSREL_OK && !r->emulated &&
        ((const float *)r->outputs[0].data)[0] != x[0] + added)
        atomic_fetch_add(&wrong, 1);
    if (r->status != COSREL_OK && r->status != COSREL_CANCELLED)
        atomic_fetch_add(&wrong, 1);
    cosrel_result_release(r);
    atomic_fetch_add(&answered, 1);
}

static void *client(void *arg)
{
    static const int64_t shape[] = {1, 4};
    static float shared[4] = {7, 7, 7, 7};
    static const char *const policies[] = {"min-min",          "heft",        "least-slack",
                                           "max-weight",       "round-robin", "static-best",
                                           "shortest-latency", "single:cpu0"};
    rng random;
    cosrel_ticket held[HELD] = {0};
    const cosrel_model *models[HELD] = {NULL};
    float x[HELD][4] = {{0}};
    rng_init(&random, (uint64_t)(uintptr_t)arg);
    for (int step = 0; step < STEPS; step++) {
        const size_t k = rng_below(&random, HELD);
        cosrel_model *m = cosrel_runtime_model(rt,
                                               rng_below(&random, cosrel_runtime_model_count(rt)));
        cosrel_model_stats stats;
        if (held[k]) {
            if (rng_below(&random, 4) == 0 && cosrel_cancel(rt, held[k]) == COSREL_INTERNAL)
                atomic_fetch_add(&wrong, 1);
            collect(held[k], models[k], x[k]);
            held[k] = 0;
        }
        x[k][0] = (float)step;
        models[k] = m;
        cosrel_tensor t = fixture_floats(shape, 2, x[k]);
        cosrel_request request = {.inputs = &t,
                                  .input_count = 1,
                                  .priority = (int)rng_below(&random, 3) - 1,
                                  .deadline_ns = (int64_t)rng_below(&random, 2) * 5000000};
        if (rng_below(&random, 4) == 0) {
            t.data = shared;
            request.done = on_done;
        }
        const cosrel_status status = cosrel_submit(rt, m, &request, request.done ? NULL : &held[k],
                                                   NULL);
        if (status == COSREL_OK)
            atomic_fetch_add(&accepted, 1);
        else if (status != COSREL_QUEUE_FULL)
            atomic_fetch_add(&wrong, 1);
        if (rng_below(&random, 50) == 0 &&
            cosrel_runtime_set_policy(rt, policies[rng_below(&random, 8)], NULL) != COSREL_OK)
            atomic_fetch_add(&wrong, 1);
        if (rng_below(&random, 20) == 0)
            cosrel_model_get_stats(rt, m, &stats);
    }
    for (size_t k = 0; k < HELD; k++) {
        if (held[k])
            collect(held[k], models[k], x[k]);
    }
    return NULL;
}

static void count_runs(void *user, const cosrel_run_event *event)
{
    atomic_fetch_add((atomic_long *)user, event->batch);
}

static void test_everything_at_once(void **state)
{
    (void)state;
    char path[512];
    static char settings[512];
    pthread_t threads[THREADS];
    atomic_long run_requests = 0;
    fixture_path("models/add.onnx", path);
    assert_true(tiny_add(path));
    fixture_path("models/slow.onnx", path);
    assert_true(tiny_slow(path, 1));
    fixture_path("extra/third.onnx", path);
    assert_true(tiny_add(path));
    fixture_write(
        "npu.csv",
        "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
        "b,npu,add,,,1,0.3,,,t\nb,npu,add,,,4,0.5,,,t\nb,npu,third,,,1,0.4,,,t\n");
    fixture_write("settings.yaml",
                  "retry_ms: 5\nqueue_len_max: 20\nrun_limit_ms: 200\nemulated:\n"
                  "  - {name: npu, table: npu.csv, fail_every: 7, hang_every: 101}\n");
    fixture_path("settings.yaml", settings);
    cosrel_options options = fixture_options();
    options.settings_file = settings;
    rt = fixture_open(&options, "models");
    cosrel_runtime_on_run(rt, count_runs, &run_requests);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, client, (void *)(i + 1)), 0);
    cosrel_error err;
    const cosrel_profile_options quick = {.struct_bytes = sizeof quick, .cell_ns = 1000000};
    fixture_path("extra", path);
    assert_int_equal(cosrel_runtime_load(rt, path, &err), COSREL_OK);
    assert_int_equal(cosrel_runtime_profile(rt, &quick, &err), COSREL_OK);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    cosrel_runtime_close(rt);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_int_equal(atomic_load(&answered), atomic_load(&accepted));
    assert_true(atomic_load(&accepted) > 0);
    assert_true(atomic_load(&run_requests) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_everything_at_once)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
