#include "device/ort_threads.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "base/error.h"

struct ort_pool {
    int cores[DEVICE_CORES_MAX];
    int core_count;
    int next; /* core of the next thread; the first is the caller's */
    bool no_memory; /* for a thread */
    atomic_bool begun;
    pthread_mutex_t lock;
    pthread_cond_t begins;
};

typedef struct pool_thread {
    ort_pool *pool;
    pthread_t thread;
    OrtThreadWorkerFn work;
    void *arg;
    int core; /* -1: any */
} pool_thread;

static _Thread_local ort_threads_starter start_with;
static _Thread_local void *start_user;

void ort_threads_start_with(ort_threads_starter starter, void *user)
{
    start_with = starter;
    start_user = user;
}

static void *pool_main(void *arg)
{
    const pool_thread *t = arg;
    ort_pool *pool = t->pool;
    cpu_list cpus = {.count = 0};
    cpu_name_self("cosrel-pool");
    /* Where it cannot be pinned it computes all the same. */
    if (t->core >= 0 && cpu_list_add(&cpus, t->core) && cpu_pin_self(&cpus, NULL) != COSREL_OK)
        cpus.count = 0;
    pthread_mutex_lock(&pool->lock);
    while (!atomic_load(&pool->begun))
        pthread_cond_wait(&pool->begins, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    t->work(t->arg);
    return NULL;
}

/* NULL makes ONNX Runtime give up the session with an error. */
static OrtCustomThreadHandle create_thread(void *options, OrtThreadWorkerFn work, void *arg)
{
    ort_pool *pool = options;
    pool_thread *t = calloc(1, sizeof *t);
    if (!t) {
        pool->no_memory = true;
        return NULL;
    }
    const int core = pool->next < pool->core_count ? pool->cores[pool->next] : -1;
    *t = (pool_thread){.pool = pool, .work = work, .arg = arg, .core = core};
    pool->next++;
    const int failed = start_with ? start_with(start_user, &t->thread, pool_main, t)
                                  : pthread_create(&t->thread, NULL, pool_main, t);
    if (!failed)
        return (OrtCustomThreadHandle)t;
    free(t);
    return NULL;
}

static void join_thread(OrtCustomThreadHandle handle)
{
    pool_thread *t = (pool_thread *)handle;
    ort_pool_begin(t->pool); /* it may never have run */
    pthread_join(t->thread, NULL);
    free(t);
}

cosrel_status ort_pool_create(const device_spec *spec, ort_pool **out, cosrel_error *err)
{
    ort_pool *pool = *out = calloc(1, sizeof *pool);
    if (!pool)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a session");
    pool->core_count = spec->core_count;
    for (int i = 0; i < spec->core_count; i++)
        pool->cores[i] = spec->cores[i];
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->begins, NULL);
    return COSREL_OK;
}

void ort_pool_free(ort_pool *pool)
{
    if (!pool)
        return;
    pthread_cond_destroy(&pool->begins);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

cosrel_status ort_pool_set(ort_pool *pool, OrtSessionOptions *options, cosrel_error *err)
{
    const OrtApi *api = ort_api();
    pool->next = 1;
    cosrel_status status = ort_check(
        api->SessionOptionsSetCustomCreateThreadFn(options, create_thread), "threads", err);
    if (status == COSREL_OK)
        status = ort_check(api->SessionOptionsSetCustomThreadCreationOptions(options, pool),
                           "threads", err);
    if (status == COSREL_OK)
        status = ort_check(api->SessionOptionsSetCustomJoinThreadFn(options, join_thread),
                           "threads", err);
    return status;
}

bool ort_pool_had_no_memory(const ort_pool *pool)
{
    return pool->no_memory;
}

void ort_pool_begin(ort_pool *pool)
{
    if (atomic_load(&pool->begun))
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->begun, true);
    pthread_cond_broadcast(&pool->begins);
    pthread_mutex_unlock(&pool->lock);
}
