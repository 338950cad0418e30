/* Between the core and the threads: the core's actions become jobs of workers, and outcomes become
 * answers. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "runtime/futex.h"
#include "runtime/parts.h"

/* A run may take this many times its estimate before it counts as hung (chosen: far above any noise
 * seen). */
enum { LIMIT_FACTOR = 20 };

/* And a first run, of which nothing is known, this many limits (chosen: five minutes by default).
 */
enum { TRIAL_FACTOR = 30 };

static int64_t limit_of(const cosrel_runtime *rt, const worker *w, int64_t estimate_ns)
{
    int64_t limit_ns = rt->settings.run_limit_ns;
    if (estimate_ns * LIMIT_FACTOR > limit_ns)
        limit_ns = estimate_ns * LIMIT_FACTOR;
    if (w->slots[0]->trial)
        return limit_ns * TRIAL_FACTOR;
    /* A background run lasts as long as others leave it no time. */
    return w->background ? limit_ns * 100 : limit_ns;
}

/* Sessions that any thread may run, and memory that only the run itself touches. */
static bool can_help(const wake_list *wakes, const worker *w, int64_t estimate_ns)
{
    const backend_session *session = w->model->sessions[w->index];
    return wakes->may_help && !wakes->help && !w->background && estimate_ns <= HELP_NS && session &&
           session->shareable && session->reads_in_place && !w->slots[0]->trial;
}

static void start_job(cosrel_runtime *rt, const sched_action *action, int64_t now_ns,
                      wake_list *wakes)
{
    worker *w = overlap_free(&rt->workers[action->processor]);
    w->probe = false;
    w->model = rt->models[action->model];
    w->batch = action->batch;
    w->batch_index = action->batch_index;
    for (int32_t i = 0; i < action->batch; i++) {
        w->slots[i] = &rt->pool.slots[action->tags[i]];
        w->slots[i]->state = SLOT_RUNNING;
    }
    w->running = true;
    w->hung = false;
    w->detached = false;
    w->claimed = false;
    w->started_ns = now_ns;
    w->estimate_ns = action->expected_end_ns - action->expected_start_ns;
    w->expected_ns = action->expected_end_ns;
    overlap_given(w);
    if (rt->trail)
        trail_started(rt, w, now_ns);
    w->limit_after_ns = limit_of(rt, w, w->estimate_ns);
    w->limit_ns = w->first->mate ? SCHED_NEVER : now_ns + w->limit_after_ns; /* when it begins */
    /* A background worker must not take the pool's lock itself. */
    if (w->background && !w->set)
        w->set = output_set_take(rt, w->model->io.output_count);
    if (w->limit_ns < rt->service_next_ns)
        service_poke(rt);
    rt->running++;
    if (can_help(wakes, w, w->estimate_ns)) {
        wakes->help = w;
        return;
    }
    atomic_store(&w->has_job, true);
    wakes->workers[wakes->count++] = w;
}

static void drop(cosrel_runtime *rt, const sched_action *action, int64_t now_ns)
{
    slot *s = &rt->pool.slots[action->tags[0]];
    cosrel_status status = COSREL_DEADLINE_EXCEEDED;
    const char *message = "the deadline could not be met any more";
    if (action->reason == SCHED_DROP_FAILED) {
        status = COSREL_RUN_FAILED;
        message = s->message[0] ? s->message : "the run failed on every processor that was tried";
    } else if (action->reason == SCHED_DROP_UNAVAILABLE) {
        status = COSREL_UNAVAILABLE;
        message = "no processor that can run the model is left";
    }
    if (dispatch_answer(s, status, message, now_ns))
        dispatch_give_to_service(rt, s);
}

void dispatch_drain(cosrel_runtime *rt, int64_t now_ns, wake_list *wakes)
{
    sched_action action;
    const uint64_t before = sched_core_decisions(rt->core);
    const int64_t started_ns = clock_now_ns(); /* now_ns is when the event was */
    while (!rt->paused && sched_core_next(rt->core, now_ns, &action)) {
        if (action.type == SCHED_DISPATCH)
            start_job(rt, &action, now_ns, wakes);
        else
            drop(rt, &action, now_ns);
    }
    const uint64_t decided = sched_core_decisions(rt->core) - before;
    if (decided)
        stats_decided(rt, decided, clock_now_ns() - started_ns);
    if (sched_core_wake_ns(rt->core) < rt->service_next_ns)
        service_poke(rt);
    wakes->aside |= aside_look(rt, now_ns);
    wakes->rt = rt;
}

