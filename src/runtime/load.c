/* Loading models from a folder while the runtime serves. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "model/onnx_file.h"
#include "model/repository.h"
#include "runtime/parts.h"

/* Looks at the file before ONNX Runtime does: faults get a sentence, and nothing outside the folder
 * is opened. */
static cosrel_status check_file(const char *path, char hash[33], cosrel_error *err)
{
    onnx_file file;
    onnx_hash content;
    cosrel_status status = onnx_file_open(path, &file, err);
    if (status == COSREL_OK)
        status = onnx_file_hash(&file, &content, err);
    if (status == COSREL_OK)
        onnx_hash_text(&content, hash);
    onnx_file_close(&file);
    return status;
}

static bool runs_somewhere(const cosrel_runtime *rt, const cost_cell *cells)
{
    for (int i = 0; i < rt->worker_count; i++) {
        if (cells[i * rt->costs.batch_count].service_ns > 0)
            return true;
    }
    return false;
}

/* From here on requests may name it. */
static cosrel_status publish(cosrel_model *m, const cost_cell *cells, cosrel_error *err)
{
    cosrel_runtime *rt = m->rt;
    cosrel_status status = COSREL_OK;
    int64_t fastest_ns = 0;
    const int row = rt->costs.batch_count;
    for (int i = 0; i < rt->worker_count; i++) {
        const int64_t cost_ns = cells[i * row].service_ns;
        if (cost_ns > 0 && (fastest_ns == 0 || cost_ns < fastest_ns))
            fastest_ns = cost_ns;
    }
    pthread_mutex_lock(&rt->lock);
    m->index = rt->model_count;
    atomic_store(&m->fastest_ns, fastest_ns);
    cost_set_model(&rt->costs, m->index, cells);
    rt->costs.model_count = m->index + 1;
    status = sched_core_add_model(rt->core, clock_now_ns(), m->name);
    if (status == COSREL_OK)
        rt->models[rt->model_count++] = m;
    else
        rt->costs.model_count = m->index;
    pthread_mutex_unlock(&rt->lock);
    return status == COSREL_OK ? status
                               : error_set(err, status, "%s: no memory for the model", m->path);
}

static cosrel_status load_one(cosrel_runtime *rt, const repository_model *entry, cosrel_error *err)
{
    char hash[33];
    cosrel_model *m = NULL;
    if (rt->model_count == RUNTIME_MODELS_MAX)
        return error_set(err, COSREL_UNSUPPORTED, "%s: more than %d models", entry->path,
                         RUNTIME_MODELS_MAX);
    cost_cell *cells = calloc((size_t)rt->worker_count * (size_t)rt->costs.batch_count,
                              sizeof *cells);
    if (!cells)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory", entry->path);
    cosrel_status status = check_file(entry->path, hash, err);
    if (status == COSREL_OK)
        status = model_create(rt, entry->name, entry->version, entry->path, hash, &m, err);
    if (status == COSREL_OK)
        status = model_load_sessions(m, err);
    if (status == COSREL_OK)
        status = model_prepare_samples(m, err);
    if (status == COSREL_OK)
        status = measure_first(m, cells, err);
    if (status == COSREL_OK && !runs_somewhere(rt, cells))
        status = error_set(err, COSREL_UNSUPPORTED, "%s: no processor can run it", entry->path);
    if (status == COSREL_OK)
        status = publish(m, cells, err);
    if (status != COSREL_OK)
        model_free(m);
    free(cells);
    return status;
}

/* Returns false if the user wants it to stop. */
static bool tell_progress(const cosrel_runtime *rt, const char *what, size_t done, size_t all,
                          int64_t start_ns)
{
    if (!rt->progress)
        return true;
    const int64_t spent_ns = clock_now_ns() - start_ns;
    const double fraction = (double)done / (double)all;
    const int64_t left_ns = done > 0 ? (int64_t)((double)spent_ns / fraction * (1 - fraction)) : -1;
    return rt->progress(rt->progress_user, what, fraction, left_ns);
}

static cosrel_status load_all(cosrel_runtime *rt, const repository *found, cosrel_error *err)
{
    const int64_t start_ns = clock_now_ns();
    cosrel_error first = {.text = ""};
    cosrel_status first_status = COSREL_OK;
    size_t there = 0;
    for (size_t i = 0; i < found->problem_count; i++)
        log_warning(&rt->log, "%s", found->problems[i]);
    for (size_t i = 0; i < found->count; i++) {
        const repository_model *entry = &found->models[i];
        cosrel_error why = {.text = ""};
        if (!entry->latest)
            continue;
        if (!tell_progress(rt, entry->name, i, found->count, start_ns))
            return error_set(err, COSREL_CANCELLED, "loading was stopped after %zu of %zu models",
                             i, found->count);
        if (cosrel_runtime_find_model(rt, entry->name, entry->version)) {
            there++;
            continue;
        }
        const cosrel_status status = load_one(rt, entry, &why);
        if (status == COSREL_OK) {
            there++;
            continue;
        }
        log_warning(&rt->log, "%s", why.text);
        if (first_status == COSREL_OK) {
            first_status = status;
            first = why;
        }
    }
    (void)tell_progress(rt, "done", found->count, found->count, start_ns);
    if (first_status != COSREL_OK && err)
        *err = first;
    return there > 0 ? COSREL_OK : first_status;
}

cosrel_status cosrel_runtime_load(cosrel_runtime *rt, const char *path, cosrel_error *err)
{
    repository found;
    if (!path)
        return error_set(err, COSREL_INVALID_ARGUMENT, "load: no path given");
    cosrel_status status = repository_scan(path, &found, err);
    if (status != COSREL_OK)
        return status;
    pthread_mutex_lock(&rt->load_lock);
    status = load_all(rt, &found, err);
    pthread_mutex_unlock(&rt->load_lock);
    repository_deinit(&found);
    return status;
}
