#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datapath/ways.h"
#include "plain/plain_session.h"

enum { WORKERS_MAX = 64 };

/* Memory for a request's input and output; given back ones are taken first, since they are warm. */
typedef struct block {
    struct block *next;
    float *input, *output;
} block;

typedef struct queue {
    load_request *first, **last; /* guarded by the path's lock */
    pthread_cond_t more;
} queue;

typedef struct plain_path plain_path;

typedef struct worker {
    plain_path *path;
    queue *from;
    pthread_t thread;
    void *buffers[LOAD_MODELS]; /* what its runs read */
    OrtValue *inputs[LOAD_MODELS];
} worker;

struct plain_path {
    pthread_mutex_t lock;
    plain_session sessions[LOAD_MODELS];
    block *blocks[LOAD_MODELS]; /* guarded by lock */
    queue queues[LOAD_MODELS];  /* one for all: only the first is used */
    worker workers[WORKERS_MAX];
    int worker_count;
    bool one_queue, stop;
    _Atomic uint64_t copied;
};

static plain_path plain = {.lock = PTHREAD_MUTEX_INITIALIZER};
static plain_path tuned = {.lock = PTHREAD_MUTEX_INITIALIZER, .one_queue = true};

static void *allocate(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!memory) {
        fprintf(stderr, "bench_datapath: no memory\n");
        exit(1);
    }
    return memory;
}

static block *take_block(plain_path *p, int model)
{
    const load_model *m = &load_models[model];
    pthread_mutex_lock(&p->lock);
    block *b = p->blocks[model];
    if (b)
        p->blocks[model] = b->next;
    pthread_mutex_unlock(&p->lock);
    if (b)
        return b;
    b = allocate(sizeof *b);
    b->input = allocate(m->in_bytes);
    b->output = allocate(m->out_bytes);
    return b;
}

static void give_block(plain_path *p, int model, block *b)
{
    pthread_mutex_lock(&p->lock);
    b->next = p->blocks[model];
    p->blocks[model] = b;
    pthread_mutex_unlock(&p->lock);
}

static void serve(worker *w, load_request *r)
{
    plain_path *p = w->path;
    const load_model *m = &load_models[r->model];
    const int model = r->model;
    block *b = r->held;
    OrtValue *output = NULL;
    memcpy(w->buffers[model], r->input, m->in_bytes);
    plain_run_on(&p->sessions[model], &w->inputs[model], &output);
    memcpy(b->output, plain_floats(output), m->out_bytes);
    plain_api()->ReleaseValue(output);
    atomic_fetch_add(&p->copied, m->in_bytes + m->out_bytes);
    load_answered(r, b->output);
    give_block(p, model, b);
}

static void *work(void *arg)
{
    worker *w = arg;
    plain_path *p = w->path;
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        load_request *r = w->from->first;
        if (!r) {
            pthread_cond_wait(&w->from->more, &p->lock);
            continue;
        }
        w->from->first = r->next;
        if (!w->from->first)
            w->from->last = &w->from->first;
        pthread_mutex_unlock(&p->lock);
        serve(w, r);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void open_path(void *self)
{
    plain_path *p = self;
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    p->stop = false;
    p->worker_count = !p->one_queue ? LOAD_MODELS : cores < WORKERS_MAX ? (int)cores : WORKERS_MAX;
    for (int m = 0; m < LOAD_MODELS; m++) {
        plain_open(&p->sessions[m], load_models[m].path, p->one_queue ? 1 : 0);
        p->queues[m].last = &p->queues[m].first;
        pthread_cond_init(&p->queues[m].more, NULL);
    }
    for (int i = 0; i < p->worker_count; i++) {
        worker *w = &p->workers[i];
        w->path = p;
        w->from = &p->queues[p->one_queue ? 0 : i];
        for (int m = 0; m < LOAD_MODELS; m++) {
            w->buffers[m] = allocate(load_models[m].in_bytes);
            w->inputs[m] = plain_wrap(&p->sessions[m], 0, w->buffers[m]);
        }
        if (pthread_create(&w->thread, NULL, work, w) != 0) {
            fprintf(stderr, "bench_datapath: no thread\n");
            exit(1);
        }
    }
}

static void close_path(void *self)
{
    plain_path *p = self;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    for (int m = 0; m < LOAD_MODELS; m++)
        pthread_cond_broadcast(&p->queues[m].more);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->worker_count; i++) {
        worker *w = &p->workers[i];
        pthread_join(w->thread, NULL);
        for (int m = 0; m < LOAD_MODELS; m++) {
            plain_api()->ReleaseValue(w->inputs[m]);
            free(w->buffers[m]);
        }
    }
    for (int m = 0; m < LOAD_MODELS; m++) {
        plain_close(&p->sessions[m]);
        while (p->blocks[m]) {
            block *b = p->blocks[m];
            p->blocks[m] = b->next;
            free(b->input);
            free(b->output);
            free(b);
        }
    }
}

static void lend(void *self, load_request *r)
{
    block *b = take_block(self, r->model);
    r->held = b;
    r->input = b->input;
}

static void submit(void *self, load_request *r)
{
    plain_path *p = self;
    queue *q = &p->queues[p->one_queue ? 0 : r->model];
    r->next = NULL;
    pthread_mutex_lock(&p->lock);
    *q->last = r;
    q->last = &r->next;
    pthread_cond_signal(&q->more);
    pthread_mutex_unlock(&p->lock);
}

static uint64_t copied(void *self)
{
    plain_path *p = self;
    return atomic_load(&p->copied);
}

const load_way way_plain = {"plain", &plain, open_path, lend, submit, copied, close_path};
const load_way way_tuned = {"tuned", &tuned, open_path, lend, submit, copied, close_path};
