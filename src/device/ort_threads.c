#include "device/ort_threads.h"

#include <stdlib.h>

#include "base/cpu.h"

static _Thread_local ort_threads_starter start_with;
static _Thread_local void *start_user;

/* Of the session whose options were made last. Its first core is its caller's. */
static _Thread_local const device_spec *pool_spec;
static _Thread_local int pool_next;

typedef struct pool_thread {
    pthread_t thread;
    OrtThreadWorkerFn work;
    void *arg;
    int core; /* -1: any */
} pool_thread;

static void *pool_main(void *arg)
{
    const pool_thread *t = arg;
    cpu_list cpus = {.count = 0};
    cpu_name_self("cosrel-pool");
    /* Where it cannot be pinned it computes all the same. */
    if (t->core >= 0 && cpu_list_add(&cpus, t->core) && cpu_pin_self(&cpus, NULL) != COSREL_OK)
        cpus.count = 0;
    t->work(t->arg);
    return NULL;
}

/* NULL makes ONNX Runtime give up the session with an error. */
static OrtCustomThreadHandle create_thread(void *options, OrtThreadWorkerFn work, void *arg)
{
    pool_thread *t = calloc(1, sizeof *t);
    (void)options;
    if (!t)
        return NULL;
    const bool known = pool_spec && pool_next < pool_spec->core_count;
    *t = (pool_thread){.work = work, .arg = arg, .core = known ? pool_spec->cores[pool_next] : -1};
    pool_next++;
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
    pthread_join(t->thread, NULL);
    free(t);
}

void ort_threads_start_with(ort_threads_starter starter, void *user)
{
    start_with = starter;
    start_user = user;
}

cosrel_status ort_threads_set(const device_spec *spec, OrtSessionOptions *options,
                              cosrel_error *err)
{
    const OrtApi *api = ort_api();
    pool_spec = spec;
    pool_next = 1;
    const cosrel_status status = ort_check(
        api->SessionOptionsSetCustomCreateThreadFn(options, create_thread), "threads", err);
    return status == COSREL_OK
               ? ort_check(api->SessionOptionsSetCustomJoinThreadFn(options, join_thread),
                           "threads", err)
               : status;
}
