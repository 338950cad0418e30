/* Numbers between about -2 and 2 out of the tables and queues. */
#include <math.h>
#include <string.h>

#include "nn/lanes.h"
#include "sched/observe_state.h"

enum { STRIDE = SCORER_CANDIDATES_MAX };

/* log2 within 0.01, a tenth as dear as the library's; the same on every machine. x > 0. */
static inline float log2_about(double x)
{
    const float f = x > 1e-30 ? (x < 1e30 ? (float)x : 1e30f) : 1e-30f;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    const float exponent = (float)((int32_t)(bits >> 23) - 127);
    const uint32_t mantissa_bits = (bits & 0x7fffff) | 0x3f800000;
    float m;
    memcpy(&m, &mantissa_bits, sizeof m);
    /* Through log2's values at 1 and 2, least squares between. */
    return exponent + (m - 1) * (1.3465f - 0.3465f * (m - 1));
}

/* A ratio: 0 at 1, +-1 at a factor of 16, no more than 2.5. */
static inline float ratio(double x)
{
    const float y = log2_about(x) * 0.25f;
    return y < -2.5f ? -2.5f : y > 2.5f ? 2.5f : y;
}

/* A quantity of which zero is nothing. */
static inline float amount(double x)
{
    return ratio(1 + (x > 0 ? x : 0));
}

/* A difference: its size in (-1, 1). */
static inline float difference(double x)
{
    return (float)(x / (1 + (x < 0 ? -x : x)));
}

/* ---- Whole rows at once ----
 *
 * What follows fills the candidates' rows with quantities; these make inputs of them, the same as
 * above. */

typedef enum row_kind { PLAIN, RATIO, AMOUNT, DIFFERENCE } row_kind;

static const row_kind row_kinds[] = {
#define OBSERVE_KIND(name, kind, text) kind,
    OBSERVE_CANDIDATE_TABLE(OBSERVE_KIND)
#undef OBSERVE_KIND
};

LANES_INLINE void ratio_row(float *at)
{
    const lanes least = (lanes){0} + 1e-30f, most = (lanes){0} + 1e30f, end = (lanes){0} + 2.5f;
    const lanes x = *lanes_of(at), low = LANES_PICK(x > least, x, least);
    const lane_bits bits = (lane_bits)LANES_PICK(low < most, low, most);
    const lanes exponent = __builtin_convertvector((bits >> 23) - 127, lanes);
    const lanes m = (lanes)((bits & 0x7fffff) | 0x3f800000) - 1;
    const lanes y = (exponent + m * (1.3465f - 0.3465f * m)) * 0.25f;
    *lanes_at(at) = LANES_PICK(y < -end, -end, LANES_PICK(y > end, end, y));
}

LANES_INLINE void make_inputs(float *x, int count)
{
    for (int f = 0; f < CANDIDATE_FEATURES; f++, x += STRIDE) {
        if (row_kinds[f] == PLAIN)
            continue;
        for (int at = 0; at < count; at += SCORER_LANES) {
            const lanes q = *lanes_of(x + at), positive = LANES_PICK(q > (lanes){0}, q, (lanes){0});
            if (row_kinds[f] == DIFFERENCE) {
                *lanes_at(x + at) = q / (1 + LANES_PICK(q < 0, -q, q));
                continue;
            }
            if (row_kinds[f] == AMOUNT)
                *lanes_at(x + at) = 1 + positive;
            ratio_row(x + at);
        }
    }
}

LANES_INLINE void clear_rows(float *x, int count)
{
    for (int f = 0; f < CANDIDATE_FEATURES; f++, x += STRIDE) {
        const lanes nothing = (lanes){0} + (row_kinds[f] == RATIO ? 1.0f : 0.0f);
        for (int at = 0; at < count; at += SCORER_LANES)
            *lanes_at(x + at) = nothing;
    }
}

LANES_WIDE static void make_inputs_wide(float *x, int count)
{
    make_inputs(x, count);
}

LANES_WIDE static void clear_rows_wide(float *x, int count)
{
    clear_rows(x, count);
}

/* ---- Quantities ---- */

