/* At each decision of the core the trace is looked at: which of its next runs are due, and can
 * start in this state. The core is told to start that one, or to wait. The order of runs of one
 * instant is not always that of the decisions (ends of runs may come late), so among those that are
 * due the network's own choice goes first. */
#include "explain_walk.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "interrupt.h"
#include "sched/plan.h"
#include "sched/view.h"

/* Within this time a real run begins after what was decided (chosen: some 0.15 ms in recordings of
 * emulated processors on a busy machine; a policy that waits does so for the end of a run). */
static const int64_t EARLY_NS = 1000000;

typedef struct walk {
    const explain_walk_setup *setup;
    const explain_trace *trace;
    const explain_question *question;
    explain_result *out;
    learned_hook hook;
    size_t arrived;
    size_t mismatch; /* the first request that is another one than the trace's; SIZE_MAX: none */
    uint64_t *sequence_of; /* per request; UINT64_MAX: it was refused */
    size_t *by_sequence;
    uint64_t sequences;
    bool *started;                         /* per request */
    bool *done;                            /* per run */
    size_t next;                           /* the first run that is not done */
    const explain_run *run;                /* that begins now */
    int64_t ends_ns[SCHED_PROCESSORS_MAX]; /* of the last run there */
    /* What the network said to the present decision; NULL: there was nothing to choose. */
    const observation *seen;
    const float *scores;
    int best;
} walk;

/* ---- What the trace does ---- */

static int64_t next_event_ns(const walk *w, int64_t now_ns)
{
    int64_t t = w->arrived < w->trace->request_count ? w->trace->requests[w->arrived].arrived_ns
                                                     : INT64_MAX;
    for (int p = 0; p < w->setup->job->device.processor_count; p++)
        if (w->ends_ns[p] > now_ns && w->ends_ns[p] < t)
            t = w->ends_ns[p];
    return t;
}

static int64_t due_until_ns(const walk *w, int64_t now_ns)
{
    if (!w->trace->recorded)
        return now_ns;
    const int64_t event_ns = next_event_ns(w, now_ns);
    return event_ns - 1 < now_ns + EARLY_NS ? event_ns - 1 : now_ns + EARLY_NS;
}

/* Where it waits in this class; REQUEST_NONE: it does not. */
static uint32_t handle_of(const walk *w, const sched_view *view, int model, size_t request)
{
    const uint64_t sequence = w->sequence_of[request];
    uint32_t at = view_model_first(view, model);
    while (at != REQUEST_NONE && view->requests[at].sequence < sequence)
        at = view_model_next(view, at);
    return at != REQUEST_NONE && view->requests[at].sequence == sequence ? at : REQUEST_NONE;
}

static bool has_behind(const sched_view *view, uint32_t request, int count)
{
    for (; count > 0 && request != REQUEST_NONE; count--)
        request = view_model_next(view, request);
    return count == 0;
}

/* Real runs do not always take requests in the order in which they should have come: then others of
 * the model, whose own run takes these. */
static uint32_t first_request(const walk *w, const sched_view *view, const explain_run *run)
{
    bool gone = true;
    for (size_t i = 0; i < run->count; i++) {
        const size_t request = w->trace->members[run->first + i];
        const uint32_t at = handle_of(w, view, run->model, request);
        if (at != REQUEST_NONE)
            return at;
        gone &= w->started[request];
    }
    return gone ? view_model_first(view, run->model) : REQUEST_NONE;
}

/* A run as a decision in this state; false: it cannot start here. */
static bool can_start(const walk *w, const sched_view *view, const explain_run *run,
                      sched_decision *out)
{
    if (!view_can_start(view, run->model, run->processor) || view_waiting(view, run->model) == 0)
        return false;
    *out = (sched_decision){.processor = run->processor, .model = run->model, .batch = run->batch};
    out->request = first_request(w, view, run);
    if (out->request == REQUEST_NONE)
        return false;
    if (!has_behind(view, out->request, out->batch))
        out->request = view_model_first(view, run->model);
    if (!has_behind(view, out->request, out->batch))
        out->batch = 1;
    return true;
}

/* The number of the run that is started now; SIZE_MAX: none. `own`: the network's choice. */
static size_t find_run(const walk *w, const sched_view *view, const sched_decision *own,
                       sched_decision *out)
{
    const int64_t until_ns = due_until_ns(w, view->now_ns);
    size_t found = SIZE_MAX;
    for (size_t i = w->next; i < w->trace->run_count && w->trace->runs[i].t_ns <= until_ns; i++) {
        sched_decision d;
        if (w->done[i] || !can_start(w, view, &w->trace->runs[i], &d))
            continue;
        const bool same = d.processor == own->processor && d.model == own->model &&
                          d.batch == own->batch && d.request == own->request;
        if (!same && found != SIZE_MAX)
            continue;
        found = i;
        *out = d;
        if (same)
            break;
    }
    return found;
}

