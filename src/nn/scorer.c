#include "nn/scorer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "nn/lanes.h"

scorer_parts scorer_layout(const scorer_shape *s)
{
    scorer_parts p = {.w1 = 0};
    p.u1 = p.w1 + s->first * s->candidate_inputs;
    p.b1 = p.u1 + s->first * s->state_inputs;
    p.w2 = p.b1 + s->first;
    p.v2 = p.w2 + s->second * s->first;
    p.b2 = p.v2 + s->second * s->first;
    p.w3 = p.b2 + s->second;
    p.count = p.w3 + s->second;
    return p;
}

cosrel_status scorer_init(scorer *net, const scorer_shape *s)
{
    *net = (scorer){.shape = *s};
    if (s->candidate_inputs < 1 || s->candidate_inputs > SCORER_INPUTS_MAX || s->state_inputs < 1 ||
        s->state_inputs > SCORER_INPUTS_MAX || s->first < 1 || s->first > SCORER_UNITS_MAX ||
        s->second < 1 || s->second > SCORER_UNITS_MAX)
        return COSREL_INVALID_ARGUMENT;
    net->parameter_count = scorer_layout(s).count;
    net->parameters = calloc((size_t)net->parameter_count, sizeof *net->parameters);
    return net->parameters ? COSREL_OK : COSREL_OUT_OF_MEMORY;
}

void scorer_deinit(scorer *net)
{
    free(net->parameters);
    memset(net, 0, sizeof *net);
}

cosrel_status scorer_copy(scorer *to, const scorer *from)
{
    const cosrel_status status = scorer_init(to, &from->shape);
    if (status == COSREL_OK)
        memcpy(to->parameters, from->parameters,
               (size_t)from->parameter_count * sizeof *to->parameters);
    return status;
}

static void randomise(rng *r, float *at, int count, double deviation)
{
    for (int i = 0; i < count; i++)
        at[i] = (float)(deviation * rng_normal(r));
}

void scorer_randomise(scorer *net, uint64_t seed)
{
    const scorer_shape *s = &net->shape;
    const scorer_parts p = scorer_layout(s);
    const double first = sqrt(2.0 / (s->candidate_inputs + s->state_inputs));
    const double second = sqrt(2.0 / (2 * s->first));
    rng r;
    rng_init(&r, seed);
    memset(net->parameters, 0, (size_t)net->parameter_count * sizeof *net->parameters);
    randomise(&r, net->parameters + p.w1, p.b1 - p.w1, first);
    randomise(&r, net->parameters + p.w2, p.b2 - p.w2, second);
    randomise(&r, net->parameters + p.w3, p.count - p.w3, 0.1 / sqrt(s->second));
}

/* relu(start + weights . rows) of `UNITS` units over `BLOCKS` blocks of candidates at once: enough
 * sums beside each other that none waits for the one before, and each load is used more than once.
 */
enum { UNITS = 6, BLOCKS = 2 };

/* Rows of inputs to a layer. Those that are zero for all candidates (features of another objective,
 * units that nothing excites) add nothing and are left out. */
typedef struct layer_input {
    int candidates;
    int count; /* of inputs, and of weights per unit */
    int used;  /* of them */
    int input[SCORER_UNITS_MAX];
    const float *row[SCORER_UNITS_MAX];
} layer_input;

_Static_assert(SCORER_INPUTS_MAX <= SCORER_UNITS_MAX, "room for both layers' inputs");

LANES_INLINE void look_at_rows(layer_input *in, const float *rows, int count, int candidates)
{
    in->candidates = candidates;
    in->count = count;
    in->used = 0;
    for (int i = 0; i < count; i++, rows += SCORER_CANDIDATES_MAX) {
        lane_bits any = {0};
        for (int at = 0; at < candidates; at += SCORER_LANES)
            any |= (lane_bits)*lanes_of(rows + at);
        in->input[in->used] = i;
        in->row[in->used] = rows;
        in->used += lanes_any(&any);
    }
}

