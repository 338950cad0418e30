/* Bytes on their way to a socket: many frames go out in one system call, tensors from where they
 * lie. One of these serves all connections, since only one is written at a time; what a socket does
 * not take at once is copied and stays with the connection. */
#ifndef SERVER_GRPC_OUT_H
#define SERVER_GRPC_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "server/tls_stream.h"

enum { GRPC_OUT_BYTES = 64 << 10, GRPC_OUT_PIECES = 64 };

typedef struct grpc_out {
    char buffer[GRPC_OUT_BYTES];
    size_t used;
    struct iovec pieces[GRPC_OUT_PIECES]; /* parts of the buffer and of others' memory */
    int count;
    bool refers; /* to others' memory */
} grpc_out;

typedef struct grpc_socket {
    int fd;
    tls_stream *tls; /* NULL: clear text */
} grpc_socket;

/* What a connection's socket did not take yet. */
typedef struct grpc_left {
    char *data; /* NULL: nothing */
    size_t at, bytes;
} grpc_left;

typedef enum grpc_sent {
    GRPC_SENT_ALL,
    GRPC_SENT_SOME, /* the socket is full */
    GRPC_SENT_GONE, /* the client has gone, or there is no memory for what is left */
} grpc_sent;

/* Whether so many bytes, in so many pieces, may be added. */
bool grpc_out_fits(const grpc_out *o, size_t bytes, int pieces);
void grpc_out_copy(grpc_out *o, const void *data, size_t bytes);
void grpc_out_refer(grpc_out *o, void *data, size_t bytes); /* stays until grpc_out_send */

/* Afterwards `o` is empty; *left was empty before. *bytes: how many went out. */
grpc_sent grpc_out_send(grpc_out *o, const grpc_socket *to, grpc_left *left, size_t *bytes);

/* Once more. */
grpc_sent grpc_left_send(grpc_left *left, const grpc_socket *to, size_t *bytes);
void grpc_left_clear(grpc_left *left);

#endif
