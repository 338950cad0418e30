#include "runtime/trail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "runtime/parts.h"
#include "sched/view.h"

struct trail {
    trail_run runs[TRAIL_RUNS];
    uint64_t run_end, run_seen; /* counts of those written and fetched */
    trail_decision decisions[TRAIL_DECISIONS];
    uint64_t decision_end, decision_seen; /* likewise; a decision's number is its count */
    /* Per processor and worker of it: the decision of its job. */
    uint64_t started_by[RUNTIME_WORKERS_MAX][2];
    trail_decision scored; /* what the learned policy has just decided; number 0: nothing */
};

static trail_option option_of(const cost_table *costs, int processor, int model, int batch_index)
{
    return (trail_option){.processor = processor,
                          .model = model,
                          .batch = costs->batches[batch_index],
                          .expected_ns = cost_at(costs, model, processor, batch_index)->service_ns,
                          .preference = -1};
}

/* ---- The learned policy's candidates ---- */

static trail_option candidate(const sched_view *view, const observation *seen, int c, double part)
{
    const observe_candidate *from = &seen->all[c];
    trail_option option = {.processor = -1, .model = -1};
    if (from->processor >= 0)
        option = option_of(view->costs, from->processor, from->model, from->batch_index);
    option.preference = part;
    return option;
}

static int next_best(const float *scores, int count, uint64_t taken)
{
    int best = -1;
    for (int c = 0; c < count; c++)
        if (!(taken >> c & 1) && (best < 0 || scores[c] > scores[best]))
            best = c;
    return best;
}

static bool same_option(const trail_option *a, const trail_option *b)
{
    return a->processor == b->processor && a->model == b->model && a->batch == b->batch;
}

static trail_decision *write_decision(struct trail *t, const trail_decision *d)
{
    trail_decision *to = &t->decisions[t->decision_end++ % TRAIL_DECISIONS];
    *to = *d;
    to->number = t->decision_end;
    return to;
}

/* Waiting is decided anew with every event: the same again only counts. */
static void write_wait(struct trail *t, const trail_decision *d)
{
    trail_decision *last = t->decision_end > t->decision_seen
                               ? &t->decisions[(t->decision_end - 1) % TRAIL_DECISIONS]
                               : NULL;
    if (last && last->chosen.processor < 0 && d->other_count > 0 && last->other_count > 0 &&
        same_option(&last->others[0], &d->others[0]))
        last->times++;
    else
        write_decision(t, d);
}

/* learned_hook.choose: looks on. */
static int look_on(void *user, const sched_view *view, const observation *seen, const float *scores,
                   int best)
{
    struct trail *t = user;
    trail_decision *d = &t->scored;
    double sum = 0;
    _Static_assert(OBSERVE_CANDIDATES_MAX <= 64, "taken has a bit for each");
    uint64_t taken = (uint64_t)1 << best;
    for (int c = 0; c < seen->count; c++)
        sum += exp((double)scores[c] - (double)scores[best]);
    d->number = 1;
    d->at_ns = view->now_ns;
    d->times = 1;
    d->waited_ns = 0;
    d->left = 0;
    d->chosen = candidate(view, seen, best, 1 / sum);
    d->other_count = 0;
    while (d->other_count < TRAIL_OTHERS && d->other_count < seen->count - 1) {
        const int next = next_best(scores, seen->count, taken);
        if (next < 0)
            break; /* scores that are no numbers */
        taken |= (uint64_t)1 << next;
        d->others[d->other_count++] = candidate(
            view, seen, next, exp((double)scores[next] - (double)scores[best]) / sum);
    }
    if (d->chosen.processor < 0)
        write_wait(t, d);
    return best;
}

/* ---- What the runtime does ---- */

/* When the processor would be idle, with all that excludes it, if `own` had not started. */
static int64_t free_in(const cosrel_runtime *rt, const worker *w, const worker *own, int64_t now_ns)
{
    int64_t free_ns = now_ns;
    const uint64_t units = rt->devices->specs[w->device].units;
    for (int i = 0; i < rt->worker_count; i++) {
        const worker *other = &rt->workers[i];
        if (other->background != w->background ||
            !(rt->devices->specs[other->device].units & units))
            continue;
        if (other != own && other->running && other->expected_ns > free_ns)
            free_ns = other->expected_ns;
        if (other->mate && other->mate != own && other->mate->running &&
            other->mate->expected_ns > free_ns)
            free_ns = other->mate->expected_ns;
    }
    return free_ns - now_ns;
}

