#include "server/model_config.h"

/* No scheduler forms larger ones. */
enum { BATCH_MOST = 64 };

static const struct {
    cosrel_dtype type;
    const char *name;
} types[] = {
    /* In the order of the extension's numbers, which begin at 1. */
    {COSREL_BOOL, "TYPE_BOOL"},     {COSREL_UINT8, "TYPE_UINT8"},   {COSREL_UINT16, "TYPE_UINT16"},
    {COSREL_UINT32, "TYPE_UINT32"}, {COSREL_UINT64, "TYPE_UINT64"}, {COSREL_INT8, "TYPE_INT8"},
    {COSREL_INT16, "TYPE_INT16"},   {COSREL_INT32, "TYPE_INT32"},   {COSREL_INT64, "TYPE_INT64"},
    {COSREL_FLOAT16, "TYPE_FP16"},  {COSREL_FLOAT32, "TYPE_FP32"},  {COSREL_FLOAT64, "TYPE_FP64"},
    {COSREL_STRING, "TYPE_STRING"}, {COSREL_BFLOAT16, "TYPE_BF16"},
};

const char *model_config_type(cosrel_dtype type, int *number)
{
    for (int i = 0; i < (int)(sizeof types / sizeof *types); i++)
        if (types[i].type == type) {
            if (number)
                *number = i + 1;
            return types[i].name;
        }
    if (number)
        *number = 0;
    return "TYPE_INVALID";
}

static bool is_possible(cosrel_runtime *rt, const cosrel_model *model, int32_t batch)
{
    for (size_t p = 0; p < cosrel_runtime_processor_count(rt); p++)
        if (cosrel_model_cost_ns(rt, model, p, batch) > 0)
            return true;
    return false;
}

model_config model_config_of(cosrel_runtime *rt, const cosrel_model *model, uint32_t versions)
{
    model_config c = {.info = cosrel_model_describe(model), .versions = versions};
    if (!c.info->batchable)
        return c;
    /* One row is always right, even while every processor is out. */
    for (c.batch_max = BATCH_MOST; c.batch_max > 1; c.batch_max--)
        if (is_possible(rt, model, c.batch_max))
            break;
    return c;
}

size_t model_config_dims(const model_config *c, const cosrel_value_info *value,
                         const int64_t **dims)
{
    const size_t skip = c->batch_max > 0 ? 1 : 0;
    *dims = NULL;
    if (value->rank <= skip)
        return 0;
    *dims = value->shape + skip;
    return value->rank - skip;
}

static void add_value(text_builder *out, const model_config *c, const cosrel_value_info *value)
{
    const int64_t *dims;
    const size_t count = model_config_dims(c, value, &dims);
    text_add(out, "{\"name\":");
    text_add_json(out, value->name);
    text_addf(out, ",\"data_type\":\"%s\",\"dims\":[", model_config_type(value->type, NULL));
    for (size_t d = 0; d < count; d++)
        text_addf(out, d ? ",%lld" : "%lld", (long long)dims[d]);
    text_add(out, "]}");
}

static void add_values(text_builder *out, const model_config *c, const char *key,
                       const cosrel_value_info *values, size_t count)
{
    text_addf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < count; i++) {
        text_add(out, i ? "," : "");
        add_value(out, c, &values[i]);
    }
    text_add(out, "]");
}

void model_config_add_json(text_builder *out, const model_config *c)
{
    text_add(out, "{\"name\":");
    text_add_json(out, c->info->name);
    text_addf(out,
              ",\"platform\":\"" MODEL_CONFIG_PLATFORM "\",\"backend\":\"" MODEL_CONFIG_BACKEND
              "\",\"version_policy\":{\"latest\":{\"num_versions\":%u}},\"max_batch_size\":%d",
              c->versions, (int)c->batch_max);
    add_values(out, c, "input", c->info->inputs, c->info->input_count);
    add_values(out, c, "output", c->info->outputs, c->info->output_count);
    text_add(out, "}");
}
