/* Devices that are lost in the middle of a run, and runs that fail inside ONNX Runtime: each
 * request is run elsewhere or answered with the reason, once, and nothing is left behind. */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tiny_onnx.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif

static const char lost_text[] = "the emulated device was lost";

static cosrel_runtime *open_with(const char *settings_text, const char *policy, const char *models)
{
    static char settings[512];
    fixture_write(
        "npu.csv",
        "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
        "b,npu,add,,,1,0.2,,,t\n"
        "b,npu,add,,,2,0.3,,,t\n"
        "b,npu,add,,,4,0.4,,,t\n"
        "b,npu,wide,,,1,0.01,,,t\n");
    fixture_write("settings.yaml", settings_text);
    fixture_path("settings.yaml", settings);
    cosrel_options options = fixture_options();
    options.settings_file = settings;
    options.policy = policy;
    return fixture_open(&options, models);
}

static void wait_until_available(cosrel_runtime *rt, const char *name)
{
    cosrel_processor_info info = {.available = false};
    const size_t index = fixture_processor(rt, name);
    for (int i = 0; i < 6000 && !info.available; i++) {
        cosrel_runtime_processor(rt, index, &info);
        if (!info.available)
            usleep(5000);
    }
    assert_true(info.available);
}

static cosrel_processor_stats stats_of(cosrel_runtime *rt, const char *name)
{
    cosrel_processor_stats stats;
    cosrel_processor_get_stats(rt, fixture_processor(rt, name), &stats);
    return stats;
}

/* ---- Lost, with others there ---- */

typedef struct asked {
    cosrel_inputs *lent; /* NULL: memory of its own */
    float x[4];
    int64_t shape[2];
    atomic_int answers;
    cosrel_status status;
    bool right;
} asked;

/* The emulated one answers zeros, the others add. */
static void answered(const cosrel_result *r)
{
    asked *a = r->user;
    a->status = r->status;
    a->right = r->status == COSREL_OK && r->output_count == 1 && r->outputs[0].bytes == 16;
    for (int i = 0; i < 4 && a->right; i++)
        a->right = ((const float *)r->outputs[0].data)[i] ==
                   (r->emulated ? 0 : a->x[i] + (float)(i + 1));
    atomic_fetch_add(&a->answers, 1);
}

static void submit(cosrel_runtime *rt, cosrel_model *m, asked *a, int i)
{
    cosrel_error err = {.text = ""};
    cosrel_tensor t;
    *a = (asked){.x = {(float)i, 1, 2, 3}, .shape = {1, 4}};
    if (i % 2 && cosrel_inputs_take(m, &t, &a->lent, &err) == COSREL_OK)
        memcpy(t.data, a->x, sizeof a->x);
    else
        t = fixture_floats(a->shape, 2, a->x);
    const cosrel_request request = {.inputs = &t,
                                    .input_count = 1,
                                    .priority = i % 5 == 0 ? COSREL_PRIORITY_BACKGROUND
                                                           : COSREL_PRIORITY_NORMAL,
                                    .done = answered,
                                    .user = a};
    if (cosrel_submit(rt, m, &request, NULL, &err) != COSREL_OK)
        fail_msg("%s", err.text);
}

static void wait_for(asked *a)
{
    for (int i = 0; i < 60000 && atomic_load(&a->answers) == 0; i++)
        usleep(1000);
    assert_int_equal(atomic_load(&a->answers), 1);
    cosrel_inputs_give(a->lent);
    a->lent = NULL;
}

static void test_run_elsewhere(void **state)
{
    (void)state;
    enum { REQUESTS = 600, AT_ONCE = 24 };
    static asked all[REQUESTS];
    char path[512];
    fixture_path("elsewhere/add.onnx", path);
    assert_true(tiny_add(path));
    cosrel_runtime *rt = open_with("processors: [cpu0, npu]\nretry_ms: 5\nemulated:\n"
                                   "  - {name: npu, table: npu.csv, lose_every: 9}\n",
                                   "round-robin", "elsewhere");
    cosrel_model *m = fixture_model(rt, "add");
    for (int i = 0; i < REQUESTS + AT_ONCE; i++) {
        if (i >= AT_ONCE)
            wait_for(&all[i - AT_ONCE]);
        if (i < REQUESTS)
            submit(rt, m, &all[i], i);
        if (i % 100 == 99) /* it comes back, and is given work again */
            wait_until_available(rt, "npu");
    }
    for (int i = 0; i < REQUESTS; i++) {
        assert_int_equal(all[i].status, COSREL_OK);
        assert_true(all[i].right);
        assert_int_equal(atomic_load(&all[i].answers), 1);
    }
    cosrel_model_stats stats;
    cosrel_model_get_stats(rt, m, &stats);
    assert_int_equal(stats.completed, REQUESTS);
    assert_int_equal(stats.failed, 0);
    assert_true(stats_of(rt, "npu").failures > 0);
    wait_until_available(rt, "npu");
    cosrel_runtime_close(rt);
}

