#include "server/grpc_infer.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "model/wire.h"
#include "oip.pb-c.h"
#include "server/oip_dtype.h"

enum {
    /* What the parser may take: per byte of the message, and in any case. Eight bytes for a number
     * of one is the worst that is honest, sixteen for fields that come one by one. */
    MEMORY_PER_BYTE = 16,
    MEMORY_LEAST = 256 << 10,
};

typedef Inference__ModelInferRequest message_type;
typedef Inference__ModelInferRequest__InferInputTensor input_type;
typedef Inference__ModelInferRequest__InferRequestedOutputTensor output_type;
typedef Inference__InferTensorContents contents_type;

typedef struct reading {
    infer_request *request;
    arena *memory;
    struct {
        const char *data;
        size_t bytes;
    } raw[INFER_TENSORS_MAX];
    size_t raw_count, raw_used;
    cosrel_error *err;
} reading;

static cosrel_status wrong(const reading *r, const char *what, const char *name, const char *why)
{
    return error_set(r->err, COSREL_INVALID_ARGUMENT, "%s%s%.200s%s: %s", what, *name ? " '" : "",
                     name, *name ? "'" : "", why);
}

/* ---- Memory ---- */

static void *take(void *memory, size_t bytes)
{
    return arena_take(memory, bytes);
}

static void give(void *memory, void *pointer)
{
    (void)memory, (void)pointer;
}

void grpc_arena_begin(arena *memory, size_t bytes, struct ProtobufCAllocator *out)
{
    memory->bytes_max = memory->taken_bytes + MEMORY_PER_BYTE * bytes + MEMORY_LEAST;
    *out = (ProtobufCAllocator){.alloc = take, .free = give, .allocator_data = memory};
}

/* ---- Parameters ---- */

/* All three kinds of entries are generated with this layout: a key and a value. */
typedef Inference__ModelInferRequest__ParametersEntry entry_type;

static const Inference__InferParameter *find(entry_type *const *entries, size_t count,
                                             const char *key)
{
    static const Inference__InferParameter no_value = INFERENCE__INFER_PARAMETER__INIT;
    for (size_t i = count; i-- > 0;) /* the last of several counts */
        if (strcmp(entries[i]->key, key) == 0)
            return entries[i]->value ? entries[i]->value : &no_value;
    return NULL;
}

static cosrel_status read_count(const reading *r, const char *what, const char *name,
                                const char *key, const Inference__InferParameter *value,
                                uint64_t *out)
{
    char why[96];
    if (value->parameter_choice_case == INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_UINT64_PARAM &&
        value->uint64_param <= INT64_MAX)
        *out = value->uint64_param;
    else if (value->parameter_choice_case ==
                 INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_INT64_PARAM &&
             value->int64_param >= 0)
        *out = (uint64_t)value->int64_param;
    else {
        snprintf(why, sizeof why, "parameter %s: expected an integer from 0", key);
        return wrong(r, what, name, why);
    }
    return COSREL_OK;
}

static cosrel_status read_region(const reading *r, const char *name, entry_type *const *entries,
                                 size_t count, infer_region *out)
{
    const Inference__InferParameter *region = find(entries, count, "shared_memory_region");
    const Inference__InferParameter *offset = find(entries, count, "shared_memory_offset");
    const Inference__InferParameter *bytes = find(entries, count, "shared_memory_byte_size");
    *out = (infer_region){.name = NULL};
    if (!region)
        return COSREL_OK;
    if (region->parameter_choice_case != INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_STRING_PARAM)
        return wrong(r, "tensor", name, "parameter shared_memory_region: expected a string");
    if (!bytes)
        return wrong(r, "tensor", name, "parameter shared_memory_byte_size is missing");
    out->name = region->string_param;
    cosrel_status status = read_count(r, "tensor", name, "shared_memory_byte_size", bytes,
                                      &out->bytes);
    if (status == COSREL_OK && offset)
        status = read_count(r, "tensor", name, "shared_memory_offset", offset, &out->offset);
    return status;
}

