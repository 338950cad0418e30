#include "model/value_check.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "model/value_info.h"

static const size_t none = SIZE_MAX;

static bool same_text(const char *a, const char *b)
{
    return a == b || strcmp(a, b) == 0;
}

/* A model has names of its inputs one by one; text_nearest wants an array of them. */
static cosrel_status unknown_name(const char *model_name, const cosrel_value_info *inputs,
                                  size_t count, const char *name, cosrel_error *err)
{
    const char *names[VALUE_CHECK_MAX];
    if (count == 0)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "%s: takes no inputs; the request has '%.64s'", model_name, name);
    for (size_t i = 0; i < count; i++)
        names[i] = inputs[i].name;
    const char *near = text_nearest(name, names, count);
    if (near)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "%s: has no input '%.64s'; did you mean '%.64s'?", model_name, name, near);
    return error_set(err, COSREL_INVALID_ARGUMENT, "%s: has no input '%.64s'; its %s '%.64s'",
                     model_name, name, count == 1 ? "only one is" : "first one is", inputs[0].name);
}

static size_t find_input(const cosrel_value_info *inputs, size_t count, const char *name,
                         size_t guess)
{
    if (guess < count && same_text(inputs[guess].name, name))
        return guess;
    for (size_t i = 0; i < count; i++) {
        if (same_text(inputs[i].name, name))
            return i;
    }
    return none;
}

static cosrel_status match(const char *model_name, const cosrel_value_info *inputs, size_t count,
                           const cosrel_tensor *tensors, size_t tensor_count, size_t *order,
                           cosrel_error *err)
{
    for (size_t i = 0; i < count; i++)
        order[i] = none;
    for (size_t t = 0; t < tensor_count; t++) {
        const char *name = tensors[t].name;
        const size_t i = name ? find_input(inputs, count, name, t) : t < count ? t : none;
        if (i == none && name)
            return unknown_name(model_name, inputs, count, name, err);
        if (i == none)
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "%s: takes %zu input%s; the request has %zu", model_name, count,
                             count == 1 ? "" : "s", tensor_count);
        if (order[i] != none)
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "%s: input '%.64s' is given twice; once is right", model_name,
                             inputs[i].name);
        order[i] = t;
    }
    for (size_t i = 0; i < count; i++) {
        if (order[i] == none)
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "%s: input '%.64s' (%s) is missing; the request has %zu of "
                             "%zu",
                             model_name, inputs[i].name, cosrel_dtype_name(inputs[i].type),
                             tensor_count, count);
    }
    return COSREL_OK;
}

static cosrel_status wrong_shape(const char *model_name, const cosrel_value_info *input,
                                 const cosrel_tensor *tensor, cosrel_error *err)
{
    text_builder have = {0};
    text_builder want = {0};
    /* The request's rank may be anything; as many dimensions as a sentence can show. */
    const size_t shown = tensor->rank < 16 ? tensor->rank : 16;
    value_info_add_shape(&have, tensor->shape, NULL, shown);
    value_info_add_shape(&want, input->shape, input->symbols, input->rank);
    const cosrel_status status = error_set(
        err, COSREL_INVALID_ARGUMENT, "%s: input '%.64s' has shape %.150s%s; it must be %.150s",
        model_name, input->name, have.data ? have.data : "?", tensor->rank > shown ? "..." : "",
        want.data ? want.data : "?");
    text_deinit(&have);
    text_deinit(&want);
    return status;
}

static cosrel_status check_data(const char *model_name, const cosrel_value_info *input,
                                const cosrel_tensor *tensor, uint64_t elements, bool overflow,
                                cosrel_error *err)
{
    const size_t bytes = cosrel_dtype_bytes(tensor->type, elements);
    if (overflow || (bytes == 0 && elements > 0))
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "%s: input '%.64s' has a shape larger than any memory", model_name,
                         input->name);
    if (tensor->bytes != bytes)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "%s: input '%.64s' has %zu bytes; its shape and type (%s) need "
                         "%zu",
                         model_name, input->name, tensor->bytes, cosrel_dtype_name(tensor->type),
                         bytes);
    if (bytes > 0 && !tensor->data)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "%s: input '%.64s' has no data (NULL); its shape and type (%s) "
                         "need %zu bytes",
                         model_name, input->name, cosrel_dtype_name(tensor->type), bytes);
    if (tensor->type != COSREL_STRING)
        return COSREL_OK;
    const char *const *strings = tensor->data;
    for (uint64_t i = 0; i < elements; i++) {
        if (!strings[i])
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "%s: input '%.64s': string %" PRIu64 " is NULL", model_name,
                             input->name, i);
    }
    return COSREL_OK;
}

