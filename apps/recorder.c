#include "recorder.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "sim/trace.h"

/* Chosen: 10000 requests a second fill a block in under half a second, and none is ever moved. */
enum { BLOCK_EVENTS = 8192 };

typedef enum event_type { ARRIVED, RAN, FAILED, DROPPED } event_type;

typedef struct event {
    event_type type;
    uint32_t id;
    int model;
    int priority;
    int64_t t_ns;     /* of the arrival, the start of the run, the drop */
    int64_t other_ns; /* arrival: the deadline; run: its end */
    const char *text; /* run: the processor; drop: the reason */
} event;

typedef struct block {
    struct block *next;
    size_t count;
    event events[BLOCK_EVENTS];
} block;

struct recorder {
    pthread_mutex_t lock;
    block *first, *last;
    bool failed; /* an event was lost: no memory */
};

cosrel_status recorder_create(recorder **out, cosrel_error *err)
{
    recorder *r = *out = calloc(1, sizeof *r);
    if (!r)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory to record");
    pthread_mutex_init(&r->lock, NULL);
    return COSREL_OK;
}

void recorder_free(recorder *r)
{
    if (!r)
        return;
    for (block *b = r->first, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static void keep(recorder *r, const event *e)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    if (!r->last || r->last->count == BLOCK_EVENTS) {
        block *b = malloc(sizeof *b);
        if (b) {
            b->next = NULL;
            b->count = 0;
            *(r->last ? &r->last->next : &r->first) = b;
            r->last = b;
        } else {
            r->failed = true;
        }
    }
    if (!r->failed)
        r->last->events[r->last->count++] = *e;
    pthread_mutex_unlock(&r->lock);
}

void recorder_arrived(recorder *r, const recorder_request *q)
{
    keep(r, &(event){.type = ARRIVED,
                     .id = q->id,
                     .model = q->model,
                     .priority = q->priority,
                     .t_ns = q->arrived_ns,
                     .other_ns = q->deadline_ns});
}

void recorder_ran(recorder *r, uint32_t id, const char *processor, int64_t started_ns,
                  int64_t finished_ns, bool ok)
{
    keep(r, &(event){.type = ok ? RAN : FAILED,
                     .id = id,
                     .t_ns = started_ns,
                     .other_ns = finished_ns,
                     .text = processor});
}

void recorder_dropped(recorder *r, uint32_t id, int64_t dropped_ns, const char *reason)
{
    keep(r, &(event){.type = DROPPED, .id = id, .t_ns = dropped_ns, .text = reason});
}

/* ---- Writing ---- */

/* All events, sorted and put in relation. */
typedef struct book {
    event *arrivals; /* that are written, by time; their place is their number */
    size_t arrival_count;
    event *others; /* of those requests; runs by processor and start, then drops */
    size_t other_count;
    uint32_t *numbers; /* by the caller's id: the place + 1; 0: not written */
    size_t id_count;
    const char *processors[SCHED_PROCESSORS_MAX * 2];
    int processor_count;
    trace_writer *writer;
} book;

static int by_arrival(const void *a, const void *b)
{
    const event *x = a, *y = b;
    if (x->t_ns != y->t_ns)
        return x->t_ns < y->t_ns ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static int by_run(const void *a, const void *b)
{
    const event *x = a, *y = b;
    if (x->type != y->type)
        return x->type < y->type ? -1 : 1;
    const int names = strcmp(x->text, y->text);
    if (names != 0)
        return names;
    return by_arrival(a, b);
}

static bool in_window(const event *e, const recorder_about *about)
{
    return e->t_ns >= about->from_ns && e->t_ns < about->until_ns;
}

static bool make_room(const recorder *r, book *k)
{
    size_t arrivals = 0, others = 0, ids = 0;
    for (const block *b = r->first; b; b = b->next)
        for (size_t i = 0; i < b->count; i++) {
            const event *e = &b->events[i];
            arrivals += e->type == ARRIVED;
            others += e->type != ARRIVED;
            ids = (size_t)e->id + 1 > ids ? (size_t)e->id + 1 : ids;
        }
    k->arrivals = malloc((arrivals + 1) * sizeof *k->arrivals);
    k->others = malloc((others + 1) * sizeof *k->others);
    k->numbers = calloc(ids + 1, sizeof *k->numbers);
    k->id_count = ids;
    return k->arrivals && k->others && k->numbers;
}

/* Requests that arrived within the window get their numbers; what else is told of them is kept. */
static void sort_events(const recorder *r, const recorder_about *about, book *k)
{
    for (const block *b = r->first; b; b = b->next)
        for (size_t i = 0; i < b->count; i++)
            if (b->events[i].type == ARRIVED && in_window(&b->events[i], about))
                k->arrivals[k->arrival_count++] = b->events[i];
    qsort(k->arrivals, k->arrival_count, sizeof *k->arrivals, by_arrival);
    for (size_t i = 0; i < k->arrival_count; i++)
        k->numbers[k->arrivals[i].id] = (uint32_t)i + 1;
    for (const block *b = r->first; b; b = b->next)
        for (size_t i = 0; i < b->count; i++)
            if (b->events[i].type != ARRIVED && k->numbers[b->events[i].id])
                k->others[k->other_count++] = b->events[i];
    qsort(k->others, k->other_count, sizeof *k->others, by_run);
}

static int processor_index(book *k, const char *name)
{
    const int room = (int)(sizeof k->processors / sizeof k->processors[0]);
    int p = 0;
    while (p < k->processor_count && strcmp(k->processors[p], name) != 0)
        p++;
    if (p == k->processor_count && p < room)
        k->processors[k->processor_count++] = name;
    return p < room ? p : -1;
}

static void write_arrivals(const book *k, const recorder_about *about)
{
    for (size_t i = 0; i < k->arrival_count; i++) {
        const event *e = &k->arrivals[i];
        trace_add_arrival(
            k->writer,
            &(trace_arrival){.t_ns = e->t_ns - about->from_ns,
                             .id = (uint32_t)i,
                             .model = e->model,
                             .deadline_ns = e->other_ns ? e->other_ns - e->t_ns : SCHED_NEVER,
                             .priority = e->priority});
    }
}

static bool same_run(const event *a, const event *b)
{
    return a->type == b->type && a->t_ns == b->t_ns && strcmp(a->text, b->text) == 0;
}

/* The run that begins with others[i]; returns the index behind it. */
static size_t write_run(book *k, size_t i, const recorder_about *about)
{
    const event *e = &k->others[i];
    const uint32_t first = k->numbers[e->id] - 1;
    const int processor = processor_index(k, e->text);
    uint32_t ids[SCHED_BATCH_MAX];
    int count = 0;
    for (; i < k->other_count && count < SCHED_BATCH_MAX && same_run(e, &k->others[i]); i++)
        ids[count++] = k->numbers[k->others[i].id] - 1;
    if (processor >= 0)
        (e->type == RAN ? trace_add_dispatch : trace_add_failure)(
            k->writer, e->t_ns - about->from_ns, e->other_ns - about->from_ns, processor,
            k->arrivals[first].model, ids, count);
    return i;
}

static void write_others(book *k, const recorder_about *about)
{
    for (size_t i = 0; i < k->other_count;) {
        const event *e = &k->others[i];
        if (e->type != DROPPED) {
            i = write_run(k, i, about);
            continue;
        }
        trace_add_drop(k->writer, e->t_ns - about->from_ns, k->numbers[e->id] - 1, e->text);
        i++;
    }
}

static cosrel_status write_book(book *k, FILE *out, const recorder_about *about, cosrel_error *err)
{
    for (size_t i = 0; i < k->other_count; i++)
        if (k->others[i].type != DROPPED && processor_index(k, k->others[i].text) < 0)
            return error_set(err, COSREL_INTERNAL, "more processors than a recording can hold");
    const trace_names names = {.models = about->models,
                               .model_count = about->model_count,
                               .processors = k->processors,
                               .processor_count = k->processor_count};
    if (trace_writer_create(out, &names, &k->writer) != COSREL_OK)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a recording");
    trace_recording(k->writer, about->device, about->policy, about->workload);
    write_arrivals(k, about);
    write_others(k, about);
    return trace_writer_finish(k->writer, err);
}

cosrel_status recorder_write(recorder *r, const char *path, const recorder_about *about,
                             cosrel_error *err)
{
    book k = {0};
    file_save save;
    pthread_mutex_lock(&r->lock);
    const bool whole = !r->failed && make_room(r, &k);
    if (whole)
        sort_events(r, about, &k);
    pthread_mutex_unlock(&r->lock);
    cosrel_status status = whole ? file_save_begin(&save, path, err)
                                 : error_set(err, COSREL_OUT_OF_MEMORY,
                                             "%s: no memory for the recording", path);
    if (status == COSREL_OK) {
        status = write_book(&k, save.stream, about, err);
        if (status == COSREL_OK)
            status = file_save_commit(&save, err);
        else
            file_save_abort(&save);
    }
    free(k.arrivals);
    free(k.others);
    free(k.numbers);
    return status;
}