static float until(double due, double end, double per_unit)
{
    return due >= OBSERVE_NEVER || end >= OBSERVE_NEVER ? 0 : (float)((due - end) * per_unit);
}

/* Other models whose request could be saved by starting here now, and not after `length`, nor
 * elsewhere. */
LANES_INLINE double harm_of(const observer *o, const observe_waiting *own, int p, double length)
{
    const float *single = o->single + p * o->row;
    lane_bits harm = {0};
    for (int m = 0; m < o->model_count; m += SCORER_LANES) {
        const lanes due = *lanes_of(o->save_by + m), run = *lanes_of(single + m);
        const lane_bits here = *(const lane_bits *)(o->at[0] + m) == p;
        const lanes other = LANES_PICK(here, *lanes_of(o->second[0] + m), *lanes_of(o->end[0] + m));
        const lanes after = run + (float)length;
        harm -= (run <= due) & (after > due) & (other > due);
    }
    const int m = own->model;
    const float due = o->save_by[m], other = o->at[0][m] == p ? o->second[0][m] : o->end[0][m];
    int sum = -(single[m] <= due && single[m] + (float)length > due && other > due);
    for (int l = 0; l < SCORER_LANES; l++)
        sum += harm[l];
    return sum;
}

LANES_WIDE static double harm_wide(const observer *o, const observe_waiting *own, int p,
                                   double length)
{
    return harm_of(o, own, p, length);
}

static void waiting_features(const observer *o, float *x)
{
    double next = OBSERVE_NEVER, good = OBSERVE_NEVER;
    for (uint64_t left = o->busy; left; left &= left - 1) {
        const int p = view_lowest(left);
        next = o->free_at[p] < next ? o->free_at[p] : next;
        for (int i = 0; i < o->waiting_count; i++)
            if ((o->models[o->waiting[i].model].efficient & VIEW_BIT(p)) && o->free_at[p] < good)
                good = o->free_at[p];
    }
    x[CANDIDATE_WAIT * STRIDE] = 1;
    x[CANDIDATE_NEXT_END * STRIDE] = (float)(next / o->unit);
    x[CANDIDATE_NEXT_GOOD * STRIDE] = (float)(good / o->unit);
}

/* Part of the batch that a run of this length ends too late for. */
static float missed_of(const sched_view *v, uint32_t request, int size, double length)
{
    int missed = 0;
    for (int i = 0; i < size && request != REQUEST_NONE; i++) {
        const int64_t due_ns = v->requests[request].deadline_ns;
        missed += due_ns != SCHED_NEVER && (double)(due_ns - v->now_ns) < length;
        request = view_model_next(v, request);
    }
    return (float)missed / (float)size;
}

static void deadline_features(const observer *o, const sched_view *v, const observe_waiting *w,
                              const observe_candidate *c, int size, double length, float *x)
{
    const observe_model *model = &o->models[w->model];
    const double due = c->request == w->oldest ? w->oldest_due : w->savable_due;
    const double other = w->at[0] == c->processor ? w->second[0] : w->end[0];
    if (v->objective->miss <= 0)
        return;
    x[CANDIDATE_SLACK * STRIDE] = until(due, length, model->per_best);
    x[CANDIDATE_SLACK_ELSEWHERE * STRIDE] = until(due, other, model->per_best);
    x[CANDIDATE_MISS_HERE * STRIDE] = missed_of(v, c->request, size, length);
    x[CANDIDATE_LOST * STRIDE] = due < model->best;
    x[CANDIDATE_HARM * STRIDE] = (float)(LANES_HAS_WIDE ? harm_wide(o, w, c->processor, length)
                                                        : harm_of(o, w, c->processor, length));
}

