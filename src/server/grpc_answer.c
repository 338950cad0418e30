#include "server/grpc_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "oip.pb-c.h"
#include "server/infer_answer.h"
#include "server/oip_dtype.h"

enum {
    KEPT_BYTES = 64 << 10,
    RAW_TAG = 6 << 3 | 2, /* ModelInferResponse.raw_output_contents */
    VARINT_BYTES_MAX = 10,
};

void grpc_answer_clear(grpc_answer *a)
{
    for (size_t i = 0; i < a->string_count; i++)
        text_deinit(&a->strings[i]);
    if (a->head.capacity > KEPT_BYTES || a->head.failed)
        text_deinit(&a->head);
    a->head.length = 0;
    a->piece_count = a->string_count = 0;
    a->at = a->offset = a->bytes_left = 0;
}

void grpc_answer_deinit(grpc_answer *a)
{
    grpc_answer_clear(a);
    text_deinit(&a->head);
}

static cosrel_status no_memory(cosrel_error *err)
{
    return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for an answer");
}

/* ---- Writing ---- */

typedef struct sink {
    ProtobufCBuffer base;
    text_builder *text;
} sink;

static void append(ProtobufCBuffer *base, size_t bytes, const uint8_t *data)
{
    sink *to = (sink *)base;
    text_add_bytes(to->text, (const char *)data, bytes);
}

static void add_message(grpc_answer *a, const ProtobufCMessage *message)
{
    static const char prefix[GRPC_PREFIX_BYTES] = {0};
    sink to = {.base = {.append = append}, .text = &a->head};
    text_add_bytes(&a->head, prefix, sizeof prefix);
    (void)protobuf_c_message_pack_to_buffer(message, &to.base);
}

