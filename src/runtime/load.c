/* Loading models from a folder while the runtime serves: what of the folder is wanted, and how one
 * comes in. How one goes: unload.c. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "model/onnx_content.h"
#include "model/repository.h"
#include "runtime/parts.h"

/* Looks at the file before ONNX Runtime does: faults get a sentence, and nothing outside the folder
 * is opened. */
typedef struct looking {
    const char *path;
    onnx_content *content;
    cosrel_status status;
    cosrel_error *err;
} looking;

static void look_into(void *arg)
{
    looking *l = arg;
    l->status = onnx_content_read(l->path, l->content, l->err);
}

static bool runs_somewhere(const cosrel_runtime *rt, const cost_cell *cells)
{
    for (int i = 0; i < rt->worker_count; i++) {
        if (cells[i * rt->costs.batch_count].service_ns > 0)
            return true;
    }
    return false;
}

/* ---- One model ---- */

/* How much longer a run takes than one of the version before, by the processor that says least: a
 * trial beneath others' runs finds cold caches. What lies within the trials' scatter is none
 * (chosen: a quarter to twice that on the machines seen). Locked. */
static double factor_to(const cosrel_model *m, const cosrel_model *before, const cost_cell *cells)
{
    const cost_table *t = &m->rt->costs;
    double least = 0;
    for (int p = 0; p < t->processor_count; p++) {
        const int64_t own_ns = cells[(size_t)p * (size_t)t->batch_count].service_ns;
        const int64_t old_ns = cost_at(t, before->index, p, 0)->service_ns;
        const double factor = old_ns > 0 ? (double)own_ns / (double)old_ns : 0;
        if (factor > 0 && (least <= 0 || factor < least))
            least = factor;
    }
    return least > 0.75 && least < 1.5 ? 1 : least;
}

/* What a version was tried with, gently, differs from processor to processor by more than the
 * processors do, and whoever schedules by it leaves one idle. So it is expected to take what the
 * one before it takes, times one factor. Locked. */
static void inherit_times(const cosrel_model *m, const cosrel_model *before, cost_cell *cells)
{
    const cost_table *t = &m->rt->costs;
    const double factor = factor_to(m, before, cells);
    for (int p = 0; p < t->processor_count; p++) {
        cost_cell *own = cells + (size_t)p * (size_t)t->batch_count;
        const int64_t old_ns = cost_at(t, before->index, p, 0)->service_ns;
        if (own->service_ns > 0 && old_ns > 0)
            own->service_ns = (int64_t)(factor * (double)old_ns) + 1;
    }
}

/* Where nothing is known of a model's batches, those of the version before it are taken, at the
 * same ratio to a run of one request: while others are served, measuring them would cost more than
 * it tells. They are guesses, which the first run of each puts right: ratios of ratios would go
 * anywhere. Locked. */
static void inherit_batches(const cosrel_model *m, const cosrel_model *before, cost_cell *cells)
{
    const cost_table *t = &m->rt->costs;
    for (int p = 0; p < t->processor_count; p++) {
        cost_cell *own = cells + (size_t)p * (size_t)t->batch_count;
        const cost_cell *old = cost_at(t, before->index, p, 0);
        if (own[0].service_ns == 0 || old[0].service_ns == 0)
            continue;
        for (int b = 1; b < t->batch_count; b++)
            if (own[b].service_ns == 0 && old[b].service_ns == 0)
                own[b].closed_until_ns = old[b].closed_until_ns;
            else if (own[b].service_ns == 0 && !old[b].trial)
                own[b] = (cost_cell){
                    .service_ns = (int64_t)((double)old[b].service_ns * (double)own[0].service_ns /
                                            (double)old[0].service_ns),
                    .trial = true};
    }
}

static int64_t fastest_of(const cosrel_runtime *rt, const cost_cell *cells)
{
    int64_t fastest_ns = 0;
    for (int i = 0; i < rt->worker_count; i++) {
        const int64_t cost_ns = cells[i * rt->costs.batch_count].service_ns;
        if (cost_ns > 0 && (fastest_ns == 0 || cost_ns < fastest_ns))
            fastest_ns = cost_ns;
    }
    return fastest_ns;
}

