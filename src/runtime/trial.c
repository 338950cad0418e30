/* Trying a new model on each processor before anybody can ask for it: where it runs, what that
 * costs, and whether what comes out are numbers.
 *
 * The runs are requests like any other (sample.c).
 *
 * Gently, a core is tried by its background twin, whose runs take only what others leave of it; and
 * sets of cores are not tried at all, since a long run on several would hold up everybody: they run
 * what a core runs, and are expected to be as much faster as they are with other models. */
#include <math.h>
#include <stdlib.h>

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

typedef enum trial_end { TRIAL_RAN, TRIAL_FAILED, TRIAL_UNKNOWN } trial_end;

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

/* One run. */
static trial_end run_one(cosrel_model *m, bool background, int64_t *took_ns, cosrel_error *err)
{
    const cosrel_result *r;
    if (sample_ask(m, background ? SAMPLE_BACKGROUND : SAMPLE_RUN, &r, err) != COSREL_OK)
        return TRIAL_UNKNOWN;
    const trial_end end = r->status == COSREL_OK           ? TRIAL_RAN
                          : r->status == COSREL_RUN_FAILED ? TRIAL_FAILED
                                                           : TRIAL_UNKNOWN;
    *took_ns = background ? m->trial_cpu_ns : r->finished_ns - r->started_ns;
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
    sample_offer(m, w, GUESS_NS);
    trial_end end = run_one(m, w->background, &took_ns, err);
    const int64_t enough_ns = clock_now_ns() + ENOUGH_NS;
    while (end == TRIAL_RAN && runs < RUNS_MAX &&
           (runs == 0 || took_ns < DOUBT_NS || clock_now_ns() < enough_ns)) {
        end = run_one(m, w->background, &took_ns, err);
        times[runs++] = took_ns;
    }
    sample_offer(m, w, 0);
    if (end != TRIAL_RAN)
        return end;
    qsort(times, (size_t)runs, sizeof times[0], compare_times);
    *measured = (cost_cell){.service_ns = times[runs / 2] > 0 ? times[runs / 2] : 1,
                            .samples = (uint32_t)runs};
    return TRIAL_RAN;
}

/* The worker beneath this one; NULL: none. */
static const worker *twin_of(const worker *w)
{
    const cosrel_runtime *rt = w->rt;
    for (int i = 0; i < rt->worker_count; i++)
        if (rt->workers[i].background && rt->workers[i].device == w->device)
            return &rt->workers[i];
    return NULL;
}

static bool is_set(const worker *w)
{
    const device_spec *spec = &w->rt->devices->specs[w->device];
    return spec->kind == DEVICE_CPU && spec->core_count > 1;
}

/* How long other models take on the set for each nanosecond on a core: the mean; without others,
 * what two thirds of a core more each are worth (chosen: as the reference models on two cores). Of
 * the set's cores the slowest that was measured counts. */
static int64_t time_on_set(cosrel_model *m, const worker *set, const cost_cell *measured)
{
    cosrel_runtime *rt = m->rt;
    const device_spec *spec = &rt->devices->specs[set->device];
    int64_t core_ns = 0;
    int core = -1, models = 0;
    double sum = 0;
    for (int i = 0; i < rt->worker_count; i++) {
        const worker *w = &rt->workers[i];
        if (!w->background && w != set && !is_set(w) &&
            (rt->devices->specs[w->device].units & spec->units) &&
            measured[i].service_ns > core_ns) {
            core_ns = measured[i].service_ns;
            core = i;
        }
    }
    if (core < 0)
        return GUESS_NS;
    pthread_mutex_lock(&rt->lock);
    for (int k = 0; k < rt->model_count; k++) {
        if (!rt->models[k] || rt->models[k] == m)
            continue;
        const int64_t here_ns = cost_at(&rt->costs, k, set->index, 0)->service_ns;
        const int64_t there_ns = cost_at(&rt->costs, k, core, 0)->service_ns;
        if (here_ns > 0 && there_ns > 0) {
            sum += (double)here_ns / (double)there_ns;
            models++;
        }
    }
    pthread_mutex_unlock(&rt->lock);
    const double ratio = models > 0 ? sum / models : 3.0 / (2.0 * spec->core_count + 1);
    return (int64_t)(ratio * (double)core_ns) + 1;
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

cosrel_status trial_run(cosrel_model *m, bool gently, cost_cell *cells, cosrel_error *err)
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
        const cosrel_status status = sample_load(m, w, err);
        if (status != COSREL_OK)
            return status;
        if (!m->sessions[i] || w->background || measure_is_emulated(m->sessions[i]))
            continue;
        const worker *twin = gently ? twin_of(w) : NULL;
        if (!worker_is_down(w) && !(gently && is_set(w)))
            ends[i] = try_on(m, twin ? twin : w, &measured[i], &whys[i]);
        ran += ends[i] == TRIAL_RAN;
        failed += ends[i] == TRIAL_FAILED;
    }
    for (int i = 0; gently && ran > 0 && i < rt->worker_count; i++) {
        const worker *w = &rt->workers[i];
        if (m->sessions[i] && is_set(w)) {
            measured[i].service_ns = time_on_set(m, w, measured);
            ends[i] = TRIAL_RAN;
        }
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
    return COSREL_OK;
}