void dispatch_wake(const wake_list *wakes)
{
    if (wakes->aside != ASIDE_NOTHING)
        aside_tell(wakes->rt, wakes->aside);
    for (int i = 0; i < wakes->count; i++) {
        worker *w = wakes->workers[i];
        atomic_fetch_add(&w->wake, 1);
        if (atomic_load(&w->sleeping))
            futex_wake_all(&w->wake);
    }
    if (wakes->help)
        worker_help(wakes->help);
}

static void count_answer(slot *s, cosrel_status status, int64_t now_ns)
{
    cosrel_model *m = s->model;
    const bool late = s->deadline_ns != SCHED_NEVER && now_ns > s->deadline_ns;
    if (s->deadline_ns != SCHED_NEVER)
        m->with_deadline++;
    if (status == COSREL_OK) {
        m->completed++;
        m->late += late;
        hist_add(&m->latency, now_ns - s->result.submitted_ns);
    } else if (status == COSREL_CANCELLED) {
        m->cancelled++;
    } else if (status == COSREL_DEADLINE_EXCEEDED) {
        m->dropped++;
    } else {
        m->failed++;
    }
}

static void tell_answer(slot *s, cosrel_status status, int64_t now_ns)
{
    const cosrel_runtime *rt = s->rt;
    if (rt->watch.answered && s->watch_round == rt->watch_round)
        rt->watch.answered(rt->watch.user, now_ns, s->watch_number,
                           status == COSREL_DEADLINE_EXCEEDED, s->energy_uj);
}

bool dispatch_answer(slot *s, cosrel_status status, const char *message, int64_t now_ns)
{
    cosrel_runtime *rt = s->rt;
    s->state = SLOT_ANSWERED;
    s->result.status = status;
    s->result.finished_ns = now_ns;
    if (status != COSREL_OK) {
        s->result.outputs = NULL;
        s->result.output_count = 0;
    }
    if (message != s->message)
        snprintf(s->message, sizeof s->message, "%s", message);
    s->result.message = s->message;
    if (!s->result.processor)
        s->result.processor = "";
    if (!s->trial)
        count_answer(s, status, now_ns);
    tell_answer(s, status, now_ns);
    s->model->unanswered--;
    if (rt->unloading > 0)
        pthread_cond_broadcast(&rt->changed);
    if (s->done)
        return true;
    rt->outstanding--;
    if (rt->outstanding == 0)
        pthread_cond_broadcast(&rt->changed);
    /* After this store the waiter may release the slot at any moment, but slots live as long as the
     * runtime: waking the word of a slot that is in use again only makes its new waiter look once
     * more. */
    atomic_store(&s->answered, 1);
    if (atomic_load(&s->sleeping))
        futex_wake_all(&s->answered);
    return false;
}

/* Which result the callback that runs on this thread keeps. Not in the slot: once the callback has
 * handed the result to another thread, the slot may be in use again before it returns. */
static _Thread_local const cosrel_result *kept;

void cosrel_result_keep(const cosrel_result *result)
{
    kept = result;
}

void dispatch_deliver(cosrel_runtime *rt, slot *list)
{
    int delivered = 0;
    /* A callback that submits may come here again, for others, before it returns. */
    const cosrel_result *outer = kept;
    while (list) {
        slot *s = list;
        list = s->next;
        s->next = NULL;
        kept = NULL;
        s->done(&s->result);
        if (kept != &s->result)
            slot_give(s);
        delivered++;
    }
    kept = outer;
    if (!delivered)
        return;
    pthread_mutex_lock(&rt->lock);
    rt->outstanding -= delivered;
    if (rt->outstanding == 0)
        pthread_cond_broadcast(&rt->changed);
    pthread_mutex_unlock(&rt->lock);
}

void dispatch_give_to_service(cosrel_runtime *rt, slot *s)
{
    s->next = NULL;
    slot **end = &rt->to_deliver;
    while (*end)
        end = &(*end)->next;
    *end = s;
    service_poke(rt);
}

void dispatch_pause(cosrel_runtime *rt)
{
    pthread_mutex_lock(&rt->lock);
    rt->paused++;
    while (rt->running > 0)
        pthread_cond_wait(&rt->changed, &rt->lock);
    pthread_mutex_unlock(&rt->lock);
}

void dispatch_resume(cosrel_runtime *rt)
{
    wake_list wakes = {.count = 0};
    pthread_mutex_lock(&rt->lock);
    rt->paused--;
    dispatch_drain(rt, clock_now_ns(), &wakes);
    pthread_mutex_unlock(&rt->lock);
    dispatch_wake(&wakes);
}
