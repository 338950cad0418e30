/* The service thread: what must happen at a time, and answers that no worker is there to give. */
#include <stdio.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "runtime/parts.h"

enum { BACKOFF_MAX_FACTOR = 16 };

void service_take_out(worker *w, cosrel_model *suspect, const char *why, int64_t now_ns)
{
    cosrel_runtime *rt = w->rt;
    w->backoff_ns = w->backoff_ns ? w->backoff_ns * 2 : rt->settings.retry_ns;
    if (w->backoff_ns > rt->settings.retry_ns * BACKOFF_MAX_FACTOR)
        w->backoff_ns = rt->settings.retry_ns * BACKOFF_MAX_FACTOR;
    w->retry_ns = now_ns + w->backoff_ns;
    w->suspect = suspect;
    if (!w->down) {
        w->down = true;
        sched_core_processor_down(rt->core, now_ns, w->index);
        log_warning(&rt->log, "%s: taken out: %s; tried again in %.1f s", w->name, why, (double)w->backoff_ns / 1e9);
    }
    ort_api()->ReleaseStatus(ort_api()->RunOptionsUnsetTerminate(w->run.options));
    atomic_store(&w->run.terminate, false);
    pthread_cond_signal(&rt->service_wake);
}

/* A run is past its limit: it is told to stop. Where its inputs are ours, its requests go to others at once; a
 * CPU run reads its callers' memory, so they must wait until it has ended, which it does between two nodes. */
static void give_up(worker *w, int64_t now_ns)
{
    cosrel_runtime *rt = w->rt;
    w->hung = true;
    w->limit_ns = SCHED_NEVER;
    ort_api()->ReleaseStatus(ort_api()->RunOptionsSetTerminate(w->run.options));
    atomic_store(&w->run.terminate, true);
    if (w->probe || w->claimed || w->model->sessions[w->index]->reads_in_place)
        return;
    w->detached = true;
    w->down = true;
    w->suspect = w->model;
    for (int32_t k = 0; k < w->batch; k++)
        w->slots[k]->state = SLOT_WAITING;
    sched_core_processor_down(rt->core, now_ns, w->index);
    log_warning(&rt->log, "%s: taken out: a run of %s takes too long", w->name, w->model->info.name);
}

static void start_probe(worker *w, int64_t now_ns, wake_list *wakes)
{
    w->probe = true;
    w->running = true;
    w->hung = false;
    w->detached = false;
    w->claimed = false;
    w->retry_ns = SCHED_NEVER;
    w->limit_ns = now_ns + w->rt->settings.run_limit_ns;
    w->rt->running++;
    atomic_store(&w->has_job, true);
    wakes->workers[wakes->count++] = w->index;
}

/* Looks at every worker; returns when to look again. Locked. */
static int64_t look_around(cosrel_runtime *rt, int64_t now_ns, wake_list *wakes)
{
    int64_t next_ns = now_ns + 1000000000;
    for (int i = 0; i < rt->worker_count; i++) {
        worker *w = &rt->workers[i];
        if (w->running && now_ns >= w->limit_ns)
            give_up(w, now_ns);
        if (!w->running && w->down && now_ns >= w->retry_ns && !rt->paused)
            start_probe(w, now_ns, wakes);
        if (w->running && w->limit_ns < next_ns)
            next_ns = w->limit_ns;
        if (!w->running && w->down && w->retry_ns < next_ns)
            next_ns = w->retry_ns > now_ns ? w->retry_ns : now_ns + 1000000;
    }
    const int64_t core_ns = sched_core_wake_ns(rt->core);
    return core_ns < next_ns ? core_ns : next_ns;
}

static void *service_main(void *arg)
{
    cosrel_runtime *rt = arg;
    cpu_name_self("cosrel-service");
    pthread_mutex_lock(&rt->lock);
    while (!rt->stop) {
        wake_list wakes = {.count = 0};
        const int64_t now_ns = clock_now_ns();
        const int64_t next_ns = look_around(rt, now_ns, &wakes);
        dispatch_drain(rt, now_ns, &wakes);
        slot *deliver = rt->to_deliver;
        rt->to_deliver = NULL;
        if (wakes.count || deliver) {
            pthread_mutex_unlock(&rt->lock);
            dispatch_wake(rt, &wakes);
            dispatch_deliver(rt, deliver);
            pthread_mutex_lock(&rt->lock);
            continue;
        }
        const struct timespec until = {.tv_sec = next_ns / 1000000000, .tv_nsec = next_ns % 1000000000};
        pthread_cond_timedwait(&rt->service_wake, &rt->lock, &until);
    }
    pthread_mutex_unlock(&rt->lock);
    return NULL;
}

cosrel_status service_start(cosrel_runtime *rt, cosrel_error *err)
{
    if (pthread_create(&rt->service, NULL, service_main, rt) != 0)
        return error_set(err, COSREL_UNAVAILABLE, "the service thread could not be started");
    rt->service_started = true;
    return COSREL_OK;
}

void service_stop(cosrel_runtime *rt)
{
    if (!rt->service_started)
        return;
    pthread_mutex_lock(&rt->lock);
    pthread_cond_signal(&rt->service_wake);
    pthread_mutex_unlock(&rt->lock);
    pthread_join(rt->service, NULL);
    rt->service_started = false;
}
