/* The body of an HTTP request, while it comes in.
 *
 * Where its length is known beforehand the JSON is read as soon as it is there, and the binary
 * tensors behind it go straight into rows that the model lends (infer_rows.h), so that the run, of
 * a batch too, reads them where the socket's bytes were put. What does not fit such a row lies in
 * the body, which is placed so that its first binary tensor is aligned.
 *
 * Threads: the server's loop only. */
#ifndef SERVER_HTTP_BODY_H
#define SERVER_HTTP_BODY_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "server/bodies.h"
#include "server/infer_rows.h"

typedef struct http_body {
    body_memory *together; /* of all bodies; set once */
    size_t max;            /* bytes that it may have */
    bool has_length;       /* Content-Length: `expected` */
    bool json_only;        /* no Inference-Header-Content-Length */
    bool two_lengths;      /* the connection must end with the answer */
    size_t expected, bytes;
    size_t json_bytes; /* before the binary tensors; all, if json_only, once the body is in */
    char *data;        /* the bytes, but for those of tensors in rows */
    infer_rows rows;   /* set by http_body_lend */
    size_t discarded;  /* bytes of a body that nobody wants */
    /* Its own. */
    char *memory;
    size_t room, held;
} http_body;

/* What is wrong: the status to answer with, and a sentence. */
typedef struct http_fault {
    int status; /* 0: nothing */
    bool full;  /* 503: all bodies together take as much memory as they may */
    const char *why;
} http_fault;

void http_body_begin(http_body *b, size_t max);

/* What the headers say of it; keep: room is made, and what comes will be kept. */
http_fault http_body_expect(http_body *b, struct MHD_Connection *connection, bool keep);

/* Bytes that are missing of the JSON before binary tensors; 0: it is there, or its end or the
 * body's is not known. */
size_t http_body_json_left(const http_body *b);

http_fault http_body_add(http_body *b, const char *data, size_t bytes);

/* The JSON, and no more, is there, and `r` was read from it: binary tensors will be where r says
 * afterwards. */
void http_body_lend(http_body *b, cosrel_model *model, infer_request *r);

/* Instead, of a body that nobody wants. False: more than is worth reading. */
bool http_body_discard(http_body *b, size_t bytes);
/* It is so long that reading it for nothing is not even begun. */
bool http_body_is_too_long(const http_body *b);

/* Where the binary tensors begin in `data`, and how many bytes they have, once json_bytes are
 * known. */
size_t http_body_binary_bytes(const http_body *b);

/* All is in. */
http_fault http_body_end(http_body *b);

/* It is not needed any more: what it took of others is given back, little memory is kept. */
void http_body_let_go(http_body *b);
void http_body_deinit(http_body *b);

#endif
