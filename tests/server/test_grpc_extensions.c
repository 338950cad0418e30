/* Over gRPC: tokens, tensors in shared memory, the index of models; and that all is counted. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "grpc_client.h"
#include "grpc_serve.h"
#include "oip.pb-c.h"

#define TOKEN "long-enough"

static int port;

/* A packed message, or none; the reply is the caller's. */
static grpc_reply ask(const char *method, const ProtobufCMessage *message, const char *token)
{
    text_builder body = {.data = NULL};
    uint8_t packed[1024];
    char path[128];
    const size_t bytes = message ? protobuf_c_message_pack(message, packed) : 0;
    snprintf(path, sizeof path, METHOD("%s"), method);
    client_frame(&body, packed, bytes);
    const grpc_reply r = client_call(
        port, &(grpc_ask){.path = path, .body = body.data, .bytes = body.length, .token = token});
    text_deinit(&body);
    return r;
}

static int code_of(const char *method, const ProtobufCMessage *message, const char *token)
{
    grpc_reply r = ask(method, message, token);
    text_deinit(&r.data);
    return r.code;
}

static void asks_for_tokens(void **state)
{
    (void)state;
    static const server_token reader = {.token = "reader-token", .role = "read"};
    serving *s = serve_more(
        &(server_options){.admin_token = TOKEN, .tokens = &reader, .token_count = 1}, &port);
    assert_int_equal(code_of("ServerLive", NULL, NULL), 0);
    assert_int_equal(code_of("ServerMetadata", NULL, NULL), 16);
    assert_int_equal(code_of("ServerMetadata", NULL, "Bearer another"), 16);
    assert_int_equal(code_of("ServerMetadata", NULL, "Bearer reader-token"), 0);
    assert_int_equal(code_of("SystemSharedMemoryStatus", NULL, "Bearer reader-token"), 7);
    assert_int_equal(code_of("SystemSharedMemoryStatus", NULL, "Bearer " TOKEN), 0);
    serve_end(s);
}

static void tells_which_models_there_are(void **state)
{
    (void)state;
    serving *s = serve_more(&(server_options){.policy = ""}, &port);
    grpc_reply r = ask("RepositoryIndex", NULL, NULL);
    assert_int_equal(r.code, 0);
    Inference__RepositoryIndexResponse *m = inference__repository_index_response__unpack(
        NULL, r.data.length - 5, (const uint8_t *)r.data.data + 5);
    assert_non_null(m);
    assert_int_equal(m->n_models, 6);
    assert_string_equal(m->models[0]->name, "add");
    assert_string_equal(m->models[0]->version, "1");
    assert_string_equal(m->models[0]->state, "READY");
    inference__repository_index_response__free_unpacked(m, NULL);
    text_deinit(&r.data);
    serve_end(s);
}

/* ---- What is told of a model ---- */

static Inference__ModelConfigResponse *config_of(const char *name, const char *version)
{
    Inference__ModelConfigRequest asked = INFERENCE__MODEL_CONFIG_REQUEST__INIT;
    asked.name = (char *)name;
    asked.version = (char *)version;
    grpc_reply r = ask("ModelConfig", &asked.base, NULL);
    if (r.code != 0) {
        assert_int_equal(r.code, 5);
        assert_non_null(strstr(r.message, name));
        text_deinit(&r.data);
        return NULL;
    }
    Inference__ModelConfigResponse *m = inference__model_config_response__unpack(
        NULL, r.data.length - 5, (const uint8_t *)r.data.data + 5);
    assert_non_null(m);
    text_deinit(&r.data);
    return m;
}

