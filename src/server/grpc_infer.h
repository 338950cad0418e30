/* A ModelInferRequest, from protobuf to the request that all protocols share.
 *
 * Raw tensors stay where they are in the message; the rest of it goes through the generated parser,
 * whose memory is bounded by the message's size. */
#ifndef SERVER_GRPC_INFER_H
#define SERVER_GRPC_INFER_H

#include "model/arena.h"
#include "server/infer_request.h"

enum {
    GRPC_RAW_FIELD = 7,           /* ModelInferRequest.raw_input_contents */
    GRPC_INFER_FIELDS_MAX = 1024, /* of the message itself; three times what 64 inputs and outputs
                                      need */
};

/* `r` is cleared before and points into the message and into `memory`, as do *model and *version
 * ("": not given). INVALID_FILE: it is not such a message; INVALID_ARGUMENT; OUT_OF_MEMORY: it
 * would take more than its size explains. */
COSREL_CHECKED cosrel_status grpc_infer_read(const char *message, size_t bytes, arena *memory,
                                             infer_request *r, const char **model,
                                             const char **version, cosrel_error *err);

/* Where the first raw tensor begins in a message of which `bytes` are there so far; 0: not seen. */
size_t grpc_infer_raw_begins(const char *message, size_t bytes);

/* For the generated parser: memory of an arena, which is freed as a whole. Its bytes_max is set to
 * what unpacking so many bytes may take. */
struct ProtobufCAllocator;
void grpc_arena_begin(arena *memory, size_t bytes, struct ProtobufCAllocator *out);

#endif
