/* Which request of a model to start where missed deadlines count: one that is late already gains
 * nothing by being next, one behind it may still be saved. (Late ones are passed over, not dropped;
 * first come, first served else.) */
#ifndef SCHED_SAVABLE_H
#define SCHED_SAVABLE_H

#include "sched/view.h"

enum {
    /* Requests of a model that are looked at (chosen: beyond it the model is hopelessly behind). */
    SAVABLE_LOOK = 64,
    /* A late request is passed over until it has waited for so many times the time that it had
     * (chosen: keeps the tail within bounds; docs/learning.md). */
    SAVABLE_PASSED_OVER = 6,
};

/* The model's first request that ends in time if a run of length_ns starts now; REQUEST_NONE: none,
 * or the oldest has been passed over for long enough. *place: how many are before it in the queue.
 */
static inline uint32_t savable_request(const sched_view *v, int model, int64_t length_ns,
                                       int *place)
{
    uint32_t at = view_model_first(v, model);
    const sched_request *oldest = &v->requests[at];
    *place = 0;
    if (oldest->deadline_ns == SCHED_NEVER || oldest->deadline_ns - v->now_ns >= length_ns)
        return at;
    if ((v->now_ns - oldest->arrived_ns) / SAVABLE_PASSED_OVER >
        oldest->deadline_ns - oldest->arrived_ns)
        return REQUEST_NONE;
    for (; *place < SAVABLE_LOOK && at != REQUEST_NONE; ++*place, at = view_model_next(v, at)) {
        const int64_t deadline_ns = v->requests[at].deadline_ns;
        if (deadline_ns == SCHED_NEVER || deadline_ns - v->now_ns >= length_ns)
            return at;
    }
    *place = 0;
    return REQUEST_NONE;
}

#endif
