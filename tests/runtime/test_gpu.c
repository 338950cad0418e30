/* The WebGPU path, on a real GPU or on a Vulkan software renderer. Skipped (77) where there is
 * neither. */
#include "fixture.h"

#include <onnxruntime_c_api.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tiny_onnx.h"

enum { COLUMNS = 512, SKIPPED = 77 };

static cosrel_options gpu_options(void)
{
    cosrel_options options = fixture_options();
    options.software_gpu = true;
    return options;
}

static bool gpu_is_there(void)
{
    cosrel_runtime *rt;
    cosrel_error err;
    bool found = false;
    const cosrel_options options = gpu_options();
    if (cosrel_runtime_open(&options, &rt, &err) != COSREL_OK)
        return false;
    for (size_t i = 0; i < cosrel_runtime_processor_count(rt); i++) {
        cosrel_processor_info info;
        cosrel_runtime_processor(rt, i, &info);
        found = found || strcmp(info.kind, "gpu") == 0;
    }
    cosrel_runtime_close(rt);
    return found;
}

static void must(const OrtApi *api, OrtStatus *status)
{
    if (status)
        fail_msg("ONNX Runtime: %s", api->GetErrorMessage(status));
}

/* The same model on a plain session of the same provider. */
static void run_plain(const char *path, const char *preference, const cosrel_tensor *t, float *out)
{
    const OrtApi *api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    const char *const keys[] = {"powerPreference"};
    OrtEnv *env;
    OrtSessionOptions *options;
    OrtSession *session;
    OrtMemoryInfo *memory;
    OrtValue *input;
    OrtValue *output = NULL;
    void *data;
    must(api, api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "test", &env));
    must(api, api->CreateSessionOptions(&options));
    must(api, api->SetIntraOpNumThreads(options, 1));
    must(api, api->SessionOptionsAppendExecutionProvider(options, "WebGPU", keys, &preference, 1));
    must(api, api->CreateSession(env, path, options, &session));
    must(api, api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    must(api, api->CreateTensorWithDataAsOrtValue(memory, t->data, t->bytes, t->shape, t->rank,
                                                  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &input));
    const char *const input_names[] = {"x"};
    const char *const output_names[] = {"y"};
    must(api, api->Run(session, NULL, input_names, (const OrtValue *const *)&input, 1, output_names,
                       1, &output));
    must(api, api->GetTensorMutableData(output, &data));
    memcpy(out, data, COLUMNS * sizeof *out);
    api->ReleaseValue(output);
    api->ReleaseValue(input);
    api->ReleaseMemoryInfo(memory);
    api->ReleaseSession(session);
    api->ReleaseSessionOptions(options);
    api->ReleaseEnv(env);
}

static void test_gpu_runs_models(void **state)
{
    (void)state;
    static float x[COLUMNS], expected[COLUMNS];
    static const int64_t shape[] = {1, COLUMNS};
    char path[512];
    for (int i = 0; i < COLUMNS; i++)
        x[i] = (float)(i % 17) - 8;
    fixture_path("models/matmul.onnx", path);
    assert_true(tiny_matmul(path, (size_t)COLUMNS * COLUMNS * sizeof(float)));
    cosrel_options options = gpu_options();
    options.policy = "single:gpu0";
    cosrel_runtime *rt = fixture_open(&options, "models");
    cosrel_model *m = fixture_model(rt, "matmul");
    const size_t gpu = fixture_processor(rt, "gpu0");
    assert_true(cosrel_model_cost_ns(rt, m, gpu, 1) > 0);
    const cosrel_tensor t = fixture_floats(shape, 2, x);
    float got[3][COLUMNS];
    for (int k = 0; k < 3; k++) {
        const cosrel_result *r;
        cosrel_error err;
        if (cosrel_run(rt, m, &t, 1, &r, &err) != COSREL_OK)
            fail_msg("%s", err.text);
        assert_string_equal(r->processor, "gpu0");
        assert_int_equal(r->outputs[0].bytes, sizeof expected);
        memcpy(got[k], r->outputs[0].data, sizeof expected);
        cosrel_result_release(r);
    }
    cosrel_processor_info info;
    cosrel_runtime_processor(rt, gpu, &info);
    assert_string_equal(info.provider, "WebGPU");
    const char *preference = strstr(info.description, "software") ? "low-power"
                                                                  : "high-performance";
    run_plain(path, preference, &t, expected);
    for (int k = 0; k < 3; k++)
        assert_memory_equal(got[k], expected, sizeof expected);
    cosrel_runtime_close(rt);
}