static bool is_named(const trail_decision *d, int processor, int model)
{
    if (d->chosen.processor == processor && d->chosen.model == model)
        return true;
    for (int i = 0; i < d->other_count; i++)
        if (d->others[i].processor == processor && d->others[i].model == model)
            return true;
    return false;
}

/* Adds the processors that would be done first, as far as there is room. */
static void add_elsewhere(const cosrel_runtime *rt, trail_decision *d, const worker *own,
                          int64_t now_ns)
{
    const cosrel_model *m = own->model;
    while (d->other_count < TRAIL_OTHERS) {
        trail_option best = {.processor = -1};
        for (int i = 0; i < rt->worker_count; i++) {
            const worker *w = &rt->workers[i];
            if (w->background != own->background || w->down || is_named(d, i, m->index))
                continue;
            trail_option o = option_of(&rt->costs, i, m->index, own->batch_index);
            if (o.expected_ns <= 0)
                continue;
            o.free_ns = free_in(rt, w, own, now_ns);
            if (best.processor < 0 || o.free_ns + o.expected_ns < best.free_ns + best.expected_ns)
                best = o;
        }
        if (best.processor < 0)
            return;
        d->others[d->other_count++] = best;
    }
}

void trail_started(cosrel_runtime *rt, worker *w, int64_t now_ns)
{
    struct trail *t = rt->trail;
    trail_decision d = {.at_ns = now_ns, .times = 1};
    const trail_option chosen = option_of(&rt->costs, w->index, w->model->index, w->batch_index);
    const trail_decision *scored = &t->scored;
    if (scored->number && scored->at_ns == now_ns && same_option(&scored->chosen, &chosen))
        d = *scored;
    else
        d.chosen = chosen;
    d.chosen.batch = w->batch;
    d.waited_ns = now_ns - w->slots[0]->result.submitted_ns;
    d.left = sched_core_waiting(rt->core, w->model->index);
    t->scored.number = 0;
    add_elsewhere(rt, &d, w, now_ns);
    t->started_by[w->index][w != w->first] = write_decision(t, &d)->number;
}

void trail_finished(worker *w, bool ok, int64_t started_ns, int64_t finished_ns)
{
    cosrel_runtime *rt = w->rt;
    struct trail *t = rt->trail;
    t->runs[t->run_end++ % TRAIL_RUNS] = (trail_run){
        .processor = w->index,
        .model = w->model->index,
        .batch = w->batch,
        .ok = ok,
        .started_ns = started_ns,
        .finished_ns = finished_ns,
        .energy_uj = cost_at(&rt->costs, w->model->index, w->index, w->batch_index)->energy_uj,
        .decision = t->started_by[w->index][w != w->first]};
    t->started_by[w->index][w != w->first] = 0;
}

void trail_forget(cosrel_runtime *rt, int model)
{
    struct trail *t = rt->trail;
    /* What was not fetched yet is given up: it would be shown under another model's name. */
    t->run_seen = t->run_end;
    t->decision_seen = t->decision_end;
    if (t->scored.chosen.model == model)
        t->scored.number = 0;
}

/* ---- Who looks ---- */

cosrel_status runtime_trail_open(cosrel_runtime *rt, cosrel_error *err)
{
    struct trail *t = calloc(1, sizeof *t);
    if (!t)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the last runs");
    pthread_mutex_lock(&rt->lock);
    const bool taken = rt->trail != NULL;
    if (!taken) {
        rt->trail = t;
        rt->learned.choose = look_on;
        rt->learned.user = t;
    }
    pthread_mutex_unlock(&rt->lock);
    if (!taken)
        return COSREL_OK;
    free(t);
    return error_set(err, COSREL_INVALID_ARGUMENT, "somebody looks at this runtime already");
}

void runtime_trail_close(cosrel_runtime *rt)
{
    pthread_mutex_lock(&rt->lock);
    struct trail *t = rt->trail;
    if (t) {
        rt->trail = NULL;
        rt->learned.choose = NULL;
        rt->learned.user = NULL;
    }
    pthread_mutex_unlock(&rt->lock);
    free(t);
}

static cosrel_status make_room(cosrel_runtime *rt, trail_picture *out)
{
    pthread_mutex_lock(&rt->lock);
    const int models = rt->model_count;
    pthread_mutex_unlock(&rt->lock);
    if (models > out->model_room) {
        trail_model *bigger = realloc(out->models, (size_t)models * sizeof *bigger);
        if (!bigger)
            return COSREL_OUT_OF_MEMORY;
        out->models = bigger;
        out->model_room = models;
    }
    if (!out->processors)
        out->processors = calloc(RUNTIME_WORKERS_MAX, sizeof *out->processors);
    if (!out->runs)
        out->runs = calloc(TRAIL_RUNS, sizeof *out->runs);
    if (!out->decisions)
        out->decisions = calloc(TRAIL_DECISIONS, sizeof *out->decisions);
    return out->processors && out->runs && out->decisions ? COSREL_OK : COSREL_OUT_OF_MEMORY;
}