/* A place in the core and the cost table, where no processor can run it yet. */
static cosrel_status take_place(cosrel_model *m, cosrel_error *err)
{
    cosrel_runtime *rt = m->rt;
    pthread_mutex_lock(&rt->lock);
    const int index = sched_core_next_model(rt->core);
    const int count = rt->costs.model_count;
    cosrel_status status = index < RUNTIME_MODELS_MAX ? COSREL_OK : COSREL_UNSUPPORTED;
    if (status == COSREL_OK) {
        if (index >= count)
            rt->costs.model_count = index + 1;
        status = sched_core_add_model(rt->core, clock_now_ns(), m->name);
    }
    if (status == COSREL_OK) {
        m->index = index;
        m->open = false;
        rt->models[index] = m;
        if (index >= rt->model_count)
            rt->model_count = index + 1;
    } else {
        rt->costs.model_count = count;
    }
    pthread_mutex_unlock(&rt->lock);
    if (status == COSREL_UNSUPPORTED)
        return error_set(err, status, "%s: more than %d models", m->path, RUNTIME_MODELS_MAX);
    return status == COSREL_OK ? status
                               : error_set(err, status, "%s: no memory for the model", m->path);
}

/* From here on requests may name it. */
static void open_to_all(cosrel_model *m, const cosrel_model *before, bool gently, cost_cell *cells)
{
    cosrel_runtime *rt = m->rt;
    pthread_mutex_lock(&rt->lock);
    if (before && before->index >= 0 && gently)
        inherit_times(m, before, cells);
    if (before && before->info.batchable && m->info.batchable)
        inherit_batches(m, before, cells);
    cost_set_model(&rt->costs, m->index, cells);
    if (before && before->index >= 0)
        sched_core_succeed(rt->core, before->index, m->index);
    sched_core_model_changed(rt->core, clock_now_ns(), m->index);
    atomic_store(&m->fastest_ns, fastest_of(rt, cells));
    m->open = true;
    m->used_ns = m->awake_ns = clock_now_ns();
    m->loaded_as = ++rt->loads;
    if (sched_core_uses_prices(rt->core))
        service_poke(rt); /* it computes new ones */
    pthread_mutex_unlock(&rt->lock);
}

/* The handle of the same file, if it was unloaded; NULL: it never was. */
static cosrel_model *find_unloaded(cosrel_runtime *rt, const repository_model *entry,
                                   const char *hash)
{
    pthread_mutex_lock(&rt->lock);
    cosrel_model *m = rt->newest;
    while (m && (m->index >= 0 || m->info.version != entry->version ||
                 strcmp(m->name, entry->name) != 0 || strcmp(m->path, entry->path) != 0 ||
                 strcmp(m->source.content.hash, hash) != 0))
        m = m->older;
    pthread_mutex_unlock(&rt->lock);
    return m;
}

static cosrel_status try_out(cosrel_model *m, const cosrel_model *before, cost_cell *cells,
                             bool gently, cosrel_error *err)
{
    const cosrel_status status = trial_run(m, gently, cells, err);
    if (status != COSREL_OK)
        return status;
    if (!runs_somewhere(m->rt, cells))
        return error_set(err, COSREL_UNSUPPORTED, "%s: no processor can run it", m->path);
    if (m->finite)
        return COSREL_OK;
    /* Some models give such numbers on purpose; one whose predecessor did not is broken. */
    if (before && before->finite)
        return error_set(err, COSREL_INVALID_MODEL,
                         "%s: its outputs hold numbers that are not finite; version %lld's did not",
                         m->path, (long long)before->info.version);
    log_warning(&m->rt->log, "%s: its outputs hold numbers that are not finite", m->path);
    return COSREL_OK;
}

/* What is not loaded is of no use to anybody but for a handle that somebody may have. */
static void give_up(cosrel_model *m, bool had_handle)
{
    cosrel_runtime *rt = m->rt;
    pthread_mutex_lock(&rt->lock);
    const bool idle = m->index < 0 || model_leave(m, 0);
    if (!idle && !had_handle) { /* a run of it hangs: it goes when the runtime is closed */
        m->older = rt->newest;
        rt->newest = m;
    }
    pthread_mutex_unlock(&rt->lock);
    if (!idle)
        return;
    if (had_handle)
        model_close_sessions(m, false);
    else
        model_free(m);
}

