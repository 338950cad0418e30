#include "learn/episode.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "learn/teacher.h"
#include "sched/learned.h"
#include "sim/sim.h"

typedef struct pupil {
    const episode_plan *plan;
    rng random;
    rollout *r;
    lessons *lessons; /* of this episode, in ns */
    bool rules;
    int rule; /* the feature whose candidate a rule takes */
    bool no_memory;
} pupil;

/* By the softmax of the scores. */
static int sample(rng *random, const float *scores, int count, int best)
{
    double sum = 0;
    for (int c = 0; c < count; c++)
        sum += exp((double)scores[c] - scores[best]);
    double pick = rng_unit(random) * sum;
    for (int c = 0; c < count; c++) {
        pick -= exp((double)scores[c] - scores[best]);
        if (pick < 0)
            return c;
    }
    return best;
}

/* Waiting, where the rule would start nothing. */
static int by_rule(const observation *seen, int feature, int best)
{
    for (int c = 0; c < seen->count; c++)
        if (seen->input.x[feature * SCORER_CANDIDATES_MAX + c] > 0)
            return c;
    return seen->wait >= 0 ? seen->wait : best;
}

static void ask(pupil *p, const sched_view *view, const observation *seen)
{
    float costs[OBSERVE_CANDIDATES_MAX];
    if (!p->r && rollout_create(view, &p->r) != COSREL_OK) {
        p->no_memory = true;
        return;
    }
    const int best = teacher_costs(p->r, view, seen, p->plan->futures, &p->random, costs);
    for (int c = 0; p->plan->choices_only && c < seen->count; c++)
        costs[c] = c != best;
    if (best >= 0 && lessons_add(p->lessons, seen, costs) != COSREL_OK)
        p->no_memory = true;
}

static int choose(void *user, const sched_view *view, const observation *seen, const float *scores,
                  int best)
{
    pupil *p = user;
    if (p->plan->ask > 0 && rng_unit(&p->random) < p->plan->ask)
        ask(p, view, seen);
    if (p->rules)
        return by_rule(seen, p->rule, best);
    if (p->plan->explore > 0 && rng_unit(&p->random) < p->plan->explore)
        return sample(&p->random, scores, seen->count, best);
    return best;
}

static void sum_up(const world *w, const sim_result *r, episode_result *out)
{
    sim_summary all;
    double deadlines = 0, with = 0;
    memset(out, 0, sizeof *out);
    if (sim_summarise(r, -1, &all) != COSREL_OK)
        return;
    uint64_t missed = 0;
    for (int m = 0; m < w->model_count; m++) {
        const sim_model_result *one = &r->models[m];
        deadlines += (double)one->with_deadline * w->deadline_ns[m];
        with += (double)one->with_deadline;
        missed += one->missed;
    }
    const double usual = with > 0 ? deadlines / with : 0;
    const double served = r->served > 0 ? (double)r->served : 1;
    out->mean_ms = all.mean_ms;
    out->p99_ms = all.p99_ms;
    out->missed = all.deadline_miss_rate;
    out->energy_mj = all.energy_mj_per_request;
    out->served = r->served;
    out->decisions = r->decisions;
    out->cost = w->objective.latency * all.mean_ms * 1e6 +
                w->objective.miss * usual * (double)missed / served +
                w->objective.energy_ns_per_uj * all.energy_mj_per_request * 1e3;
}

cosrel_status episode_run(const world *w, const char *policy, const learned_hook *hook,
                          episode_result *result, cosrel_error *err)
{
    source *requests = NULL;
    device_model *device = NULL;
    sim_result out = {.arrived = 0};
    memset(result, 0, sizeof *result);
    cosrel_status status = source_from_arrivals(w->arrivals, INT64_MAX, &requests, err);
    if (status == COSREL_OK && w->effects)
        status = device_model_create(w->effects, w->processors, w->processor_count, w->models,
                                     w->model_count, w->seed, &device, err);
    if (status == COSREL_OK) {
        const sim_setup setup = {.sched = {.processors = w->processors,
                                           .processor_count = w->processor_count,
                                           .policy = policy,
                                           .requests_max = (uint32_t)w->arrivals->count + 1,
                                           .objective = w->objective,
                                           .learned = hook,
                                           .patience = w->patience,
                                           .drop_late = w->drop_late,
                                           .seed = w->seed},
                                 .costs = &w->costs,
                                 .models = w->models,
                                 .requests = requests,
                                 .observer = w->observer,
                                 .device = device};
        status = sim_run(&setup, &out, err);
        if (status == COSREL_OK)
            sum_up(w, &out, result);
        sim_result_deinit(&out);
    }
    device_model_free(device);
    source_free(requests);
    return status;
}

cosrel_status episode_learn(const world *w, const episode_plan *plan, uint64_t seed, lessons *out,
                            episode_result *result, cosrel_error *err)
{
    lessons own = {.count = 0};
    pupil p = {.plan = plan, .lessons = &own};
    rng_init(&p.random, seed);
    p.rules = rng_unit(&p.random) < plan->rules;
    p.rule = rng_unit(&p.random) < 0.5 ? CANDIDATE_PRICED : CANDIDATE_MIN_MIN;
    const learned_hook hook = {.net = plan->net, .choose = choose, .user = &p};
    cosrel_status status = episode_run(w, "learned", &hook, result, err);
    if (status == COSREL_OK && result->cost > 0 && out)
        status = lessons_append(out, &own, plan->choices_only ? 1 : 1 / result->cost);
    if (p.no_memory || status == COSREL_OUT_OF_MEMORY)
        status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory for what was learned");
    lessons_deinit(&own);
    rollout_free(p.r);
    return status;
}
