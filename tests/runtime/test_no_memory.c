/* The n-th allocation fails, for every n: while a runtime is opened, while models come, go and
 * sleep, while requests run and are measured. Each call does what it was asked for or says why not,
 * the next one works as if nothing had been, and (as a sanitizer sees) nothing leaks.
 *
 * Allocations are those of this program, into which Cosrel is linked. ONNX Runtime's own do not
 * fail here. It throws where it finds no memory, and mostly that comes back as an error; but of
 * some 19000 allocations that a load takes, one in twenty ends the process when it fails, in code
 * of ONNX Runtime's (1.30) that nobody can catch anything from. */
#include "fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failing_alloc.h"
#include "tiny_onnx.h"

/* ---- What is tried ---- */

static const int64_t shape[] = {1, 4};
static char settings_path[512], profile_path[512], saved_path[512];
static char sets[64]; /* a core and a set of cores */

/* It did what it was asked for, or an allocation has failed and it says so. */
static bool done_or_said(cosrel_status status, const cosrel_error *err)
{
    if (status == COSREL_OK)
        return true;
    if (atomic_load(&failing_alloc_left) != 0)
        fail_msg("without a failed allocation: %s", err->text);
    if (status != COSREL_OUT_OF_MEMORY || err->text[0] == '\0')
        fail_msg("%s, not OUT_OF_MEMORY: %s", cosrel_status_name(status), err->text);
    return false;
}

static cosrel_runtime *open_runtime(const cosrel_options *options)
{
    cosrel_runtime *rt;
    cosrel_error err = {.text = ""};
    failing_alloc_spared = false;
    const cosrel_status status = cosrel_runtime_open(options, &rt, &err);
    failing_alloc_spared = true;
    if (!done_or_said(status, &err))
        assert_null(rt);
    return rt;
}

static bool load(cosrel_runtime *rt, const char *name, bool follow, bool gently)
{
    cosrel_error err = {.text = ""};
    cosrel_load_options options;
    char path[512];
    cosrel_load_options_init(&options);
    options.follow = follow;
    options.gently = gently;
    fixture_path(name, path);
    failing_alloc_spared = false;
    const cosrel_status status = cosrel_runtime_load_models(rt, path, &options, &err);
    failing_alloc_spared = true;
    return done_or_said(status, &err);
}

static void unload(cosrel_runtime *rt, cosrel_model *m)
{
    cosrel_error err = {.text = ""};
    failing_alloc_spared = false;
    const cosrel_status status = cosrel_runtime_unload(rt, m, 0, &err);
    failing_alloc_spared = true;
    assert_int_equal(status, COSREL_OK);
}

/* An answer is right, or says that there was no memory. */
static void check(const cosrel_result *r, const float *x)
{
    if (r->status == COSREL_OK) {
        const float *y = r->outputs[0].data;
        for (int i = 0; i < 4; i++)
            assert_true(y[i] == (r->emulated ? 0 : x[i] + (float)(i + 1)));
        return;
    }
    if (atomic_load(&failing_alloc_left) != 0 || !strstr(r->message, "memory"))
        fail_msg("%s: %s", cosrel_status_name(r->status), r->message);
}

