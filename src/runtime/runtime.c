/* Opening and closing, and what there is to see of a runtime. */
#include "cosrel/runtime.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "cosrel/version.h"
#include "runtime/parts.h"
#include "sched/policy.h"

const char *cosrel_version(void)
{
    return COSREL_VERSION;
}

const char *cosrel_onnxruntime_version(void)
{
    return ort_version();
}

bool cosrel_policy_at(size_t index, const char **name, const char **summary)
{
    if (index >= (size_t)policy_count())
        return false;
    const sched_policy *policy = policy_at((int)index);
    *name = policy->name;
    *summary = policy->summary;
    return true;
}

const char *cosrel_objective_at(size_t index)
{
    return objective_at(index);
}

/* ---- Opening ---- */

static cosrel_status find_devices(cosrel_runtime *rt, cosrel_error *err)
{
    rt->devices = calloc(1, sizeof *rt->devices);
    if (!rt->devices)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a runtime");
    cosrel_status status = device_discover(rt->settings.software_gpu, rt->devices, err);
    if (status == COSREL_OK)
        status = settings_add_devices(&rt->settings, rt->devices, rt->tables, err);
    if (status == COSREL_OK && rt->settings.processors)
        status = device_select(rt->devices, rt->settings.processors, err);
    if (status == COSREL_OK && rt->settings.profile)
        status = table_read(rt->settings.profile, &rt->profile, err);
    return status;
}

static int compare_workers(const void *a, const void *b)
{
    return strcmp(((const worker *)a)->name, ((const worker *)b)->name);
}

/* A worker for every processor, and a background twin for every single core: sorted by name, as the
 * core wants them. */
static void make_workers(cosrel_runtime *rt)
{
    const int count = rt->devices->count;
    for (int d = 0; d < count; d++) {
        worker *w = &rt->workers[rt->worker_count++];
        w->device = d;
        snprintf(w->name, sizeof w->name, "%s", rt->devices->specs[d].name);
    }
    for (int d = 0; d < count && rt->worker_count < RUNTIME_WORKERS_MAX; d++) {
        if (!rt->devices->specs[d].background)
            continue;
        worker *w = &rt->workers[rt->worker_count++];
        w->device = d;
        w->background = true;
        snprintf(w->name, sizeof w->name, "%s.bg", rt->devices->specs[d].name);
    }
    qsort(rt->workers, (size_t)rt->worker_count, sizeof rt->workers[0], compare_workers);
    for (int i = 0; i < rt->worker_count; i++) {
        rt->workers[i].rt = rt;
        rt->workers[i].index = i;
        rt->workers[i].retry_ns = SCHED_NEVER;
        rt->workers[i].first = &rt->workers[i];
    }
}

/* A GPU, an NPU, not one that excludes others because it computes on their cores. */
static bool computes_by_itself(const cosrel_runtime *rt, const worker *w)
{
    const device_spec *spec = &rt->devices->specs[w->device];
    for (int d = 0; d < rt->devices->count; d++)
        if (d != w->device && (rt->devices->specs[d].units & spec->units))
            return false;
    return spec->kind != DEVICE_CPU;
}

static cosrel_status make_mates(cosrel_runtime *rt)
{
    rt->mates = calloc(RUNTIME_WORKERS_MAX, sizeof *rt->mates);
    if (!rt->mates)
        return COSREL_OUT_OF_MEMORY;
    for (int i = 0; i < rt->worker_count; i++) {
        worker *first = &rt->workers[i];
        if (rt->settings.one_at_a_time || !computes_by_itself(rt, first))
            continue;
        worker *mate = &rt->mates[rt->mate_count++];
        mate->rt = rt;
        mate->index = i;
        mate->device = first->device;
        mate->first = first;
        first->mate = mate;
        memcpy(mate->name, first->name, sizeof mate->name);
    }
    return COSREL_OK;
}

/* A device that serves people starts without its policy's file too; a name that nobody knows is a
 * mistake in the configuration. */
static bool is_bad_learned(const char *policy, cosrel_status status)
{
    static const char name[] = "learned";
    const size_t length = sizeof name - 1;
    return strncmp(policy, name, length) == 0 && (policy[length] == ':' || policy[length] == 0) &&
           (status == COSREL_NOT_FOUND || status == COSREL_IO || status == COSREL_INVALID_FILE);
}

