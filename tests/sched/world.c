#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "world.c:%d: broken: %s\n", __LINE__, #condition);                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static bool earlier(const world_event *a, const world_event *b)
{
    return a->t_ns != b->t_ns ? a->t_ns < b->t_ns : a->order < b->order;
}

static void push(world *w, world_event e)
{
    if (w->event_count == w->event_room) {
        w->event_room = w->event_room ? 2 * w->event_room : 256;
        w->events = realloc(w->events, (size_t)w->event_room * sizeof *w->events);
        REQUIRE(w->events);
    }
    e.order = w->next_order++;
    int i = w->event_count++;
    for (; i > 0 && earlier(&e, &w->events[(i - 1) / 2]); i = (i - 1) / 2)
        w->events[i] = w->events[(i - 1) / 2];
    w->events[i] = e;
}

static world_event pop(world *w)
{
    const world_event first = w->events[0];
    const world_event last = w->events[--w->event_count];
    int i = 0;
    for (;;) {
        int child = 2 * i + 1;
        if (child >= w->event_count)
            break;
        if (child + 1 < w->event_count && earlier(&w->events[child + 1], &w->events[child]))
            child++;
        if (!earlier(&w->events[child], &last))
            break;
        w->events[i] = w->events[child];
        i = child;
    }
    w->events[i] = last;
    return first;
}

void world_init(world *w, const sched_setup *setup, cost_table *costs, uint64_t seed)
{
    cosrel_error err;
    memset(w, 0, sizeof *w);
    w->setup = *setup;
    w->setup.patience = SCHED_PATIENCE;
    w->costs = costs;
    w->check = true;
    w->trace = 14695981039346656037u;
    rng_init(&w->random, seed);
    if (sched_core_create(&w->setup, costs, &w->core, &err) != COSREL_OK) {
        fprintf(stderr, "world_init: %s\n", err.text);
        abort();
    }
    for (int m = 0; m < costs->model_count; m++) {
        char name[16];
        snprintf(name, sizeof name, "m%02d", m);
        REQUIRE(sched_core_add_model(w->core, 0, name) == COSREL_OK);
    }
}

void world_deinit(world *w)
{
    sched_core_free(w->core);
    free(w->requests);
    free(w->events);
    memset(w, 0, sizeof *w);
}

static int new_request(world *w, int model, int priority, int64_t deadline_ns, int client)
{
    if (w->request_count == w->request_room) {
        w->request_room = w->request_room ? 2 * w->request_room : 256;
        w->requests = realloc(w->requests, (size_t)w->request_room * sizeof *w->requests);
        REQUIRE(w->requests);
    }
    w->requests[w->request_count] = (world_request){.model = model,
                                                    .priority = priority,
                                                    .deadline_ns = deadline_ns,
                                                    .client = client,
                                                    .processor = -1};
    return w->request_count++;
}

int world_arrive_at(world *w, int64_t t_ns, int model, int priority, int64_t deadline_ns)
{
    const int r = new_request(w, model, priority, deadline_ns, -1);
    world_event_at(w, t_ns, EVENT_ARRIVE, r);
    return r;
}

void world_event_at(world *w, int64_t t_ns, world_event_type type, int index)
{
    push(w, (world_event){.t_ns = t_ns, .type = type, .index = index});
}

void world_policy_at(world *w, int64_t t_ns, const char *policy)
{
    REQUIRE(w->text_count < 16);
    w->texts[w->text_count] = policy;
    world_event_at(w, t_ns, EVENT_POLICY, w->text_count++);
}

static void ask(world *w, int client, int64_t t_ns)
{
    const int r = new_request(w, w->clients[client].model, 0, SCHED_NEVER, client);
    world_event_at(w, t_ns, EVENT_ARRIVE, r);
}

int world_client_at(world *w, int64_t t_ns, int model, int64_t think_ns)
{
    REQUIRE(w->client_count < 16);
    w->clients[w->client_count] = (world_client){.model = model, .think_ns = think_ns};
    ask(w, w->client_count, t_ns);
    return w->client_count++;
}

static void arrive(world *w, int index)
{
    world_request *r = &w->requests[index];
    const sched_arrival arrival = {.model = r->model,
                                   .priority = r->priority,
                                   .deadline_ns = r->deadline_ns,
                                   .tag = (uint64_t)index};
    const uint32_t before = sched_core_waiting(w->core, -1);
    const cosrel_status status = sched_core_arrive(w->core, w->now_ns, &arrival, &r->id);
    r->arrived_ns = w->now_ns;
    r->state = status == COSREL_OK ? WORLD_WAITING : WORLD_REFUSED;
    REQUIRE(status == COSREL_OK || status == COSREL_QUEUE_FULL || status == COSREL_UNAVAILABLE ||
            status == COSREL_INVALID_ARGUMENT);
    REQUIRE(status != COSREL_INVALID_ARGUMENT || w->away[r->model]);
    REQUIRE(status != COSREL_OK || !w->away[r->model]);
    REQUIRE(sched_core_waiting(w->core, -1) == before + (status == COSREL_OK));
}

