#include "sched/rollout.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "sched/rollout_state.h"
#include "sched/savable.h"

/* Chosen: deviates of unit mean, drawn once, from which futures are cut at random places. Long
 * enough that two futures of one decision rarely overlap. */
enum { POOL_LEN = 8192 };

/* Min-min must be cheaper by this part to be the base of a full device, where its weakness shows
 * after the end of a rollout; by less of one that is not full (times load^4). */
static const double MIN_MIN_HANDICAP = 0.05;

/* Part of that delay that counts, since short requests that come later go first; and the least
 * spare part of the device that is believed, since the load is an estimate. (chosen: see the
 * ablation in docs/policies.md) */
static const double EXTERNALITY = 0.25;
static const double SPARE_MIN = 0.05;

cosrel_status rollout_create(const sched_view *view, rollout **out)
{
    const size_t models = ROLLOUT_MODELS_MAX;
    const size_t processors = (size_t)view->processor_count;
    const size_t pairs = models * processors, cells = pairs * COST_BATCHES_MAX;
    rollout *r = calloc(1, sizeof *r);
    *out = r;
    if (!r)
        return COSREL_OUT_OF_MEMORY;
    r->cost = malloc(cells * sizeof *r->cost);
    r->energy = malloc(cells * sizeof *r->energy);
    r->single = malloc(pairs * sizeof *r->single);
    r->index = malloc(pairs * sizeof *r->index);
    r->gaps = malloc(POOL_LEN * sizeof *r->gaps);
    r->picks = malloc(POOL_LEN * sizeof *r->picks);
    r->chosen = malloc((size_t)view->model_max * sizeof *r->chosen);
    if (!r->cost || !r->energy || !r->single || !r->index || !r->gaps || !r->picks || !r->chosen) {
        rollout_free(r);
        *out = NULL;
        return COSREL_OUT_OF_MEMORY;
    }
    for (int i = 0; i < POOL_LEN; i++) {
        r->gaps[i] = rng_exponential(view->random, 1);
        r->picks[i] = rng_unit(view->random);
    }
    return COSREL_OK;
}

void rollout_free(rollout *r)
{
    if (!r)
        return;
    free(r->cost);
    free(r->energy);
    free(r->single);
    free(r->index);
    free(r->gaps);
    free(r->picks);
    free(r->chosen);
    free(r);
}

/* ---- What is now ---- */

static void add_model(rollout *r, int model)
{
    r->chosen[model] = true;
    r->models[r->model_count++] = model;
}

/* Those with waiting requests, then those that are asked for most. */
static void choose_models(rollout *r, const sched_view *v)
{
    r->model_count = 0;
    for (int m = 0; m < v->model_count; m++)
        r->chosen[m] = false;
    for (int i = 0; i < view_active_count(v) && r->model_count < ROLLOUT_MODELS_MAX; i++)
        add_model(r, view_active(v, i));
    r->active_count = r->model_count;
    if (v->model_count <= ROLLOUT_MODELS_MAX) {
        for (int m = 0; m < v->model_count; m++)
            if (!r->chosen[m])
                add_model(r, m);
        return;
    }
    while (r->model_count < ROLLOUT_MODELS_MAX) {
        int best = -1;
        for (int m = 0; m < v->model_count; m++)
            if (!r->chosen[m] && (best < 0 || v->rates->weight[m] > v->rates->weight[best]))
                best = m;
        add_model(r, best);
    }
}

static void choose_processors(rollout *r, const sched_view *v)
{
    uint64_t useful = 0;
    r->processor_count = 0;
    r->idle = 0;
    for (int i = 0; i < r->model_count; i++)
        useful |= v->can[r->models[i]] & v->up;
    for (uint64_t left = useful; left; left &= left - 1) {
        const int p = view_lowest(left);
        const bool startable = (v->startable & VIEW_BIT(p)) != 0;
        if (!startable && v->ready_ns[p] <= v->now_ns)
            continue; /* kept for requests of a higher class */
        const int q = r->processor_count++;
        r->processors[q] = p;
        r->free_at[q] = startable ? 0 : (double)(v->ready_ns[p] - v->now_ns);
        r->idle |= startable ? VIEW_BIT(q) : 0;
    }
    for (int q = 0; q < r->processor_count; q++) {
        r->conflicts[q] = 0;
        for (int other = 0; other < r->processor_count; other++)
            if (v->conflicts[r->processors[q]] & VIEW_BIT(r->processors[other]))
                r->conflicts[q] |= VIEW_BIT(other);
    }
}