static cosrel_status make_core(cosrel_runtime *rt, cosrel_error *err)
{
    static const int32_t batches[] = {1, 2, 4, 8, 16, 32};
    sched_processor processors[RUNTIME_WORKERS_MAX];
    aside_init(rt);
    for (int i = 0; i < rt->worker_count; i++) {
        const worker *w = &rt->workers[i];
        processors[i] = (sched_processor){.name = w->name,
                                          .units = rt->devices->specs[w->device].units,
                                          .level = w->background ? 1 : 0};
    }
    sched_setup setup = {.processors = processors,
                         .processor_count = rt->worker_count,
                         .model_max = RUNTIME_MODELS_MAX,
                         .requests_max = rt->settings.requests_max,
                         .queue_len_max = rt->settings.queue_len_max,
                         .policy = rt->settings.policy,
                         .drop_late = rt->settings.drop_late,
                         .patience = SCHED_PATIENCE,
                         .objective = rt->settings.objective,
                         .learned = &rt->learned};
    if (cost_init(&rt->costs, RUNTIME_MODELS_MAX, rt->worker_count, batches,
                  sizeof batches / sizeof batches[0]) != COSREL_OK)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a runtime");
    cosrel_error why = {.text = ""};
    cosrel_status status = sched_core_create(&setup, &rt->costs, &rt->core, &why);
    if (is_bad_learned(rt->settings.policy, status)) {
        log_warning(&rt->log, "%s; '%s' serves instead", why.text, runtime_safe_policy());
        setup.policy = runtime_safe_policy();
        status = sched_core_create(&setup, &rt->costs, &rt->core, &why);
    }
    return status == COSREL_OK ? COSREL_OK : error_set(err, status, "%s", why.text);
}

static cosrel_status start(cosrel_runtime *rt, const cosrel_options *options, cosrel_error *err)
{
    cosrel_status status = settings_make(options, &rt->settings, err);
    if (status != COSREL_OK)
        return status;
    logger_init(&rt->log, COSREL_LOG_INFO, options ? options->log : NULL,
                options ? options->log_user : NULL);
    if (!options || !options->log)
        rt->log.level = COSREL_LOG_WARNING;
    rt->progress = options ? options->progress : NULL;
    rt->progress_user = options ? options->progress_user : NULL;
    status = ort_env_acquire(&rt->env, err);
    if (status == COSREL_OK)
        status = find_devices(rt, err);
    if (status != COSREL_OK)
        return status;
    make_workers(rt);
    if (make_mates(rt) != COSREL_OK)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a runtime");
    status = make_core(rt, err);
    if (status == COSREL_OK && slots_init(rt, rt->settings.requests_max) != COSREL_OK)
        status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory for %u requests",
                           rt->settings.requests_max);
    for (int i = 0; i < rt->worker_count && status == COSREL_OK; i++)
        status = worker_start(&rt->workers[i], err);
    for (int i = 0; i < rt->mate_count && status == COSREL_OK; i++)
        status = worker_start(&rt->mates[i], err);
    if (status == COSREL_OK)
        status = service_start(rt, err);
    if (status == COSREL_OK)
        status = memory_start(rt, err);
    if (status == COSREL_OK && rt->settings.measure_energy)
        energy_meter_open(&rt->energy, "");
    return status;
}

static void free_all(cosrel_runtime *rt)
{
    memory_stop(rt);
    rt->stop = true;
    for (int i = 0; i < rt->worker_count; i++)
        worker_stop(&rt->workers[i]);
    for (int i = 0; i < rt->mate_count; i++)
        worker_stop(&rt->mates[i]);
    service_stop(rt);
    for (int i = 0; i < rt->worker_count; i++)
        worker_deinit(&rt->workers[i]);
    for (int i = 0; i < rt->mate_count; i++)
        worker_deinit(&rt->mates[i]);
    free(rt->mates);
    slots_deinit(rt);
    free(rt->trail);
    while (rt->newest) {
        cosrel_model *m = rt->newest;
        rt->newest = m->older;
        model_free(m);
    }
    sched_core_free(rt->core);
    if (rt->network)
        scorer_deinit(rt->network);
    free(rt->network);
    cost_deinit(&rt->costs);
    table_free(rt->profile);
    for (int i = 0; i < DEVICE_MAX; i++)
        table_free(rt->tables[i]);
    free(rt->devices);
    ort_env_release(rt->env);
    settings_deinit(&rt->settings);
    pthread_cond_destroy(&rt->changed);
    pthread_cond_destroy(&rt->keeper_news);
    pthread_mutex_destroy(&rt->load_lock);
    pthread_mutex_destroy(&rt->lock);
    free(rt);
}

