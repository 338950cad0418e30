#include "server/grpc_methods.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cosrel/version.h"
#include "health.pb-c.h"
#include "oip.pb-c.h"
#include "server/grpc_infer.h"
#include "server/oip_dtype.h"

#define SERVICE "inference.GRPCInferenceService"

grpc_method grpc_method_find(const char *path)
{
    static const struct {
        const char *path;
        grpc_method method;
    } methods[] = {
        {"/" SERVICE "/ModelInfer", GRPC_MODEL_INFER},
        {"/" SERVICE "/ServerLive", GRPC_SERVER_LIVE},
        {"/" SERVICE "/ServerReady", GRPC_SERVER_READY},
        {"/" SERVICE "/ModelReady", GRPC_MODEL_READY},
        {"/" SERVICE "/ServerMetadata", GRPC_SERVER_METADATA},
        {"/" SERVICE "/ModelMetadata", GRPC_MODEL_METADATA},
        {"/grpc.health.v1.Health/Check", GRPC_HEALTH_CHECK},
    };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(methods[i].path, path) == 0)
            return methods[i].method;
    return GRPC_UNKNOWN_METHOD;
}

cosrel_model *grpc_find_model(cosrel_runtime *rt, const char *name, const char *version,
                              cosrel_error *err)
{
    int64_t number = 0;
    const bool may_be = !*version || (text_to_int64(version, &number) && number > 0);
    cosrel_model *model = may_be ? cosrel_runtime_find_model(rt, name, number) : NULL;
    if (!model)
        (void)error_set(err, COSREL_NOT_FOUND, "there is no %smodel '%.200s'",
                        *version ? "such version of a " : "", name);
    return model;
}

/* ---- Messages ---- */

/* What one question needs: its memory goes as a whole. */
typedef struct asking {
    cosrel_runtime *rt;
    const grpc_question *q;
    ProtobufCAllocator allocator;
    arena memory;
    grpc_answer *answer;
    cosrel_error *err;
} asking;

static cosrel_status no_memory(cosrel_error *err)
{
    return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for an answer");
}

static cosrel_status read(asking *now, const ProtobufCMessageDescriptor *type, void **out)
{
    *out = protobuf_c_message_unpack(type, &now->allocator, now->q->bytes,
                                     (const uint8_t *)now->q->message);
    if (*out)
        return COSREL_OK;
    return error_set(now->err, COSREL_INVALID_FILE, "the message is not a %s", type->short_name);
}

static cosrel_status server_live(asking *now)
{
    Inference__ServerLiveResponse m = INFERENCE__SERVER_LIVE_RESPONSE__INIT;
    m.live = 1;
    return grpc_answer_message(now->answer, &m.base, now->err);
}

static cosrel_status server_ready(asking *now)
{
    Inference__ServerReadyResponse m = INFERENCE__SERVER_READY_RESPONSE__INIT;
    m.ready = !now->q->draining;
    return grpc_answer_message(now->answer, &m.base, now->err);
}

/* Of a model that is not there the answer is no; it is not an error. */
static cosrel_status model_ready(asking *now)
{
    Inference__ModelReadyResponse m = INFERENCE__MODEL_READY_RESPONSE__INIT;
    void *message;
    const cosrel_status status = read(now, &inference__model_ready_request__descriptor, &message);
    if (status != COSREL_OK)
        return status;
    const Inference__ModelReadyRequest *asked = message;
    m.ready = grpc_find_model(now->rt, asked->name, asked->version, now->err) != NULL;
    return grpc_answer_message(now->answer, &m.base, now->err);
}

static cosrel_status server_metadata(asking *now)
{
    static const char *const extensions[] = {"schedule_policy"};
    Inference__ServerMetadataResponse m = INFERENCE__SERVER_METADATA_RESPONSE__INIT;
    m.name = (char *)"cosrel";
    m.version = (char *)cosrel_version();
    m.n_extensions = sizeof extensions / sizeof *extensions;
    m.extensions = (char **)extensions;
    return grpc_answer_message(now->answer, &m.base, now->err);
}

typedef Inference__ModelMetadataResponse__TensorMetadata tensor_type;

