#include "model/tensor_image.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "model/image_decode.h"
#include "model/small_float.h"
#include "model/value_info.h"

/* Which dimension of the input is what; -1: it has none. */
typedef struct layout {
    int batch;
    int channel;
    int height;
    int width;
    size_t channels;
} layout;

/* One output position's share of the source: pixels first..first+count-1 with these weights, which
 * sum to 1. */
typedef struct taps {
    size_t first;
    size_t count;
    const float *weights;
} taps;

typedef struct resampling {
    taps *taps;
    float *weights;
} resampling;

static bool is_channels(int64_t size)
{
    return size == 1 || size == 3;
}

static cosrel_status find_layout(const char *path, const cosrel_value_info *input, layout *out,
                                 cosrel_error *err)
{
    const int rank = input->rank <= 4 ? (int)input->rank : 0;
    const int batch = rank == 4 ? 0 : -1;
    const bool typed = input->type == COSREL_FLOAT32 || input->type == COSREL_UINT8 ||
                       input->type == COSREL_FLOAT16;
    const bool alone = batch < 0 || input->shape[0] < 0 || input->shape[0] == 1;
    if (typed && alone && rank == 2) {
        *out = (layout){-1, -1, 0, 1, 1};
        return COSREL_OK;
    }
    if (typed && alone && rank >= 3 && is_channels(input->shape[batch + 1])) {
        *out = (layout){batch, batch + 1, batch + 2, batch + 3, (size_t)input->shape[batch + 1]};
        return COSREL_OK;
    }
    if (typed && alone && rank >= 3 && is_channels(input->shape[batch + 3])) {
        *out = (layout){batch, batch + 3, batch + 1, batch + 2, (size_t)input->shape[batch + 3]};
        return COSREL_OK;
    }
    text_builder shape = {0};
    value_info_add_shape(&shape, input->shape, input->symbols, input->rank < 16 ? input->rank : 16);
    const cosrel_status status = error_set(
        err, COSREL_INVALID_ARGUMENT,
        "%s: a picture does not fit input '%.64s' (%s%.100s); float32, float16 or uint8 of "
        "shape [1,C,H,W] or [1,H,W,C] with 1 or 3 channels would",
        path, input->name, cosrel_dtype_name(input->type), shape.data ? shape.data : "");
    text_deinit(&shape);
    return status;
}

static void resampling_deinit(resampling *r)
{
    free(r->taps);
    free(r->weights);
    memset(r, 0, sizeof *r);
}

/* The triangle filter; its support is one source pixel, or one target pixel where those are wider.
 */
static bool resampling_init(resampling *r, size_t from, size_t to)
{
    const double scale = (double)from / (double)to;
    const double support = scale > 1.0 ? scale : 1.0;
    const size_t taps_max = 2 * (size_t)ceil(support) + 1;
    r->taps = malloc(to * sizeof *r->taps);
    r->weights = malloc(to * taps_max * sizeof *r->weights);
    if (!r->taps || !r->weights) {
        resampling_deinit(r);
        return false;
    }
    for (size_t i = 0; i < to; i++) {
        const double centre = ((double)i + 0.5) * scale;
        const double low = floor(centre - support + 0.5);
        const double high = floor(centre + support + 0.5);
        const size_t first = low > 0.0 ? (size_t)low : 0;
        const size_t end = high < (double)from ? (size_t)high : from;
        float *weights = r->weights + i * taps_max;
        double sum = 0.0;
        for (size_t k = first; k < end; k++)
            sum += fmax(0.0, 1.0 - fabs(((double)k + 0.5 - centre) / support));
        for (size_t k = first; k < end; k++)
            weights[k - first] =
                (float)(fmax(0.0, 1.0 - fabs(((double)k + 0.5 - centre) / support)) / sum);
        r->taps[i] = (taps){first, end - first, weights};
    }
    return true;
}

/* One line of the target's height, at the source's width. */
static void blend_rows(const image *from, const taps *t, float *row)
{
    const size_t n = from->width * from->channels;
    memset(row, 0, n * sizeof *row);
    for (size_t k = 0; k < t->count; k++) {
        const uint8_t *source = from->pixels + (t->first + k) * n;
        const float weight = t->weights[k];
        for (size_t i = 0; i < n; i++)
            row[i] += weight * (float)source[i];
    }
}

