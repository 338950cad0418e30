/* The callers' side: handing in requests, waiting for them, letting them go. */
#include <sched.h>
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "model/value_check.h"
#include "runtime/futex.h"
#include "runtime/parts.h"

/* A waiter spins instead of sleeping only where the answer is due sooner than going to sleep and
 * being woken takes (about 10 to 50 us on a virtual machine, bench/bench_overhead). */
enum { SPIN_ESTIMATE_NS = 50000, SPIN_LIMIT_NS = 150000 };

/* Copies the descriptions (not the data) of the inputs in the model's order. */
static cosrel_status take_inputs(slot *s, const cosrel_model *m, const cosrel_request *request,
                                 cosrel_error *err)
{
    size_t order[VALUE_CHECK_MAX];
    cosrel_status status = value_check(m->info.name, m->io.inputs, m->io.input_count,
                                       request->inputs, request->input_count, order, &s->rows, err);
    if (status != COSREL_OK)
        return status;
    size_t dims = 0;
    for (size_t i = 0; i < request->input_count; i++)
        dims += request->inputs[i].rank;
    if (slot_reserve_inputs(s, m->io.input_count, dims) != COSREL_OK)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a request");
    int64_t *at = s->input_dims;
    for (size_t i = 0; i < m->io.input_count; i++) {
        const cosrel_tensor *from = &request->inputs[order[i]];
        s->inputs[i] = *from;
        s->inputs[i].name = m->io.inputs[i].name;
        s->inputs[i].shape = at;
        if (from->rank)
            memcpy(at, from->shape, from->rank * sizeof *at);
        at += from->rank;
    }
    return places_take(s, m, request, err);
}

/* Never overflows: what lies beyond the clock's end is never. */
static int64_t later(int64_t now_ns, int64_t by_ns)
{
    return by_ns > SCHED_NEVER - now_ns ? SCHED_NEVER : now_ns + by_ns;
}

static void tell_arrival(cosrel_runtime *rt, slot *s, int priority, int64_t now_ns)
{
    s->energy_uj = 0;
    s->watch_round = 0;
    if (!rt->watch.accepted || priority < COSREL_PRIORITY_NORMAL || s->trial)
        return;
    s->watch_number = rt->watch.accepted(rt->watch.user, now_ns, s->model->index, s->deadline_ns,
                                         priority);
    s->watch_round = rt->watch_round;
}

static cosrel_status enter(cosrel_runtime *rt, slot *s, const cosrel_request *request,
                           cosrel_error *err)
{
    wake_list wakes = {.may_help = request->may_run_here && !worker_is_helping()};
    cosrel_model *m = s->model;
    pthread_mutex_lock(&rt->lock);
    const int64_t now_ns = clock_now_ns();
    cosrel_status status = rt->closing ? COSREL_CLOSED : COSREL_OK;
    s->deadline_ns = request->deadline_ns > 0 ? later(now_ns, request->deadline_ns) : SCHED_NEVER;
    s->result.submitted_ns = now_ns;
    s->state = SLOT_WAITING;
    s->priority = request->priority;
    const sched_arrival arrival = {.model = m->index,
                                   .priority = request->priority,
                                   .deadline_ns = s->deadline_ns,
                                   .tag = s->index};
    if (status == COSREL_OK && !m->open && !s->trial)
        status = COSREL_NOT_FOUND;
    if (status == COSREL_OK)
        m->used_ns = now_ns;
    if (status == COSREL_OK && (m->asleep || m->yielding) && !s->trial)
        memory_park(s);
    else if (status == COSREL_OK)
        status = sched_core_arrive(rt->core, now_ns, &arrival, &s->id);
    if (status == COSREL_OK) {
        rt->outstanding++;
        m->unanswered++;
        tell_arrival(rt, s, request->priority, now_ns);
        dispatch_drain(rt, now_ns, &wakes);
    }
    pthread_mutex_unlock(&rt->lock);
    dispatch_wake(&wakes);
    if (status == COSREL_OK)
        return COSREL_OK;
    if (status == COSREL_NOT_FOUND)
        return error_set(err, status, "%s was unloaded", m->info.name);
    return error_set(err, status, "%s: %s", m->info.name, cosrel_status_text(status));
}

cosrel_status cosrel_submit(cosrel_runtime *rt, cosrel_model *model, const cosrel_request *request,
                            cosrel_ticket *ticket, cosrel_error *err)
{
    if (!rt || !model || !request || model->rt != rt)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "submit: runtime, model and request must belong together");
    if (!request->done && !ticket)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "submit: a request without callback needs a ticket");
    slot *s = slot_take(rt);
    if (!s)
        return error_set(err, COSREL_QUEUE_FULL, "%u requests are in flight; no more are accepted",
                         rt->pool.count);
    s->model = model;
    s->done = request->done;
    s->result.user = request->user;
    cosrel_status status = take_inputs(s, model, request, err);
    /* Read before the request is handed in: with a callback the slot may be free again a moment
     * later. */
    const cosrel_ticket own = slot_ticket(s);
    if (status == COSREL_OK)
        status = enter(rt, s, request, err);
    if (status != COSREL_OK) {
        slot_give(s);
        return status;
    }
    if (ticket)
        *ticket = own;
    return COSREL_OK;
}

