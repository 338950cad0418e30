/* The worker threads: each waits for its next job, runs it, and answers its requests. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "profile/batches.h"
#include "runtime/futex.h"
#include "runtime/parts.h"

/* While jobs follow each other faster than a sleeping thread can be woken, the worker spins for the
 * next one (yielding its core to whoever wants it); else it sleeps at once. */
enum { SPIN_GAP_NS = 30000, SPIN_LIMIT_NS = 60000, GAP_WEIGHT = 8 };

void worker_pin_self(const device_spec *spec, const logger *log)
{
    /* The session's other threads are pinned to the other cores, one each; this one computes on the
     * first. */
    cpu_list cpus = {.count = 0};
    cosrel_error err;
    if (spec->core_count > 0 && cpu_list_add(&cpus, spec->cores[0]) &&
        cpu_pin_self(&cpus, &err) != COSREL_OK)
        log_warning(log, "%s: its thread could not be pinned: %s", spec->name, err.text);
}

static bool wait_for_job(worker *w)
{
    const int64_t start_ns = clock_now_ns();
    /* Who yields to a thread of the idle class is let back at the next tick. */
    bool spin = !w->background && w->gap_ns < SPIN_GAP_NS && !aside_any(w->rt);
    for (int i = 0;; i++) {
        const uint32_t seen = atomic_load(&w->wake);
        if (atomic_load(&w->has_job))
            break;
        if (w->rt->stop)
            return false;
        if (spin) {
            sched_yield();
            spin = (i & 15) != 15 || clock_now_ns() - start_ns < SPIN_LIMIT_NS;
            continue;
        }
        const int64_t call_ns = atomic_load(&w->call_ns);
        const int64_t left_ns = call_ns ? call_ns - clock_now_ns() : -1;
        if (call_ns && left_ns <= 0) {
            atomic_store(&w->call_ns, 0);
            overlap_called(w);
            continue;
        }
        atomic_store(&w->sleeping, 1);
        if (!atomic_load(&w->has_job) && atomic_load(&w->wake) == seen)
            futex_wait(&w->wake, seen, left_ns);
        atomic_store(&w->sleeping, 0);
    }
    int64_t gap_ns = clock_now_ns() - start_ns;
    if (gap_ns > 1000000)
        gap_ns = 1000000; /* one long pause is forgotten after a few short ones */
    w->gap_ns += (gap_ns - w->gap_ns) / GAP_WEIGHT;
    return true;
}

/* A batch can be formed of requests whose tensors differ in nothing but the number of rows. */
static bool can_join(const cosrel_model *m, slot *const *slots, int32_t n)
{
    for (int32_t k = 1; k < n; k++) {
        for (size_t i = 0; i < m->io.input_count; i++) {
            const cosrel_tensor *a = &slots[0]->inputs[i];
            const cosrel_tensor *b = &slots[k]->inputs[i];
            if (a->rank != b->rank || a->rank == 0 ||
                memcmp(a->shape + 1, b->shape + 1, (a->rank - 1) * sizeof *a->shape) != 0)
                return false;
        }
    }
    return n == 1 || atomic_load(&m->batchable);
}

/* One after the other: after a batch has failed, to find the request that is to blame. */
static void run_singly(worker *w, job_outcome *out)
{
    for (int32_t k = 0; k < w->batch; k++) {
        cosrel_error err = {.text = ""};
        out->statuses[k] = run_batch(w, w->model, &w->slots[k], 1, false, &err);
        if (out->statuses[k] != COSREL_OK)
            snprintf(w->slots[k]->message, sizeof w->slots[k]->message, "%.255s", err.text);
    }
}

/* Does the processor still run what it has run before? Without a sample it gets the benefit of the
 * doubt. */
static bool processor_is_well(worker *w, cosrel_model *m)
{
    cosrel_error ignored;
    return !m || !m->samples_run[w->index] || run_sample(w, m, &ignored) == COSREL_OK;
}