static cosrel_status read_parameters(const reading *r, const message_type *m)
{
    const Inference__InferParameter *priority = find(m->parameters, m->n_parameters, "priority");
    const Inference__InferParameter *timeout = find(m->parameters, m->n_parameters, "timeout");
    uint64_t value = 0;
    cosrel_status status = COSREL_OK;
    if (priority)
        status = read_count(r, "request", "", "priority", priority, &value);
    r->request->priority = (int64_t)value;
    value = 0;
    if (status == COSREL_OK && timeout)
        status = read_count(r, "request", "", "timeout", timeout, &value);
    r->request->timeout_us = (int64_t)value;
    return status;
}

/* ---- Typed contents ---- */

/* Which field a type travels in. */
static const struct typed {
    cosrel_dtype type;
    size_t count_at, data_at;
} typed_fields[] = {
#define FIELD(type, name)                                                                          \
    {                                                                                              \
        COSREL_##type, offsetof(contents_type, n_##name), offsetof(contents_type, name)            \
    }
    FIELD(BOOL, bool_contents),    FIELD(INT8, int_contents),     FIELD(INT16, int_contents),
    FIELD(INT32, int_contents),    FIELD(INT64, int64_contents),  FIELD(UINT8, uint_contents),
    FIELD(UINT16, uint_contents),  FIELD(UINT32, uint_contents),  FIELD(UINT64, uint64_contents),
    FIELD(FLOAT32, fp32_contents), FIELD(FLOAT64, fp64_contents), FIELD(STRING, bytes_contents),
#undef FIELD
};

static size_t count_all(const contents_type *c)
{
    return c->n_bool_contents + c->n_int_contents + c->n_int64_contents + c->n_uint_contents +
           c->n_uint64_contents + c->n_fp32_contents + c->n_fp64_contents + c->n_bytes_contents;
}

/* Numbers of 32 bits become 8 or 16 bits, where they lie. False: one does not fit. */
static bool narrow(cosrel_dtype type, void *data, size_t count)
{
    char *to = data;
    const size_t bytes = cosrel_dtype_bytes(type, 1);
    for (size_t i = 0; i < count; i++, to += bytes) {
        int32_t number;
        memcpy(&number, (const char *)data + i * sizeof number, sizeof number);
        bool fits = true;
        switch (type) {
        case COSREL_BOOL:
            number = number != 0;
            break;
        case COSREL_INT8:
            fits = number >= INT8_MIN && number <= INT8_MAX;
            break;
        case COSREL_INT16:
            fits = number >= INT16_MIN && number <= INT16_MAX;
            break;
        case COSREL_UINT8:
            fits = (uint32_t)number <= UINT8_MAX;
            break;
        default:
            fits = (uint32_t)number <= UINT16_MAX;
        }
        if (!fits)
            return false;
        memcpy(to, &number, bytes); /* little-endian */
    }
    return true;
}

/* As raw data has them: each its length in four bytes, then its bytes. */
static cosrel_status join(const reading *r, const ProtobufCBinaryData *texts, size_t count,
                          infer_input *in)
{
    in->bytes = 0;
    for (size_t i = 0; i < count; i++)
        in->bytes += sizeof(uint32_t) + texts[i].len;
    char *at = arena_take(r->memory, in->bytes + 1);
    if (!at)
        return error_set(r->err, COSREL_OUT_OF_MEMORY, "no memory for a request");
    in->raw = at;
    for (size_t i = 0; i < count; i++) {
        const uint32_t length = (uint32_t)texts[i].len;
        memcpy(at, &length, sizeof length);
        if (length)
            memcpy(at + sizeof length, texts[i].data, length);
        at += sizeof length + length;
    }
    return COSREL_OK;
}

/* The parser left the numbers as the type's own or as 32 bits; they are used where they are. */
static cosrel_status read_contents(const reading *r, const contents_type *c, infer_input *in)
{
    const struct typed *field = NULL;
    char why[128];
    for (size_t i = 0; i < sizeof typed_fields / sizeof *typed_fields; i++)
        if (typed_fields[i].type == in->type)
            field = &typed_fields[i];
    if (!field)
        return wrong(r, "input", in->name, "this datatype goes in raw_input_contents only");
    size_t count;
    void *data;
    memcpy(&count, (const char *)c + field->count_at, sizeof count);
    memcpy(&data, (const char *)c + field->data_at, sizeof data);
    if (count != count_all(c))
        return wrong(r, "input", in->name, "contents of another datatype");
    if (count != in->elements) {
        snprintf(why, sizeof why, "contents: %zu elements; its shape makes %llu", count,
                 (unsigned long long)in->elements);
        return wrong(r, "input", in->name, why);
    }
    if (in->type == COSREL_STRING)
        return join(r, data, count, in);
    const size_t bytes = cosrel_dtype_bytes(in->type, 1);
    if ((bytes < sizeof(int32_t)) && !narrow(in->type, data, count))
        return wrong(r, "input", in->name, "contents: a number that the datatype cannot hold");
    in->raw = count ? data : "";
    in->bytes = count * bytes;
    return COSREL_OK;
}