cosrel_status submit_sample(cosrel_runtime *rt, cosrel_model *m, sample_use use,
                            cosrel_ticket *ticket, cosrel_error *err)
{
    const size_t count = m->io.input_count;
    cosrel_tensor inputs[VALUE_CHECK_MAX];
    slot *s = slot_take(rt);
    if (!s || count > VALUE_CHECK_MAX) {
        if (s)
            slot_give(s);
        return error_set(err, s ? COSREL_UNSUPPORTED : COSREL_QUEUE_FULL, "no room for a request");
    }
    for (size_t i = 0; i < count; i++)
        inputs[i] = tensor_buffer_view(&m->sample_tensors[i], m->io.inputs[i].name);
    const cosrel_request request = {
        .inputs = inputs,
        .input_count = count,
        .priority = use == SAMPLE_BACKGROUND ? COSREL_PRIORITY_BACKGROUND : COSREL_PRIORITY_NORMAL};
    s->model = m;
    s->done = NULL;
    s->trial = true;
    s->loads = use == SAMPLE_LOAD;
    *ticket = slot_ticket(s);
    cosrel_status status = take_inputs(s, m, &request, err);
    if (status == COSREL_OK)
        status = enter(rt, s, &request, err);
    if (status != COSREL_OK)
        slot_give(s);
    return status;
}

/* True once the answer is there. */
static bool spin_for(slot *s, int64_t estimate_ns)
{
    if (estimate_ns <= 0 || estimate_ns > SPIN_ESTIMATE_NS)
        return atomic_load(&s->answered) != 0;
    const int64_t end_ns = clock_now_ns() + SPIN_LIMIT_NS;
    for (int i = 0; atomic_load(&s->answered) == 0; i++) {
        /* The worker may need this very core. */
        sched_yield();
        if ((i & 15) == 15 && clock_now_ns() > end_ns)
            return false;
    }
    return true;
}

cosrel_status cosrel_wait(cosrel_runtime *rt, cosrel_ticket ticket, int64_t timeout_ns,
                          const cosrel_result **result)
{
    slot *s = slot_of_ticket(rt, ticket);
    if (!s || s->done)
        return COSREL_NOT_FOUND;
    const int64_t end_ns = timeout_ns > 0 ? later(clock_now_ns(), timeout_ns) : 0;
    if (timeout_ns == 0 ? atomic_load(&s->answered) == 0
                        : !spin_for(s, atomic_load(&s->model->fastest_ns))) {
        atomic_store(&s->sleeping, 1);
        while (atomic_load(&s->answered) == 0) {
            const int64_t left_ns = timeout_ns < 0 ? -1 : end_ns - clock_now_ns();
            if (timeout_ns >= 0 && left_ns <= 0) {
                atomic_store(&s->sleeping, 0);
                return COSREL_TIMEOUT;
            }
            futex_wait(&s->answered, 0, left_ns);
        }
    }
    *result = &s->result;
    return COSREL_OK;
}

void cosrel_result_release(const cosrel_result *result)
{
    if (!result)
        return;
    slot *s = (slot *)((char *)result - offsetof(slot, result));
    slot_give(s);
}

cosrel_status cosrel_cancel(cosrel_runtime *rt, cosrel_ticket ticket)
{
    cosrel_status status = COSREL_NOT_FOUND;
    slot *s = slot_of_ticket(rt, ticket);
    if (!s)
        return status;
    wake_list wakes = {.count = 0};
    pthread_mutex_lock(&rt->lock);
    const int64_t now_ns = clock_now_ns();
    /* Looked up once more: it may have been answered and its slot given to another request
     * meanwhile. */
    const bool same = slot_of_ticket(rt, ticket) == s;
    if (same && s->state == SLOT_WAITING &&
        (memory_unpark(s) || sched_core_cancel(rt->core, now_ns, s->id))) {
        if (dispatch_answer(s, COSREL_CANCELLED, "cancelled", now_ns))
            dispatch_give_to_service(rt, s);
        status = COSREL_OK;
    } else if (same && s->state == SLOT_RUNNING && !s->cancelled) {
        s->cancelled = true;
        status = COSREL_OK;
    }
    dispatch_drain(rt, now_ns, &wakes);
    pthread_mutex_unlock(&rt->lock);
    dispatch_wake(&wakes);
    return status;
}

cosrel_status cosrel_run(cosrel_runtime *rt, cosrel_model *model, const cosrel_tensor *inputs,
                         size_t input_count, const cosrel_result **result, cosrel_error *err)
{
    const cosrel_request request = {
        .inputs = inputs, .input_count = input_count, .may_run_here = true};
    cosrel_ticket ticket = 0;
    *result = NULL;
    cosrel_status status = cosrel_submit(rt, model, &request, &ticket, err);
    if (status == COSREL_OK)
        status = cosrel_wait(rt, ticket, -1, result);
    if (status != COSREL_OK)
        return status;
    if ((*result)->status != COSREL_OK)
        error_set(err, (*result)->status, "%s: %s", model->info.name, (*result)->message);
    return (*result)->status;
}
