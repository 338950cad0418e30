/* Models that go and come back while requests run: nothing accepted is lost, nothing mixes. */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tiny_onnx.h"

static const int64_t shape[] = {1, 4};

static cosrel_status follow(cosrel_runtime *rt, const char *folder, const char *name,
                            uint32_t versions)
{
    char path[512];
    cosrel_error err;
    cosrel_load_options options;
    cosrel_load_options_init(&options);
    options.name = name;
    options.versions = versions;
    options.follow = true;
    fixture_path(folder, path);
    return cosrel_runtime_load_models(rt, path, &options, &err);
}

static void add_version(const char *folder, int version, bool (*make)(const char *path))
{
    char name[128], path[512];
    snprintf(name, sizeof name, "%s/%d/model.onnx", folder, version);
    fixture_path(name, path);
    assert_true(make(path));
}

static bool tiny_slow_1(const char *path)
{
    return tiny_slow(path, 1);
}

/* What the model adds to the first element. */
static float run_once(cosrel_runtime *rt, cosrel_model *m)
{
    float x[4] = {0};
    const cosrel_tensor t = fixture_floats(shape, 2, x);
    const cosrel_result *r;
    cosrel_error err;
    if (cosrel_run(rt, m, &t, 1, &r, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    const float first = ((const float *)r->outputs[0].data)[0];
    cosrel_result_release(r);
    return first;
}

static void test_what_is_accepted_is_answered(void **state)
{
    (void)state;
    enum { MANY = 100 };
    char path[512];
    cosrel_error err = {.text = ""};
    cosrel_ticket tickets[MANY];
    float x[4] = {0};
    fixture_path("accepted/slow.onnx", path);
    assert_true(tiny_slow(path, 200));
    const cosrel_options options = fixture_options();
    cosrel_runtime *rt = fixture_open(&options, "accepted");
    cosrel_model *m = fixture_model(rt, "slow");
    const cosrel_tensor t = fixture_floats(shape, 2, x);
    for (int i = 0; i < MANY; i++)
        tickets[i] = fixture_submit(rt, m, &t, 1);
    assert_int_equal(cosrel_runtime_unload(rt, m, -1, &err), COSREL_OK);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(fixture_answer(rt, tickets[i]), COSREL_OK);
    assert_null(cosrel_runtime_find_model(rt, "slow", 0));
    assert_int_equal(cosrel_runtime_model_count(rt), 0);
    assert_null(cosrel_runtime_model(rt, 0));

    const cosrel_request request = {.inputs = &t, .input_count = 1};
    assert_int_equal(cosrel_submit(rt, m, &request, &tickets[0], &err), COSREL_NOT_FOUND);
    assert_string_equal(err.text, "slow was unloaded");
    assert_int_equal(cosrel_runtime_unload(rt, m, 0, &err), COSREL_NOT_FOUND);
    assert_string_equal(err.text, "slow is not loaded");

    /* The handle is for reading now. */
    cosrel_model_stats stats;
    cosrel_model_get_stats(rt, m, &stats);
    assert_int_equal(stats.completed, MANY);
    assert_int_equal(stats.waiting, 0);
    assert_string_equal(cosrel_model_describe(m)->name, "slow");
    assert_int_equal(cosrel_model_cost_ns(rt, m, 0, 1), 0);
    assert_false(cosrel_model_is_loaded(m));

    /* And serves again with the same file. */
    fixture_path("accepted", path);
    assert_int_equal(cosrel_runtime_load(rt, path, &err), COSREL_OK);
    assert_ptr_equal(fixture_model(rt, "slow"), m);
    (void)run_once(rt, m);
    cosrel_model_get_stats(rt, m, &stats);
    assert_int_equal(stats.completed, MANY + 1);
    cosrel_runtime_close(rt);
}

static void test_a_folder_is_followed(void **state)
{
    (void)state;
    char path[512];
    add_version("followed/m", 1, tiny_add);
    add_version("followed/m", 2, tiny_slow_1);
    fixture_path("followed/other.onnx", path);
    assert_true(tiny_add(path));
    const cosrel_options options = fixture_options();
    cosrel_runtime *rt = fixture_open(&options, "followed");
    assert_int_equal(cosrel_runtime_model_count(rt), 2);
    assert_null(cosrel_runtime_find_model(rt, "m", 1));

    assert_int_equal(follow(rt, "followed", NULL, 2), COSREL_OK);
    cosrel_model *first = cosrel_runtime_find_model(rt, "m", 1);
    cosrel_model *second = cosrel_runtime_find_model(rt, "m", 0);
    assert_non_null(first);
    assert_int_equal(cosrel_model_describe(second)->version, 2);
    assert_true(run_once(rt, first) == 1 && run_once(rt, second) == 1.0f / 256);

    /* A third one: the first goes. */
    add_version("followed/m", 3, tiny_add);
    assert_int_equal(follow(rt, "followed", "m", 2), COSREL_OK);
    assert_null(cosrel_runtime_find_model(rt, "m", 1));
    assert_ptr_equal(cosrel_runtime_find_model(rt, "m", 2), second);
    assert_int_equal(cosrel_model_describe(fixture_model(rt, "m"))->version, 3);

    /* One that cannot be loaded changes nothing. */
    add_version("followed/m", 4, tiny_unsupported);
    assert_int_equal(follow(rt, "followed", "m", 1), COSREL_INVALID_MODEL);
    assert_int_equal(cosrel_model_describe(fixture_model(rt, "m"))->version, 3);
    assert_ptr_equal(cosrel_runtime_find_model(rt, "m", 2), second);

    /* Nor does one whose outputs are no numbers; where there was none before, it may mean that. */
    add_version("followed/m", 4, tiny_nan);
    assert_int_equal(follow(rt, "followed", "m", 1), COSREL_INVALID_MODEL);
    assert_int_equal(cosrel_model_describe(fixture_model(rt, "m"))->version, 3);
    add_version("followed/n", 1, tiny_nan);
    assert_int_equal(follow(rt, "followed", "n", 1), COSREL_OK);
    assert_true(run_once(rt, fixture_model(rt, "n")) == 1);

    /* Other content in the same file: the name leads to it, the old handle does not. */
    cosrel_model *old = fixture_model(rt, "other");
    assert_true(tiny_slow(path, 1));
    assert_int_equal(follow(rt, "followed", "other", 1), COSREL_OK);
    assert_ptr_not_equal(fixture_model(rt, "other"), old);
    assert_true(run_once(rt, fixture_model(rt, "other")) == 1.0f / 256);

    /* What has not changed stays; what is gone goes, if it is followed. */
    cosrel_model *present = fixture_model(rt, "other");
    cosrel_error err;
    char folder[512];
    fixture_path("followed", folder);
    assert_int_equal(follow(rt, "followed", "other", 1), COSREL_OK);
    assert_ptr_equal(fixture_model(rt, "other"), present);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(cosrel_runtime_load(rt, folder, &err), COSREL_OK);
    assert_ptr_equal(fixture_model(rt, "other"), present);
    assert_int_equal(follow(rt, "followed", NULL, 1), COSREL_INVALID_MODEL);
    assert_null(cosrel_runtime_find_model(rt, "other", 0));
    assert_int_equal(follow(rt, "followed", "other", 1), COSREL_NOT_FOUND);
    cosrel_runtime_close(rt);
}

/* A processor that is down may come back, but not everybody can wait for it. */
static void test_patience(void **state)
{
    (void)state;
    char path[512];
    static char settings[512];
    cosrel_error err;
    cosrel_ticket tickets[3];
    float x[4] = {0};
    fixture_path("patience/add.onnx", path);
    assert_true(tiny_add(path));
    fixture_write(
        "long.csv",
        "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
        "b,npu,add,,,1,400,,,t\n");
    fixture_write("long.yaml", "emulated:\n  - {name: npu, table: long.csv}\n");
    fixture_path("long.yaml", settings);
    cosrel_options options = fixture_options();
    options.settings_file = settings;
    options.processors = "npu";
    cosrel_runtime *rt = fixture_open(&options, "patience");
    cosrel_model *m = fixture_model(rt, "add");
    const cosrel_tensor t = fixture_floats(shape, 2, x);
    for (int i = 0; i < 3; i++)
        tickets[i] = fixture_submit(rt, m, &t, 1);
    assert_int_equal(cosrel_runtime_unload(rt, m, 1, &err), COSREL_OK);
    assert_int_equal(fixture_answer(rt, tickets[0]), COSREL_OK);
    assert_int_equal(fixture_answer(rt, tickets[1]), COSREL_UNAVAILABLE);
    assert_int_equal(fixture_answer(rt, tickets[2]), COSREL_UNAVAILABLE);
    cosrel_runtime_close(rt);
}

typedef struct asking {
    cosrel_runtime *rt;
    atomic_bool stop;
    atomic_long answers, wrong;
} asking;

/* As a server does: the name is looked up for each request, once more where the model has gone in
 * between. What comes back is one version's answer as a whole. */
static void *ask(void *arg)
{
    asking *a = arg;
    float x[4] = {0};
    const cosrel_tensor t = fixture_floats(shape, 2, x);
    while (!atomic_load(&a->stop)) {
        const cosrel_result *r = NULL;
        cosrel_status status = COSREL_NOT_FOUND;
        for (int i = 0; i < 3 && status == COSREL_NOT_FOUND; i++)
            status = cosrel_run(a->rt, cosrel_runtime_find_model(a->rt, "m", 0), &t, 1, &r, NULL);
        if (status != COSREL_OK) {
            atomic_fetch_add(&a->wrong, 1);
        } else {
            const float *y = r->outputs[0].data;
            const bool add = y[0] == 1 && y[1] == 2 && y[2] == 3 && y[3] == 4;
            const bool slow = y[0] == 1.0f / 256 && y[1] == y[0] && y[2] == y[0] && y[3] == y[0];
            atomic_fetch_add(&a->wrong, !add && !slow);
            atomic_fetch_add(&a->answers, 1);
        }
        cosrel_result_release(r);
    }
    return NULL;
}

static void swap(asking *a, const char *path, int i)
{
    char other[520];
    snprintf(other, sizeof other, "%s.new", path);
    assert_true(i % 2 ? tiny_add(other) : tiny_slow(other, 1 + i % 8));
    assert_int_equal(rename(other, path), 0);
    assert_int_equal(follow(a->rt, "swapped", NULL, 1), COSREL_OK);
}

static void swap_under_load(const char *policy)
{
    enum { SWAPS = 40, CLIENTS = 3 };
    char path[512];
    pthread_t threads[CLIENTS];
    cosrel_options options = fixture_options();
    options.policy = policy;
    options.processors = "cpu0";
    fixture_path("swapped/m.onnx", path);
    assert_true(tiny_add(path));
    asking a = {.rt = fixture_open(&options, "swapped")};
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &a), 0);
    for (int i = 0; i < SWAPS; i++)
        swap(&a, path, i);
    atomic_store(&a.stop, true);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(cosrel_runtime_model_count(a.rt), 1);
    cosrel_runtime_close(a.rt);
    assert_int_equal(atomic_load(&a.wrong), 0);
    assert_true(atomic_load(&a.answers) > 0);
}

static void test_swaps_under_load(void **state)
{
    (void)state;
    swap_under_load("min-min");
    swap_under_load("learned");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_accepted_is_answered),
        cmocka_unit_test(test_a_folder_is_followed),
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_swaps_under_load),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
