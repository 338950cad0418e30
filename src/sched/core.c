/* Creating the core and deciding: the drain loop around the policy. Events are in core_events.c. */
#include "sched/core_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

/* A run past its expected end: the policy is asked again after a quarter of its expected length, at
 * least this long (chosen: well above the noise of short runs), and then each time the delay has
 * doubled. */
static const int64_t OVERDUE_MIN_NS = 100000;

void core_set_now(sched_core *core, int64_t now_ns)
{
    /* Callers promise that time does not go back; should it, standing still is the harmless answer.
     */
    if (now_ns > core->now_ns)
        core->now_ns = now_ns;
    core->dirty = true;
}

/* When a run is expected to end, seen from now. One that is late by d is expected to take d more:
 * the longer it has been late, the less its estimate is worth. */
static int64_t expected_end_ns(const sched_core *core, const core_run *run)
{
    const int64_t end_ns = run->expected_end_ns;
    return end_ns >= core->now_ns ? end_ns : core->now_ns + (core->now_ns - end_ns);
}

/* Of a run that is dispatched now. */
static int64_t next_start_ns(const sched_core *core, int processor)
{
    const core_run *ending = &core->endings[processor];
    return ending->count > 0 ? expected_end_ns(core, ending) : core->now_ns;
}

static uint64_t expand_conflicts(const sched_core *core, uint64_t processors)
{
    uint64_t all = 0;
    for (; processors; processors &= processors - 1)
        all |= core->conflicts[view_lowest(processors)];
    return all;
}

/* Level-0 processors that a waiting foreground request could use, and those that exclude them:
 * background requests stay off them. */
static uint64_t wanted_by_foreground(const sched_core *core)
{
    uint64_t wanted = 0;
    for (int c = CLASS_HIGH; c < CLASS_BACKGROUND; c++) {
        const class_queue *q = &core->classes[c];
        for (int i = 0; i < q->active_count; i++)
            wanted |= core->can_foreground[q->active[i]];
    }
    return expand_conflicts(core, wanted);
}

void core_look(sched_core *core, request_class class, uint64_t held)
{
    sched_view *v = &core->view;
    const uint64_t blocked = expand_conflicts(core, core->running);
    v->now_ns = core->now_ns;
    v->model_count = core->model_count;
    v->can = core_can(core, class);
    v->rates = &core->rates[class == CLASS_BACKGROUND];
    v->queue = &core->classes[class];
    v->up = core->up;
    v->startable = core->up & ~blocked & ~expand_conflicts(core, held);
    if (class == CLASS_BACKGROUND)
        v->startable &= ~wanted_by_foreground(core);
    for (int p = 0; p < core->processor_count; p++)
        core->ready_ns[p] = next_start_ns(core, p);
    v->busy_units[0] = v->busy_units[1] = 0;
    for (uint64_t left = core->running; left; left &= left - 1) {
        const int p = view_lowest(left);
        const int64_t end_ns = expected_end_ns(core, &core->runs[p]);
        v->busy_units[core->processors[p].level] |= core->processors[p].units;
        for (uint64_t others = core->conflicts[p]; others; others &= others - 1) {
            const int q = view_lowest(others);
            if (core->ready_ns[q] < end_ns)
                core->ready_ns[q] = end_ns;
        }
    }
}

static cosrel_status copy_processors(sched_core *core, const sched_setup *setup, cosrel_error *err)
{
    for (int p = 0; p < setup->processor_count; p++) {
        const sched_processor *from = &setup->processors[p];
        if (p > 0 && strcmp(setup->processors[p - 1].name, from->name) >= 0) {
            return error_set(
                err, COSREL_INVALID_ARGUMENT,
                "processor '%s' comes after '%s'; expected alphabetical order without repeats",
                from->name, setup->processors[p - 1].name);
        }
        if (from->units == 0 || from->level < 0 || from->level > 1) {
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "processor '%s' must have a resource unit and level 0 or 1",
                             from->name);
        }
        core->processors[p] = *from;
        core->processor_names[p] = strdup(from->name);
        core->processors[p].name = core->processor_names[p];
        core->processor_count = p + 1;
        if (!core->processor_names[p])
            return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the scheduler");
        core->up |= VIEW_BIT(p);
    }
    for (int p = 0; p < core->processor_count; p++) {
        for (int q = 0; q < core->processor_count; q++) {
            const sched_processor *a = &core->processors[p], *b = &core->processors[q];
            if (a->level != b->level || !(a->units & b->units))
                continue;
            core->conflicts[p] |= VIEW_BIT(q);
            core->families[p] |= b->units;
        }
    }
    return COSREL_OK;
}

