#include "plain/plain_session.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cosrel/tensor.h"

static OrtEnv *env;

const OrtApi *plain_api(void)
{
    return OrtGetApiBase()->GetApi(ORT_API_VERSION);
}

static void die(const char *what)
{
    fprintf(stderr, "plain ONNX Runtime: %s\n", what);
    exit(1);
}

void plain_must(OrtStatus *status)
{
    if (status)
        die(plain_api()->GetErrorMessage(status));
}

typedef struct shape {
    ONNXTensorElementDataType type;
    size_t rank;
    int64_t dims[PLAIN_RANK_MAX];
    uint64_t elements;
} shape;

/* A free dimension is 1. Strings do not occur in the reference models. */
static shape shape_of(const OrtSession *session, size_t i)
{
    const OrtApi *api = plain_api();
    shape s = {.elements = 1};
    OrtTypeInfo *info;
    const OrtTensorTypeAndShapeInfo *tensor;
    plain_must(api->SessionGetInputTypeInfo(session, i, &info));
    plain_must(api->CastTypeInfoToTensorInfo(info, &tensor));
    plain_must(api->GetTensorElementType(tensor, &s.type));
    plain_must(api->GetDimensionsCount(tensor, &s.rank));
    if (s.rank > PLAIN_RANK_MAX)
        die("an input has too many dimensions");
    plain_must(api->GetDimensions(tensor, s.dims, s.rank));
    api->ReleaseTypeInfo(info);
    for (size_t d = 0; d < s.rank; d++) {
        s.dims[d] = s.dims[d] < 0 ? 1 : s.dims[d];
        s.elements *= (uint64_t)s.dims[d];
    }
    return s;
}

OrtValue *plain_wrap(const plain_session *s, size_t i, void *data)
{
    const OrtApi *api = plain_api();
    const shape of = shape_of(s->session, i);
    OrtMemoryInfo *memory;
    OrtValue *value;
    plain_must(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    plain_must(api->CreateTensorWithDataAsOrtValue(memory, data, s->bytes[i], of.dims, of.rank,
                                                   of.type, &value));
    api->ReleaseMemoryInfo(memory);
    return value;
}

static void open_values(plain_session *s)
{
    const OrtApi *api = plain_api();
    OrtAllocator *allocator;
    plain_must(api->GetAllocatorWithDefaultOptions(&allocator));
    plain_must(api->SessionGetInputCount(s->session, &s->input_count));
    plain_must(api->SessionGetOutputCount(s->session, &s->output_count));
    if (s->input_count > PLAIN_VALUES_MAX || s->output_count > PLAIN_VALUES_MAX)
        die("too many inputs or outputs");
    for (size_t i = 0; i < s->input_count; i++) {
        const shape of = shape_of(s->session, i);
        s->bytes[i] = cosrel_dtype_bytes((cosrel_dtype)of.type, of.elements);
        s->data[i] = aligned_alloc(64, (s->bytes[i] + 63) / 64 * 64);
        if (!s->data[i])
            die("no memory");
        memset(s->data[i], 0, s->bytes[i]);
        s->inputs[i] = plain_wrap(s, i, s->data[i]);
        plain_must(api->SessionGetInputName(s->session, i, allocator, &s->input_names[i]));
    }
    for (size_t i = 0; i < s->output_count; i++)
        plain_must(api->SessionGetOutputName(s->session, i, allocator, &s->output_names[i]));
}

void plain_open(plain_session *s, const char *path, int threads)
{
    const OrtApi *api = plain_api();
    OrtSessionOptions *options;
    memset(s, 0, sizeof *s);
    if (!env)
        plain_must(api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "bench", &env));
    plain_must(api->CreateSessionOptions(&options));
    if (threads)
        plain_must(api->SetIntraOpNumThreads(options, threads));
    plain_must(api->CreateSession(env, path, options, &s->session));
    api->ReleaseSessionOptions(options);
    open_values(s);
}

static void release(OrtValue **values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (values[i])
            plain_api()->ReleaseValue(values[i]);
        values[i] = NULL;
    }
}

void plain_run_on(const plain_session *s, OrtValue *const *inputs, OrtValue **outputs)
{
    plain_must(plain_api()->Run(s->session, NULL, (const char *const *)s->input_names,
                                (const OrtValue *const *)inputs, s->input_count,
                                (const char *const *)s->output_names, s->output_count, outputs));
}

void plain_run(plain_session *s)
{
    release(s->outputs, s->output_count);
    plain_run_on(s, s->inputs, s->outputs);
}

void plain_close(plain_session *s)
{
    OrtAllocator *allocator;
    plain_must(plain_api()->GetAllocatorWithDefaultOptions(&allocator));
    release(s->outputs, s->output_count);
    release(s->inputs, s->input_count);
    for (size_t i = 0; i < s->input_count; i++) {
        plain_must(plain_api()->AllocatorFree(allocator, s->input_names[i]));
        free(s->data[i]);
    }
    for (size_t i = 0; i < s->output_count; i++)
        plain_must(plain_api()->AllocatorFree(allocator, s->output_names[i]));
    plain_api()->ReleaseSession(s->session);
    memset(s, 0, sizeof *s);
}

float *plain_floats(OrtValue *value)
{
    void *data;
    plain_must(plain_api()->GetTensorMutableData(value, &data));
    return data;
}

size_t plain_float_count(const OrtValue *value)
{
    OrtTensorTypeAndShapeInfo *info;
    size_t count;
    plain_must(plain_api()->GetTensorTypeAndShape(value, &info));
    plain_must(plain_api()->GetTensorShapeElementCount(info, &count));
    plain_api()->ReleaseTensorTypeAndShapeInfo(info);
    return count;
}
