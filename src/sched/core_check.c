#include <stdio.h>
#include <stdlib.h>

#include "sched/core_state.h"

/* Not assert: these run in release builds of the tests and the simulator too. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "sched_core_check: line %d: broken: %s\n", __LINE__, #condition);      \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

typedef struct tally {
    uint32_t free, waiting, running, dropping, deadlines;
} tally;

static uint32_t check_model_queue(const sched_core *core, int class, int model)
{
    const model_queue *q = &core->classes[class].models[model];
    uint32_t count = 0, last = REQUEST_NONE;
    for (uint32_t i = q->head; i != REQUEST_NONE; i = core->requests[i].model_next) {
        const sched_request *r = &core->requests[i];
        CHECK(r->model == model && r->class == class && r->state == REQUEST_WAITING);
        CHECK(r->model_prev == last);
        CHECK(last == REQUEST_NONE || core->requests[last].sequence < r->sequence);
        last = i;
        CHECK(++count <= core->requests_max);
    }
    CHECK(q->tail == last && q->count == count);
    if (count > 0)
        CHECK(core->classes[class].active[q->active_at] == model);
    return count;
}

static void check_class(const sched_core *core, int class, tally *t)
{
    const class_queue *q = &core->classes[class];
    uint32_t count = 0, in_models = 0, last = REQUEST_NONE;
    int active = 0;
    for (uint32_t i = q->head; i != REQUEST_NONE; i = core->requests[i].next) {
        const sched_request *r = &core->requests[i];
        CHECK(r->class == class && r->state == REQUEST_WAITING && r->prev == last);
        CHECK(last == REQUEST_NONE || core->requests[last].sequence < r->sequence);
        CHECK(core_can(core, (request_class) class)[r->model] != 0);
        t->deadlines += r->deadline_ns != SCHED_NEVER;
        last = i;
        CHECK(++count <= core->requests_max);
    }
    CHECK(q->tail == last && q->count == count);
    for (int m = 0; m < core->model_count; m++) {
        CHECK(core->model_names[m] || core_can(core, (request_class) class)[m] == 0);
        const uint32_t here = check_model_queue(core, class, m);
        in_models += here;
        active += here > 0;
    }
    CHECK(in_models == count && active == q->active_count);
    t->waiting += count;
}

static void check_run(const sched_core *core, const core_run *run, int level, tally *t)
{
    for (int32_t i = 0; i < run->count; i++) {
        const sched_request *r = &core->requests[run->requests[i]];
        CHECK(r->state == REQUEST_RUNNING && r->model == core->requests[run->requests[0]].model);
        CHECK(r->class == CLASS_BACKGROUND || level == 0);
        for (int32_t k = 0; k < i; k++)
            CHECK(run->requests[k] != run->requests[i]);
    }
    t->running += (uint32_t)run->count;
}

static void check_runs(const sched_core *core, tally *t)
{
    uint64_t units[2] = {0, 0};
    for (int p = 0; p < core->processor_count; p++) {
        const core_run *run = &core->runs[p], *ending = &core->endings[p];
        const sched_processor *processor = &core->processors[p];
        CHECK(((core->running & VIEW_BIT(p)) != 0) == (run->count > 0));
        CHECK(((core->up & VIEW_BIT(p)) != 0) == (core->states[p] == PROCESSOR_UP));
        check_run(core, run, processor->level, t);
        check_run(core, ending, processor->level, t);
        if (run->count == 0 && ending->count == 0)
            continue;
        /* One that was prepared may stay for a while where another one has failed. */
        CHECK(core->states[p] == PROCESSOR_UP ||
              (ending->count == 0 && core->conflicts[p] == VIEW_BIT(p)));
        CHECK(ending->count == 0 || core->conflicts[p] == VIEW_BIT(p));
        CHECK((units[processor->level] & processor->units) == 0);
        units[processor->level] |= processor->units;
    }
}

void sched_core_check(const sched_core *core)
{
    tally t = {0}, states = {0};
    for (int c = 0; c < CLASS_COUNT; c++)
        check_class(core, c, &t);
    check_runs(core, &t);
    CHECK(core->fresh <= core->requests_max);
    t.free = core->requests_max - core->fresh;
    for (uint32_t i = core->free_head; i != REQUEST_NONE; i = core->requests[i].next) {
        CHECK(core->requests[i].state == REQUEST_FREE);
        CHECK(++t.free <= core->requests_max);
    }
    uint32_t last = REQUEST_NONE;
    for (uint32_t i = core->drop_head; i != REQUEST_NONE; i = core->requests[i].next) {
        CHECK(core->requests[i].state == REQUEST_DROPPING && core->requests[i].prev == last);
        last = i;
        CHECK(++t.dropping <= core->requests_max);
    }
    CHECK(core->drop_tail == last);
    states.free = core->requests_max - core->fresh;
    for (uint32_t i = 0; i < core->fresh; i++) {
        const uint8_t state = core->requests[i].state;
        states.free += state == REQUEST_FREE;
        states.waiting += state == REQUEST_WAITING;
        states.running += state == REQUEST_RUNNING;
        states.dropping += state == REQUEST_DROPPING;
    }
    CHECK(states.free == t.free && states.waiting == t.waiting);
    CHECK(states.running == t.running && states.dropping == t.dropping);
    CHECK(core->waiting == t.waiting && core->deadlines_waiting == t.deadlines);
    CHECK(core->used == core->requests_max - t.free);
}
