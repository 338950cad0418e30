#include "learn/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "learn/parallel.h"
#include "sched/learned.h"

/* single:* and static-best are never best where others can spread load; they are left to the
 * benchmark. */
static const char *const baselines[] = {"shortest-latency", "heft",    "least-slack",
                                        "max-weight",       "min-min", "static-best"};
enum { BASELINES = sizeof baselines / sizeof *baselines };

typedef struct case_of {
    world w;
    double best;
    double own;
    cosrel_status status;
} case_of;

struct exam {
    case_of *cases;
    int count, threads, requests;
    uint64_t seed;
    const world_limits *limits;
    int limit_count;
    const char *policy;
    const scorer *net;
};

const char *evaluate_kind_name(int kind)
{
    static const char *const names[] = {"latency", "deadline", "energy"};
    return names[kind];
}

static int kind_of(const world *w)
{
    return w->objective.energy_ns_per_uj > 0 ? 2 : w->objective.miss > 0 ? 1 : 0;
}

static void prepare(void *context, int index)
{
    exam *e = context;
    case_of *c = &e->cases[index];
    static const world_limits all = {.no_effects = false};
    const world_limits *limits = e->limit_count ? &e->limits[index % e->limit_count] : &all;
    c->status = world_draw(e->seed + (uint64_t)index, e->requests, limits, &c->w, NULL);
    c->best = INFINITY;
    for (int b = 0; b < BASELINES && c->status == COSREL_OK; b++) {
        episode_result r;
        c->status = episode_run(&c->w, baselines[b], NULL, &r, NULL);
        if (c->status == COSREL_OK && r.cost < c->best)
            c->best = r.cost;
    }
}

cosrel_status exam_create(uint64_t seed, int count, int requests, const world_limits *limits,
                          int limit_count, int threads, exam **out, cosrel_error *err)
{
    exam *e = calloc(1, sizeof *e);
    *out = NULL;
    if (e)
        e->cases = calloc((size_t)count, sizeof *e->cases);
    if (!e || !e->cases) {
        free(e);
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the evaluation");
    }
    e->count = count;
    e->threads = threads;
    e->requests = requests;
    e->seed = seed;
    e->limits = limits;
    e->limit_count = limit_count;
    parallel_for(threads, count, prepare, e);
    for (int i = 0; i < count; i++) {
        if (e->cases[i].status == COSREL_OK)
            continue;
        const cosrel_status status = e->cases[i].status;
        exam_free(e);
        return error_set(err, status, "world %d of the evaluation cannot be played: %s", i,
                         cosrel_status_text(status));
    }
    *out = e;
    return COSREL_OK;
}

void exam_free(exam *e)
{
    if (!e)
        return;
    for (int i = 0; i < e->count; i++)
        world_deinit(&e->cases[i].w);
    free(e->cases);
    free(e);
}

static void examine(void *context, int index)
{
    exam *e = context;
    case_of *c = &e->cases[index];
    const learned_hook hook = {.net = e->net};
    episode_result r;
    c->status = episode_run(&c->w, e->policy, &hook, &r, NULL);
    c->own = r.cost;
}

cosrel_status exam_take(exam *e, const char *policy, const scorer *net, exam_result *out,
                        cosrel_error *err)
{
    double logs[EVALUATE_KINDS] = {0}, all = 0;
    int counts[EVALUATE_KINDS] = {0};
    memset(out, 0, sizeof *out);
    e->policy = policy;
    e->net = net;
    parallel_for(e->threads, e->count, examine, e);
    for (int i = 0; i < e->count; i++) {
        const case_of *c = &e->cases[i];
        if (c->status != COSREL_OK)
            return error_set(err, c->status, "no memory for the evaluation");
        const double ratio = c->best > 0 ? c->own / c->best : 1;
        logs[kind_of(&c->w)] += log(ratio);
        counts[kind_of(&c->w)]++;
        all += log(ratio);
        out->worst = ratio > out->worst ? ratio : out->worst;
    }
    out->all = exp(all / e->count);
    for (int k = 0; k < EVALUATE_KINDS; k++)
        out->by_kind[k] = counts[k] ? exp(logs[k] / counts[k]) : 0;
    return COSREL_OK;
}
