/* One entry per request, one per processor; times and counts are compared as they come. */
#include "book.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "book.c:%d: broken: %s\n", __LINE__, #condition);                      \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

typedef enum page_state { PAGE_WAITING, PAGE_RUNNING, PAGE_SERVED, PAGE_DROPPED } page_state;

typedef struct page {
    source_request request;
    page_state state;
    int failed;
} page;

typedef struct busy {
    int count; /* 0: idle */
    int model;
    int64_t start_ns, end_ns;
    uint32_t ids[SCHED_BATCH_MAX];
} busy;

struct book {
    const sim_setup *setup;
    sim_observer observer;
    bool exact;
    page *pages;
    uint32_t page_count, page_room;
    busy processors[SCHED_PROCESSORS_MAX];
    uint64_t runs[SCHED_PROCESSORS_MAX];
    int64_t busy_ns[SCHED_PROCESSORS_MAX];
    uint64_t *served, *missed; /* per model */
    double *latency_ms;        /* per model: sum */
    int64_t now_ns, first_ns, last_end_ns;
    double energy_uj;
    uint64_t hash;
    book_counts counts;
};

static void mix(book *b, int64_t value)
{
    for (int i = 0; i < 8; i++) {
        b->hash ^= (uint64_t)value >> (8 * i) & 255;
        b->hash *= 1099511628211u;
    }
}

static void reach(book *b, int64_t now_ns)
{
    REQUIRE(now_ns >= b->now_ns);
    b->now_ns = now_ns;
}

static page *page_of(book *b, uint32_t id)
{
    REQUIRE(id < b->page_count);
    return &b->pages[id];
}

static void arrival(void *user, const source_request *r)
{
    book *b = user;
    reach(b, r->t_ns);
    REQUIRE(r->id == b->page_count);
    REQUIRE(r->model >= 0 && r->model < b->setup->costs->model_count);
    if (b->page_count == b->page_room) {
        b->page_room = b->page_room ? 2 * b->page_room : 256;
        b->pages = realloc(b->pages, b->page_room * sizeof *b->pages);
        REQUIRE(b->pages);
    }
    if (b->page_count == 0)
        b->first_ns = r->t_ns;
    b->pages[b->page_count++] = (page){.request = *r};
    b->counts.arrived++;
    b->counts.background += r->priority < 0;
    mix(b, 1);
    mix(b, r->t_ns);
    mix(b, r->model);
}

static int batch_index(const cost_table *t, int count)
{
    for (int i = 0; i < t->batch_count; i++)
        if (t->batches[i] == count)
            return i;
    return -1;
}

static void nothing_shares(const book *b, int processor)
{
    const sched_processor *all = b->setup->sched.processors;
    for (int q = 0; q < b->setup->sched.processor_count; q++)
        REQUIRE(b->processors[q].count == 0 || all[q].level != all[processor].level ||
                !(all[q].units & all[processor].units));
}

static void dispatch(void *user, int64_t start_ns, int64_t end_ns, int processor, int model,
                     const uint32_t *ids, int count)
{
    book *b = user;
    REQUIRE(processor >= 0 && processor < b->setup->sched.processor_count);
    const int index = batch_index(b->setup->costs, count);
    const bool beneath = b->setup->sched.processors[processor].level == 1;
    busy *at = &b->processors[processor];
    reach(b, start_ns);
    REQUIRE(start_ns == b->now_ns && index >= 0 && at->count == 0);
    nothing_shares(b, processor);
    const cost_cell *cell = cost_at(b->setup->costs, model, processor, index);
    REQUIRE(cell->service_ns > 0 && end_ns >= start_ns);
    REQUIRE(!b->exact || end_ns == start_ns + cell->service_ns);
    *at = (busy){.count = count, .model = model, .start_ns = start_ns, .end_ns = end_ns};
    for (int i = 0; i < count; i++) {
        page *r = page_of(b, ids[i]);
        REQUIRE(r->state == PAGE_WAITING && r->request.model == model);
        REQUIRE(r->request.t_ns <= start_ns && (!beneath || r->request.priority < 0));
        r->state = PAGE_RUNNING;
        at->ids[i] = ids[i];
        mix(b, ids[i]);
    }
    b->energy_uj += (double)cell->energy_uj;
    b->counts.batches += count > 1;
    mix(b, start_ns);
    mix(b, end_ns);
    mix(b, processor);
}

static void serve(book *b, page *r)
{
    const int m = r->request.model;
    r->state = PAGE_SERVED;
    b->counts.served++;
    b->served[m]++;
    b->missed[m] += b->now_ns > r->request.deadline_ns;
    b->latency_ms[m] += (double)(b->now_ns - r->request.t_ns) / 1e6;
    b->last_end_ns = b->now_ns;
}

