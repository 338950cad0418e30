/* Clients of the runtime.
 *
 * What is asked comes from one source (workload/source.h), the same for every policy. One thread
 * submits at the moments when requests arrive, whether or not earlier ones are answered. What an
 * answer brings at once (a closed stream's next request, a cascade) is submitted by the runtime's
 * own thread in its callback, so that it takes part in the decision that the answer makes room for.
 */
#include "bench_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "workload/source.h"

/* Chosen: a stream whose every request fails must not spin. */
enum { FAILURES_MAX = 100 };

/* Chosen: what one stream that is not closed may have waiting; beyond it an arrival counts as not
 * answered. */
enum { WAITING_MAX = 4096 };

typedef struct client client;

typedef struct ask {
    client *owner;
    int64_t arrived_ns;
    int64_t deadline_ns; /* absolute; 0: none */
    uint32_t id;         /* the source's */
    struct ask *next;    /* in the owner's free list */
} ask;

typedef struct load {
    cosrel_runtime *rt;
    bench_run *run;
    client *clients; /* one per stream */
    int client_count;
    int64_t base_ns; /* when the source's time begins */
    atomic_bool stopping;
    pthread_mutex_t source_lock; /* guards the next three */
    pthread_cond_t earlier;      /* something comes before awaited_ns */
    source *requests;
    int64_t awaited_ns;   /* until when the generator sleeps; 0: it does not */
    pthread_mutex_t lock; /* guards outstanding */
    pthread_cond_t idle;
    int outstanding;  /* requests that will still call back */
    int64_t *busy_ns; /* per processor, at the window's start */
    uint64_t *runs;
} load;

struct client {
    load *load;
    const workload_stream *spec;
    cosrel_model *model;
    int model_index;
    pthread_mutex_t lock; /* guards what follows */
    ask *asks;
    ask *free_asks;
    int failures;
    cosrel_ticket *tickets; /* to be cancelled at the end; a closed stream's are waited for */
    size_t ticket_count;
    size_t ticket_capacity;
};

static ask *take_ask(client *c)
{
    pthread_mutex_lock(&c->lock);
    ask *a = c->free_asks;
    if (a)
        c->free_asks = a->next;
    pthread_mutex_unlock(&c->lock);
    return a;
}

static void give_ask(ask *a)
{
    client *c = a->owner;
    pthread_mutex_lock(&c->lock);
    a->next = c->free_asks;
    c->free_asks = a;
    pthread_mutex_unlock(&c->lock);
}

static void leave(load *l)
{
    pthread_mutex_lock(&l->lock);
    if (--l->outstanding == 0)
        pthread_cond_broadcast(&l->idle);
    pthread_mutex_unlock(&l->lock);
}

static void answered(const cosrel_result *result);

/* The request is counted as outstanding already. */
static cosrel_status submit(ask *a, cosrel_ticket *ticket)
{
    client *c = a->owner;
    const inputs *in = &c->load->run->job->models[c->model_index].in;
    const int64_t now_ns = clock_now_ns();
    cosrel_request request = {.inputs = in->views,
                              .input_count = in->count,
                              .priority = c->spec->priority,
                              .done = answered,
                              .user = a};
    if (a->deadline_ns)
        request.deadline_ns = a->deadline_ns > now_ns ? a->deadline_ns - now_ns : 1;
    return cosrel_submit(c->load->rt, c->model, &request, ticket, NULL);
}

/* Counts a failure; false once there were so many that going on makes no sense. */
static bool may_go_on(client *c, const char *why)
{
    pthread_mutex_lock(&c->lock);
    const bool stop = ++c->failures == FAILURES_MAX;
    const bool go_on = c->failures < FAILURES_MAX;
    pthread_mutex_unlock(&c->lock);
    bench_run *run = c->load->run;
    if (stop) {
        pthread_mutex_lock(&c->load->lock);
        snprintf(run->problem, sizeof run->problem, "%s: stopped after %d failures: %.160s",
                 c->spec->model, FAILURES_MAX, why);
        pthread_mutex_unlock(&c->load->lock);
    }
    return go_on;
}

