/* Why one candidate scores higher than another: the difference of the two scores, shared out among
 * the candidates' features by integrated gradients (Sundararajan, Taly, Yan, ICML 2017).
 *
 * The path: both candidates begin with the same inputs, halfway between their own, where they score
 * the same, and move apart in a straight line to what they are. State and other candidates stay. So
 * the parts add up to the difference (completeness), a feature in which the two agree gets none,
 * and exchanging them changes only the sign. */
#ifndef NN_SCORER_ATTRIBUTE_H
#define NN_SCORER_ATTRIBUTE_H

#include "nn/scorer.h"

/* Steps of the path, before those are halved that need it (20 to 300 in section 5 of the paper). */
enum { SCORER_ATTRIBUTE_STEPS = 32 };

/* |left_over| <= RELATIVE * the sizes of all parts together + ABSOLUTE. Measured in 2000 networks
 * like those of tests/nn, with scores of the size of 1: 0.0014 of the sizes at most where these
 * were above 0.0001, and 0.00005 where one feature alone counted. The second is for paths that come
 * back to where they began: nothing is left of their parts, and some of their errors. */
#define SCORER_ATTRIBUTE_RELATIVE 0.005
#define SCORER_ATTRIBUTE_ABSOLUTE 0.0001

typedef struct scorer_attribution {
    double difference;               /* the score of `a` less that of `b` */
    double parts[SCORER_INPUTS_MAX]; /* of each feature of a candidate */
    double left_over;                /* difference - sum of the parts, of taking steps */
} scorer_attribution;

/* a, b < in->count. OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status scorer_attribute(const scorer *net, const scorer_input *in, int a,
                                              int b, scorer_attribution *out);

#endif