static void energy_features(const observer *o, const sched_view *v, const observe_waiting *w,
                            const observe_candidate *c, int size, float *x)
{
    const observe_model *model = &o->models[w->model];
    const cost_cell *cell = cost_at(v->costs, w->model, c->processor, c->batch_index);
    const double energy = (double)cell->energy_uj / size;
    const double priced = energy + (v->energy_prices ? v->energy_prices[c->processor] *
                                                           (double)cell->service_ns / 1e6 / size
                                                     : 0);
    if (v->objective->energy_ns_per_uj <= 0)
        return;
    const double scale = o->energy_unit > 0 ? o->energy_unit : 1;
    x[CANDIDATE_ENERGY * STRIDE] = model->least_energy > 0 ? ratio(energy / model->least_energy)
                                                           : amount(energy / scale);
    x[CANDIDATE_ENERGY_PRICED * STRIDE] = model->least_priced > 0
                                              ? ratio(priced / model->least_priced)
                                              : amount(priced / scale);
    x[CANDIDATE_ENERGY_WEIGHT * STRIDE] = (float)(v->objective->energy_ns_per_uj *
                                                  (energy - model->least_energy) /
                                                  (v->objective->latency * o->unit + 1e-9));
}

static float later_elsewhere(const observe_waiting *w, int kind, int p, double length,
                             double per_best)
{
    const double end = w->at[kind] == p ? w->second[kind] : w->end[kind];
    return end >= OBSERVE_NEVER ? 1e30f : (float)((end - length) * per_best);
}

/* What all candidates of a processor share. */
typedef struct shared_features {
    int rules[2]; /* what min-min and the price rule would start: model * processors + processor */
    double per_best_of_all;
    struct {
        double per_best_index, demand; /* demand: of a run per ns */
        float blocks, price, slowed;
    } of[SCHED_PROCESSORS_MAX];
} shared_features;

static void share_features(const observer *o, const sched_view *v, shared_features *out)
{
    const double rate = rates_total(v->rates, v->now_ns), per_price_sum = 1 / o->price_sum;
    const float idle = (float)__builtin_popcountll(o->idle);
    out->rules[0] = observe_min_min(o, v);
    out->rules[1] = observe_priced(o, v);
    out->per_best_of_all = 1 / o->best_of_all;
    for (uint64_t left = o->idle; left; left &= left - 1) {
        const int p = view_lowest(left);
        out->of[p].per_best_index = 1 / o->best_index[p];
        out->of[p].demand = rate * o->demand[p] * o->per_unit;
        out->of[p].blocks = (float)__builtin_popcountll(v->conflicts[p] & o->idle) / idle;
        out->of[p].price = (float)(o->prices[p] * per_price_sum);
        out->of[p].slowed = (float)cost_slowdown(v->costs, p);
    }
}

static void candidate_features(const observer *o, const sched_view *v,
                               const shared_features *shared, int at, float *x)
{
    const observe_candidate *c = &o->seen.all[at];
    const observe_waiting *w = &o->waiting[o->who[at]];
    const observe_model *model = &o->models[c->model];
    const observe_pair *pair = observe_pair_at(o, v, c->model, c->processor);
    const int size = v->costs->batches[c->batch_index];
    const double length = (double)view_cost_ns(v, c->model, c->processor, c->batch_index);
    const double each = length / size;
    const int p = c->processor;
    double age = w->age;
    if (c->request != w->oldest)
        age = (double)(v->now_ns - v->requests[c->request].arrived_ns);
    const double others = o->work_at[p] - ((model->efficient & VIEW_BIT(p)) ? each : 0);
    x[CANDIDATE_SLOWNESS * STRIDE] = (float)(pair->single * model->per_best);
    x[CANDIDATE_EFFICIENCY * STRIDE] = (float)(pair->efficiency);
    x[CANDIDATE_LENGTH * STRIDE] = (float)(length * o->per_unit);
    x[CANDIDATE_INDEX_HERE * STRIDE] = (float)(pair->index * shared->of[p].per_best_index);
    x[CANDIDATE_INDEX_ALL * STRIDE] = (float)(pair->index * shared->per_best_of_all);
    x[CANDIDATE_ELSEWHERE * STRIDE] = later_elsewhere(w, 0, p, length, model->per_best);
    x[CANDIDATE_ELSEWHERE_GOOD * STRIDE] = later_elsewhere(w, 1, p, length, model->per_best);
    x[CANDIDATE_ELSEWHERE_FULL * STRIDE] = later_elsewhere(w, 2, p, length, model->per_best);
    x[CANDIDATE_WAITING * STRIDE] = (float)(w->count - 1);
    x[CANDIDATE_AGE * STRIDE] = (float)(age * model->per_best);
    x[CANDIDATE_AGE_DEVICE * STRIDE] = (float)(age * o->per_unit);
    x[CANDIDATE_DEMAND * STRIDE] = (float)(shared->of[p].demand * length);
    x[CANDIDATE_BACKLOG * STRIDE] = (float)(others / length);
    x[CANDIDATE_BLOCKS * STRIDE] = shared->of[p].blocks;
    x[CANDIDATE_PRICE * STRIDE] = shared->of[p].price;
    x[CANDIDATE_BATCH * STRIDE] = (float)(size);
    x[CANDIDATE_BATCH_GAIN * STRIDE] = (float)(each * pair->per_single);
    x[CANDIDATE_MIN_MIN * STRIDE] = c->model * v->processor_count + p == shared->rules[0];
    x[CANDIDATE_PRICED * STRIDE] = c->model * v->processor_count + p == shared->rules[1];
    x[CANDIDATE_SLOWED * STRIDE] = shared->of[p].slowed;
    deadline_features(o, v, w, c, size, length, x);
    energy_features(o, v, w, c, size, x);
}

