/* JPEG and PNG to pixels, through libjpeg and libpng. */
#ifndef MODEL_IMAGE_DECODE_H
#define MODEL_IMAGE_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"

/* Rows from the top, without gaps, `channels` bytes a pixel. free() the pixels. */
typedef struct image {
    uint8_t *pixels;
    size_t width;
    size_t height;
    size_t channels;
} image;

/* channels: 1 (grey) or 3 (RGB), whatever the file has. The limits are those of tensor_image.h,
 * checked before pixels are given memory. INVALID_FILE, OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status image_decode(const char *path, const uint8_t *data, size_t bytes,
                                          size_t channels, image *out, cosrel_error *err);

#endif
