/* Tensors in files of ONNX's own kind: one TensorProto (protobuf), as ONNX's test data have it
 * (input_0.pb). */
#ifndef MODEL_TENSOR_PB_H
#define MODEL_TENSOR_PB_H

#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "model/tensor_buffer.h"

/* Every element type of cosrel_dtype, in raw_data or in the typed fields, strings too. External
 * data are refused. Takes at most about ten times the file's size in memory, and files of at most
 * TENSOR_BYTES_MAX. NOT_FOUND, IO, INVALID_FILE (err says what is wrong where), OUT_OF_MEMORY.
 * Blocks. Any thread. */
COSREL_CHECKED cosrel_status tensor_pb_read(const char *path, tensor_buffer *out,
                                            cosrel_error *err);

/* The same from bytes in memory; `path` is for messages. */
COSREL_CHECKED cosrel_status tensor_pb_parse(const char *path, const uint8_t *data, size_t bytes,
                                             tensor_buffer *out, cosrel_error *err);

#endif
