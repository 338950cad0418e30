#include "device/ort_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/value_info.h"

static cosrel_status set_entry(OrtSessionOptions *options, const char *key, const char *value,
                               cosrel_error *err)
{
    return ort_check(ort_api()->AddSessionConfigEntry(options, key, value), key, err);
}

static cosrel_status set_threads(const device_spec *spec, OrtSessionOptions *options,
                                 cosrel_error *err)
{
    const OrtApi *api = ort_api();
    /* A GPU or NPU leaves to the CPU only what it cannot do itself: one thread. */
    const int threads = spec->kind == DEVICE_CPU && spec->core_count > 0 ? spec->core_count : 1;
    cosrel_status status = ort_check(api->SetIntraOpNumThreads(options, threads), "threads", err);
    if (status == COSREL_OK)
        status = ort_check(api->SetInterOpNumThreads(options, 1), "threads", err);
    if (status == COSREL_OK)
        status = ort_check(api->SetSessionExecutionMode(options, ORT_SEQUENTIAL), "threads", err);
    if (status == COSREL_OK)
        status = set_entry(options, "session.intra_op.allow_spinning", threads > 1 ? "1" : "0",
                           err);
    if (status == COSREL_OK && threads > 1)
        status = set_entry(options, "session.force_spinning_stop", "1", err);
    return status;
}

static cosrel_status append_cuda(OrtSessionOptions *options, const char *const *keys,
                                 const char *const *values, size_t count, cosrel_error *err)
{
    const OrtApi *api = ort_api();
    OrtCUDAProviderOptionsV2 *cuda;
    cosrel_status status = ort_check(api->CreateCUDAProviderOptions(&cuda), "CUDA", err);
    if (status != COSREL_OK)
        return status;
    status = ort_check(api->UpdateCUDAProviderOptions(cuda, keys, values, count), "CUDA", err);
    if (status == COSREL_OK)
        status = ort_check(api->SessionOptionsAppendExecutionProvider_CUDA_V2(options, cuda),
                           "CUDA", err);
    api->ReleaseCUDAProviderOptions(cuda);
    return status;
}

static cosrel_status append_tensorrt(OrtSessionOptions *options, const char *const *keys,
                                     const char *const *values, size_t count, cosrel_error *err)
{
    const OrtApi *api = ort_api();
    OrtTensorRTProviderOptionsV2 *trt;
    cosrel_status status = ort_check(api->CreateTensorRTProviderOptions(&trt), "TensorRT", err);
    if (status != COSREL_OK)
        return status;
    status = ort_check(api->UpdateTensorRTProviderOptions(trt, keys, values, count), "TensorRT",
                       err);
    if (status == COSREL_OK)
        status = ort_check(api->SessionOptionsAppendExecutionProvider_TensorRT_V2(options, trt),
                           "TensorRT", err);
    api->ReleaseTensorRTProviderOptions(trt);
    return status;
}

static cosrel_status append_provider(const device_spec *spec, OrtSessionOptions *options,
                                     cosrel_error *err)
{
    const char *keys[DEVICE_OPTIONS_MAX];
    const char *values[DEVICE_OPTIONS_MAX];
    for (int i = 0; i < spec->option_count; i++) {
        keys[i] = spec->options[i].key;
        values[i] = spec->options[i].value;
    }
    const size_t count = (size_t)spec->option_count;
    if (strcmp(spec->provider, "CUDA") == 0)
        return append_cuda(options, keys, values, count, err);
    if (strcmp(spec->provider, "TensorRT") == 0)
        return append_tensorrt(options, keys, values, count, err);
    return ort_check(ort_api()->SessionOptionsAppendExecutionProvider(options, spec->provider, keys,
                                                                      values, count),
                     spec->provider, err);
}

cosrel_status ort_session_options(const device_spec *spec, bool optimised, OrtSessionOptions **out,
                                  cosrel_error *err)
{
    const OrtApi *api = ort_api();
    OrtSessionOptions *options;
    cosrel_status status = ort_check(api->CreateSessionOptions(&options), "session options", err);
    if (status != COSREL_OK)
        return status;
    status = ort_check(api->SetSessionGraphOptimizationLevel(options, optimised ? ORT_DISABLE_ALL
                                                                                : ORT_ENABLE_ALL),
                       "optimisation", err);
    if (status == COSREL_OK)
        status = set_threads(spec, options, err);
    if (status == COSREL_OK && spec->provider[0])
        status = append_provider(spec, options, err);
    if (status != COSREL_OK) {
        api->ReleaseSessionOptions(options);
        return status;
    }
    *out = options;
    return COSREL_OK;
}

/* ---- Signature ---- */

typedef OrtStatus *(ORT_API_CALL *name_fn)(const OrtSession *, size_t, OrtAllocator *, char **);
typedef OrtStatus *(ORT_API_CALL *type_fn)(const OrtSession *, size_t, OrtTypeInfo **);