static void tells_configurations(void **state)
{
    (void)state;
    serving *s = serve_more(&(server_options){.versions = 2}, &port);
    Inference__ModelConfigResponse *m = config_of("multi", "");
    const Inference__ModelConfig *c = m->config;
    assert_string_equal(c->name, "multi");
    assert_string_equal(c->platform, "onnxruntime_onnx");
    assert_string_equal(c->backend, "onnxruntime");
    assert_int_equal(c->version_policy->latest->num_versions, 2);
    assert_int_equal(c->max_batch_size, 1); /* of more nothing has been measured */
    assert_int_equal(c->n_input, 3);
    assert_string_equal(c->input[0]->name, "a");
    assert_int_equal(c->input[0]->data_type, INFERENCE__DATA_TYPE__TYPE_FP32);
    assert_int_equal(c->input[0]->n_dims, 1);
    assert_int_equal(c->input[0]->dims[0], 2);
    assert_int_equal(c->input[2]->data_type, INFERENCE__DATA_TYPE__TYPE_INT64);
    assert_int_equal(c->input[2]->n_dims, 0);
    assert_int_equal(c->n_output, 3);
    assert_int_equal(c->output[0]->dims[0], 2);
    inference__model_config_response__free_unpacked(m, NULL);
    m = config_of("words", "1");
    assert_int_equal(m->config->input[0]->data_type, INFERENCE__DATA_TYPE__TYPE_STRING);
    inference__model_config_response__free_unpacked(m, NULL);
    assert_null(config_of("nix", ""));
    assert_null(config_of("words", "2"));
    assert_null(config_of("words", "x"));
    const cosrel_profile_options quick = {
        .struct_bytes = sizeof quick, .cell_ns = 100000, .batch_max = 4};
    cosrel_error err;
    assert_int_equal(cosrel_runtime_profile(served_rt, &quick, &err), COSREL_OK);
    /* Whether a batch of four pays, and so is measured, is the machine's affair. */
    const cosrel_model *model = cosrel_runtime_find_model(served_rt, "multi", 0);
    int most = 4;
    while (most > 1 && cosrel_model_cost_ns(served_rt, model, 0, most) == 0)
        most--;
    m = config_of("multi", "");
    assert_int_equal(m->config->max_batch_size, most);
    inference__model_config_response__free_unpacked(m, NULL);
    serve_end(s);
}

static Inference__ModelStatisticsResponse *statistics_of(const char *name)
{
    Inference__ModelStatisticsRequest asked = INFERENCE__MODEL_STATISTICS_REQUEST__INIT;
    asked.name = (char *)name;
    grpc_reply r = ask("ModelStatistics", &asked.base, NULL);
    assert_int_equal(r.code, 0);
    Inference__ModelStatisticsResponse *m = inference__model_statistics_response__unpack(
        NULL, r.data.length - 5, (const uint8_t *)r.data.data + 5);
    assert_non_null(m);
    text_deinit(&r.data);
    return m;
}

static void tells_statistics(void **state)
{
    (void)state;
    static const uint8_t row[16] = {0};
    int64_t shape[] = {1, 4};
    Inference__ModelInferRequest__InferInputTensor
        in = INFERENCE__MODEL_INFER_REQUEST__INFER_INPUT_TENSOR__INIT,
        *inputs = &in;
    ProtobufCBinaryData raw = {sizeof row, (uint8_t *)row};
    Inference__ModelInferRequest request = INFERENCE__MODEL_INFER_REQUEST__INIT;
    in.name = "x";
    in.datatype = "FP32";
    in.n_shape = 2;
    in.shape = shape;
    request.model_name = "add";
    request.n_inputs = request.n_raw_input_contents = 1;
    request.inputs = &inputs;
    request.raw_input_contents = &raw;
    serving *s = serve_more(&(server_options){.policy = ""}, &port);
    for (int i = 0; i < 3; i++)
        assert_int_equal(code_of("ModelInfer", &request.base, NULL), 0);
    raw.len = 15;
    assert_int_equal(code_of("ModelInfer", &request.base, NULL), 3);
    Inference__ModelStatisticsResponse *m = statistics_of("add");
    assert_int_equal(m->n_model_stats, 1);
    const Inference__ModelStatistics *add = m->model_stats[0];
    assert_string_equal(add->name, "add");
    assert_string_equal(add->version, "1");
    assert_true(add->last_inference > 0);
    assert_int_equal(add->inference_count, 3);
    assert_int_equal(add->execution_count, 3);
    assert_int_equal(add->inference_stats->success->count, 3);
    assert_true(add->inference_stats->success->ns >= add->inference_stats->compute_infer->ns);
    assert_int_equal(add->inference_stats->fail->count, 1);
    assert_int_equal(add->inference_stats->queue->count, 3);
    assert_int_equal(add->inference_stats->cache_hit->count, 0);
    assert_int_equal(add->n_batch_stats, 1);
    assert_int_equal(add->batch_stats[0]->batch_size, 1);
    assert_int_equal(add->batch_stats[0]->compute_infer->count, 3);
    inference__model_statistics_response__free_unpacked(m, NULL);
    m = statistics_of("");
    assert_int_equal(m->n_model_stats, 6);
    assert_int_equal(m->model_stats[5]->inference_count, 0);
    inference__model_statistics_response__free_unpacked(m, NULL);
    Inference__ModelStatisticsRequest asked = INFERENCE__MODEL_STATISTICS_REQUEST__INIT;
    asked.name = "nix";
    assert_int_equal(code_of("ModelStatistics", &asked.base, NULL), 5);
    asked.name = "add";
    asked.version = "7";
    assert_int_equal(code_of("ModelStatistics", &asked.base, NULL), 5);
    serve_end(s);
}

