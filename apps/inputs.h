/* Tensors for a model's inputs: random ones, or read from files. */
#ifndef APPS_INPUTS_H
#define APPS_INPUTS_H

#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "cosrel/tensor.h"
#include "model/tensor_buffer.h"

/* Owns all that `views` point to. Zeroed: empty. */
typedef struct inputs {
    tensor_buffer *buffers;
    char **names;
    cosrel_tensor *views; /* one per input of the model, in its order */
    size_t count;
} inputs;

/* Seeded random values for every input at batch 1: the same seed gives the same values. */
COSREL_CHECKED cosrel_status inputs_random(const cosrel_value_info *infos, size_t count,
                                           uint64_t seed, inputs *out, cosrel_error *err);

/* Replaces one input by what a file holds: .npy, .pb (TensorProto), JPEG or PNG. `assignment` is
 * NAME=FILE; with a single input FILE alone will do. Errors name the file or the input. */
COSREL_CHECKED cosrel_status inputs_assign(inputs *in, const cosrel_value_info *infos,
                                           const char *assignment, cosrel_error *err);

void inputs_deinit(inputs *in);

#endif
