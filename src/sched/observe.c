/* Two layers: what follows from costs and prices alone is kept in tables and looked at again now
 * and then; what follows from the queues is worked out for each decision. */
#include "sched/observe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sched/observe_state.h"

/* Looks between two renewals of the tables (chosen: costs drift by at most 1/16 per run). */
enum { RENEW_LOOKS = 16 };

static const char *const candidate_names[] = {
#define OBSERVE_NAME(name, kind, text) #name,
    OBSERVE_CANDIDATE_TABLE(OBSERVE_NAME)
#undef OBSERVE_NAME
};
static const char *const state_names[] = {
#define OBSERVE_NAME(name, text) #name,
    OBSERVE_STATE_TABLE(OBSERVE_NAME)
#undef OBSERVE_NAME
};
static const char *const candidate_texts[] = {
#define OBSERVE_TEXT(name, kind, text) text,
    OBSERVE_CANDIDATE_TABLE(OBSERVE_TEXT)
#undef OBSERVE_TEXT
};
static const char *const state_texts[] = {
#define OBSERVE_TEXT(name, text) text,
    OBSERVE_STATE_TABLE(OBSERVE_TEXT)
#undef OBSERVE_TEXT
};

const char *observe_name(bool state, int feature)
{
    return state ? state_names[feature] : candidate_names[feature];
}

const char *observe_text(bool state, int feature)
{
    return state ? state_texts[feature] : candidate_texts[feature];
}

scorer_shape observe_shape(int first, int second)
{
    return (scorer_shape){.candidate_inputs = CANDIDATE_FEATURES,
                          .state_inputs = STATE_FEATURES,
                          .first = first,
                          .second = second};
}

/* All that is laid out by model, in one piece. */
static bool make_rows(observer *o, const sched_view *view)
{
    o->row = (view->model_max + SCORER_LANES - 1) / SCORER_LANES * SCORER_LANES;
    const size_t row = (size_t)o->row, table = row * (size_t)view->processor_count;
    float **tables[] = {&o->single, &o->good, &o->inside, &o->gap, &o->lost_until};
    float **rows[] = {&o->due,    &o->share,     &o->save_by,   &o->end[0],   &o->end[1],
                      &o->end[2], &o->second[0], &o->second[1], &o->second[2]};
    const size_t table_count = sizeof tables / sizeof *tables,
                 row_count = sizeof rows / sizeof *rows;
    float *next = calloc(table_count * table + row_count * row, sizeof *next);
    int32_t *at = calloc(OBSERVE_ENDS * row, sizeof *at);
    o->rows = next;
    o->at[0] = at;
    if (!next || !at)
        return false;
    for (size_t i = 0; i < table_count; i++, next += table)
        *tables[i] = next;
    for (size_t i = 0; i < row_count; i++, next += row)
        *rows[i] = next;
    for (int kind = 1; kind < OBSERVE_ENDS; kind++)
        o->at[kind] = at + (size_t)kind * row;
    for (size_t i = 0; i < table; i++)
        o->single[i] = o->good[i] = (float)OBSERVE_NEVER;
    return true;
}

cosrel_status observer_create(const sched_view *view, observer **out)
{
    const size_t pairs = (size_t)view->model_max * (size_t)view->processor_count;
    observer *o = calloc(1, sizeof *o);
    *out = o;
    if (!o)
        return COSREL_OUT_OF_MEMORY;
    o->pairs = calloc(pairs, sizeof *o->pairs);
    o->models = calloc((size_t)view->model_max, sizeof *o->models);
    if (!o->pairs || !o->models || !make_rows(o, view)) {
        observer_free(o);
        *out = NULL;
        return COSREL_OUT_OF_MEMORY;
    }
    return COSREL_OK;
}

void observer_free(observer *o)
{
    if (!o)
        return;
    free(o->pairs);
    free(o->models);
    free(o->rows);
    free(o->at[0]);
    free(o);
}

/* ---- What costs and prices say ---- */

/* Least time and least energy per request over the batches. */
static void look_at_pair(observer *o, const sched_view *v, int m, int p)
{
    observe_pair *pair = &o->pairs[m * v->processor_count + p];
    *pair = (observe_pair){
        .single = OBSERVE_NEVER, .per_single = 1 / OBSERVE_NEVER, .each = OBSERVE_NEVER};
    if (!(view_usable(v, m) & VIEW_BIT(p)))
        return;
    for (int b = 0; b < v->costs->batch_count && v->costs->batches[b] <= SCHED_BATCH_MAX; b++) {
        const cost_cell *cell = cost_at(v->costs, m, p, b);
        const int size = v->costs->batches[b];
        if (cell->service_ns == 0)
            continue;
        const double each = (double)cell->service_ns / size;
        if (b == 0)
            pair->single = each;
        if (each < pair->each) {
            pair->each = each;
            pair->energy = (double)cell->energy_uj / size;
        }
    }
    pair->per_single = 1 / pair->single;
}

