/* A look into an .onnx file before any inference library sees it.
 *
 * The file is read and its protobuf walked in place (model/wire.h): weights are not unpacked, so a
 * hostile model costs no more memory than its bytes and its names (256 MiB at most). What is
 * checked is what goes wrong in practice or does harm: a file that is no ONNX model, a cut-off
 * download, a tensor whose bytes do not fit its shape, weights in other files that are missing, too
 * short, or outside the model's folder, in the main graph, its subgraphs, functions and training
 * graphs alike. Whether the operators make sense is ONNX Runtime's to say.
 *
 * It is read and not mapped, because a mapping kills the process with SIGBUS where somebody cuts
 * the file off meanwhile. */
#ifndef MODEL_ONNX_FILE_H
#define MODEL_ONNX_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "cosrel/tensor.h"
#include "model/arena.h"

/* Chosen: far beyond any real model, small enough to bound time and memory. */
enum {
    ONNX_GRAPH_DEPTH_MAX = 32,
    ONNX_RANK_MAX = 64,
    ONNX_VALUES_MAX = 65536, /* inputs, or outputs, of the graph */
    ONNX_INITIALIZERS_MAX = 1 << 20,
    ONNX_OP_TYPES_MAX = 1024,
    ONNX_NAMES_BYTES_MAX = 256 << 20,
};

/* protobuf's own limit: ONNX Runtime reads no larger file. */
#define ONNX_FILE_BYTES_MAX ((size_t)INT32_MAX)

typedef enum onnx_data {
    ONNX_DATA_NONE,     /* no elements */
    ONNX_DATA_RAW,      /* little-endian elements at [offset, offset + bytes) of the model file */
    ONNX_DATA_TYPED,    /* protobuf fields (float_data, ...); [offset, offset + bytes) is the whole
                           TensorProto */
    ONNX_DATA_EXTERNAL, /* little-endian elements at [offset, offset + bytes) of externals[external]
                         */
} onnx_data;

typedef struct onnx_initializer {
    const char *name;
    int32_t type; /* TensorProto.DataType: a cosrel_dtype or one newer than its table */
    size_t rank;
    const int64_t *dims;
    uint64_t elements;
    onnx_data where;
    uint64_t offset;
    uint64_t bytes;
    int32_t external; /* index of the file, or -1 */
    bool sparse;      /* dims and data are those of the stored values */
} onnx_initializer;

typedef struct onnx_external {
    const char *location; /* as the model says, first mention */
    const char *path;     /* resolved: absolute, no links, inside the model's folder */
    uint64_t bytes;       /* of the file */
} onnx_external;

typedef struct onnx_opset {
    const char *domain; /* "" is ai.onnx */
    int64_t version;
} onnx_opset;

typedef struct onnx_op_type {
    const char *domain; /* "" is ai.onnx */
    const char *name;
    uint64_t count; /* nodes, those of subgraphs and functions included */
} onnx_op_type;

typedef struct onnx_file {
    int64_t ir_version;
    const onnx_opset *opsets;
    size_t opset_count;
    const cosrel_value_info
        *inputs; /* those that are not initializers; see value_info.h on shapes */
    size_t input_count;
    const cosrel_value_info *outputs;
    size_t output_count;
    bool batchable;                       /* batch_axis is 0 everywhere: value_info_find_batch */
    const onnx_initializer *initializers; /* of the main graph */
    size_t initializer_count;
    const onnx_external *externals;
    size_t external_count;        /* 0: everything is in the one file */
    const onnx_op_type *op_types; /* sorted by domain, then name */
    size_t op_type_count;
    uint64_t node_count;   /* subgraphs and functions included */
    uint64_t weight_bytes; /* all tensors, attributes and subgraphs included */
    const char *path;      /* a copy */
    void *data;            /* the file's bytes; NULL: onnx_file_parse's */
    size_t bytes;
    arena memory; /* everything above lies here */
} onnx_file;

/* NOT_FOUND or IO: the file cannot be read. INVALID_MODEL: err says what is wrong and where. On
 * failure nothing is left to close, but onnx_file_close accepts the file all the same. Any thread.
 */
COSREL_CHECKED cosrel_status onnx_file_open(const char *path, onnx_file *out, cosrel_error *err);
void onnx_file_close(onnx_file *file); /* zeroed is fine */

/* The same checks on bytes in memory, which stay the caller's and outlive `out`. `path` is for
 * messages and for resolving external data; its folder must exist if the model has any. */
COSREL_CHECKED cosrel_status onnx_file_parse(const char *path, const uint8_t *data, size_t bytes,
                                             onnx_file *out, cosrel_error *err);

/* 128-bit XXH3 over the model file and every external file, in order of first mention, each with
 * its length: equal contents, equal hash, wherever they lie. Reads everything once; only for a
 * model from onnx_file_open. Not cryptographic: it tells a changed model from an unchanged one, not
 * a forged one. */
typedef struct onnx_hash {
    uint8_t bytes[16];
} onnx_hash;
COSREL_CHECKED cosrel_status onnx_file_hash(const onnx_file *file, onnx_hash *out,
                                            cosrel_error *err);
void onnx_hash_text(const onnx_hash *hash, char text[33]); /* lower-case hexadecimal */

#endif
