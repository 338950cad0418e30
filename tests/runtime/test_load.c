/* Models on disk, good and bad: each bad one gets a sentence that names it, the others are loaded.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tiny_onnx.h"

typedef struct heard {
    int count;
    char all[8192];
} heard;

static void listen(void *user, cosrel_log_level level, const char *message)
{
    heard *h = user;
    if (level > COSREL_LOG_WARNING)
        return;
    const size_t used = strlen(h->all);
    snprintf(h->all + used, sizeof h->all - used, "%s\n", message);
    h->count++;
    assert_null(strchr(message, '\n'));
}

static void copy_truncated(const char *from, const char *to, long bytes)
{
    char data[4096];
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    const size_t got = fread(data, 1, (size_t)bytes, in);
    assert_int_equal(fwrite(data, 1, got, out), got);
    fclose(in);
    fclose(out);
}

static void test_bad_among_good(void **state)
{
    (void)state;
    char path[512];
    char other[512];
    fixture_path("mixed/good.onnx", path);
    assert_true(tiny_add(path));
    fixture_path("mixed/cut.onnx", other);
    copy_truncated(path, other, 120);
    fixture_write("mixed/text.onnx", "this is not a model, it is a sentence\n");
    fixture_write("mixed/empty.onnx", "");
    fixture_path("mixed/operator.onnx", path);
    assert_true(tiny_unsupported(path));
    fixture_path("mixed/outside.onnx", path);
    assert_true(tiny_external(path, "../secret.bin", 0, NULL));
    fixture_path("mixed/huge.onnx", path);
    assert_true(tiny_lying(path, INT64_C(1) << 30));
    fixture_path("mixed/missing.onnx", path);
    assert_true(tiny_external(path, "nowhere.bin", 0, NULL));
    heard h = {.count = 0};
    cosrel_options options = fixture_options();
    options.log = listen;
    options.log_user = &h;
    cosrel_runtime *rt = fixture_open(&options, "mixed");
    assert_int_equal(cosrel_runtime_model_count(rt), 1);
    assert_int_equal(h.count, 7);
    static const char *const named[] = {
        "cut.onnx",  "text.onnx",    "empty.onnx",   "operator.onnx", "Frobnicate",
        "huge.onnx", "outside.onnx", "missing.onnx", "nowhere.bin",   "../secret.bin"};
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        if (!strstr(h.all, named[i]))
            fail_msg("no word of '%s' in:\n%s", named[i], h.all);
    }
    const int64_t shape[] = {1, 4};
    float x[4] = {0};
    const cosrel_tensor t = fixture_floats(shape, 2, x);
    assert_int_equal(fixture_answer(rt, fixture_submit(rt, fixture_model(rt, "good"), &t, 1)),
                     COSREL_OK);
    cosrel_runtime_close(rt);
}

static void test_one_bad_file(void **state)
{
    (void)state;
    char path[512];
    cosrel_error err = {.text = ""};
    cosrel_runtime *rt;
    const cosrel_options options = fixture_options();
    fixture_write("single/text.onnx", "no model\n");
    fixture_path("single/text.onnx", path);
    assert_int_equal(cosrel_runtime_open(&options, &rt, &err), COSREL_OK);
    assert_int_equal(cosrel_runtime_load(rt, path, &err), COSREL_INVALID_MODEL);
    assert_non_null(strstr(err.text, "text.onnx"));
    fixture_path("single/nothing.onnx", path);
    assert_int_equal(cosrel_runtime_load(rt, path, &err), COSREL_NOT_FOUND);
    assert_non_null(strstr(err.text, "nothing.onnx"));
    assert_int_equal(cosrel_runtime_model_count(rt), 0);
    cosrel_runtime_close(rt);
}

static void test_versions(void **state)
{
    (void)state;
    char path[512];
    fixture_path("versions/add/1/model.onnx", path);
    assert_true(tiny_add(path));
    fixture_path("versions/add/12/model.onnx", path);
    assert_true(tiny_add(path));
    fixture_path("versions/add/3/model.onnx", path);
    assert_true(tiny_add(path));
    fixture_path("versions/plain.onnx", path);
    assert_true(tiny_add(path));
    const cosrel_options options = fixture_options();
    cosrel_runtime *rt = fixture_open(&options, "versions");
    assert_int_equal(cosrel_runtime_model_count(rt), 2);
    assert_int_equal(cosrel_model_describe(fixture_model(rt, "add"))->version, 12);
    assert_int_equal(cosrel_model_describe(fixture_model(rt, "plain"))->version, 1);
    assert_null(cosrel_runtime_find_model(rt, "add", 3));
    cosrel_runtime_close(rt);
}

static void test_external_data(void **state)
{
    (void)state;
    char path[512];
    char data[512];
    fixture_path("external/add.onnx", path);
    fixture_path("external/weights/data.bin", data);
    assert_true(tiny_external(path, "weights/data.bin", 4096, data));
    const cosrel_options options = fixture_options();
    cosrel_runtime *rt = fixture_open(&options, "external");
    const int64_t shape[] = {1, 4};
    float x[4] = {1, 1, 1, 1};
    const cosrel_tensor t = fixture_floats(shape, 2, x);
    const cosrel_result *r;
    cosrel_error err;
    assert_int_equal(cosrel_run(rt, fixture_model(rt, "add"), &t, 1, &r, &err), COSREL_OK);
    const float expected[] = {2, 3, 4, 5};
    assert_memory_equal(r->outputs[0].data, expected, sizeof expected);
    cosrel_result_release(r);
    cosrel_runtime_close(rt);
}

/* Loading a second folder while requests run; a model that is there already is left alone. */
static void test_load_more(void **state)
{
    (void)state;
    char path[512];
    char first[512];
    cosrel_error err;
    fixture_path("more/add.onnx", path);
    assert_true(tiny_add(path));
    const cosrel_options options = fixture_options();
    cosrel_runtime *rt = fixture_open(&options, "more");
    fixture_path("more/multi.onnx", path);
    assert_true(tiny_multi(path));
    fixture_path("more", first);
    assert_int_equal(cosrel_runtime_load(rt, first, &err), COSREL_OK);
    assert_int_equal(cosrel_runtime_model_count(rt), 2);
    assert_string_equal(cosrel_model_describe(cosrel_runtime_model(rt, 1))->name, "multi");
    cosrel_runtime_close(rt);
}

