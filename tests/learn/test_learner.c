/* The learner beside a real runtime with emulated processors. How much it gets done in a test's
 * time depends on the machine; what must hold does not. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "learn/store.h"
#include "sched/learned.h"
#include "tiny_onnx.h"

static const int64_t row[] = {1, 4};
static char warned[1024];

static void keep_warning(void *user, cosrel_log_level level, const char *message)
{
    (void)user;
    if (level == COSREL_LOG_WARNING)
        snprintf(warned, sizeof warned, "%s", message);
}

static cosrel_runtime *open_runtime(const char *policy)
{
    static char settings[512];
    char path[512];
    fixture_write(
        "npu.csv",
        "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
        "b,fast,add,,,1,0.2,,,t\nb,fast,more,,,1,0.4,,,t\n"
        "b,slow,add,,,1,0.5,,,t\nb,slow,more,,,1,0.3,,,t\n");
    fixture_write("settings.yaml", "processors: [fast, slow]\nemulated:\n"
                                   "  - {name: fast, table: npu.csv}\n"
                                   "  - {name: slow, table: npu.csv}\n");
    fixture_path("settings.yaml", settings);
    fixture_path("models/add.onnx", path);
    assert_true(tiny_add(path));
    fixture_path("models/more.onnx", path);
    assert_true(tiny_add(path));
    cosrel_options options = fixture_options();
    options.settings_file = settings;
    options.policy = policy;
    options.log = keep_warning;
    return fixture_open(&options, "models");
}

/* Sends `count` requests to both models, at most 8 at a time. */
static void send_some(cosrel_runtime *rt, int count)
{
    cosrel_ticket tickets[8] = {0};
    float x[4] = {0};
    const cosrel_tensor t = fixture_floats(row, 2, x);
    cosrel_model *models[] = {fixture_model(rt, "add"), fixture_model(rt, "more")};
    for (int i = 0; i < count + 8; i++) {
        if (tickets[i % 8])
            assert_int_equal(fixture_answer(rt, tickets[i % 8]), COSREL_OK);
        tickets[i % 8] = i < count ? fixture_submit(rt, models[i % 2], &t, 1) : 0;
    }
}

static cosrel_learner *open_learner(cosrel_runtime *rt, const char *folder)
{
    cosrel_learner_options options;
    cosrel_learner *learner;
    cosrel_error err = {.text = ""};
    cosrel_learner_options_init(&options);
    options.interval_ns = 20000000;
    options.cpu_part = 1;
    options.folder = folder;
    if (cosrel_learner_open(rt, &options, &learner, &err) != COSREL_OK)
        fail_msg("learner: %s", err.text);
    return learner;
}

static cosrel_learner_stats stats_of(cosrel_learner *learner)
{
    cosrel_learner_stats stats;
    cosrel_learner_get_stats(learner, &stats);
    return stats;
}

/* Serves until the learner has seen so many windows, and candidates if it gets to them: its thread
 * is of the idle class, and a full machine may leave it nothing for as long as a test can wait. */
static cosrel_learner_stats serve_until(cosrel_runtime *rt, cosrel_learner *learner,
                                        uint64_t windows, uint64_t candidates)
{
    cosrel_learner_stats stats = stats_of(learner);
    for (int i = 0; i < 500 && (stats.windows < windows || stats.candidates < candidates); i++) {
        send_some(rt, 100);
        stats = stats_of(learner);
    }
    assert_true(stats.windows >= windows);
    return stats;
}

static void test_learns_while_serving(void **state)
{
    (void)state;
    char folder[512];
    fixture_path("versions", folder);
    cosrel_runtime *rt = open_runtime("learned");
    cosrel_learner *learner = open_learner(rt, folder);
    const cosrel_learner_stats stats = serve_until(rt, learner, 5, 1);
    assert_true(stats.candidates == 0 || stats.lessons > 0);
    assert_true(stats.requests >= 200);
    assert_true(stats.live > 0 && stats.learned > 0 && stats.safe > 0);
    assert_true(stats.taken_back <= stats.promoted);
    cosrel_learner_close(learner);
    send_some(rt, 50); /* the runtime goes on */
    cosrel_runtime_close(rt);
}

