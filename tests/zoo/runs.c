#include "runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

static const OrtApi *api(void)
{
    const OrtApi *table = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    assert_non_null(table);
    return table;
}

static void check(OrtStatus *status)
{
    if (!status)
        return;
    print_error("ONNX Runtime: %s\n", api()->GetErrorMessage(status));
    api()->ReleaseStatus(status);
    fail();
}

void run_load(const char *path, loaded *model)
{
    *model = (loaded){0};
    OrtSessionOptions *options;
    check(api()->CreateEnv(ORT_LOGGING_LEVEL_WARNING, "zoo", &model->env));
    check(api()->CreateSessionOptions(&options));
    check(api()->SetIntraOpNumThreads(options, 2));
    check(api()->CreateSession(model->env, path, options, &model->session));
    api()->ReleaseSessionOptions(options);
    check(api()->SessionGetInputCount(model->session, &model->input_count));
    check(api()->SessionGetOutputCount(model->session, &model->output_count));
    assert_in_range(model->input_count, 1, RUN_VALUES_MAX);
    assert_in_range(model->output_count, 1, RUN_VALUES_MAX);
}

void run_unload(loaded *model)
{
    api()->ReleaseSession(model->session);
    api()->ReleaseEnv(model->env);
}

typedef struct value_shape {
    char name[64];
    char symbol[64];
    ONNXTensorElementDataType type;
    size_t rank;
    int64_t dims[RUN_RANK_MAX];
} value_shape;

static void describe(const loaded *model, bool input, size_t index, value_shape *out)
{
    OrtAllocator *allocator;
    OrtTypeInfo *info;
    const OrtTensorTypeAndShapeInfo *tensor;
    char *name;
    *out = (value_shape){0};
    check(api()->GetAllocatorWithDefaultOptions(&allocator));
    check(input ? api()->SessionGetInputName(model->session, index, allocator, &name)
                : api()->SessionGetOutputName(model->session, index, allocator, &name));
    snprintf(out->name, sizeof out->name, "%s", name);
    check(api()->AllocatorFree(allocator, name));
    check(input ? api()->SessionGetInputTypeInfo(model->session, index, &info)
                : api()->SessionGetOutputTypeInfo(model->session, index, &info));
    check(api()->CastTypeInfoToTensorInfo(info, &tensor));
    check(api()->GetTensorElementType(tensor, &out->type));
    check(api()->GetDimensionsCount(tensor, &out->rank));
    assert_in_range(out->rank, 1, RUN_RANK_MAX);
    check(api()->GetDimensions(tensor, out->dims, out->rank));
    const char *symbols[RUN_RANK_MAX];
    check(api()->GetSymbolicDimensions(tensor, symbols, out->rank));
    snprintf(out->symbol, sizeof out->symbol, "%s", symbols[0]);
    api()->ReleaseTypeInfo(info);
}

void run_describe_input(const loaded *model, size_t index, char name[64], char symbol[64],
                        ONNXTensorElementDataType *type)
{
    value_shape shape;
    describe(model, true, index, &shape);
    memcpy(name, shape.name, 64);
    memcpy(symbol, shape.symbol, 64);
    *type = shape.type;
}

/* Integers are token ids: small enough for any vocabulary and, for what holds 0 or 1 only, cut to
 * that. */
static void fill_row(const value_shape *shape, void *data, size_t elements, rng *r)
{
    const bool flag = strcmp(shape->name, "attention_mask") == 0 ||
                      strcmp(shape->name, "token_type_ids") == 0;
    for (size_t i = 0; i < elements; i++) {
        if (shape->type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64)
            ((int64_t *)data)[i] = (int64_t)rng_below(r, flag ? 2 : 1000);
        else
            ((float *)data)[i] = (float)rng_normal(r);
    }
}

static OrtValue *make_input(const loaded *model, size_t index, int64_t batch, uint64_t seed,
                            char name[64], void **memory)
{
    value_shape shape;
    describe(model, true, index, &shape);
    memcpy(name, shape.name, 64);
    const size_t element_bytes = shape.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 ? 8 : 4;
    size_t row_elements = 1;
    shape.dims[0] = batch;
    for (size_t d = 1; d < shape.rank; d++)
        row_elements *= (size_t)shape.dims[d];
    const size_t row_bytes = row_elements * element_bytes;
    char *data = malloc((size_t)batch * row_bytes);
    assert_non_null(data);
    for (int64_t row = 0; row < batch; row++) {
        rng r;
        rng_init(&r, seed + (uint64_t)row + 1000 * index);
        fill_row(&shape, data + (size_t)row * row_bytes, row_elements, &r);
    }
    OrtMemoryInfo *place;
    OrtValue *value;
    check(api()->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &place));
    check(api()->CreateTensorWithDataAsOrtValue(place, data, (size_t)batch * row_bytes, shape.dims,
                                                shape.rank, shape.type, &value));
    api()->ReleaseMemoryInfo(place);
    *memory = data;
    return value;
}

static void take_output(const OrtValue *value, run_output *out)
{
    OrtTensorTypeAndShapeInfo *info;
    ONNXTensorElementDataType type;
    float *data;
    check(api()->GetTensorTypeAndShape(value, &info));
    check(api()->GetTensorElementType(info, &type));
    assert_int_equal(type, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
    check(api()->GetDimensionsCount(info, &out->rank));
    assert_in_range(out->rank, 1, RUN_RANK_MAX);
    check(api()->GetDimensions(info, out->dims, out->rank));
    check(api()->GetTensorShapeElementCount(info, &out->elements));
    api()->ReleaseTensorTypeAndShapeInfo(info);
    check(api()->GetTensorMutableData((OrtValue *)value, (void **)&data));
    out->data = malloc(out->elements * sizeof *out->data);
    assert_non_null(out->data);
    memcpy(out->data, data, out->elements * sizeof *out->data);
}

void run_model(const loaded *model, int64_t batch, uint64_t seed,
               run_output outputs[RUN_VALUES_MAX])
{
    char input_names[RUN_VALUES_MAX][64];
    const char *names_in[RUN_VALUES_MAX], *names_out[RUN_VALUES_MAX];
    OrtValue *in[RUN_VALUES_MAX], *out[RUN_VALUES_MAX] = {0};
    void *memory[RUN_VALUES_MAX];
    for (size_t i = 0; i < model->input_count; i++) {
        in[i] = make_input(model, i, batch, seed, input_names[i], &memory[i]);
        names_in[i] = input_names[i];
    }
    for (size_t i = 0; i < model->output_count; i++) {
        value_shape shape;
        describe(model, false, i, &shape);
        outputs[i] = (run_output){0};
        memcpy(outputs[i].name, shape.name, sizeof shape.name);
        memcpy(outputs[i].symbol, shape.symbol, sizeof shape.symbol);
        names_out[i] = outputs[i].name;
    }
    check(api()->Run(model->session, NULL, names_in, (const OrtValue *const *)in,
                     model->input_count, names_out, model->output_count, out));
    for (size_t i = 0; i < model->output_count; i++) {
        take_output(out[i], &outputs[i]);
        api()->ReleaseValue(out[i]);
    }
    for (size_t i = 0; i < model->input_count; i++) {
        api()->ReleaseValue(in[i]);
        free(memory[i]);
    }
}

void run_free(const loaded *model, run_output outputs[RUN_VALUES_MAX])
{
    for (size_t i = 0; i < model->output_count; i++)
        free(outputs[i].data);
}
