/* A gRPC message on its way out, as pieces: what was written for it, and between it tensors that
 * stay where the run left them. */
#ifndef SERVER_GRPC_ANSWER_H
#define SERVER_GRPC_ANSWER_H

#include <sys/uio.h>

#include "base/text.h"
#include "server/infer_call.h"

enum { GRPC_PREFIX_BYTES = 5 }; /* a flag for compression, and the length in four bytes */

typedef struct grpc_answer {
    text_builder
        head; /* the prefix, the message but its raw tensors, and what stands before each */
    struct iovec pieces[2 * INFER_TENSORS_MAX + 1];
    size_t piece_count;
    size_t at, offset; /* what is sent next: a piece, and where in it */
    size_t bytes_left;
    text_builder strings[INFER_TENSORS_MAX];
    size_t string_count;
} grpc_answer;

void grpc_answer_deinit(grpc_answer *a); /* zeroed is fine */
void grpc_answer_clear(grpc_answer *a);  /* keeps memory, unless it is much */

/* Any message. OUT_OF_MEMORY. */
struct ProtobufCMessage;
COSREL_CHECKED cosrel_status grpc_answer_message(grpc_answer *a,
                                                 const struct ProtobufCMessage *message,
                                                 cosrel_error *err);

/* Of a call whose result is OK; it keeps what is pointed to. OUT_OF_MEMORY; UNSUPPORTED: an output
 * that the protocol cannot carry. */
COSREL_CHECKED cosrel_status grpc_answer_infer(grpc_answer *a, const infer_call *call,
                                               cosrel_error *err);

/* Of the next piece up to `bytes_max` bytes. bytes_left > 0. */
struct iovec grpc_answer_next(grpc_answer *a, size_t bytes_max);

#endif