static void test_waits_for_its_policy(void **state)
{
    (void)state;
    cosrel_error err;
    cosrel_runtime *rt = open_runtime("heft");
    cosrel_learner *learner = open_learner(rt, NULL);
    for (int i = 0; i < 3; i++) {
        send_some(rt, 300);
        usleep(60000);
    }
    cosrel_learner_stats stats = stats_of(learner);
    assert_int_equal(stats.state, COSREL_LEARNER_WAITING);
    assert_int_equal(stats.windows, 0);
    assert_int_equal(cosrel_runtime_set_policy(rt, "learned", &err), COSREL_OK);
    stats = serve_until(rt, learner, 1, 0);
    assert_true(stats.state != COSREL_LEARNER_WAITING);
    cosrel_learner_close(learner);
    cosrel_runtime_close(rt);
}

/* Opened and closed at once, and in the middle of a lesson, with requests on their way. */
static void test_closes_at_any_time(void **state)
{
    (void)state;
    cosrel_learner_options options;
    cosrel_learner *second;
    cosrel_error err;
    cosrel_runtime *rt = open_runtime("learned");
    cosrel_learner_close(NULL);
    for (int i = 0; i < 5; i++)
        cosrel_learner_close(open_learner(rt, NULL));
    cosrel_learner *learner = open_learner(rt, NULL);
    assert_int_equal(cosrel_learner_open(rt, NULL, &second, &err), COSREL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "has a learner already"));
    serve_until(rt, learner, 1, 0); /* the first lesson begins after the first window */
    float x[4] = {0};
    const cosrel_tensor t = fixture_floats(row, 2, x);
    const cosrel_ticket ticket = fixture_submit(rt, fixture_model(rt, "add"), &t, 1);
    cosrel_learner_close(learner);
    assert_int_equal(fixture_answer(rt, ticket), COSREL_OK);
    cosrel_learner_options_init(&options);
    options.cpu_part = 1.5;
    assert_int_equal(cosrel_learner_open(rt, &options, &second, &err), COSREL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "cpu_part: 1.5"));
    options.cpu_part = 0;
    options.interval_ns = -1;
    assert_int_equal(cosrel_learner_open(rt, &options, &second, &err), COSREL_INVALID_ARGUMENT);
    cosrel_runtime_close(rt);
}

static void test_begins_with_the_newest_good_file(void **state)
{
    (void)state;
    char folder[512], path[600];
    scorer net;
    scorer_about about;
    cosrel_error err = {.text = ""};
    fixture_path("kept", folder);
    assert_int_equal(learned_shipped(&net, &about, NULL), COSREL_OK);
    scorer_about_deinit(&about);
    cosrel_runtime *rt = open_runtime("learned");
    cosrel_learner_close(open_learner(rt, folder)); /* makes the folder */
    for (uint64_t v = 6; v <= 7; v++)
        assert_int_equal(store_write(folder, v, &net, "a test", &err), COSREL_OK);
    cosrel_learner *learner = open_learner(rt, folder);
    assert_int_equal(stats_of(learner).version, 7);
    cosrel_learner_close(learner);
    snprintf(path, sizeof path, "%s/policy-000007.cosrelp", folder);
    assert_int_equal(truncate(path, 500), 0);
    learner = open_learner(rt, folder);
    assert_int_equal(stats_of(learner).version, 6);
    assert_non_null(strstr(warned, "policy-000007.cosrelp"));
    send_some(rt, 50);
    cosrel_learner_close(learner);
    scorer_deinit(&net);
    cosrel_runtime_close(rt);
}

/* The file in the folder is good but its policy is not: the safe rule takes over by itself. */
static void test_a_sabotaged_policy_gives_way(void **state)
{
    (void)state;
    char folder[512];
    scorer net;
    scorer_about about;
    cosrel_error err = {.text = ""};
    fixture_path("bad", folder);
    assert_int_equal(learned_shipped(&net, &about, NULL), COSREL_OK);
    scorer_about_deinit(&about);
    const scorer_parts at = scorer_layout(&net.shape);
    for (int i = at.w3; i < at.count; i++)
        net.parameters[i] = -net.parameters[i];
    cosrel_runtime *rt = open_runtime("learned");
    cosrel_learner_close(open_learner(rt, folder));
    assert_int_equal(store_write(folder, 1, &net, "sabotaged", &err), COSREL_OK);
    cosrel_learner *learner = open_learner(rt, folder);
    const cosrel_learner_stats stats = serve_until(rt, learner, 3, 0);
    assert_true(stats.fallen >= 1);
    cosrel_learner_close(learner);
    scorer_deinit(&net);
    cosrel_runtime_close(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns_while_serving),
        cmocka_unit_test(test_waits_for_its_policy),
        cmocka_unit_test(test_closes_at_any_time),
        cmocka_unit_test(test_begins_with_the_newest_good_file),
        cmocka_unit_test(test_a_sabotaged_policy_gives_way),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
