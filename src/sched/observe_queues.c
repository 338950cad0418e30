/* What waits, where it could end, and what could start. */
#include <string.h>

#include "sched/observe_state.h"
#include "sched/savable.h"

enum {
    /* With more waiting than this the rule of a crowd takes over (chosen: four times lookahead's,
     * since the network is better until there: in bursts of three times the capacity 0.965 of the
     * best baseline's latency instead of 1.040, three tables). */
    CROWD = 4 * PRICED_CROWD,
    /* Requests that the min-min plan gives away (as in rollout_base.c). */
    PLAN_MAX = 24,
};

static void look_at_processors(observer *o, const sched_view *v)
{
    uint64_t useful = 0;
    o->idle = o->busy = 0;
    for (int i = 0; i < o->waiting_count; i++)
        useful |= v->can[o->waiting[i].model];
    useful &= v->up;
    for (int p = 0; p < v->processor_count; p++) {
        o->free_at[p] = OBSERVE_NEVER;
        if (v->startable & useful & VIEW_BIT(p)) {
            o->free_at[p] = 0;
            o->idle |= VIEW_BIT(p);
        } else if (v->ready_ns[p] > v->now_ns && (v->up & o->reach & VIEW_BIT(p))) {
            o->free_at[p] = (double)(v->ready_ns[p] - v->now_ns);
            o->busy |= VIEW_BIT(p);
        } /* else: down, of no use, or kept for requests of a higher class */
    }
}

static double due_of(const sched_view *v, uint32_t request)
{
    const int64_t due_ns = v->requests[request].deadline_ns;
    return due_ns == SCHED_NEVER ? OBSERVE_NEVER : (double)(due_ns - v->now_ns);
}

/* By a run on the best processor. */
static void find_savable(const observer *o, const sched_view *v, observe_waiting *w)
{
    w->savable = w->oldest;
    if (v->objective->miss > 0)
        w->savable = savable_request(v, w->model, (int64_t)o->models[w->model].best,
                                     &w->savable_at);
    w->savable_due = w->savable == REQUEST_NONE ? 0 : due_of(v, w->savable);
}

static void look_at_waiting(observer *o, const sched_view *v)
{
    o->waiting_count = 0;
    for (int i = 0; i < view_active_count(v) && o->waiting_count < OBSERVE_CANDIDATES_MAX; i++) {
        const int model = view_active(v, i);
        const uint32_t oldest = view_model_first(v, model);
        if (o->models[model].best >= OBSERVE_NEVER)
            continue;
        observe_waiting *w = &o->waiting[o->waiting_count++];
        w->model = model;
        w->count = (int)view_waiting(v, model);
        w->oldest = oldest;
        w->savable_at = 0;
        w->age = (double)(v->now_ns - v->requests[oldest].arrived_ns);
        w->oldest_due = due_of(v, oldest);
        find_savable(o, v, w);
    }
}

/* Each model's waiting requests go, on paper, to the efficient processor where they would begin
 * first. */
static void spread_backlog(observer *o, const sched_view *v)
{
    for (int p = 0; p < v->processor_count; p++)
        o->work_at[p] = 0;
    for (int i = 0; i < o->waiting_count; i++) {
        const observe_waiting *w = &o->waiting[i];
        double end = OBSERVE_NEVER;
        int best = -1;
        for (uint64_t left = o->models[w->model].efficient; left; left &= left - 1) {
            const int p = view_lowest(left);
            const double e = o->free_at[p] + o->work_at[p] +
                             observe_pair_at(o, v, w->model, p)->single;
            if (e < end) {
                end = e;
                best = p;
            }
        }
        if (best >= 0)
            o->work_at[best] += observe_pair_at(o, v, w->model, best)->each * w->count;
    }
}

