/* Clients of the runtime.
 *
 * Closed-loop streams need no thread: the answer to a request submits the next one, on the
 * runtime's own thread. All open-loop streams share one thread that submits at the moments that
 * were fixed before, whether or not earlier requests are answered. */
#include "bench_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "workload/arrivals.h"

/* Chosen: a stream whose every request fails must not spin. */
enum { FAILURES_MAX = 100 };

/* Chosen: what one open-loop stream may have waiting; beyond it an arrival counts as not answered.
 */
enum { WAITING_MAX = 4096 };

typedef struct client client;

typedef struct ask {
    client *owner;
    int64_t arrived_ns;
    int64_t deadline_ns; /* absolute; 0: none */
    struct ask *next;    /* in the owner's free list */
} ask;

typedef struct load {
    cosrel_runtime *rt;
    bench_run *run;
    client *clients;
    int client_count;
    atomic_bool stopping;
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
    pthread_mutex_t lock; /* guards `free_asks` and `failures` */
    ask *asks;
    ask *free_asks;
    int failures;
    arrivals schedule; /* this and below: the generator's */
    int64_t base_ns;
    int64_t next_ns;
    cosrel_ticket *tickets;
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

/* The request is counted as outstanding already. ticket may be NULL. */
static cosrel_status submit(ask *a, int64_t arrived_ns, cosrel_ticket *ticket)
{
    client *c = a->owner;
    const inputs *in = &c->load->run->job->models[c->model_index].in;
    const int64_t now_ns = clock_now_ns();
    a->arrived_ns = arrived_ns;
    a->deadline_ns = c->spec->deadline_ms > 0 ? arrived_ns + (int64_t)(c->spec->deadline_ms * 1e6)
                                              : 0;
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

/* A closed-loop client goes on until it may not. */
static void ask_again(ask *a)
{
    client *c = a->owner;
    while (!atomic_load(&c->load->stopping)) {
        const int64_t now_ns = clock_now_ns();
        const cosrel_status status = submit(a, now_ns, NULL);
        if (status == COSREL_OK)
            return;
        bench_run_answer(c->load->run, c->model_index, now_ns, a->deadline_ns, clock_now_ns(),
                         false);
        if (!may_go_on(c, cosrel_status_text(status)))
            break;
    }
    leave(c->load);
}

static void answered(const cosrel_result *result)
{
    ask *a = result->user;
    client *c = a->owner;
    const bool ok = result->status == COSREL_OK;
    if (result->status != COSREL_CANCELLED)
        bench_run_answer(c->load->run, c->model_index, a->arrived_ns, a->deadline_ns,
                         result->finished_ns, ok);
    else
        bench_run_answer(c->load->run, c->model_index, a->arrived_ns, a->deadline_ns, INT64_MAX,
                         false);
    if (ok && a->deadline_ns && result->finished_ns > a->deadline_ns)
        bench_run_late(c->load->run, c->model_index, result->started_ns);
    const bool go_on = ok || result->status == COSREL_CANCELLED || may_go_on(c, result->message);
    if (c->spec->kind == WORKLOAD_CLOSED && go_on) {
        ask_again(a);
        return;
    }
    give_ask(a);
    leave(c->load);
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
    if (c->ticket_count == c->ticket_capacity) {
        const size_t capacity = c->ticket_capacity ? 2 * c->ticket_capacity : 256;
        cosrel_ticket *grown = realloc(c->tickets, capacity * sizeof *grown);
        if (!grown)
            return; /* this one will be waited for instead of cancelled */
        c->tickets = grown;
        c->ticket_capacity = capacity;
    }
    c->tickets[c->ticket_count++] = ticket;
}

static void arrive(client *c, int64_t arrived_ns)
{
    ask *a = take_ask(c);
    const int64_t deadline_ns = c->spec->deadline_ms > 0
                                    ? arrived_ns + (int64_t)(c->spec->deadline_ms * 1e6)
                                    : 0;
    cosrel_status status = COSREL_QUEUE_FULL;
    if (a) {
        cosrel_ticket ticket = 0;
        enter(c->load);
        status = submit(a, arrived_ns, &ticket);
        if (status == COSREL_OK) {
            keep_ticket(c, ticket);
            return;
        }
        give_ask(a);
        leave(c->load);
    }
    bench_run_answer(c->load->run, c->model_index, arrived_ns, deadline_ns, clock_now_ns(), false);
    /* An open-loop stream does not care whether the last request failed: the next one comes all the
     * same. */
}

static void sleep_towards(int64_t when_ns)
{
    /* At most 20 ms (chosen), so that the end is seen soon. */
    const int64_t limit_ns = clock_now_ns() + 20000000;
    const int64_t until_ns = when_ns < limit_ns ? when_ns : limit_ns;
    const struct timespec until = {.tv_sec = until_ns / 1000000000,
                                   .tv_nsec = (long)(until_ns % 1000000000)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static void *generate(void *user)
{
    load *l = user;
    cpu_name_self("bench-arrivals");
    while (!atomic_load(&l->stopping)) {
        client *first = NULL;
        for (int i = 0; i < l->client_count; i++) {
            client *c = &l->clients[i];
            if (c->spec->kind != WORKLOAD_CLOSED && (!first || c->next_ns < first->next_ns))
                first = c;
        }
        if (!first)
            break;
        if (clock_now_ns() < first->next_ns) {
            sleep_towards(first->next_ns);
            continue;
        }
        arrive(first, first->next_ns);
        first->next_ns = first->base_ns + arrivals_next_ns(&first->schedule);
    }
    for (int i = 0; i < l->client_count; i++)
        for (size_t k = 0; k < l->clients[i].ticket_count; k++)
            cosrel_cancel(l->rt, l->clients[i].tickets[k]);
    return NULL;
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
    if (c->spec->kind != WORKLOAD_CLOSED) {
        arrivals_init(&c->schedule, c->spec, job->seed + (uint64_t)stream);
        c->base_ns = l->run->start_ns - (int64_t)(job->warmup_s * 1e9);
        c->next_ns = c->base_ns + arrivals_next_ns(&c->schedule);
    }
    return COSREL_OK;
}

static void push_closed(load *l)
{
    for (int i = 0; i < l->client_count; i++) {
        client *c = &l->clients[i];
        for (uint32_t k = 0; c->spec->kind == WORKLOAD_CLOSED && k < c->spec->in_flight; k++) {
            enter(l);
            ask_again(take_ask(c));
        }
    }
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
        push_closed(l);
        *counted = bench_run_wait(l->run, at_edge, l);
        atomic_store(&l->stopping, true);
        pthread_join(generator, NULL);
    }
    wait_idle(l);
    cosrel_runtime_on_run(l->rt, NULL, NULL);
    return started ? COSREL_OK
                   : error_set(err, COSREL_OUT_OF_MEMORY,
                               "a thread for the arrivals could not be started");
}

cosrel_status bench_load(cosrel_runtime *rt, bench_run *run, bool *counted, cosrel_error *err)
{
    const size_t processors = cosrel_runtime_processor_count(rt);
    load l = {.rt = rt, .run = run};
    cosrel_status status = COSREL_OK;
    *counted = false;
    pthread_mutex_init(&l.lock, NULL);
    pthread_cond_init(&l.idle, NULL);
    l.clients = calloc(run->job->work->stream_count, sizeof *l.clients);
    l.busy_ns = calloc(processors + 1, sizeof *l.busy_ns);
    l.runs = calloc(processors + 1, sizeof *l.runs);
    if (!l.clients || !l.busy_ns || !l.runs)
        status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory for clients");
    for (uint32_t i = 0; i < run->job->work->stream_count && status == COSREL_OK; i++) {
        status = start_client(&l, &l.clients[i], (int)i, err);
        l.client_count++;
    }
    if (status == COSREL_OK)
        status = drive(&l, counted, err);
    for (int i = 0; l.clients && i < l.client_count; i++) {
        free(l.clients[i].asks);
        free(l.clients[i].tickets);
    }
    free(l.clients);
    free(l.busy_ns);
    free(l.runs);
    return status;
}
