/* Any bytes as a picture for one of several inputs, which the first byte picks: an error or a whole
 * tensor. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/tensor_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const int64_t planes[] = {1, 3, 16, 12}, pixels[] = {-1, -1, -1, 3}, grey[] = {20, 30},
                     grey_planes[] = {1, 9, 7};
static const char *const symbols[] = {"", "", "", ""};
static const cosrel_value_info inputs[] = {
    {"planes", COSREL_FLOAT32, 4, planes, symbols, -1},
    {"pixels", COSREL_UINT8, 4, pixels, symbols, -1},
    {"grey", COSREL_FLOAT16, 2, grey, symbols, -1},
    {"grey_planes", COSREL_FLOAT32, 3, grey_planes, symbols, -1},
};

static uint64_t big_endian(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

/* Width times height where a picture says them, so that no time goes into decoding millions of
 * empty pixels: their number is bounded by tensor_image.h, which has its own test. */
static bool is_small(const uint8_t *data, size_t bytes)
{
    enum { PIXELS_MAX = 1 << 18 };
    if (bytes >= 24 && data[0] == 0x89)
        return big_endian(data + 16, 4) * big_endian(data + 20, 4) <= PIXELS_MAX;
    for (size_t i = 0; i + 9 <= bytes; i++) { /* start of frame */
        const bool frame = data[i] == 0xff && data[i + 1] >= 0xc0 && data[i + 1] <= 0xcf &&
                           data[i + 1] != 0xc4 && data[i + 1] != 0xc8 && data[i + 1] != 0xcc;
        if (frame && big_endian(data + i + 5, 2) * big_endian(data + i + 7, 2) > PIXELS_MAX)
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    tensor_buffer t;
    cosrel_error err;
    if (bytes == 0 || !is_small(data + 1, bytes - 1))
        return 0;
    const cosrel_value_info *input = &inputs[data[0] % 4];
    const cosrel_status status = tensor_image_parse("a.png", data + 1, bytes - 1, input, &t, &err);
    if (status != COSREL_OK) {
        if (status != COSREL_INVALID_FILE || memcmp(err.text, "a.png: ", 7) != 0 || t.data)
            abort();
        return 0;
    }
    uint64_t elements;
    if (!tensor_count(t.shape, t.rank, &elements) ||
        t.bytes != cosrel_dtype_bytes(t.type, elements) || elements == 0)
        abort();
    for (uint64_t i = 0; t.type == COSREL_FLOAT32 && i < elements; i++) {
        const float value = ((const float *)t.data)[i];
        if (!(value >= 0.0f && value <= 1.0f))
            abort();
    }
    tensor_buffer_deinit(&t);
    return 0;
}