/* ---- Lost, and nobody else ---- */

static void test_answered_with_the_reason(void **state)
{
    (void)state;
    static const int64_t shape[] = {1, 4};
    enum { REQUESTS = 60 };
    char path[512];
    float x[4] = {0};
    const cosrel_tensor t = fixture_floats(shape, 2, x);
    int ok = 0;
    fixture_path("alone/add.onnx", path);
    assert_true(tiny_add(path));
    cosrel_runtime *rt = open_with("processors: [npu]\nretry_ms: 2\nemulated:\n"
                                   "  - {name: npu, table: npu.csv, lose_every: 7}\n",
                                   "min-min", "alone");
    for (int i = 0; i < REQUESTS; i++) {
        const cosrel_result *r = NULL;
        cosrel_error err = {.text = ""};
        const cosrel_status status = cosrel_run(rt, fixture_model(rt, "add"), &t, 1, &r, &err);
        ok += status == COSREL_OK;
        if (status != COSREL_OK) {
            assert_int_equal(status, COSREL_RUN_FAILED);
            assert_non_null(strstr(r->message, lost_text));
            assert_non_null(strstr(err.text, lost_text));
            assert_null(r->outputs);
        }
        cosrel_result_release(r);
    }
    assert_true(ok > 0);
    assert_true(stats_of(rt, "npu").failures > 0);
    wait_until_available(rt, "npu");
    cosrel_runtime_close(rt);
}

/* Outputs that a run had made before it failed are let go. */
static void test_outputs_are_let_go(void **state)
{
    (void)state;
    enum { WIDE = 1 << 18, RUNS = 600 };
    static const int64_t shape[] = {1, 1};
    char path[512];
    float x[1] = {0};
    const cosrel_tensor t = fixture_floats(shape, 2, x);
    long before = 0, after = 0;
    fixture_path("wide/wide.onnx", path);
    assert_true(tiny_wide(path, WIDE));
    cosrel_runtime *rt = open_with("processors: [npu]\nretry_ms: 1\nemulated:\n"
                                   "  - {name: npu, table: npu.csv, lose_every: 5}\n",
                                   "min-min", "wide");
    for (int i = 0; stats_of(rt, "npu").failures < RUNS / 4 && i < RUNS; i++) {
        long pages;
        const cosrel_ticket ticket = fixture_submit(rt, fixture_model(rt, "wide"), &t, 1);
        (void)fixture_answer(rt, ticket);
        FILE *f = fopen("/proc/self/statm", "r");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
        fclose(f);
        before = i == 20 ? pages : before;
        after = pages;
    }
    const uint64_t failures = stats_of(rt, "npu").failures;
    cosrel_runtime_close(rt);
    assert_true(failures > 50);
    /* A sanitizer keeps what was freed for a while. */
    if (!IS_SANITIZED)
        assert_true((after - before) * 4096 < (long)(failures * WIDE * sizeof(float) / 4));
}

/* A model goes while the only processor that could run it is lost. */
static void test_unloaded_while_lost(void **state)
{
    (void)state;
    static const int64_t shape[] = {1, 4};
    char path[512];
    float x[4] = {0};
    const cosrel_tensor t = fixture_floats(shape, 2, x);
    fixture_path("alone/add.onnx", path);
    assert_true(tiny_add(path));
    cosrel_runtime *rt = open_with("processors: [npu]\nretry_ms: 1\nemulated:\n"
                                   "  - {name: npu, table: npu.csv, lose_every: 1}\n",
                                   "min-min", "alone");
    for (int i = 0; i < 10; i++) {
        enum { WAITING = 8 };
        cosrel_ticket tickets[WAITING];
        cosrel_error err = {.text = ""};
        cosrel_model *m = fixture_model(rt, "add");
        for (int k = 0; k < WAITING; k++)
            tickets[k] = fixture_submit(rt, m, &t, 1);
        if (cosrel_runtime_unload(rt, m, 1, &err) != COSREL_OK)
            fail_msg("%s", err.text);
        for (int k = 0; k < WAITING; k++) {
            const cosrel_status status = fixture_answer(rt, tickets[k]);
            assert_true(status == COSREL_UNAVAILABLE || status == COSREL_RUN_FAILED);
        }
        assert_int_equal(cosrel_runtime_load(rt, path, &err), COSREL_OK);
    }
    cosrel_runtime_close(rt);
}