static void return_requests(world *w, world_run *run)
{
    for (int i = 0; i < run->count; i++)
        w->requests[run->requests[i]].state = WORLD_WAITING;
    run->busy = false;
}

static void push_end(world *w, int processor, const world_run *run)
{
    push(w, (world_event){.t_ns = w->now_ns + run->took_ns,
                          .type = EVENT_COMPLETE,
                          .index = processor,
                          .run = run->run});
}

static void begin(world *w, int processor)
{
    world_run *run = &w->runs[processor];
    run->expected_end_ns += w->now_ns - run->started_ns;
    run->started_ns = w->now_ns;
    push_end(w, processor, run);
}

static void answer(world *w, world_run *run)
{
    run->busy = false;
    for (int i = 0; i < run->count; i++) {
        world_request *r = &w->requests[run->requests[i]];
        REQUIRE(r->state == WORLD_RUNNING);
        r->state = WORLD_DONE;
        r->ended_ns = w->now_ns;
        if (r->client >= 0) {
            world_client *c = &w->clients[r->client];
            c->served++;
            ask(w, r->client, w->now_ns + c->think_ns); /* may move w->requests */
        }
    }
}

static void complete(world *w, const world_event *e)
{
    world_run *ending = &w->endings[e->index];
    world_run *run = ending->busy ? ending : &w->runs[e->index];
    if (!run->busy || run->run != e->run)
        return; /* its processor was taken out meanwhile */
    const bool ok = w->fail == 0 || rng_unit(&w->random) >= w->fail;
    w->busy_ns[e->index] += w->now_ns - run->started_ns;
    sched_core_complete(w->core, w->now_ns, e->index, ok);
    if (ok)
        answer(w, run);
    else
        return_requests(w, run);
    if (run == ending && w->runs[e->index].busy)
        begin(w, e->index);
}

static bool is_alone(const world *w, int processor)
{
    for (int q = 0; q < w->setup.processor_count; q++) {
        const sched_processor *a = &w->setup.processors[processor], *b = &w->setup.processors[q];
        if (q != processor && a->level == b->level && (a->units & b->units))
            return false;
    }
    return true;
}

static void end_soon(world *w, const world_event *e)
{
    world_run *run = &w->runs[e->index], *ending = &w->endings[e->index];
    sched_core_ending(w->core, w->now_ns, e->index); /* whether it can be or not */
    if (!run->busy || ending->busy || w->down[e->index] || w->removed[e->index] ||
        !is_alone(w, e->index))
        return;
    *ending = *run;
    run->busy = false;
}

static void take_back(world *w, const world_event *e)
{
    world_run *run = &w->runs[e->index];
    if (!run->busy || run->run != e->run)
        return;
    sched_core_take_back(w->core, w->now_ns, e->index);
    for (int i = 0; i < run->count; i++)
        w->requests[run->requests[i]].runs--; /* it was none */
    return_requests(w, run);
}

/* What the processor was doing comes to nothing; what was prepared is taken back a little later. */
static void lose(world *w, int processor)
{
    world_run *ending = &w->endings[processor], *run = &w->runs[processor];
    if (ending->busy && run->busy)
        push(w, (world_event){.t_ns = w->now_ns + (int64_t)rng_below(&w->random, 2) * MS,
                              .type = EVENT_TAKE_BACK,
                              .index = processor,
                              .run = run->run});
    if (ending->busy)
        return_requests(w, ending);
    else if (run->busy)
        return_requests(w, run);
}

static void cancel(world *w, int index)
{
    world_request *r = &w->requests[index];
    const bool gone = sched_core_cancel(w->core, w->now_ns, r->id);
    REQUIRE(gone == (r->state == WORLD_WAITING && r->id != 0));
    REQUIRE(!sched_core_cancel(w->core, w->now_ns, r->id) || !gone);
    if (gone)
        r->state = WORLD_CANCELLED;
}