static void copy_costs(rollout *r, const sched_view *v)
{
    r->batch_count = v->costs->batch_count;
    memcpy(r->batches, v->costs->batches, sizeof r->batches);
    for (int m = 0; m < r->model_count; m++) {
        double least = ROLLOUT_NEVER;
        for (int p = 0; p < r->processor_count; p++) {
            const int pair = rollout_pair(r, m, p);
            for (int b = 0; b < r->batch_count; b++) {
                const cost_cell *cell = cost_at(v->costs, r->models[m], r->processors[p], b);
                const bool can = cell->service_ns > 0 && r->batches[b] <= SCHED_BATCH_MAX &&
                                 (v->can[r->models[m]] & VIEW_BIT(r->processors[p]));
                r->cost[pair * r->batch_count + b] = can ? (double)cell->service_ns : ROLLOUT_NEVER;
                r->energy[pair * r->batch_count + b] = (double)cell->energy_uj;
                if (can && (double)cell->energy_uj / r->batches[b] < least)
                    least = (double)cell->energy_uj / r->batches[b];
            }
            r->single[pair] = r->cost[(size_t)pair * (size_t)r->batch_count];
        }
        r->least_energy[m] = least < ROLLOUT_NEVER ? least : 0;
    }
}

/* The least time per request over the batches. */
static double per_request(const rollout *r, int pair)
{
    double least = r->single[pair];
    for (int b = 1; b < r->batch_count; b++) {
        const double cost = r->cost[pair * r->batch_count + b];
        /* A batch that cannot run has no share per request that could be compared. */
        if (cost < ROLLOUT_NEVER && cost / r->batches[b] < least)
            least = cost / r->batches[b];
    }
    return least;
}

/* Indices of all pairs, and what a request of each model takes of the whole device. */
static void price(rollout *r, const sched_view *v)
{
    const double total = priced_total(v);
    for (int p = 0; p < r->processor_count; p++) {
        /* A run on a set keeps its cores busy too: they count it. */
        const bool set = __builtin_popcountll(v->processors[r->processors[p]].units) > 1;
        r->part[p] = set ? 0 : (v->prices ? v->prices[r->processors[p]] : 1) / total;
    }
    for (int m = 0; m < r->model_count; m++) {
        double least = ROLLOUT_NEVER;
        for (int p = 0; p < r->processor_count; p++) {
            const double value = v->prices ? v->prices[r->processors[p]] : 1;
            const double each = per_request(r, rollout_pair(r, m, p));
            if (each < ROLLOUT_NEVER && value * each / 1e9 < least)
                least = value * each / 1e9;
        }
        r->work_ns[m] = least / total * 1e9;
        r->efficient[m] = 0;
        for (int p = 0; p < r->processor_count; p++) {
            const int pair = rollout_pair(r, m, p);
            const double each = per_request(r, pair);
            r->index[pair] = 0;
            if (each >= ROLLOUT_NEVER)
                continue;
            const double e =
                v->prices ? priced_efficiency(v->prices[r->processors[p]] * each / 1e9, least) : 1;
            r->index[pair] = priced_index(e, each);
            if (e >= PRICED_EFFICIENT)
                r->efficient[m] |= VIEW_BIT(p);
        }
    }
}

/* The order in which a device that empties its queues serves them: what takes least first. */
static void sort_by_work(rollout *r)
{
    for (int m = 0; m < r->model_count; m++) {
        int at = m;
        for (; at > 0 && r->work_ns[r->by_work[at - 1]] > r->work_ns[m]; at--)
            r->by_work[at] = r->by_work[at - 1];
        r->by_work[at] = m;
    }
}

