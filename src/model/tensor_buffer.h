/* A tensor that owns its elements: what the readers of files give. */
#ifndef MODEL_TENSOR_BUFFER_H
#define MODEL_TENSOR_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "cosrel/tensor.h"

/* Readers copy elements as they lie in the file; so far every machine that ONNX Runtime serves is
 * little-endian. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "a big-endian machine needs swaps in the readers");

enum { TENSOR_RANK_MAX = 64 };             /* NumPy 2's limit, and ONNX_RANK_MAX */
#define TENSOR_BYTES_MAX ((size_t)2 << 30) /* chosen: a TensorProto cannot hold more either */

/* Zeroed: empty. */
typedef struct tensor_buffer {
    cosrel_dtype type;
    size_t rank;
    int64_t shape[TENSOR_RANK_MAX];
    void *data;   /* row-major; strings: const char *[elements], pointing into `text` */
    size_t bytes; /* of data */
    char *text;   /* strings only */
} tensor_buffer;

/* The product of the dimensions; false if one is negative or the product does not fit. */
COSREL_CHECKED bool tensor_count(const int64_t *shape, size_t rank, uint64_t *elements);

/* Zeroed elements; strings: NULL pointers, and `text` gets text_bytes zeroed bytes (other types:
 * 0). INVALID_ARGUMENT: the shape cannot be, or takes more than TENSOR_BYTES_MAX. OUT_OF_MEMORY.
 * `what` begins the sentence (a file, an input). On failure there is nothing to free. */
COSREL_CHECKED cosrel_status tensor_buffer_init(tensor_buffer *out, cosrel_dtype type,
                                                const int64_t *shape, size_t rank,
                                                size_t text_bytes, const char *what,
                                                cosrel_error *err);
void tensor_buffer_deinit(tensor_buffer *tensor);

/* A view; name may be NULL. Valid as long as both. */
cosrel_tensor tensor_buffer_view(const tensor_buffer *tensor, const char *name);

#endif
