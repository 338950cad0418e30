/* The student: a network, its optimiser, and steps down the expected cost of its choices.
 *
 *     minimise   sum over candidates of pi(c) cost(c),     pi = softmax(scores)
 *
 * over all candidates at once, with costs that come from simulation: a policy gradient in which
 * every action's advantage is known (Sutton et al., NIPS 1999, in the all-actions form), so that
 * nothing has to be guessed by a critic. */
#ifndef LEARN_STUDENT_H
#define LEARN_STUDENT_H

#include <stdbool.h>

#include "base/rng.h"
#include "learn/lesson.h"
#include "nn/adam.h"
#include "nn/scorer.h"

typedef struct student {
    scorer net;
    adam optimiser;
    float *gradients; /* one per part of a batch */
    int threads;
    uint64_t without; /* candidate features whose weights stay zero */
    bool no_pooling;  /* and those of the candidates' mean */
} student;

/* OUT_OF_MEMORY. Randomised by the seed; threads: for the steps (the result does not depend on
 * them). */
COSREL_CHECKED cosrel_status student_init(student *s, int first, int second, uint64_t seed,
                                          int threads);
void student_deinit(student *s); /* zeroed is fine */

/* One step on `count` lessons drawn at random; returns the mean cost of the choices, before it. */
double student_step(student *s, const lessons *l, rng *random, int count, double rate);

#endif