cosrel_status cosrel_runtime_open(const cosrel_options *options, cosrel_runtime **out,
                                  cosrel_error *err)
{
    *out = NULL;
    cosrel_runtime *rt = calloc(1, sizeof *rt);
    if (!rt)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a runtime");
    pthread_mutex_init(&rt->lock, NULL);
    pthread_mutex_init(&rt->load_lock, NULL);
    pthread_cond_init(&rt->changed, NULL);
    pthread_cond_init(&rt->keeper_news, NULL);
    const cosrel_status status = start(rt, options, err);
    if (status != COSREL_OK) {
        free_all(rt);
        return status;
    }
    *out = rt;
    return COSREL_OK;
}

void cosrel_runtime_close(cosrel_runtime *rt)
{
    if (!rt)
        return;
    wake_list wakes = {.count = 0};
    pthread_mutex_lock(&rt->lock);
    rt->closing = true;
    /* What is down stays down: requests that only it could run are answered UNAVAILABLE. */
    const int64_t now_ns = clock_now_ns();
    for (int i = 0; i < rt->worker_count; i++) {
        worker *w = &rt->workers[i];
        if (w->down && !w->running) {
            w->retry_ns = SCHED_NEVER;
            sched_core_processor_remove(rt->core, now_ns, i);
        }
    }
    dispatch_drain(rt, now_ns, &wakes);
    pthread_mutex_unlock(&rt->lock);
    dispatch_wake(&wakes);
    pthread_mutex_lock(&rt->lock);
    while (rt->outstanding > 0)
        pthread_cond_wait(&rt->changed, &rt->lock);
    pthread_mutex_unlock(&rt->lock);
    free_all(rt);
}

/* ---- What there is ---- */

size_t cosrel_runtime_processor_count(const cosrel_runtime *rt)
{
    return (size_t)rt->devices->count;
}

const worker *worker_of_device(const cosrel_runtime *rt, size_t device)
{
    for (int i = 0; i < rt->worker_count; i++) {
        if (!rt->workers[i].background && (size_t)rt->workers[i].device == device)
            return &rt->workers[i];
    }
    return NULL;
}

void cosrel_runtime_processor(cosrel_runtime *rt, size_t index, cosrel_processor_info *info)
{
    memset(info, 0, sizeof *info);
    const worker *w = worker_of_device(rt, index);
    if (!w)
        return;
    const device_spec *spec = &rt->devices->specs[index];
    info->name = spec->name;
    info->kind = device_kind_name(spec->kind);
    info->provider = spec->kind == DEVICE_EMULATED ? "emulated"
                     : spec->provider[0]           ? spec->provider
                                                   : "CPU";
    info->description = spec->description;
    info->cores = spec->cores;
    info->core_count = (size_t)spec->core_count;
    info->units = spec->units;
    info->background = spec->background;
    pthread_mutex_lock(&rt->lock);
    info->available = !w->down;
    pthread_mutex_unlock(&rt->lock);
}

size_t cosrel_runtime_models(cosrel_runtime *rt, cosrel_model **out, size_t room)
{
    size_t count = 0;
    pthread_mutex_lock(&rt->lock);
    for (int i = 0; i < rt->model_count; i++) {
        cosrel_model *m = rt->models[i];
        if (!m || !m->open)
            continue;
        if (count < room)
            out[count] = m;
        count++;
    }
    pthread_mutex_unlock(&rt->lock);
    return count;
}

size_t cosrel_runtime_model_count(cosrel_runtime *rt)
{
    return cosrel_runtime_models(rt, NULL, 0);
}

cosrel_model *cosrel_runtime_model(cosrel_runtime *rt, size_t index)
{
    cosrel_model *all[RUNTIME_MODELS_MAX];
    const size_t count = cosrel_runtime_models(rt, all, RUNTIME_MODELS_MAX);
    return index < count ? all[index] : NULL;
}

