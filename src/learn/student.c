#include "learn/student.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/parallel.h"

/* A batch is cut in so many parts, whose gradients are added in order: the same sum on any number
 * of threads. */
enum { PARTS = 8 };

static const double NORM_MAX = 1; /* chosen */

cosrel_status student_init(student *s, int first, int second, uint64_t seed, int threads)
{
    const scorer_shape shape = observe_shape(first, second);
    memset(s, 0, sizeof *s);
    s->threads = threads;
    cosrel_status status = scorer_init(&s->net, &shape);
    if (status == COSREL_OK)
        status = adam_init(&s->optimiser, s->net.parameter_count);
    if (status == COSREL_OK) {
        s->gradients = calloc((size_t)PARTS * (size_t)s->net.parameter_count, sizeof *s->gradients);
        status = s->gradients ? COSREL_OK : COSREL_OUT_OF_MEMORY;
    }
    if (status == COSREL_OK)
        scorer_randomise(&s->net, seed);
    else
        student_deinit(s);
    return status;
}

void student_deinit(student *s)
{
    scorer_deinit(&s->net);
    adam_deinit(&s->optimiser);
    free(s->gradients);
    memset(s, 0, sizeof *s);
}

typedef struct batch {
    student *s;
    const lessons *l;
    uint64_t seed;
    int each; /* lessons per part */
    double costs[PARTS];
} batch;

/* By the scores: pi(c) (cost(c) - expected cost). Returns the expected cost. */
static double gradient_of(const float *scores, const float *costs, int count, float *d_scores,
                          double weight)
{
    double pi[SCORER_CANDIDATES_MAX], sum = 0, expected = 0;
    float most = scores[0];
    for (int c = 1; c < count; c++)
        most = scores[c] > most ? scores[c] : most;
    for (int c = 0; c < count; c++) {
        pi[c] = exp((double)scores[c] - most);
        sum += pi[c];
    }
    for (int c = 0; c < count; c++) {
        pi[c] /= sum;
        expected += pi[c] * costs[c];
    }
    for (int c = 0; c < count; c++)
        d_scores[c] = (float)(weight * pi[c] * (costs[c] - expected));
    return expected;
}

static void learn_part(void *context, int part)
{
    batch *b = context;
    const int parameters = b->s->net.parameter_count;
    float *gradient = b->s->gradients + (size_t)part * (size_t)parameters;
    float d_scores[SCORER_CANDIDATES_MAX];
    scorer_input in = {.count = 0};
    scorer_pass pass;
    rng random;
    rng_init(&random, b->seed + (uint64_t)part);
    memset(gradient, 0, (size_t)parameters * sizeof *gradient);
    b->costs[part] = 0;
    for (int i = 0; i < b->each; i++) {
        const float *costs = lessons_get(b->l, (size_t)rng_below(&random, b->l->count), &in);
        scorer_forward(&b->s->net, &in, &pass);
        b->costs[part] += gradient_of(pass.scores, costs, in.count, d_scores,
                                      1.0 / (PARTS * b->each));
        scorer_backward(&b->s->net, &in, &pass, d_scores, gradient, NULL);
    }
}

static void leave_out(student *s)
{
    const scorer_shape *shape = &s->net.shape;
    const scorer_parts p = scorer_layout(shape);
    float *w = s->net.parameters;
    for (uint64_t left = s->without; left; left &= left - 1)
        for (int i = 0; i < shape->first; i++)
            w[p.w1 + i * shape->candidate_inputs + __builtin_ctzll(left)] = 0;
    if (s->no_pooling)
        memset(w + p.v2, 0, (size_t)(p.b2 - p.v2) * sizeof *w);
}

double student_step(student *s, const lessons *l, rng *random, int count, double rate)
{
    batch b = {.s = s, .l = l, .seed = rng_u64(random), .each = (count + PARTS - 1) / PARTS};
    double cost = 0;
    if (l->count == 0)
        return 0;
    parallel_for(s->threads, PARTS, learn_part, &b);
    const int parameters = s->net.parameter_count;
    for (int part = 1; part < PARTS; part++)
        for (int i = 0; i < parameters; i++)
            s->gradients[i] += s->gradients[(size_t)part * (size_t)parameters + (size_t)i];
    for (int part = 0; part < PARTS; part++)
        cost += b.costs[part];
    adam_step(&s->optimiser, s->net.parameters, s->gradients, rate, NORM_MAX);
    leave_out(s);
    return cost / (PARTS * b.each);
}