static void look_at_model(observer *o, const sched_view *v, int m)
{
    observe_model *model = &o->models[m];
    observe_pair *pairs = &o->pairs[m * v->processor_count];
    double least_worth = OBSERVE_NEVER;
    *model = (observe_model){
        .best = OBSERVE_NEVER, .least_energy = OBSERVE_NEVER, .least_priced = OBSERVE_NEVER};
    for (int p = 0; p < v->processor_count; p++) {
        look_at_pair(o, v, m, p);
        if (pairs[p].each >= OBSERVE_NEVER)
            continue;
        pairs[p].worth = (v->prices ? v->prices[p] : 1) * pairs[p].each / 1e9;
        pairs[p].priced_energy = pairs[p].energy +
                                 (v->energy_prices ? v->energy_prices[p] * pairs[p].each / 1e6 : 0);
        least_worth = fmin(least_worth, pairs[p].worth);
        model->best = fmin(model->best, pairs[p].single);
        model->least_energy = fmin(model->least_energy, pairs[p].energy);
        model->least_priced = fmin(model->least_priced, pairs[p].priced_energy);
    }
    model->per_best = 1 / model->best;
    model->work = least_worth / o->price_sum * 1e9;
    for (int p = 0; p < v->processor_count; p++) {
        o->single[p * o->row + m] = (float)pairs[p].single;
        o->good[p * o->row + m] = (float)OBSERVE_NEVER;
        if (pairs[p].each >= OBSERVE_NEVER)
            continue;
        pairs[p].efficiency = v->prices ? priced_efficiency(pairs[p].worth, least_worth) : 1;
        pairs[p].index = priced_index(pairs[p].efficiency, pairs[p].each);
        if (pairs[p].efficiency >= PRICED_EFFICIENT) {
            model->efficient |= VIEW_BIT(p);
            o->good[p * o->row + m] = (float)pairs[p].single;
        }
    }
}

/* Two processors that stand for each other: idle both, one is enough as a candidate. */
static void find_twins(observer *o, const sched_view *v)
{
    for (int p = 0; p < v->processor_count; p++) {
        o->twin_of[p] = 0;
        for (int q = 0; q < p; q++) {
            bool same = v->conflicts[p] == VIEW_BIT(p) && v->conflicts[q] == VIEW_BIT(q) &&
                        (!v->prices || v->prices[p] == v->prices[q]);
            for (int m = 0; same && m < v->model_count; m++)
                for (int b = 0; same && b < v->costs->batch_count; b++) {
                    const cost_cell *x = cost_at(v->costs, m, p, b),
                                    *y = cost_at(v->costs, m, q, b);
                    same = x->service_ns == y->service_ns && x->energy_uj == y->energy_uj;
                }
            o->twin_of[p] |= same ? VIEW_BIT(q) : 0;
        }
    }
}

static void renew(observer *o, const sched_view *v)
{
    double sum = 0, with = 0;
    o->looks = 0;
    o->model_count = v->model_count;
    o->up = v->up;
    o->reach = 0;
    for (int m = 0; m < v->model_count; m++)
        o->reach |= v->can[m];
    o->shifts = v->costs->shifts;
    o->energy_priced = v->energy_prices;
    o->priced = v->prices != NULL;
    o->price_sum = priced_total(v);
    for (int p = 0; p < v->processor_count; p++) {
        o->prices[p] = v->prices ? v->prices[p] : 1;
        o->demand[p] = 0;
    }
    o->unit = o->energy_unit = o->deadline_unit = 0;
    for (int m = 0; m < v->model_count; m++) {
        look_at_model(o, v, m);
        observe_rivals_renew(o, v, m);
        const observe_model *model = &o->models[m];
        const double share = rates_share(v->rates, m, v->model_count);
        const int64_t usual_ns = v->rates->deadline_ns[m];
        if (model->best >= OBSERVE_NEVER)
            continue;
        sum += share;
        o->unit += share * model->work;
        o->energy_unit += share * model->least_energy;
        if (usual_ns != INT64_MAX) {
            with += share;
            o->deadline_unit += share * (double)usual_ns;
        }
        const int good = __builtin_popcountll(model->efficient);
        for (uint64_t left = model->efficient; left; left &= left - 1) {
            const int p = view_lowest(left);
            o->demand[p] += share * o->pairs[m * v->processor_count + p].each / good;
        }
    }
    const double all = sum > 0 ? sum : 1;
    o->unit = fmax(o->unit / all, 1);
    o->per_unit = 1 / o->unit;
    o->energy_unit /= all;
    o->deadline_unit /= with > 0 ? with : 1;
    find_twins(o, v);
}

static bool stale(observer *o, const sched_view *v)
{
    return ++o->looks >= RENEW_LOOKS || o->model_count != v->model_count || o->up != v->up ||
           o->shifts != v->costs->shifts || o->energy_priced != v->energy_prices ||
           o->priced != (v->prices != NULL) ||
           (v->prices &&
            memcmp(o->prices, v->prices, (size_t)v->processor_count * sizeof *o->prices) != 0);
}

const observation *observer_look(observer *o, const sched_view *v)
{
    if (stale(o, v))
        renew(o, v);
    observe_queues(o, v);
    observe_candidates(o, v);
    if (o->seen.count > 0)
        observe_features(o, v);
    return &o->seen;
}
