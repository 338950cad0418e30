#include "learn/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "learn/parallel.h"

/* Chosen by trial: what learned fastest on two cores. */
enum {
    EPISODES = 16,       /* per round */
    REQUESTS = 400,      /* per episode */
    FUTURES = 8,         /* the teacher's */
    STEPS = 24,          /* per round */
    BATCH = 512,         /* lessons per step */
    REMEMBERED = 200000, /* lessons */
    EXAM_WORLDS = 60,
    EXAM_REQUESTS = 1000,
    EXAM_ROUNDS = 25,
};
static const double ASK = 0.2, EXPLORE = 0.03, RULES_LEAST = 0.1;
static const double RATE = 2e-3, RATE_LAST = 0.05;
static const uint64_t EXAM_SEED = UINT64_C(
    0x5eed000000000000); /* no world to learn in is drawn from there */

typedef struct round_work {
    const train_plan *plan;
    const student *s;
    episode_plan episode;
    uint64_t seed; /* of its first episode */
    lessons lessons[EPISODES];
    cosrel_status status[EPISODES];
} round_work;

static void play(void *context, int index)
{
    round_work *w = context;
    const train_plan *plan = w->plan;
    const uint64_t seed = w->seed + (uint64_t)index;
    episode_result result;
    world drawn;
    world_limits limits = {.objective = plan->objective};
    if (plan->device_count > 0)
        limits.device = &plan->devices[seed % (uint64_t)plan->device_count];
    lessons_clear(&w->lessons[index]);
    w->status[index] = world_draw(seed, REQUESTS, &limits, &drawn, NULL);
    if (w->status[index] == COSREL_OK)
        w->status[index] = episode_learn(&drawn, &w->episode, seed, &w->lessons[index], &result,
                                         NULL);
    world_deinit(&drawn);
}

static cosrel_status gather(round_work *w, lessons *all, cosrel_error *err)
{
    parallel_for(w->plan->threads, EPISODES, play, w);
    for (int i = 0; i < EPISODES; i++) {
        cosrel_status status = w->status[i];
        if (status == COSREL_OK)
            status = lessons_append(all, &w->lessons[i], 1);
        if (status != COSREL_OK)
            return error_set(err, status, "an episode failed: %s", cosrel_status_text(status));
    }
    if (all->count > REMEMBERED + REMEMBERED / 8)
        lessons_drop(all, all->count - REMEMBERED);
    return COSREL_OK;
}

/* Half a cosine from the first rate to a twentieth of it (Loshchilov and Hutter, ICLR 2017). */
static double rate_at(const train_plan *plan, double fraction)
{
    const double f = fraction < 1 ? fraction : 1, first = plan->rate > 0 ? plan->rate : RATE;
    return first * (RATE_LAST + (1 - RATE_LAST) * 0.5 * (1 + cos(3.14159265358979 * f)));
}

static double rules_at(double fraction)
{
    const double part = 1 - 8 * fraction;
    return part > RULES_LEAST ? part : RULES_LEAST;
}

cosrel_status train_run(const train_plan *plan, student *s, int *round, train_watch watch,
                        void *user, cosrel_error *err)
{
    train_progress p = {.round = *round};
    lessons all = {.count = 0};
    exam *e = NULL;
    rng random;
    double used = 0;
    rng_init(&random, plan->seed);
    s->without = plan->leave_out.without;
    s->no_pooling = plan->leave_out.no_pooling;
    round_work *w = calloc(1, sizeof *w);
    world_limits *limits = calloc((size_t)plan->device_count + 1, sizeof *limits);
    cosrel_status status = w && limits ? COSREL_OK : COSREL_OUT_OF_MEMORY;
    for (int i = 0; status == COSREL_OK && i < plan->device_count + 1; i++)
        limits[i] = (world_limits){.objective = plan->objective,
                                   .device = i < plan->device_count ? &plan->devices[i] : NULL};
    if (status == COSREL_OK)
        status = exam_create(EXAM_SEED, plan->exam_worlds ? plan->exam_worlds : EXAM_WORLDS,
                             EXAM_REQUESTS, limits, plan->device_count ? plan->device_count : 1,
                             plan->threads, &e, err);
    if (status == COSREL_OK)
        status = exam_take(e, "learned", &s->net, &p.exam, err);
    p.examined = true;
    for (bool on = status == COSREL_OK && watch(user, &p, s, &used); status == COSREL_OK && on;) {
        p.fraction = plan->rounds ? (double)p.round / plan->rounds : used;
        w->plan = plan;
        w->s = s;
        w->seed = plan->seed * UINT64_C(1000003) + (uint64_t)p.round * EPISODES;
        w->episode = (episode_plan){.net = &s->net,
                                    .ask = ASK,
                                    .futures = FUTURES,
                                    .rules = plan->leave_out.rules_only ? 1 : rules_at(p.fraction),
                                    .choices_only = plan->leave_out.choices_only,
                                    .explore = EXPLORE};
        status = gather(w, &all, err);
        p.cost = 0;
        for (int i = 0; status == COSREL_OK && i < STEPS; i++)
            p.cost += student_step(s, &all, &random, BATCH, rate_at(plan, p.fraction)) / STEPS;
        p.round++;
        p.episodes_of_round = EPISODES;
        p.lessons = all.count;
        p.examined = p.round % EXAM_ROUNDS == 0 || (plan->rounds && p.round >= plan->rounds);
        if (status == COSREL_OK && p.examined)
            status = exam_take(e, "learned", &s->net, &p.exam, err);
        if (status == COSREL_OK)
            on = watch(user, &p, s, &used) && (plan->rounds ? p.round < plan->rounds : used < 1);
    }
    *round = p.round;
    for (int i = 0; w && i < EPISODES; i++)
        lessons_deinit(&w->lessons[i]);
    lessons_deinit(&all);
    exam_free(e);
    free(limits);
    free(w);
    return status;
}