static void copy_deadlines(rollout *r, const sched_view *v)
{
    r->any_deadline = false;
    for (int m = 0; m < r->model_count && v->objective->miss > 0; m++) {
        const int64_t usual_ns = v->rates->deadline_ns[r->models[m]];
        uint32_t at = m < r->active_count ? view_model_first(v, r->models[m]) : REQUEST_NONE;
        r->usual_deadline[m] = usual_ns == INT64_MAX ? ROLLOUT_NEVER : (double)usual_ns;
        r->any_deadline |= usual_ns != INT64_MAX;
        for (int i = 0; i < ROLLOUT_DEADLINES_MAX && at != REQUEST_NONE; i++) {
            const int64_t due_ns = v->requests[at].deadline_ns;
            r->due[m][i] = due_ns == SCHED_NEVER ? ROLLOUT_NEVER : (double)(due_ns - v->now_ns);
            at = view_model_next(v, at);
        }
    }
}

/* A request that still waits when a future ends delays those that come after it, for as long as the
 * device stays busy: the more, the fuller it is. Chosen by ablation: between 1 while it is nearly
 * idle and 3 at capacity; a rollout of a few arrivals cannot see it. */
static double weight_of_later(double load)
{
    return 1 + 2 * load * load * load * load;
}

static double expected_load(const rollout *r, double rate)
{
    double load = 0;
    for (int m = 0; m < r->model_count; m++)
        load += rate * (r->share_sums[m] - (m > 0 ? r->share_sums[m - 1] : 0)) * r->work_ns[m];
    return load < 1 ? load : 1;
}

void rollout_look(rollout *r, const sched_view *v, int arrivals, int events_max)
{
    choose_models(r, v);
    choose_processors(r, v);
    copy_costs(r, v);
    price(r, v);
    sort_by_work(r);
    r->waiting_total = 0;
    for (int m = 0; m < r->model_count; m++) {
        r->waiting[m] = m < r->active_count ? (int)view_waiting(v, r->models[m]) : 0;
        r->waiting_total += r->waiting[m];
    }
    r->objective = *v->objective;
    r->priced = v->prices != NULL;
    copy_deadlines(r, v);
    double sum = 0, with = 0, deadlines = 0;
    for (int m = 0; m < r->model_count; m++) {
        const double share = rates_share(v->rates, r->models[m], v->model_count);
        sum += share;
        r->share_sums[m] = sum;
        if (r->any_deadline && r->usual_deadline[m] < ROLLOUT_NEVER) {
            with += share;
            deadlines += share * r->usual_deadline[m];
        }
    }
    r->miss_cost = with > 0 ? r->objective.miss * deadlines / with : 0;
    r->rate = rates_total(v->rates, v->now_ns) * sum;
    r->load = expected_load(r, rates_total(v->rates, v->now_ns));
    r->later = weight_of_later(r->load);
    /* In proportion means late for all: no good where deadlines count. */
    r->crowd = v->objective->miss > 0 ? INT_MAX : PRICED_CROWD;
    r->arrivals_max = r->rate > 0 ? arrivals : 0;
    r->arrival_count = 0;
    r->events_max = events_max;
    r->steps += (uint64_t)(r->model_count * r->processor_count * 8 + 200);
}

/* ---- A future ---- */

bool rollout_draw(rollout *r, rng *random)
{
    int arrived[ROLLOUT_MODELS_MAX];
    const double sum = r->model_count > 0 ? r->share_sums[r->model_count - 1] : 0;
    uint64_t at = rng_below(random, POOL_LEN);
    double t = 0;
    memcpy(arrived, r->waiting, sizeof arrived);
    for (int i = 0; i < r->arrivals_max; i++, at = (at + 1) % POOL_LEN) {
        const double pick = r->picks[at] * sum;
        int m = 0;
        while (m + 1 < r->model_count && r->share_sums[m] < pick)
            m++;
        t += r->gaps[at] / r->rate;
        r->arrival_at[i] = t;
        r->arrival_model[i] = m;
        if (r->any_deadline && arrived[m] < ROLLOUT_DEADLINES_MAX)
            r->due[m][arrived[m]++] = r->usual_deadline[m] >= ROLLOUT_NEVER
                                          ? ROLLOUT_NEVER
                                          : t + r->usual_deadline[m];
    }
    r->arrival_count = r->arrivals_max;
    r->steps += (uint64_t)r->arrivals_max * 12;
    return r->arrival_count > 0;
}