/* ---- Requests that ONNX Runtime cannot run ---- */

static void expect_all_available(cosrel_runtime *rt)
{
    for (size_t p = 0; p < cosrel_runtime_processor_count(rt); p++) {
        cosrel_processor_info info;
        cosrel_runtime_processor(rt, p, &info);
        assert_true(info.available);
    }
}

/* It says no to some of those that it is given together: each gets its own answer. */
static void test_bad_among_good(void **state)
{
    (void)state;
    enum { REQUESTS = 400, AT_ONCE = 40 };
    static const int64_t shape[] = {1, 1};
    static int64_t x[AT_ONCE];
    cosrel_ticket tickets[AT_ONCE] = {0};
    char path[512];
    fixture_path("gather/gather.onnx", path);
    assert_true(tiny_gather(path));
    cosrel_options options = fixture_options();
    options.processors = "cpu0";
    cosrel_runtime *rt = fixture_open(&options, "gather");
    cosrel_model *m = fixture_model(rt, "gather");
    for (int i = 0; i < REQUESTS + AT_ONCE; i++) {
        const int k = i % AT_ONCE;
        if (tickets[k]) {
            const cosrel_result *r;
            assert_int_equal(cosrel_wait(rt, tickets[k], INT64_C(60000000000), &r), COSREL_OK);
            if (x[k] > 3) {
                assert_int_equal(r->status, COSREL_RUN_FAILED);
                assert_non_null(strstr(r->message, "out of data bounds"));
            } else {
                assert_int_equal(r->status, COSREL_OK);
                assert_true(*(const float *)r->outputs[0].data == (float)(x[k] + 1));
            }
            cosrel_result_release(r);
            tickets[k] = 0;
        }
        if (i < REQUESTS) {
            const cosrel_tensor t = {
                .type = COSREL_INT64, .rank = 2, .shape = shape, .data = &x[k], .bytes = 8};
            x[k] = i % 9 == 4 ? 1000 : i % 4;
            tickets[k] = fixture_submit(rt, m, &t, 1);
        }
    }
    expect_all_available(rt);
    cosrel_runtime_close(rt);
}

/* It throws in the middle of a run. */
static void test_thrown(void **state)
{
    (void)state;
    static const int64_t shape[] = {1};
    /* Two of them throw: there is no memory, and it has no number for so many bytes. A sanitizer
     * ends the program where there is none. */
    static const int64_t sizes[] = {
        10, INT64_C(1) << (IS_SANITIZED ? 62 : 50), 20, INT64_C(1) << 62, -1, 30};
    char path[512];
    fixture_path("fill/fill.onnx", path);
    assert_true(tiny_fill(path));
    cosrel_options options = fixture_options();
    cosrel_runtime *rt = fixture_open(&options, "fill");
    cosrel_model *m = fixture_model(rt, "fill");
    for (size_t i = 0; i < 10 * sizeof sizes / sizeof sizes[0]; i++) {
        int64_t x = sizes[i % (sizeof sizes / sizeof sizes[0])];
        const cosrel_tensor t = {
            .type = COSREL_INT64, .rank = 1, .shape = shape, .data = &x, .bytes = sizeof x};
        const cosrel_result *r = NULL;
        cosrel_error err = {.text = ""};
        const cosrel_status status = cosrel_run(rt, m, &t, 1, &r, &err);
        if (x > 0 && x < 100) {
            assert_int_equal(status, COSREL_OK);
            assert_int_equal(r->outputs[0].bytes, (size_t)x * sizeof(float));
        } else {
            assert_int_equal(status, COSREL_RUN_FAILED);
            assert_true(r->message[0] != '\0');
            assert_null(r->outputs);
        }
        cosrel_result_release(r);
    }
    expect_all_available(rt);
    cosrel_runtime_close(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run_elsewhere),      cmocka_unit_test(test_answered_with_the_reason),
        cmocka_unit_test(test_outputs_are_let_go), cmocka_unit_test(test_unloaded_while_lost),
        cmocka_unit_test(test_bad_among_good),     cmocka_unit_test(test_thrown),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
