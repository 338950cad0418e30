/* A budget for the weights of all models: those not used lately sleep, without sessions, and are
 * woken by the next request for them.
 *
 * A sleeping model keeps its place in the core, but no processor can run it; requests for it are
 * parked here until a thread of the runtime's has made its sessions anew, which from the optimised
 * copy on disk takes a moment. What has requests in the core never sleeps; where somebody has
 * waited for long, the model that has been awake longest is given no more until it has slept, so
 * that models that do not fit together are served by turns. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "runtime/parts.h"

/* How long a parked request waits before others must yield (chosen: some wakings' time, so that
 * turns are not all waking). */
static const int64_t TURN_NS = 500000000;

static const double MB = 1024.0 * 1024.0;

/* Until it is looked again whether there is room (chosen: some requests' time). */
static const struct timespec LATER_LOOK = {.tv_nsec = 5000000};

/* What it takes while it is awake: its weights once for all CPU sessions, which map them, and once
 * for each other processor. */
static uint64_t need_of(const cosrel_model *m)
{
    uint64_t copies = 0, cpu = 0;
    for (int i = 0; i < m->rt->worker_count; i++) {
        const worker *w = &m->rt->workers[i];
        if (w->background)
            continue;
        if (m->rt->devices->specs[w->device].kind == DEVICE_CPU)
            cpu = 1;
        else if (m->rt->devices->specs[w->device].kind != DEVICE_EMULATED)
            copies++;
    }
    return m->bytes * (copies + cpu);
}

/* ---- Sleeping; locked ---- */

uint64_t memory_taken(const cosrel_runtime *rt)
{
    uint64_t bytes = 0;
    for (int i = 0; i < rt->model_count; i++)
        if (rt->models[i] && !rt->models[i]->asleep)
            bytes += need_of(rt->models[i]);
    return bytes;
}

static cosrel_model *least_lately_used(const cosrel_runtime *rt, const cosrel_model *but)
{
    cosrel_model *found = NULL;
    for (int i = 0; i < rt->model_count; i++) {
        cosrel_model *m = rt->models[i];
        if (m && m != but && m->open && !m->asleep && m->unanswered == m->parked_count &&
            !model_is_in_use(m) && (!found || m->used_ns < found->used_ns))
            found = m;
    }
    return found;
}

static size_t cells_of(const cosrel_runtime *rt)
{
    return (size_t)rt->costs.processor_count * (size_t)rt->costs.batch_count;
}

/* False: no memory to remember what it costs. */
static bool fall_asleep(cosrel_model *m)
{
    cosrel_runtime *rt = m->rt;
    cost_cell *row = cost_at(&rt->costs, m->index, 0, 0);
    if (!m->kept && !(m->kept = calloc(cells_of(rt), sizeof *m->kept)))
        return false;
    memcpy(m->kept, row, cells_of(rt) * sizeof *row);
    memset(row, 0, cells_of(rt) * sizeof *row);
    rt->costs.shifts++;
    m->asleep = true;
    m->yielding = false;
    for (int i = 0; i < rt->worker_count; i++)
        if (rt->workers[i].suspect == m)
            rt->workers[i].suspect = NULL;
    sched_core_model_changed(rt->core, clock_now_ns(), m->index);
    return true;
}

cosrel_status memory_make_room(cosrel_model *m, cosrel_error *err)
{
    cosrel_runtime *rt = m->rt;
    const uint64_t budget = rt->settings.memory_budget, need = need_of(m);
    while (budget > 0) {
        pthread_mutex_lock(&rt->lock);
        const uint64_t used = memory_taken(rt) - (m->index >= 0 && !m->asleep ? need : 0);
        cosrel_model *other = used + need <= budget || need > budget ? NULL
                                                                     : least_lately_used(rt, m);
        const bool fits = used + need <= budget;
        const bool sleeps = other && fall_asleep(other);
        pthread_mutex_unlock(&rt->lock);
        if (fits)
            return COSREL_OK;
        if (!sleeps)
            return error_set(
                err, COSREL_OUT_OF_MEMORY,
                "%s: needs %.1f MB; of the budget of %.1f MB, %.1f are taken by models "
                "with requests",
                m->name, (double)need / MB, (double)budget / MB, (double)used / MB);
        log_info(&rt->log, "%s: sleeps, to make room for %s", other->name, m->name);
        model_close_sessions(other, false);
    }
    return COSREL_OK;
}

