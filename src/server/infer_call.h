/* One request on its way: from what a protocol read, through the runtime, to what a protocol
 * writes.
 *
 * Threads: the server's loop owns it; between infer_call_start and its arrival in the list of
 * finished calls (finished.h) nobody may touch it. */
#ifndef SERVER_INFER_CALL_H
#define SERVER_INFER_CALL_H

#include <stdbool.h>

#include "cosrel/runtime.h"
#include "server/infer_request.h"
#include "server/regions.h"
#include "server/tally.h"

typedef struct finished_calls finished_calls;

typedef struct infer_call {
    infer_request request;
    cosrel_tensor tensors[INFER_TENSORS_MAX];
    char *memory; /* of tensors that do not lie in the message as the runtime wants them */
    size_t memory_used, memory_room;
    cosrel_runtime *rt;
    regions *regions;    /* what inputs and outputs may lie in */
    tally *counts;       /* how late the model's answers are */
    cosrel_model *model; /* what was found for the request; another one if it goes meanwhile */
    int64_t version;     /* as asked for; 0: whichever is the highest */
    int64_t due_ns;      /* the runtime's deadline, from when it was handed in; 0: none */
    region *used[2 * INFER_TENSORS_MAX]; /* of the inputs, then of the outputs */
    size_t used_count;
    cosrel_tensor places[INFER_TENSORS_MAX]; /* in them, for outputs */
    size_t place_count;
    cosrel_ticket ticket;
    finished_calls *finished;    /* where it goes when it is answered */
    const cosrel_result *result; /* held until infer_call_clear */
    bool at_once;            /* it was finished within infer_call_start: it comes into no list */
    struct infer_call *next; /* in that list */
    void (*answered)(struct infer_call *call); /* the protocol's: the loop has it back */
    void *owner;                               /* the protocol's */
} infer_call;

void infer_call_deinit(infer_call *call); /* zeroed is fine; not while it is under way */
void infer_call_clear(infer_call *call);  /* lets the result go; keeps memory */

/* Makes tensors of call->request and hands them in; model, rt, regions, counts and finished are
 * set. The message that the request was read from stays where it is until the call is finished.
 * INVALID_ARGUMENT: err says which input is wrong; QUEUE_FULL, UNAVAILABLE, CLOSED,
 * OUT_OF_MEMORY: the call is not under way. */
COSREL_CHECKED cosrel_status infer_call_start(infer_call *call, cosrel_error *err);

/* Of a finished call; NULL: none of that name. */
const cosrel_tensor *infer_call_output(const infer_call *call, const char *name);

/* The result, OK, is about to be sent. */
void infer_call_sends(infer_call *call);

/* After the call is finished with OK. INVALID_ARGUMENT: a region that was used has shrunk
 * meanwhile: what is in the answer, or should be in the region, is not what it seems. */
COSREL_CHECKED cosrel_status infer_call_check_regions(const infer_call *call, cosrel_error *err);

/* The client has gone: the call will be finished soon, with CANCELLED if it was not running yet. */
void infer_call_cancel(infer_call *call);

#endif
