/* What a run costs: what is known beforehand, and a proper profile on request. A few runs at load:
 * trial.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "model/tensor_buffer.h"
#include "profile/batches.h"
#include "runtime/parts.h"

enum { SAMPLES_MAX = 64 };
/* The median of three bears one run that others interrupted, which a short cell may consist of.
 * Runs longer than any time slice are not doubted. */
enum { RUNS_MIN = 3 };
static const int64_t OUTLIER_MAX_NS = INT64_C(100000000);
static const int64_t CELL_DEFAULT_NS = INT64_C(300000000);
enum { BATCH_MAX_DEFAULT = 8 };

/* Inputs for one batch size, and a run with them on the calling thread. */
typedef struct bench_set {
    cosrel_model *model;
    tensor_buffer *tensors;
    OrtValue **values;
    OrtValue **outputs;
    OrtRunOptions *options;
} bench_set;

static void set_deinit(bench_set *set)
{
    for (size_t i = 0; set->values && i < set->model->io.input_count; i++) {
        if (set->values[i])
            ort_api()->ReleaseValue(set->values[i]);
    }
    for (size_t i = 0; set->tensors && i < set->model->io.input_count; i++)
        tensor_buffer_deinit(&set->tensors[i]);
    if (set->options)
        ort_api()->ReleaseRunOptions(set->options);
    free(set->values);
    free(set->tensors);
    free(set->outputs);
    memset(set, 0, sizeof *set);
}

static cosrel_status set_init(bench_set *set, cosrel_model *m, int32_t batch, cosrel_error *err)
{
    *set = (bench_set){.model = m,
                       .tensors = calloc(m->io.input_count + 1, sizeof *set->tensors),
                       .values = calloc(m->io.input_count + 1, sizeof *set->values),
                       .outputs = calloc(m->io.output_count + 1, sizeof *set->outputs)};
    if (!set->tensors || !set->values || !set->outputs)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory to measure it", m->name);
    const cosrel_status status = ort_check(ort_api()->CreateRunOptions(&set->options), m->name,
                                           err);
    return status == COSREL_OK ? model_make_samples(m, batch, set->tensors, set->values, err)
                               : status;
}

static cosrel_status set_run(bench_set *set, backend_session *session, int32_t batch,
                             int64_t *took_ns, cosrel_error *err)
{
    backend_run run = {.options = set->options,
                       .batch = batch,
                       .inputs = (const OrtValue *const *)set->values,
                       .outputs = set->outputs};
    const int64_t start_ns = clock_now_ns();
    const cosrel_status status = session->ops->run(session, &run, err);
    *took_ns = clock_now_ns() - start_ns;
    for (size_t i = 0; i < set->model->io.output_count; i++) {
        if (set->outputs[i])
            ort_api()->ReleaseValue(set->outputs[i]);
        set->outputs[i] = NULL;
    }
    return status;
}

