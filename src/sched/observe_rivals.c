/* What a run takes from requests that will come while it lasts.
 *
 * One that would be served best by what the run excludes waits for the rest of the run, or goes
 * elsewhere, which takes longer; or its deadline cannot be met at all. How many come is known from
 * the arrival rates; what else is free, and when, from this moment. */
#include <string.h>

#include "nn/lanes.h"
#include "sched/observe_state.h"

void observe_rivals_renew(observer *o, const sched_view *v, int model)
{
    const int64_t usual_ns = v->rates->deadline_ns[model];
    /* One that nothing can run (an index without a model) takes no place from others. */
    o->share[model] = v->can[model] ? (float)rates_share(v->rates, model, v->model_count) : 0;
    o->due[model] = usual_ns == INT64_MAX ? (float)OBSERVE_NEVER : (float)usual_ns;
    for (int p = 0; p < v->processor_count; p++) {
        double inside = OBSERVE_NEVER;
        for (uint64_t left = v->conflicts[p]; left; left &= left - 1) {
            const double single = observe_pair_at(o, v, model, view_lowest(left))->single;
            inside = single < inside ? single : inside;
        }
        o->inside[p * o->row + model] = (float)inside;
    }
}

/* When a processor can start what comes next; NEVER: it is down, or kept for a higher class. */
static double ready_in(const sched_view *v, int p)
{
    if (v->startable & VIEW_BIT(p))
        return 0;
    if (!(v->up & VIEW_BIT(p)) || v->ready_ns[p] <= v->now_ns)
        return OBSERVE_NEVER;
    return (double)(v->ready_ns[p] - v->now_ns);
}

LANES_INLINE void keep_less(lanes *x, const lanes *y)
{
    const lane_bits less = *x < *y;
    *x = (lanes)(((lane_bits)*x & less) | ((lane_bits)*y & ~less));
}

/* The earliest end of requests of some models that come now, outside of what each idle processor
 * excludes. */
LANES_INLINE void look_elsewhere(observer *o, const sched_view *v, int m, const float *ready)
{
    lanes least = (lanes){0} + (float)OBSERVE_NEVER, second = least;
    lane_bits best = (lane_bits){0} - 1;
    for (int q = 0; q < v->processor_count; q++) {
        const lanes end = ready[q] + *lanes_of(o->single + q * o->row + m);
        observe_keep(&least, &second, &best, &end, q);
    }
    for (uint64_t left = o->idle; left; left &= left - 1) {
        const int p = view_lowest(left);
        const lane_bits here = best == p;
        lanes outside = LANES_PICK(here, second, least);
        if (v->conflicts[p] != VIEW_BIT(p)) {
            outside = (lanes){0} + (float)OBSERVE_NEVER;
            for (int q = 0; q < v->processor_count; q++) {
                const lanes end = ready[q] + *lanes_of(o->single + q * o->row + m);
                if (!(v->conflicts[p] & VIEW_BIT(q)))
                    keep_less(&outside, &end);
            }
        }
        const int at = p * o->row + m;
        const lanes inside = *lanes_of(o->inside + at), due = *lanes_of(o->due + m);
        const lanes gap = outside - inside, late = outside - due;
        const lane_bits longer = gap > (lanes){0}, in_time = inside <= due;
        *lanes_at(o->gap + at) = LANES_PICK(longer, gap, (lanes){0});
        *lanes_at(o->lost_until + at) = LANES_PICK(in_time, late, (lanes){0});
    }
}

LANES_INLINE void look_everywhere(observer *o, const sched_view *v)
{
    float ready[SCHED_PROCESSORS_MAX];
    for (int p = 0; p < v->processor_count; p++)
        ready[p] = (float)ready_in(v, p);
    for (int m = 0; m < v->model_count; m += SCORER_LANES)
        look_elsewhere(o, v, m, ready);
}

LANES_WIDE static void look_everywhere_wide(observer *o, const sched_view *v)
{
    look_everywhere(o, v);
}

void observe_rivals(observer *o, const sched_view *v)
{
    if (LANES_HAS_WIDE)
        look_everywhere_wide(o, v);
    else
        look_everywhere(o, v);
}

/* The delay in ns that a run of this length brings to those who come during it: one that comes at
 * time u waits for length - u, or goes elsewhere, which takes `gap` longer. */
LANES_INLINE double external_delay(const observer *o, int p, double length, double rate)
{
    const float *gap = o->gap + p * o->row;
    lanes sum = {0}, all = {0};
    all += (float)length;
    for (int m = 0; m < o->model_count; m += SCORER_LANES) {
        lanes t = *lanes_of(gap + m);
        keep_less(&t, &all);
        sum += *lanes_of(o->share + m) * t * (all - t * 0.5f);
    }
    return rate * (double)lanes_sum(&sum);
}

/* How many that come during it will miss a deadline because of it: those that come so early that
 * waiting for its end is too late, and going elsewhere too. */
LANES_INLINE double risk_of(const observer *o, int p, double length, double rate)
{
    const float *inside = o->inside + p * o->row, *lost = o->lost_until + p * o->row;
    lanes sum = {0}, all = {0};
    all += (float)length;
    for (int m = 0; m < o->model_count; m += SCORER_LANES) {
        lanes until = all + *lanes_of(inside + m) - *lanes_of(o->due + m), counted;
        const lanes other = *lanes_of(lost + m);
        keep_less(&until, &other);
        keep_less(&until, &all);
        lanes_keep_positive(&counted, &until, &until);
        sum += *lanes_of(o->share + m) * counted;
    }
    return rate * (double)lanes_sum(&sum);
}

LANES_INLINE void meanwhile(observer *o, const sched_view *v)
{
    float *x = o->seen.input.x;
    const double rate = rates_total(v->rates, v->now_ns);
    for (int i = 0; i < o->seen.count; i++) {
        const observe_candidate *c = &o->seen.all[i];
        if (c->processor < 0)
            continue;
        const double length = (double)view_cost_ns(v, c->model, c->processor, c->batch_index);
        x[CANDIDATE_EXTERNAL * SCORER_CANDIDATES_MAX + i] =
            (float)(external_delay(o, c->processor, length, rate) * o->per_unit);
        if (v->objective->miss > 0)
            x[CANDIDATE_RISK * SCORER_CANDIDATES_MAX + i] = (float)(4 * risk_of(o, c->processor,
                                                                                length, rate));
    }
}

LANES_WIDE static void meanwhile_wide(observer *o, const sched_view *v)
{
    meanwhile(o, v);
}

void observe_meanwhile(observer *o, const sched_view *v)
{
    if (LANES_HAS_WIDE)
        meanwhile_wide(o, v);
    else
        meanwhile(o, v);
}