static cosrel_status take_memory(sched_core *core, cosrel_error *err)
{
    const size_t models = (size_t)core->model_max;
    core->model_names = calloc(models, sizeof *core->model_names);
    core->can_foreground = calloc(models, sizeof *core->can_foreground);
    core->can_background = calloc(models, sizeof *core->can_background);
    core->requests = calloc(core->requests_max, sizeof *core->requests);
    bool ok = core->model_names && core->can_foreground && core->can_background && core->requests;
    for (int c = 0; c < CLASS_COUNT; c++)
        ok &= class_queue_init(&core->classes[c], core->model_max) == COSREL_OK;
    for (int i = 0; i < 2; i++)
        ok &= rates_init(&core->rates[i], core->model_max) == COSREL_OK;
    if (!ok)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the scheduler");
    core->free_head = REQUEST_NONE;
    return COSREL_OK;
}

static void init_view(sched_core *core, const sched_setup *setup)
{
    core->view = (sched_view){.costs = core->costs,
                              .processor_count = core->processor_count,
                              .model_max = core->model_max,
                              .request_max = core->requests_max,
                              .processors = core->processors,
                              .conflicts = core->conflicts,
                              .families = core->families,
                              .ready_ns = core->ready_ns,
                              .requests = core->requests,
                              .objective = &core->objective,
                              .patience = core->patience,
                              .learned = setup->learned,
                              .random = &core->random};
    core_look(core, CLASS_NORMAL, 0);
}

cosrel_status sched_core_create(const sched_setup *setup, const cost_table *costs, sched_core **out,
                                cosrel_error *err)
{
    *out = NULL;
    if (setup->processor_count < 1 || setup->processor_count > SCHED_PROCESSORS_MAX) {
        return error_set(err, COSREL_INVALID_ARGUMENT, "%d processors; expected 1 to %d",
                         setup->processor_count, SCHED_PROCESSORS_MAX);
    }
    if (setup->model_max < 1 || setup->model_max > costs->model_max || setup->requests_max < 1 ||
        setup->requests_max >= REQUEST_NONE || costs->processor_count != setup->processor_count)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "the scheduler's limits do not fit its cost table");
    sched_core *core = calloc(1, sizeof *core);
    if (!core)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the scheduler");
    core->costs = costs;
    core->model_max = setup->model_max;
    core->requests_max = setup->requests_max;
    core->queue_len_max = setup->queue_len_max ? setup->queue_len_max : setup->requests_max;
    core->drop_late = setup->drop_late;
    core->patience = setup->patience;
    core->objective = setup->objective;
    if (core->objective.latency == 0 && core->objective.miss == 0 &&
        core->objective.energy_ns_per_uj == 0)
        core->objective.latency = 1;
    core->drop_head = core->drop_tail = REQUEST_NONE;
    core->now_ns = INT64_MIN;
    core->wake_ns = SCHED_NEVER;
    rng_init(&core->random, setup->seed);
    cosrel_status status = copy_processors(core, setup, err);
    if (status == COSREL_OK)
        status = take_memory(core, err);
    if (status == COSREL_OK) {
        init_view(core, setup);
        status = sched_core_set_policy(core, INT64_MIN, setup->policy, err);
    }
    if (status != COSREL_OK) {
        sched_core_free(core);
        return status;
    }
    *out = core;
    return COSREL_OK;
}

static void free_policy(const sched_policy *policy, void *state)
{
    if (policy && policy->destroy)
        policy->destroy(state);
}

void sched_core_free(sched_core *core)
{
    if (!core)
        return;
    free_policy(core->policy, core->policy_state);
    free(core->policy_spec);
    for (int p = 0; p < core->processor_count; p++)
        free(core->processor_names[p]);
    for (int m = 0; m < core->model_count; m++)
        free(core->model_names[m]);
    free(core->model_names);
    free(core->can_foreground);
    free(core->can_background);
    free(core->requests);
    for (int i = 0; i < 2; i++)
        rates_deinit(&core->rates[i]);
    for (int c = 0; c < CLASS_COUNT; c++)
        class_queue_deinit(&core->classes[c]);
    free(core);
}

static cosrel_status unknown_policy(const char *spec, cosrel_error *err)
{
    const char *names[64];
    size_t count = 0;
    char word[64];
    text_builder all = {0};
    for (int i = 0; i < policy_count() && count < 64; i++) {
        names[count++] = policy_at(i)->name;
        text_addf(&all, "%s%s", i > 0 ? ", " : "", policy_at(i)->name);
    }
    const size_t length = strcspn(spec, ":");
    memcpy(word, spec, length < 63 ? length : 63);
    word[length < 63 ? length : 63] = '\0';
    const char *near = text_nearest(word, names, count);
    error_set(err, COSREL_INVALID_ARGUMENT, "policy '%s' is unknown%s%s%s; expected one of %s",
              spec, near ? "; did you mean '" : "", near ? near : "", near ? "'" : "",
              all.data ? all.data : "");
    text_deinit(&all);
    return COSREL_INVALID_ARGUMENT;
}