/* For all models alike, those without waiting requests too: that is quicker than to pick them. */
LANES_INLINE void find_ends(observer *o)
{
    for (int m = 0; m < o->model_count; m += SCORER_LANES) {
        lanes least[OBSERVE_ENDS], second[OBSERVE_ENDS];
        lane_bits at[OBSERVE_ENDS];
        for (int kind = 0; kind < OBSERVE_ENDS; kind++) {
            least[kind] = second[kind] = (lanes){0} + (float)OBSERVE_NEVER;
            at[kind] = (lane_bits){0} - 1;
        }
        for (uint64_t left = o->idle | o->busy; left; left &= left - 1) {
            const int p = view_lowest(left);
            const lanes single = *lanes_of(o->single + p * o->row + m);
            const lanes good = *lanes_of(o->good + p * o->row + m);
            const float start[OBSERVE_ENDS] = {
                (float)o->free_at[p], (float)(o->free_at[p] + PRICED_BACKLOG * o->work_at[p]),
                (float)(o->free_at[p] + o->work_at[p])};
            for (int kind = 0; kind < OBSERVE_ENDS; kind++) {
                const lanes end = (kind == 0 ? single : good) + start[kind];
                observe_keep(&least[kind], &second[kind], &at[kind], &end, p);
            }
        }
        for (int kind = 0; kind < OBSERVE_ENDS; kind++) {
            *lanes_at(o->end[kind] + m) = least[kind];
            *lanes_at(o->second[kind] + m) = second[kind];
            *(lane_bits *)(o->at[kind] + m) = at[kind];
        }
    }
}

LANES_WIDE static void find_ends_wide(observer *o)
{
    find_ends(o);
}

static void keep_ends(observer *o)
{
    for (int m = 0; m < o->row; m++)
        o->save_by[m] = -1;
    for (int i = 0; i < o->waiting_count; i++) {
        observe_waiting *w = &o->waiting[i];
        for (int kind = 0; kind < OBSERVE_ENDS; kind++) {
            w->end[kind] = (double)o->end[kind][w->model];
            w->second[kind] = (double)o->second[kind][w->model];
            w->at[kind] = o->at[kind][w->model];
        }
        if (w->savable != REQUEST_NONE && w->savable_due < OBSERVE_NEVER)
            o->save_by[w->model] = (float)w->savable_due;
    }
}

void observe_queues(observer *o, const sched_view *v)
{
    look_at_waiting(o, v);
    look_at_processors(o, v);
    spread_backlog(o, v);
    if (LANES_HAS_WIDE)
        find_ends_wide(o);
    else
        find_ends(o);
    keep_ends(o);
}

/* ---- Rules whose choice is a feature ---- */

typedef struct paper {
    double ready[SCHED_PROCESSORS_MAX];
    double end[OBSERVE_CANDIDATES_MAX];
    int at[OBSERVE_CANDIDATES_MAX], left[OBSERVE_CANDIDATES_MAX];
} paper;

static void place(const observer *o, const sched_view *v, paper *p, int i)
{
    const int model = o->waiting[i].model;
    p->end[i] = OBSERVE_NEVER;
    p->at[i] = -1;
    for (uint64_t left = v->can[model] & (o->idle | o->busy); left; left &= left - 1) {
        const int q = view_lowest(left);
        const double e = p->ready[q] + observe_pair_at(o, v, model, q)->single;
        if (e < p->end[i]) {
            p->end[i] = e;
            p->at[i] = q;
        }
    }
}

static int first_on_paper(const observer *o, const paper *p)
{
    int first = -1;
    for (int i = 0; i < o->waiting_count; i++) {
        if (p->left[i] == 0 || p->at[i] < 0)
            continue;
        if (first < 0 || p->end[i] < p->end[first] ||
            (p->end[i] == p->end[first] && o->waiting[i].model < o->waiting[first].model))
            first = i;
    }
    return first;
}

int observe_min_min(const observer *o, const sched_view *v)
{
    paper p;
    uint64_t open = o->idle;
    memcpy(p.ready, o->free_at, (size_t)v->processor_count * sizeof *p.ready);
    for (int i = 0; i < o->waiting_count; i++) {
        p.left[i] = o->waiting[i].count;
        p.end[i] = o->waiting[i].end[0];
        p.at[i] = o->waiting[i].at[0];
    }
    for (int given = 0; open && given < PLAN_MAX; given++) {
        const int i = first_on_paper(o, &p);
        if (i < 0)
            return -1;
        const int q = p.at[i];
        const uint64_t taken = v->conflicts[q];
        if (open & VIEW_BIT(q))
            return o->waiting[i].model * v->processor_count + q;
        open &= ~taken;
        const double end = p.end[i];
        for (uint64_t left = taken; left; left &= left - 1) {
            const int other = view_lowest(left);
            p.ready[other] = end > p.ready[other] ? end : p.ready[other];
        }
        p.left[i]--;
        for (int k = 0; k < o->waiting_count; k++)
            if (p.left[k] > 0 && p.at[k] >= 0 && (taken & VIEW_BIT(p.at[k])))
                place(o, v, &p, k);
    }
    return -1;
}