enum { WIDTH = 4, CLIENTS = 8, EACH = 40 };

/* One that asks again and again: x, and what must come out of it. */
typedef struct gpu_client {
    cosrel_runtime *rt;
    const char *model;
    int64_t shape[2];
    float x[WIDTH], y[WIDTH];
    int asked;
    atomic_int answered, wrong;
} gpu_client;

static void ask(gpu_client *c);

/* y = x + [1,2,3,4], or + [11,..] of its other version; nothing else. */
static void answered(const cosrel_result *r)
{
    gpu_client *c = r->user;
    int right[2] = {0, 0};
    for (int k = 0; k < WIDTH && r->status == COSREL_OK; k++)
        for (int v = 0; v < 2; v++)
            right[v] += c->y[k] == c->x[k] + (float)(k + 1 + 10 * v);
    if (r->status != COSREL_OK || strcmp(r->processor, "gpu0") != 0 || r->outputs[0].data != c->y ||
        (right[0] != WIDTH && right[1] != WIDTH))
        atomic_fetch_add(&c->wrong, 1);
    if (++c->asked < EACH)
        ask(c);
    atomic_fetch_add(&c->answered, 1);
}

static void ask(gpu_client *c)
{
    cosrel_error err;
    const cosrel_tensor input = fixture_floats(c->shape, 2, c->x);
    const cosrel_tensor output = {.name = "y", .data = c->y, .bytes = sizeof c->y};
    const cosrel_request request = {.inputs = &input,
                                    .input_count = 1,
                                    .outputs = &output,
                                    .output_count = 1,
                                    .done = answered,
                                    .user = c};
    cosrel_status status = COSREL_NOT_FOUND;
    for (int k = 0; k < WIDTH; k++)
        c->x[k] = (float)(c->asked * WIDTH + k);
    for (int i = 0; status == COSREL_NOT_FOUND && i < 10; i++)
        status = cosrel_submit(c->rt, cosrel_runtime_find_model(c->rt, c->model, 0), &request, NULL,
                               &err);
    if (status != COSREL_OK)
        fail_msg("%s", err.text);
}

static void start_clients(gpu_client *all, cosrel_runtime *rt)
{
    for (int i = 0; i < CLIENTS; i++) {
        all[i] = (gpu_client){.rt = rt, .model = i % 2 ? "one" : "other", .shape = {1, WIDTH}};
        ask(&all[i]);
    }
}

static void end_clients(gpu_client *all)
{
    for (int i = 0; i < CLIENTS; i++) {
        while (atomic_load(&all[i].answered) < EACH)
            sched_yield();
        assert_int_equal(atomic_load(&all[i].wrong), 0);
    }
}

static void write_model(const char *name, bool (*make)(const char *path))
{
    char path[512], between[520];
    fixture_write("two/none", "");
    fixture_write("more/none", "");
    fixture_path(name, path);
    snprintf(between, sizeof between, "%s.new", path);
    assert_true(make(between));
    assert_int_equal(rename(between, path), 0);
}

static bool add_eleven(const char *path)
{
    return tiny_add_from(path, 11);
}

/* Two models on the GPU, whatever the policy would like better. */
static cosrel_runtime *open_two(void)
{
    cosrel_options options = gpu_options();
    write_model("two/one.onnx", tiny_add);
    write_model("two/other.onnx", tiny_add);
    options.policy = "single:gpu0";
    return fixture_open(&options, "two");
}

/* Two models on one GPU, eight clients: runs that are prepared during others, batches, outputs in
 * the clients' memory. Meanwhile one of the models is replaced, again and again. */
static void test_gpu_serves_many(void **state)
{
    (void)state;
    static gpu_client clients[CLIENTS];
    char folder[512];
    cosrel_error err;
    cosrel_load_options load;
    cosrel_runtime *rt = open_two();
    fixture_path("two", folder);
    cosrel_load_options_init(&load);
    load.follow = true;
    load.gently = true;
    start_clients(clients, rt);
    for (int i = 0; i < 6; i++) {
        write_model("two/one.onnx", i % 2 ? tiny_add : add_eleven);
        if (cosrel_runtime_load_models(rt, folder, &load, &err) != COSREL_OK)
            fail_msg("%s", err.text);
    }
    end_clients(clients);
    cosrel_runtime_close(rt);
}

