/* The loop from event to event.
 *
 * There is no event queue: what can happen next is the next arrival, the end of one of at most 64
 * runs, or a change of the device, and looking through the runs is cheaper than keeping a heap.
 * All that happens in one instant is told to the core before it decides: ends of runs by processor,
 * then changes of the device, then arrivals, which an answer of this instant may have brought. */
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "sched/prices.h"

/* Chosen: events between two looks at the observer's clock. */
enum { GOING_ON_EVENTS = 4096 };

/* Chosen: what waits and runs at most where the caller sets no limit; the rest is refused. Two
 * million requests of 72 bytes; pages are touched only when they are needed. */
enum { REQUESTS_MAX = 1 << 21 };

typedef enum slot_state { SLOT_FREE, SLOT_WAITING, SLOT_RUNNING } slot_state;

/* A request in the works. The core's tag is its index here. */
typedef struct slot {
    int64_t arrived_ns;
    int64_t deadline_ns;
    sched_id in_core;
    uint32_t id; /* the source's; of a free slot: the next free one */
    int32_t model;
    slot_state state;
} slot;

typedef struct run {
    int64_t started_ns;
    int64_t end_ns;   /* INT64_MAX: it stands still */
    double work_ns;   /* left at `since_ns`, at speed 1 */
    double speed;     /* since then */
    int64_t since_ns; /* where runs can change their speed */
    int64_t energy_uj;
    int model;
    int batch_index;
    int count;  /* 0: idle */
    bool fails; /* the script says so */
    uint32_t slots[SCHED_BATCH_MAX];
} run;

typedef struct sim {
    const sim_setup *setup;
    const sim_observer *observer;
    const cost_table *costs;
    cost_table belief; /* what the core knows, where runs differ from the table */
    sched_core *core;
    sim_result *out;
    int64_t now_ns;
    bool varies; /* runs can change their speed: a device model, or pre-emption */
    uint64_t running;
    uint64_t down;
    uint64_t units_busy[2]; /* per level */
    run runs[SCHED_PROCESSORS_MAX];
    slot *slots;
    uint32_t slot_count, slot_room, slot_free, in_works;
    uint32_t ids[SCHED_BATCH_MAX]; /* for the observer */
    prices_clock prices;
    size_t given_up_at, asked_at; /* where the script stands */
    bool failed_memory;
} sim;

static const uint32_t NO_SLOT = UINT32_MAX;

#define REQUIRE(s, condition)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            broken((s), #condition);                                                               \
    } while (0)

_Noreturn static void broken(const sim *s, const char *what)
{
    fprintf(stderr, "cosrel: the simulation of policy '%s' broke an invariant at %lld ns: %s\n",
            s->setup->sched.policy, (long long)s->now_ns, what);
    abort();
}

/* ---- Requests ---- */

static uint32_t take_slot(sim *s)
{
    uint32_t i = s->slot_free;
    if (i != NO_SLOT) {
        s->slot_free = s->slots[i].id;
    } else {
        if (s->slot_count == s->slot_room) {
            const uint32_t room = s->slot_room ? 2 * s->slot_room : 256;
            slot *grown = realloc(s->slots, room * sizeof *grown);
            if (!grown)
                return NO_SLOT;
            s->slots = grown;
            s->slot_room = room;
        }
        i = s->slot_count++;
    }
    s->in_works++;
    return i;
}

static void give_slot(sim *s, uint32_t i)
{
    s->slots[i].state = SLOT_FREE;
    s->slots[i].id = s->slot_free;
    s->slot_free = i;
    s->in_works--;
}

static void count_lost(sim *s, const slot *r)
{
    sim_model_result *m = &s->out->models[r->model];
    s->out->dropped++;
    m->with_deadline += r->deadline_ns != SCHED_NEVER;
    m->missed += r->deadline_ns != SCHED_NEVER;
}

