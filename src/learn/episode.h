/* An episode: one world simulated once under the learned policy, with lessons taken on the way. */
#ifndef LEARN_EPISODE_H
#define LEARN_EPISODE_H

#include "learn/lesson.h"
#include "learn/world.h"
#include "nn/scorer.h"

typedef struct episode_plan {
    const scorer *net;
    double ask;   /* part of the decisions about which the teacher is asked; 0: none */
    int futures;  /* that the teacher plays */
    double rules; /* part of the episodes in which rules decide and not the network, so that it sees
                     the states that they lead to */
    bool choices_only; /* lessons cost 0 for the cheapest and 1 for all others */
    double explore;    /* part of the decisions taken at random, by the scores */
} episode_plan;

typedef struct episode_result {
    double cost; /* per request, in the objective's ns */
    double cost_unit;
    double mean_ms, p99_ms, missed, energy_mj; /* per request */
    uint64_t served, decisions;
} episode_result;

/* Adds lessons (NULL: none wanted); their costs are relative to the episode's cost per request. */
COSREL_CHECKED cosrel_status episode_learn(const world *w, const episode_plan *plan, uint64_t seed,
                                           lessons *out, episode_result *result, cosrel_error *err);

/* The same world under any policy. hook: NULL, or for "learned". */
COSREL_CHECKED cosrel_status episode_run(const world *w, const char *policy,
                                         const learned_hook *hook, episode_result *result,
                                         cosrel_error *err);

#endif
