#include "runtime/watch.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "runtime/parts.h"

cosrel_status runtime_set_watch(cosrel_runtime *rt, const runtime_watch *watch, cosrel_error *err)
{
    pthread_mutex_lock(&rt->lock);
    const bool taken = watch && rt->watch.accepted;
    if (!taken) {
        rt->watch = watch ? *watch : (runtime_watch){.user = NULL};
        rt->watch_round++;
    }
    pthread_mutex_unlock(&rt->lock);
    return taken ? error_set(err, COSREL_INVALID_ARGUMENT,
                             "the runtime has a learner already; close that one first")
                 : COSREL_OK;
}

void runtime_with_lock(cosrel_runtime *rt, void (*look)(void *user), void *user)
{
    pthread_mutex_lock(&rt->lock);
    look(user);
    pthread_mutex_unlock(&rt->lock);
}

/* Locked. */
static cosrel_status copy_costs(const cosrel_runtime *rt, const int *workers, runtime_picture *out)
{
    const cost_table *from = &rt->costs;
    const cosrel_status status = cost_init(&out->costs, rt->model_count, out->processor_count,
                                           from->batches, from->batch_count);
    if (status != COSREL_OK)
        return status;
    out->costs.model_count = rt->model_count;
    for (int p = 0; p < out->processor_count; p++) {
        out->costs.processors[p] = from->processors[workers[p]];
        for (int m = 0; m < rt->model_count; m++)
            memcpy(cost_at(&out->costs, m, p, 0), cost_at(from, m, workers[p], 0),
                   (size_t)from->batch_count * sizeof *from->cells);
    }
    return COSREL_OK;
}

cosrel_status runtime_look(cosrel_runtime *rt, runtime_picture *out)
{
    int workers[RUNTIME_WORKERS_MAX];
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&rt->lock);
    for (int i = 0; i < rt->worker_count; i++) {
        const worker *w = &rt->workers[i];
        if (w->background || w->down)
            continue;
        workers[out->processor_count] = i;
        out->processors[out->processor_count++] = (sched_processor){
            .name = w->name, .units = rt->devices->specs[w->device].units};
    }
    out->objective = rt->settings.objective;
    out->drop_late = rt->settings.drop_late;
    out->unloads = rt->unloads;
    const cosrel_status status = out->processor_count > 0 && rt->model_count > 0
                                     ? copy_costs(rt, workers, out)
                                     : COSREL_UNAVAILABLE;
    pthread_mutex_unlock(&rt->lock);
    return status;
}

void runtime_picture_deinit(runtime_picture *p)
{
    cost_deinit(&p->costs);
    memset(p, 0, sizeof *p);
}

scorer *runtime_swap_network(cosrel_runtime *rt, scorer *net)
{
    pthread_mutex_lock(&rt->lock);
    scorer *before = rt->network;
    rt->network = net;
    rt->learned.net = net;
    pthread_mutex_unlock(&rt->lock);
    return before;
}

bool runtime_has_policy(cosrel_runtime *rt, const char *policy)
{
    pthread_mutex_lock(&rt->lock);
    const bool same = strcmp(sched_core_policy(rt->core), policy) == 0;
    pthread_mutex_unlock(&rt->lock);
    return same;
}

bool runtime_change_policy(cosrel_runtime *rt, const char *from, const char *to)
{
    wake_list wakes = {.count = 0};
    cosrel_error err;
    pthread_mutex_lock(&rt->lock);
    const int64_t now_ns = clock_now_ns();
    const bool changed = strcmp(sched_core_policy(rt->core), from) == 0 &&
                         sched_core_set_policy(rt->core, now_ns, to, &err) == COSREL_OK;
    if (changed)
        service_poke(rt); /* it may want prices now */
    dispatch_drain(rt, now_ns, &wakes);
    pthread_mutex_unlock(&rt->lock);
    dispatch_wake(&wakes);
    return changed;
}

const char *runtime_safe_policy(void)
{
    return "min-min";
}

const logger *runtime_log(const cosrel_runtime *rt)
{
    return &rt->log;
}
