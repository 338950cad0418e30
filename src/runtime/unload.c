/* Taking a model out while the runtime serves. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "runtime/parts.h"

/* How long requests that wait for a processor may hold an unload up (chosen: as long as people wait
 * for a command that says nothing). */
static const int64_t PATIENCE_NS = INT64_C(30000000000);

/* Between two looks at the clock while nothing else wakes us (chosen: nobody notices). */
static const int64_t LOOK_NS = 50000000;

static void wait_a_little(cosrel_runtime *rt)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_nsec += LOOK_NS;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&rt->changed, &rt->lock, &end);
}

static bool has_in_hand(const worker *w, const cosrel_model *m)
{
    return w->running && (w->probe ? w->first->suspect : w->model) == m;
}

/* A run whose requests were given to others goes on too. */
bool model_is_in_use(const cosrel_model *m)
{
    for (int i = 0; i < m->rt->worker_count; i++)
        if (has_in_hand(&m->rt->workers[i], m))
            return true;
    for (int i = 0; i < m->rt->mate_count; i++)
        if (has_in_hand(&m->rt->mates[i], m))
            return true;
    return false;
}

/* Answers those that still wait. Locked. */
static void refuse_waiting(cosrel_model *m, int64_t now_ns)
{
    cosrel_runtime *rt = m->rt;
    for (uint32_t i = 0; i < rt->pool.count && m->unanswered > 0; i++) {
        slot *s = &rt->pool.slots[i];
        if (s->state == SLOT_WAITING && s->model == m &&
            sched_core_cancel(rt->core, now_ns, s->id) &&
            dispatch_answer(s, COSREL_UNAVAILABLE, "the model was unloaded", now_ns))
            dispatch_give_to_service(rt, s);
    }
}

/* True: nothing needs its sessions any more. Locked. */
static bool drain(cosrel_model *m, int64_t patience_ns)
{
    cosrel_runtime *rt = m->rt;
    const int64_t begin_ns = clock_now_ns();
    int64_t answered_ns = 0;
    while (m->unanswered > 0 || model_is_in_use(m)) {
        const int64_t now_ns = clock_now_ns();
        if (m->unanswered > 0 && patience_ns >= 0 && now_ns - begin_ns >= patience_ns)
            refuse_waiting(m, now_ns);
        answered_ns = m->unanswered > 0 ? 0 : answered_ns ? answered_ns : now_ns;
        if (answered_ns && now_ns - answered_ns > rt->settings.run_limit_ns)
            return false;
        if (m->unanswered > 0 || model_is_in_use(m))
            wait_a_little(rt);
    }
    return true;
}

/* Its place is free for another one. Locked. */
static void forget(cosrel_model *m)
{
    cosrel_runtime *rt = m->rt;
    cost_table *t = &rt->costs;
    const cosrel_status removed = sched_core_remove_model(rt->core, clock_now_ns(), m->index);
    (void)removed; /* it has no requests */
    for (int p = 0; p < t->processor_count; p++)
        for (int b = 0; b < t->batch_count; b++)
            *cost_at(t, m->index, p, b) = (cost_cell){.service_ns = 0};
    t->shifts++;
    for (int i = 0; i < rt->worker_count; i++)
        if (rt->workers[i].suspect == m)
            rt->workers[i].suspect = NULL;
    if (rt->trail)
        trail_forget(rt, m->index);
    if (rt->watch.unloaded)
        rt->watch.unloaded(rt->watch.user, m->index);
    free(m->kept);
    m->kept = NULL;
    m->asleep = false;
    rt->models[m->index] = NULL;
    m->index = -1;
    rt->unloads++;
    while (rt->model_count > 0 && !rt->models[rt->model_count - 1])
        rt->model_count--;
    t->model_count = rt->model_count;
}

bool model_leave(cosrel_model *m, int64_t patience_ns)
{
    cosrel_runtime *rt = m->rt;
    m->open = false;
    memory_refuse_parked(m, "the model was unloaded", clock_now_ns());
    rt->unloading++;
    const bool idle = drain(m, patience_ns);
    rt->unloading--;
    if (idle)
        forget(m);
    return idle;
}

cosrel_status unload_model(cosrel_runtime *rt, cosrel_model *m, int64_t patience_ns,
                           cosrel_error *err)
{
    pthread_mutex_lock(&rt->lock);
    const bool there = m->open;
    const bool idle = there && model_leave(m, patience_ns ? patience_ns : PATIENCE_NS);
    pthread_mutex_unlock(&rt->lock);
    if (!there)
        return error_set(err, COSREL_NOT_FOUND, "%s is not loaded", m->name);
    if (!idle)
        return error_set(err, COSREL_TIMEOUT, "%s: a run of it hangs; its memory is not freed",
                         m->name);
    model_close_sessions(m, true); /* nobody waits for the memory */
    return COSREL_OK;
}

cosrel_status cosrel_runtime_unload(cosrel_runtime *rt, cosrel_model *model, int64_t patience_ns,
                                    cosrel_error *err)
{
    if (!rt || !model || model->rt != rt)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "unload: runtime and model must belong together");
    pthread_mutex_lock(&rt->load_lock);
    const cosrel_status status = unload_model(rt, model, patience_ns, err);
    pthread_mutex_unlock(&rt->load_lock);
    return status;
}