/* ---- A run ---- */

static void begin(const rollout *r, rollout_state *x)
{
    x->now = 0;
    x->cost = 0;
    x->idle = r->idle;
    x->waiting_total = r->waiting_total;
    x->active_count = r->active_count;
    for (int i = 0; i < r->active_count; i++)
        x->active[i] = x->active_at[i] = i;
    memcpy(x->waiting, r->waiting, (size_t)r->model_count * sizeof *x->waiting);
    memcpy(x->free_at, r->free_at, (size_t)r->processor_count * sizeof *x->free_at);
    if (r->any_deadline) {
        memset(x->served, 0, (size_t)r->model_count * sizeof *x->served);
        memset(x->served_which, 0, (size_t)r->model_count * sizeof *x->served_which);
    }
}

static void arrive(rollout_state *x, int m)
{
    x->waiting_total++;
    if (x->waiting[m]++ == 0) {
        x->active_at[m] = x->active_count;
        x->active[x->active_count++] = m;
    }
}

/* Which of the model's requests a run that ends then serves: the first that it saves, else the
 * first (sched/savable.h). ROLLOUT_DEADLINES_MAX: one whose deadline is not known. */
static int serve_which(const rollout *r, const rollout_state *x, int m, double end)
{
    const int arrived = x->waiting[m] + x->served[m];
    const int known = arrived < ROLLOUT_DEADLINES_MAX ? arrived : ROLLOUT_DEADLINES_MAX;
    const uint32_t all = known == 32 ? UINT32_MAX : ((uint32_t)1 << known) - 1;
    const uint32_t left = all & ~x->served_which[m];
    for (uint32_t look = left; look; look &= look - 1) {
        const int at = __builtin_ctz(look);
        if (r->due[m][at] >= end)
            return at;
    }
    return left ? __builtin_ctz(left) : ROLLOUT_DEADLINES_MAX;
}

static double misses(const rollout *r, rollout_state *x, int m, int count, double end)
{
    double cost = 0;
    for (int i = 0; i < count; i++) {
        const int at = serve_which(r, x, m, end);
        if (at < ROLLOUT_DEADLINES_MAX) {
            x->served_which[m] |= (uint32_t)1 << at;
            if (end > r->due[m][at])
                cost += r->miss_cost;
        }
        x->served[m]++;
        x->waiting[m]--;
    }
    x->waiting[m] += count; /* start() counts them */
    return cost;
}

/* A batch starts: what its requests will cost is known. */
static void start(const rollout *r, rollout_state *x, int p, int m, int batch_index)
{
    const int cell = rollout_pair(r, m, p) * r->batch_count + batch_index;
    const int count = r->batches[batch_index];
    const double end = x->now + r->cost[cell];
    x->cost += r->objective.latency * count * r->cost[cell] +
               r->objective.energy_ns_per_uj * r->energy[cell];
    if (r->any_deadline)
        x->cost += misses(r, x, m, count, end);
    x->waiting_total -= count;
    x->waiting[m] -= count;
    if (x->waiting[m] == 0) {
        const int last = x->active[--x->active_count];
        x->active[x->active_at[m]] = last;
        x->active_at[last] = x->active_at[m];
    }
    for (uint64_t left = r->conflicts[p]; left; left &= left - 1) {
        const int q = view_lowest(left);
        x->free_at[q] = end > x->free_at[q] ? end : x->free_at[q];
    }
    x->idle &= ~r->conflicts[p];
}

/* The batch that serves most per time; the smallest of equals. */
static int best_batch(const rollout *r, const rollout_state *x, int p, int m)
{
    const double *cost = &r->cost[(size_t)rollout_pair(r, m, p) * (size_t)r->batch_count];
    int best = 0;
    for (int b = 1; b < r->batch_count && r->batches[b] <= x->waiting[m]; b++)
        if (cost[b] * r->batches[best] < cost[best] * r->batches[b])
            best = b;
    return best;
}

