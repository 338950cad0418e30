#include "server/infer_answer.h"

#include <string.h>

#include "base/error.h"
#include "server/json_numbers.h"
#include "server/oip_dtype.h"

void infer_answer_deinit(infer_answer *a)
{
    text_deinit(&a->json);
    for (size_t i = 0; i < a->binary_count; i++)
        text_deinit(&a->strings[i]);
    a->binary_count = 0;
}

static uint64_t elements_of(const cosrel_tensor *t)
{
    uint64_t elements = 1;
    for (size_t d = 0; d < t->rank; d++)
        elements *= (uint64_t)t->shape[d];
    return elements;
}

void infer_answer_add_strings(text_builder *out, const cosrel_tensor *t)
{
    const char *const *texts = t->data;
    const uint64_t count = elements_of(t);
    for (uint64_t i = 0; i < count; i++) {
        const uint32_t length = (uint32_t)strlen(texts[i]);
        text_add_bytes(out, (const char *)&length, sizeof length);
        text_add_bytes(out, texts[i], length);
    }
}

static void add_binary(infer_answer *a, const cosrel_tensor *t)
{
    struct iovec *part = &a->binary[a->binary_count];
    text_builder *strings = &a->strings[a->binary_count++];
    *strings = (text_builder){.data = NULL};
    *part = (struct iovec){.iov_base = t->data, .iov_len = t->bytes};
    if (t->type == COSREL_STRING) {
        infer_answer_add_strings(strings, t);
        *part = (struct iovec){.iov_base = strings->data, .iov_len = strings->length};
    }
    a->binary_bytes += part->iov_len;
    text_addf(&a->json, ",\"parameters\":{\"binary_data_size\":%zu}", part->iov_len);
}

static cosrel_status add_data(infer_answer *a, const cosrel_tensor *t)
{
    const uint64_t count = elements_of(t);
    text_add(&a->json, ",\"data\":");
    if (t->type != COSREL_STRING)
        return json_numbers_add(&a->json, t->type, t->data, count);
    text_add(&a->json, "[");
    for (uint64_t i = 0; i < count; i++) {
        text_add(&a->json, i ? "," : "");
        text_add_json(&a->json, ((const char *const *)t->data)[i]);
    }
    text_add(&a->json, "]");
    return COSREL_OK;
}

/* The client finds its bytes in its own memory. */
static void add_region(infer_answer *a, const cosrel_tensor *t, const infer_region *where)
{
    text_add(&a->json, ",\"parameters\":{\"shared_memory_region\":");
    text_add_json(&a->json, where->name);
    if (where->offset)
        text_addf(&a->json, ",\"shared_memory_offset\":%llu", (unsigned long long)where->offset);
    text_addf(&a->json, ",\"shared_memory_byte_size\":%zu}", t->bytes);
}

static cosrel_status add_output(infer_answer *a, const cosrel_tensor *t, bool binary,
                                const infer_region *where, cosrel_error *err)
{
    const char *type = oip_dtype_name(t->type);
    if (!type)
        return error_set(err, COSREL_UNSUPPORTED,
                         "output '%s' has a type that the protocol cannot "
                         "carry: %s",
                         t->name, cosrel_dtype_name(t->type));
    text_add(&a->json, "{\"name\":");
    text_add_json(&a->json, t->name);
    text_addf(&a->json, ",\"datatype\":\"%s\",\"shape\":[", type);
    for (size_t d = 0; d < t->rank; d++)
        text_addf(&a->json, d ? ",%lld" : "%lld", (long long)t->shape[d]);
    text_add(&a->json, "]");
    cosrel_status status = COSREL_OK;
    if (where && where->name)
        add_region(a, t, where);
    else if (binary)
        add_binary(a, t);
    else
        status = add_data(a, t);
    text_add(&a->json, "}");
    return status;
}

size_t infer_answer_count(const infer_call *call)
{
    return call->request.output_count ? call->request.output_count : call->result->output_count;
}

const cosrel_tensor *infer_answer_output(const infer_call *call, size_t k)
{
    return call->request.output_count ? infer_call_output(call, call->request.outputs[k].name)
                                      : &call->result->outputs[k];
}

cosrel_status infer_answer_json(const infer_call *call, infer_answer *a, cosrel_error *err)
{
    const infer_request *r = &call->request;
    const cosrel_model_info *info = cosrel_model_describe(call->model);
    const size_t count = infer_answer_count(call);
    cosrel_status status = COSREL_OK;
    a->binary_count = a->binary_bytes = 0;
    text_add(&a->json, "{");
    if (r->id) {
        text_add(&a->json, "\"id\":");
        text_add_json(&a->json, r->id);
        text_add(&a->json, ",");
    }
    text_add(&a->json, "\"model_name\":");
    text_add_json(&a->json, info->name);
    text_addf(&a->json, ",\"model_version\":\"%lld\",\"outputs\":[", (long long)info->version);
    for (size_t i = 0; i < count && status == COSREL_OK; i++) {
        const infer_output *asked = r->output_count ? &r->outputs[i] : NULL;
        const cosrel_tensor *t = infer_answer_output(call, i);
        const bool binary = asked ? asked->binary : r->binary_outputs;
        if (i == INFER_TENSORS_MAX || !t)
            return error_set(err, COSREL_INTERNAL, "an output is missing");
        text_add(&a->json, i ? "," : "");
        status = add_output(a, t, binary, asked ? &asked->region : NULL, err);
    }
    text_add(&a->json, "]}");
    if (a->json.failed)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for an answer");
    return status;
}