/* Before a request goes out, so that the count never falls to zero in between. */
static void enter(load *l)
{
    pthread_mutex_lock(&l->lock);
    l->outstanding++;
    pthread_mutex_unlock(&l->lock);
}

static void keep_ticket(client *c, cosrel_ticket ticket)
{
    pthread_mutex_lock(&c->lock);
    if (c->ticket_count == c->ticket_capacity) {
        const size_t capacity = c->ticket_capacity ? 2 * c->ticket_capacity : 256;
        cosrel_ticket *grown = realloc(c->tickets, capacity * sizeof *grown);
        if (grown) {
            c->tickets = grown;
            c->ticket_capacity = capacity;
        }
    }
    if (c->ticket_count < c->ticket_capacity) /* else this one is waited for instead */
        c->tickets[c->ticket_count++] = ticket;
    pthread_mutex_unlock(&c->lock);
}

static void tell_source(load *l, uint32_t id, bool ok)
{
    pthread_mutex_lock(&l->source_lock);
    source_answered(l->requests, clock_now_ns() - l->base_ns, id, ok);
    pthread_mutex_unlock(&l->source_lock);
}

/* A request has arrived. */
static void arrive(load *l, const source_request *r)
{
    client *c = &l->clients[r->stream];
    const int64_t arrived_ns = l->base_ns + r->t_ns;
    const int64_t deadline_ns = r->deadline_ns == INT64_MAX ? 0 : l->base_ns + r->deadline_ns;
    const bool closed = c->spec->kind == WORKLOAD_CLOSED;
    cosrel_status status = COSREL_QUEUE_FULL;
    recorder_arrived(l->run->record, &(recorder_request){.id = r->id,
                                                         .model = c->model_index,
                                                         .arrived_ns = arrived_ns,
                                                         .deadline_ns = deadline_ns,
                                                         .priority = c->spec->priority});
    ask *a = take_ask(c);
    if (a) {
        cosrel_ticket ticket = 0;
        a->arrived_ns = arrived_ns;
        a->deadline_ns = deadline_ns;
        a->id = r->id;
        enter(l);
        status = submit(a, closed ? NULL : &ticket);
        if (status == COSREL_OK) {
            if (!closed)
                keep_ticket(c, ticket);
            return;
        }
        give_ask(a);
        leave(l);
    }
    const int64_t now_ns = clock_now_ns();
    recorder_dropped(l->run->record, r->id, now_ns, "unavailable");
    bench_run_answer(l->run, c->model_index, arrived_ns, deadline_ns, now_ns, false);
    /* An open-loop stream does not care whether the last request failed: the next one comes all the
     * same. */
    if (!closed || may_go_on(c, cosrel_status_text(status)))
        tell_source(l, r->id, false);
}

/* The next request, if it is due. If it is not, the generator must not oversleep it. */
static bool take_due(load *l, source_request *r)
{
    pthread_mutex_lock(&l->source_lock);
    const int64_t next_ns = source_next_ns(l->requests);
    const bool due = next_ns <= clock_now_ns() - l->base_ns;
    if (due)
        source_pop(l->requests, r);
    else if (next_ns < l->awaited_ns - l->base_ns)
        pthread_cond_signal(&l->earlier);
    pthread_mutex_unlock(&l->source_lock);
    return due;
}

static void submit_due(load *l)
{
    source_request r;
    while (!atomic_load(&l->stopping) && take_due(l, &r))
        arrive(l, &r);
}

static const char *drop_reason(cosrel_status status)
{
    switch (status) {
    case COSREL_DEADLINE_EXCEEDED:
        return "late";
    case COSREL_UNAVAILABLE:
        return "unavailable";
    default:
        return "failed";
    }
}

/* A run that was under way when the request was cancelled went on to its end. */
static void record_answer(recorder *record, uint32_t id, const cosrel_result *result)
{
    const bool cancelled = result->status == COSREL_CANCELLED;
    const bool good = result->status == COSREL_OK || cancelled;
    if (!record)
        return;
    if (result->started_ns > 0)
        recorder_ran(record, id, result->processor, result->started_ns, result->finished_ns, good);
    if (!good)
        recorder_dropped(record, id, result->finished_ns, drop_reason(result->status));
}