/* What the policy keeps from lower classes, but for what the trace starts there at once. */
static uint64_t held(const walk *w, const sched_view *view)
{
    const int64_t until_ns = due_until_ns(w, view->now_ns);
    uint64_t hold = plan_holds(view);
    for (size_t i = w->next; i < w->trace->run_count && w->trace->runs[i].t_ns <= until_ns; i++)
        if (!w->done[i])
            hold &= ~view->conflicts[w->trace->runs[i].processor];
    return hold;
}

static bool all_started(const walk *w, const explain_run *run)
{
    for (size_t i = 0; i < run->count; i++)
        if (!w->started[w->trace->members[run->first + i]])
            return false;
    return true;
}

/* Runs that are done, and those for which nothing is left, are passed over. */
static void pass_over(walk *w, int64_t now_ns)
{
    for (; w->next < w->trace->run_count; w->next++) {
        const explain_run *run = &w->trace->runs[w->next];
        if (w->done[w->next])
            continue;
        if (run->end_ns > now_ns || !all_started(w, run))
            return;
        w->out->lost++;
    }
}

static void begin_run(walk *w, const sched_view *view, size_t i, const sched_decision *d)
{
    uint32_t at = d->request;
    for (int k = 0; k < d->batch; k++, at = view_model_next(view, at))
        w->started[w->by_sequence[view->requests[at].sequence]] = true;
    w->run = &w->trace->runs[i];
    w->done[i] = true;
    w->out->bent += w->run->t_ns < view->now_ns || d->batch < w->run->batch;
}

/* ---- What the network says to it ---- */

/* Stand for each other in every respect; the observer names only one of such processors. */
static bool are_twins(const sched_view *v, int p, int q)
{
    if (v->conflicts[p] != VIEW_BIT(p) || v->conflicts[q] != VIEW_BIT(q) ||
        (v->prices && v->prices[p] != v->prices[q]))
        return false;
    for (int m = 0; m < v->model_count; m++)
        for (int b = 0; b < v->costs->batch_count; b++) {
            const cost_cell *x = cost_at(v->costs, m, p, b), *y = cost_at(v->costs, m, q, b);
            if (x->service_ns != y->service_ns || x->energy_uj != y->energy_uj)
                return false;
        }
    return true;
}

/* Which candidate that is; -1: none. Another request of the model counts as the same. */
static int candidate_of(const walk *w, const sched_view *view, const sched_decision *d)
{
    if (d->processor < 0)
        return w->seen->wait;
    int twin = -1;
    for (int c = 0; c < w->seen->count; c++) {
        const observe_candidate *x = &w->seen->all[c];
        if (x->processor < 0 || x->model != d->model ||
            view->costs->batches[x->batch_index] != d->batch)
            continue;
        if (x->processor == d->processor)
            return c;
        if (twin < 0 && are_twins(view, x->processor, d->processor))
            twin = c;
    }
    return twin;
}

static explain_candidate describe(const walk *w, const sched_view *view, const sched_decision *d,
                                  float score)
{
    if (d->processor < 0)
        return (explain_candidate){.processor = -1, .model = -1, .score = score};
    const size_t request = w->by_sequence[view->requests[d->request].sequence];
    const int batch_index = cost_batch_index(view->costs, d->batch);
    return (explain_candidate){.processor = d->processor,
                               .model = d->model,
                               .batch = d->batch,
                               .request = w->trace->requests[request].id,
                               .end_ns = view->now_ns +
                                         view_cost_ns(view, d->model, d->processor, batch_index),
                               .score = score};
}

static explain_candidate describe_candidate(const walk *w, const sched_view *view, int c)
{
    const observe_candidate *x = &w->seen->all[c];
    const sched_decision d = {.processor = x->processor,
                              .model = x->model,
                              .batch = view->costs->batches[x->batch_index],
                              .request = x->request};
    return describe(w, view, &d, w->scores[c]);
}

static void keep_worst(walk *w, const explain_brief *b)
{
    explain_result *out = w->out;
    const size_t max = w->question->worst_max;
    if (b->agrees || !b->known || (out->worst_count == max && out->worst[max - 1].loss >= b->loss))
        return;
    size_t at = out->worst_count < max ? out->worst_count++ : max - 1;
    for (; at > 0 && out->worst[at - 1].loss < b->loss; at--)
        out->worst[at] = out->worst[at - 1];
    out->worst[at] = *b;
}