/* ---- Tensors ---- */

static cosrel_status read_data(reading *r, const input_type *input, infer_input *in)
{
    static const contents_type nothing = INFERENCE__INFER_TENSOR_CONTENTS__INIT;
    in->raw = in->text = NULL;
    in->bytes = 0;
    const cosrel_status status = read_region(r, in->name, (entry_type *const *)input->parameters,
                                             input->n_parameters, &in->region);
    if (status != COSREL_OK)
        return status;
    if (input->contents && (r->raw_count || in->region.name))
        return wrong(r, "input", in->name,
                     "expected one of contents, raw_input_contents and shared_memory_region");
    if (in->region.name)
        return COSREL_OK;
    if (!r->raw_count)
        return read_contents(r, input->contents ? input->contents : &nothing, in);
    if (r->raw_used == r->raw_count)
        return wrong(r, "input", in->name, "raw_input_contents has no entry for it");
    in->raw = r->raw[r->raw_used].data;
    in->bytes = r->raw[r->raw_used++].bytes;
    return COSREL_OK;
}

static cosrel_status read_input(reading *r, const input_type *input)
{
    infer_input *in = &r->request->inputs[r->request->input_count];
    in->name = input->name;
    if (!*in->name)
        return wrong(r, "inputs", "", "an input without a name");
    in->type = oip_dtype_find(input->datatype, strlen(input->datatype));
    if (in->type == COSREL_DTYPE_UNDEFINED)
        return wrong(r, "input", in->name,
                     "datatype: expected BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, "
                     "INT64, FP16, FP32, FP64, BF16 or BYTES");
    if (input->n_shape > INFER_RANK_MAX)
        return wrong(r, "input", in->name, "shape: more than 16 dimensions");
    in->rank = input->n_shape;
    for (size_t d = 0; d < in->rank; d++)
        in->shape[d] = input->shape[d];
    cosrel_status status = infer_input_measure(in, r->err);
    if (status == COSREL_OK)
        status = read_data(r, input, in);
    r->request->input_count += status == COSREL_OK;
    return status;
}

static cosrel_status read_output(const reading *r, const output_type *output)
{
    infer_output *out = &r->request->outputs[r->request->output_count];
    entry_type *const *entries = (entry_type *const *)output->parameters;
    const Inference__InferParameter *classes = find(entries, output->n_parameters,
                                                    "classification");
    if (!*output->name)
        return wrong(r, "outputs", "", "an output without a name");
    out->name = output->name;
    out->binary = true;
    if (classes &&
        classes->parameter_choice_case ==
            INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_INT64_PARAM &&
        classes->int64_param != 0)
        return wrong(r, "output", out->name, "the classification extension is not offered");
    const cosrel_status status = read_region(r, out->name, entries, output->n_parameters,
                                             &out->region);
    r->request->output_count += status == COSREL_OK;
    return status;
}

static cosrel_status read_message(reading *r, const message_type *m)
{
    infer_request *request = r->request;
    if (m->n_inputs > INFER_TENSORS_MAX)
        return wrong(r, "inputs", "", "more than 64");
    if (m->n_outputs > INFER_TENSORS_MAX)
        return wrong(r, "outputs", "", "more than 64");
    request->id = *m->id ? m->id : NULL;
    request->binary_outputs = true;
    cosrel_status status = read_parameters(r, m);
    for (size_t i = 0; i < m->n_inputs && status == COSREL_OK; i++)
        status = read_input(r, m->inputs[i]);
    for (size_t i = 0; i < m->n_outputs && status == COSREL_OK; i++)
        status = read_output(r, m->outputs[i]);
    if (status == COSREL_OK && r->raw_used != r->raw_count)
        status = wrong(r, "raw_input_contents", "", "more entries than inputs");
    return status;
}