/* Whether our own books have requests of it. */
static bool in_use(const world *w, int model)
{
    for (int i = 0; i < w->request_count; i++)
        if (w->requests[i].model == model && w->requests[i].id != 0 &&
            (w->requests[i].state == WORLD_WAITING || w->requests[i].state == WORLD_RUNNING))
            return true;
    return false;
}

static void unload(world *w, int model)
{
    const cosrel_status status = sched_core_remove_model(w->core, w->now_ns, model);
    REQUIRE((status == COSREL_INVALID_ARGUMENT) == w->away[model]);
    if (status == COSREL_INVALID_ARGUMENT)
        return;
    REQUIRE((status == COSREL_UNAVAILABLE) == in_use(w, model));
    if (status == COSREL_UNAVAILABLE)
        return;
    REQUIRE(status == COSREL_OK);
    for (int p = 0; p < w->costs->processor_count; p++)
        for (int b = 0; b < w->costs->batch_count; b++)
            *cost_at(w->costs, model, p, b) = (cost_cell){.service_ns = 0};
    w->costs->shifts++;
    w->away[model] = true;
    w->unloads++;
}

static void load(world *w)
{
    const int model = sched_core_next_model(w->core);
    if (model == w->setup.model_max) {
        REQUIRE(sched_core_add_model(w->core, w->now_ns, "one more") == COSREL_QUEUE_FULL);
        return;
    }
    REQUIRE(w->away[model]);
    for (int m = 0; m < model; m++)
        REQUIRE(!w->away[m]);
    for (int p = 0; p < w->costs->processor_count; p++)
        cost_at(w->costs, model, p, 0)->service_ns = (int64_t)rng_below(&w->random, 5) * MS;
    w->costs->shifts++;
    REQUIRE(sched_core_add_model(w->core, w->now_ns, "another") == COSREL_OK);
    w->away[model] = false;
    w->loads++;
}

static void tell(world *w, const world_event *e)
{
    switch (e->type) {
    case EVENT_COMPLETE:
        complete(w, e);
        break;
    case EVENT_ARRIVE:
        arrive(w, e->index);
        break;
    case EVENT_CANCEL:
        cancel(w, e->index);
        break;
    case EVENT_DOWN:
        if (w->removed[e->index] || w->down[e->index])
            break;
        w->down[e->index] = true;
        sched_core_processor_down(w->core, w->now_ns, e->index);
        lose(w, e->index);
        break;
    case EVENT_UP:
        if (w->removed[e->index])
            break;
        if (w->down[e->index] && w->runs[e->index].busy) {
            const world_event first = {.index = e->index, .run = w->runs[e->index].run};
            take_back(w, &first);
        }
        w->down[e->index] = false;
        sched_core_processor_up(w->core, w->now_ns, e->index);
        break;
    case EVENT_REMOVE:
        w->removed[e->index] = true;
        sched_core_processor_remove(w->core, w->now_ns, e->index);
        lose(w, e->index);
        break;
    case EVENT_UNLOAD:
        unload(w, e->index);
        break;
    case EVENT_LOAD:
        load(w);
        break;
    case EVENT_POLICY:
        REQUIRE(sched_core_set_policy(w->core, w->now_ns, w->texts[e->index], NULL) == COSREL_OK);
        break;
    case EVENT_ENDING:
        end_soon(w, e);
        break;
    case EVENT_TAKE_BACK:
        take_back(w, e);
        break;
    case EVENT_WAKE:
        break;
    }
}

static void hash(world *w, int64_t value)
{
    for (int i = 0; i < 8; i++) {
        w->trace ^= (uint64_t)value >> (8 * i) & 255;
        w->trace *= 1099511628211u; /* FNV-1a */
    }
}

static void check_exclusion(const world *w, int processor)
{
    const sched_processor *p = &w->setup.processors[processor];
    REQUIRE(!w->runs[processor].busy && !w->down[processor] && !w->removed[processor]);
    for (int q = 0; q < w->setup.processor_count; q++) {
        const sched_processor *other = &w->setup.processors[q];
        REQUIRE(q == processor || !(w->runs[q].busy || w->endings[q].busy) ||
                other->level != p->level || !(other->units & p->units));
    }
}

/* When a run that is dispatched now should begin. */
static int64_t start_of(const world *w, int processor)
{
    const world_run *ending = &w->endings[processor];
    if (!ending->busy)
        return w->now_ns;
    return ending->expected_end_ns >= w->now_ns ? ending->expected_end_ns
                                                : 2 * w->now_ns - ending->expected_end_ns;
}

