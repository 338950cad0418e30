/* What a model takes and gives, as cosrel_value_info tells it.
 *
 * Shapes: a dimension >= 0 is fixed; -1 is free. A free dimension with a symbol ("batch") has the
 * same size wherever the symbol stands in the model; one without ("") has any size. A value whose
 * rank the model leaves open has rank 0 here, as ONNX Runtime tells it too. */
#ifndef MODEL_VALUE_INFO_H
#define MODEL_VALUE_INFO_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "cosrel/tensor.h"

/* Sets batch_axis everywhere: to 0 if every input and every output has a free first dimension with
 * one and the same symbol, else to -1. Only then may several requests be laid one after the other.
 * Returns whether it is 0. */
bool value_info_find_batch(cosrel_value_info *inputs, size_t input_count,
                           cosrel_value_info *outputs, size_t output_count);

/* Bytes of such a tensor with so many rows along its batch axis, which count only if it has one;
 * 0: not known before it is there. */
size_t value_info_bytes(const cosrel_value_info *info, int64_t rows);

/* "[batch,3,224,224]"; a free dimension without a symbol is "?". symbols == NULL: a tensor's shape,
 * all numbers. */
void value_info_add_shape(text_builder *text, const int64_t *shape, const char *const *symbols,
                          size_t rank);

#endif