static int compare_times(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* One warming run, then runs for about cell_ns, at least one (three where they are short) and at
 * most runs_max: their median. */
static cosrel_status time_cell(bench_set *set, backend_session *session, int32_t batch,
                               int64_t cell_ns, int runs_max, cost_cell *cell, cosrel_error *err)
{
    int64_t times[SAMPLES_MAX];
    int64_t took_ns;
    int runs = 0;
    cosrel_status status = set_run(set, session, batch, &took_ns, err);
    const int64_t end_ns = clock_now_ns() + cell_ns;
    while (status == COSREL_OK && runs < runs_max &&
           (runs == 0 || (runs < RUNS_MIN && took_ns < OUTLIER_MAX_NS) ||
            clock_now_ns() + took_ns / 2 < end_ns)) {
        status = set_run(set, session, batch, &took_ns, err);
        times[runs++] = took_ns;
    }
    if (status != COSREL_OK)
        return status;
    qsort(times, (size_t)runs, sizeof times[0], compare_times);
    cell->service_ns = times[runs / 2] > 0 ? times[runs / 2] : 1;
    cell->samples = (uint32_t)runs;
    return COSREL_OK;
}

/* What is known without running: an emulated processor's table, or the profile the runtime was
 * given. */
static int64_t known_ns(const cosrel_model *m, const worker *w, int32_t batch)
{
    const backend_session *session = m->sessions[w->index];
    if (session->ops->known_cost_ns)
        return session->ops->known_cost_ns(session, batch);
    const device_table *profile = m->rt->profile;
    const char *processor = m->rt->devices->specs[w->device].name;
    const table_row *row = profile ? table_find(profile, processor, m->name, batch) : NULL;
    return row ? table_service_ns(row) : 0;
}

/* By the profile the runtime was given; 0: unknown. */
static int64_t known_energy_uj(const cosrel_model *m, const worker *w, int32_t batch)
{
    const device_table *profile = m->rt->profile;
    const char *processor = m->rt->devices->specs[w->device].name;
    const table_row *row = profile ? table_find(profile, processor, m->name, batch) : NULL;
    return row ? table_energy_uj(row) : 0;
}

void measure_known(const cosrel_model *m, const worker *w, cost_cell *cells)
{
    const cost_table *t = &m->rt->costs;
    for (int b = 0; b < t->batch_count; b++) {
        if (b > 0 && !m->info.batchable)
            break;
        cells[b].service_ns = known_ns(m, w, t->batches[b]);
        cells[b].energy_uj = known_energy_uj(m, w, t->batches[b]);
    }
    batches_close_lost(t, cells, measure_is_emulated(m->sessions[w->index]));
}

bool measure_is_emulated(const backend_session *session)
{
    return session->ops->known_cost_ns != NULL;
}

void measure_twins_follow(const cosrel_runtime *rt, cosrel_model *m, cost_cell *cells)
{
    for (int i = 0; i < rt->worker_count; i++) {
        const worker *w = &rt->workers[i];
        if (!w->background || !m->sessions[i])
            continue;
        const worker *own = worker_of_device(rt, (size_t)w->device);
        m->samples_run[i] = m->samples_run[own->index];
        memcpy(&cells[i * rt->costs.batch_count], &cells[own->index * rt->costs.batch_count],
               (size_t)rt->costs.batch_count * sizeof *cells);
    }
}

/* ---- Profile ---- */

typedef struct profiling {
    cosrel_runtime *rt;
    int64_t cell_ns;
    int32_t batch_max;
    int cells_done;
    int cells_all;
    int64_t start_ns;
    bool stopped;
} profiling;

/* False: the user wants it to stop. */
static bool tell_progress(profiling *p, const char *model)
{
    cosrel_runtime *rt = p->rt;
    if (!rt->progress || p->stopped)
        return !p->stopped;
    const double fraction = (double)p->cells_done / (double)(p->cells_all > 0 ? p->cells_all : 1);
    const int64_t spent_ns = clock_now_ns() - p->start_ns;
    const int64_t left_ns = fraction > 0 ? (int64_t)((double)spent_ns / fraction * (1 - fraction))
                                         : -1;
    p->stopped = !rt->progress(rt->progress_user, model, fraction, left_ns);
    return !p->stopped;
}

/* Whether a profile says something about the model there. */
static bool is_measured(const cosrel_model *m, const worker *w)
{
    return !w->background && m->samples_run[w->index] &&
           !measure_is_emulated(m->sessions[w->index]);
}

static int batches_planned(const profiling *p, const cosrel_model *m)
{
    const cost_table *t = &p->rt->costs;
    int count = 1;
    while (m->info.batchable && count < t->batch_count && t->batches[count] <= p->batch_max)
        count++;
    return count;
}

/* All batch sizes of one processor, smallest first, until a larger one no longer makes a request
 * cheaper. */
static void profile_processor(profiling *p, cosrel_model *m, bench_set *sets, int batches,
                              const worker *w, cost_cell *cells)
{
    backend_session *session = m->sessions[w->index];
    const cost_table *t = &p->rt->costs;
    const int done_after = p->cells_done + batches;
    worker_pin_self(&p->rt->devices->specs[w->device], &p->rt->log);
    double best = 0;
    for (int b = 0; b < batches && tell_progress(p, m->name); b++) {
        cosrel_error why;
        cost_cell cell = {.service_ns = 0};
        if (time_cell(&sets[b], session, t->batches[b], p->cell_ns, SAMPLES_MAX, &cell, &why) !=
            COSREL_OK) {
            log_info(&p->rt->log, "%s: %s: a batch of %d fails: %s", m->name, w->name,
                     t->batches[b], why.text);
            break;
        }
        cells[b] = cell;
        p->cells_done++;
        const double each = (double)cell.service_ns / t->batches[b];
        if (b > 0 && each > best)
            break;
        best = each;
    }
    batches_close_lost(t, cells, false);
    p->cells_done = done_after;
}

static void accept_cells(cosrel_model *m, const cost_cell *cells)
{
    cosrel_runtime *rt = m->rt;
    int64_t fastest_ns = 0;
    pthread_mutex_lock(&rt->lock);
    for (int i = 0; i < rt->worker_count; i++) {
        for (int b = 0; b < rt->costs.batch_count; b++) {
            const cost_cell *cell = &cells[i * rt->costs.batch_count + b];
            if (b == 0 && cell->service_ns > 0 &&
                (fastest_ns == 0 || cell->service_ns < fastest_ns))
                fastest_ns = cell->service_ns;
        }
    }
    cost_set_model(&rt->costs, m->index, cells);
    atomic_store(&m->fastest_ns, fastest_ns);
    sched_core_model_changed(rt->core, clock_now_ns(), m->index);
    pthread_mutex_unlock(&rt->lock);
}

static cosrel_status profile_model(profiling *p, cosrel_model *m, cosrel_error *err)
{
    cosrel_runtime *rt = p->rt;
    const int batches = batches_planned(p, m);
    const size_t row = (size_t)rt->costs.batch_count;
    bench_set sets[COST_BATCHES_MAX] = {{.model = NULL}};
    cost_cell *cells = calloc((size_t)rt->worker_count * row, sizeof *cells);
    if (!cells)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a profile");
    cosrel_status status = COSREL_OK;
    for (int b = 0; b < batches && status == COSREL_OK; b++)
        status = set_init(&sets[b], m, rt->costs.batches[b], err);
    if (status == COSREL_OK) {
        pthread_mutex_lock(&rt->lock);
        memcpy(cells, cost_at(&rt->costs, m->index, 0, 0),
               (size_t)rt->worker_count * row * sizeof *cells);
        pthread_mutex_unlock(&rt->lock);
    }
    for (int i = 0; i < rt->worker_count && status == COSREL_OK; i++) {
        const worker *w = &rt->workers[i];
        cost_cell *own = cells + (size_t)i * row;
        if (!is_measured(m, w) || own[0].service_ns == 0 || w->down)
            continue;
        profile_processor(p, m, sets, batches, w, own);
    }
    if (status == COSREL_OK) {
        measure_twins_follow(rt, m, cells);
        accept_cells(m, cells);
    }
    for (int b = 0; b < batches; b++) {
        if (sets[b].model)
            set_deinit(&sets[b]);
    }
    free(cells);
    return status;
}

static int count_cells(const profiling *p)
{
    int count = 0;
    for (int k = 0; k < p->rt->model_count; k++) {
        const cosrel_model *m = p->rt->models[k];
        for (int i = 0; m && !m->asleep && i < p->rt->worker_count; i++) {
            if (is_measured(m, &p->rt->workers[i]))
                count += batches_planned(p, m);
        }
    }
    return count;
}

cosrel_status cosrel_runtime_profile(cosrel_runtime *rt, const cosrel_profile_options *options,
                                     cosrel_error *err)
{
    cosrel_profile_options o = {.struct_bytes = sizeof o};
    if (options)
        memcpy(&o, options, options->struct_bytes < sizeof o ? options->struct_bytes : sizeof o);
    if (o.cell_ns < 0 || o.batch_max < 0)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "profile: cell_ns and batch_max must not be negative");
    profiling p = {.rt = rt,
                   .cell_ns = o.cell_ns ? o.cell_ns : CELL_DEFAULT_NS,
                   .batch_max = o.batch_max ? o.batch_max : BATCH_MAX_DEFAULT,
                   .start_ns = clock_now_ns()};
    cpu_list before;
    cosrel_status status = COSREL_OK;
    pthread_mutex_lock(&rt->load_lock);
    dispatch_pause(rt);
    const bool pinned = cpu_allowed(&before, NULL) == COSREL_OK;
    p.cells_all = count_cells(&p);
    for (int k = 0; k < rt->model_count && status == COSREL_OK && !p.stopped; k++) {
        if (rt->models[k] && !rt->models[k]->asleep)
            status = profile_model(&p, rt->models[k], err);
    }
    if (status == COSREL_OK && rt->progress && !p.stopped)
        (void)rt->progress(rt->progress_user, "done", 1, 0);
    if (pinned && cpu_pin_self(&before, NULL) != COSREL_OK)
        log_warning(&rt->log, "the calling thread stays pinned");
    dispatch_resume(rt);
    pthread_mutex_unlock(&rt->load_lock);
    if (status == COSREL_OK && p.stopped)
        return error_set(err, COSREL_CANCELLED,
                         "the profile was stopped; what was measured is kept");
    return status;
}

