#include "ort_baseline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "device/ort.h"
#include "workload/source.h"

static const ort_baseline KINDS[] = {
    {.name = "ort-default",
     .summary = "ONNX Runtime, one session per model, default options",
     .spinning = true},
    {.name = "ort-nospin", .summary = "the same without spinning threads"},
    {.name = "ort-1thread", .summary = "one thread per session", .threads = 1},
    {.name = "ort-globalpool",
     .summary = "one thread pool for all sessions, without spinning",
     .global_pool = true},
};
enum { KIND_COUNT = sizeof KINDS / sizeof KINDS[0], OUTPUTS_MAX = 256 };

/* One stream's requests that have arrived and are not served yet; a ring that grows. */
typedef struct waiting {
    source_request *requests;
    size_t first, count, capacity; /* a power of two */
    pthread_cond_t more;
} waiting;

typedef struct baseline {
    const ort_baseline *kind;
    const bench_job *job;
    bench_run *run;
    OrtEnv *env;
    OrtSessionOptions *options;
    OrtSession **sessions; /* per model */
    OrtValue ***inputs;    /* per model, per input */
    int64_t base_ns;       /* when the source's time begins */
    pthread_mutex_t lock;  /* guards what follows and run->problem */
    pthread_cond_t earlier;
    int64_t awaited_ns; /* until when the generator sleeps; 0: it does not */
    source *requests;
    waiting *queues; /* per stream */
} baseline;

typedef struct client {
    baseline *all;
    const workload_stream *spec;
    int stream;
    int number; /* among the stream's clients */
    int model;
    pthread_t thread;
    bool started;
} client;

const ort_baseline *ort_baseline_at(size_t index)
{
    return index < KIND_COUNT ? &KINDS[index] : NULL;
}

const ort_baseline *ort_baseline_find(const char *name)
{
    for (int i = 0; i < KIND_COUNT; i++)
        if (strcmp(KINDS[i].name, name) == 0)
            return &KINDS[i];
    return NULL;
}

const ort_baseline *ort_baseline_alone(void)
{
    return &KINDS[0];
}

static cosrel_status make_env(baseline *b, cosrel_error *err)
{
    const OrtApi *api = ort_api();
    if (!b->kind->global_pool)
        return ort_env_acquire(&b->env, err);
    OrtThreadingOptions *threading;
    cosrel_status status = ort_check(api->CreateThreadingOptions(&threading), "ONNX Runtime", err);
    if (status != COSREL_OK)
        return status;
    status = ort_check(api->SetGlobalSpinControl(threading, b->kind->spinning), "ONNX Runtime",
                       err);
    if (status == COSREL_OK)
        status = ort_check(api->CreateEnvWithGlobalThreadPools(ORT_LOGGING_LEVEL_ERROR, "cosrel",
                                                               threading, &b->env),
                           "ONNX Runtime", err);
    api->ReleaseThreadingOptions(threading);
    return status;
}

static cosrel_status make_options(baseline *b, cosrel_error *err)
{
    const OrtApi *api = ort_api();
    cosrel_status status = ort_check(api->CreateSessionOptions(&b->options), "ONNX Runtime", err);
    if (status == COSREL_OK && !b->kind->spinning)
        status = ort_check(
            api->AddSessionConfigEntry(b->options, "session.intra_op.allow_spinning", "0"),
            "ONNX Runtime", err);
    if (status == COSREL_OK && b->kind->threads)
        status = ort_check(api->SetIntraOpNumThreads(b->options, b->kind->threads), "ONNX Runtime",
                           err);
    if (status == COSREL_OK && b->kind->global_pool)
        status = ort_check(api->DisablePerSessionThreads(b->options), "ONNX Runtime", err);
    return status;
}

static cosrel_status infer(const baseline *b, int model, cosrel_error *err)
{
    const OrtApi *api = ort_api();
    const bench_model *m = &b->job->models[model];
    const char *input_names[OUTPUTS_MAX];
    OrtValue *outputs[OUTPUTS_MAX] = {NULL};
    for (size_t i = 0; i < m->in.count; i++)
        input_names[i] = m->in.views[i].name;
    OrtStatus *ran = api->Run(b->sessions[model], NULL, input_names,
                              (const OrtValue *const *)b->inputs[model], m->in.count,
                              (const char *const *)m->output_names, m->output_count, outputs);
    for (size_t i = 0; i < m->output_count; i++)
        if (outputs[i])
            api->ReleaseValue(outputs[i]);
    return ort_check(ran, m->name, err);
}

