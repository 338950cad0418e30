#include "learn/online.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "learn/episode.h"
#include "learn/student.h"

/* Chosen so that a candidate takes a few seconds of one core: REQUESTS, ASK and FUTURES as in
 * train.c, lessons as many as some rounds there. */
enum {
    EPISODES = 16,
    DRAWN_EVERY = 4, /* one of so many is in a drawn world */
    REQUESTS = 400,
    FUTURES = 8,
    STEPS = 64,
    STEPS_PER_SLICE = 4,
    BATCH = 256,
    REMEMBERED = 20000, /* lessons; of the candidates before this one */
};
static const double ASK = 0.2, EXPLORE = 0.03;
static const double RATE = 3e-4; /* between training's first and last (train.c) */

struct online {
    student student;
    bool student_ready;
    rng random;
    lessons lessons;
    uint64_t taken;
    const world_place *place;
    const window *windows;
    int window_count;
    int episode, step;
};

cosrel_status online_create(uint64_t seed, online **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return COSREL_OUT_OF_MEMORY;
    rng_init(&(*out)->random, seed);
    return COSREL_OK;
}

void online_free(online *o)
{
    if (!o)
        return;
    student_deinit(&o->student);
    lessons_deinit(&o->lessons);
    free(o);
}

static bool same_shape(const scorer *a, const scorer *b)
{
    return memcmp(&a->shape, &b->shape, sizeof a->shape) == 0;
}

cosrel_status online_begin(online *o, const scorer *net, const world_place *place,
                           const window *windows, int window_count)
{
    if (o->student_ready && !same_shape(&o->student.net, net)) {
        student_deinit(&o->student);
        o->student_ready = false;
    }
    if (!o->student_ready &&
        student_init(&o->student, net->shape.first, net->shape.second, 1, 1) != COSREL_OK)
        return COSREL_OUT_OF_MEMORY;
    o->student_ready = true;
    memcpy(o->student.net.parameters, net->parameters,
           (size_t)net->parameter_count * sizeof *net->parameters);
    o->place = place;
    o->windows = windows;
    o->window_count = window_count;
    o->episode = o->step = 0;
    return COSREL_OK;
}

/* Newer windows more often: what comes is most like them. */
static const window *draw_window(online *o)
{
    const int from = (int)rng_below(&o->random, (uint64_t)o->window_count);
    return &o->windows[from + (int)rng_below(&o->random, (uint64_t)(o->window_count - from))];
}

static cosrel_status past_world(online *o, world *out, cosrel_error *err)
{
    const window *w = draw_window(o);
    arrivals_row *rows = malloc((w->count + 1) * sizeof *rows);
    if (!rows)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a world of the past");
    for (size_t i = 0; i < w->count; i++) {
        const window_row *from = &w->rows[i];
        rows[i] = (arrivals_row){.t_ns = from->t_ns,
                                 .deadline_ns = from->deadline_ns == INT64_MAX
                                                    ? INT64_MAX
                                                    : from->t_ns + from->allowed_ns,
                                 .model = from->model,
                                 .priority = from->priority};
    }
    const size_t count = world_resample(rows, w->count, w->length_ns, REQUESTS, &o->random);
    const cosrel_status status = world_from(o->place, rows, count, rng_u64(&o->random), out, err);
    free(rows);
    return status;
}

static cosrel_status play(online *o, cosrel_error *err)
{
    static const world_limits all = {.no_effects = false};
    const episode_plan plan = {
        .net = &o->student.net, .ask = ASK, .futures = FUTURES, .explore = EXPLORE};
    const size_t before = o->lessons.count;
    episode_result result;
    world w = {.model_count = 0};
    const bool drawn = o->episode % DRAWN_EVERY == DRAWN_EVERY - 1 || o->window_count == 0;
    cosrel_status status = drawn ? world_draw(rng_u64(&o->random), REQUESTS, &all, &w, err)
                                 : past_world(o, &w, err);
    if (status == COSREL_OK)
        status = episode_learn(&w, &plan, rng_u64(&o->random), &o->lessons, &result, err);
    world_deinit(&w);
    o->taken += o->lessons.count - before;
    if (o->lessons.count > REMEMBERED)
        lessons_drop(&o->lessons, o->lessons.count - REMEMBERED);
    return status;
}

cosrel_status online_slice(online *o, bool *done, cosrel_error *err)
{
    *done = false;
    if (o->episode < EPISODES) {
        const cosrel_status status = play(o, err);
        o->episode += status == COSREL_OK;
        return status;
    }
    for (int i = 0; i < STEPS_PER_SLICE && o->step < STEPS; i++, o->step++)
        student_step(&o->student, &o->lessons, &o->random, BATCH, RATE);
    *done = o->step >= STEPS;
    return COSREL_OK;
}

const scorer *online_candidate(const online *o)
{
    return &o->student.net;
}

uint64_t online_lessons(const online *o)
{
    return o->taken;
}