static void dispatch(world *w, const sched_action *a)
{
    world_run *run = &w->runs[a->processor];
    const int64_t cost_ns = cost_at(w->costs, a->model, a->processor, a->batch_index)->service_ns;
    check_exclusion(w, a->processor);
    REQUIRE(cost_ns > 0 && w->costs->batches[a->batch_index] == a->batch);
    REQUIRE(a->expected_start_ns == start_of(w, a->processor));
    REQUIRE(a->expected_end_ns == a->expected_start_ns + cost_ns);
    *run = (world_run){.busy = true,
                       .run = w->next_run++,
                       .count = a->batch,
                       .model = a->model,
                       .started_ns = a->expected_start_ns,
                       .expected_end_ns = a->expected_end_ns};
    for (int i = 0; i < a->batch; i++) {
        world_request *r = &w->requests[a->tags[i]];
        REQUIRE(r->state == WORLD_WAITING && r->id == a->ids[i] && r->model == a->model);
        REQUIRE(r->priority < 0 || w->setup.processors[a->processor].level == 0);
        REQUIRE(++r->runs <= SCHED_ATTEMPTS_MAX);
        r->state = WORLD_RUNNING;
        r->started_ns = w->now_ns;
        r->processor = a->processor;
        run->requests[i] = (int)a->tags[i];
        hash(w, (int64_t)a->tags[i]);
    }
    hash(w, w->now_ns);
    hash(w, a->processor);
    w->dispatches++;
    const double factor = w->noise == 0 ? 1 : 1 + w->noise * (2 * rng_unit(&w->random) - 1);
    run->took_ns = w->noise == 0 ? cost_ns : (int64_t)((double)cost_ns * factor) + 1;
    if (w->endings[a->processor].busy)
        w->prepared++;
    else
        push_end(w, a->processor, run);
    if (w->overlap > 0 && rng_unit(&w->random) < w->overlap)
        push(w, (world_event){.t_ns = w->now_ns +
                                      (int64_t)((double)run->took_ns * rng_unit(&w->random)),
                              .type = EVENT_ENDING,
                              .index = a->processor,
                              .run = run->run});
}

static void drop(world *w, const sched_action *a)
{
    world_request *r = &w->requests[a->tags[0]];
    REQUIRE(a->batch == 1 && r->state == WORLD_WAITING && r->id == a->ids[0]);
    REQUIRE(a->reason != SCHED_DROP_LATE || (w->setup.drop_late && r->deadline_ns != SCHED_NEVER));
    REQUIRE(a->reason != SCHED_DROP_FAILED || r->runs == SCHED_ATTEMPTS_MAX);
    r->state = WORLD_DROPPED;
    r->ended_ns = w->now_ns;
    hash(w, (int64_t)a->tags[0]);
    hash(w, w->now_ns);
}

static void drain(world *w)
{
    sched_action action;
    for (;;) {
        if (w->watch)
            w->watch(w, true, NULL, w->watch_user);
        const bool more = sched_core_next(w->core, w->now_ns, &action);
        if (w->watch)
            w->watch(w, false, more ? &action : NULL, w->watch_user);
        if (!more)
            break;
        if (action.type == SCHED_DISPATCH)
            dispatch(w, &action);
        else
            drop(w, &action);
        if (w->check)
            sched_core_check(w->core);
    }
    /* Nothing to do stays nothing to do. */
    REQUIRE(!sched_core_next(w->core, w->now_ns, &action));
    const int64_t wake_ns = sched_core_wake_ns(w->core);
    REQUIRE(wake_ns > w->now_ns);
    if (wake_ns != SCHED_NEVER)
        push(w, (world_event){.t_ns = wake_ns, .type = EVENT_WAKE});
}

void world_run_until(world *w, int64_t t_ns)
{
    while (w->event_count > 0 && w->events[0].t_ns <= t_ns) {
        w->now_ns = w->events[0].t_ns;
        while (w->event_count > 0 && w->events[0].t_ns == w->now_ns) {
            const world_event e = pop(w);
            tell(w, &e);
            if (w->check)
                sched_core_check(w->core);
        }
        drain(w);
    }
}

void world_costs(cost_table *t, int models, int processors, const double *ms)
{
    const int32_t one = 1;
    REQUIRE(cost_init(t, models, processors, &one, 1) == COSREL_OK);
    t->model_count = models;
    for (int m = 0; m < models; m++) {
        for (int p = 0; p < processors; p++)
            cost_at(t, m, p, 0)->service_ns = (int64_t)(ms[m * processors + p] * 1e6);
    }
}

int64_t world_count(const world *w, world_state state)
{
    int64_t count = 0;
    for (int i = 0; i < w->request_count; i++)
        count += w->requests[i].state == state;
    return count;
}