static void arrive(sim *s)
{
    source_request r;
    source_pop(s->setup->requests, &r);
    REQUIRE(s, r.t_ns == s->now_ns && r.model >= 0 && r.model < s->out->model_count);
    if (s->out->arrived++ == 0)
        s->out->first_arrival_ns = s->now_ns;
    const uint32_t i = take_slot(s);
    if (i == NO_SLOT) {
        s->failed_memory = true;
        return;
    }
    slot *at = &s->slots[i];
    *at = (slot){.arrived_ns = r.t_ns,
                 .deadline_ns = r.deadline_ns,
                 .id = r.id,
                 .model = r.model,
                 .state = SLOT_WAITING};
    if (s->observer && s->observer->arrival)
        s->observer->arrival(s->observer->user, &r);
    const sched_arrival arrival = {
        .model = r.model, .priority = r.priority, .deadline_ns = r.deadline_ns, .tag = i};
    if (sched_core_arrive(s->core, s->now_ns, &arrival, &at->in_core) == COSREL_OK)
        return;
    if (s->observer && s->observer->drop)
        s->observer->drop(s->observer->user, s->now_ns, r.id, SCHED_DROP_UNAVAILABLE);
    count_lost(s, at);
    give_slot(s, i);
    source_answered(s->setup->requests, s->now_ns, r.id, false);
}

static bool keep_latency(sim_model_result *m, double latency_ms)
{
    if (m->served == m->latency_room) {
        const uint64_t room = m->latency_room ? 2 * m->latency_room : 256;
        double *grown = realloc(m->latency_ms, room * sizeof *grown);
        if (!grown)
            return false;
        m->latency_ms = grown;
        m->latency_room = room;
    }
    m->latency_ms[m->served++] = latency_ms;
    return true;
}

static void serve(sim *s, uint32_t i)
{
    const slot *r = &s->slots[i];
    sim_model_result *m = &s->out->models[r->model];
    const uint32_t id = r->id;
    REQUIRE(s, r->state == SLOT_RUNNING);
    if (!keep_latency(m, (double)(s->now_ns - r->arrived_ns) / 1e6))
        s->failed_memory = true;
    s->out->served++;
    s->out->last_end_ns = s->now_ns;
    m->with_deadline += r->deadline_ns != SCHED_NEVER;
    m->missed += s->now_ns > r->deadline_ns;
    give_slot(s, i);
    source_answered(s->setup->requests, s->now_ns, id, true);
}

/* ---- Runs ---- */

/* The run on a processor is over; its requests are the caller's business. */
static void end_run(sim *s, int p, bool ok)
{
    run *r = &s->runs[p];
    const sched_processor *at = &s->setup->sched.processors[p];
    if (s->observer && s->observer->end) {
        for (int i = 0; i < r->count; i++)
            s->ids[i] = s->slots[r->slots[i]].id;
        s->observer->end(s->observer->user, r->started_ns, s->now_ns, p, r->model, s->ids, r->count,
                         ok);
    }
    s->out->processors[p].runs++;
    s->out->processors[p].busy_ns += s->now_ns - r->started_ns;
    const double factor = s->setup->device ? device_model_energy_factor(s->setup->device, p) : 1;
    s->out->energy_uj += (double)r->energy_uj * factor;
    s->running &= ~((uint64_t)1 << p);
    s->units_busy[at->level] &= ~at->units;
}

static void return_requests(sim *s, run *r)
{
    for (int i = 0; i < r->count; i++) {
        REQUIRE(s, s->slots[r->slots[i]].state == SLOT_RUNNING);
        s->slots[r->slots[i]].state = SLOT_WAITING;
    }
    r->count = 0;
}

static void complete(sim *s, int p)
{
    run *r = &s->runs[p];
    const bool ok = !r->fails &&
                    (!s->setup->device || !device_model_run_fails(s->setup->device, s->now_ns, p));
    if (ok && s->belief.cells)
        cost_observe(&s->belief, r->model, p, r->batch_index, s->now_ns - r->started_ns);
    end_run(s, p, ok);
    sched_core_complete(s->core, s->now_ns, p, ok);
    s->out->events++;
    if (!ok) {
        return_requests(s, r);
        return;
    }
    for (int i = 0; i < r->count; i++)
        serve(s, r->slots[i]);
    r->count = 0;
}

