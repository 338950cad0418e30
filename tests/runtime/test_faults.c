/* Processors that fail or hang: nothing is lost, they are taken out, and they come back. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tiny_onnx.h"

static const int64_t row[] = {1, 4};

static cosrel_runtime *open_with(const char *settings_text, const char *policy, const char *models)
{
    static char settings[512];
    char path[512];
    fixture_write(
        "npu.csv",
        "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
        "b,good,add,,,1,1,,,t\n"
        "b,bad,add,,,1,0.2,,,t\n");
    fixture_write("settings.yaml", settings_text);
    fixture_path("settings.yaml", settings);
    fixture_path("models/add.onnx", path);
    assert_true(tiny_add(path));
    cosrel_options options = fixture_options();
    options.settings_file = settings;
    options.policy = policy;
    return fixture_open(&options, models);
}

static bool is_available(cosrel_runtime *rt, const char *name)
{
    cosrel_processor_info info;
    cosrel_runtime_processor(rt, fixture_processor(rt, name), &info);
    return info.available;
}

static uint64_t failures_of(cosrel_runtime *rt, const char *name)
{
    cosrel_processor_stats stats;
    cosrel_processor_get_stats(rt, fixture_processor(rt, name), &stats);
    return stats.failures;
}

/* Sends `count` requests, at most 8 at a time; all must be answered with OK. */
static void send_all(cosrel_runtime *rt, int count)
{
    cosrel_ticket tickets[8] = {0};
    float x[4] = {0};
    const cosrel_tensor t = fixture_floats(row, 2, x);
    cosrel_model *m = fixture_model(rt, "add");
    for (int i = 0; i < count + 8; i++) {
        if (tickets[i % 8])
            assert_int_equal(fixture_answer(rt, tickets[i % 8]), COSREL_OK);
        tickets[i % 8] = i < count ? fixture_submit(rt, m, &t, 1) : 0;
    }
}

static void test_always_fails(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_with("processors: [bad, good]\nretry_ms: 30\nemulated:\n"
                                   "  - {name: good, table: npu.csv}\n"
                                   "  - {name: bad, table: npu.csv, fail_every: 1}\n",
                                   "shortest-latency", "models");
    send_all(rt, 60);
    assert_true(failures_of(rt, "bad") > 0);
    assert_false(is_available(rt, "bad"));
    assert_true(is_available(rt, "good"));
    cosrel_runtime_close(rt);
}

static void test_fails_now_and_then(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_with("processors: [bad, good]\nretry_ms: 10\nemulated:\n"
                                   "  - {name: good, table: npu.csv}\n"
                                   "  - {name: bad, table: npu.csv, fail_every: 4}\n",
                                   "shortest-latency", "models");
    send_all(rt, 200);
    assert_true(failures_of(rt, "bad") > 0);
    cosrel_processor_stats stats;
    cosrel_processor_get_stats(rt, fixture_processor(rt, "bad"), &stats);
    assert_true(stats.runs > stats.failures); /* it went on working in between */
    cosrel_runtime_close(rt);
}

static void test_hangs(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_with(
        "processors: [bad, good]\nrun_limit_ms: 60\nretry_ms: 20\nemulated:\n"
        "  - {name: good, table: npu.csv}\n"
        "  - {name: bad, table: npu.csv, hang_every: 5}\n",
        "shortest-latency", "models");
    send_all(rt, 100);
    assert_true(failures_of(rt, "bad") > 0);
    bool back = false;
    for (int i = 0; i < 3000 && !back; i++) {
        usleep(10000);
        back = is_available(rt, "bad");
    }
    assert_true(back); /* tried again later */
    cosrel_runtime_close(rt);
}

/* The only processor that there is fails for good: close answers what waits. */
static void test_nothing_left(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_with("processors: [bad]\nretry_ms: 20\nemulated:\n"
                                   "  - {name: bad, table: npu.csv, fail_every: 1}\n",
                                   "min-min", "models");
    float x[4] = {0};
    const cosrel_tensor t = fixture_floats(row, 2, x);
    const cosrel_ticket ticket = fixture_submit(rt, fixture_model(rt, "add"), &t, 1);
    const cosrel_result *r;
    /* Either three attempts have failed, or it still waits for the processor to come back. */
    if (cosrel_wait(rt, ticket, 200000000, &r) == COSREL_OK) {
        assert_int_equal(r->status, COSREL_RUN_FAILED);
        assert_non_null(strstr(r->message, "emulated failure"));
        cosrel_result_release(r);
    }
    cosrel_runtime_close(rt);
}

