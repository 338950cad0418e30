/* Inputs out of thin air, the same for the same seed: for trying a model, not for judging its
 * answers. */
#ifndef MODEL_TENSOR_RANDOM_H
#define MODEL_TENSOR_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "cosrel/status.h"
#include "model/tensor_buffer.h"

/* The size to try for a dimension: the fixed one; `batch` for the batch axis and for any other
 * dimension under the batch's symbol; for a free height or width beside 1 or 3 channels 224
 * (ImageNet's custom); 16 for a symbol that speaks of a sequence or of tokens; else 1. Equal
 * symbols get equal sizes: the first mention decides. */
int64_t tensor_random_size(const cosrel_value_info *inputs, size_t count, size_t input, size_t dim,
                           int64_t batch);

/* Values for inputs[input]: floats in [0, 1); 32- and 64-bit integers 0 or 1 (valid as token,
 * segment and mask); uint8 0..255, other small integers from 0 to 127 at most, int4 and uint4 0..7;
 * bool; complex in the unit square; strings "a" to "z". INVALID_ARGUMENT: larger than
 * TENSOR_BYTES_MAX. OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status tensor_random_init(rng *r, const cosrel_value_info *inputs,
                                                size_t count, size_t input, int64_t batch,
                                                tensor_buffer *out, cosrel_error *err);

#endif
