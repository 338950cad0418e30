/* The base policies of rollouts: policy_min_min.c and policy_priced.c over a rollout's state. */
#include "sched/rollout_state.h"

/* Chosen: requests that min-min plans before it gives up looking for one that can start. Long plans
 * come from long queues beside a processor that is too slow to help. */
enum { PLAN_MAX = 24 };

typedef struct plan {
    int count;
    int models[ROLLOUT_MODELS_MAX];
    int left[ROLLOUT_MODELS_MAX]; /* requests not given yet */
    int processors[ROLLOUT_MODELS_MAX];
    double ends[ROLLOUT_MODELS_MAX];
    double ready[SCHED_PROCESSORS_MAX];
} plan;

static void place(const rollout *r, plan *p, int i)
{
    const double *single = &r->single[rollout_pair(r, p->models[i], 0)];
    double end = ROLLOUT_NEVER;
    int best = -1;
    for (int q = 0; q < r->processor_count; q++) {
        const double e = p->ready[q] + single[q];
        if (e < end) {
            end = e;
            best = q;
        }
    }
    p->ends[i] = end;
    p->processors[i] = best;
}

static void give(rollout *r, plan *p, int i)
{
    const int processor = p->processors[i];
    const uint64_t taken = r->conflicts[processor];
    const double end = p->ends[i];
    for (uint64_t left = taken; left; left &= left - 1) {
        const int q = view_lowest(left);
        p->ready[q] = end > p->ready[q] ? end : p->ready[q];
    }
    if (--p->left[i] == 0) {
        const int last = --p->count;
        p->models[i] = p->models[last];
        p->left[i] = p->left[last];
        p->processors[i] = p->processors[last];
        p->ends[i] = p->ends[last];
    }
    for (int k = 0; k < p->count; k++) {
        if (p->processors[k] >= 0 && (taken & VIEW_BIT(p->processors[k]))) {
            place(r, p, k);
            r->steps += (uint64_t)(3 + 2 * r->processor_count);
        }
    }
}

static bool min_min(rollout *r, const rollout_state *x, int *processor, int *model)
{
    plan p;
    uint64_t open = x->idle;
    p.count = x->active_count;
    for (int q = 0; q < r->processor_count; q++)
        p.ready[q] = x->free_at[q] > x->now ? x->free_at[q] : x->now;
    for (int i = 0; i < p.count; i++) {
        p.models[i] = x->active[i];
        p.left[i] = x->waiting[x->active[i]];
        place(r, &p, i);
    }
    r->steps += (uint64_t)(12 + p.count * (3 + 2 * r->processor_count));
    for (int given = 0; open && given < PLAN_MAX; given++) {
        int first = -1;
        double end = ROLLOUT_NEVER;
        for (int i = 0; i < p.count; i++) {
            /* Ties by model, so that the order of `active` does not matter. */
            if (p.ends[i] < end ||
                (p.ends[i] == end && first >= 0 && p.models[i] < p.models[first])) {
                end = p.ends[i];
                first = i;
            }
        }
        if (first < 0 || p.processors[first] < 0)
            return false;
        if (open & VIEW_BIT(p.processors[first])) {
            *processor = p.processors[first];
            *model = p.models[first];
            return true;
        }
        open &= ~r->conflicts[p.processors[first]];
        give(r, &p, first);
        r->steps += (uint64_t)(5 + 2 * p.count);
    }
    return false;
}

/* Work that waits for each efficient processor: each model's requests go, on paper, where they
 * would begin first. */
static void backlog(const rollout *r, const rollout_state *x, double *work)
{
    for (int q = 0; q < r->processor_count; q++)
        work[q] = 0;
    for (int i = 0; i < x->active_count; i++) {
        const int m = x->active[i];
        const double *single = &r->single[rollout_pair(r, m, 0)];
        double end = ROLLOUT_NEVER;
        int best = -1;
        for (uint64_t left = r->efficient[m]; left; left &= left - 1) {
            const int q = view_lowest(left);
            const double from = x->free_at[q] > x->now ? x->free_at[q] : x->now;
            if (from + work[q] + single[q] < end) {
                end = from + work[q] + single[q];
                best = q;
            }
        }
        if (best >= 0)
            work[best] += single[best] * x->waiting[m];
    }
}

/* When an efficient processor other than p would have served the request. */
static double elsewhere(const rollout *r, const rollout_state *x, const double *work, int m, int p)
{
    const double *single = &r->single[rollout_pair(r, m, 0)];
    double end = ROLLOUT_NEVER;
    for (uint64_t left = r->efficient[m] & ~VIEW_BIT(p); left; left &= left - 1) {
        const int q = view_lowest(left);
        const double from = x->free_at[q] > x->now ? x->free_at[q] : x->now;
        const double e = from + PRICED_BACKLOG * work[q] + single[q];
        end = e < end ? e : end;
    }
    return end;
}

static bool priced(rollout *r, const rollout_state *x, int *processor, int *model)
{
    double work[SCHED_PROCESSORS_MAX];
    const bool crowd = x->waiting_total > r->crowd;
    bool known = false;
    double best = 0;
    for (uint64_t left = x->idle; left; left &= left - 1) {
        const int p = view_lowest(left);
        for (int i = 0; i < x->active_count; i++) {
            const int m = x->active[i];
            const int pair = rollout_pair(r, m, p);
            const double index = r->index[pair] * (crowd ? x->waiting[m] : 1);
            if (index < best || index == 0 || (index == best && m >= *model))
                continue;
            if (!crowd && !(r->efficient[m] & VIEW_BIT(p))) {
                if (!known) {
                    backlog(r, x, work);
                    known = true;
                    r->steps += (uint64_t)(x->active_count * (4 + r->processor_count));
                }
                r->steps += 4;
                if (x->now + r->single[pair] > elsewhere(r, x, work, m, p))
                    continue;
            }
            best = index;
            *processor = p;
            *model = m;
        }
    }
    r->steps += (uint64_t)(8 + 3 * x->active_count * __builtin_popcountll(x->idle));
    return best > 0;
}

bool rollout_base_choose(rollout *r, rollout_base base, const rollout_state *x, int *processor,
                         int *model)
{
    return base == ROLLOUT_PRICED ? priced(r, x, processor, model)
                                  : min_min(r, x, processor, model);
}
