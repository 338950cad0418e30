/* How good a network is: the same worlds under it and under every baseline. */
#ifndef LEARN_EVALUATE_H
#define LEARN_EVALUATE_H

#include "learn/episode.h"

enum {
    EVALUATE_KINDS = 3
}; /* latency, deadline, energy: by what the world's objective counts most */

typedef struct exam exam;

typedef struct exam_result {
    double all; /* geometric mean over the worlds of cost / best baseline's cost */
    double by_kind[EVALUATE_KINDS]; /* 0: no such world */
    double worst;
} exam_result;

/* Draws `count` worlds from `seed` on and plays the baselines; on several threads. */
COSREL_CHECKED cosrel_status exam_create(uint64_t seed, int count, int requests,
                                         const world_limits *limits, int limit_count, int threads,
                                         exam **out, cosrel_error *err);
void exam_free(exam *e); /* NULL is fine */

/* net: for "learned", may be NULL for the shipped one. */
COSREL_CHECKED cosrel_status exam_take(exam *e, const char *policy, const scorer *net,
                                       exam_result *out, cosrel_error *err);

const char *evaluate_kind_name(int kind);

#endif
