/* One call from its first header to the end of its answer, and what all calls share. */
#ifndef SERVER_GRPC_CALL_H
#define SERVER_GRPC_CALL_H

#include <nghttp2/nghttp2.h>

#include "model/arena.h"
#include "server/grpc_answer.h"
#include "server/grpc_message.h"
#include "server/grpc_methods.h"
#include "server/infer_call.h"
#include "server/request_note.h"
#include "server/service.h"

typedef struct grpc_connection grpc_connection;

/* What calls share: how much there may be of them, how much there is, and free ones. */
typedef struct grpc_calls_shared {
    service *service;
    size_t message_max, header_max;
    unsigned call_max, call_count;
    int busy; /* beyond reading */
    int64_t now_ns, stall_ns;
    struct grpc_call *free_calls;
    unsigned free_count;
} grpc_calls_shared;

typedef enum grpc_state { GRPC_READING, GRPC_UNDER_WAY, GRPC_ANSWERING } grpc_state;

typedef struct grpc_call {
    infer_call infer;
    arena memory; /* of the unpacked request */
    grpc_message message;
    grpc_answer answer;
    desk_task *task; /* a model is loaded or unloaded */
    grpc_calls_shared *shared;
    grpc_connection *connection; /* NULL: the client has gone, the runtime has not answered yet */
    int32_t stream;
    grpc_state state;
    const grpc_method *method; /* NULL: unknown */
    unsigned rights;           /* auth_right */
    bool is_post, is_grpc, timeout_is_wrong;
    bool ended; /* the client has said all */
    bool whole; /* the stream came to its end */
    int token;  /* auth_find */
    size_t header_bytes;
    size_t held;          /* of the service's bodies */
    client_entry *client; /* whose request it counts as; NULL: nobody's */
    request_note note;
    int64_t deadline_ns;               /* 0: none */
    int64_t moved_ns;                  /* when something last came in or went out */
    struct grpc_call *previous, *next; /* of the connection; next: free ones too */
} grpc_call;

/* NULL: there are too many, or no memory. */
grpc_call *grpc_call_begin(grpc_calls_shared *shared, grpc_connection *connection, int32_t stream);
void grpc_call_header(grpc_call *call, const char *name, const char *value);
void grpc_call_headers_end(grpc_call *call);
void grpc_call_data(grpc_call *call, const uint8_t *data, size_t bytes);
void grpc_call_end(grpc_call *call);    /* the client's side of the stream */
void grpc_call_closed(grpc_call *call); /* the stream has gone; so has `call`, sooner or later */

/* Now and then: gives up a call whose deadline passed or whose peer does not move. */
void grpc_call_look(grpc_call *call);

void grpc_calls_deinit(grpc_calls_shared *shared);

#endif
