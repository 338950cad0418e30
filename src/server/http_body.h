/* The body of an HTTP request, while it comes in.
 *
 * Where its length and the model are known beforehand, the binary tensor behind the JSON goes
 * straight into memory that the model lends (cosrel_inputs_take), so that the run, of a batch too,
 * reads it where the socket's bytes were put. Else the body is placed so that its first binary
 * tensor is aligned.
 *
 * Threads: the server's loop only. */
#ifndef SERVER_HTTP_BODY_H
#define SERVER_HTTP_BODY_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "cosrel/runtime.h"
#include "server/bodies.h"

typedef struct http_body {
    body_memory *together; /* of all bodies; set once */
    size_t max;            /* bytes that it may have */
    bool has_length;       /* Content-Length: `expected` */
    bool json_only;        /* no Inference-Header-Content-Length */
    bool two_lengths;      /* the connection must end with the answer */
    size_t expected, bytes;
    size_t json_bytes; /* before the binary tensors; all, if json_only, once the body is in */
    char *data;   /* the bytes: all, or where `binary` is not behind them the first json_bytes */
    char *binary; /* what is behind the JSON; NULL: nothing yet */
    size_t discarded; /* bytes of a body that nobody wants */
    /* Its own. */
    char *memory;
    size_t room, held;
    cosrel_inputs *lent; /* NULL: none */
} http_body;

/* What is wrong: the status to answer with, and a sentence. */
typedef struct http_fault {
    int status; /* 0: nothing */
    bool full;  /* 503: all bodies together take as much memory as they may */
    const char *why;
} http_fault;

void http_body_begin(http_body *b, size_t max);

/* What the headers say of it; keep: room is made, and what comes will be kept. model: of an
 * inference, NULL: none. */
http_fault http_body_expect(http_body *b, struct MHD_Connection *connection, bool keep,
                            cosrel_model *model);

http_fault http_body_add(http_body *b, const char *data, size_t bytes);

/* Instead, of a body that nobody wants. False: more than is worth reading. */
bool http_body_discard(http_body *b, size_t bytes);
/* It is so long that reading it for nothing is not even begun. */
bool http_body_is_too_long(const http_body *b);

/* All is in. */
http_fault http_body_end(http_body *b);

/* It is not needed any more: what it took of others is given back, little memory is kept. */
void http_body_let_go(http_body *b);
void http_body_deinit(http_body *b);

#endif