/* ---- Shared memory ---- */

typedef Inference__ModelInferRequest__InferInputTensor__ParametersEntry input_entry;
typedef Inference__ModelInferRequest__InferRequestedOutputTensor__ParametersEntry output_entry;

static Inference__InferParameter text_parameter(const char *text)
{
    Inference__InferParameter p = INFERENCE__INFER_PARAMETER__INIT;
    p.parameter_choice_case = INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_STRING_PARAM;
    p.string_param = (char *)text;
    return p;
}

static Inference__InferParameter number_parameter(int64_t number)
{
    Inference__InferParameter p = INFERENCE__INFER_PARAMETER__INIT;
    p.parameter_choice_case = INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_INT64_PARAM;
    p.int64_param = number;
    return p;
}

/* "add": one row of four floats, from the start of region "r" to 64 bytes behind it. */
static grpc_reply infer_shared(int64_t output_bytes)
{
    static const input_entry no_input =
        INFERENCE__MODEL_INFER_REQUEST__INFER_INPUT_TENSOR__PARAMETERS_ENTRY__INIT;
    static const output_entry no_output =
        INFERENCE__MODEL_INFER_REQUEST__INFER_REQUESTED_OUTPUT_TENSOR__PARAMETERS_ENTRY__INIT;
    Inference__InferParameter name = text_parameter("r"), in_bytes = number_parameter(16),
                              out_bytes = number_parameter(output_bytes),
                              offset = number_parameter(64);
    input_entry in[2] = {no_input, no_input}, *ins[] = {&in[0], &in[1]};
    output_entry out[3] = {no_output, no_output, no_output}, *outs[] = {&out[0], &out[1], &out[2]};
    in[0].key = out[0].key = "shared_memory_region";
    in[0].value = out[0].value = &name;
    in[1].key = out[1].key = "shared_memory_byte_size";
    in[1].value = &in_bytes;
    out[1].value = &out_bytes;
    out[2].key = "shared_memory_offset";
    out[2].value = &offset;
    int64_t shape[] = {1, 4};
    Inference__ModelInferRequest__InferInputTensor
        input = INFERENCE__MODEL_INFER_REQUEST__INFER_INPUT_TENSOR__INIT,
        *inputs = &input;
    Inference__ModelInferRequest__InferRequestedOutputTensor
        output = INFERENCE__MODEL_INFER_REQUEST__INFER_REQUESTED_OUTPUT_TENSOR__INIT,
        *outputs = &output;
    Inference__ModelInferRequest m = INFERENCE__MODEL_INFER_REQUEST__INIT;
    input.name = "x";
    input.datatype = "FP32";
    input.n_shape = 2;
    input.shape = shape;
    input.n_parameters = 2;
    input.parameters = ins;
    output.name = "y";
    output.n_parameters = 3;
    output.parameters = outs;
    m.model_name = "add";
    m.n_inputs = m.n_outputs = 1;
    m.inputs = &inputs;
    m.outputs = &outputs;
    return ask("ModelInfer", &m.base, NULL);
}

