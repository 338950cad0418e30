#include "sched/queue.h"

#include <stdlib.h>
#include <string.h>

cosrel_status class_queue_init(class_queue *q, int model_max)
{
    *q = (class_queue){.head = REQUEST_NONE, .tail = REQUEST_NONE};
    q->models = malloc((size_t)model_max * sizeof *q->models);
    q->active = malloc((size_t)model_max * sizeof *q->active);
    if (!q->models || !q->active)
        return COSREL_OUT_OF_MEMORY;
    for (int m = 0; m < model_max; m++)
        q->models[m] = (model_queue){
            .head = REQUEST_NONE, .tail = REQUEST_NONE, .started_ns = QUEUE_NEVER_STARTED};
    return COSREL_OK;
}

void class_queue_deinit(class_queue *q)
{
    free(q->models);
    free(q->active);
    memset(q, 0, sizeof *q);
}

/* The waiting request after which `sequence` belongs; REQUEST_NONE: at the head. Arrivals belong at
 * the tail; what comes back after a failure is old and belongs near the head. */
static uint32_t class_place(const class_queue *q, const sched_request *requests, uint64_t sequence)
{
    if (q->tail == REQUEST_NONE || requests[q->tail].sequence < sequence)
        return q->tail;
    uint32_t after = REQUEST_NONE;
    for (uint32_t i = q->head; requests[i].sequence < sequence; i = requests[i].next)
        after = i;
    return after;
}

static uint32_t model_place(const model_queue *q, const sched_request *requests, uint64_t sequence)
{
    if (q->tail == REQUEST_NONE || requests[q->tail].sequence < sequence)
        return q->tail;
    uint32_t after = REQUEST_NONE;
    for (uint32_t i = q->head; requests[i].sequence < sequence; i = requests[i].model_next)
        after = i;
    return after;
}

void class_queue_add(class_queue *q, sched_request *requests, uint32_t index)
{
    sched_request *r = &requests[index];
    model_queue *mq = &q->models[r->model];

    r->prev = class_place(q, requests, r->sequence);
    r->next = r->prev == REQUEST_NONE ? q->head : requests[r->prev].next;
    *(r->prev == REQUEST_NONE ? &q->head : &requests[r->prev].next) = index;
    *(r->next == REQUEST_NONE ? &q->tail : &requests[r->next].prev) = index;
    q->count++;

    r->model_prev = model_place(mq, requests, r->sequence);
    r->model_next = r->model_prev == REQUEST_NONE ? mq->head : requests[r->model_prev].model_next;
    *(r->model_prev == REQUEST_NONE ? &mq->head : &requests[r->model_prev].model_next) = index;
    *(r->model_next == REQUEST_NONE ? &mq->tail : &requests[r->model_next].model_prev) = index;
    if (mq->count++ == 0) {
        mq->active_at = q->active_count;
        q->active[q->active_count++] = r->model;
    }
}

void class_queue_remove(class_queue *q, sched_request *requests, uint32_t index)
{
    const sched_request *r = &requests[index];
    model_queue *mq = &q->models[r->model];

    *(r->prev == REQUEST_NONE ? &q->head : &requests[r->prev].next) = r->next;
    *(r->next == REQUEST_NONE ? &q->tail : &requests[r->next].prev) = r->prev;
    q->count--;

    *(r->model_prev == REQUEST_NONE ? &mq->head
                                    : &requests[r->model_prev].model_next) = r->model_next;
    *(r->model_next == REQUEST_NONE ? &mq->tail
                                    : &requests[r->model_next].model_prev) = r->model_prev;
    if (--mq->count == 0) {
        const int last = q->active[--q->active_count];
        q->active[mq->active_at] = last;
        q->models[last].active_at = mq->active_at;
    }
}
