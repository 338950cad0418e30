/* Rows that a model lends for the tensors of a message while that comes in, so that their bytes are
 * copied once, from the socket's buffer to where a batch is read (runtime/rows.c).
 *
 * Every byte of a message has its place in the message's memory, whatever it is. Those of a tensor
 * that was expected are put into a row instead, and are nowhere else: infer_rows_point makes the
 * request look there. What was not expected, since it has another size or there are no rows, lies
 * in the message, so that rows never change what a message means, only where a part of it is.
 *
 * Threads: the server's loop only. */
#ifndef SERVER_INFER_ROWS_H
#define SERVER_INFER_ROWS_H

#include "cosrel/runtime.h"
#include "server/infer_request.h"

typedef struct infer_rows {
    cosrel_inputs *lent; /* NULL: none */
    struct infer_row {
        const char *name; /* the model's input */
        char *data;
        size_t bytes;
        size_t at; /* the tensor's place in the message; SIZE_MAX: none is expected */
    } rows[INFER_TENSORS_MAX];
    size_t count;
} infer_rows;

/* Of one that has none (zeroed, or given). False: the model lends nothing now. */
bool infer_rows_take(infer_rows *r, cosrel_model *model);

/* Bytes [at, at + bytes) of the message, none of which is there yet, are a tensor of this name. No
 * two may overlap. False: they go into the message, since the row has another size or is taken. */
bool infer_rows_expect(infer_rows *r, const char *name, size_t name_bytes, size_t at, size_t bytes);

/* No more is expected: rows that nothing is expected for are not kept for nothing. */
void infer_rows_settle(infer_rows *r);

/* The message's bytes from `at` on, to where they belong. */
void infer_rows_put(const infer_rows *r, char *message, size_t at, const char *data, size_t bytes);

/* Of a request that was read from the message. */
void infer_rows_point(const infer_rows *r, const char *message, infer_request *request);

void infer_rows_give(infer_rows *r); /* none is fine */

#endif
