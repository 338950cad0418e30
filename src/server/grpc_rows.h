/* Finds the raw tensors of a ModelInferRequest while it comes in, so that they go into rows which
 * the model lends (infer_rows.h).
 *
 * Only the heads of the message's own fields are looked at: where one says that a raw tensor
 * begins, what came before says of which model and which input it is. Clients write fields in the
 * order of their numbers, by which raw tensors come last. For any other message nothing is lent
 * from where it leaves that way, and grpc_infer_read finds all tensors in the message. That one
 * decides what the message means; here it is only decided where bytes lie. */
#ifndef SERVER_GRPC_ROWS_H
#define SERVER_GRPC_ROWS_H

#include "server/infer_rows.h"

typedef struct grpc_rows {
    infer_rows rows;
    cosrel_runtime *rt; /* NULL: nothing is looked for, or not any more */
    size_t field_end;   /* of the last field whose head was there */
    size_t inputs_at;   /* where in the message the next raw tensor's input is looked for */
    int fields;
} grpc_rows;

/* A ModelInferRequest will come. Of one that is zeroed or ended. */
void grpc_rows_begin(grpc_rows *g, cosrel_runtime *rt);
void grpc_rows_end(grpc_rows *g); /* gives rows back; zeroed is fine */

/* The next bytes of the message, from `at` on, to where they belong; it will have `expected`. */
void grpc_rows_put(grpc_rows *g, char *message, size_t at, size_t expected, const char *data,
                   size_t bytes);

#endif