static cosrel_status copy_name(const OrtSession *session, name_fn get, size_t index,
                               const char **out, cosrel_error *err)
{
    const OrtApi *api = ort_api();
    OrtAllocator *allocator;
    char *name;
    cosrel_status status = ort_check(api->GetAllocatorWithDefaultOptions(&allocator), "signature",
                                     err);
    if (status == COSREL_OK)
        status = ort_check(get(session, index, allocator, &name), "signature", err);
    if (status != COSREL_OK)
        return status;
    *out = strdup(name);
    api->ReleaseStatus(api->AllocatorFree(allocator, name));
    return *out ? COSREL_OK
                : error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the model's signature");
}

/* Shape and symbols. A tensor whose rank is unknown comes from ORT with rank 0 like a scalar; it is
 * taken as such. */
static cosrel_status copy_shape(const OrtTensorTypeAndShapeInfo *info, cosrel_value_info *value,
                                cosrel_error *err)
{
    const OrtApi *api = ort_api();
    ONNXTensorElementDataType type;
    cosrel_status status = ort_check(api->GetTensorElementType(info, &type), "signature", err);
    if (status == COSREL_OK)
        status = ort_check(api->GetDimensionsCount(info, &value->rank), "signature", err);
    if (status != COSREL_OK)
        return status;
    value->type = (cosrel_dtype)type;
    value->batch_axis = -1;
    if (value->rank == 0)
        return COSREL_OK;
    int64_t *shape = calloc(value->rank, sizeof *shape);
    const char **symbols = calloc(value->rank, sizeof *symbols);
    const char **names = calloc(value->rank, sizeof *names);
    value->shape = shape;
    value->symbols = symbols;
    if (!shape || !symbols || !names) {
        free(names);
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the model's signature");
    }
    status = ort_check(api->GetDimensions(info, shape, value->rank), "signature", err);
    if (status == COSREL_OK)
        status = ort_check(api->GetSymbolicDimensions(info, names, value->rank), "signature", err);
    for (size_t d = 0; d < value->rank && status == COSREL_OK; d++) {
        symbols[d] = strdup(names[d] ? names[d] : "");
        if (!symbols[d])
            status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the model's signature");
    }
    free(names);
    return status;
}

static cosrel_status copy_value(const OrtSession *session, name_fn get_name, type_fn get_type,
                                size_t index, cosrel_value_info *value, cosrel_error *err)
{
    const OrtApi *api = ort_api();
    OrtTypeInfo *type;
    cosrel_status status = copy_name(session, get_name, index, &value->name, err);
    if (status == COSREL_OK)
        status = ort_check(get_type(session, index, &type), "signature", err);
    if (status != COSREL_OK)
        return status;
    const OrtTensorTypeAndShapeInfo *info = NULL;
    status = ort_check(api->CastTypeInfoToTensorInfo(type, &info), "signature", err);
    if (status == COSREL_OK && !info)
        status = error_set(
            err, COSREL_UNSUPPORTED,
            "'%s' is a sequence, map or optional; only tensors go in and out of a request",
            value->name);
    if (status == COSREL_OK)
        status = copy_shape(info, value, err);
    api->ReleaseTypeInfo(type);
    return status;
}

static cosrel_status copy_side(const OrtSession *session, bool inputs, cosrel_value_info **values,
                               const char ***names, size_t *count, cosrel_error *err)
{
    const OrtApi *api = ort_api();
    OrtStatus *counted = inputs ? api->SessionGetInputCount(session, count)
                                : api->SessionGetOutputCount(session, count);
    cosrel_status status = ort_check(counted, "signature", err);
    if (status != COSREL_OK)
        return status;
    *values = calloc(*count + 1, sizeof **values);
    *names = calloc(*count + 1, sizeof **names);
    if (!*values || !*names)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the model's signature");
    for (size_t i = 0; i < *count && status == COSREL_OK; i++) {
        status = copy_value(session, inputs ? api->SessionGetInputName : api->SessionGetOutputName,
                            inputs ? api->SessionGetInputTypeInfo : api->SessionGetOutputTypeInfo,
                            i, &(*values)[i], err);
        (*names)[i] = (*values)[i].name;
    }
    return status;
}

cosrel_status ort_session_describe(const OrtSession *session, model_io *io, cosrel_error *err)
{
    memset(io, 0, sizeof *io);
    cosrel_status status = copy_side(session, true, &io->inputs, &io->input_names, &io->input_count,
                                     err);
    if (status == COSREL_OK)
        status = copy_side(session, false, &io->outputs, &io->output_names, &io->output_count, err);
    if (status != COSREL_OK) {
        model_io_deinit(io);
        return status;
    }
    value_info_find_batch(io->inputs, io->input_count, io->outputs, io->output_count);
    return COSREL_OK;
}

static void values_free(cosrel_value_info *values, size_t count)
{
    for (size_t i = 0; values && i < count; i++) {
        for (size_t d = 0; values[i].symbols && d < values[i].rank; d++)
            free((char *)values[i].symbols[d]);
        free((void *)values[i].symbols);
        free((void *)values[i].shape);
        free((char *)values[i].name);
    }
    free(values);
}

void model_io_deinit(model_io *io)
{
    values_free(io->inputs, io->input_count);
    values_free(io->outputs, io->output_count);
    free(io->input_names);
    free(io->output_names);
    memset(io, 0, sizeof *io);
}
