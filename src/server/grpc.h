/* The Open Inference Protocol over gRPC.
 *
 * gRPC is HTTP/2 with a five-byte prefix before each message and the outcome in trailers. nghttp2
 * does HTTP/2; it has no sockets and no threads, so that all runs on the server's loop without a
 * lock: grpc.c accepts and watches, grpc_connection.c moves bytes between sockets and nghttp2,
 * grpc_call.c is one call from its first header to the end of its answer. With the service's TLS
 * (tls_stream.h) and ALPN, or without it clear text with prior knowledge (h2c), as gRPC's channels
 * speak.
 *
 * Threads: the loop's only. */
#ifndef SERVER_GRPC_H
#define SERVER_GRPC_H

#include "server/service.h"

typedef struct grpc_server grpc_server;

typedef struct grpc_options {
    const char *address;     /* "127.0.0.1:8001", "[::1]:0"; port 0: any that is free */
    size_t message_max;      /* bytes; 0: 64 MB */
    size_t header_max;       /* bytes of a request's headers, as HTTP/2 counts; 0: 8 KB */
    unsigned connection_max; /* 0: 1024; more wait until one of them ends */
    unsigned stream_max;     /* at once on one connection; 0: 256 */
    unsigned call_max;       /* at once on all connections; 0: 2048; more are to try again */
    int64_t stall_ns;        /* a peer that does not move for so long is given up; 0: 60 s */
} grpc_options;

/* INVALID_ARGUMENT: the address; IO: it cannot be listened on; OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status grpc_create(const grpc_options *options, service *shared,
                                         grpc_server **out, cosrel_error *err);
void grpc_free(grpc_server *s); /* NULL is fine; no call may be under way */

int grpc_port(const grpc_server *s);
int grpc_epoll_fd(const grpc_server *s); /* readable: so is what grpc_run looks at */

/* Writes what there is to write; `readable`: the descriptor is, or may be. */
void grpc_run(grpc_server *s, bool readable);

/* Accepts no more connections, and tells those that are there to send no more requests; what has
 * begun is served to its end. */
void grpc_drain(grpc_server *s);
int grpc_calls(const grpc_server *s); /* under way, or their answers are */

#endif
