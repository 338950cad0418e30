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
    void (*look)(
        void *user); /* likewise, on the loop, where server_change may be called; or NULL */
    void *look_user;
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

/* The loop's: from now on these of the options hold: tokens and admin_token, client_requests_max,
 * bodies_max, drain_ns, versions; policy and objective as metrics name them (not copied). What is
 * under way keeps its rights. On failure (a token that is none) the old ones stay. */
COSREL_CHECKED cosrel_status server_change(server *s, const server_options *options,
                                           cosrel_error *err);

/* The loop's: makes the models that are loaded those that the folder holds; on a thread of its own.
 * What came of it goes to `done` with `user`, on the loop. UNAVAILABLE: too many such tasks wait;
 * INVALID_ARGUMENT: there is no folder; OUT_OF_MEMORY. */
typedef void (*server_followed_fn)(void *user, cosrel_status status, const cosrel_error *err);
COSREL_CHECKED cosrel_status server_follow_models(server *s, server_followed_fn done, void *user,
                                                  cosrel_error *err);

/* Any thread, no signal handler: access_log_reopen; without a log, nothing happens. */
void server_reopen_log(server *s);

#endif
