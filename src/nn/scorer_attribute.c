/* The scores are linear between the points where a unit of the network switches, and there the
 * gradient jumps. Steps in which it does are halved until what they leave over is nothing. */
#include "nn/scorer_attribute.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    STRIDE = SCORER_CANDIDATES_MAX,
    /* Chosen: a step with a jump becomes 1/256 of itself, so that 100 of them leave less than the
     * tolerance. */
    HALVINGS_MAX = 8,
};

/* What a step may leave over without being halved (chosen: scores differ by 0.1 and more where it
 * matters; floats of that size add up to about this). */
static const double NEGLIGIBLE = 1e-6;

typedef struct path {
    const scorer *net;
    const scorer_input *in;
    int a, b;
    double parts[SCORER_INPUTS_MAX];
    scorer_input at; /* a point of the path */
    scorer_pass pass;
    float d_inputs[SCORER_INPUTS_MAX * STRIDE];
    float gradient[]; /* by the parameters: of no use here */
} path;

/* How much higher a scores than b at a point: 0: both are halfway between; 1: as they are. */
static double difference_at(path *p, double point)
{
    const float part = (float)point;
    for (int f = 0; f < p->net->shape.candidate_inputs; f++) {
        const float x = p->in->x[f * STRIDE + p->a], y = p->in->x[f * STRIDE + p->b];
        const float middle = 0.5f * (x + y);
        p->at.x[f * STRIDE + p->a] = part < 1 ? middle + part * (x - middle) : x;
        p->at.x[f * STRIDE + p->b] = part < 1 ? middle + part * (y - middle) : y;
    }
    scorer_forward(p->net, &p->at, &p->pass);
    return (double)p->pass.scores[p->a] - p->pass.scores[p->b];
}

/* By the way along which feature f moves the two. */
static double slope_of(const path *p, int f)
{
    const int i = f * STRIDE + p->a, j = f * STRIDE + p->b;
    const double half = 0.5 * ((double)p->in->x[i] - p->in->x[j]);
    return half * ((double)p->d_inputs[i] - p->d_inputs[j]);
}

/* From the point `from`, where the difference is `low`, to `to`, where it is `high`. */
static void add_step(path *p, double from, double to, double low, double high, int halvings)
{
    const int features = p->net->shape.candidate_inputs;
    const double middle = 0.5 * (from + to), between = difference_at(p, middle);
    float d_scores[STRIDE] = {0};
    double slope = 0;
    d_scores[p->a] = 1;
    d_scores[p->b] = -1;
    scorer_backward(p->net, &p->at, &p->pass, d_scores, p->gradient, p->d_inputs);
    for (int f = 0; f < features; f++)
        slope += slope_of(p, f);
    if (halvings < HALVINGS_MAX && fabs(high - low - (to - from) * slope) > NEGLIGIBLE) {
        add_step(p, from, middle, low, between, halvings + 1);
        add_step(p, middle, to, between, high, halvings + 1);
        return;
    }
    for (int f = 0; f < features; f++)
        p->parts[f] += (to - from) * slope_of(p, f);
}

cosrel_status scorer_attribute(const scorer *net, const scorer_input *in, int a, int b,
                               scorer_attribution *out)
{
    memset(out, 0, sizeof *out);
    path *p = calloc(1, sizeof *p + (size_t)net->parameter_count * sizeof *p->gradient);
    if (!p)
        return COSREL_OUT_OF_MEMORY;
    p->net = net;
    p->in = in;
    p->a = a;
    p->b = b;
    p->at = *in;
    double low = 0;
    for (int step = 1; a != b && step <= SCORER_ATTRIBUTE_STEPS; step++) {
        const double to = (double)step / SCORER_ATTRIBUTE_STEPS;
        const double high = difference_at(p, to);
        add_step(p, to - 1.0 / SCORER_ATTRIBUTE_STEPS, to, low, high, 0);
        low = high;
    }
    memcpy(out->parts, p->parts, sizeof out->parts);
    out->difference = out->left_over = low;
    for (int f = 0; f < net->shape.candidate_inputs; f++)
        out->left_over -= out->parts[f];
    free(p);
    return COSREL_OK;
}
