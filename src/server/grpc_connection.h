/* One HTTP/2 connection: bytes between its socket and nghttp2, calls by its streams. */
#ifndef SERVER_GRPC_CONNECTION_H
#define SERVER_GRPC_CONNECTION_H

#include "server/grpc_call.h"
#include "server/grpc_out.h"

enum { GRPC_IN_BYTES = 64 << 10 };

/* What connections share. */
typedef struct grpc_connections_shared {
    grpc_calls_shared *calls;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    unsigned stream_max;
    int epoll_fd;
    struct grpc_connection *touched; /* those that may have something to write */
    int blocked;                     /* whose socket is full */
    grpc_out out;                    /* of the one that is being written */
    uint8_t in[GRPC_IN_BYTES];
} grpc_connections_shared;

struct grpc_connection {
    grpc_connections_shared *shared;
    nghttp2_session *session;
    grpc_socket socket;
    peer_address peer;
    grpc_left left;
    bool is_touched, gone, greeted; /* greeted: the client's first frame was there */
    int64_t moved_ns;               /* when it was accepted, or something was last sent */
    grpc_call *calls;
    struct grpc_connection *next_touched;
    struct grpc_connection *previous, *next; /* the server's list */
};

/* OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status grpc_connections_init(grpc_connections_shared *shared,
                                                   cosrel_error *err);
void grpc_connections_deinit(grpc_connections_shared *shared); /* zeroed is fine */

/* Takes fd over and watches it; with TLS if the service has it. NULL: no memory; fd is closed. */
grpc_connection *grpc_connection_create(grpc_connections_shared *shared, int fd);
void grpc_connection_free(grpc_connection *c); /* its calls are cancelled */

/* False: it is over. */
bool grpc_connection_read(grpc_connection *c);
bool grpc_connection_write(grpc_connection *c);

/* Now and then. False: its peer does not move. */
bool grpc_connection_look(grpc_connection *c);

/* No more requests. */
void grpc_connection_drain(grpc_connection *c);

/* Of a call. */
nghttp2_session *grpc_connection_session(grpc_connection *c);
void grpc_connection_touch(grpc_connection *c); /* it may have something to write */
void grpc_connection_add(grpc_connection *c, grpc_call *call);
void grpc_connection_remove(grpc_connection *c, grpc_call *call);

#endif
