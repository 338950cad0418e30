/* Tensors as requests and results carry them. */
#ifndef COSREL_TENSOR_H
#define COSREL_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include "cosrel/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, value, bits). Values are ONNX's own (TensorProto.DataType). bits: of one element; 0: not
 * of fixed size. */
#define COSREL_DTYPE_TABLE(X)                                                                      \
    X(FLOAT32, 1, 32)                                                                              \
    X(UINT8, 2, 8)                                                                                 \
    X(INT8, 3, 8)                                                                                  \
    X(UINT16, 4, 16)                                                                               \
    X(INT16, 5, 16)                                                                                \
    X(INT32, 6, 32)                                                                                \
    X(INT64, 7, 64)                                                                                \
    X(STRING, 8, 0)                                                                                \
    X(BOOL, 9, 8)                                                                                  \
    X(FLOAT16, 10, 16)                                                                             \
    X(FLOAT64, 11, 64)                                                                             \
    X(UINT32, 12, 32)                                                                              \
    X(UINT64, 13, 64)                                                                              \
    X(COMPLEX64, 14, 64)                                                                           \
    X(COMPLEX128, 15, 128)                                                                         \
    X(BFLOAT16, 16, 16)                                                                            \
    X(FLOAT8E4M3FN, 17, 8)                                                                         \
    X(FLOAT8E4M3FNUZ, 18, 8)                                                                       \
    X(FLOAT8E5M2, 19, 8)                                                                           \
    X(FLOAT8E5M2FNUZ, 20, 8)                                                                       \
    X(UINT4, 21, 4)                                                                                \
    X(INT4, 22, 4)

typedef enum cosrel_dtype {
    COSREL_DTYPE_UNDEFINED = 0,
#define COSREL_DTYPE_ENUM(name, value, bits) COSREL_##name = (value),
    COSREL_DTYPE_TABLE(COSREL_DTYPE_ENUM)
#undef COSREL_DTYPE_ENUM
} cosrel_dtype;

/* "float32", "int64", ...; "undefined" for a value outside the table. Any thread. */
COSREL_API const char *cosrel_dtype_name(cosrel_dtype type);

/* Bytes of `elements` elements, packed (two 4-bit elements share a byte); strings: of their
 * pointers. 0 if the type is unknown or the size does not fit a size_t. */
COSREL_API size_t cosrel_dtype_bytes(cosrel_dtype type, uint64_t elements);

/* A view of a tensor: it owns nothing. Row-major, without gaps. */
typedef struct cosrel_tensor {
    const char
        *name; /* the input's or output's name; NULL in a request: the one at this position */
    cosrel_dtype type;
    size_t rank;          /* 0: a scalar */
    const int64_t *shape; /* `rank` numbers */
    void *data;           /* strings: const char *[elements], each NUL-terminated */
    size_t bytes;         /* of data: cosrel_dtype_bytes(type, elements) */
} cosrel_tensor;

/* What a model takes or gives. */
typedef struct cosrel_value_info {
    const char *name;
    cosrel_dtype type;
    size_t rank;
    const int64_t *shape;       /* -1: a symbolic or unknown dimension */
    const char *const *symbols; /* per dimension: its symbol ("batch"), or "" */
    int batch_axis;             /* 0 where the first dimension is the batch, else -1 */
} cosrel_value_info;

#ifdef __cplusplus
}
#endif

#endif