static bool crowded(const sched_view *v)
{
    return v->prices && v->objective->miss == 0 && v->queue->count > CROWD;
}

int observe_priced(const observer *o, const sched_view *v)
{
    const bool crowd = crowded(v);
    double best = 0;
    int choice = -1;
    for (uint64_t left = o->idle; left; left &= left - 1) {
        const int p = view_lowest(left);
        for (int i = 0; i < o->waiting_count; i++) {
            const observe_waiting *w = &o->waiting[i];
            const observe_pair *pair = observe_pair_at(o, v, w->model, p);
            const double index = pair->index * (crowd ? w->count : 1);
            if (!(v->can[w->model] & VIEW_BIT(p)) || index <= 0 || index < best ||
                (index == best && w->model * v->processor_count + p > choice))
                continue;
            if (!crowd && !(o->models[w->model].efficient & VIEW_BIT(p)) &&
                pair->single > w->end[1])
                continue;
            best = index;
            choice = w->model * v->processor_count + p;
        }
    }
    return choice;
}

/* ---- Candidates ---- */

/* A larger batch than one must gain something to be worth a thought. */
static bool worth_a_thought(const sched_view *v, int model, int p, int batch_index, int waiting)
{
    const int size = v->costs->batches[batch_index];
    const int64_t cost_ns = view_cost_ns(v, model, p, batch_index);
    return cost_ns > 0 && size <= waiting && size <= SCHED_BATCH_MAX &&
           (size == 1 || cost_ns < view_cost_ns(v, model, p, 0) * size);
}

static void add_pair(observer *o, const sched_view *v, double *ranks, int i, int p)
{
    const observe_waiting *w = &o->waiting[i];
    const observe_pair *pair = observe_pair_at(o, v, w->model, p);
    const double rank = pair->index / o->best_index[p];
    /* On a slow processor the first that could be saved elsewhere is not always the one to run. */
    const bool save = w->savable != REQUEST_NONE && w->savable_due >= pair->single;
    const uint32_t request = save ? w->savable : w->oldest;
    const int waiting = w->count - (save ? w->savable_at : 0);
    for (int b = 0; b < v->costs->batch_count; b++) {
        if (!worth_a_thought(v, w->model, p, b, waiting))
            continue;
        int at = o->seen.count;
        if (at < OBSERVE_CANDIDATES_MAX - 1) { /* the last place is for waiting */
            o->seen.count++;
        } else { /* instead of the least promising one */
            at = 0;
            for (int c = 1; c < OBSERVE_CANDIDATES_MAX - 1; c++)
                at = ranks[c] < ranks[at] ? c : at;
            if (ranks[at] >= rank)
                continue;
        }
        ranks[at] = rank;
        o->who[at] = i;
        o->seen.all[at] = (observe_candidate){
            .processor = p, .model = w->model, .batch_index = b, .request = request};
    }
}

static void rank_pairs(observer *o, const sched_view *v)
{
    o->best_of_all = 0;
    for (uint64_t left = o->idle; left; left &= left - 1) {
        const int p = view_lowest(left);
        o->best_index[p] = 1e-300;
        for (int i = 0; i < o->waiting_count; i++) {
            const int model = o->waiting[i].model;
            const double index = observe_pair_at(o, v, model, p)->index;
            if ((v->can[model] & VIEW_BIT(p)) && index > o->best_index[p])
                o->best_index[p] = index;
        }
        if (o->best_index[p] > o->best_of_all)
            o->best_of_all = o->best_index[p];
    }
}

/* Only this pair, in the best batch of those that take at most this long, or one request: nothing
 * is left to decide. choice < 0: waiting. */
