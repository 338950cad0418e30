/* The server: one loop on one thread for all protocols, on top of a runtime. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdbool.h>

#include "cosrel/learn.h"
#include "cosrel/runtime.h"
#include "server/grpc.h"
#include "server/http.h"

typedef struct server server;

typedef struct server_token {
    const char *token, *role; /* auth_add */
} server_token;

typedef struct server_options {
    http_options http;
    grpc_options grpc;              /* address NULL: no gRPC */
    const char *policy, *objective; /* as the runtime has them; for metrics */
    cosrel_learner *learner;        /* of the runtime; NULL: none */
    const char *models;             /* folder that models are loaded from; NULL: none are */
    uint32_t versions;              /* of each model are served, the highest; 0: 1 */
    tls_context *tls;               /* for HTTP and gRPC, outlives the server; NULL: clear text */
    const char *admin_token;        /* allows everything; others still need no token. NULL: none */
    const server_token *tokens;     /* with any of these, everybody needs one */
    size_t token_count;
    const char *access_log;       /* access_log_open; NULL: none */
    unsigned client_requests_max; /* inference requests in flight of one client; 0: 512 */
    size_t bodies_max;            /* bytes of all requests' bodies together; 0: 512 MB, or one body
                                     of the largest size */
    int64_t drain_ns;   /* how long clients have at the end to take their answers; 0: 10 s */
    bool (*stop)(void); /* asked now and then, and after a signal; true: as server_stop; or NULL */
} server_options;

/* Listens; nothing is answered before server_run. What http_create and
 * grpc_create say; IO: the access log. */
COSREL_CHECKED cosrel_status server_create(const server_options *options, cosrel_runtime *rt,
                                           server **out, cosrel_error *err);
void server_free(server *s); /* NULL is fine */

int server_http_port(const server *s);
int server_grpc_port(const server *s); /* 0: no gRPC */

/* Serves until server_stop; then ends what is under way and returns. */
void server_run(server *s);

/* Any thread. */
void server_stop(server *s);

/* Any thread, no signal handler: access_log_reopen; without a log, nothing happens. */
void server_reopen_log(server *s);

#endif
