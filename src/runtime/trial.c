/* Trying a new model on each processor before anybody can ask for it: where it runs, what that
 * costs, and whether what comes out are numbers.
 *
 * The runs are requests like any other: each waits for its processor in the scheduler's queue, so
 * that nothing runs beside what others wait for. The model has its place in the core already, with
 * the one processor as the only one that can run it. */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "runtime/parts.h"

enum { RUNS_MAX = 3 };
/* Enough for a first estimate, little enough that thirty models load at once (chosen). */
static const int64_t ENOUGH_NS = INT64_C(60000000);
/* The median of three bears one run that others interrupted. Runs longer than any time slice are
 * not doubted. */
static const int64_t DOUBT_NS = INT64_C(100000000);
/* Where nothing could be tried: what a mid-sized network takes (chosen); the first requests correct
 * it. */
static const int64_t GUESS_NS = INT64_C(20000000);
/* For a processor that does not come to it (chosen: as an unload's). */
static const int64_t PATIENCE_NS = INT64_C(30000000000);
/* Until there is room among the requests in flight (chosen: some requests' time). */
static const struct timespec ROOM = {.tv_nsec = 5000000};

typedef enum trial_end { TRIAL_RAN, TRIAL_FAILED, TRIAL_UNKNOWN } trial_end;

static void set_cell(cosrel_model *m, const worker *w, int64_t service_ns)
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
    dispatch_wake(rt, &wakes);
}

static bool all_finite(const cosrel_tensor *t)
{
    const float *x = t->data;
    const double *y = t->data;
    for (size_t i = 0; t->type == COSREL_FLOAT32 && i < t->bytes / sizeof *x; i++)
        if (!isfinite(x[i]))
            return false;
    for (size_t i = 0; t->type == COSREL_FLOAT64 && i < t->bytes / sizeof *y; i++)
        if (!isfinite(y[i]))
            return false;
    return true;
}

/* One run through the scheduler. */
static trial_end run_one(cosrel_model *m, int64_t *took_ns, cosrel_error *err)
{
    cosrel_runtime *rt = m->rt;
    cosrel_ticket ticket;
    const cosrel_result *r;
    cosrel_status status;
    while ((status = submit_sample(rt, m, &ticket, err)) == COSREL_QUEUE_FULL)
        nanosleep(&ROOM, NULL);
    if (status != COSREL_OK)
        return TRIAL_UNKNOWN;
    if (cosrel_wait(rt, ticket, PATIENCE_NS, &r) != COSREL_OK) {
        (void)cosrel_cancel(rt, ticket);
        if (cosrel_wait(rt, ticket, -1, &r) != COSREL_OK)
            return TRIAL_UNKNOWN;
    }
    const trial_end end = r->status == COSREL_OK           ? TRIAL_RAN
                          : r->status == COSREL_RUN_FAILED ? TRIAL_FAILED
                                                           : TRIAL_UNKNOWN;
    *took_ns = r->finished_ns - r->started_ns;
    for (size_t i = 0; end == TRIAL_RAN && i < r->output_count; i++)
        m->finite &= all_finite(&r->outputs[i]);
    if (end != TRIAL_RAN)
        (void)error_set(err, r->status, "%s", r->message);
    cosrel_result_release(r);
    return end;
}

static int compare_times(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* A warming run, then one to three more: their median. */
static trial_end try_on(cosrel_model *m, const worker *w, cost_cell *measured, cosrel_error *err)
{
    int64_t times[RUNS_MAX], took_ns = 0;
    int runs = 0;
    set_cell(m, w, GUESS_NS);
    trial_end end = run_one(m, &took_ns, err);
    const int64_t enough_ns = clock_now_ns() + ENOUGH_NS;
    while (end == TRIAL_RAN && runs < RUNS_MAX &&
           (runs == 0 || took_ns < DOUBT_NS || clock_now_ns() < enough_ns)) {
        end = run_one(m, &took_ns, err);
        times[runs++] = took_ns;
    }
    set_cell(m, w, 0);
    if (end != TRIAL_RAN)
        return end;
    qsort(times, (size_t)runs, sizeof times[0], compare_times);
    *measured = (cost_cell){.service_ns = times[runs / 2] > 0 ? times[runs / 2] : 1,
                            .samples = (uint32_t)runs};
    return TRIAL_RAN;
}

static bool is_down(const worker *w)
{
    pthread_mutex_lock(&w->rt->lock);
    const bool down = w->down;
    pthread_mutex_unlock(&w->rt->lock);
    return down;
}

/* What is known wins over what was measured once, and that over a guess. */
static void fill(const cosrel_model *m, const worker *w, const cost_cell *measured,
                 cost_cell *cells)
{
    measure_known(m, w, cells);
    if (cells[0].service_ns == 0)
        cells[0] = *measured;
    if (cells[0].service_ns == 0)
        cells[0].service_ns = GUESS_NS;
}

static void tell(const cosrel_model *m, const worker *w, const cosrel_error *why)
{
    log_info(&m->rt->log, "%s: not offered on %s: %s", m->name, w->name, why->text);
}

void trial_run(cosrel_model *m, cost_cell *cells)
{
    cosrel_runtime *rt = m->rt;
    cost_cell measured[RUNTIME_WORKERS_MAX] = {{.service_ns = 0}};
    trial_end ends[RUNTIME_WORKERS_MAX];
    cosrel_error whys[RUNTIME_WORKERS_MAX];
    int ran = 0, failed = 0;
    m->finite = true;
    for (int i = 0; i < rt->worker_count; i++) {
        const worker *w = &rt->workers[i];
        whys[i].text[0] = '\0';
        ends[i] = TRIAL_UNKNOWN;
        if (!m->sessions[i] || w->background || measure_is_emulated(m->sessions[i]))
            continue;
        if (!is_down(w))
            ends[i] = try_on(m, w, &measured[i], &whys[i]);
        ran += ends[i] == TRIAL_RAN;
        failed += ends[i] == TRIAL_FAILED;
    }
    /* Random values may not suit a model (indexes, lengths that must agree): then no processor
     * accepts them, which says nothing about the processors. */
    const bool unsuited = failed > 0 && ran == 0;
    for (int i = 0; i < rt->worker_count; i++) {
        const worker *w = &rt->workers[i];
        if (!m->sessions[i] || w->background)
            continue;
        if (measure_is_emulated(m->sessions[i])) {
            measure_known(m, w, &cells[i * rt->costs.batch_count]);
            m->samples_run[i] = true;
        } else if (ends[i] == TRIAL_FAILED && !unsuited) {
            tell(m, w, &whys[i]);
        } else {
            m->samples_run[i] = ends[i] == TRIAL_RAN;
            fill(m, w, &measured[i], &cells[i * rt->costs.batch_count]);
        }
    }
    for (int i = 0; unsuited && i < rt->worker_count; i++) {
        if (ends[i] != TRIAL_FAILED)
            continue;
        log_warning(&rt->log,
                    "%s: it does not take random inputs, so its cost is unknown until requests "
                    "come: %s",
                    m->name, whys[i].text);
        break;
    }
    measure_twins_follow(rt, m, cells);
}