static void decide(rollout *r, rollout_base base, rollout_state *x)
{
    int p, m;
    while (x->idle && x->waiting_total > 0 && rollout_base_choose(r, base, x, &p, &m)) {
        r->steps += 15;
        start(r, x, p, m, best_batch(r, x, p, m));
    }
}

/* What waits at the end, as if the whole device were one server that takes each request its worth
 * in time, the shortest first. */
static double leftover(const rollout *r, const rollout_state *x)
{
    double cost = 0, before = 0, energy = 0;
    for (int i = 0; i < r->model_count; i++) {
        const int m = r->by_work[i];
        const double work = r->work_ns[m] * x->waiting[m];
        cost += x->waiting[m] * (before + work / 2);
        before += work;
        energy += x->waiting[m] * r->least_energy[m];
    }
    return r->later * r->objective.latency * cost + r->objective.energy_ns_per_uj * energy;
}

/* What the work that is left when the last arrival of a future has come will cost those that come
 * after: each unit of it delays them until the device has worked it off, at the spare part of its
 * speed, and so the cost grows with its square (the delay of an M/G/1 queue that starts with work w
 * is rate w^2 / 2 (1 - load)). */
static double externality(const rollout *r, const rollout_state *x)
{
    double work = 0;
    for (int i = 0; i < x->active_count; i++)
        work += r->work_ns[x->active[i]] * x->waiting[x->active[i]];
    for (int q = 0; q < r->processor_count; q++)
        if (!(x->idle & VIEW_BIT(q)) && x->free_at[q] > x->now)
            work += (x->free_at[q] - x->now) * r->part[q];
    const double spare = 1 - r->load > SPARE_MIN ? 1 - r->load : SPARE_MIN;
    return EXTERNALITY * r->objective.latency * r->rate * work * work / (2 * spare);
}

/* Moves on to the time when the next processor is idle or the next request arrives; false: nothing
 * happens any more. */
static bool advance(const rollout *r, rollout_state *x, int *arrived)
{
    double t = *arrived < r->arrival_count ? r->arrival_at[*arrived] : ROLLOUT_NEVER;
    const uint64_t all = rollout_all(r);
    bool arrival = true;
    for (uint64_t left = all & ~x->idle; left; left &= left - 1) {
        const double free_at = x->free_at[view_lowest(left)];
        if (free_at <= t) {
            t = free_at;
            arrival = false;
        }
    }
    if (t >= ROLLOUT_NEVER)
        return false;
    const double weight = *arrived < r->arrival_count ? 1 : r->later;
    x->cost += weight * r->objective.latency * x->waiting_total * (t - x->now);
    x->now = t;
    if (arrival) {
        arrive(x, r->arrival_model[(*arrived)++]);
        if (*arrived == r->arrival_count)
            x->cost += externality(r, x);
        return true;
    }
    for (uint64_t left = all & ~x->idle; left; left &= left - 1) {
        const int q = view_lowest(left);
        if (x->free_at[q] <= t)
            x->idle |= VIEW_BIT(q);
    }
    return true;
}

double rollout_run(rollout *r, rollout_base base, const rollout_action *first)
{
    rollout_state x;
    int arrived = 0;
    begin(r, &x);
    if (first->first == ROLLOUT_START)
        start(r, &x, first->processor, first->model, first->batch_index);
    if (first->first != ROLLOUT_WAIT)
        decide(r, base, &x);
    int events = 0;
    while (x.waiting_total > 0 || arrived < r->arrival_count) {
        if (events++ == r->events_max || !advance(r, &x, &arrived)) {
            x.cost += leftover(r, &x);
            break;
        }
        decide(r, base, &x);
    }
    r->steps += (uint64_t)(events * (8 + 3 * r->processor_count) + 60);
    return x.cost;
}

rollout_base rollout_better_base(rollout *r, rng *random, int futures, uint64_t *each)
{
    static const rollout_action any = {.first = ROLLOUT_ANY};
    const uint64_t before = r->steps;
    double min_min = 0, priced = 0;
    int runs = 0;
    for (int i = 0; i < (r->priced ? futures : 1); i++) {
        rollout_draw(r, random);
        min_min += rollout_run(r, ROLLOUT_MIN_MIN, &any);
        runs++;
        if (!r->priced)
            continue;
        priced += rollout_run(r, ROLLOUT_PRICED, &any);
        runs++;
    }
    *each = (r->steps - before) / (uint64_t)runs + 1;
    const double handicap = 1 + MIN_MIN_HANDICAP * r->load * r->load * r->load * r->load;
    return r->priced && priced < min_min * handicap ? ROLLOUT_PRICED : ROLLOUT_MIN_MIN;
}