static void add_tag(text_builder *out, uint64_t length)
{
    char bytes[1 + VARINT_BYTES_MAX] = {RAW_TAG};
    size_t used = 1;
    do {
        bytes[used++] = (char)((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
        length >>= 7;
    } while (length);
    text_add_bytes(out, bytes, used);
}

/* The length is known, and the head moves no more: the prefix is filled in. */
static cosrel_status seal(grpc_answer *a, cosrel_error *err)
{
    if (a->head.failed)
        return no_memory(err);
    a->bytes_left = 0;
    for (size_t i = 0; i < a->piece_count; i++)
        a->bytes_left += a->pieces[i].iov_len;
    const size_t length = a->bytes_left - GRPC_PREFIX_BYTES;
    if (length > UINT32_MAX)
        return error_set(err, COSREL_UNSUPPORTED, "outputs of %zu bytes: gRPC carries 4 GiB",
                         length);
    for (int i = 1; i < GRPC_PREFIX_BYTES; i++)
        a->head.data[i] = (char)(length >> (8 * (GRPC_PREFIX_BYTES - 1 - i)) & 0xff);
    return COSREL_OK;
}

cosrel_status grpc_answer_message(grpc_answer *a, const ProtobufCMessage *message,
                                  cosrel_error *err)
{
    add_message(a, message);
    a->pieces[0] = (struct iovec){a->head.data, a->head.length};
    a->piece_count = 1;
    return seal(a, err);
}

/* ---- Inference ---- */

typedef Inference__ModelInferResponse__InferOutputTensor output_type;

static const infer_region *region_of(const infer_call *call, size_t k)
{
    const infer_request *r = &call->request;
    return r->output_count && r->outputs[k].region.name ? &r->outputs[k].region : NULL;
}

static cosrel_status describe(const cosrel_tensor *t, output_type *out, cosrel_error *err)
{
    const char *type = oip_dtype_name(t->type);
    if (!type)
        return error_set(err, COSREL_UNSUPPORTED,
                         "output '%s' has a type that the protocol cannot "
                         "carry: %s",
                         t->name, cosrel_dtype_name(t->type));
    inference__model_infer_response__infer_output_tensor__init(out);
    out->name = (char *)t->name;
    out->datatype = (char *)type;
    out->n_shape = t->rank;
    out->shape = (int64_t *)t->shape;
    return COSREL_OK;
}

/* Parameters of an output that lies in a region. */
typedef struct placed {
    Inference__InferParameter values[3];
    Inference__ModelInferResponse__InferOutputTensor__ParametersEntry entries[3], *pointers[3];
} placed;

static void say_where(const infer_region *where, size_t bytes, placed *to, output_type *out)
{
    static const char *const keys[] = {"shared_memory_region", "shared_memory_byte_size",
                                       "shared_memory_offset"};
    for (int i = 0; i < 3; i++) {
        inference__infer_parameter__init(&to->values[i]);
        inference__model_infer_response__infer_output_tensor__parameters_entry__init(
            &to->entries[i]);
        to->entries[i].key = (char *)keys[i];
        to->entries[i].value = &to->values[i];
        to->pointers[i] = &to->entries[i];
        to->values[i].parameter_choice_case =
            i ? INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_INT64_PARAM
              : INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_STRING_PARAM;
    }
    to->values[0].string_param = (char *)where->name;
    to->values[1].int64_param = (int64_t)bytes;
    to->values[2].int64_param = (int64_t)where->offset;
    out->parameters = to->pointers;
    out->n_parameters = where->offset ? 3 : 2;
}

/* Of an output that lies in the client's own memory nothing is sent, but its entry keeps the
 * order. */
static struct iovec contents(grpc_answer *a, const cosrel_tensor *t, bool elsewhere)
{
    if (elsewhere)
        return (struct iovec){.iov_len = 0};
    if (t->type != COSREL_STRING)
        return (struct iovec){t->data, t->bytes};
    text_builder *strings = &a->strings[a->string_count++];
    *strings = (text_builder){.data = NULL};
    infer_answer_add_strings(strings, t);
    a->head.failed |= strings->failed;
    return (struct iovec){strings->data, strings->length};
}

/* Tags go into the head, which moves while it grows: pieces of it are noted as lengths first. */
static cosrel_status add_tensors(grpc_answer *a, const infer_call *call, size_t count,
                                 cosrel_error *err)
{
    size_t from = 0;
    for (size_t i = 0; i < count; i++) {
        const struct iovec raw = contents(a, infer_answer_output(call, i), region_of(call, i));
        add_tag(&a->head, raw.iov_len);
        if (raw.iov_len == 0)
            continue; /* its tag goes with what follows */
        a->pieces[a->piece_count++].iov_len = a->head.length - from;
        a->pieces[a->piece_count++] = raw;
        from = a->head.length;
    }
    if (from < a->head.length)
        a->pieces[a->piece_count++].iov_len = a->head.length - from;
    char *at = a->head.data;
    for (size_t i = 0; i < a->piece_count && !a->head.failed; i += 2) {
        a->pieces[i].iov_base = at;
        at += a->pieces[i].iov_len;
    }
    return seal(a, err);
}

cosrel_status grpc_answer_infer(grpc_answer *a, const infer_call *call, cosrel_error *err)
{
    const cosrel_model_info *info = cosrel_model_describe(call->model);
    const size_t count = infer_answer_count(call);
    placed places[INFER_TENSORS_MAX];
    output_type outputs[INFER_TENSORS_MAX], *pointers[INFER_TENSORS_MAX];
    Inference__ModelInferResponse m = INFERENCE__MODEL_INFER_RESPONSE__INIT;
    char version[24];
    if (count > INFER_TENSORS_MAX)
        return error_set(err, COSREL_UNSUPPORTED, "more than 64 outputs: ask for some of them");
    for (size_t i = 0; i < count; i++) {
        const cosrel_tensor *t = infer_answer_output(call, i);
        pointers[i] = &outputs[i];
        if (!t)
            return error_set(err, COSREL_INTERNAL, "an output is missing");
        const cosrel_status status = describe(t, &outputs[i], err);
        if (status != COSREL_OK)
            return status;
        if (region_of(call, i))
            say_where(region_of(call, i), t->bytes, &places[i], &outputs[i]);
    }
    snprintf(version, sizeof version, "%lld", (long long)info->version);
    m.model_name = (char *)info->name;
    m.model_version = version;
    if (call->request.id)
        m.id = call->request.id;
    m.n_outputs = count;
    m.outputs = pointers;
    add_message(a, &m.base);
    return add_tensors(a, call, count, err);
}

/* ---- Sending ---- */

struct iovec grpc_answer_next(grpc_answer *a, size_t bytes_max)
{
    const struct iovec *piece = &a->pieces[a->at];
    const size_t there = piece->iov_len - a->offset;
    const struct iovec part = {(char *)piece->iov_base + a->offset,
                               there < bytes_max ? there : bytes_max};
    a->offset += part.iov_len;
    a->bytes_left -= part.iov_len;
    if (a->offset == piece->iov_len) {
        a->at++;
        a->offset = 0;
    }
    return part;
}