static void force(observer *o, const sched_view *v, int choice, int64_t longest_ns)
{
    o->seen.count = 0;
    if (choice < 0)
        return;
    const int model = choice / v->processor_count, p = choice % v->processor_count;
    const int waiting = (int)view_waiting(v, model);
    int best = 0;
    for (int b = 1; b < v->costs->batch_count; b++)
        if (worth_a_thought(v, model, p, b, waiting) &&
            view_cost_ns(v, model, p, b) <= longest_ns &&
            view_cost_ns(v, model, p, b) * v->costs->batches[best] <
                view_cost_ns(v, model, p, best) * v->costs->batches[b])
            best = b;
    o->seen.count = 1;
    o->seen.all[0] = (observe_candidate){
        .processor = p, .model = model, .batch_index = best, .request = view_model_first(v, model)};
}

/* Starved models go first, each where it would end first, a set counting for what it keeps from
 * the others that wait; what is not idle yet is kept for it. */
static int starved_choice(observer *o, const sched_view *v, int64_t patience_ns)
{
    uint64_t sequence = 0;
    for (int model; o->idle && (model = view_next_starved(v, patience_ns, &sequence)) >= 0;) {
        double end = OBSERVE_NEVER;
        int best = -1;
        for (uint64_t left = v->can[model] & (o->idle | o->busy); left; left &= left - 1) {
            const int p = view_lowest(left);
            const double e = o->free_at[p] + observe_pair_at(o, v, model, p)->single *
                                                 view_share(v, p, v->queue->count);
            if (e < end) {
                end = e;
                best = p;
            }
        }
        if (best >= 0 && (o->idle & VIEW_BIT(best)))
            return model * v->processor_count + best;
        if (best >= 0)
            o->idle &= ~v->conflicts[best];
    }
    return -1;
}

/* A request would end on an idle processor in less than a quarter of the time that it would for any
 * other, part of the backlog counted: then that processor is not to stay idle. The network was seen
 * to leave it so, ever longer queues before it, where estimates said wrongly that it is the slower
 * one. Only where latency is all that counts: deadlines and energy are good reasons to wait. */
static bool must_start(const observer *o, const sched_view *v)
{
    if (v->objective->miss > 0 || v->objective->energy_ns_per_uj > 0)
        return false;
    for (uint64_t left = o->idle; left; left &= left - 1) {
        const int p = view_lowest(left);
        for (int i = 0; i < o->waiting_count; i++) {
            const observe_waiting *w = &o->waiting[i];
            const double other = w->at[1] == p ? w->second[1] : w->end[1];
            if ((v->can[w->model] & VIEW_BIT(p)) &&
                4 * observe_pair_at(o, v, w->model, p)->single < other)
                return true;
        }
    }
    return false;
}

void observe_candidates(observer *o, const sched_view *v)
{
    double ranks[OBSERVE_CANDIDATES_MAX];
    o->seen.count = 0;
    o->seen.wait = -1;
    if (v->patience > 0) {
        const int64_t patience_ns = view_patience_ns(v);
        const int choice = starved_choice(o, v, patience_ns);
        if (choice >= 0) {
            force(o, v, choice, patience_ns / view_active_count(v));
            return;
        }
    }
    /* Beneath the others nothing is worth waiting for, and no prices are known there. */
    if (o->reach && v->processors[view_lowest(o->reach)].level == 1) {
        force(o, v, observe_min_min(o, v), SCHED_NEVER);
        return;
    }
    if (crowded(v)) {
        force(o, v, observe_priced(o, v), SCHED_NEVER);
        return;
    }
    rank_pairs(o, v);
    for (uint64_t left = o->idle; left; left &= left - 1) {
        const int p = view_lowest(left);
        if (o->twin_of[p] & o->idle)
            continue;
        for (int i = 0; i < o->waiting_count; i++)
            if (v->can[o->waiting[i].model] & VIEW_BIT(p))
                add_pair(o, v, ranks, i, p);
    }
    if (o->seen.count > 0 && o->busy && !must_start(o, v)) {
        o->seen.wait = o->seen.count;
        o->seen.all[o->seen.count++] = (observe_candidate){
            .processor = -1, .model = -1, .batch_index = 0, .request = REQUEST_NONE};
    }
}
