/* The model configuration extension: how a model would be written down in a config.pbtxt, for
 * clients that ask for the shapes and the batch that they may send. Computed here once; each
 * protocol writes it down in its own way. */
#ifndef SERVER_MODEL_CONFIG_H
#define SERVER_MODEL_CONFIG_H

#include "base/text.h"
#include "cosrel/runtime.h"

#define MODEL_CONFIG_PLATFORM "onnxruntime_onnx"
#define MODEL_CONFIG_BACKEND  "onnxruntime"

typedef struct model_config {
    const cosrel_model_info *info;
    /* The largest batch that the scheduler would form, by what is known of its cost. 0: the model
     * has no batch axis, and dims are whole shapes; else they are without it. */
    int32_t batch_max;
    uint32_t versions; /* how many of the highest are served */
} model_config;

model_config model_config_of(cosrel_runtime *rt, const cosrel_model *model, uint32_t versions);

/* The number of dims; they stay the model's. */
size_t model_config_dims(const model_config *c, const cosrel_value_info *value,
                         const int64_t **dims);

/* "TYPE_FP32", and its number in the extension's DataType; "TYPE_INVALID" and 0 for what the
 * protocol cannot carry. number may be NULL. */
const char *model_config_type(cosrel_dtype type, int *number);

void model_config_add_json(text_builder *out, const model_config *c);

#endif
