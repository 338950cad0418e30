/* One HTTP request, from its first header to the end of its answer, and what can be said to it.
 *
 * Threads: the server's loop only. */
#ifndef SERVER_HTTP_CALL_H
#define SERVER_HTTP_CALL_H

#include "server/http_body.h"
#include "server/http_peers.h"
#include "server/infer_answer.h"
#include "server/infer_call.h"
#include "server/request_note.h"
#include "server/routes.h"
#include "server/service.h"

/* Those that wait to be used again. */
typedef struct http_calls {
    service *shared;
    size_t body_max;
    size_t kept_bytes; /* of free calls' bodies */
    struct http_call *free;
    int free_count;
} http_calls;

typedef enum http_call_state { HTTP_READING, HTTP_UNDER_WAY, HTTP_FINISHED } http_call_state;

typedef struct http_call {
    infer_call infer;
    infer_answer answer;
    http_calls *pool;
    void *owner; /* the server */
    struct MHD_Connection *connection;
    http_call_state state;
    request_note note;
    client_entry *client; /* whose request it counts as; NULL: nobody's */
    desk_task *task;      /* a model is loaded or unloaded */
    bool inference, live; /* live: a route of the live page */
    http_body body;
    int64_t began_ns; /* its headers were there */
    bool forbidden;   /* by its rights */
    bool is_read;     /* infer.request is what its JSON says */
    bool deaf;        /* its body is not kept: whatever it says, the answer is no */
    unsigned rights;  /* auth_right */
    bool counted;     /* among the refusals, so not among the model's answers */
    int refused;      /* answered with this status as soon as the body is in; 0: not */
    char why[512];
    http_peer *peer;        /* NULL: nobody watches it */
    struct http_call *next; /* free ones */
} http_call;

/* NULL: no memory. */
http_call *http_call_take(http_calls *pool, struct MHD_Connection *connection);
void http_call_give(http_call *c);
void http_calls_deinit(http_calls *pool);

/* It will be answered so once its body is in; the first refusal counts. */
void http_call_refuse(http_call *c, int status, const char *why);
/* The same where the server has too much to do, whatever the model. */
void http_call_refuse_as_full(http_call *c, tally_refusal kind, int status, const char *why);
void http_call_refuse_for(http_call *c, const http_fault *fault);

/* Sends the reply and takes its body; why: for the log, NULL: none. */
enum MHD_Result http_call_send(http_call *c, route_reply *reply, const char *why);
/* Sends the refusal, or what the runtime has answered. */
enum MHD_Result http_call_answer(http_call *c);

#endif