cosrel_status cosrel_runtime_save_profile(cosrel_runtime *rt, const char *path, cosrel_error *err)
{
    const cost_table *t = &rt->costs;
    char framework[48];
    pthread_mutex_lock(&rt->lock);
    table_row *rows = calloc(
        (size_t)rt->model_count * (size_t)rt->devices->count * (size_t)t->batch_count + 1,
        sizeof *rows);
    size_t count = 0;
    snprintf(framework, sizeof framework, "onnxruntime-%s", ort_version());
    for (int k = 0; rows && k < rt->model_count; k++) {
        if (!rt->models[k])
            continue;
        for (int i = 0; i < rt->worker_count; i++) {
            const worker *w = &rt->workers[i];
            const device_spec *spec = &rt->devices->specs[w->device];
            for (int b = 0; b < t->batch_count && !w->background; b++) {
                const cosrel_model *m = rt->models[k];
                const cost_cell *cell = m->asleep ? &m->kept[i * t->batch_count + b]
                                                  : cost_at(t, k, i, b);
                if (cell->service_ns == 0)
                    continue;
                rows[count++] = (table_row){
                    .device = rt->devices->cpu_name,
                    .processor = spec->name,
                    .model = rt->models[k]->name,
                    .precision = "",
                    .framework = spec->kind == DEVICE_EMULATED ? "emulated" : framework,
                    .batch = t->batches[b],
                    .latency_ms = (double)cell->service_ns / 1e6,
                    .power_w = NAN,
                    .energy_mj = cell->energy_uj ? (double)cell->energy_uj / 1e3 : NAN,
                    .source = "cosrel profile"};
            }
        }
    }
    pthread_mutex_unlock(&rt->lock);
    if (!rows)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory to write it", path);
    const cosrel_status status = table_write(path, rows, count, err);
    free(rows);
    return status;
}
