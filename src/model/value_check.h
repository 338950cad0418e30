/* Does a request fit its model? Asked for every request, so it allocates nothing unless it has to
 * complain, and costs well under a microsecond for a few inputs. */
#ifndef MODEL_VALUE_CHECK_H
#define MODEL_VALUE_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "cosrel/tensor.h"

/* Inputs of one model. Chosen: language models with a key and a value cache per layer have a few
 * hundred. */
enum { VALUE_CHECK_MAX = 1024 };

/* Matches `tensors` to the model's inputs: one with a name goes to the input of that name, one
 * without to the input at its own position. Each input must get exactly one. Checks type, rank,
 * fixed dimensions, equal sizes under equal symbols, bytes, and that data are there; a batch axis
 * must have at least one row. order[i] (room for `count`): which tensor is input i's. rows: the
 * size of the batch axis; 1 without one. INVALID_ARGUMENT: err names the model, the input and what
 * would be right; order and rows are then undefined. UNSUPPORTED: the model has more than
 * VALUE_CHECK_MAX inputs. Any thread. */
COSREL_CHECKED cosrel_status value_check(const char *model_name, const cosrel_value_info *inputs,
                                         size_t count, const cosrel_tensor *tensors,
                                         size_t tensor_count, size_t *order, int64_t *rows,
                                         cosrel_error *err);

#endif