/* Takes the content over where it comes to a model. */
static cosrel_status load_one(cosrel_runtime *rt, const repository_model *entry,
                              onnx_content *content, bool gently, cosrel_error *err)
{
    const cosrel_model *before = cosrel_runtime_find_model(rt, entry->name, 0);
    cost_cell *cells = calloc((size_t)rt->worker_count * (size_t)rt->costs.batch_count,
                              sizeof *cells);
    if (!cells)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory", entry->path);
    cosrel_status status = COSREL_OK;
    cosrel_model *m = find_unloaded(rt, entry, content->hash);
    const bool had_handle = m != NULL;
    if (!m)
        status = model_create(rt, entry->name, entry->version, entry->path, &m, err);
    if (status == COSREL_OK) {
        onnx_content_deinit(&m->source.content);
        m->source.content = *content;
        m->bytes = content->bytes;
        *content = (onnx_content){.bytes = 0};
        status = memory_make_room(m, err);
    }
    if (status == COSREL_OK)
        status = model_load_sessions(m, gently, err);
    if (status == COSREL_OK)
        status = model_prepare_samples(m, err);
    if (status == COSREL_OK)
        status = take_place(m, err);
    if (status == COSREL_OK)
        status = try_out(m, before, cells, gently, err);
    if (status == COSREL_OK && !had_handle) {
        pthread_mutex_lock(&rt->lock);
        m->older = rt->newest;
        rt->newest = m;
        pthread_mutex_unlock(&rt->lock);
    }
    if (status == COSREL_OK)
        open_to_all(m, before, gently, cells);
    else if (m)
        give_up(m, had_handle);
    free(cells);
    return status;
}

/* ---- A folder ---- */

typedef struct loading {
    cosrel_runtime *rt;
    const repository *found;
    cosrel_load_options options;
    int64_t start_ns;
    size_t tried, there;
    cosrel_error first; /* what went wrong first, and its status */
    cosrel_status first_status;
} loading;

/* Returns false if the user wants it to stop. */
static bool tell_progress(const loading *l, const char *what, size_t done)
{
    const cosrel_runtime *rt = l->rt;
    if (!rt->progress)
        return true;
    const int64_t spent_ns = clock_now_ns() - l->start_ns;
    const double fraction = (double)done / (double)l->found->count;
    const int64_t left_ns = done > 0 ? (int64_t)((double)spent_ns / fraction * (1 - fraction)) : -1;
    return rt->progress(rt->progress_user, what, fraction, left_ns);
}

static bool same_name(const repository *r, size_t a, size_t b)
{
    return strcmp(r->models[a].name, r->models[b].name) == 0;
}

static bool is_wanted(const loading *l, size_t i)
{
    const bool named = !l->options.name || strcmp(l->options.name, l->found->models[i].name) == 0;
    return named && repository_is_among_highest(l->found, i, l->options.versions);
}

/* That it is there is enough, unless changes are to be followed. */
static bool is_there(const loading *l, const repository_model *entry)
{
    const cosrel_model *m = cosrel_runtime_find_model(l->rt, entry->name, entry->version);
    return m && (!l->options.follow || (strcmp(m->path, entry->path) == 0 &&
                                        onnx_content_is_current(&m->source.content, entry->path)));
}

/* Somebody has written to the file, perhaps the same as before. */
static bool holds_the_same(const loading *l, const repository_model *entry, onnx_content *content)
{
    cosrel_model *m = cosrel_runtime_find_model(l->rt, entry->name, entry->version);
    if (!m || strcmp(m->path, entry->path) != 0 ||
        strcmp(m->source.content.hash, content->hash) != 0)
        return false;
    const onnx_content before = m->source.content;
    m->source.content = *content;
    *content = before;
    return true;
}

/* False: it could not be loaded. */
static bool see_to(loading *l, const repository_model *entry)
{
    cosrel_error why = {.text = ""};
    cosrel_status status = COSREL_OK;
    l->tried++;
    if (!is_there(l, entry)) {
        onnx_content content = {.bytes = 0};
        looking now = {.path = entry->path, .content = &content, .err = &why};
        quiet_run(l->rt, l->options.gently, look_into, &now);
        status = now.status;
        if (status == COSREL_OK && !holds_the_same(l, entry, &content))
            status = load_one(l->rt, entry, &content, l->options.gently, &why);
        onnx_content_deinit(&content);
    }
    if (status == COSREL_OK) {
        l->there++;
        return true;
    }
    log_warning(&l->rt->log, "%s", why.text);
    if (l->first_status == COSREL_OK) {
        l->first_status = status;
        l->first = why;
    }
    return false;
}