typedef struct watched {
    int calls;
    double last;
    int stop_after;
} watched;

static bool watch(void *user, const char *what, double fraction, int64_t left_ns)
{
    watched *w = user;
    assert_non_null(what);
    assert_true(fraction >= w->last && fraction <= 1);
    (void)left_ns;
    w->last = fraction;
    return ++w->calls < w->stop_after;
}

static void test_profile_and_save(void **state)
{
    (void)state;
    char path[512];
    static char saved[512];
    watched w = {.stop_after = 1000};
    fixture_path("profiled/add.onnx", path);
    assert_true(tiny_add(path));
    fixture_path("profiled/multi.onnx", path);
    assert_true(tiny_multi(path));
    cosrel_options options = fixture_options();
    options.progress = watch;
    options.progress_user = &w;
    cosrel_runtime *rt = fixture_open(&options, "profiled");
    const cosrel_profile_options quick = {
        .struct_bytes = sizeof quick, .cell_ns = 1000000, .batch_max = 4};
    cosrel_error err;
    w.last = 0;
    assert_int_equal(cosrel_runtime_profile(rt, &quick, &err), COSREL_OK);
    assert_true(w.calls > 4 && w.last == 1);
    const size_t cpu0 = fixture_processor(rt, "cpu0");
    const int64_t measured_ns = cosrel_model_cost_ns(rt, fixture_model(rt, "add"), cpu0, 1);
    assert_true(measured_ns > 0);
    assert_true(cosrel_model_cost_ns(rt, fixture_model(rt, "add"), cpu0, 2) > 0);
    fixture_path("profile.csv", saved);
    assert_int_equal(cosrel_runtime_save_profile(rt, saved, &err), COSREL_OK);
    cosrel_runtime_close(rt);

    options.progress = NULL;
    options.profile = saved;
    rt = fixture_open(&options, "profiled");
    const int64_t read_ns = cosrel_model_cost_ns(rt, fixture_model(rt, "add"), cpu0, 1);
    assert_true(llabs(read_ns - measured_ns) <= 1); /* written with all its digits */
    cosrel_runtime_close(rt);
}

static void test_profile_stopped(void **state)
{
    (void)state;
    watched w = {.stop_after = 1000};
    cosrel_options options = fixture_options();
    options.progress = watch;
    options.progress_user = &w;
    cosrel_runtime *rt = fixture_open(&options, "profiled");
    const cosrel_profile_options quick = {
        .struct_bytes = sizeof quick, .cell_ns = 1000000, .batch_max = 4};
    cosrel_error err = {.text = ""};
    w = (watched){.stop_after = 2};
    assert_int_equal(cosrel_runtime_profile(rt, &quick, &err), COSREL_CANCELLED);
    assert_true(
        cosrel_model_cost_ns(rt, fixture_model(rt, "add"), fixture_processor(rt, "cpu0"), 1) > 0);
    cosrel_runtime_close(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_among_good),  cmocka_unit_test(test_one_bad_file),
        cmocka_unit_test(test_versions),        cmocka_unit_test(test_external_data),
        cmocka_unit_test(test_load_more),       cmocka_unit_test(test_profile_and_save),
        cmocka_unit_test(test_profile_stopped),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
