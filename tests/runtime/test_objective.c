/* What policies aim at, and learned policies whose file is no good. */
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tiny_onnx.h"

static const char *const GOOD[] = {"latency", "throughput", "deadline", "energy", "balanced"};

static char warned[1024];

static void keep_warning(void *user, cosrel_log_level level, const char *message)
{
    (void)user;
    if (level == COSREL_LOG_WARNING)
        snprintf(warned, sizeof warned, "%s", message);
}

static cosrel_options options_with(const char *policy, const char *objective)
{
    cosrel_options options = fixture_options();
    options.processors = "cpu0";
    options.policy = policy;
    options.objective = objective;
    options.log = keep_warning;
    warned[0] = '\0';
    return options;
}

static void one_request(cosrel_runtime *rt)
{
    static const int64_t shape[] = {1, 4};
    float x[] = {1, 2, 3, 4};
    const cosrel_tensor input = fixture_floats(shape, 2, x);
    cosrel_model *m = fixture_model(rt, "add");
    assert_int_equal(fixture_answer(rt, fixture_submit(rt, m, &input, 1)), COSREL_OK);
}

static void test_named(void **state)
{
    (void)state;
    cosrel_error err = {.text = ""};
    const cosrel_options options = options_with("learned", "balanced");
    cosrel_runtime *rt = fixture_open(&options, "models");
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        assert_int_equal(cosrel_runtime_set_objective(rt, GOOD[i], &err), COSREL_OK);
        one_request(rt);
    }
    assert_int_equal(cosrel_runtime_set_objective(rt, "latencie", &err), COSREL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "did you mean 'latency'"));
    assert_int_equal(cosrel_runtime_set_objective(rt, NULL, &err), COSREL_INVALID_ARGUMENT);
    one_request(rt);
    cosrel_runtime_close(rt);
}

static void test_weights(void **state)
{
    (void)state;
    cosrel_error err = {.text = ""};
    const cosrel_options options = options_with("lookahead", NULL);
    cosrel_runtime *rt = fixture_open(&options, "models");
    assert_int_equal(cosrel_runtime_set_weights(rt, 1, 0.5, 100, &err), COSREL_OK);
    one_request(rt);
    assert_int_equal(cosrel_runtime_set_weights(rt, 0, 1, 1, &err), COSREL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "latency: 0 is not a finite number above 0"));
    assert_int_equal(cosrel_runtime_set_weights(rt, 1, -1, 1, &err), COSREL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "miss: -1"));
    assert_int_equal(cosrel_runtime_set_weights(rt, 1, 1, (double)NAN, &err),
                     COSREL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "energy_ns_per_uj"));
    one_request(rt);
    cosrel_runtime_close(rt);
}

static void test_at_open(void **state)
{
    (void)state;
    char path[512];
    cosrel_runtime *rt;
    cosrel_error err = {.text = ""};
    cosrel_options options = options_with(NULL, "fast");
    assert_int_equal(cosrel_runtime_open(&options, &rt, &err), COSREL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "objective 'fast' is unknown"));
    fixture_write("o.yaml", "objective: latancy\n");
    fixture_path("o.yaml", path);
    options = options_with(NULL, NULL);
    options.settings_file = path;
    assert_int_equal(cosrel_runtime_open(&options, &rt, &err), COSREL_INVALID_FILE);
    assert_non_null(strstr(err.text, "o.yaml: key 'objective': objective 'latancy'"));
    /* The option wins. */
    options.objective = "deadline";
    assert_int_equal(cosrel_runtime_open(&options, &rt, &err), COSREL_OK);
    cosrel_runtime_close(rt);
}

/* Serves all the same, by the safe rule, and says why. */
static void serves_safely(const char *policy, const char *why)
{
    const cosrel_options options = options_with(policy, NULL);
    cosrel_runtime *rt = fixture_open(&options, "models");
    if (!strstr(warned, why) || !strstr(warned, "'min-min' serves instead"))
        fail_msg("'%s' does not say '%s'", warned, why);
    one_request(rt);
    cosrel_runtime_close(rt);
}

static void test_bad_files(void **state)
{
    (void)state;
    char file[512], policy[600];
    fixture_path("p.policy", file);
    snprintf(policy, sizeof policy, "learned:%s", file);
    serves_safely(policy, "p.policy: cannot be opened");
    fixture_write("p.policy", "COSRELP\nthis is no policy, but begins like one; it is long enough");
    serves_safely(policy, "p.policy");
    fixture_write("p.policy", "");
    serves_safely(policy, "p.policy");
    /* In a settings file the path is relative to it. */
    char path[512];
    cosrel_error err = {.text = ""};
    cosrel_runtime *rt;
    fixture_write("sub/s.yaml", "policy: learned:here.policy\nprocessors: [cpu0]\n");
    fixture_path("sub/s.yaml", path);
    cosrel_options options = options_with(NULL, NULL);
    options.settings_file = path;
    assert_int_equal(cosrel_runtime_open(&options, &rt, &err), COSREL_OK);
    assert_non_null(strstr(warned, "sub/here.policy"));
    /* Later it is an error, and what served goes on serving. */
    assert_int_equal(cosrel_runtime_set_policy(rt, "heft", &err), COSREL_OK);
    assert_int_equal(cosrel_runtime_set_policy(rt, policy, &err), COSREL_INVALID_FILE);
    assert_non_null(strstr(err.text, "p.policy"));
    cosrel_runtime_close(rt);
    /* A misspelt name is a mistake, not a damaged file. */
    options.policy = "learnd:x";
    assert_int_equal(cosrel_runtime_open(&options, &rt, &err), COSREL_INVALID_ARGUMENT);
}

static int setup(void **state)
{
    char path[512];
    if (fixture_setup(state) != 0)
        return -1;
    fixture_path("models/add.onnx", path);
    return tiny_add(path) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_at_open),
        cmocka_unit_test(test_bad_files),
    };
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