cosrel_status sched_core_set_policy(sched_core *core, int64_t now_ns, const char *spec,
                                    cosrel_error *err)
{
    const char *argument;
    void *state = NULL;
    if (!spec)
        spec = "";
    core_set_now(core, now_ns);
    const sched_policy *policy = policy_find(spec, &argument);
    if (!policy)
        return unknown_policy(spec, err);
    char *copy = strdup(spec);
    if (!copy)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for policy '%s'", spec);
    core_look(core, CLASS_NORMAL, 0);
    const cosrel_status status = policy->create(&core->view, argument, &state, err);
    if (status != COSREL_OK) {
        free(copy);
        return status;
    }
    free_policy(core->policy, core->policy_state);
    free(core->policy_spec);
    core->policy = policy;
    core->policy_state = state;
    core->policy_spec = copy;
    for (int c = 0; policy->arrive && c < CLASS_COUNT; c++) {
        core_look(core, (request_class)c, 0);
        for (uint32_t r = core->classes[c].head; r != REQUEST_NONE; r = core->requests[r].next)
            policy->arrive(state, &core->view, r);
    }
    return COSREL_OK;
}

/* ---- Deciding
 * --------------------------------------------------------------------------------------------------
 */

/* Puts late requests in the drop list, and returns when the next one will be late. */
static int64_t find_late(sched_core *core)
{
    int64_t next_ns = SCHED_NEVER;
    for (int c = 0; c < CLASS_COUNT; c++) {
        core_look(core, (request_class)c, 0);
        const class_queue *q = &core->classes[c];
        for (int i = q->active_count - 1; i >= 0; i--) {
            const int model = q->active[i];
            const int64_t fastest_ns = view_fastest_ns(&core->view, model);
            for (uint32_t r = q->models[model].head, next; r != REQUEST_NONE; r = next) {
                const int64_t deadline_ns = core->requests[r].deadline_ns;
                next = core->requests[r].model_next;
                if (deadline_ns == SCHED_NEVER || fastest_ns == SCHED_NEVER)
                    continue;
                const int64_t latest_ns = deadline_ns > INT64_MIN + fastest_ns
                                              ? deadline_ns - fastest_ns
                                              : INT64_MIN;
                if (core->now_ns > latest_ns) {
                    core_unqueue(core, r);
                    core_queue_drop(core, r, SCHED_DROP_LATE);
                } else if (latest_ns + 1 < next_ns) {
                    next_ns = latest_ns + 1;
                }
            }
        }
    }
    return next_ns;
}

static bool next_drop(sched_core *core, sched_action *action)
{
    const uint32_t index = core_take_drop(core);
    if (index == REQUEST_NONE)
        return false;
    const sched_request *r = &core->requests[index];
    core->action_ids[0] = core_id(core, index);
    core->action_tags[0] = r->tag;
    *action = (sched_action){.type = SCHED_DROP,
                             .processor = -1,
                             .model = r->model,
                             .batch = 1,
                             .reason = (sched_drop_reason)r->drop_reason,
                             .ids = core->action_ids,
                             .tags = core->action_tags};
    core_release(core, index);
    return true;
}

/* A policy that decides what cannot be would corrupt the queues: better to stop, in every build. */
static void broken(const sched_core *core, const char *how)
{
    fprintf(stderr, "cosrel: policy '%s': its decision %s\n", core->policy_spec, how);
    abort();
}

static void check_decision(const sched_core *core, const sched_decision *d)
{
    if (d->processor < 0 || d->processor >= core->processor_count ||
        !(core->view.startable & VIEW_BIT(d->processor)))
        broken(core, "names a processor that cannot start now");
    if (d->request >= core->requests_max || core->requests[d->request].state != REQUEST_WAITING ||
        core->requests[d->request].model != d->model)
        broken(core, "names a request that does not wait, or the wrong model");
    if (&core->classes[core->requests[d->request].class] != core->view.queue)
        broken(core, "names a request of another class");
    if (d->batch < 1 || d->batch > SCHED_BATCH_MAX ||
        core->costs->batches[cost_batch_index(core->costs, d->batch)] != d->batch)
        broken(core, "has a batch size that the cost table does not have");
    const int batch_index = cost_batch_index(core->costs, d->batch);
    if (!(core->view.can[d->model] & VIEW_BIT(d->processor)) ||
        cost_at(core->costs, d->model, d->processor, batch_index)->service_ns == 0)
        broken(core, "names a processor that cannot run the model");
}