/* A burst, so that batches are formed, in the caller's memory and in the model's. */
static void run_burst(cosrel_runtime *rt, cosrel_model *m, int count)
{
    enum { BURST_MAX = 24 };
    static float own[BURST_MAX][4];
    cosrel_ticket tickets[BURST_MAX] = {0};
    cosrel_inputs *lent[BURST_MAX] = {NULL};
    float *x[BURST_MAX];
    for (int i = 0; i < count; i++) {
        cosrel_error err = {.text = ""};
        cosrel_tensor t = fixture_floats(shape, 2, own[i]);
        failing_alloc_spared = false;
        const cosrel_status taken = i % 3 ? cosrel_inputs_take(m, &t, &lent[i], &err)
                                          : COSREL_UNAVAILABLE;
        x[i] = taken == COSREL_OK ? t.data : own[i];
        for (int k = 0; k < 4; k++)
            x[i][k] = (float)(i + k);
        const cosrel_request request = {.inputs = &t,
                                        .input_count = 1,
                                        .priority = i % 7 == 6 ? COSREL_PRIORITY_BACKGROUND
                                                               : COSREL_PRIORITY_NORMAL};
        const cosrel_status status = cosrel_submit(rt, m, &request, &tickets[i], &err);
        failing_alloc_spared = true;
        if (!done_or_said(status, &err))
            tickets[i] = 0;
    }
    for (int i = 0; i < count; i++) {
        const cosrel_result *r;
        if (tickets[i]) {
            assert_int_equal(cosrel_wait(rt, tickets[i], INT64_C(60000000000), &r), COSREL_OK);
            check(r, x[i]);
            failing_alloc_spared = false;
            cosrel_result_release(r);
            failing_alloc_spared = true;
        }
        cosrel_inputs_give(lent[i]);
    }
}

/* Without any failure: all is as it should be. */
static void expect_works(cosrel_runtime *rt, const char *name)
{
    atomic_store(&failing_alloc_left, 0);
    cosrel_model *m = fixture_model(rt, name);
    run_burst(rt, m, 4);
    for (size_t p = 0; p < cosrel_runtime_processor_count(rt); p++)
        if (cosrel_model_cost_ns(rt, m, p, 1) <= 0)
            fail_msg("processor %zu cannot run %s", p, name);
}

/* Tries with the n-th failing until there are fewer. */
static void for_each(void (*attempt)(void *state), void *state, long at_least)
{
    long n = 0;
    bool failed = true;
    while (failed && n < 20000) {
        atomic_store(&failing_alloc_left, ++n);
        attempt(state);
        failed = atomic_load(&failing_alloc_left) <= 0;
        atomic_store(&failing_alloc_left, 0);
    }
    print_message("%ld allocations\n", n - 1);
    assert_true(n > at_least && n < 20000);
}

/* ---- Opening ---- */

static void open_and_close(void *state)
{
    (void)state;
    cosrel_options options = fixture_options();
    options.settings_file = settings_path;
    options.profile = profile_path;
    options.policy = "learned";
    options.memory_budget = 1 << 30;
    cosrel_runtime *rt = open_runtime(&options);
    failing_alloc_spared = false;
    cosrel_runtime_close(rt);
    failing_alloc_spared = true;
}

static void test_open(void **state)
{
    (void)state;
    for_each(open_and_close, NULL, 20);
}

/* ---- Models that come and go ---- */