static void begin(sim *s, const sched_action *a)
{
    run *r = &s->runs[a->processor];
    const sched_processor *at = &s->setup->sched.processors[a->processor];
    const cost_cell *cell = cost_at(s->costs, a->model, a->processor, a->batch_index);
    REQUIRE(s, r->count == 0 && cell->service_ns > 0 && !(s->units_busy[at->level] & at->units));
    REQUIRE(s, !(s->down & (uint64_t)1 << a->processor));
    REQUIRE(s, s->costs->batches[a->batch_index] == a->batch);
    r->started_ns = r->since_ns = s->now_ns;
    r->model = a->model;
    r->batch_index = a->batch_index;
    r->energy_uj = cell->energy_uj;
    r->count = a->batch;
    r->speed = 1;
    const int64_t work_ns = s->setup->device
                                ? device_model_begin(s->setup->device, s->now_ns, a->processor,
                                                     a->model, cell->service_ns)
                                : cell->service_ns;
    r->work_ns = (double)work_ns;
    r->end_ns = s->now_ns + work_ns;
    r->fails = false;
    if (s->setup->script) {
        bool answers = true;
        r->end_ns = s->setup->script->end_ns(s->setup->script->user, s->now_ns, r->end_ns,
                                             a->processor, &answers);
        r->fails = !answers;
        REQUIRE(s, r->end_ns > s->now_ns);
    }
    for (int i = 0; i < a->batch; i++) {
        slot *q = &s->slots[a->tags[i]];
        REQUIRE(s, a->tags[i] < s->slot_count && q->state == SLOT_WAITING && q->model == a->model);
        q->state = SLOT_RUNNING;
        r->slots[i] = (uint32_t)a->tags[i];
        s->ids[i] = q->id;
    }
    s->running |= (uint64_t)1 << a->processor;
    s->units_busy[at->level] |= at->units;
    if (s->observer && s->observer->dispatch)
        s->observer->dispatch(s->observer->user, s->now_ns, r->end_ns, a->processor, a->model,
                              s->ids, a->batch);
}

static void lose(sim *s, uint32_t i, sched_drop_reason reason)
{
    REQUIRE(s, i < s->slot_count && s->slots[i].state == SLOT_WAITING);
    const uint32_t id = s->slots[i].id;
    if (s->observer && s->observer->drop)
        s->observer->drop(s->observer->user, s->now_ns, id, reason);
    count_lost(s, &s->slots[i]);
    give_slot(s, i);
    s->out->events++;
    source_answered(s->setup->requests, s->now_ns, id, false);
}

/* Speeds may have changed: what is left of each run is timed anew. */
static void retime(sim *s)
{
    const device_model *d = s->setup->device;
    if (d)
        device_model_advance(s->setup->device, s->now_ns, s->running);
    for (uint64_t left = s->running; left; left &= left - 1) {
        const int p = __builtin_ctzll(left);
        const sched_processor *at = &s->setup->sched.processors[p];
        run *r = &s->runs[p];
        double speed = d ? device_model_speed(d, p) : 1;
        if (at->level == 1 && (s->units_busy[0] & at->units))
            speed = 0; /* the foreground has the core */
        if (speed == r->speed)
            continue;
        r->work_ns -= (double)(s->now_ns - r->since_ns) * r->speed;
        if (r->work_ns < 0)
            r->work_ns = 0;
        r->since_ns = s->now_ns;
        r->speed = speed;
        /* Beyond 10^17 ns, three years, it stands still for all that matters. */
        const double rest_ns = speed > 0 ? r->work_ns / speed : 1e18;
        r->end_ns = rest_ns < 1e17 ? s->now_ns + (int64_t)(rest_ns + 0.999999) : INT64_MAX;
    }
}

