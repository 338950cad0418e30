/* The service thread: what must happen at a time, and answers that no worker is there to give. */
#include <stdio.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "runtime/futex.h"
#include "runtime/parts.h"

enum { BACKOFF_MAX_FACTOR = 16 };

/* Between two looks at the temperatures (chosen: what carries heat away holds it for many seconds).
 */
static const int64_t HEAT_EVERY_NS = 1000000000;

void service_poke(cosrel_runtime *rt)
{
    atomic_fetch_add(&rt->service_word, 1);
    if (atomic_load(&rt->service_sleeping))
        futex_wake_all(&rt->service_word);
}

void service_take_out(worker *ran, cosrel_model *suspect, const char *why, int64_t now_ns)
{
    cosrel_runtime *rt = ran->rt;
    worker *w = ran->first;
    w->backoff_ns = w->backoff_ns ? w->backoff_ns * 2 : rt->settings.retry_ns;
    if (w->backoff_ns > rt->settings.retry_ns * BACKOFF_MAX_FACTOR)
        w->backoff_ns = rt->settings.retry_ns * BACKOFF_MAX_FACTOR;
    w->retry_ns = now_ns + w->backoff_ns;
    w->suspect = suspect;
    if (rt->closing) {
        /* Nobody will be there to see it work again: what only it could run is answered now. */
        w->down = true;
        w->retry_ns = SCHED_NEVER;
        sched_core_processor_remove(rt->core, now_ns, w->index);
    } else if (!w->down) {
        w->down = true;
        sched_core_processor_down(rt->core, now_ns, w->index);
        log_warning(&rt->log, "%s: taken out: %s; tried again in %.1f s", w->name, why,
                    (double)w->backoff_ns / 1e9);
    }
    ort_api()->ReleaseStatus(ort_api()->RunOptionsUnsetTerminate(ran->run.options));
    atomic_store(&ran->run.terminate, false);
    overlap_taken_out(w);
    service_poke(rt);
}

/* A run is past its limit: it is told to stop. Where its inputs are ours, its requests go to others
 * at once; a CPU run reads its callers' memory, so they must wait until it has ended, which it does
 * between two nodes. */
static void give_up(worker *w, int64_t now_ns)
{
    cosrel_runtime *rt = w->rt;
    w->hung = true;
    w->limit_ns = SCHED_NEVER;
    ort_api()->ReleaseStatus(ort_api()->RunOptionsSetTerminate(w->run.options));
    atomic_store(&w->run.terminate, true);
    const backend_session *session = w->probe ? NULL : w->model->sessions[w->index];
    if (w->probe || w->claimed || (session && session->reads_in_place))
        return;
    w->detached = true;
    w->first->down = true;
    w->first->suspect = w->model;
    overlap_taken_out(w->first);
    sched_core_processor_down(rt->core, now_ns, w->index);
    worker_requeued(w, now_ns);
    log_warning(&rt->log, "%s: taken out: a run of %s takes too long", w->name,
                w->model->info.name);
}

static void start_probe(worker *w, int64_t now_ns, wake_list *wakes)
{
    w->probe = true;
    w->running = true;
    w->hung = false;
    w->detached = false;
    w->claimed = false;
    w->retry_ns = SCHED_NEVER;
    w->limit_after_ns = w->rt->settings.run_limit_ns;
    w->limit_ns = now_ns + w->limit_after_ns;
    overlap_given(w);
    w->rt->running++;
    atomic_store(&w->has_job, true);
    wakes->workers[wakes->count++] = w;
}

static void look_at_run(worker *w, int64_t now_ns, int64_t *next_ns)
{
    if (w->running && now_ns >= w->limit_ns)
        give_up(w, now_ns);
    if (w->running && w->limit_ns < *next_ns)
        *next_ns = w->limit_ns;
}

