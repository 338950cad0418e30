/* What became of the requests, per model: for metrics and for the statistics extension.
 *
 * Threads: the server's loop only. */
#ifndef SERVER_TALLY_H
#define SERVER_TALLY_H

#include <stdint.h>

#include "cosrel/runtime.h"
#include "server/reserve.h"

enum { TALLY_MODELS_MAX = 256, TALLY_BUCKETS = 18, TALLY_BATCHES = 8, TALLY_STATUSES = 16 };

/* Upper bounds of the buckets in seconds, 1, 2, 5 in each decade: from what a model of a few
 * operations takes to what nobody waits for. The last one has none. */
extern const double tally_bounds[TALLY_BUCKETS];

typedef struct tally_hist {
    uint64_t count[TALLY_BUCKETS + 1];
    uint64_t total;
    double sum_s;
} tally_hist;

typedef struct tally_batch {
    uint64_t requests;
    int64_t compute_ns;
} tally_batch;

typedef struct tally_model {
    const cosrel_model *model;
    uint64_t by_status[TALLY_STATUSES]; /* answers, by cosrel_status; also of refused requests */
    tally_hist total, queue, compute;   /* of those that were answered with OK */
    tally_batch batches[TALLY_BATCHES]; /* by size: 1, 2, 3-4, 5-8, ... */
    double runs;                        /* each request counts as its part of its batch */
    reserve reserve;                    /* how late its answers are */
    int64_t failed_ns;
    int64_t last_ns; /* of the last answer, wall clock; 0: none */
} tally_model;

/* What was refused before a model's queue was asked, and why. */
#define TALLY_REFUSALS(X)                                                                          \
    X(HOST, "host")     /* a Host that is not this server's */                                     \
    X(ORIGIN, "origin") /* a page of another site */                                               \
    X(HEADERS, "header_size")                                                                      \
    X(CLIENT, "client_requests") /* too many of one client */                                      \
    X(BODIES, "body_memory")     /* all bodies together */                                         \
    X(TOKEN, "token")            /* none, a wrong one or one that does not allow it */

typedef enum tally_refusal {
#define TALLY_REFUSAL_ENUM(name, label) TALLY_##name,
    TALLY_REFUSALS(TALLY_REFUSAL_ENUM)
#undef TALLY_REFUSAL_ENUM
        TALLY_REFUSAL_COUNT
} tally_refusal;

typedef struct tally {
    tally_model models[TALLY_MODELS_MAX];
    int count;
    uint64_t without_model; /* requests for models that are not there */
    uint64_t refusals[TALLY_REFUSAL_COUNT];
} tally;

/* The model's row; a new one for one that was never seen. NULL: too many. */
tally_model *tally_of(tally *t, const cosrel_model *model);

void tally_result(tally *t, const cosrel_model *model, const cosrel_result *result);
void tally_refused(tally *t, const cosrel_model *model, cosrel_status status); /* NULL: none */

#endif