/* ---- Parking; locked ---- */

void memory_park(slot *s)
{
    cosrel_model *m = s->model;
    s->parked = true;
    s->next = NULL;
    slot **at = &m->parked;
    while (*at)
        at = &(*at)->next;
    *at = s;
    m->parked_count++;
    pthread_cond_broadcast(&m->rt->keeper_news);
}

bool memory_unpark(slot *s)
{
    slot **at = &s->model->parked;
    if (!s->parked)
        return false;
    while (*at && *at != s)
        at = &(*at)->next;
    if (!*at)
        return false;
    *at = s->next;
    s->next = NULL;
    s->parked = false;
    s->model->parked_count--;
    pthread_cond_broadcast(&s->rt->keeper_news);
    return true;
}

void memory_refuse_parked(cosrel_model *m, const char *why, int64_t now_ns)
{
    while (m->parked) {
        slot *s = m->parked;
        if (memory_unpark(s) && dispatch_answer(s, COSREL_UNAVAILABLE, why, now_ns))
            dispatch_give_to_service(m->rt, s);
    }
}

/* ---- Waking: the keeper's ---- */

/* The one whose first request has waited longest. */
static cosrel_model *find_wanted(const cosrel_runtime *rt)
{
    cosrel_model *found = NULL;
    for (int i = 0; i < rt->model_count; i++) {
        cosrel_model *m = rt->models[i];
        if (m && m->asleep && m->parked &&
            (!found || m->parked->result.submitted_ns < found->parked->result.submitted_ns))
            found = m;
    }
    return found;
}

/* Those that were parked wait in the queue from now on, in their order. Locked. */
static void let_in(cosrel_model *m, int64_t now_ns)
{
    cosrel_runtime *rt = m->rt;
    m->yielding = false;
    while (m->parked) {
        slot *s = m->parked;
        const sched_arrival arrival = {.model = m->index,
                                       .priority = s->priority,
                                       .deadline_ns = s->deadline_ns,
                                       .tag = s->index};
        (void)memory_unpark(s);
        const cosrel_status status = sched_core_arrive(rt->core, now_ns, &arrival, &s->id);
        if (status != COSREL_OK && dispatch_answer(s, status, cosrel_status_text(status), now_ns))
            dispatch_give_to_service(rt, s);
    }
}

/* Those that were to yield and have not slept go on. False: there are none. Locked. */
static bool end_yielding(cosrel_runtime *rt, int64_t now_ns)
{
    bool any = false;
    for (int i = 0; i < rt->model_count; i++) {
        if (!rt->models[i] || !rt->models[i]->yielding)
            continue;
        let_in(rt->models[i], now_ns);
        any = true;
    }
    return any;
}

/* Locked. */
static void wake_up(cosrel_model *m, int64_t now_ns)
{
    cosrel_runtime *rt = m->rt;
    memcpy(cost_at(&rt->costs, m->index, 0, 0), m->kept, cells_of(rt) * sizeof *m->kept);
    for (int i = 0; i < rt->worker_count; i++)
        if (!m->sessions[i])
            memset(cost_at(&rt->costs, m->index, i, 0), 0,
                   (size_t)rt->costs.batch_count * sizeof(cost_cell));
    rt->costs.shifts++;
    m->asleep = false;
    m->used_ns = m->awake_ns = now_ns;
    rt->wakes++;
    sched_core_model_changed(rt->core, now_ns, m->index);
    let_in(m, now_ns);
    (void)end_yielding(rt, now_ns); /* there was room without them after all */
}

/* Somebody has waited for long: the one that has been awake longest gets no more. Locked. */
static void make_yield(const cosrel_model *wanted, int64_t now_ns)
{
    cosrel_runtime *rt = wanted->rt;
    cosrel_model *found = NULL;
    if (!wanted->parked || now_ns - wanted->parked->result.submitted_ns < TURN_NS)
        return;
    for (int i = 0; i < rt->model_count; i++) {
        cosrel_model *m = rt->models[i];
        if (m && m != wanted && m->yielding)
            return; /* one at a time */
        if (m && m != wanted && m->open && !m->asleep && now_ns - m->awake_ns >= TURN_NS &&
            (!found || m->awake_ns < found->awake_ns))
            found = m;
    }
    if (found)
        found->yielding = true;
}