LANES_INLINE void tile(const layer_input *in, const float *weights, int at, const float *start,
                       float *out, int units, int blocks)
{
    lanes sums[UNITS][BLOCKS];
    const float *of[UNITS]; /* a unit's weights */
#pragma GCC unroll 6
    for (int u = 0; u < units; u++) {
        of[u] = weights + u * in->count;
#pragma GCC unroll 2
        for (int b = 0; b < blocks; b++)
            sums[u][b] = (lanes){0} + start[u];
    }
    for (int i = 0; i < in->used; i++) {
        const ptrdiff_t input = in->input[i];
        const float *row = in->row[i] + at;
#pragma GCC unroll 6
        for (int u = 0; u < units; u++)
#pragma GCC unroll 2
            for (int b = 0; b < blocks; b++)
                sums[u][b] += of[u][input] * *lanes_of(row + b * SCORER_LANES);
    }
#pragma GCC unroll 6
    for (int u = 0; u < units; u++)
#pragma GCC unroll 2
        for (int b = 0; b < blocks; b++)
            lanes_keep_positive(lanes_at(out + u * SCORER_CANDIDATES_MAX + at + b * SCORER_LANES),
                                &sums[u][b], &sums[u][b]);
}

/* Up to `UNITS` units over all candidates. */
LANES_INLINE void some_units(const layer_input *in, const float *weights, const float *start,
                             float *out, int units)
{
    int at = 0;
    for (; at + SCORER_LANES < in->candidates; at += BLOCKS * SCORER_LANES)
        tile(in, weights, at, start, out, units, BLOCKS);
    if (at < in->candidates)
        tile(in, weights, at, start, out, units, 1);
}

LANES_INLINE void layer(const layer_input *in, const float *weights, const float *start, float *out,
                        int units)
{
    int u = 0;
    for (; u + UNITS <= units; u += UNITS)
        some_units(in, weights + u * in->count, start + u, out + u * SCORER_CANDIDATES_MAX, UNITS);
    for (; u < units; u++)
        some_units(in, weights + u * in->count, start + u, out + u * SCORER_CANDIDATES_MAX, 1);
}

LANES_INLINE float dot(const float *a, const float *b, int count)
{
    lanes sums = {0};
    float sum = 0;
    int i = 0;
    for (; i + SCORER_LANES <= count; i += SCORER_LANES)
        sums += *lanes_of(a + i) * *lanes_of(b + i);
    for (; i < count; i++)
        sum += a[i] * b[i];
    return sum + lanes_sum(&sums);
}

LANES_INLINE void forward(const scorer *net, const scorer_input *in, scorer_pass *pass)
{
    const scorer_shape *s = &net->shape;
    const scorer_parts p = scorer_layout(s);
    const float *w = net->parameters;
    layer_input from;
    float start[SCORER_UNITS_MAX];
    look_at_rows(&from, in->x, s->candidate_inputs, in->count);
    for (int i = 0; i < s->first; i++)
        start[i] = w[p.b1 + i] + dot(w + p.u1 + i * s->state_inputs, in->state, s->state_inputs);
    layer(&from, w + p.w1, start, pass->h, s->first);
    for (int i = 0; i < s->first; i++) {
        const float *h = pass->h + i * SCORER_CANDIDATES_MAX;
        lanes sums = {0};
        float rest = 0;
        int c = 0;
        for (; c + SCORER_LANES <= in->count; c += SCORER_LANES)
            sums += *lanes_of(h + c);
        for (; c < in->count; c++)
            rest += h[c];
        pass->mean[i] = (lanes_sum(&sums) + rest) / (float)in->count;
    }
    for (int i = 0; i < s->second; i++)
        start[i] = w[p.b2 + i] + dot(w + p.v2 + i * s->first, pass->mean, s->first);
    look_at_rows(&from, pass->h, s->first, in->count);
    layer(&from, w + p.w2, start, pass->k, s->second);
    for (int at = 0; at < in->count; at += SCORER_LANES) {
        lanes scores = {0};
        for (int i = 0; i < s->second; i++)
            scores += w[p.w3 + i] * *lanes_of(pass->k + i * SCORER_CANDIDATES_MAX + at);
        *lanes_at(pass->scores + at) = scores;
    }
}

LANES_WIDE static void forward_wide(const scorer *net, const scorer_input *in, scorer_pass *pass)
{
    forward(net, in, pass);
}

void scorer_forward(const scorer *net, const scorer_input *in, scorer_pass *pass)
{
    if (LANES_HAS_WIDE)
        forward_wide(net, in, pass);
    else
        forward(net, in, pass);
}