/* ---- Actions ---- */

bool rollout_choose(rollout *r, rollout_base base, rollout_action *out)
{
    rollout_state x;
    begin(r, &x);
    if (!rollout_base_choose(r, base, &x, &out->processor, &out->model))
        return false;
    out->first = ROLLOUT_START;
    out->batch_index = best_batch(r, &x, out->processor, out->model);
    return true;
}

static void insert(rollout_action *all, double *ranks, int *count, int max, const rollout_action *a,
                   double rank)
{
    if (*count == max && ranks[max - 1] >= rank)
        return;
    int at = *count < max ? (*count)++ : max - 1;
    for (; at > 0 && ranks[at - 1] < rank; at--) {
        ranks[at] = ranks[at - 1];
        all[at] = all[at - 1];
    }
    ranks[at] = rank;
    all[at] = *a;
}

int rollout_candidates(rollout *r, rollout_action *out, int max)
{
    double ranks[ROLLOUT_CANDIDATES_MAX];
    int count = 0;
    if (max < 1)
        return 0;
    if (max > ROLLOUT_CANDIDATES_MAX)
        max = ROLLOUT_CANDIDATES_MAX;
    for (uint64_t left = r->idle; left; left &= left - 1) {
        const int p = view_lowest(left);
        double best = 0; /* index on this processor: candidates are ranked by their part of it */
        for (int m = 0; m < r->active_count; m++)
            best = r->index[rollout_pair(r, m, p)] > best ? r->index[rollout_pair(r, m, p)] : best;
        for (int m = 0; m < r->active_count; m++) {
            const int pair = rollout_pair(r, m, p);
            for (int b = 0; b < r->batch_count && r->batches[b] <= r->waiting[m]; b++) {
                const double cost = r->cost[pair * r->batch_count + b];
                /* A larger batch than one must gain something to be worth a thought. */
                if (cost >= ROLLOUT_NEVER || cost > r->single[pair] * r->batches[b])
                    continue;
                const rollout_action a = {
                    .first = ROLLOUT_START, .processor = p, .model = m, .batch_index = b};
                insert(out, ranks, &count, max, &a, r->index[pair] / best + 1e-3 * b);
            }
        }
    }
    return count;
}

bool rollout_busy(const rollout *r)
{
    return r->idle != rollout_all(r);
}

void rollout_decision(const rollout *r, const sched_view *v, const rollout_action *action,
                      sched_decision *out)
{
    const int model = r->models[action->model];
    *out = (sched_decision){.processor = r->processors[action->processor],
                            .model = model,
                            .batch = r->batches[action->batch_index],
                            .request = view_model_first(v, model)};
    if (v->objective->miss <= 0)
        return;
    int place;
    const int64_t length_ns = view_cost_ns(v, model, out->processor, action->batch_index);
    const uint32_t savable = savable_request(v, model, length_ns, &place);
    if (savable != REQUEST_NONE && place + out->batch <= (int)view_waiting(v, model))
        out->request = savable;
}

bool rollout_action_of(const rollout *r, const sched_decision *d, int batch_index,
                       rollout_action *out)
{
    *out = (rollout_action){
        .first = ROLLOUT_START, .processor = -1, .model = -1, .batch_index = batch_index};
    for (int m = 0; m < r->active_count; m++)
        if (r->models[m] == d->model)
            out->model = m;
    for (int p = 0; p < r->processor_count; p++)
        if (r->processors[p] == d->processor)
            out->processor = p;
    return out->model >= 0 && out->processor >= 0;
}

double rollout_load(const rollout *r)
{
    return r->load;
}

bool rollout_crowded(const rollout *r)
{
    return r->priced && r->waiting_total > r->crowd;
}

uint64_t rollout_steps(const rollout *r)
{
    return r->steps;
}