static tensor_type **describe(asking *now, const cosrel_value_info *values, size_t count)
{
    tensor_type **all = arena_take(&now->memory, (count + 1) * sizeof(tensor_type *));
    tensor_type *each = arena_take(&now->memory, (count + 1) * sizeof *each);
    if (!all || !each)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const char *type = oip_dtype_name(values[i].type);
        inference__model_metadata_response__tensor_metadata__init(&each[i]);
        each[i].name = (char *)values[i].name;
        each[i].datatype = (char *)(type ? type : "UNSUPPORTED");
        each[i].n_shape = values[i].rank;
        each[i].shape = (int64_t *)values[i].shape;
        all[i] = &each[i];
    }
    return all;
}

/* All that are loaded. */
static bool add_versions(asking *now, const char *name, Inference__ModelMetadataResponse *m)
{
    const size_t models = cosrel_runtime_model_count(now->rt);
    m->versions = arena_take(&now->memory, (models + 1) * sizeof(char *));
    for (size_t i = 0; i < models && m->versions; i++) {
        const cosrel_model_info *info = cosrel_model_describe(cosrel_runtime_model(now->rt, i));
        char text[24];
        if (strcmp(info->name, name) != 0)
            continue;
        const int length = snprintf(text, sizeof text, "%lld", (long long)info->version);
        char *copy = arena_copy(&now->memory, text, (size_t)length);
        if (!copy)
            return false;
        m->versions[m->n_versions++] = copy;
    }
    return m->versions != NULL;
}

static cosrel_status model_metadata(asking *now)
{
    Inference__ModelMetadataResponse m = INFERENCE__MODEL_METADATA_RESPONSE__INIT;
    void *message;
    const cosrel_status status = read(now, &inference__model_metadata_request__descriptor,
                                      &message);
    if (status != COSREL_OK)
        return status;
    const Inference__ModelMetadataRequest *asked = message;
    const cosrel_model *model = grpc_find_model(now->rt, asked->name, asked->version, now->err);
    if (!model)
        return COSREL_NOT_FOUND;
    const cosrel_model_info *info = cosrel_model_describe(model);
    now->memory.bytes_max = 0; /* how much it is, our own models say */
    m.name = (char *)info->name;
    m.platform = (char *)"onnxruntime_onnx";
    m.n_inputs = info->input_count;
    m.inputs = describe(now, info->inputs, info->input_count);
    m.n_outputs = info->output_count;
    m.outputs = describe(now, info->outputs, info->output_count);
    if (!m.inputs || !m.outputs || !add_versions(now, info->name, &m))
        return no_memory(now->err);
    return grpc_answer_message(now->answer, &m.base, now->err);
}

/* "": the server as a whole. */
static cosrel_status health_check(asking *now)
{
    Grpc__Health__V1__HealthCheckResponse m = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    void *message;
    const cosrel_status status = read(now, &grpc__health__v1__health_check_request__descriptor,
                                      &message);
    if (status != COSREL_OK)
        return status;
    const Grpc__Health__V1__HealthCheckRequest *asked = message;
    if (*asked->service && strcmp(asked->service, SERVICE) != 0)
        return error_set(now->err, COSREL_NOT_FOUND, "there is no service '%.200s'",
                         asked->service);
    m.status = now->q->draining
                   ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
                   : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    return grpc_answer_message(now->answer, &m.base, now->err);
}

static cosrel_status answer(asking *now)
{
    switch (now->q->method) {
    case GRPC_SERVER_LIVE:
        return server_live(now);
    case GRPC_SERVER_READY:
        return server_ready(now);
    case GRPC_MODEL_READY:
        return model_ready(now);
    case GRPC_SERVER_METADATA:
        return server_metadata(now);
    case GRPC_MODEL_METADATA:
        return model_metadata(now);
    case GRPC_HEALTH_CHECK:
        return health_check(now);
    case GRPC_MODEL_INFER:
    case GRPC_UNKNOWN_METHOD:
        break;
    }
    return error_set(now->err, COSREL_UNSUPPORTED, "there is no such method");
}

cosrel_status grpc_method_answer(cosrel_runtime *rt, const grpc_question *q, grpc_answer *a,
                                 cosrel_error *err)
{
    asking now = {.rt = rt, .q = q, .answer = a, .err = err};
    grpc_arena_begin(&now.memory, q->bytes, &now.allocator);
    const cosrel_status status = answer(&now);
    arena_deinit(&now.memory);
    return status;
}