/* The following are locked. */

static void look_at_models(const cosrel_runtime *rt, trail_picture *out)
{
    out->model_count = rt->model_count < out->model_room ? rt->model_count : out->model_room;
    int number = 0;
    out->changes = rt->loads + rt->unloads;
    for (int i = 0; i < out->model_count; i++) {
        const cosrel_model *m = rt->models[i];
        trail_model *to = &out->models[i];
        if (!m) {
            *to = (trail_model){.number = -1};
            continue;
        }
        to->number = number++;
        to->name = m->name;
        to->version = m->info.version;
        to->waiting = sched_core_waiting(rt->core, i);
        to->completed = m->completed;
        to->failed = m->failed;
        to->cancelled = m->cancelled;
        to->dropped = m->dropped;
        to->late = m->late;
        to->with_deadline = m->with_deadline;
        to->runs = m->runs;
        to->latency = m->latency;
    }
}

static void look_at_processors(const cosrel_runtime *rt, trail_picture *out)
{
    out->processor_count = rt->worker_count;
    for (int i = 0; i < rt->worker_count; i++) {
        const worker *w = &rt->workers[i], *busy = overlap_busy(w);
        const device_spec *spec = &rt->devices->specs[w->device];
        const bool runs = busy->running && !busy->probe;
        const int64_t started_ns = busy->begun_ns ? busy->begun_ns : busy->started_ns;
        out->processors[i] = (trail_processor){
            .name = w->name,
            .kind = device_kind_name(spec->kind),
            .description = spec->description,
            .background = w->background,
            .down = w->down,
            .runs = w->runs,
            .failures = w->failures,
            .busy_ns = w->busy_ns + (runs ? out->now_ns - started_ns : 0),
            .model = runs ? busy->model->index : -1,
            .batch = busy->batch,
            .started_ns = started_ns,
        };
    }
}

static void take_runs(struct trail *t, trail_picture *out)
{
    out->runs_lost = t->run_end - t->run_seen > TRAIL_RUNS ? t->run_end - t->run_seen - TRAIL_RUNS
                                                           : 0;
    t->run_seen += out->runs_lost;
    out->run_count = 0;
    while (t->run_seen < t->run_end)
        out->runs[out->run_count++] = t->runs[t->run_seen++ % TRAIL_RUNS];
}

static void take_decisions(struct trail *t, trail_picture *out)
{
    if (t->decision_end - t->decision_seen > TRAIL_DECISIONS)
        t->decision_seen = t->decision_end - TRAIL_DECISIONS;
    out->decision_count = 0;
    while (t->decision_seen < t->decision_end)
        out->decisions[out->decision_count++] = t->decisions[t->decision_seen++ % TRAIL_DECISIONS];
}

cosrel_status runtime_trail_look(cosrel_runtime *rt, trail_picture *out)
{
    const cosrel_status status = make_room(rt, out);
    if (status != COSREL_OK)
        return status;
    pthread_mutex_lock(&rt->lock);
    const bool there = rt->trail != NULL;
    out->now_ns = clock_now_ns();
    if (there) {
        look_at_models(rt, out);
        look_at_processors(rt, out);
        take_runs(rt->trail, out);
        take_decisions(rt->trail, out);
        out->decided = sched_core_decisions(rt->core) - rt->decisions_before;
        const char *policy = sched_core_policy(rt->core);
        const size_t length = strnlen(policy, sizeof out->policy - 1);
        memcpy(out->policy, policy, length);
        out->policy[length] = '\0';
        memcpy(out->objective, rt->settings.objective_name, sizeof out->objective);
        out->latency = rt->settings.objective.latency;
        out->miss = rt->settings.objective.miss;
        out->energy_ns_per_uj = rt->settings.objective.energy_ns_per_uj;
    }
    pthread_mutex_unlock(&rt->lock);
    return there ? COSREL_OK : COSREL_UNAVAILABLE;
}

void trail_picture_deinit(trail_picture *p)
{
    free(p->models);
    free(p->processors);
    free(p->runs);
    free(p->decisions);
    memset(p, 0, sizeof *p);
}