/* While a model's weights are brought to the GPU, others go on there: a provider that takes one
 * call at a time is never asked for a load beside a run. */
static void test_gpu_loads_beside_runs(void **state)
{
    (void)state;
    static gpu_client clients[CLIENTS];
    char folder[512];
    cosrel_error err;
    cosrel_load_options load;
    cosrel_processor_stats stats;
    cosrel_runtime *rt = open_two();
    write_model("more/convolutions.onnx", tiny_convolutions);
    fixture_path("more", folder);
    cosrel_load_options_init(&load);
    load.gently = true;
    start_clients(clients, rt);
    for (int i = 0; i < 10; i++) {
        if (cosrel_runtime_load_models(rt, folder, &load, &err) != COSREL_OK)
            fail_msg("%s", err.text);
        cosrel_model *m = fixture_model(rt, "convolutions");
        assert_true(cosrel_model_cost_ns(rt, m, fixture_processor(rt, "gpu0"), 1) > 0);
        assert_int_equal(cosrel_runtime_unload(rt, m, -1, &err), COSREL_OK);
    }
    end_clients(clients);
    cosrel_processor_get_stats(rt, fixture_processor(rt, "gpu0"), &stats);
    assert_int_equal(stats.failures, 0);
    cosrel_runtime_close(rt);
}

/* Models that do not fit the budget together sleep and wake there by turns. */
static void test_gpu_wakes_models(void **state)
{
    (void)state;
    enum { MODELS = 3, WEIGHT_BYTES = 1 << 20, ROUNDS = 3 };
    static const int64_t shape[] = {1, WIDTH};
    cosrel_options options = gpu_options();
    cosrel_runtime_stats stats;
    char name[32], path[512];
    fixture_write("turns/none", "");
    for (int i = 0; i < MODELS; i++) {
        snprintf(name, sizeof name, "turns/m%d.onnx", i);
        fixture_path(name, path);
        assert_true(tiny_padded(path, WEIGHT_BYTES, (float)(i + 1)));
    }
    options.processors = "gpu0";
    options.memory_budget = 5 * WEIGHT_BYTES / 2;
    cosrel_runtime *rt = fixture_open(&options, "turns");
    for (int k = 0; k < ROUNDS * MODELS; k++) {
        const cosrel_result *r;
        cosrel_error err;
        float x[WIDTH] = {0, 10, 20, (float)k};
        const cosrel_tensor t = fixture_floats(shape, 2, x);
        snprintf(name, sizeof name, "m%d", k % MODELS);
        if (cosrel_run(rt, fixture_model(rt, name), &t, 1, &r, &err) != COSREL_OK)
            fail_msg("%s", err.text);
        assert_string_equal(r->processor, "gpu0");
        for (int i = 0; i < WIDTH; i++)
            assert_true(((const float *)r->outputs[0].data)[i] == x[i] + (float)(k % MODELS + 1));
        cosrel_result_release(r);
    }
    cosrel_runtime_get_stats(rt, &stats);
    assert_true(stats.wakes >= ROUNDS * MODELS - 2);
    cosrel_runtime_close(rt);
}

/* Without being asked for, a software renderer is no processor. */
static void test_software_gpu_only_on_request(void **state)
{
    (void)state;
    cosrel_runtime *rt;
    cosrel_error err;
    const cosrel_options options = fixture_options();
    assert_int_equal(cosrel_runtime_open(&options, &rt, &err), COSREL_OK);
    for (size_t i = 0; i < cosrel_runtime_processor_count(rt); i++) {
        cosrel_processor_info info;
        cosrel_runtime_processor(rt, i, &info);
        assert_null(strstr(info.description, "software renderer"));
    }
    cosrel_runtime_close(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_software_gpu_only_on_request),
        cmocka_unit_test(test_gpu_runs_models),
        cmocka_unit_test(test_gpu_serves_many),
        cmocka_unit_test(test_gpu_loads_beside_runs),
        cmocka_unit_test(test_gpu_wakes_models),
    };
    if (!gpu_is_there()) {
        fprintf(stderr,
                "skipped: no GPU and no Vulkan software renderer (set up by tools/setup test)\n");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
