/* One gRPC message on its way in: DATA frames become a prefix and a block of memory; and, where
 * `rows` were begun, tensors in rows. */
#ifndef SERVER_GRPC_MESSAGE_H
#define SERVER_GRPC_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "server/grpc_answer.h"
#include "server/grpc_rows.h"
#include "server/grpc_status.h"

typedef struct grpc_message {
    char *memory, *data; /* data: within memory, so that the first raw tensor is aligned */
    size_t room;         /* of memory */
    size_t bytes, expected;
    uint8_t prefix[GRPC_PREFIX_BYTES];
    unsigned prefix_bytes;
    grpc_rows rows; /* begun before the first byte: of a ModelInferRequest */
} grpc_message;

void grpc_message_deinit(grpc_message *m); /* zeroed is fine */
void grpc_message_clear(grpc_message *m);  /* keeps memory, unless it is much; rows end */

/* OK, or what is wrong, with *why: compressed (UNIMPLEMENTED), longer than bytes_max
 * (RESOURCE_EXHAUSTED), more than one (UNIMPLEMENTED), no memory (RESOURCE_EXHAUSTED). */
grpc_code grpc_message_take(grpc_message *m, const uint8_t *data, size_t bytes, size_t bytes_max,
                            const char **why);

/* The stream has ended: is the message whole? */
grpc_code grpc_message_end(const grpc_message *m, const char **why);

#endif