cosrel_model *cosrel_runtime_find_model(cosrel_runtime *rt, const char *name, int64_t version)
{
    cosrel_model *found = NULL;
    pthread_mutex_lock(&rt->lock);
    for (int i = 0; i < rt->model_count; i++) {
        cosrel_model *m = rt->models[i];
        if (!m || !m->open || strcmp(m->name, name) != 0 ||
            (version != 0 && m->info.version != version))
            continue;
        if (!found || m->info.version > found->info.version ||
            (m->info.version == found->info.version && m->loaded_as > found->loaded_as))
            found = m;
    }
    pthread_mutex_unlock(&rt->lock);
    return found;
}

const cosrel_model_info *cosrel_model_describe(const cosrel_model *model)
{
    return &model->info;
}

bool cosrel_model_is_loaded(const cosrel_model *model)
{
    pthread_mutex_lock(&model->rt->lock);
    const bool loaded = model->open;
    pthread_mutex_unlock(&model->rt->lock);
    return loaded;
}

int64_t cosrel_model_cost_ns(cosrel_runtime *rt, const cosrel_model *model, size_t processor,
                             int32_t batch)
{
    const worker *w = worker_of_device(rt, processor);
    if (!w || batch < 1)
        return 0;
    pthread_mutex_lock(&rt->lock);
    const int b = cost_batch_index(&rt->costs, batch);
    const cost_cell *cell = model->index < 0 ? NULL
                            : model->asleep  ? &model->kept[w->index * rt->costs.batch_count + b]
                                             : cost_at(&rt->costs, model->index, w->index, b);
    const int64_t cost_ns = cell && rt->costs.batches[b] == batch ? cell->service_ns : 0;
    pthread_mutex_unlock(&rt->lock);
    return cost_ns;
}

cosrel_status cosrel_runtime_set_policy(cosrel_runtime *rt, const char *policy, cosrel_error *err)
{
    wake_list wakes = {.count = 0};
    if (!policy)
        return error_set(err, COSREL_INVALID_ARGUMENT, "set_policy: no policy given");
    pthread_mutex_lock(&rt->lock);
    const int64_t now_ns = clock_now_ns();
    const cosrel_status status = sched_core_set_policy(rt->core, now_ns, policy, err);
    dispatch_drain(rt, now_ns, &wakes);
    pthread_mutex_unlock(&rt->lock);
    dispatch_wake(&wakes);
    return status;
}

/* name: "" for weights that have none. */
static void set_objective(cosrel_runtime *rt, const sched_objective *objective, const char *name)
{
    pthread_mutex_lock(&rt->lock);
    rt->settings.objective = *objective;
    snprintf(rt->settings.objective_name, sizeof rt->settings.objective_name, "%s", name);
    sched_core_set_objective(rt->core, clock_now_ns(), objective);
    if (sched_core_uses_prices(rt->core))
        service_poke(rt); /* it computes new ones */
    pthread_mutex_unlock(&rt->lock);
}

cosrel_status cosrel_runtime_set_objective(cosrel_runtime *rt, const char *objective,
                                           cosrel_error *err)
{
    sched_objective found;
    if (!objective)
        return error_set(err, COSREL_INVALID_ARGUMENT, "set_objective: no objective given");
    const cosrel_status status = objective_find(objective, &found, err);
    if (status == COSREL_OK)
        set_objective(rt, &found, objective);
    return status;
}

cosrel_status cosrel_runtime_set_weights(cosrel_runtime *rt, double latency, double miss,
                                         double energy_ns_per_uj, cosrel_error *err)
{
    const double all[] = {latency, miss, energy_ns_per_uj};
    static const char *const names[] = {"latency", "miss", "energy_ns_per_uj"};
    for (int i = 0; i < 3; i++)
        if (!isfinite(all[i]) || all[i] < 0 || (i == 0 && all[i] == 0))
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "set_weights: %s: %g is not a finite number %s 0", names[i], all[i],
                             i == 0 ? "above" : "of at least");
    set_objective(rt, &(sched_objective){latency, miss, energy_ns_per_uj}, "");
    return COSREL_OK;
}

void cosrel_runtime_on_run(cosrel_runtime *rt, cosrel_run_event_fn fn, void *user)
{
    pthread_mutex_lock(&rt->lock);
    rt->on_run = fn;
    rt->on_run_user = user;
    pthread_mutex_unlock(&rt->lock);
}
