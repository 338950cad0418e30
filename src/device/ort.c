#include "device/ort.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

const OrtApi *ort_api(void)
{
    /* GetApi returns a pointer to a constant table: asking again costs nothing and needs no lock.
     */
    return OrtGetApiBase()->GetApi(ORT_API_VERSION);
}

const char *ort_version(void)
{
    return OrtGetApiBase()->GetVersionString();
}

static void ORT_API_CALL log_nothing(void *param, OrtLoggingLevel severity, const char *category,
                                     const char *logid, const char *code_location,
                                     const char *message)
{
    /* Every failure comes back as a status with the same text; ORT's own lines on standard error
     * would only repeat it. */
    (void)param, (void)severity, (void)category, (void)logid, (void)code_location, (void)message;
}

cosrel_status ort_env_acquire(OrtEnv **env, cosrel_error *err)
{
    const OrtApi *api = ort_api();
    if (!api)
        return error_set(err, COSREL_UNSUPPORTED,
                         "ONNX Runtime %s is too old: API version %d is needed (1.%d or newer)",
                         ort_version(), ORT_API_VERSION, ORT_API_VERSION);
    cosrel_status status = ort_check(
        api->CreateEnvWithCustomLogger(log_nothing, NULL, ORT_LOGGING_LEVEL_ERROR, "cosrel", env),
        "ONNX Runtime", err);
    if (status != COSREL_OK)
        return status;
    /* No telemetry, whatever the build says. */
    OrtStatus *ignored = api->DisableTelemetryEvents(*env);
    if (ignored)
        api->ReleaseStatus(ignored);
    return COSREL_OK;
}

void ort_env_release(OrtEnv *env)
{
    if (env)
        ort_api()->ReleaseEnv(env);
}

cosrel_status ort_check(OrtStatus *status, const char *what, cosrel_error *err)
{
    if (!status)
        return COSREL_OK;
    const OrtApi *api = ort_api();
    cosrel_status code;
    switch (api->GetErrorCode(status)) {
    case ORT_INVALID_PROTOBUF:
    case ORT_INVALID_GRAPH:
    case ORT_NO_MODEL:
        code = COSREL_INVALID_MODEL;
        break;
    case ORT_NOT_IMPLEMENTED:
        code = COSREL_UNSUPPORTED;
        break;
    case ORT_NO_SUCHFILE:
        code = COSREL_NOT_FOUND;
        break;
    case ORT_INVALID_ARGUMENT:
        code = COSREL_INVALID_ARGUMENT;
        break;
    default:
        code = COSREL_RUN_FAILED;
        break;
    }
    /* It has no code of its own for what it catches. */
    if (strstr(api->GetErrorMessage(status), "std::bad_alloc"))
        code = COSREL_OUT_OF_MEMORY;
    error_set(err, code, "%s: %s", what, api->GetErrorMessage(status));
    if (err)
        for (char *c = err->text; *c; c++)
            if (*c == '\n' || *c == '\r')
                *c = ' ';
    api->ReleaseStatus(status);
    return code;
}

static cosrel_status wrap_strings(const OrtApi *api, const cosrel_tensor *tensor, OrtValue **out,
                                  cosrel_error *err)
{
    OrtAllocator *allocator;
    cosrel_status status = ort_check(api->GetAllocatorWithDefaultOptions(&allocator), "strings",
                                     err);
    if (status == COSREL_OK)
        status = ort_check(api->CreateTensorAsOrtValue(allocator, tensor->shape, tensor->rank,
                                                       ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, out),
                           "strings", err);
    if (status != COSREL_OK)
        return status;
    const size_t count = tensor->bytes / sizeof(char *);
    return ort_check(api->FillStringTensor(*out, (const char *const *)tensor->data, count),
                     "strings", err);
}

cosrel_status ort_value_wrap(const cosrel_tensor *tensor, OrtValue **out, cosrel_error *err)
{
    const OrtApi *api = ort_api();
    static const char nothing[1];
    *out = NULL;
    if (tensor->type == COSREL_STRING)
        return wrap_strings(api, tensor, out, err);
    /* The memory is described as plain CPU memory; the description is tiny and ORT copies it. */
    OrtMemoryInfo *memory;
    cosrel_status status = ort_check(
        api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory), "memory", err);
    if (status != COSREL_OK)
        return status;
    void *data = tensor->data ? tensor->data : (void *)nothing;
    status = ort_check(api->CreateTensorWithDataAsOrtValue(
                           memory, data, tensor->bytes, tensor->shape, tensor->rank,
                           (ONNXTensorElementDataType)tensor->type, out),
                       "tensor", err);
    api->ReleaseMemoryInfo(memory);
    return status;
}

cosrel_status ort_value_look(const OrtValue *value, cosrel_tensor *view, int64_t *shape,
                             size_t shape_max, cosrel_error *err)
{
    const OrtApi *api = ort_api();
    int is_tensor = 0;
    cosrel_status status = ort_check(api->IsTensor(value, &is_tensor), "output", err);
    if (status != COSREL_OK)
        return status;
    if (!is_tensor)
        return error_set(err, COSREL_UNSUPPORTED, "the output is not a tensor");
    OrtTensorTypeAndShapeInfo *info;
    status = ort_check(api->GetTensorTypeAndShape(value, &info), "output", err);
    if (status != COSREL_OK)
        return status;
    ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    size_t elements = 0;
    status = ort_check(api->GetTensorElementType(info, &type), "output", err);
    if (status == COSREL_OK)
        status = ort_check(api->GetDimensionsCount(info, &view->rank), "output", err);
    if (status == COSREL_OK && view->rank > shape_max)
        status = error_set(err, COSREL_UNSUPPORTED, "the output has %zu dimensions", view->rank);
    if (status == COSREL_OK)
        status = ort_check(api->GetDimensions(info, shape, view->rank), "output", err);
    if (status == COSREL_OK)
        status = ort_check(api->GetTensorShapeElementCount(info, &elements), "output", err);
    api->ReleaseTensorTypeAndShapeInfo(info);
    if (status != COSREL_OK)
        return status;
    view->type = (cosrel_dtype)type;
    view->shape = shape;
    view->bytes = cosrel_dtype_bytes(view->type, elements);
    view->data = NULL;
    if (view->type != COSREL_STRING) {
        void *data;
        status = ort_check(api->GetTensorMutableData((OrtValue *)value, &data), "output", err);
        view->data = data;
    }
    return status;
}