static cosrel_runtime *open_spared(uint64_t budget, const char *cache)
{
    cosrel_runtime *rt;
    cosrel_error err = {.text = ""};
    cosrel_options options = fixture_options();
    options.settings_file = settings_path;
    options.processors = sets;
    options.memory_budget = budget;
    if (cache)
        options.cache_folder = cache;
    if (cosrel_runtime_open(&options, &rt, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    return rt;
}

static void load_and_unload(cosrel_runtime *rt, bool gently)
{
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'/*", fixture_options().cache_folder);
    assert_int_equal(system(command), 0); /* the copy is written each time */
    if (!load(rt, "models", false, gently)) {
        assert_int_equal(cosrel_runtime_model_count(rt), 0);
        assert_true(load(rt, "models", false, gently));
    }
    cosrel_model *m = fixture_model(rt, "add");
    run_burst(rt, m, 2);
    (void)load(rt, "models", true, gently);
    unload(rt, m);
    if (!load(rt, "models", false, gently)) /* its handle once more */
        assert_true(load(rt, "models", false, gently));
    assert_ptr_equal(fixture_model(rt, "add"), m);
    const long left = atomic_load(&failing_alloc_left);
    expect_works(rt, "add");
    atomic_store(&failing_alloc_left, left);
    unload(rt, m);
}

static void plainly(void *rt)
{
    load_and_unload(rt, false);
}

static void gently(void *rt)
{
    load_and_unload(rt, true);
}

/* A handle is kept for each; a runtime of its own for each way. */
static void test_load(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_spared(0, NULL);
    for_each(plainly, rt, 50);
    cosrel_runtime_close(rt);
}

static void test_load_gently(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_spared(0, NULL);
    for_each(gently, rt, 50);
    cosrel_runtime_close(rt);
}

static void load_fresh(void *state)
{
    (void)state;
    cosrel_runtime *rt = open_spared(0, "");
    if (!load(rt, "beside", false, false))
        assert_true(load(rt, "beside", false, false));
    const long left = atomic_load(&failing_alloc_left);
    expect_works(rt, "add");
    atomic_store(&failing_alloc_left, left);
    failing_alloc_spared = false;
    cosrel_runtime_close(rt);
    failing_alloc_spared = true;
}

/* Weights beside the model, no cache, and nobody who has been here before. */
static void test_load_fresh(void **state)
{
    (void)state;
    for_each(load_fresh, NULL, 50);
}

/* ---- Requests ---- */

typedef struct serving {
    cosrel_runtime *rt;
    cosrel_model *m;
} serving;

static void serve(void *state)
{
    (void)state;
    serving s = {.rt = open_spared(0, NULL)};
    const long n = atomic_load(&failing_alloc_left);
    atomic_store(&failing_alloc_left, 0);
    assert_true(load(s.rt, "models", false, false));
    s.m = fixture_model(s.rt, "add");
    atomic_store(&failing_alloc_left, n);
    run_burst(s.rt, s.m, 24);
    run_burst(s.rt, s.m, 24);
    const long left = atomic_load(&failing_alloc_left);
    expect_works(s.rt, "add");
    cosrel_model_stats stats;
    cosrel_model_get_stats(s.rt, s.m, &stats);
    assert_int_equal(stats.waiting, 0);
    atomic_store(&failing_alloc_left, left);
    cosrel_runtime_close(s.rt);
}

/* A fresh runtime each time: slots and workers grow with what they first see. */
static void test_run(void **state)
{
    (void)state;
    for_each(serve, NULL, 10);
}

static void measure(void *state)
{
    cosrel_runtime *rt = state;
    cosrel_error err = {.text = ""};
    const cosrel_profile_options quick = {
        .struct_bytes = sizeof quick, .cell_ns = 1, .batch_max = 4};
    failing_alloc_spared = false;
    const cosrel_status measured = cosrel_runtime_profile(rt, &quick, &err);
    failing_alloc_spared = true;
    (void)done_or_said(measured, &err);
    err.text[0] = '\0';
    failing_alloc_spared = false;
    const cosrel_status saved = cosrel_runtime_save_profile(rt, saved_path, &err);
    failing_alloc_spared = true;
    (void)done_or_said(saved, &err);
    static const char *const policies[] = {"lookahead", "priced", "learned", "min-min"};
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        err.text[0] = '\0';
        failing_alloc_spared = false;
        const cosrel_status set = cosrel_runtime_set_policy(rt, policies[i], &err);
        failing_alloc_spared = true;
        (void)done_or_said(set, &err);
        run_burst(rt, fixture_model(rt, "add"), 6);
    }
    const long left = atomic_load(&failing_alloc_left);
    expect_works(rt, "add");
    assert_int_equal(cosrel_runtime_save_profile(rt, saved_path, &err), COSREL_OK);
    atomic_store(&failing_alloc_left, left);
}

static void test_profile_and_policies(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_spared(0, NULL);
    assert_true(load(rt, "models", false, false));
    for_each(measure, rt, 10);
    cosrel_runtime_close(rt);
}

/* ---- Sleep ---- */

/* Two models of which one fits, by turns. */
static void sleep_and_wake(void *state)
{
    (void)state;
    cosrel_runtime *rt = open_spared(1 << 20, NULL);
    const long n = atomic_load(&failing_alloc_left);
    atomic_store(&failing_alloc_left, 0);
    assert_true(load(rt, "padded", false, false));
    atomic_store(&failing_alloc_left, n);
    static const char *const names[] = {"a", "b", "a"};
    float x[4] = {0};
    for (int i = 0; i < 3; i++) {
        const cosrel_tensor t = fixture_floats(shape, 2, x);
        const cosrel_result *r = NULL;
        cosrel_error err = {.text = ""};
        failing_alloc_spared = false;
        const cosrel_status status = cosrel_run(rt, fixture_model(rt, names[i]), &t, 1, &r, &err);
        failing_alloc_spared = true;
        if (status != COSREL_OK &&
            (atomic_load(&failing_alloc_left) != 0 || !strstr(err.text, "memory")))
            fail_msg("%s", err.text);
        cosrel_result_release(r);
    }
    const long left = atomic_load(&failing_alloc_left);
    atomic_store(&failing_alloc_left, 0);
    for (int i = 0; i < 3; i++) {
        const cosrel_tensor t = fixture_floats(shape, 2, x);
        const cosrel_ticket ticket = fixture_submit(rt, fixture_model(rt, names[i]), &t, 1);
        assert_int_equal(fixture_answer(rt, ticket), COSREL_OK);
    }
    atomic_store(&failing_alloc_left, left);
    cosrel_runtime_close(rt);
}

static void test_sleep(void **state)
{
    (void)state;
    for_each(sleep_and_wake, NULL, 10);
}

/* ---- */

static int setup(void **state)
{
    char path[512], data[512];
    cosrel_error err = {.text = ""};
    cosrel_runtime *rt;
    failing_alloc_spared = true;
    if (fixture_setup(state) != 0)
        return -1;
    fixture_path("models/add.onnx", path);
    bool ok = tiny_add(path);
    fixture_path("beside/add.onnx", path);
    fixture_path("beside/w.bin", data);
    ok &= tiny_external(path, "w.bin", 0, data);
    fixture_path("padded/a.onnx", path);
    ok &= tiny_padded(path, 700000, 1);
    fixture_path("padded/b.onnx", path);
    ok &= tiny_padded(path, 700000, 2);
    fixture_write(
        "table.csv",
        "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
        "b,npu,add,,,1,0.05,,,t\n"
        "b,npu,add,,,2,0.06,,,t\n"
        "b,npu,a,,,1,0.05,,,t\n"
        "b,npu,b,,,1,0.05,,,t\n"
        "b,cpu0,add,,,1,0.05,,,t\n");
    fixture_write("settings.yaml", "queue_len_max: 100\nemulated:\n"
                                   "  - {name: npu, table: table.csv}\n");
    fixture_path("settings.yaml", settings_path);
    fixture_path("table.csv", profile_path);
    fixture_path("saved.csv", saved_path);
    const cosrel_options options = fixture_options();
    if (!ok || cosrel_runtime_open(&options, &rt, &err) != COSREL_OK)
        return -1;
    snprintf(sets, sizeof sets, "cpu0,npu");
    for (size_t p = 0; p < cosrel_runtime_processor_count(rt); p++) {
        cosrel_processor_info info;
        cosrel_runtime_processor(rt, p, &info);
        if (strcmp(info.kind, "cpu") == 0 && info.core_count == 2 && !strchr(sets, '-'))
            snprintf(sets, sizeof sets, "cpu0,npu,%.32s", info.name);
    }
    cosrel_runtime_close(rt);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),        cmocka_unit_test(test_load),
        cmocka_unit_test(test_load_gently), cmocka_unit_test(test_load_fresh),
        cmocka_unit_test(test_run),         cmocka_unit_test(test_profile_and_policies),
        cmocka_unit_test(test_sleep),
    };
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
