/* The gradient of the scores by the network's parameters and inputs: backpropagation, written out.
 */
#include <string.h>

#include "nn/lanes.h"

enum { STRIDE = SCORER_CANDIDATES_MAX };

/* Where things stand, for the parts of one call. */
typedef struct back {
    const scorer *net;
    const scorer_input *in;
    const scorer_pass *pass;
    float *gradient;
    float *dh; /* by the first layer's outputs */
} back;

/* Through the last two layers. d_scores is zero beyond the candidates. */
LANES_INLINE void back_second(const back *b, const float *d_scores, float *d_mean)
{
    const scorer_shape *s = &b->net->shape;
    const scorer_parts p = scorer_layout(s);
    const float *w = b->net->parameters;
    const int count = b->in->count;
    float dk[STRIDE] __attribute__((aligned(32)));
    for (int i = 0; i < s->second; i++) {
        const float *k = b->pass->k + i * STRIDE;
        lanes last = {0}, all = {0};
        for (int at = 0; at < count; at += SCORER_LANES) {
            const lanes d = *lanes_of(d_scores + at), weighted = d * w[p.w3 + i];
            last += d * *lanes_of(k + at);
            lanes_keep_positive(lanes_at(dk + at), &weighted, lanes_of(k + at));
            all += *lanes_of(dk + at);
        }
        const float sum = lanes_sum(&all);
        b->gradient[p.w3 + i] += lanes_sum(&last);
        b->gradient[p.b2 + i] += sum;
        for (int j = 0; j < s->first; j++) {
            const float *h = b->pass->h + j * STRIDE;
            const float weight = w[p.w2 + i * s->first + j];
            lanes own = {0};
            for (int at = 0; at < count; at += SCORER_LANES) {
                const lanes d = *lanes_of(dk + at);
                own += d * *lanes_of(h + at);
                *lanes_at(b->dh + j * STRIDE + at) += d * weight;
            }
            b->gradient[p.w2 + i * s->first + j] += lanes_sum(&own);
            b->gradient[p.v2 + i * s->first + j] += sum * b->pass->mean[j];
            d_mean[j] += sum * w[p.v2 + i * s->first + j];
        }
    }
}

/* Through unit i of the first layer. */
LANES_INLINE void back_first(const back *b, int i, float d_mean, float *d_inputs)
{
    const scorer_shape *s = &b->net->shape;
    const scorer_parts p = scorer_layout(s);
    const float *w1 = b->net->parameters + p.w1 + i * s->candidate_inputs;
    const float *h = b->pass->h + i * STRIDE;
    const int count = b->in->count;
    float *d = b->dh + i * STRIDE;
    lanes all = {0};
    for (int c = 0; c < count; c++)
        d[c] += d_mean / (float)count;
    for (int at = 0; at < count; at += SCORER_LANES) {
        lanes_keep_positive(lanes_at(d + at), lanes_of(d + at), lanes_of(h + at));
        all += *lanes_of(d + at);
    }
    const float sum = lanes_sum(&all);
    b->gradient[p.b1 + i] += sum;
    for (int f = 0; f < s->state_inputs; f++)
        b->gradient[p.u1 + i * s->state_inputs + f] += sum * b->in->state[f];
    for (int f = 0; f < s->candidate_inputs; f++) {
        lanes own = {0};
        for (int at = 0; at < count; at += SCORER_LANES)
            own += *lanes_of(d + at) * *lanes_of(b->in->x + f * STRIDE + at);
        b->gradient[p.w1 + i * s->candidate_inputs + f] += lanes_sum(&own);
    }
    for (int f = 0; d_inputs && f < s->candidate_inputs; f++)
        for (int at = 0; at < count; at += SCORER_LANES)
            *lanes_at(d_inputs + f * STRIDE + at) += *lanes_of(d + at) * w1[f];
}

LANES_INLINE void backward(const back *b, const float *d_scores, float *d_inputs)
{
    const scorer_shape *s = &b->net->shape;
    float d_mean[SCORER_UNITS_MAX] = {0};
    memset(b->dh, 0, (size_t)s->first * STRIDE * sizeof *b->dh);
    if (d_inputs)
        memset(d_inputs, 0, (size_t)s->candidate_inputs * STRIDE * sizeof *d_inputs);
    back_second(b, d_scores, d_mean);
    for (int i = 0; i < s->first; i++)
        back_first(b, i, d_mean[i], d_inputs);
}

LANES_WIDE static void backward_wide(const back *b, const float *d_scores, float *d_inputs)
{
    backward(b, d_scores, d_inputs);
}

void scorer_backward(const scorer *net, const scorer_input *in, const scorer_pass *pass,
                     const float *d_scores, float *gradient, float *d_inputs)
{
    float dh[SCORER_UNITS_MAX * STRIDE], padded[STRIDE] = {0};
    const back b = {.net = net, .in = in, .pass = pass, .gradient = gradient, .dh = dh};
    memcpy(padded, d_scores, (size_t)in->count * sizeof *padded);
    if (LANES_HAS_WIDE)
        backward_wide(&b, padded, d_inputs);
    else
        backward(&b, padded, d_inputs);
}