static void end(void *user, int64_t start_ns, int64_t end_ns, int processor, int model,
                const uint32_t *ids, int count, bool ok)
{
    book *b = user;
    busy *at = &b->processors[processor];
    const bool beneath = b->setup->sched.processors[processor].level == 1;
    reach(b, end_ns);
    REQUIRE(at->count == count && count > 0 && at->model == model && at->start_ns == start_ns);
    REQUIRE(!b->exact || (ok && (beneath ? end_ns >= at->end_ns : end_ns == at->end_ns)));
    for (int i = 0; i < count; i++) {
        page *r = page_of(b, ids[i]);
        REQUIRE(ids[i] == at->ids[i] && r->state == PAGE_RUNNING);
        if (ok)
            serve(b, r);
        else
            r->state = PAGE_WAITING;
        r->failed += !ok;
        REQUIRE(r->failed <= SCHED_ATTEMPTS_MAX);
    }
    b->counts.failed_runs += !ok;
    b->runs[processor]++;
    b->busy_ns[processor] += end_ns - start_ns;
    at->count = 0;
    mix(b, end_ns);
    mix(b, processor + (ok ? 0 : 1000));
}

static void drop(void *user, int64_t now_ns, uint32_t id, sched_drop_reason reason)
{
    book *b = user;
    page *r = page_of(b, id);
    reach(b, now_ns);
    REQUIRE(r->state == PAGE_WAITING);
    REQUIRE(reason != SCHED_DROP_LATE ||
            (b->setup->sched.drop_late && r->request.deadline_ns != SCHED_NEVER));
    REQUIRE(reason != SCHED_DROP_FAILED || r->failed == SCHED_ATTEMPTS_MAX);
    r->state = PAGE_DROPPED;
    b->counts.dropped++;
    b->counts.late += reason == SCHED_DROP_LATE;
    b->counts.refused += reason == SCHED_DROP_UNAVAILABLE;
    b->missed[r->request.model] += r->request.deadline_ns != SCHED_NEVER;
    mix(b, now_ns);
    mix(b, id);
    mix(b, reason);
}

static bool going_on(void *user, int64_t now_ns, uint64_t served)
{
    const book *b = user;
    REQUIRE(now_ns >= b->now_ns && served == b->counts.served);
    return true;
}

book *book_open(const sim_setup *setup, bool exact)
{
    book *b = calloc(1, sizeof *b);
    const size_t models = (size_t)setup->costs->model_count;
    REQUIRE(b);
    b->setup = setup;
    b->exact = exact;
    b->hash = 14695981039346656037u;
    b->served = calloc(models, sizeof *b->served);
    b->missed = calloc(models, sizeof *b->missed);
    b->latency_ms = calloc(models, sizeof *b->latency_ms);
    REQUIRE(b->served && b->missed && b->latency_ms);
    b->observer = (sim_observer){.user = b,
                                 .arrival = arrival,
                                 .dispatch = dispatch,
                                 .end = end,
                                 .drop = drop,
                                 .going_on = going_on};
    return b;
}

const sim_observer *book_observer(book *b)
{
    return &b->observer;
}

static void close_models(const book *b, const sim_result *r)
{
    for (int m = 0; m < r->model_count; m++) {
        double sum_ms = 0;
        uint64_t with_deadline = 0;
        for (uint64_t i = 0; i < r->models[m].served; i++)
            sum_ms += r->models[m].latency_ms[i];
        for (uint32_t i = 0; i < b->page_count; i++)
            with_deadline += b->pages[i].request.model == m &&
                             b->pages[i].request.deadline_ns != SCHED_NEVER &&
                             b->pages[i].state >= PAGE_SERVED;
        REQUIRE(r->models[m].served == b->served[m] && r->models[m].missed == b->missed[m]);
        REQUIRE(r->models[m].with_deadline == with_deadline);
        REQUIRE(fabs(sum_ms - b->latency_ms[m]) <= 1e-9 * (1 + sum_ms));
    }
}

void book_close(const book *b, const sim_result *r)
{
    uint64_t left = 0;
    for (uint32_t i = 0; i < b->page_count; i++) {
        REQUIRE(b->pages[i].state != PAGE_RUNNING);
        left += b->pages[i].state == PAGE_WAITING;
    }
    REQUIRE(r->arrived == b->counts.arrived && r->served == b->counts.served);
    REQUIRE(r->dropped == b->counts.dropped && r->left == left && !r->stopped);
    REQUIRE(r->arrived == r->served + r->dropped + r->left);
    REQUIRE(!b->exact || r->left == 0);
    REQUIRE(r->arrived == 0 || r->first_arrival_ns == b->first_ns);
    REQUIRE(r->last_end_ns == b->last_end_ns);
    REQUIRE(r->events >= r->arrived + r->dropped - b->counts.refused);
    for (int p = 0; p < r->processor_count; p++)
        REQUIRE(r->processors[p].runs == b->runs[p] && r->processors[p].busy_ns == b->busy_ns[p]);
    REQUIRE(isfinite(r->energy_uj) && r->energy_uj >= 0);
    REQUIRE(!b->exact || fabs(r->energy_uj - b->energy_uj) <= 1e-9 * (1 + b->energy_uj));
    close_models(b, r);
}

void book_free(book *b)
{
    free(b->pages);
    free(b->served);
    free(b->missed);
    free(b->latency_ms);
    free(b);
}

uint64_t book_hash(const book *b)
{
    return b->hash;
}

const book_counts *book_counted(const book *b)
{
    return &b->counts;
}
