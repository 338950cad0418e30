/* Training: rounds of episodes in random worlds, lessons from them, steps on the lessons.
 *
 * No clock and no file: who calls says how much of the budget is used, and keeps what comes out.
 * With the same plan and as many rounds the result is the same, on any number of threads. */
#ifndef LEARN_TRAIN_H
#define LEARN_TRAIN_H

#include "learn/evaluate.h"
#include "learn/student.h"

/* What is left out, to see what it gives (bench/bench_ablation). */
typedef struct train_ablation {
    uint64_t without;  /* candidate features, one bit each */
    bool no_pooling;   /* a candidate's score does not depend on the others */
    bool rules_only;   /* the states of rules, never the network's own */
    bool choices_only; /* the teacher's choice counts, not what the others cost */
} train_ablation;

typedef struct train_plan {
    uint64_t seed;
    int rounds; /* the schedule ends after so many; 0: with the budget */
    int threads;
    const sim_device *devices; /* tuned to these; none: random devices */
    int device_count;
    const sched_objective *objective; /* only this one; NULL: all */
    int exam_worlds;                  /* 0: as many as it takes for a steady figure */
    train_ablation leave_out;
    double rate; /* of the first steps; 0: for a network that begins from nothing */
} train_plan;

typedef struct train_progress {
    int round;
    uint64_t episodes_of_round; /* of the last one */
    uint64_t lessons;
    double fraction;  /* of the schedule */
    double cost;      /* expected, of the choices in the last steps, relative to the cheapest */
    bool examined;    /* `exam` is new; before the first round too */
    exam_result exam; /* the last one */
} train_progress;

/* Before the first round and after each. *fraction: of the budget, where the plan has no number of
 * rounds. False: stop here. */
typedef bool (*train_watch)(void *user, const train_progress *p, const student *s,
                            double *fraction);

/* Begins with the student as it is, at round *round of the schedule, which it moves on. */
COSREL_CHECKED cosrel_status train_run(const train_plan *plan, student *s, int *round,
                                       train_watch watch, void *user, cosrel_error *err);

#endif