/* Those sessions that are made in their processor's turn, where the model ran before it slept. */
static cosrel_status load_in_turn(cosrel_model *m, cosrel_error *err)
{
    const cosrel_runtime *rt = m->rt;
    cosrel_status status = COSREL_OK;
    for (int i = 0; i < rt->worker_count && status == COSREL_OK; i++)
        if (m->kept[(size_t)i * (size_t)rt->costs.batch_count].service_ns > 0)
            status = sample_load(m, &rt->workers[i], err);
    return status;
}

typedef enum waking { WOKEN, CANNOT_BE, LATER } waking;

/* LATER: there is no room for it until others have been answered. With load_lock. */
static waking make_ready(cosrel_model *m, cosrel_error *err)
{
    if (memory_make_room(m, err) != COSREL_OK)
        return LATER;
    cosrel_status status = model_load_sessions(m, false, err);
    if (status == COSREL_OK)
        status = model_prepare_samples(m, err);
    if (status == COSREL_OK)
        status = load_in_turn(m, err);
    if (status == COSREL_OK)
        return WOKEN;
    model_close_sessions(m, false);
    return CANNOT_BE;
}

static void wake(cosrel_runtime *rt)
{
    wake_list wakes = {.count = 0};
    cosrel_error err = {.text = ""};
    pthread_mutex_lock(&rt->load_lock);
    pthread_mutex_lock(&rt->lock);
    cosrel_model *m = find_wanted(rt); /* looked for again: it may have gone meanwhile */
    pthread_mutex_unlock(&rt->lock);
    const waking end = m ? make_ready(m, &err) : LATER;
    pthread_mutex_lock(&rt->lock);
    const int64_t now_ns = clock_now_ns();
    if (end == WOKEN)
        wake_up(m, now_ns);
    else if (end == CANNOT_BE)
        memory_refuse_parked(m, err.text, now_ns);
    else if (m)
        make_yield(m, now_ns);
    dispatch_drain(rt, now_ns, &wakes);
    pthread_mutex_unlock(&rt->lock);
    pthread_mutex_unlock(&rt->load_lock);
    dispatch_wake(&wakes);
    if (end == LATER)
        nanosleep(&LATER_LOOK, NULL);
}

static void *keeper_main(void *arg)
{
    cosrel_runtime *rt = arg;
    cpu_name_self("cosrel-keeper");
    pthread_mutex_lock(&rt->lock);
    while (!rt->keeper_stop) {
        wake_list wakes = {.count = 0};
        const bool wanted = find_wanted(rt) != NULL;
        const bool went_on = !wanted && end_yielding(rt, clock_now_ns());
        if (!wanted && !went_on) {
            pthread_cond_wait(&rt->keeper_news, &rt->lock);
            continue;
        }
        if (went_on)
            dispatch_drain(rt, clock_now_ns(), &wakes);
        pthread_mutex_unlock(&rt->lock);
        dispatch_wake(&wakes);
        if (wanted)
            wake(rt);
        pthread_mutex_lock(&rt->lock);
    }
    pthread_mutex_unlock(&rt->lock);
    return NULL;
}

cosrel_status memory_start(cosrel_runtime *rt, cosrel_error *err)
{
    if (rt->settings.memory_budget == 0)
        return COSREL_OK;
    if (pthread_create(&rt->keeper, NULL, keeper_main, rt) != 0)
        return error_set(err, COSREL_UNAVAILABLE, "the thread that wakes models could not start");
    rt->keeper_started = true;
    return COSREL_OK;
}

void memory_stop(cosrel_runtime *rt)
{
    if (!rt->keeper_started)
        return;
    pthread_mutex_lock(&rt->lock);
    rt->keeper_stop = true;
    pthread_cond_broadcast(&rt->keeper_news);
    pthread_mutex_unlock(&rt->lock);
    pthread_join(rt->keeper, NULL);
    rt->keeper_started = false;
}