static bool starts(const walk *w, size_t run, size_t request)
{
    if (run == SIZE_MAX)
        return false;
    const explain_run *r = &w->trace->runs[run];
    for (size_t i = 0; i < r->count; i++)
        if (w->trace->members[r->first + i] == request)
            return true;
    return false;
}

static bool is_asked_for(const walk *w, const explain_brief *b, size_t run)
{
    const explain_question *q = w->question;
    const explain_result *out = w->out;
    switch (q->what) {
    case EXPLAIN_SUMMARY:
        return false;
    case EXPLAIN_AT:
        return !out->found && b->t_ns >= q->at_ns;
    case EXPLAIN_REQUEST:
        return !out->found && !out->was_forced && starts(w, run, q->request);
    case EXPLAIN_NUMBER:
        return b->number == q->number;
    case EXPLAIN_WORST:
        return b->known && (!out->found || b->loss > out->shown.brief.loss);
    }
    return false;
}

static void show(walk *w, const sched_view *view, const explain_brief *b, int done)
{
    explain_decision *d = &w->out->shown;
    w->out->found = true;
    d->brief = *b;
    d->last_number = b->number;
    d->waiting = view->queue->count;
    d->count = w->seen->count;
    d->best = w->best;
    d->done = done;
    d->input = w->seen->input;
    for (int c = 0; c < d->count; c++)
        d->all[c] = describe_candidate(w, view, c);
}

/* `d` is done, which is the run `run`, or none. */
static void compare(walk *w, const sched_view *view, const sched_decision *d, size_t run)
{
    explain_result *out = w->out;
    const int done = candidate_of(w, view, d);
    explain_brief b = {.number = ++out->decisions,
                       .t_ns = view->now_ns,
                       .best = describe_candidate(w, view, w->best),
                       .done = describe(w, view, d, done >= 0 ? w->scores[done] : 0),
                       .known = done >= 0,
                       .agrees = done == w->best};
    b.loss = b.known ? (double)b.best.score - b.done.score : 0;
    out->agreed += b.agrees;
    out->unknown += !b.known;
    if (w->question->what == EXPLAIN_SUMMARY)
        keep_worst(w, &b);
    if (is_asked_for(w, &b, run))
        show(w, view, &b, done);
    else if (out->found && b.t_ns == out->shown.brief.t_ns)
        out->shown.last_number = b.number;
}

/* ---- What the simulator asks ---- */

static int choose(void *user, const sched_view *view, const observation *seen, const float *scores,
                  int best)
{
    walk *w = user;
    (void)view;
    if (w->mismatch != SIZE_MAX)
        return best;
    w->seen = seen;
    w->scores = scores;
    w->best = best;
    return best;
}

static void follow(void *user, const sched_view *view, sched_decision *out)
{
    walk *w = user;
    sched_decision d = {.processor = -1};
    if (w->mismatch != SIZE_MAX) {
        *out = d; /* nothing starts any more, and the simulation comes to its end */
        return;
    }
    pass_over(w, view->now_ns);
    const bool over = w->next == w->trace->run_count; /* what it did then, it does not say */
    const size_t run = find_run(w, view, out, &d);
    if (w->seen && !over) {
        compare(w, view, &d, run);
    } else if (run != SIZE_MAX) {
        w->out->forced++;
        if (w->question->what == EXPLAIN_REQUEST && !w->out->found && !w->out->was_forced &&
            starts(w, run, w->question->request)) {
            w->out->was_forced = true;
            w->out->forced_ns = view->now_ns;
        }
    }
    if (run != SIZE_MAX)
        begin_run(w, view, run, &d);
    else
        d.hold = held(w, view);
    *out = d;
    w->seen = NULL;
}

static int64_t end_of(void *user, int64_t start_ns, int64_t table_end_ns, int processor, bool *ok)
{
    walk *w = user;
    (void)table_end_ns;
    *ok = w->run->ok;
    return w->ends_ns[processor] = w->run->end_ns > start_ns ? w->run->end_ns : start_ns + 1;
}

static void on_arrival(void *user, const source_request *request)
{
    walk *w = user;
    const size_t i = w->arrived++;
    const trace_request *q = &w->trace->requests[i];
    if (w->mismatch != SIZE_MAX)
        return;
    if (i >= w->trace->request_count || q->arrived_ns != request->t_ns ||
        w->trace->models[q->model] != request->model) {
        w->mismatch = i;
        return;
    }
    w->sequence_of[i] = w->sequences;
    w->by_sequence[w->sequences++] = i;
}

