/* Floats of 8 and 16 bits, which C has no type for. */
#ifndef MODEL_SMALL_FLOAT_H
#define MODEL_SMALL_FLOAT_H

#include <stdint.h>

#include "cosrel/tensor.h"

/* The value of a FLOAT16, BFLOAT16 or FLOAT8* number, exactly. Others: NaN.
 * Formats: IEEE 754 binary16; bfloat16; "FP8 Formats for Deep Learning" (Micikevicius et al. 2022)
 * for E4M3FN and E5M2; the FNUZ ones (no infinities, no negative zero: 0x80 is NaN, bias one
 * higher) as in ONNX's "Float stored in 8 bits". */
float small_float_widen(cosrel_dtype type, uint16_t bits);

/* The FLOAT16 nearest to `value`, ties to even. Beyond the largest: infinity. */
uint16_t small_float_half(float value);

/* The bits of 1.0; every positive number below it has smaller bits. 0 for other types. */
uint16_t small_float_one(cosrel_dtype type);

#endif
