/* Settings: what is wrong is named with file, line and key, and defaults are what the documentation
 * says. */
#include "fixture.h"

#include <string.h>

#include "tiny_onnx.h"

static const char table[] =
    "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
    "b,npu,add,,,1,1,,,t\n";

/* Opening with this settings file must fail with a sentence that holds all of `named` (words
 * separated by '|'). */
static void refuse(const char *text, cosrel_status expected, const char *named)
{
    char path[512];
    char words[256];
    cosrel_runtime *rt;
    cosrel_error err = {.text = ""};
    cosrel_options options = fixture_options();
    fixture_write("bad.yaml", text);
    fixture_write("npu.csv", table);
    fixture_path("bad.yaml", path);
    options.settings_file = path;
    const cosrel_status status = cosrel_runtime_open(&options, &rt, &err);
    if (status != expected)
        fail_msg("%s: '%s' for:\n%s", cosrel_status_name(status), err.text, text);
    assert_null(rt);
    assert_null(strchr(err.text, '\n'));
    strncpy(words, named, sizeof words - 1);
    words[sizeof words - 1] = '\0';
    char *rest = words;
    for (const char *word; (word = strsep(&rest, "|"));) {
        if (!strstr(err.text, word))
            fail_msg("'%s' does not name '%s'", err.text, word);
    }
}

static void test_nonsense(void **state)
{
    (void)state;
    refuse("policcy: heft\n", COSREL_INVALID_FILE, "bad.yaml:1|policcy|policy");
    refuse("drop_late: false\nretry_ms: soon\n", COSREL_INVALID_FILE, "bad.yaml:2|retry_ms|soon");
    refuse("drop_late: perhaps\n", COSREL_INVALID_FILE, "bad.yaml:1|drop_late|perhaps|'yes'");
    refuse("retry_ms: -1\n", COSREL_INVALID_FILE, "bad.yaml|retry_ms");
    refuse("requests_max: 99999999\n", COSREL_INVALID_FILE, "bad.yaml|requests_max");
    refuse("- a\n- b\n", COSREL_INVALID_FILE, "bad.yaml");
    refuse("policy: [\n", COSREL_INVALID_FILE, "bad.yaml:1");
    refuse("\x01\x02\xff\xfe\n", COSREL_INVALID_FILE, "bad.yaml");
    refuse("policy: min-mim\n", COSREL_INVALID_ARGUMENT, "min-mim|min-min");
    refuse("processors: [cpu99]\n", COSREL_NOT_FOUND, "cpu99|cpu0");
    refuse("processors: []\n", COSREL_INVALID_FILE, "bad.yaml:1|processors");
    refuse("profile: missing.csv\n", COSREL_NOT_FOUND, "missing.csv");
    refuse("emulated:\n  - {name: npu}\n", COSREL_INVALID_FILE, "bad.yaml:2|table");
    refuse("emulated:\n  - {name: npu, table: none.csv}\n", COSREL_NOT_FOUND, "none.csv");
    refuse("emulated:\n  - {name: cpu0, table: npu.csv}\n", COSREL_INVALID_FILE,
           "bad.yaml|cpu0|twice");
    refuse("emulated:\n  - {name: 'a b', table: npu.csv}\n", COSREL_INVALID_FILE, "bad.yaml|a b");
    refuse("emulated:\n  - {name: npu, table: npu.csv, fail_every: -1}\n", COSREL_INVALID_FILE,
           "bad.yaml|npu|fail_every");
    refuse("emulated:\n  - {name: npu, table: npu.csv, lose_every: -1}\n", COSREL_INVALID_FILE,
           "bad.yaml|npu|lose_every");
    refuse("emulated:\n  - name: npu\n    table: npu.csv\n    fail_evry: 1\n", COSREL_INVALID_FILE,
           "bad.yaml:4|fail_evry|fail_every");
}

static void test_missing_file(void **state)
{
    (void)state;
    char path[512];
    cosrel_runtime *rt;
    cosrel_error err = {.text = ""};
    cosrel_options options = fixture_options();
    fixture_path("nothing.yaml", path);
    options.settings_file = path;
    assert_int_equal(cosrel_runtime_open(&options, &rt, &err), COSREL_NOT_FOUND);
    assert_non_null(strstr(err.text, "nothing.yaml"));
}

static void test_options_win(void **state)
{
    (void)state;
    char path[512];
    cosrel_runtime *rt;
    cosrel_error err;
    cosrel_options options = fixture_options();
    fixture_write("good.yaml", "processors: [cpu0]\npolicy: heft\nsoftware_gpu: no\n");
    fixture_path("good.yaml", path);
    options.settings_file = path;
    assert_int_equal(cosrel_runtime_open(&options, &rt, &err), COSREL_OK);
    assert_int_equal(cosrel_runtime_processor_count(rt), 1);
    cosrel_runtime_close(rt);
    fixture_write("wrong.yaml", "policy: no-such-policy\nprocessors: [cpu0]\n");
    fixture_path("wrong.yaml", path);
    options.policy = "heft";
    assert_int_equal(cosrel_runtime_open(&options, &rt, &err), COSREL_OK);
    cosrel_runtime_close(rt);
}

static void test_empty_file(void **state)
{
    (void)state;
    char path[512];
    cosrel_runtime *rt;
    cosrel_error err;
    cosrel_options options = fixture_options();
    fixture_write("empty.yaml", "");
    fixture_path("empty.yaml", path);
    options.settings_file = path;
    assert_int_equal(cosrel_runtime_open(&options, &rt, &err), COSREL_OK);
    assert_true(cosrel_runtime_processor_count(rt) >= 1);
    cosrel_runtime_close(rt);
}

/* A provider that this build of ONNX Runtime lacks is not offered for any model; the others are. */
static void test_provider_that_is_not_there(void **state)
{
    (void)state;
    char path[512];
    cosrel_options options = fixture_options();
    fixture_path("models/add.onnx", path);
    assert_true(tiny_add(path));
    fixture_write("provider.yaml",
                  "processors: [cpu0, rare]\n"
                  "providers:\n"
                  "  - {name: rare, provider: RareProvider, options: [{key: a, value: b}]}\n");
    fixture_path("provider.yaml", path);
    options.settings_file = path;
    cosrel_runtime *rt = fixture_open(&options, "models");
    cosrel_processor_info info;
    const size_t rare = fixture_processor(rt, "rare");
    cosrel_runtime_processor(rt, rare, &info);
    assert_string_equal(info.kind, "provider");
    assert_string_equal(info.provider, "RareProvider");
    assert_int_equal(cosrel_model_cost_ns(rt, fixture_model(rt, "add"), rare, 1), 0);
    assert_true(
        cosrel_model_cost_ns(rt, fixture_model(rt, "add"), fixture_processor(rt, "cpu0"), 1) > 0);
    cosrel_runtime_close(rt);
}

static void test_old_callers(void **state)
{
    (void)state;
    cosrel_runtime *rt;
    cosrel_error err = {.text = ""};
    cosrel_options options;
    memset(&options, 0, sizeof options);
    assert_int_equal(cosrel_runtime_open(&options, &rt, &err), COSREL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "cosrel_options_init"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_options_win),
        cmocka_unit_test(test_empty_file),
        cmocka_unit_test(test_provider_that_is_not_there),
        cmocka_unit_test(test_old_callers),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