static void try_job(worker *w, job_outcome *out)
{
    cosrel_error err = {.text = ""};
    if (!can_join(w->model, w->slots, w->batch)) {
        run_singly(w, out);
        return;
    }
    const cosrel_status status = run_batch(w, w->model, w->slots, w->batch, true, &err);
    out->batch_ok = status == COSREL_OK;
    if (status == COSREL_OK)
        return;
    out->lost = !overlap_take_turn(w);
    if (out->lost)
        return;
    pthread_mutex_lock(&w->rt->lock);
    const bool hung = w->hung;
    pthread_mutex_unlock(&w->rt->lock);
    for (int32_t k = 0; k < w->batch; k++)
        out->statuses[k] = COSREL_RUN_FAILED;
    if (hung || !processor_is_well(w, w->model)) {
        out->processor_ok = false;
        log_warning(&w->rt->log, "%s: a run of %s %s: %s", w->name, w->model->info.name,
                    hung ? "hung" : "failed", err.text);
        return;
    }
    /* The processor is well: a passing fault, or a request that cannot be run. One by itself gets
     * another attempt, which the core counts; those of a batch are told apart. */
    if (w->batch > 1) {
        out->unbatchable = status == COSREL_UNSUPPORTED;
        run_singly(w, out);
    } else {
        out->again = true;
        snprintf(w->slots[0]->message, sizeof w->slots[0]->message, "%.255s", err.text);
    }
}

static void run_job(worker *w, job_outcome *out)
{
    cosrel_error err = {.text = ""};
    memset(out, 0, sizeof *out);
    out->processor_ok = true;
    if (w->slots[0]->loads) {
        run_load(w, out);
        return;
    }
    try_job(w, out);
    for (int32_t k = 0; k < w->batch && out->processor_ok && !out->again && !out->lost; k++) {
        if (out->statuses[k] != COSREL_OK)
            continue;
        out->statuses[k] = places_fill(w->slots[k], &err);
        if (out->statuses[k] != COSREL_OK)
            snprintf(w->slots[k]->message, sizeof w->slots[k]->message, "%.255s", err.text);
    }
}

static void note_cost(worker *w, int64_t took_ns, int64_t now_ns)
{
    cosrel_runtime *rt = w->rt;
    for (int32_t k = 0; k < w->batch; k++) {
        if (w->slots[k]->rows != 1)
            return;
    }
    const uint64_t shifts = rt->costs.shifts;
    if (rt->costs.batches[w->batch_index] == w->batch) {
        batches_observe(&rt->costs, w->model->index, w->index, w->batch_index, took_ns, now_ns);
        if (atomic_load(&w->model->batchable) && !w->background)
            batches_try_next(&rt->costs, w->model->index, w->index, w->batch_index,
                             sched_core_waiting(rt->core, w->model->index), SCHED_BATCH_MAX,
                             now_ns);
    }
    if (rt->costs.shifts != shifts && sched_core_uses_prices(rt->core))
        service_poke(rt); /* it computes new ones */
    const int64_t fastest_ns = atomic_load(&w->model->fastest_ns);
    if (w->batch == 1 && (fastest_ns == 0 || took_ns < fastest_ns))
        atomic_store(&w->model->fastest_ns, took_ns);
}

static void forbid_batches(cosrel_runtime *rt, cosrel_model *m, int64_t now_ns)
{
    atomic_store(&m->batchable, false);
    for (int p = 0; p < rt->worker_count; p++) {
        for (int b = 1; b < rt->costs.batch_count; b++)
            *cost_at(&rt->costs, m->index, p, b) = (cost_cell){.closed_until_ns = BATCHES_NEVER};
    }
    sched_core_model_changed(rt->core, now_ns, m->index);
    log_warning(&rt->log,
                "%s: its outputs do not follow the batch axis; it runs one request at a time",
                m->info.name);
}

/* Answers all requests of the job; those with a callback go to *deliver. Locked. */
static void answer_all(worker *w, const job_outcome *out, int64_t started_ns, int64_t now_ns,
                       slot **deliver)
{
    const device_spec *spec = &w->rt->devices->specs[w->device];
    const int64_t run_energy_uj =
        cost_at(&w->rt->costs, w->model->index, w->index, w->batch_index)->energy_uj;
    for (int32_t k = 0; k < w->batch; k++) {
        slot *s = w->slots[k];
        s->result.processor = w->name;
        s->result.emulated = spec->kind == DEVICE_EMULATED;
        s->result.batch = w->batch;
        s->result.started_ns = started_ns;
        s->energy_uj = (double)run_energy_uj / w->batch;
        const cosrel_status status = s->cancelled ? COSREL_CANCELLED : out->statuses[k];
        const char *message = status == COSREL_OK          ? ""
                              : status == COSREL_CANCELLED ? "cancelled"
                                                           : s->message;
        if (dispatch_answer(s, status, message, now_ns)) {
            s->next = *deliver;
            *deliver = s;
        }
    }
}