static void start(sched_core *core, const sched_decision *d, sched_action *action)
{
    check_decision(core, d);
    const int batch_index = cost_batch_index(core->costs, d->batch);
    const int64_t cost_ns = cost_at(core->costs, d->model, d->processor, batch_index)->service_ns;
    core_run *run = &core->runs[d->processor];
    uint32_t index = d->request;
    for (int32_t i = 0; i < d->batch; i++) {
        if (index == REQUEST_NONE)
            broken(core, "has a batch larger than what waits");
        const uint32_t next = core->requests[index].model_next;
        core_unqueue(core, index);
        core->requests[index].state = REQUEST_RUNNING;
        run->requests[i] = index;
        core->action_ids[i] = core_id(core, index);
        core->action_tags[i] = core->requests[index].tag;
        index = next;
    }
    core->classes[core->requests[d->request].class].models[d->model].started_ns = core->now_ns;
    run->count = d->batch;
    run->started_ns = next_start_ns(core, d->processor);
    run->expected_end_ns = run->started_ns + cost_ns;
    core->running |= VIEW_BIT(d->processor);
    *action = (sched_action){.type = SCHED_DISPATCH,
                             .processor = d->processor,
                             .model = d->model,
                             .batch = d->batch,
                             .batch_index = batch_index,
                             .expected_start_ns = run->started_ns,
                             .expected_end_ns = run->expected_end_ns,
                             .ids = core->action_ids,
                             .tags = core->action_tags};
}

static bool can_start_something(const sched_view *v)
{
    for (int i = 0; i < view_active_count(v); i++) {
        if (v->can[view_active(v, i)] & v->startable)
            return true;
    }
    return false;
}

/* Asks the policy, class by class. *declined: it chose to wait though it could have started
 * something. */
static bool decide(sched_core *core, sched_action *action, bool *declined)
{
    uint32_t below = core->waiting;
    uint64_t held = 0;
    for (int c = 0; c < CLASS_COUNT; c++) {
        const uint32_t count = core->classes[c].count;
        below -= count;
        if (count == 0)
            continue;
        core_look(core, (request_class)c, held);
        core->view.lower_wait = below > 0;
        const bool startable = can_start_something(&core->view);
        /* What a class holds matters to the classes below it, even where it can start nothing
         * itself. */
        if (!startable && below == 0)
            continue;
        sched_decision d = {.hold = 0};
        core->decisions++;
        if (core->policy->decide(core->policy_state, &core->view, &d)) {
            start(core, &d, action);
            return true;
        }
        held |= d.hold;
        *declined |= startable;
    }
    return false;
}

/* When a late run is late enough to think again. */
static int64_t next_overdue(const sched_core *core)
{
    int64_t next_ns = SCHED_NEVER;
    for (uint64_t left = core->running; left; left &= left - 1) {
        const core_run *run = &core->runs[view_lowest(left)];
        int64_t delay_ns = (run->expected_end_ns - run->started_ns) / 4;
        const int64_t late_ns = core->now_ns - run->expected_end_ns;
        if (delay_ns < OVERDUE_MIN_NS)
            delay_ns = OVERDUE_MIN_NS;
        if (late_ns >= delay_ns)
            delay_ns = 2 * late_ns;
        if (run->expected_end_ns + delay_ns < next_ns)
            next_ns = run->expected_end_ns + delay_ns;
    }
    return next_ns;
}

bool sched_core_next(sched_core *core, int64_t now_ns, sched_action *action)
{
    if (core->drop_head != REQUEST_NONE)
        return next_drop(core, action);
    if (!core->dirty && now_ns < core->wake_ns)
        return false;
    core_set_now(core, now_ns);
    int64_t wake_ns = SCHED_NEVER;
    if (core->drop_late && core->deadlines_waiting > 0) {
        wake_ns = find_late(core);
        if (next_drop(core, action))
            return true;
    }
    bool declined = false;
    if (core->waiting > 0 && (core->up & ~core->running) && decide(core, action, &declined))
        return true;
    if (declined) {
        const int64_t overdue_ns = next_overdue(core);
        wake_ns = overdue_ns < wake_ns ? overdue_ns : wake_ns;
    }
    core->dirty = false;
    core->wake_ns = wake_ns;
    return false;
}

int64_t sched_core_wake_ns(const sched_core *core)
{
    return core->wake_ns;
}
