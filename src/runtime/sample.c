/* Requests of the runtime's own, for a model that is not open: each waits for its processor in the
 * scheduler's queue like anybody's, so that nothing goes on beside what others wait for. One runs
 * the model's sample. Another makes the model's session, on a processor whose provider takes one
 * call at a time: there a load keeps others from running, and so it is work of that processor's.
 *
 * The model has its place in the core, and one processor at a time is offered for it. */
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "runtime/parts.h"

/* For a processor that does not come to it (chosen: as an unload's). */
static const int64_t PATIENCE_NS = INT64_C(30000000000);

/* Until there is room among the requests in flight (chosen: some requests' time). */
static const struct timespec ROOM = {.tv_nsec = 5000000};

/* What making a session takes at least, and for each byte of the model (chosen: between what the
 * reference models take on an idle and on a busy machine). */
enum { LOAD_NS = 20000000, LOAD_NS_PER_BYTE = 8 };

void sample_offer(cosrel_model *m, const worker *w, int64_t service_ns)
{
    wake_list wakes = {.count = 0};
    cosrel_runtime *rt = m->rt;
    pthread_mutex_lock(&rt->lock);
    const int64_t now_ns = clock_now_ns();
    *cost_at(&rt->costs, m->index, w->index, 0) = (cost_cell){.service_ns = service_ns};
    rt->costs.shifts++;
    sched_core_model_changed(rt->core, now_ns, m->index);
    dispatch_drain(rt, now_ns, &wakes);
    pthread_mutex_unlock(&rt->lock);
    dispatch_wake(&wakes);
}

cosrel_status sample_ask(cosrel_model *m, sample_use use, const cosrel_result **result,
                         cosrel_error *err)
{
    cosrel_runtime *rt = m->rt;
    cosrel_ticket ticket;
    cosrel_status status;
    while ((status = submit_sample(rt, m, use, &ticket, err)) == COSREL_QUEUE_FULL)
        nanosleep(&ROOM, NULL);
    if (status != COSREL_OK || cosrel_wait(rt, ticket, PATIENCE_NS, result) == COSREL_OK)
        return status;
    (void)cosrel_cancel(rt, ticket);
    return cosrel_wait(rt, ticket, -1, result);
}

/* Through the scheduler. */
static cosrel_status load_on(cosrel_model *m, const worker *w, cosrel_error *err)
{
    const cosrel_result *r;
    if (worker_is_down(w))
        return error_set(err, COSREL_UNAVAILABLE, "it is out now");
    sample_offer(m, w, LOAD_NS + LOAD_NS_PER_BYTE * (int64_t)m->bytes);
    cosrel_status status = sample_ask(m, SAMPLE_LOAD, &r, err);
    sample_offer(m, w, 0);
    if (status != COSREL_OK)
        return status;
    status = r->status;
    if (status != COSREL_OK)
        (void)error_set(err, status, "%s", r->message);
    cosrel_result_release(r);
    return status;
}

cosrel_status sample_load(cosrel_model *m, const worker *w, cosrel_error *err)
{
    const cosrel_runtime *rt = m->rt;
    cosrel_error why = {.text = ""};
    if (m->sessions[w->index] || !rt->devices->specs[w->device].one_call)
        return COSREL_OK;
    const cosrel_status status = load_on(m, w, &why);
    if (status == COSREL_OUT_OF_MEMORY || status == COSREL_IO)
        return error_set(err, status, "%s", why.text);
    if (status != COSREL_OK)
        log_info(&rt->log, "%s: not offered on %s: %s", m->name, w->name, why.text);
    return COSREL_OK;
}
