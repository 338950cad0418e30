/* An inference request as the protocols describe it, whichever way it came.
 *
 * It points into the body that it was read from and into memory of its own; nothing is copied but
 * numbers that were written as text. It is used again and again: infer_request_clear keeps its
 * memory.
 *
 * Threads: one at a time. */
#ifndef SERVER_INFER_REQUEST_H
#define SERVER_INFER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "cosrel/tensor.h"

enum { INFER_TENSORS_MAX = 64, INFER_RANK_MAX = 16, INFER_NAME_MAX = 255 };

/* Where a tensor lies, if not in the message: part of a region that the client has registered. */
typedef struct infer_region {
    const char *name; /* NULL: in the message */
    uint64_t offset, bytes;
} infer_region;

typedef struct infer_input {
    const char *name;
    cosrel_dtype type;
    int64_t shape[INFER_RANK_MAX];
    size_t rank;
    uint64_t elements; /* the shape's product */
    const char *raw;  /* in the message: the type's little-endian bytes, `bytes` of them; or NULL */
    const char *text; /* in the message: a JSON array, `bytes` of it; or NULL */
    size_t bytes;
    infer_region region;
} infer_input;

typedef struct infer_output {
    const char *name;
    bool binary; /* behind the JSON, not in it */
    infer_region region;
} infer_output;

typedef struct infer_request {
    char *id; /* NULL: none */
    infer_input inputs[INFER_TENSORS_MAX];
    size_t input_count;
    infer_output outputs[INFER_TENSORS_MAX];
    size_t output_count; /* 0: all */
    bool binary_outputs; /* those that are not named */
    int64_t priority;    /* Triton's: 0: default, 1: highest */
    int64_t timeout_us;  /* 0: none */
    /* What the names above point into. */
    char *names;
    size_t names_used, names_room;
    /* The JSON that it was read from: clients send the same again and again, but for what is behind
     * it. */
    char *seen;
    size_t seen_bytes, seen_room; /* 0 bytes: to be read anew */
} infer_request;

void infer_request_deinit(infer_request *r); /* zeroed is fine */
void infer_request_clear(infer_request *r);

/* The shape's product. INVALID_ARGUMENT: a negative dimension or a product beyond what memory can
 * hold. */
COSREL_CHECKED cosrel_status infer_input_measure(infer_input *in, cosrel_error *err);

/* infer_json.c: a body of HTTP: JSON, and the binary tensors that came after it. `r` is cleared
 * before; or it is what was read from the same JSON, and is left as it is.
 * INVALID_ARGUMENT: err says what is wrong where. OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status infer_json_read(const char *json, size_t json_bytes,
                                             const char *binary, size_t binary_bytes,
                                             infer_request *r, cosrel_error *err);

#endif