static cosrel_status open_model(baseline *b, int model, cosrel_error *err)
{
    const bench_model *m = &b->job->models[model];
    if (m->in.count > OUTPUTS_MAX || m->output_count > OUTPUTS_MAX)
        return error_set(err, COSREL_UNSUPPORTED, "%s: more than %d inputs or outputs", m->path,
                         OUTPUTS_MAX);
    cosrel_status status = ort_check(
        ort_api()->CreateSession(b->env, m->path, b->options, &b->sessions[model]), m->path, err);
    if (status != COSREL_OK)
        return status;
    b->inputs[model] = calloc(m->in.count + 1, sizeof *b->inputs[model]);
    if (!b->inputs[model])
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory", m->path);
    for (size_t i = 0; i < m->in.count && status == COSREL_OK; i++)
        status = ort_value_wrap(&m->in.views[i], &b->inputs[model][i], err);
    /* The first run allocates. */
    return status == COSREL_OK ? infer(b, model, err) : status;
}

static void close_all(baseline *b)
{
    const OrtApi *api = ort_api();
    for (int m = 0; m < b->job->model_count; m++) {
        for (size_t i = 0; b->inputs && b->inputs[m] && i < b->job->models[m].in.count; i++)
            if (b->inputs[m][i])
                api->ReleaseValue(b->inputs[m][i]);
        if (b->inputs)
            free(b->inputs[m]);
        if (b->sessions && b->sessions[m])
            api->ReleaseSession(b->sessions[m]);
    }
    free(b->inputs);
    free(b->sessions);
    if (b->options)
        api->ReleaseSessionOptions(b->options);
    ort_env_release(b->env);
}

static cosrel_status open_all(baseline *b, cosrel_error *err)
{
    b->sessions = calloc((size_t)b->job->model_count, sizeof *b->sessions);
    b->inputs = calloc((size_t)b->job->model_count, sizeof *b->inputs);
    if (!b->sessions || !b->inputs)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for sessions");
    cosrel_status status = make_env(b, err);
    if (status == COSREL_OK)
        status = make_options(b, err);
    for (int m = 0; m < b->job->model_count && status == COSREL_OK; m++)
        status = open_model(b, m, err);
    return status;
}

static bool is_over(const bench_run *run)
{
    return clock_now_ns() >= atomic_load(&run->end_ns);
}

/* A failed allocation loses the request, and is told in the end. */
static void enqueue(baseline *b, const source_request *r)
{
    waiting *q = &b->queues[r->stream];
    if (q->count == q->capacity) {
        const size_t capacity = q->capacity ? 2 * q->capacity : 64;
        source_request *grown = malloc(capacity * sizeof *grown);
        if (!grown) {
            snprintf(b->run->problem, sizeof b->run->problem, "no memory for arrivals");
            return;
        }
        for (size_t i = 0; i < q->count; i++)
            grown[i] = q->requests[(q->first + i) & (q->capacity - 1)];
        free(q->requests);
        q->requests = grown;
        q->capacity = capacity;
        q->first = 0;
    }
    q->requests[(q->first + q->count++) & (q->capacity - 1)] = *r;
    pthread_cond_signal(&q->more);
}

static bool dequeue(waiting *q, source_request *r)
{
    if (q->count == 0)
        return false;
    *r = q->requests[q->first];
    q->first = (q->first + 1) & (q->capacity - 1);
    q->count--;
    return true;
}

/* Under the lock: gives what has arrived by then to its stream's clients. The generator must not
 * oversleep what comes next. */
static void pass_on(baseline *b, int64_t now_ns)
{
    while (source_next_ns(b->requests) <= now_ns - b->base_ns) {
        source_request r;
        source_pop(b->requests, &r);
        enqueue(b, &r);
    }
    if (source_next_ns(b->requests) < b->awaited_ns - b->base_ns)
        pthread_cond_signal(&b->earlier);
}

