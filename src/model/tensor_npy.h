/* Tensors in NumPy's .npy files (numpy.lib.format, versions 1.0, 2.0 and 3.0). */
#ifndef MODEL_TENSOR_NPY_H
#define MODEL_TENSOR_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "model/tensor_buffer.h"

/* Reads bool, integers, floats of 16 to 64 bits, complex, byte strings (S) and Unicode strings (U,
 * as UTF-8); of either byte order; Fortran order is put into C order. Takes at most about ten times
 * the file's size in memory, and files of at most TENSOR_BYTES_MAX. NOT_FOUND, IO, INVALID_FILE
 * (err says what is wrong), OUT_OF_MEMORY. Blocks. Any thread. */
COSREL_CHECKED cosrel_status tensor_npy_read(const char *path, tensor_buffer *out,
                                             cosrel_error *err);

/* The same from bytes in memory; `path` is for messages. */
COSREL_CHECKED cosrel_status tensor_npy_parse(const char *path, const uint8_t *data, size_t bytes,
                                              tensor_buffer *out, cosrel_error *err);

/* Writes in one stroke. What NumPy has no type for is written as the next larger one that holds
 * every value exactly: bfloat16 and float8 as float32, int4 as int8, uint4 as uint8. Strings become
 * Unicode ones (U), or byte strings (S) if one of them is not UTF-8. IO, OUT_OF_MEMORY,
 * INVALID_ARGUMENT (bytes do not fit shape and type). */
COSREL_CHECKED cosrel_status tensor_npy_write(const char *path, const cosrel_tensor *tensor,
                                              cosrel_error *err);

#endif