/* 0..255 to the element's own scale. */
static void put(cosrel_dtype type, void *data, size_t index, float value)
{
    const float clipped = value < 0.0f ? 0.0f : value > 255.0f ? 255.0f : value;
    switch (type) {
    case COSREL_UINT8:
        ((uint8_t *)data)[index] = (uint8_t)(clipped + 0.5f);
        break;
    case COSREL_FLOAT16:
        ((uint16_t *)data)[index] = small_float_half(clipped / 255.0f);
        break;
    default:
        ((float *)data)[index] = clipped / 255.0f;
        break;
    }
}

static void put_row(const float *row, const resampling *across, const layout *l, size_t y,
                    tensor_buffer *out)
{
    const size_t height = (size_t)out->shape[l->height];
    const size_t width = (size_t)out->shape[l->width];
    const bool planes = l->channel >= 0 && l->channel < l->height;
    for (size_t x = 0; x < width; x++) {
        const taps *t = &across->taps[x];
        for (size_t c = 0; c < l->channels; c++) {
            float value = 0.0f;
            for (size_t k = 0; k < t->count; k++)
                value += t->weights[k] * row[(t->first + k) * l->channels + c];
            const size_t index = planes ? (c * height + y) * width + x
                                        : (y * width + x) * l->channels + c;
            put(out->type, out->data, index, value);
        }
    }
}

/* Row by row, down first: beside the result this takes one row of floats. */
static cosrel_status resize(const char *path, const image *from, const layout *l,
                            tensor_buffer *out, cosrel_error *err)
{
    const size_t height = (size_t)out->shape[l->height];
    const size_t width = (size_t)out->shape[l->width];
    resampling down = {0};
    resampling across = {0};
    float *row = malloc(from->width * from->channels * sizeof *row);
    const bool ok = row && resampling_init(&down, from->height, height) &&
                    resampling_init(&across, from->width, width);
    for (size_t y = 0; ok && y < height; y++) {
        blend_rows(from, &down.taps[y], row);
        put_row(row, &across, l, y, out);
    }
    resampling_deinit(&down);
    resampling_deinit(&across);
    free(row);
    return ok ? COSREL_OK
              : error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory to resize the picture", path);
}

static cosrel_status check_target(const char *path, const cosrel_value_info *input, const layout *l,
                                  cosrel_error *err)
{
    const int64_t height = input->shape[l->height];
    const int64_t width = input->shape[l->width];
    if (height == 0 || width == 0 || height > TENSOR_IMAGE_SIDE_MAX ||
        width > TENSOR_IMAGE_SIDE_MAX)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "%s: input '%.64s' takes pictures of %lld x %lld pixels; 1 to %d a "
                         "side can be made",
                         path, input->name, (long long)width, (long long)height,
                         TENSOR_IMAGE_SIDE_MAX);
    return COSREL_OK;
}

cosrel_status tensor_image_parse(const char *path, const uint8_t *data, size_t bytes,
                                 const cosrel_value_info *input, tensor_buffer *out,
                                 cosrel_error *err)
{
    layout l = {0};
    image picture = {0};
    memset(out, 0, sizeof *out);
    cosrel_status status = find_layout(path, input, &l, err);
    if (status == COSREL_OK)
        status = check_target(path, input, &l, err);
    if (status == COSREL_OK)
        status = image_decode(path, data, bytes, l.channels, &picture, err);
    if (status != COSREL_OK)
        return status;
    int64_t shape[4];
    for (size_t i = 0; i < input->rank; i++)
        shape[i] = input->shape[i] < 0 ? 1 : input->shape[i];
    if (input->shape[l.height] < 0)
        shape[l.height] = (int64_t)picture.height;
    if (input->shape[l.width] < 0)
        shape[l.width] = (int64_t)picture.width;
    status = tensor_buffer_init(out, input->type, shape, input->rank, 0, path, err);
    if (status == COSREL_OK) {
        status = resize(path, &picture, &l, out, err);
        if (status != COSREL_OK)
            tensor_buffer_deinit(out);
    }
    free(picture.pixels);
    return status;
}

cosrel_status tensor_image_read(const char *path, const cosrel_value_info *input,
                                tensor_buffer *out, cosrel_error *err)
{
    char *data;
    size_t bytes;
    memset(out, 0, sizeof *out);
    cosrel_status status = file_read(path, TENSOR_IMAGE_FILE_BYTES_MAX, &data, &bytes, err);
    if (status != COSREL_OK)
        return status;
    status = tensor_image_parse(path, (const uint8_t *)data, bytes, input, out, err);
    free(data);
    return status;
}
