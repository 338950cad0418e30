/* Pictures as tensors: JPEG and PNG files made to fit a model's image input.
 *
 * Layout: the input has rank 2 (H,W: grey), 3 or 4; of rank 4 the first dimension is the batch:
 * free or 1. The channels (1: grey, 3: RGB) stand before height and width (NCHW) or after them
 * (NHWC); if both readings fit, before. Size: the picture is resized to the input's height and
 * width, without keeping its proportions; a free one takes the picture's own. Bilinear, with the
 * filter widened on the way down so that nothing aliases (as Pillow's BILINEAR). Values: uint8
 * 0..255; float32 and float16 0..1 (a model that wants another scale needs an .npy file).
 * Transparent pixels are laid on white. Orientation marks (Exif) and colour profiles are not
 * applied. */
#ifndef MODEL_TENSOR_IMAGE_H
#define MODEL_TENSOR_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "model/tensor_buffer.h"

/* Chosen: beyond any phone camera, small enough for an edge device (decoding takes 3 bytes a pixel,
 * a progressive JPEG up to 9). */
enum {
    TENSOR_IMAGE_SIDE_MAX = 16384,
    TENSOR_IMAGE_PIXELS_MAX = 64 << 20,
    TENSOR_IMAGE_FILE_BYTES_MAX = 256 << 20,
};

/* NOT_FOUND, IO, OUT_OF_MEMORY; INVALID_FILE: not a whole JPEG or PNG, or too large;
 * INVALID_ARGUMENT: the input is not one for pictures (err says why). Blocks. Any thread. */
COSREL_CHECKED cosrel_status tensor_image_read(const char *path, const cosrel_value_info *input,
                                               tensor_buffer *out, cosrel_error *err);

/* The same from bytes in memory; `path` is for messages. */
COSREL_CHECKED cosrel_status tensor_image_parse(const char *path, const uint8_t *data, size_t bytes,
                                                const cosrel_value_info *input, tensor_buffer *out,
                                                cosrel_error *err);

#endif