/* A run on the CPU past its limit is stopped between two nodes, and the processor is tried again
 * later. */
static void test_cpu_run_too_long(void **state)
{
    (void)state;
    char path[512];
    static char profile[512];
    fixture_path("long/slow.onnx", path);
    assert_true(tiny_slow(path, 2000));
    fixture_write(
        "lies.csv",
        "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
        "b,cpu0,slow,,,1,0.01,,,t\n");
    fixture_path("lies.csv", profile);
    cosrel_options options = fixture_options();
    options.profile = profile;
    options.processors = "cpu0";
    options.run_limit_ns = 30000000;
    options.retry_ns = 20000000;
    cosrel_runtime *rt = fixture_open(&options, "long");
    float x[4] = {0};
    const cosrel_tensor t = fixture_floats(row, 2, x);
    const cosrel_ticket ticket = fixture_submit(rt, fixture_model(rt, "slow"), &t, 1);
    bool out = false;
    for (int i = 0; i < 3000 && !out; i++) {
        usleep(10000);
        out = !is_available(rt, "cpu0");
    }
    assert_true(out);
    assert_true(failures_of(rt, "cpu0") > 0);
    assert_int_equal(cosrel_cancel(rt, ticket), COSREL_OK);
    assert_int_equal(fixture_answer(rt, ticket), COSREL_CANCELLED);
    cosrel_runtime_close(rt);
}

/* A request that cannot be run harms no other: the model says no to it, the processor stays. */
static void test_request_at_fault(void **state)
{
    (void)state;
    char path[512];
    fixture_path("models/add.onnx", path);
    assert_true(tiny_add(path));
    cosrel_options options = fixture_options();
    cosrel_runtime *rt = fixture_open(&options, "models");
    send_all(rt, 50);
    for (size_t p = 0; p < cosrel_runtime_processor_count(rt); p++) {
        cosrel_processor_info info;
        cosrel_runtime_processor(rt, p, &info);
        assert_true(info.available);
    }
    cosrel_runtime_close(rt);
}

static void test_late_requests_are_dropped_only_when_asked(void **state)
{
    (void)state;
    static const char text[] = "processors: [good]\nemulated:\n  - {name: good, table: npu.csv}\n";
    float x[4] = {0};
    const cosrel_tensor t = fixture_floats(row, 2, x);
    const cosrel_request request = {.inputs = &t, .input_count = 1, .deadline_ns = 1};
    cosrel_ticket ticket;
    cosrel_error err;
    cosrel_model_stats stats;
    cosrel_runtime *rt = open_with(text, "least-slack", "models");
    assert_int_equal(cosrel_submit(rt, fixture_model(rt, "add"), &request, &ticket, &err),
                     COSREL_OK);
    assert_int_equal(fixture_answer(rt, ticket), COSREL_OK);
    cosrel_model_get_stats(rt, fixture_model(rt, "add"), &stats);
    assert_int_equal(stats.late, 1);
    cosrel_runtime_close(rt);

    char dropping[256];
    snprintf(dropping, sizeof dropping, "drop_late: true\n%s", text);
    rt = open_with(dropping, "least-slack", "models");
    assert_int_equal(cosrel_submit(rt, fixture_model(rt, "add"), &request, &ticket, &err),
                     COSREL_OK);
    assert_int_equal(fixture_answer(rt, ticket), COSREL_DEADLINE_EXCEEDED);
    cosrel_model_get_stats(rt, fixture_model(rt, "add"), &stats);
    assert_int_equal(stats.dropped, 1);
    cosrel_runtime_close(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_always_fails),
        cmocka_unit_test(test_fails_now_and_then),
        cmocka_unit_test(test_hangs),
        cmocka_unit_test(test_nothing_left),
        cmocka_unit_test(test_cpu_run_too_long),
        cmocka_unit_test(test_request_at_fault),
        cmocka_unit_test(test_late_requests_are_dropped_only_when_asked),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