static void state_features(const observer *o, const sched_view *v, float *s)
{
    const double rate = rates_total(v->rates, v->now_ns);
    const int ready = __builtin_popcountll(o->idle), busy = __builtin_popcountll(o->busy);
    double work = 0, oldest = 0, next = OBSERVE_NEVER;
    int late = 0;
    for (int i = 0; i < o->waiting_count; i++) {
        const observe_waiting *w = &o->waiting[i];
        work += o->models[w->model].work * w->count;
        oldest = w->age > oldest ? w->age : oldest;
        late += w->oldest_due < o->models[w->model].best;
    }
    for (uint64_t left = o->busy; left; left &= left - 1)
        next = o->free_at[view_lowest(left)] < next ? o->free_at[view_lowest(left)] : next;
    const double latency = v->objective->latency * o->unit + 1e-9;
    s[STATE_LOAD] = difference(rate * o->unit) * 2 - 1;
    s[STATE_QUEUE] = amount(v->queue->count - 1);
    s[STATE_WORK] = amount(work / o->unit);
    s[STATE_IDLE] = (float)ready / (float)(ready + busy);
    s[STATE_ACTIVE] = amount(o->waiting_count - 1);
    s[STATE_PROCESSORS] = ratio(v->processor_count);
    s[STATE_MODELS] = ratio(v->model_count);
    s[STATE_OLDEST] = amount(oldest / o->unit);
    s[STATE_LATE] = v->objective->miss > 0 ? (float)late / (float)o->waiting_count : 0;
    s[STATE_WEIGHT_MISS] = amount(v->objective->miss * o->deadline_unit / latency);
    s[STATE_WEIGHT_ENERGY] = amount(v->objective->energy_ns_per_uj * o->energy_unit / latency);
    s[STATE_PRICES] = v->prices != NULL;
    s[STATE_HEAT] = (float)v->heat;
    s[STATE_NEXT] = busy ? amount(next / o->unit) : 0;
}

void observe_features(observer *o, const sched_view *v)
{
    scorer_input *in = &o->seen.input;
    const sched_objective *w = v->objective;
    in->count = o->seen.count;
    o->seen.unit_ns = o->unit;
    o->seen.cost_unit = w->latency * o->unit + w->miss * o->deadline_unit +
                        w->energy_ns_per_uj * o->energy_unit;
    if (o->seen.count == 1)
        return; /* nothing to compare */
    shared_features shared;
    share_features(o, v, &shared);
    if (LANES_HAS_WIDE)
        clear_rows_wide(in->x, in->count);
    else
        clear_rows(in->x, in->count);
    for (int c = 0; c < o->seen.count; c++) {
        if (c == o->seen.wait)
            waiting_features(o, in->x + c);
        else
            candidate_features(o, v, &shared, c, in->x + c);
    }
    observe_rivals(o, v);
    observe_meanwhile(o, v);
    if (LANES_HAS_WIDE)
        make_inputs_wide(in->x, in->count);
    else
        make_inputs(in->x, in->count);
    state_features(o, v, in->state);
}
