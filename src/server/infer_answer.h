/* What a client gets for a call that was answered. */
#ifndef SERVER_INFER_ANSWER_H
#define SERVER_INFER_ANSWER_H

#include <sys/uio.h>

#include "base/text.h"
#include "server/infer_call.h"

typedef struct infer_answer {
    text_builder json;
    struct iovec
        binary[INFER_TENSORS_MAX]; /* behind the JSON: memory of the result, or of strings */
    size_t binary_count, binary_bytes;
    text_builder strings[INFER_TENSORS_MAX]; /* BYTES outputs as raw data */
} infer_answer;

/* The k-th output that the request wants, of a call whose result is OK. NULL: it is not there. */
const cosrel_tensor *infer_answer_output(const infer_call *call, size_t k);
size_t infer_answer_count(const infer_call *call);

/* Strings as raw data: each its length in four bytes, then its text. */
void infer_answer_add_strings(text_builder *out, const cosrel_tensor *t);

void infer_answer_deinit(infer_answer *a); /* zeroed is fine */

/* Of a call whose result is OK. `call` keeps what is pointed to. OUT_OF_MEMORY, UNSUPPORTED: an
 * output of a type that the protocol has no name for. */
COSREL_CHECKED cosrel_status infer_answer_json(const infer_call *call, infer_answer *a,
                                               cosrel_error *err);

#endif