/* The core counts only requests that it takes: one that it refuses is dropped at once. */
static void on_drop(void *user, int64_t now_ns, uint32_t id, sched_drop_reason reason)
{
    walk *w = user;
    (void)now_ns;
    if (reason != SCHED_DROP_UNAVAILABLE || w->mismatch != SIZE_MAX || id + 1 != w->arrived)
        return;
    w->sequence_of[id] = UINT64_MAX;
    w->sequences--;
}

static bool going_on(void *user, int64_t now_ns, uint64_t served)
{
    (void)user;
    (void)now_ns;
    (void)served;
    return !interrupt_seen();
}

/* ---- The walk ---- */

static cosrel_status run(walk *w, source *requests, cosrel_error *err)
{
    const explain_walk_setup *s = w->setup;
    const sim_device *device = &s->job->device;
    sim_result result;
    const sim_observer watched = {
        .user = w, .arrival = on_arrival, .drop = on_drop, .going_on = going_on};
    const sim_script script = {.user = w,
                               .end_ns = end_of,
                               .given_up = w->trace->given_up,
                               .given_up_count = w->trace->given_up_count,
                               .asked_ns = w->trace->asked_ns,
                               .asked_count = w->trace->run_count,
                               .costs_move = w->trace->varies};
    const sim_setup setup = {.sched = {.processors = device->processors,
                                       .processor_count = device->processor_count,
                                       .policy = "learned",
                                       .seed = s->seed,
                                       .patience = s->patience,
                                       .objective = s->objective,
                                       .learned = &w->hook},
                             .costs = &device->costs,
                             .models = device->models,
                             .requests = requests,
                             .script = &script,
                             .observer = &watched};
    cosrel_status status = sim_run(&setup, &result, err);
    if (status == COSREL_OK && result.stopped)
        status = error_set(err, COSREL_CANCELLED, "interrupted");
    sim_result_deinit(&result);
    return status;
}

static cosrel_status check_requests(const walk *w, cosrel_error *err)
{
    const explain_trace *t = w->trace;
    const size_t i = w->mismatch == SIZE_MAX ? w->arrived : w->mismatch;
    if (w->mismatch == SIZE_MAX && w->arrived == t->request_count)
        return COSREL_OK;
    if (i >= t->request_count)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "%s has %zu requests, and more are asked; expected those that it was made "
                         "of, with the same --seed",
                         w->setup->path, t->request_count);
    return error_set(err, COSREL_INVALID_ARGUMENT,
                     "%s: request %u came at %.6f ms, and none like it is asked then; expected the "
                     "requests that it was made of, with the same --seed",
                     w->setup->path, t->requests[i].id, (double)t->requests[i].arrived_ns / 1e6);
}

static bool take_memory(walk *w)
{
    const size_t requests = w->trace->request_count + 1;
    w->sequence_of = calloc(requests, sizeof *w->sequence_of);
    w->by_sequence = calloc(requests, sizeof *w->by_sequence);
    w->started = calloc(requests, sizeof *w->started);
    w->done = calloc(w->trace->run_count + 1, sizeof *w->done);
    w->out->worst = calloc(w->question->worst_max + 1, sizeof *w->out->worst);
    return w->sequence_of && w->by_sequence && w->started && w->done && w->out->worst;
}

cosrel_status explain_walk(const explain_walk_setup *setup, const explain_question *question,
                           explain_result *out, cosrel_error *err)
{
    source *requests = NULL;
    walk w = {.setup = setup,
              .trace = setup->trace,
              .question = question,
              .out = out,
              .mismatch = SIZE_MAX};
    w.hook = (learned_hook){.net = setup->net, .choose = choose, .follow = follow, .user = &w};
    memset(out, 0, sizeof *out);
    cosrel_status status = COSREL_OK;
    if (!take_memory(&w))
        status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory to follow the trace");
    if (status == COSREL_OK)
        status = sim_job_source(setup->job, &requests, err);
    if (status == COSREL_OK)
        status = run(&w, requests, err);
    if (status == COSREL_OK && source_status(requests) != COSREL_OK)
        status = error_set(err, source_status(requests), "no memory for the requests");
    if (status == COSREL_OK)
        status = check_requests(&w, err);
    out->lost += w.trace->run_count - w.next;
    for (size_t i = w.next; w.done && i < w.trace->run_count; i++)
        out->lost -= w.done[i];
    source_free(requests);
    free(w.sequence_of);
    free(w.by_sequence);
    free(w.started);
    free(w.done);
    return status;
}

void explain_result_deinit(explain_result *r)
{
    free(r->worst);
    memset(r, 0, sizeof *r);
}
