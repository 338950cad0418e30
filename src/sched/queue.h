/* Requests and the queues they wait in.
 *
 * One array holds every request; lists link its elements by index. A waiting request is in two
 * lists of its class: that of all models and that of its own model, both in order of arrival. A
 * request that comes back after a failed run takes its old place again. Nothing here allocates but
 * init. */
#ifndef SCHED_QUEUE_H
#define SCHED_QUEUE_H

#include <stdint.h>

#include "cosrel/status.h"

#define REQUEST_NONE UINT32_MAX

typedef enum request_class {
    CLASS_HIGH,
    CLASS_NORMAL,
    CLASS_BACKGROUND,
    CLASS_COUNT
} request_class;

typedef enum request_state {
    REQUEST_FREE,
    REQUEST_WAITING,
    REQUEST_RUNNING,
    REQUEST_DROPPING
} request_state;

typedef struct sched_request {
    int64_t arrived_ns;
    int64_t deadline_ns; /* SCHED_NEVER: none */
    uint64_t tag;
    uint64_t sequence; /* order of arrival, unique */
    uint32_t next,
        prev; /* WAITING: in its class; FREE, DROPPING: in that list (next only for FREE) */
    uint32_t model_next, model_prev;
    uint32_t generation;
    int32_t model;
    uint8_t state;       /* request_state */
    uint8_t class;       /* request_class */
    uint8_t attempts;    /* failed runs */
    uint8_t drop_reason; /* DROPPING: sched_drop_reason */
} sched_request;

typedef struct model_queue {
    uint32_t head, tail, count;
    int active_at;      /* place in class_queue.active while count > 0 */
    int64_t started_ns; /* when one of its requests was started last; the core keeps it */
} model_queue;

#define QUEUE_NEVER_STARTED (INT64_MIN / 2) /* far enough from the ends to be subtracted from */

typedef struct class_queue {
    uint32_t head, tail, count;
    model_queue *models;
    int *active; /* models with waiting requests, in no order */
    int active_count;
} class_queue;

COSREL_CHECKED cosrel_status class_queue_init(class_queue *q, int model_max);
void class_queue_deinit(class_queue *q);

void class_queue_add(class_queue *q, sched_request *requests,
                     uint32_t index); /* at its place by sequence */
void class_queue_remove(class_queue *q, sched_request *requests, uint32_t index);

#endif