/* Whether what is loaded is what the folder offers; its file may have changed since. */
static bool is_offered(const loading *l, const cosrel_model *m)
{
    for (size_t i = 0; i < l->found->count; i++) {
        const repository_model *entry = &l->found->models[i];
        if (is_wanted(l, i) && entry->version == m->info.version &&
            strcmp(entry->name, m->name) == 0)
            return cosrel_runtime_find_model(l->rt, m->name, m->info.version) == m;
    }
    return false;
}

static bool is_within(const char *path, const char *folder)
{
    const size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 &&
           (length == 0 || folder[length - 1] == '/' || path[length] == '/' || path[length] == 0);
}

/* Unloads what the folder offers no longer of this name; NULL: of names that are not in it at all.
 */
static void let_go(const loading *l, const char *folder, const char *name)
{
    cosrel_model *all[RUNTIME_MODELS_MAX];
    const size_t count = cosrel_runtime_models(l->rt, all, RUNTIME_MODELS_MAX);
    for (size_t k = 0; k < count; k++) {
        bool mine = !l->options.name || strcmp(l->options.name, all[k]->name) == 0;
        if (name)
            mine &= strcmp(all[k]->name, name) == 0;
        for (size_t i = 0; !name && i < l->found->count && mine; i++)
            mine = strcmp(l->found->models[i].name, all[k]->name) != 0;
        cosrel_error why = {.text = ""};
        if (mine && is_within(all[k]->path, folder) && !is_offered(l, all[k]) &&
            unload_model(l->rt, all[k], l->options.patience_ns, &why) != COSREL_OK)
            log_warning(&l->rt->log, "%s", why.text);
    }
}

static cosrel_status load_all(loading *l, const char *folder, cosrel_error *err)
{
    const repository *found = l->found;
    for (size_t i = 0; i < found->problem_count; i++)
        log_warning(&l->rt->log, "%s", found->problems[i]);
    for (size_t i = 0; i < found->count;) {
        const size_t first = i;
        bool good = true;
        for (; i < found->count && same_name(found, first, i); i++) {
            if (!is_wanted(l, i))
                continue;
            if (!tell_progress(l, found->models[i].name, i))
                return error_set(err, COSREL_CANCELLED,
                                 "loading was stopped after %zu of %zu models", i, found->count);
            good &= see_to(l, &found->models[i]);
        }
        if (l->options.follow && good)
            let_go(l, folder, found->models[first].name);
    }
    if (l->options.follow)
        let_go(l, folder, NULL);
    (void)tell_progress(l, "done", found->count);
    if (l->tried == 0)
        return error_set(err, COSREL_NOT_FOUND, "%s: there is no model '%.200s'", folder,
                         l->options.name);
    if (l->first_status != COSREL_OK && err)
        *err = l->first;
    return l->there > 0 && !l->options.follow ? COSREL_OK : l->first_status;
}

/* Optimising leaves the heap with free memory among what is used (40 MB of ten models of 100 MB).
 * The kernel gets it back, for which others who want memory wait some milliseconds. */
static void give_back_memory(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

void cosrel_load_options_init(cosrel_load_options *options)
{
    *options = (cosrel_load_options){.struct_bytes = sizeof *options};
}

cosrel_status cosrel_runtime_load_models(cosrel_runtime *rt, const char *path,
                                         const cosrel_load_options *options, cosrel_error *err)
{
    repository found;
    loading l = {.rt = rt, .found = &found};
    if (!path)
        return error_set(err, COSREL_INVALID_ARGUMENT, "load: no path given");
    if (options)
        memcpy(&l.options, options,
               options->struct_bytes < sizeof l.options ? options->struct_bytes : sizeof l.options);
    if (l.options.versions == 0)
        l.options.versions = 1;
    cosrel_status status = repository_scan(path, &found, err);
    if (status != COSREL_OK)
        return status;
    pthread_mutex_lock(&rt->load_lock);
    l.start_ns = clock_now_ns();
    status = load_all(&l, path, err);
    if (!l.options.gently)
        give_back_memory();
    pthread_mutex_unlock(&rt->load_lock);
    repository_deinit(&found);
    return status;
}

cosrel_status cosrel_runtime_load(cosrel_runtime *rt, const char *path, cosrel_error *err)
{
    return cosrel_runtime_load_models(rt, path, NULL, err);
}