/* Waits on `wake` until then, and at most 20 ms (chosen: a Ctrl-C moves the end nearer). */
static int64_t wait_until(baseline *b, pthread_cond_t *wake, int64_t when_ns, int64_t *awaited_ns)
{
    const int64_t limit_ns = clock_now_ns() + 20000000;
    const int64_t until_ns = when_ns < limit_ns ? when_ns : limit_ns;
    const struct timespec until = {.tv_sec = until_ns / 1000000000,
                                   .tv_nsec = (long)(until_ns % 1000000000)};
    if (awaited_ns)
        *awaited_ns = until_ns;
    pthread_cond_timedwait(wake, &b->lock, &until);
    if (awaited_ns)
        *awaited_ns = 0;
    return clock_now_ns();
}

/* Requests arrive whether or not their stream's client is free. */
static void *generate(void *user)
{
    baseline *b = user;
    cpu_name_self("bench-arrivals");
    pthread_mutex_lock(&b->lock);
    for (int64_t now_ns = clock_now_ns(); now_ns < atomic_load(&b->run->end_ns);) {
        pass_on(b, now_ns);
        const int64_t next_ns = source_next_ns(b->requests);
        now_ns = wait_until(b, &b->earlier, next_ns == INT64_MAX ? next_ns : b->base_ns + next_ns,
                            &b->awaited_ns);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

static int64_t deadline_of(const baseline *b, const source_request *r)
{
    return r->deadline_ns == INT64_MAX ? 0 : b->base_ns + r->deadline_ns;
}

/* One inference. False: it failed, and the client ends. */
static bool serve(client *c, const char *track, const source_request *r)
{
    bench_run *run = c->all->run;
    cosrel_error err = {""};
    const int64_t deadline_ns = deadline_of(c->all, r);
    const int64_t started_ns = clock_now_ns();
    const bool ok = infer(c->all, c->model, &err) == COSREL_OK;
    const int64_t done_ns = clock_now_ns();
    bench_run_answer(run, c->model, c->all->base_ns + r->t_ns, deadline_ns, done_ns, ok);
    bench_run_span(run, track, c->model, started_ns, done_ns, 1);
    if (deadline_ns && done_ns > deadline_ns)
        bench_run_late(run, c->model, started_ns);
    if (!ok) {
        pthread_mutex_lock(&c->all->lock);
        snprintf(run->problem, sizeof run->problem, "%.250s", err.text);
        pthread_mutex_unlock(&c->all->lock);
    }
    return ok;
}

/* The stream's next request; false: the window is over. */
static bool take(client *c, source_request *r)
{
    baseline *b = c->all;
    waiting *q = &b->queues[c->stream];
    bool taken = false;
    pthread_mutex_lock(&b->lock);
    while (!is_over(b->run) && !(taken = dequeue(q, r)))
        (void)wait_until(b, &q->more, INT64_MAX, NULL);
    pthread_mutex_unlock(&b->lock);
    return taken;
}

static void *client_main(void *user)
{
    client *c = user;
    baseline *b = c->all;
    char track[96];
    source_request r;
    snprintf(track, sizeof track, c->number ? "session %.80s, client %d" : "session %.80s",
             c->spec->model, c->number + 1);
    cpu_name_self("bench-client");
    while (take(c, &r)) {
        const bool ok = serve(c, track, &r);
        pthread_mutex_lock(&b->lock);
        source_answered(b->requests, clock_now_ns() - b->base_ns, r.id, ok);
        /* A closed stream's next request is there at once, without the generator. */
        if (!is_over(b->run))
            pass_on(b, clock_now_ns());
        pthread_mutex_unlock(&b->lock);
        if (!ok)
            break;
    }
    return NULL;
}

/* Those that came and were never served. */
static void count_unserved(baseline *b)
{
    const int64_t end_ns = atomic_load(&b->run->end_ns);
    pass_on(b, end_ns - 1);
    for (uint32_t i = 0; i < b->job->work->stream_count; i++) {
        source_request r;
        while (dequeue(&b->queues[i], &r))
            if (b->job->work->streams[i].kind != WORKLOAD_CLOSED && r.deadline_ns != INT64_MAX)
                bench_run_answer(b->run, b->job->stream_models[i], b->base_ns + r.t_ns,
                                 deadline_of(b, &r), INT64_MAX, false);
    }
}

/* A closed stream has as many clients as it has requests in flight, all on the model's one session;
 * every other stream has one. */
static uint32_t clients_of(const workload_stream *spec)
{
    return spec->kind == WORKLOAD_CLOSED ? spec->in_flight : 1;
}

static size_t count_clients(const bench_job *job)
{
    size_t count = 0;
    for (uint32_t i = 0; i < job->work->stream_count; i++)
        count += clients_of(&job->work->streams[i]);
    return count;
}

static cosrel_status start_clients(baseline *b, client *clients, cosrel_error *err)
{
    client *c = clients;
    for (uint32_t i = 0; i < b->job->work->stream_count; i++) {
        const workload_stream *spec = &b->job->work->streams[i];
        for (uint32_t k = 0; k < clients_of(spec); k++, c++) {
            *c = (client){.all = b,
                          .spec = spec,
                          .stream = (int)i,
                          .number = (int)k,
                          .model = b->job->stream_models[i]};
            c->started = pthread_create(&c->thread, NULL, client_main, c) == 0;
            if (!c->started)
                return error_set(err, COSREL_OUT_OF_MEMORY, "a client thread could not be started");
        }
    }
    return COSREL_OK;
}

static cosrel_status drive(baseline *b, client *clients, size_t count, bool *counted,
                           cosrel_error *err)
{
    pthread_t generator;
    cosrel_status status = start_clients(b, clients, err);
    const bool generating = status == COSREL_OK &&
                            pthread_create(&generator, NULL, generate, b) == 0;
    if (generating)
        *counted = bench_run_wait(b->run, NULL, NULL);
    else
        atomic_store(&b->run->end_ns, 0);
    if (generating)
        pthread_join(generator, NULL);
    for (size_t i = 0; i < count; i++) {
        if (clients[i].started)
            pthread_join(clients[i].thread, NULL);
    }
    if (generating)
        count_unserved(b);
    else if (status == COSREL_OK)
        status = error_set(err, COSREL_OUT_OF_MEMORY,
                           "a thread for the arrivals could not be started");
    return status;
}

static cosrel_status make_source(baseline *b, cosrel_error *err)
{
    const bench_job *job = b->job;
    const uint32_t streams = job->work->stream_count;
    pthread_condattr_t monotonic;
    const char **names = calloc((size_t)job->model_count + 1, sizeof *names);
    b->queues = calloc((size_t)streams + 1, sizeof *b->queues);
    if (!names || !b->queues) {
        free(names);
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for clients");
    }
    for (int i = 0; i < job->model_count; i++)
        names[i] = job->models[i].name;
    const cosrel_status status = source_create(job->work, names, job->model_count, job->seed,
                                               INT64_MAX, &b->requests, err);
    free(names);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&b->earlier, &monotonic);
    for (uint32_t i = 0; i < streams; i++)
        pthread_cond_init(&b->queues[i].more, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return status;
}

static void free_source(baseline *b)
{
    for (uint32_t i = 0; b->queues && i < b->job->work->stream_count; i++)
        free(b->queues[i].requests);
    free(b->queues);
    source_free(b->requests);
}

cosrel_status ort_baseline_run(const ort_baseline *kind, const bench_job *job, const char *policy,
                               int round, bool with_timeline, bench_run *run, bool *counted,
                               cosrel_error *err)
{
    baseline b = {.kind = kind, .job = job, .run = run};
    *counted = false;
    pthread_mutex_init(&b.lock, NULL);
    const size_t client_count = count_clients(job);
    client *clients = calloc(client_count + 1, sizeof *clients);
    cosrel_status status = clients ? open_all(&b, err)
                                   : error_set(err, COSREL_OUT_OF_MEMORY, "no memory for clients");
    if (status == COSREL_OK)
        status = make_source(&b, err);
    if (status == COSREL_OK)
        status = bench_run_begin(run, job, policy, round, with_timeline, err);
    if (status == COSREL_OK) {
        b.base_ns = run->start_ns - (int64_t)(job->warmup_s * 1e9);
        status = drive(&b, clients, client_count, counted, err);
        if (status != COSREL_OK)
            bench_run_end(run);
    }
    close_all(&b);
    free_source(&b);
    free(clients);
    return status;
}
