/* The WebGPU path, on a real GPU or on a Vulkan software renderer. Skipped (77) where there is
 * neither. */
#include "fixture.h"

#include <onnxruntime_c_api.h>
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
    };
    if (!gpu_is_there()) {
        fprintf(stderr,
                "skipped: no GPU and no Vulkan software renderer (set up by tools/setup test)\n");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