static void answered(const cosrel_result *result)
{
    ask *a = result->user;
    client *c = a->owner;
    load *l = c->load;
    const bool ok = result->status == COSREL_OK;
    const bool cancelled = result->status == COSREL_CANCELLED;
    const uint32_t id = a->id;
    bench_run_answer(l->run, c->model_index, a->arrived_ns, a->deadline_ns,
                     cancelled ? INT64_MAX : result->finished_ns, ok);
    record_answer(l->run->record, id, result);
    if (ok && a->deadline_ns && result->finished_ns > a->deadline_ns)
        bench_run_late(l->run, c->model_index, result->started_ns);
    const bool go_on = ok || cancelled || may_go_on(c, result->message);
    give_ask(a);
    if (!atomic_load(&l->stopping) && (go_on || c->spec->kind != WORKLOAD_CLOSED)) {
        tell_source(l, id, ok);
        submit_due(l);
    }
    leave(l);
}

/* Until the next request is due or an answer brings an earlier one; at most 20 ms (chosen), so that
 * the end is seen soon. */
static void await_due(load *l)
{
    pthread_mutex_lock(&l->source_lock);
    const int64_t next_ns = source_next_ns(l->requests);
    const int64_t limit_ns = clock_now_ns() + 20000000;
    const int64_t until_ns = next_ns < limit_ns - l->base_ns ? l->base_ns + next_ns : limit_ns;
    const struct timespec until = {.tv_sec = until_ns / 1000000000,
                                   .tv_nsec = (long)(until_ns % 1000000000)};
    l->awaited_ns = until_ns;
    pthread_cond_timedwait(&l->earlier, &l->source_lock, &until);
    l->awaited_ns = 0;
    pthread_mutex_unlock(&l->source_lock);
}

static void *generate(void *user)
{
    load *l = user;
    cpu_name_self("bench-arrivals");
    while (!atomic_load(&l->stopping)) {
        submit_due(l);
        await_due(l);
    }
    return NULL;
}

/* What is not answered by then: closed streams have few requests under way and are waited for. */
static void cancel_rest(load *l)
{
    for (int i = 0; i < l->client_count; i++) {
        client *c = &l->clients[i];
        pthread_mutex_lock(&c->lock);
        cosrel_ticket *tickets = c->tickets;
        const size_t count = c->ticket_count;
        c->tickets = NULL;
        c->ticket_count = c->ticket_capacity = 0;
        pthread_mutex_unlock(&c->lock);
        for (size_t k = 0; k < count; k++)
            cosrel_cancel(l->rt, tickets[k]);
        free(tickets);
    }
}

static cosrel_status start_client(load *l, client *c, int stream, cosrel_error *err)
{
    const bench_job *job = l->run->job;
    c->load = l;
    c->spec = &job->work->streams[stream];
    c->model_index = job->stream_models[stream];
    c->model = cosrel_runtime_find_model(l->rt, job->models[c->model_index].name, 0);
    pthread_mutex_init(&c->lock, NULL);
    if (!c->model)
        return error_set(err, COSREL_NOT_FOUND, "model '%s' could not be loaded",
                         job->models[c->model_index].name);
    const size_t count = c->spec->kind == WORKLOAD_CLOSED ? c->spec->in_flight : WAITING_MAX;
    c->asks = calloc(count, sizeof *c->asks);
    if (!c->asks)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for clients");
    for (size_t i = 0; i < count; i++) {
        c->asks[i] = (ask){.owner = c, .next = c->free_asks};
        c->free_asks = &c->asks[i];
    }
    return COSREL_OK;
}

static void on_run(void *user, const cosrel_run_event *event)
{
    load *l = user;
    const bench_job *job = l->run->job;
    for (int i = 0; i < job->model_count; i++)
        if (strcmp(job->models[i].name, event->model) == 0)
            bench_run_span(l->run, event->processor, i, event->started_ns, event->finished_ns,
                           event->batch);
}