static void change_device(sim *s)
{
    int p;
    device_change change;
    while (device_model_take_change(s->setup->device, s->now_ns, &p, &change)) {
        s->out->events++;
        if (change == DEVICE_UP) {
            s->down &= ~((uint64_t)1 << p);
            sched_core_processor_up(s->core, s->now_ns, p);
            continue;
        }
        s->down |= (uint64_t)1 << p;
        if (s->runs[p].count > 0) {
            end_run(s, p, false);
            return_requests(s, &s->runs[p]);
        }
        if (change == DEVICE_REMOVE)
            sched_core_processor_remove(s->core, s->now_ns, p);
        else
            sched_core_processor_down(s->core, s->now_ns, p);
    }
}

/* ---- Deciding ---- */

static bool next_action(sim *s, sched_action *action)
{
    if (!s->setup->stopwatch_ns)
        return sched_core_next(s->core, s->now_ns, action);
    const uint64_t before = sched_core_decisions(s->core);
    const int64_t started_ns = s->setup->stopwatch_ns();
    const bool more = sched_core_next(s->core, s->now_ns, action);
    if (sched_core_decisions(s->core) != before)
        hist_add(&s->out->decision_ns, s->setup->stopwatch_ns() - started_ns);
    return more;
}

static void drain(sim *s)
{
    sched_action action;
    if (s->setup->device)
        sched_core_set_heat(s->core, s->now_ns, device_model_heat(s->setup->device));
    if (prices_due(&s->prices, s->core, s->out->arrived, s->now_ns))
        prices_renew(s->core, s->now_ns);
    while (next_action(s, &action)) {
        if (action.type == SCHED_DISPATCH)
            begin(s, &action);
        else
            lose(s, (uint32_t)action.tags[0], action.reason);
        if (s->setup->check)
            sched_core_check(s->core);
    }
}

/* ---- The script ---- */

/* Looking through all that is in the works: what is given up is rare. */
static void give_up(sim *s, uint32_t id)
{
    for (uint32_t i = 0; i < s->slot_count; i++) {
        const slot *at = &s->slots[i];
        if (at->state != SLOT_WAITING || at->id != id)
            continue;
        if (sched_core_cancel(s->core, s->now_ns, at->in_core))
            lose(s, i, SCHED_DROP_LATE);
        return;
    }
}

static void play(sim *s, const sim_script *script)
{
    while (s->given_up_at < script->given_up_count &&
           script->given_up[s->given_up_at].t_ns <= s->now_ns)
        give_up(s, script->given_up[s->given_up_at++].id);
    for (; s->asked_at < script->asked_count && script->asked_ns[s->asked_at] <= s->now_ns;
         s->asked_at++)
        if (script->asked_ns[s->asked_at] == s->now_ns)
            sched_core_wake(s->core, s->now_ns);
}

static int64_t script_next_ns(const sim *s)
{
    const sim_script *script = s->setup->script;
    int64_t t = INT64_MAX;
    if (s->given_up_at < script->given_up_count)
        t = script->given_up[s->given_up_at].t_ns;
    if (s->asked_at < script->asked_count && script->asked_ns[s->asked_at] < t)
        t = script->asked_ns[s->asked_at];
    return t;
}

/* ---- From event to event ---- */

/* When something happens next; INT64_MAX: never. */
static int64_t next_ns(const sim *s)
{
    int64_t t = source_next_ns(s->setup->requests);
    for (uint64_t left = s->running; left; left &= left - 1) {
        const int64_t end_ns = s->runs[__builtin_ctzll(left)].end_ns;
        t = end_ns < t ? end_ns : t;
    }
    /* The device changes and the core wants to be woken only as long as there is work. */
    if (s->in_works > 0 || t != INT64_MAX) {
        const int64_t wake_ns = sched_core_wake_ns(s->core);
        t = wake_ns < t ? wake_ns : t;
        if (s->setup->device) {
            const int64_t device_ns = device_model_next_ns(s->setup->device);
            t = device_ns < t ? device_ns : t;
        }
        if (s->setup->script) {
            const int64_t script_ns = script_next_ns(s);
            t = script_ns < t ? script_ns : t;
        }
    }
    return t;
}