/* ---- The message ---- */

static cosrel_status not_a_message(cosrel_error *err)
{
    return error_set(err, COSREL_INVALID_FILE, "the message is not a ModelInferRequest");
}

/* Lays what is not raw data one after the other: two messages in a row are one message. Mostly it
 * is one piece that needs no copy. */
typedef struct rest {
    arena *memory;
    const char *data;
    size_t bytes;
    char *copy; /* or NULL: still one piece */
    size_t room;
} rest;

static bool add(rest *to, const char *data, size_t bytes)
{
    if (to->bytes == 0)
        to->data = data;
    if (!to->copy && to->data + to->bytes != data) {
        to->copy = arena_take(to->memory, to->room);
        if (!to->copy)
            return false;
        memcpy(to->copy, to->data, to->bytes);
        to->data = to->copy;
    }
    if (to->copy)
        memcpy(to->copy + to->bytes, data, bytes);
    to->bytes += bytes;
    return true;
}

static cosrel_status split(reading *r, const char *message, size_t bytes, rest *out)
{
    wire w = {.data = (const uint8_t *)message, .end = bytes};
    wire_field field;
    wire_step step;
    int fields = 0;
    while ((step = wire_next(&w, &field)) == WIRE_FIELD) {
        if (++fields > GRPC_INFER_FIELDS_MAX)
            return wrong(r, "message", "", "more than 1024 fields");
        if (field.number != GRPC_RAW_FIELD || field.type != WIRE_BYTES) {
            if (!add(out, message + field.start, w.at - field.start))
                return error_set(r->err, COSREL_OUT_OF_MEMORY, "no memory for a request");
            continue;
        }
        if (r->raw_count == INFER_TENSORS_MAX)
            return wrong(r, "raw_input_contents", "", "more than 64");
        r->raw[r->raw_count].data = message + field.at;
        r->raw[r->raw_count++].bytes = field.bytes;
    }
    return step == WIRE_END ? COSREL_OK : not_a_message(r->err);
}

cosrel_status grpc_infer_read(const char *message, size_t bytes, arena *memory, infer_request *r,
                              const char **model, const char **version, cosrel_error *err)
{
    ProtobufCAllocator allocator;
    reading now = {.request = r, .memory = memory, .err = err};
    rest other = {.memory = memory, .data = message};
    infer_request_clear(r);
    *model = *version = "";
    size_t raw_bytes = 0;
    /* What is raw takes no memory, so it allows none either. */
    memory->bytes_max = memory->taken_bytes + MEMORY_LEAST + bytes;
    other.room = bytes;
    cosrel_status status = split(&now, message, bytes, &other);
    for (size_t i = 0; i < now.raw_count; i++)
        raw_bytes += now.raw[i].bytes;
    if (status != COSREL_OK)
        return status;
    grpc_arena_begin(memory, bytes - raw_bytes, &allocator);
    const message_type *m = inference__model_infer_request__unpack(&allocator, other.bytes,
                                                                   (const uint8_t *)other.data);
    if (!m && memory->failed)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a request");
    if (!m && memory->refused)
        return error_set(err, COSREL_OUT_OF_MEMORY,
                         "the message would take far more memory than its size");
    if (!m)
        return not_a_message(err);
    *model = m->model_name;
    *version = m->model_version;
    return read_message(&now, m);
}

size_t grpc_infer_raw_begins(const char *message, size_t bytes)
{
    wire w = {.data = (const uint8_t *)message, .end = bytes};
    wire_field field;
    for (int fields = 0; fields < GRPC_INFER_FIELDS_MAX; fields++) {
        const wire_step step = wire_next(&w, &field);
        /* A tensor that is not all there yet is cut, but where it begins is known. */
        if ((step == WIRE_FIELD || step == WIRE_CUT) && field.number == GRPC_RAW_FIELD &&
            field.at > 0 && field.bytes > 0)
            return field.at;
        if (step != WIRE_FIELD)
            return 0;
    }
    return 0;
}
