#include "model/tensor_random.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "model/small_float.h"

/* Chosen. */
enum { IMAGE_SIDE = 224, SEQUENCE_LENGTH = 16 };

static const char *symbol_of(const cosrel_value_info *input, size_t dim)
{
    return input->symbols && input->symbols[dim] ? input->symbols[dim] : "";
}

static bool is_image_side(const cosrel_value_info *input, size_t dim)
{
    if (input->rank != 4 || dim == 0)
        return false;
    const bool planes = input->shape[1] == 1 || input->shape[1] == 3;
    const bool pixels = input->shape[3] == 1 || input->shape[3] == 3;
    return planes ? dim >= 2 : pixels && dim <= 2;
}

static int64_t guess(const cosrel_value_info *input, size_t dim, int64_t batch)
{
    static const char *const sequences[] = {"seq", "token", "length"};
    const char *symbol = symbol_of(input, dim);
    if (dim == 0 && input->batch_axis == 0)
        return batch;
    if (is_image_side(input, dim))
        return IMAGE_SIDE;
    for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++) {
        if (strcasestr(symbol, sequences[i]) && !strcasestr(symbol, "past"))
            return SEQUENCE_LENGTH;
    }
    return 1;
}

int64_t tensor_random_size(const cosrel_value_info *inputs, size_t count, size_t input, size_t dim,
                           int64_t batch)
{
    const cosrel_value_info *value = &inputs[input];
    const char *symbol = symbol_of(value, dim);
    if (value->shape[dim] >= 0)
        return value->shape[dim];
    for (size_t i = 0; symbol[0] && i < count; i++) {
        for (size_t d = 0; d < inputs[i].rank; d++) {
            if (inputs[i].shape[d] < 0 && strcmp(symbol_of(&inputs[i], d), symbol) == 0)
                return guess(&inputs[i], d, batch);
        }
    }
    return guess(value, dim, batch);
}

static void fill_floats(rng *r, float *to, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (float)(rng_u64(r) >> 40) * 0x1.0p-24f;
}

static void fill_doubles(rng *r, double *to, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = rng_unit(r);
}

/* Bits below those of 1.0: any number in [0, 1), small ones more often. */
static void fill_small_floats(rng *r, const tensor_buffer *t)
{
    const uint64_t one = small_float_one(t->type);
    const bool wide = t->type == COSREL_FLOAT16 || t->type == COSREL_BFLOAT16;
    for (size_t i = 0; i < t->bytes / (wide ? 2 : 1); i++) {
        if (!wide)
            ((uint8_t *)t->data)[i] = (uint8_t)rng_below(r, one);
        else if (t->type == COSREL_FLOAT16)
            ((uint16_t *)t->data)[i] = small_float_half((float)rng_below(r, 2048) / 2048.0f);
        else
            ((uint16_t *)t->data)[i] = (uint16_t)rng_below(r, one);
    }
}

static void fill_integers(rng *r, const tensor_buffer *t, size_t unit, uint64_t below)
{
    uint8_t *to = t->data;
    for (size_t i = 0; i + unit <= t->bytes; i += unit) {
        const uint64_t value = rng_below(r, below);
        memcpy(to + i, &value, unit);
    }
}

static void fill_nibbles(rng *r, const tensor_buffer *t)
{
    uint8_t *to = t->data;
    for (size_t i = 0; i < t->bytes; i++)
        to[i] = (uint8_t)(rng_below(r, 8) | rng_below(r, 8) << 4);
}

static void fill_strings(rng *r, const tensor_buffer *t)
{
    const char **to = t->data;
    for (char c = 0; c < 26; c++)
        t->text[2 * c] = (char)('a' + c);
    for (size_t i = 0; i < t->bytes / sizeof *to; i++)
        to[i] = t->text + 2 * rng_below(r, 26);
}

static void fill(rng *r, const tensor_buffer *t)
{
    switch (t->type) {
    case COSREL_FLOAT32:
    case COSREL_COMPLEX64:
        fill_floats(r, t->data, t->bytes / sizeof(float));
        break;
    case COSREL_FLOAT64:
    case COSREL_COMPLEX128:
        fill_doubles(r, t->data, t->bytes / sizeof(double));
        break;
    case COSREL_BOOL:
        fill_integers(r, t, 1, 2);
        break;
    case COSREL_UINT8:
        fill_integers(r, t, 1, 256);
        break;
    case COSREL_INT8:
        fill_integers(r, t, 1, 128);
        break;
    case COSREL_INT16:
    case COSREL_UINT16:
        fill_integers(r, t, 2, 128);
        break;
    case COSREL_INT32:
    case COSREL_UINT32:
        fill_integers(r, t, 4, 2);
        break;
    case COSREL_INT64:
    case COSREL_UINT64:
        fill_integers(r, t, 8, 2);
        break;
    case COSREL_STRING:
        fill_strings(r, t);
        break;
    case COSREL_UINT4:
    case COSREL_INT4:
        fill_nibbles(r, t);
        break;
    default:
        fill_small_floats(r, t);
        break;
    }
}

cosrel_status tensor_random_init(rng *r, const cosrel_value_info *inputs, size_t count,
                                 size_t input, int64_t batch, tensor_buffer *out, cosrel_error *err)
{
    int64_t shape[TENSOR_RANK_MAX];
    const cosrel_value_info *value = &inputs[input];
    for (size_t d = 0; d < value->rank && d < TENSOR_RANK_MAX; d++)
        shape[d] = tensor_random_size(inputs, count, input, d, batch);
    const size_t text_bytes = value->type == COSREL_STRING ? 52 : 0;
    const cosrel_status status = tensor_buffer_init(out, value->type, shape, value->rank,
                                                    text_bytes, value->name, err);
    if (status == COSREL_OK)
        fill(r, out);
    return status;
}