/* Looks at every worker; returns when to look again. Locked. */
static int64_t look_around(cosrel_runtime *rt, int64_t now_ns, wake_list *wakes)
{
    int64_t next_ns = now_ns + 1000000000;
    for (int i = 0; i < rt->worker_count; i++) {
        worker *w = &rt->workers[i];
        const bool running = w->running || (w->mate && w->mate->running);
        look_at_run(w, now_ns, &next_ns);
        if (w->mate)
            look_at_run(w->mate, now_ns, &next_ns);
        if (!running && w->down && now_ns >= w->retry_ns && !rt->paused)
            start_probe(w, now_ns, wakes);
        if (!running && w->down && w->retry_ns < next_ns)
            next_ns = w->retry_ns > now_ns ? w->retry_ns : now_ns + 1000000;
    }
    const int64_t core_ns = sched_core_wake_ns(rt->core);
    return core_ns < next_ns ? core_ns : next_ns;
}

/* Ends the jobs of background workers. */
static void end_background_jobs(cosrel_runtime *rt)
{
    for (int i = 0; i < rt->worker_count; i++) {
        worker *w = &rt->workers[i];
        if (w->background && atomic_exchange(&w->finished, false))
            worker_finish(w);
    }
}

/* Policies that weigh processors against each other want prices of their time. Solving for them
 * takes too long for the lock. Returns when the next are due because the device has changed. */
static int64_t renew_prices(cosrel_runtime *rt)
{
    price_problem problem;
    price_list prices;
    pthread_mutex_lock(&rt->lock);
    const bool due = prices_due(&rt->prices, rt->core, sched_core_arrivals(rt->core),
                                clock_now_ns());
    const int64_t wake_ns = prices_wake_ns(&rt->prices, rt->core);
    const bool ready = due && prices_look(rt->core, &problem) == COSREL_OK;
    pthread_mutex_unlock(&rt->lock);
    if (ready && prices_solve(&problem, &prices) == COSREL_OK) {
        pthread_mutex_lock(&rt->lock);
        prices_set(rt->core, clock_now_ns(), &prices);
        pthread_mutex_unlock(&rt->lock);
    }
    if (due)
        prices_free(&problem);
    return wake_ns;
}

/* No more than when the thread is awake anyway: it is at least once a second. */
static void look_at_heat(cosrel_runtime *rt)
{
    if (rt->thermal.zone_count == 0 || clock_now_ns() < rt->heat_next_ns)
        return;
    const double heat = thermal_meter_read(&rt->thermal);
    pthread_mutex_lock(&rt->lock);
    const int64_t now_ns = clock_now_ns();
    sched_core_set_heat(rt->core, now_ns, heat);
    pthread_mutex_unlock(&rt->lock);
    rt->heat_next_ns = now_ns + HEAT_EVERY_NS;
}

/* One look; returns when the next is due, or 0: at once. */
static int64_t serve(cosrel_runtime *rt)
{
    wake_list wakes = {.count = 0};
    end_background_jobs(rt);
    pthread_mutex_lock(&rt->lock);
    const int64_t now_ns = clock_now_ns();
    const int64_t next_ns = look_around(rt, now_ns, &wakes);
    rt->service_next_ns = next_ns;
    dispatch_drain(rt, now_ns, &wakes);
    slot *deliver = rt->to_deliver;
    rt->to_deliver = NULL;
    pthread_mutex_unlock(&rt->lock);
    dispatch_wake(&wakes);
    dispatch_deliver(rt, deliver);
    return wakes.count || deliver ? 0 : next_ns;
}

static void *service_main(void *arg)
{
    cosrel_runtime *rt = arg;
    cpu_name_self("cosrel-service");
    thermal_meter_open(&rt->thermal, "");
    while (!rt->stop) {
        const uint32_t seen = atomic_load(&rt->service_word);
        int64_t next_ns = serve(rt);
        const int64_t prices_ns = renew_prices(rt);
        look_at_heat(rt);
        next_ns = prices_ns < next_ns ? prices_ns : next_ns;
        const int64_t left_ns = next_ns ? next_ns - clock_now_ns() : 0;
        if (left_ns <= 0)
            continue;
        atomic_store(&rt->service_sleeping, true);
        if (atomic_load(&rt->service_word) == seen && !rt->stop)
            futex_wait(&rt->service_word, seen, left_ns);
        atomic_store(&rt->service_sleeping, false);
    }
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
    service_poke(rt);
    pthread_join(rt->service, NULL);
    rt->service_started = false;
}