static cosrel_status check_tensor(const char *model_name, const cosrel_value_info *input,
                                  const cosrel_tensor *tensor, cosrel_error *err)
{
    if (tensor->type != input->type)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "%s: input '%.64s' has type %s; it must be %s", model_name, input->name,
                         cosrel_dtype_name(tensor->type), cosrel_dtype_name(input->type));
    if (tensor->rank > 0 && !tensor->shape)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "%s: input '%.64s' has rank %zu but no shape (NULL)", model_name,
                         input->name, tensor->rank);
    if (tensor->rank != input->rank)
        return wrong_shape(model_name, input, tensor, err);
    uint64_t elements = 1;
    bool overflow = false;
    bool empty = false;
    for (size_t d = 0; d < tensor->rank; d++) {
        const int64_t size = tensor->shape[d];
        if (size < 0 || (input->shape[d] >= 0 && size != input->shape[d]))
            return wrong_shape(model_name, input, tensor, err);
        empty = empty || size == 0;
        overflow = overflow || __builtin_mul_overflow(elements, (uint64_t)size, &elements);
    }
    return check_data(model_name, input, tensor, empty ? 0 : elements, overflow && !empty, err);
}

/* Looks for the symbol's first mention; models mention few symbols, and those early. The first
 * mention is its own, so the search ends at (input, dim) at the latest. */
static cosrel_status check_symbol(const char *model_name, const cosrel_value_info *inputs,
                                  const cosrel_tensor *tensors, const size_t *order, size_t input,
                                  size_t dim, cosrel_error *err)
{
    const char *symbol = inputs[input].symbols[dim];
    const int64_t size = tensors[order[input]].shape[dim];
    for (size_t i = 0; i <= input; i++) {
        const size_t end = i == input ? dim : inputs[i].rank;
        for (size_t d = 0; d < end; d++) {
            if (inputs[i].shape[d] >= 0 || !inputs[i].symbols || !inputs[i].symbols[d] ||
                !same_text(inputs[i].symbols[d], symbol))
                continue;
            const int64_t other = tensors[order[i]].shape[d];
            if (other == size)
                return COSREL_OK;
            return error_set(
                err, COSREL_INVALID_ARGUMENT,
                "%s: '%.32s' is %" PRId64 " in input '%.64s' (dimension "
                "%zu) but %" PRId64 " in input '%.64s' (dimension %zu); the two must be equal",
                model_name, symbol, other, inputs[i].name, d, size, inputs[input].name, dim);
        }
    }
    return COSREL_OK;
}

static cosrel_status check_symbols(const char *model_name, const cosrel_value_info *inputs,
                                   size_t count, const cosrel_tensor *tensors, const size_t *order,
                                   cosrel_error *err)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t d = 0; inputs[i].symbols && d < inputs[i].rank; d++) {
            const char *symbol = inputs[i].symbols[d];
            if (inputs[i].shape[d] >= 0 || !symbol || !symbol[0])
                continue;
            const cosrel_status status = check_symbol(model_name, inputs, tensors, order, i, d,
                                                      err);
            if (status != COSREL_OK)
                return status;
        }
    }
    return COSREL_OK;
}

cosrel_status value_check(const char *model_name, const cosrel_value_info *inputs, size_t count,
                          const cosrel_tensor *tensors, size_t tensor_count, size_t *order,
                          int64_t *rows, cosrel_error *err)
{
    if (count > VALUE_CHECK_MAX)
        return error_set(err, COSREL_UNSUPPORTED, "%s: has %zu inputs; at most %d are supported",
                         model_name, count, VALUE_CHECK_MAX);
    if (tensor_count > 0 && !tensors)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "%s: the request says %zu inputs but has none (NULL)", model_name,
                         tensor_count);
    cosrel_status status = match(model_name, inputs, count, tensors, tensor_count, order, err);
    for (size_t i = 0; i < count && status == COSREL_OK; i++)
        status = check_tensor(model_name, &inputs[i], &tensors[order[i]], err);
    if (status == COSREL_OK)
        status = check_symbols(model_name, inputs, count, tensors, order, err);
    if (status != COSREL_OK)
        return status;
    *rows = 1;
    for (size_t i = 0; i < count; i++) {
        if (inputs[i].batch_axis != 0)
            continue;
        *rows = tensors[order[i]].shape[0];
        if (*rows == 0)
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "%s: input '%.64s' has no rows (dimension 0 is 0); at least "
                             "one is needed",
                             model_name, inputs[i].name);
    }
    return COSREL_OK;
}
