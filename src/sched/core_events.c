/* What happens to the core: arrivals, ends of runs, processors that come and go. */
#include <stdlib.h>
#include <string.h>

#include "sched/core_state.h"

void core_release(sched_core *core, uint32_t index)
{
    sched_request *r = &core->requests[index];
    r->state = REQUEST_FREE;
    r->next = core->free_head;
    core->free_head = index;
    core->used--;
}

void core_unqueue(sched_core *core, uint32_t index)
{
    const sched_request *r = &core->requests[index];
    if (core->policy->leave)
        core->policy->leave(core->policy_state, &core->view, index);
    class_queue_remove(&core->classes[r->class], core->requests, index);
    core->waiting--;
    core->deadlines_waiting -= r->deadline_ns != SCHED_NEVER;
}

static void enqueue(sched_core *core, uint32_t index)
{
    sched_request *r = &core->requests[index];
    r->state = REQUEST_WAITING;
    class_queue_add(&core->classes[r->class], core->requests, index);
    core->waiting++;
    core->deadlines_waiting += r->deadline_ns != SCHED_NEVER;
}

/* To where it stood before a run that failed. */
static void enqueue_again(sched_core *core, uint32_t index)
{
    enqueue(core, index);
    if (core->policy->arrive) {
        core_look(core, (request_class)core->requests[index].class, 0);
        core->policy->arrive(core->policy_state, &core->view, index);
    }
}

void core_queue_drop(sched_core *core, uint32_t index, sched_drop_reason reason)
{
    sched_request *r = &core->requests[index];
    r->state = REQUEST_DROPPING;
    r->drop_reason = (uint8_t)reason;
    r->next = REQUEST_NONE;
    r->prev = core->drop_tail;
    *(r->prev == REQUEST_NONE ? &core->drop_head : &core->requests[r->prev].next) = index;
    core->drop_tail = index;
}

static void unqueue_drop(sched_core *core, uint32_t index)
{
    const sched_request *r = &core->requests[index];
    *(r->prev == REQUEST_NONE ? &core->drop_head : &core->requests[r->prev].next) = r->next;
    *(r->next == REQUEST_NONE ? &core->drop_tail : &core->requests[r->next].prev) = r->prev;
}

uint32_t core_take_drop(sched_core *core)
{
    const uint32_t index = core->drop_head;
    if (index != REQUEST_NONE)
        unqueue_drop(core, index);
    return index;
}

/* ---- Models
 * ----------------------------------------------------------------------------------------------------
 */

void core_update_model(sched_core *core, int model)
{
    uint64_t able[2] = {0, 0};
    for (int p = 0; p < core->processor_count; p++) {
        if (core->model_names[model] && core->states[p] != PROCESSOR_REMOVED &&
            cost_at(core->costs, model, p, 0)->service_ns > 0)
            able[core->processors[p].level] |= VIEW_BIT(p);
    }
    core->can_foreground[model] = able[0];
    core->can_background[model] = able[1] ? able[1] : able[0];
}

/* Requests that no processor is left for. */
static void drop_unavailable(sched_core *core, int model)
{
    for (int c = 0; c < CLASS_COUNT; c++) {
        if (core_can(core, (request_class)c)[model])
            continue;
        const model_queue *q = &core->classes[c].models[model];
        while (q->count > 0) {
            const uint32_t index = q->head;
            core_unqueue(core, index);
            core_queue_drop(core, index, SCHED_DROP_UNAVAILABLE);
        }
    }
}

int sched_core_next_model(const sched_core *core)
{
    int model = 0;
    while (model < core->model_count && core->model_names[model])
        model++;
    return model;
}

cosrel_status sched_core_add_model(sched_core *core, int64_t now_ns, const char *name)
{
    const int model = sched_core_next_model(core);
    if (model == core->model_max)
        return COSREL_QUEUE_FULL;
    char *copy = strdup(name);
    if (!copy)
        return COSREL_OUT_OF_MEMORY;
    core_set_now(core, now_ns);
    core->model_names[model] = copy;
    if (model == core->model_count)
        core->model_count++;
    core_update_model(core, model);
    return COSREL_OK;
}

void sched_core_succeed(sched_core *core, int before, int model)
{
    for (int i = 0; i < 2; i++)
        rates_pass_on(&core->rates[i], before, model);
}

static bool is_of(const sched_core *core, const core_run *run, int model)
{
    return run->count > 0 && core->requests[run->requests[0]].model == model;
}

static bool has_requests(const sched_core *core, int model)
{
    if (sched_core_waiting(core, model) > 0)
        return true;
    for (int p = 0; p < core->processor_count; p++)
        if (is_of(core, &core->runs[p], model) || is_of(core, &core->endings[p], model))
            return true;
    for (uint32_t r = core->drop_head; r != REQUEST_NONE; r = core->requests[r].next)
        if (core->requests[r].model == model)
            return true;
    return false;
}

