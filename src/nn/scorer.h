/* The network that scores candidates.
 *
 * One small network is applied to every candidate alike, and what all candidates have in common is
 * pooled, so that neither their number nor their order matters (deep sets: Zaheer et al., NeurIPS
 * 2017):
 *
 *     h_c     = relu(W1 x_c + U1 g + b1)               `first` units; x_c: the candidate, g: the
 * state k_c     = relu(W2 h_c + V2 mean(h) + b2)         `second` units score_c = w3 . k_c
 *
 * Single precision. Lanes of a vector are candidates and every sum is taken in the same order, so
 * the scores do not depend on how wide the machine's vectors are.
 *
 * Threads: a network is read-only but for training; scratch memory is the caller's. */
#ifndef NN_SCORER_H
#define NN_SCORER_H

#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"

enum {
    SCORER_LANES = 8,           /* candidates are padded to a multiple of this */
    SCORER_CANDIDATES_MAX = 72, /* 64, waiting, and padding */
    SCORER_INPUTS_MAX = 64,     /* of a candidate, and of the state */
    SCORER_UNITS_MAX = 128,
};

/* Numbers of inputs and units; what the parameters mean. */
typedef struct scorer_shape {
    int candidate_inputs, state_inputs;
    int first, second;
} scorer_shape;

typedef struct scorer {
    scorer_shape shape;
    int parameter_count;
    float *parameters; /* W1 [first][candidate], U1 [first][state], b1, W2 [second][first], V2
                          likewise, b2, w3; in this order */
} scorer;

/* Offsets of the parts within `parameters`. */
typedef struct scorer_parts {
    int w1, u1, b1, w2, v2, b2, w3, count;
} scorer_parts;

scorer_parts scorer_layout(const scorer_shape *shape);

/* Zeroed parameters. INVALID_ARGUMENT: a size outside the limits; OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status scorer_init(scorer *net, const scorer_shape *shape);
void scorer_deinit(scorer *net); /* zeroed is fine */

/* He initialisation (He et al., ICCV 2015); the last layer small, so that all scores begin near
 * zero. */
void scorer_randomise(scorer *net, uint64_t seed);

COSREL_CHECKED cosrel_status scorer_copy(scorer *to, const scorer *from); /* `to` is empty */

/* A state with its candidates. x is feature by feature: x[f * SCORER_CANDIDATES_MAX + c]. Values of
 * the padding do not matter, but must be finite. */
typedef struct scorer_input {
    float x[SCORER_INPUTS_MAX * SCORER_CANDIDATES_MAX];
    float state[SCORER_INPUTS_MAX];
    int count; /* candidates, >= 1 */
} scorer_input;

/* What a pass leaves behind, for the gradient. */
typedef struct scorer_pass {
    float h[SCORER_UNITS_MAX * SCORER_CANDIDATES_MAX];
    float mean[SCORER_UNITS_MAX];
    float k[SCORER_UNITS_MAX * SCORER_CANDIDATES_MAX];
    float scores[SCORER_CANDIDATES_MAX];
} scorer_pass;

void scorer_forward(const scorer *net, const scorer_input *in, scorer_pass *pass);

/* After scorer_forward on the same input: adds the gradient of sum_c d_scores[c] score_c to
 * `gradient` (parameter_count floats). d_inputs, if not NULL, gets the gradient by the candidates'
 * own inputs, laid out as x. */
void scorer_backward(const scorer *net, const scorer_input *in, const scorer_pass *pass,
                     const float *d_scores, float *gradient, float *d_inputs);

#endif