/* What each processor did between the window's edges. */
static void at_edge(void *user, bool at_end)
{
    load *l = user;
    json_t *list = at_end ? json_object() : NULL;
    for (size_t i = 0; i < cosrel_runtime_processor_count(l->rt); i++) {
        cosrel_processor_stats stats;
        cosrel_processor_get_stats(l->rt, i, &stats);
        if (!at_end) {
            l->busy_ns[i] = stats.busy_ns;
            l->runs[i] = stats.runs;
            continue;
        }
        cosrel_processor_info info;
        cosrel_runtime_processor(l->rt, i, &info);
        json_object_set_new(list, info.name,
                            json_pack("{s:f, s:I}", "busy_s",
                                      (double)(stats.busy_ns - l->busy_ns[i]) / 1e9, "runs",
                                      (json_int_t)(stats.runs - l->runs[i])));
    }
    if (at_end)
        l->run->processors = list;
}

static void wait_idle(load *l)
{
    pthread_mutex_lock(&l->lock);
    while (l->outstanding > 0)
        pthread_cond_wait(&l->idle, &l->lock);
    pthread_mutex_unlock(&l->lock);
}

static cosrel_status drive(load *l, bool *counted, cosrel_error *err)
{
    pthread_t generator;
    cosrel_runtime_on_run(l->rt, on_run, l);
    const bool started = pthread_create(&generator, NULL, generate, l) == 0;
    if (started) {
        *counted = bench_run_wait(l->run, at_edge, l);
        atomic_store(&l->stopping, true);
        pthread_join(generator, NULL);
        cancel_rest(l);
    }
    wait_idle(l);
    cosrel_runtime_on_run(l->rt, NULL, NULL);
    return started ? COSREL_OK
                   : error_set(err, COSREL_OUT_OF_MEMORY,
                               "a thread for the arrivals could not be started");
}

static cosrel_status make_source(load *l, cosrel_error *err)
{
    const bench_job *job = l->run->job;
    const char **names = calloc((size_t)job->model_count + 1, sizeof *names);
    if (!names)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for clients");
    for (int i = 0; i < job->model_count; i++)
        names[i] = job->models[i].name;
    l->base_ns = l->run->start_ns - (int64_t)(job->warmup_s * 1e9);
    const cosrel_status status = source_create(job->work, names, job->model_count, job->seed,
                                               INT64_MAX, &l->requests, err);
    free(names);
    return status;
}

static void init_locks(load *l)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&l->lock, NULL);
    pthread_mutex_init(&l->source_lock, NULL);
    pthread_cond_init(&l->idle, NULL);
    pthread_cond_init(&l->earlier, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

cosrel_status bench_load(cosrel_runtime *rt, bench_run *run, bool *counted, cosrel_error *err)
{
    const size_t processors = cosrel_runtime_processor_count(rt);
    load l = {.rt = rt, .run = run};
    *counted = false;
    init_locks(&l);
    l.clients = calloc(run->job->work->stream_count, sizeof *l.clients);
    l.busy_ns = calloc(processors + 1, sizeof *l.busy_ns);
    l.runs = calloc(processors + 1, sizeof *l.runs);
    cosrel_status status = l.clients && l.busy_ns && l.runs
                               ? make_source(&l, err)
                               : error_set(err, COSREL_OUT_OF_MEMORY, "no memory for clients");
    for (uint32_t i = 0; i < run->job->work->stream_count && status == COSREL_OK; i++) {
        status = start_client(&l, &l.clients[i], (int)i, err);
        l.client_count++;
    }
    if (status == COSREL_OK)
        status = drive(&l, counted, err);
    if (status == COSREL_OK)
        status = source_status(l.requests) == COSREL_OK
                     ? COSREL_OK
                     : error_set(err, COSREL_OUT_OF_MEMORY, "no memory for arrivals");
    for (int i = 0; l.clients && i < l.client_count; i++) {
        free(l.clients[i].asks);
        free(l.clients[i].tickets);
    }
    source_free(l.requests);
    free(l.clients);
    free(l.busy_ns);
    free(l.runs);
    return status;
}