cosrel_status sched_core_remove_model(sched_core *core, int64_t now_ns, int model)
{
    if (model < 0 || model >= core->model_count || !core->model_names[model])
        return COSREL_INVALID_ARGUMENT;
    if (has_requests(core, model))
        return COSREL_UNAVAILABLE;
    core_set_now(core, now_ns);
    free(core->model_names[model]);
    core->model_names[model] = NULL;
    core->can_foreground[model] = core->can_background[model] = 0;
    for (int c = 0; c < CLASS_COUNT; c++)
        core->classes[c].models[model].started_ns = QUEUE_NEVER_STARTED;
    for (int i = 0; i < 2; i++)
        rates_forget(&core->rates[i], model);
    while (core->model_count > 0 && !core->model_names[core->model_count - 1])
        core->model_count--;
    return COSREL_OK;
}

void sched_core_model_changed(sched_core *core, int64_t now_ns, int model)
{
    if (model < 0 || model >= core->model_count || !core->model_names[model])
        return;
    core_set_now(core, now_ns);
    core_update_model(core, model);
    drop_unavailable(core, model);
}

/* ---- Requests
 * --------------------------------------------------------------------------------------------------
 */

/* Requests that were never used come after those that were given back, so that the memory of a
 * large limit is touched only when it is needed. */
static uint32_t take_free(sched_core *core)
{
    core->used++;
    if (core->free_head == REQUEST_NONE)
        return core->fresh++;
    const uint32_t index = core->free_head;
    core->free_head = core->requests[index].next;
    return index;
}

cosrel_status sched_core_arrive(sched_core *core, int64_t now_ns, const sched_arrival *arrival,
                                sched_id *id)
{
    const int model = arrival->model;
    const request_class class = arrival->priority > 0    ? CLASS_HIGH
                                : arrival->priority == 0 ? CLASS_NORMAL
                                                         : CLASS_BACKGROUND;
    if (model < 0 || model >= core->model_count)
        return COSREL_INVALID_ARGUMENT;
    if (core_can(core, class)[model] == 0)
        return COSREL_UNAVAILABLE;
    if (core->used == core->requests_max || sched_core_waiting(core, model) >= core->queue_len_max)
        return COSREL_QUEUE_FULL;
    core_set_now(core, now_ns);
    const uint32_t index = take_free(core);
    sched_request *r = &core->requests[index];
    /* A generation is never 0, so an id is not. */
    const uint32_t generation = r->generation == UINT32_MAX ? 1 : r->generation + 1;
    *r = (sched_request){.arrived_ns = core->now_ns,
                         .deadline_ns = arrival->deadline_ns,
                         .tag = arrival->tag,
                         .sequence = core->next_sequence++,
                         .generation = generation,
                         .model = model,
                         .class = (uint8_t) class};
    enqueue(core, index);
    rates_arrive(&core->rates[class == CLASS_BACKGROUND], core->now_ns, model,
                 arrival->deadline_ns);
    core->arrivals += class != CLASS_BACKGROUND;
    *id = core_id(core, index);
    if (core->policy->arrive) {
        core_look(core, class, 0);
        core->policy->arrive(core->policy_state, &core->view, index);
    }
    return COSREL_OK;
}

bool sched_core_cancel(sched_core *core, int64_t now_ns, sched_id id)
{
    const uint32_t index = (uint32_t)id;
    if (index >= core->requests_max || core->requests[index].generation != id >> 32)
        return false;
    const uint8_t state = core->requests[index].state;
    if (state != REQUEST_WAITING && state != REQUEST_DROPPING)
        return false;
    core_set_now(core, now_ns);
    if (state == REQUEST_WAITING)
        core_unqueue(core, index);
    else
        unqueue_drop(core, index);
    core_release(core, index);
    return true;
}

/* The run that ends first. */
static core_run *first_run(sched_core *core, int processor)
{
    core_run *ending = &core->endings[processor];
    return ending->count > 0 ? ending : &core->runs[processor];
}

/* The requests of a run that is no more. */
static int32_t end_run(sched_core *core, int processor, core_run *run)
{
    const int32_t count = run->count;
    core_run *next = &core->runs[processor];
    run->count = 0;
    if (run == next) {
        core->running &= ~VIEW_BIT(processor);
    } else if (next->count > 0) { /* begins now, whatever was expected */
        next->expected_end_ns += core->now_ns - next->started_ns;
        next->started_ns = core->now_ns;
    }
    return count;
}

/* Ends a run and gives its requests back. */
static void give_back(sched_core *core, int processor, core_run *run, bool attempted)
{
    const int32_t count = end_run(core, processor, run);
    for (int32_t i = 0; i < count; i++) {
        const uint32_t index = run->requests[i];
        sched_request *r = &core->requests[index];
        r->attempts += attempted;
        if (r->attempts >= SCHED_ATTEMPTS_MAX)
            core_queue_drop(core, index, SCHED_DROP_FAILED);
        else if (core_can(core, (request_class)r->class)[r->model] == 0)
            core_queue_drop(core, index, SCHED_DROP_UNAVAILABLE);
        else
            enqueue_again(core, index);
    }
}

