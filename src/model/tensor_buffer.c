#include "model/tensor_buffer.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "model/value_info.h"

bool tensor_count(const int64_t *shape, size_t rank, uint64_t *elements)
{
    uint64_t product = 1;
    bool zero = false;
    bool overflow = false;
    for (size_t i = 0; i < rank; i++) {
        if (shape[i] < 0)
            return false;
        zero = zero || shape[i] == 0;
        overflow = overflow || __builtin_mul_overflow(product, (uint64_t)shape[i], &product);
    }
    *elements = zero ? 0 : product;
    return zero || !overflow;
}

static cosrel_status too_large(cosrel_dtype type, const int64_t *shape, size_t rank,
                               const char *what, cosrel_error *err)
{
    text_builder text = {0};
    value_info_add_shape(&text, shape, NULL, rank < 16 ? rank : 16);
    const cosrel_status status = error_set(
        err, COSREL_INVALID_ARGUMENT,
        "%s: a %s tensor of shape %.200s cannot be held here; at most %zu MiB "
        "are allowed",
        what, cosrel_dtype_name(type), text.data ? text.data : "?", TENSOR_BYTES_MAX >> 20);
    text_deinit(&text);
    return status;
}

cosrel_status tensor_buffer_init(tensor_buffer *out, cosrel_dtype type, const int64_t *shape,
                                 size_t rank, size_t text_bytes, const char *what,
                                 cosrel_error *err)
{
    uint64_t elements;
    memset(out, 0, sizeof *out);
    if (cosrel_dtype_bytes(type, 1) == 0)
        return error_set(err, COSREL_INVALID_ARGUMENT, "%s: element type %d is not known", what,
                         (int)type);
    if (rank > TENSOR_RANK_MAX)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "%s: has %zu dimensions; at most %d are allowed", what, rank,
                         TENSOR_RANK_MAX);
    if (!tensor_count(shape, rank, &elements))
        return too_large(type, shape, rank, what, err);
    out->type = type;
    out->rank = rank;
    out->bytes = cosrel_dtype_bytes(type, elements);
    if (elements > TENSOR_BYTES_MAX * 2 || out->bytes > TENSOR_BYTES_MAX)
        return too_large(type, shape, rank, what, err);
    if (rank > 0)
        memcpy(out->shape, shape, rank * sizeof *shape);
    out->data = calloc(out->bytes + 1, 1);
    out->text = type == COSREL_STRING ? calloc(text_bytes + 1, 1) : NULL;
    if (!out->data || (type == COSREL_STRING && !out->text)) {
        const size_t bytes = out->bytes;
        tensor_buffer_deinit(out);
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for a tensor of %zu bytes", what,
                         bytes);
    }
    return COSREL_OK;
}

void tensor_buffer_deinit(tensor_buffer *tensor)
{
    free(tensor->data);
    free(tensor->text);
    memset(tensor, 0, sizeof *tensor);
}

cosrel_tensor tensor_buffer_view(const tensor_buffer *tensor, const char *name)
{
    const cosrel_tensor view = {.name = name,
                                .type = tensor->type,
                                .rank = tensor->rank,
                                .shape = tensor->shape,
                                .data = tensor->data,
                                .bytes = tensor->bytes};
    return view;
}