static void reads_and_writes_regions(float *memory)
{
    static const float given[4] = {1, 2, 3, 4}, expected[4] = {2, 4, 6, 8};
    memcpy(memory, given, sizeof given);
    grpc_reply r = infer_shared(16);
    assert_int_equal(r.code, 0);
    assert_memory_equal(memory + 16, expected, sizeof expected);
    Inference__ModelInferResponse *m = inference__model_infer_response__unpack(
        NULL, r.data.length - 5, (const uint8_t *)r.data.data + 5);
    assert_non_null(m);
    assert_int_equal(m->n_raw_output_contents, 1);
    assert_int_equal(m->raw_output_contents[0].len, 0);
    assert_int_equal(m->outputs[0]->n_parameters, 3);
    assert_string_equal(m->outputs[0]->parameters[0]->value->string_param, "r");
    assert_int_equal(m->outputs[0]->parameters[1]->value->int64_param, 16);
    assert_int_equal(m->outputs[0]->parameters[2]->value->int64_param, 64);
    inference__model_infer_response__free_unpacked(m, NULL);
    text_deinit(&r.data);
    r = infer_shared(12);
    assert_int_equal(r.code, 3);
    r = infer_shared(1 << 20);
    assert_int_equal(r.code, 3);
}

static void uses_shared_memory(void **state)
{
    (void)state;
    char key[64];
    snprintf(key, sizeof key, "/test-grpc-%d", (int)getpid());
    const int fd = shm_open(key, O_CREAT | O_EXCL | O_RDWR, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 4096), 0);
    float *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(memory != MAP_FAILED);
    serving *s = serve_more(&(server_options){.admin_token = TOKEN}, &port);
    Inference__SystemSharedMemoryRegisterRequest add =
        INFERENCE__SYSTEM_SHARED_MEMORY_REGISTER_REQUEST__INIT;
    Inference__SystemSharedMemoryUnregisterRequest drop =
        INFERENCE__SYSTEM_SHARED_MEMORY_UNREGISTER_REQUEST__INIT;
    Inference__SystemSharedMemoryStatusRequest status =
        INFERENCE__SYSTEM_SHARED_MEMORY_STATUS_REQUEST__INIT;
    const char *token = "Bearer " TOKEN;
    add.name = status.name = drop.name = "r";
    add.key = key;
    add.byte_size = 4096;
    assert_int_equal(code_of("SystemSharedMemoryStatus", &status.base, token), 5);
    assert_int_equal(code_of("SystemSharedMemoryRegister", &add.base, token), 0);
    grpc_reply r = ask("SystemSharedMemoryStatus", &status.base, token);
    assert_int_equal(r.code, 0);
    Inference__SystemSharedMemoryStatusResponse *m =
        inference__system_shared_memory_status_response__unpack(NULL, r.data.length - 5,
                                                                (const uint8_t *)r.data.data + 5);
    assert_int_equal(m->n_regions, 1);
    assert_string_equal(m->regions[0]->key, "r");
    assert_string_equal(m->regions[0]->value->key, key);
    assert_int_equal(m->regions[0]->value->byte_size, 4096);
    inference__system_shared_memory_status_response__free_unpacked(m, NULL);
    text_deinit(&r.data);
    reads_and_writes_regions(memory);
    assert_int_equal(code_of("SystemSharedMemoryUnregister", &drop.base, token), 0);
    r = infer_shared(16);
    assert_int_equal(r.code, 5);
    serve_end(s);
    munmap(memory, 4096);
    close(fd);
    shm_unlink(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_for_tokens),      cmocka_unit_test(tells_which_models_there_are),
        cmocka_unit_test(tells_configurations), cmocka_unit_test(tells_statistics),
        cmocka_unit_test(uses_shared_memory),
    };
    return cmocka_run_group_tests(tests, serve_start, serve_stop);
}
