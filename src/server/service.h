/* What all protocols share: the runtime, who may do what, TLS, regions, counts.
 *
 * Threads: the server's loop, but for `finished` (finished.h). */
#ifndef SERVER_SERVICE_H
#define SERVER_SERVICE_H

#include "cosrel/learn.h"
#include "cosrel/runtime.h"
#include "server/access_log.h"
#include "server/auth.h"
#include "server/bodies.h"
#include "server/clients.h"
#include "server/finished.h"
#include "server/model_desk.h"
#include "server/regions.h"
#include "server/tally.h"
#include "server/tls.h"

typedef struct service {
    cosrel_runtime *rt;
    cosrel_learner *learner; /* NULL: none */
    model_desk *desk;        /* where models are loaded and unloaded */
    uint32_t versions;       /* of each model that are served at most */
    const char *policy, *objective;
    finished_calls finished;
    auth who;
    tls_context *tls; /* NULL: clear text */
    regions regions;
    tally counts;
    access_log *log;       /* NULL: none */
    client_counts clients; /* inference requests in flight */
    body_memory bodies;
    double started_s; /* wall clock */
    int under_way;    /* inference requests */
    bool draining;    /* not ready any more: what comes is still answered */
} service;

#endif