void sched_core_complete(sched_core *core, int64_t now_ns, int processor, bool ok)
{
    core_run *run = first_run(core, processor);
    if (run->count == 0)
        return;
    core_set_now(core, now_ns);
    if (!ok) {
        give_back(core, processor, run, true);
        return;
    }
    const int32_t count = end_run(core, processor, run);
    for (int32_t i = 0; i < count; i++)
        core_release(core, run->requests[i]);
}

void sched_core_ending(sched_core *core, int64_t now_ns, int processor)
{
    core_run *run = &core->runs[processor], *ending = &core->endings[processor];
    if (run->count == 0 || ending->count > 0 || core->states[processor] != PROCESSOR_UP ||
        core->conflicts[processor] != VIEW_BIT(processor))
        return;
    core_set_now(core, now_ns);
    *ending = *run;
    run->count = 0;
    core->running &= ~VIEW_BIT(processor);
}

void sched_core_take_back(sched_core *core, int64_t now_ns, int processor)
{
    if (core->runs[processor].count == 0)
        return;
    core_set_now(core, now_ns);
    give_back(core, processor, &core->runs[processor], false);
}

/* ---- Processors
 * ------------------------------------------------------------------------------------------------
 */

void sched_core_processor_down(sched_core *core, int64_t now_ns, int processor)
{
    if (core->states[processor] != PROCESSOR_UP)
        return;
    core_set_now(core, now_ns);
    core->states[processor] = PROCESSOR_DOWN;
    core->up &= ~VIEW_BIT(processor);
    give_back(core, processor, first_run(core, processor), true);
}

void sched_core_processor_up(sched_core *core, int64_t now_ns, int processor)
{
    core_set_now(core, now_ns);
    const bool removed = core->states[processor] == PROCESSOR_REMOVED;
    core->states[processor] = PROCESSOR_UP;
    core->up |= VIEW_BIT(processor);
    for (int m = 0; removed && m < core->model_count; m++)
        core_update_model(core, m);
}

void sched_core_processor_remove(sched_core *core, int64_t now_ns, int processor)
{
    core_set_now(core, now_ns);
    core->states[processor] = PROCESSOR_REMOVED;
    core->up &= ~VIEW_BIT(processor);
    for (int m = 0; m < core->model_count; m++)
        core_update_model(core, m);
    give_back(core, processor, first_run(core, processor), true);
    for (int m = 0; m < core->model_count; m++)
        drop_unavailable(core, m);
}

void sched_core_wake(sched_core *core, int64_t now_ns)
{
    core_set_now(core, now_ns);
}

/* ---- Estimates
 * ---------------------------------------------------------------------------------------------------
 */

void sched_core_set_objective(sched_core *core, int64_t now_ns, const sched_objective *objective)
{
    core_set_now(core, now_ns);
    core->objective = *objective;
    core->objectives++;
}

void sched_core_set_prices(sched_core *core, int64_t now_ns, const double *prices)
{
    core_set_now(core, now_ns);
    core->view.prices = prices ? core->prices : NULL;
    if (prices)
        memcpy(core->prices, prices, (size_t)core->processor_count * sizeof *prices);
}

void sched_core_set_heat(sched_core *core, int64_t now_ns, double heat)
{
    if (now_ns > core->now_ns)
        core->now_ns = now_ns; /* and no more: core_set_now would have the policy asked again */
    core->view.heat = heat > 0 ? (heat < 1 ? heat : 1) : 0; /* a NaN, too */
}

void sched_core_set_energy_prices(sched_core *core, int64_t now_ns, const double *prices)
{
    core_set_now(core, now_ns);
    core->view.energy_prices = prices ? core->energy_prices : NULL;
    if (prices)
        memcpy(core->energy_prices, prices, (size_t)core->processor_count * sizeof *prices);
}

bool sched_core_uses_prices(const sched_core *core)
{
    return core->policy->uses_prices;
}

void sched_core_mix(const sched_core *core, double *shares)
{
    for (int m = 0; m < core->model_count; m++)
        shares[m] = rates_share(&core->rates[0], m, core->model_count);
}

uint64_t sched_core_arrivals(const sched_core *core)
{
    return core->arrivals;
}

/* ---- Reading
 * ---------------------------------------------------------------------------------------------------
 */

uint32_t sched_core_waiting(const sched_core *core, int model)
{
    if (model < 0)
        return core->waiting;
    uint32_t count = 0;
    for (int c = 0; c < CLASS_COUNT; c++)
        count += core->classes[c].models[model].count;
    return count;
}

bool sched_core_idle(const sched_core *core)
{
    return core->used == 0;
}

const char *sched_core_policy(const sched_core *core)
{
    return core->policy_spec;
}

uint64_t sched_core_decisions(const sched_core *core)
{
    return core->decisions;
}