static void tell_watcher(worker *w, bool ok, int64_t started_ns, int64_t finished_ns)
{
    cosrel_runtime *rt = w->rt;
    if (rt->trail)
        trail_finished(w, ok, started_ns, finished_ns);
    if (!rt->on_run || w->slots[0]->trial)
        return;
    const cosrel_run_event event = {.processor = w->name,
                                    .model = w->model->info.name,
                                    .batch = w->batch,
                                    .ok = ok,
                                    .started_ns = started_ns,
                                    .finished_ns = finished_ns};
    rt->on_run(rt->on_run_user, &event);
}

bool worker_is_down(const worker *w)
{
    pthread_mutex_lock(&w->rt->lock);
    const bool down = w->down;
    pthread_mutex_unlock(&w->rt->lock);
    return down;
}

void worker_requeued(worker *w, int64_t now_ns)
{
    for (int32_t k = 0; k < w->batch; k++) {
        slot *s = w->slots[k];
        s->state = SLOT_WAITING;
        if (s->cancelled && sched_core_cancel(w->rt->core, now_ns, s->id) &&
            dispatch_answer(s, COSREL_CANCELLED, "cancelled", now_ns))
            dispatch_give_to_service(w->rt, s);
    }
}

void worker_finish(worker *w)
{
    const job_outcome *out = &w->outcome;
    if (w->slots[0]->trial)
        w->model->trial_cpu_ns = out->cost_ns;
    const int64_t started_ns = out->started_ns;
    cosrel_runtime *rt = w->rt;
    wake_list wakes = {.count = 0};
    slot *deliver = NULL;
    pthread_mutex_lock(&rt->lock);
    overlap_await_report(w);
    const int64_t now_ns = clock_now_ns();
    w->running = false;
    if (!w->slots[0]->trial && !out->lost) {
        w->first->runs++;
        w->first->busy_ns += (out->ended_ns ? out->ended_ns : now_ns) - started_ns;
        w->first->failures += !out->processor_ok || out->again;
        w->model->runs++;
    }
    rt->running--;
    if (rt->running == 0 || rt->unloading > 0)
        pthread_cond_broadcast(&rt->changed);
    if (!out->lost)
        tell_watcher(w, out->processor_ok && !out->again, started_ns,
                     out->ended_ns ? out->ended_ns : now_ns);
    if (out->lost) {
        sched_core_take_back(rt->core, now_ns, w->index);
        worker_requeued(w, now_ns);
    } else if (out->processor_ok && out->again) {
        sched_core_complete(rt->core, now_ns, w->index, false);
        worker_requeued(w, now_ns);
    } else if (out->processor_ok) {
        /* A trial's estimate is a guess: what it is wrong by says nothing about the processor. */
        if (out->batch_ok && !w->slots[0]->trial && !out->elsewhere)
            note_cost(w, out->cost_ns, now_ns);
        if (out->unbatchable)
            forbid_batches(rt, w->model, now_ns);
        sched_core_complete(rt->core, now_ns, w->index, true);
        answer_all(w, out, started_ns, now_ns, &deliver);
    } else if (w->detached) {
        service_take_out(w, w->model, "its run came back late", now_ns);
    } else {
        service_take_out(w, w->model, w->hung ? "a run took too long" : "a run failed", now_ns);
        worker_requeued(w, now_ns);
    }
    overlap_reported(w);
    if (deliver) {
        /* Callbacks come before the next decision: what they submit, as a closed loop does, then
         * takes part in it. This worker could start nothing before they return anyway. */
        pthread_mutex_unlock(&rt->lock);
        dispatch_deliver(rt, deliver);
        pthread_mutex_lock(&rt->lock);
    }
    dispatch_drain(rt, clock_now_ns(), &wakes);
    pthread_mutex_unlock(&rt->lock);
    dispatch_wake(&wakes);
}