static void happen(sim *s)
{
    if (s->setup->device)
        device_model_advance(s->setup->device, s->now_ns, s->running);
    for (uint64_t left = s->running; left; left &= left - 1) {
        const int p = __builtin_ctzll(left);
        if (s->runs[p].end_ns <= s->now_ns)
            complete(s, p);
    }
    if (s->setup->device)
        change_device(s);
    while (source_next_ns(s->setup->requests) <= s->now_ns) {
        arrive(s);
        s->out->events++;
        if (s->setup->check)
            sched_core_check(s->core);
    }
    if (s->setup->script)
        play(s, s->setup->script);
}

static void loop(sim *s)
{
    uint64_t look_at = GOING_ON_EVENTS;
    for (;;) {
        const int64_t t = next_ns(s);
        if (t == INT64_MAX || s->failed_memory)
            break;
        REQUIRE(s, t >= s->now_ns);
        s->now_ns = t;
        happen(s);
        drain(s);
        if (s->varies)
            retime(s);
        if (s->out->events < look_at)
            continue;
        look_at = s->out->events + GOING_ON_EVENTS;
        if (s->observer && s->observer->going_on &&
            !s->observer->going_on(s->observer->user, s->now_ns, s->out->served)) {
            s->out->stopped = true;
            break;
        }
    }
}

/* ---- Setting up ---- */

static cosrel_status prepare(sim *s, cosrel_error *err)
{
    const sim_setup *setup = s->setup;
    sched_setup sched = setup->sched;
    cosrel_status status = COSREL_OK;
    s->out->model_count = s->costs->model_count;
    s->out->processor_count = sched.processor_count;
    s->out->models = calloc((size_t)s->out->model_count, sizeof *s->out->models);
    if (!s->out->models)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the simulation");
    for (int p = 0; p < sched.processor_count; p++)
        s->varies |= sched.processors[p].level == 1;
    REQUIRE(s, !setup->script || !setup->device);
    s->varies = (s->varies || setup->device) && !setup->script;
    if (setup->device || (setup->script && setup->script->costs_move)) {
        status = cost_copy(&s->belief, s->costs, s->costs->model_max);
        if (status != COSREL_OK)
            return error_set(err, status, "no memory for the simulation");
    }
    sched.model_max = s->costs->model_max;
    if (sched.requests_max == 0)
        sched.requests_max = REQUESTS_MAX;
    status = sched_core_create(&sched, s->belief.cells ? &s->belief : s->costs, &s->core, err);
    for (int m = 0; status == COSREL_OK && m < s->costs->model_count; m++)
        status = sched_core_add_model(s->core, 0, setup->models[m]);
    return status;
}

cosrel_status sim_run(const sim_setup *setup, sim_result *out, cosrel_error *err)
{
    memset(out, 0, sizeof *out);
    sim *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the simulation");
    s->setup = setup;
    s->observer = setup->observer;
    s->costs = setup->costs;
    s->out = out;
    s->slot_free = NO_SLOT;
    cosrel_status status = prepare(s, err);
    if (status == COSREL_OK) {
        loop(s);
        out->decisions = sched_core_decisions(s->core);
        out->left = s->in_works;
        REQUIRE(s, out->arrived == out->served + out->dropped + out->left);
        REQUIRE(s, out->stopped || s->running == 0);
        if (s->failed_memory)
            status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the simulation");
    }
    sched_core_free(s->core);
    cost_deinit(&s->belief);
    free(s->slots);
    free(s);
    return status;
}

void sim_result_deinit(sim_result *r)
{
    for (int m = 0; r->models && m < r->model_count; m++)
        free(r->models[m].latency_ms);
    free(r->models);
    memset(r, 0, sizeof *r);
}