/* The processor was taken out; does it work again? */
static void finish_probe(worker *w, bool ok)
{
    cosrel_runtime *rt = w->rt;
    wake_list wakes = {.count = 0};
    pthread_mutex_lock(&rt->lock);
    const int64_t now_ns = clock_now_ns();
    w->running = false;
    w->probe = false;
    overlap_reported(w);
    rt->running--;
    if (rt->running == 0 || rt->unloading > 0)
        pthread_cond_broadcast(&rt->changed);
    if (ok) {
        w->down = false;
        w->retry_ns = SCHED_NEVER;
        w->backoff_ns = 0;
        sched_core_processor_up(rt->core, now_ns, w->index);
        service_poke(rt); /* prices change */
        log_info(&rt->log, "%s: works again", w->name);
    } else {
        service_take_out(w, w->suspect, "it does not work yet", now_ns);
    }
    dispatch_drain(rt, now_ns, &wakes);
    pthread_mutex_unlock(&rt->lock);
    dispatch_wake(&wakes);
}

static _Thread_local bool helping;

bool worker_is_helping(void)
{
    return helping;
}

/* What the asking thread ran on whatever core it is on says nothing of this processor's speed,
 * unless it took so long that nobody should help with it again. */
static bool says_something(const worker *w, int64_t took_ns)
{
    const device_spec *spec = &w->rt->devices->specs[w->device];
    return !helping || took_ns > 2 * HELP_NS ||
           (spec->core_count > 0 && sched_getcpu() == spec->cores[0]);
}

static void do_job(worker *w)
{
    const int64_t started_ns = clock_now_ns();
    if (w->probe) {
        const bool ok = overlap_take_turn(w) && processor_is_well(w, w->suspect);
        atomic_store(&w->has_job, false);
        finish_probe(w, ok);
        return;
    }
    /* A background run's wall-clock time holds the pauses that others imposed; its CPU time does
     * not. (Reading that is a system call.) */
    const int64_t cpu_ns = w->background ? clock_thread_cpu_ns() : 0;
    run_job(w, &w->outcome);
    const int64_t ended_ns = w->ended_ns ? w->ended_ns : clock_now_ns();
    w->outcome.started_ns = w->begun_ns ? w->counted_ns : started_ns;
    w->outcome.ended_ns = w->ended_ns;
    w->outcome.elsewhere = !says_something(w, ended_ns - w->outcome.started_ns);
    w->outcome.cost_ns = w->background ? clock_thread_cpu_ns() - cpu_ns
                                       : ended_ns - w->outcome.started_ns;
    atomic_store(&w->has_job, false);
    if (!w->background) {
        worker_finish(w);
        return;
    }
    atomic_store(&w->finished, true);
    service_poke(w->rt);
}

void worker_help(worker *w)
{
    helping = true;
    do_job(w);
    helping = false;
}

static void *worker_main(void *arg)
{
    worker *w = arg;
    cosrel_error err;
    cpu_name_self(w->name);
    worker_pin_self(&w->rt->devices->specs[w->device], &w->rt->log);
    if (w->background && cpu_background_self(&err) != COSREL_OK)
        log_warning(&w->rt->log, "%s: runs at normal priority: %s", w->name, err.text);
    while (wait_for_job(w))
        do_job(w);
    return NULL;
}

cosrel_status worker_start(worker *w, cosrel_error *err)
{
    const OrtApi *api = ort_api();
    const cosrel_status status = ort_check(api->CreateRunOptions(&w->run.options), w->name, err);
    if (status != COSREL_OK)
        return status;
    if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
        return error_set(err, COSREL_UNAVAILABLE, "%s: its thread could not be started", w->name);
    w->started = true;
    return COSREL_OK;
}

void worker_stop(worker *w)
{
    if (!w->started)
        return;
    atomic_fetch_add(&w->wake, 1);
    futex_wake_all(&w->wake);
    pthread_join(w->thread, NULL);
    w->started = false;
}

void worker_deinit(worker *w)
{
    if (w->run.options)
        ort_api()->ReleaseRunOptions(w->run.options);
    for (size_t i = 0; i < w->input_capacity; i++)
        free(w->buffers[i]);
    free(w->inputs);
    free(w->buffers);
    free(w->buffer_bytes);
    output_set_release(w->rt, w->set);
}
