/* Leading the learned policy along a trace: the scheduler's core goes through the states that the
 * trace went through, whoever decided there, and at every decision the network says what it would
 * have done.
 *
 * In a trace of 'cosrel sim' all is as it was then. A recording of real runs is followed as well as
 * it can be: prices are those of the simulator, and a run that began within EARLY_NS of something
 * that happened was decided when it happened. */
#ifndef APPS_EXPLAIN_WALK_H
#define APPS_EXPLAIN_WALK_H

#include "explain_trace.h"
#include "sched/learned.h"
#include "sim_job.h"

typedef enum explain_what {
    EXPLAIN_SUMMARY,
    EXPLAIN_AT,      /* the first decision from a time on */
    EXPLAIN_REQUEST, /* the one that started a request, for the first time */
    EXPLAIN_NUMBER,  /* counted from 1 */
    EXPLAIN_WORST,   /* where the network would have least done what was done */
} explain_what;

typedef struct explain_question {
    explain_what what;
    int64_t at_ns;
    size_t request; /* the trace's index */
    size_t number;
    size_t worst_max; /* of a summary: how many decisions to name; > 0 */
} explain_question;

typedef struct explain_candidate {
    int processor; /* < 0: wait */
    int model, batch;
    uint32_t request; /* the trace's id of the first */
    int64_t end_ns;   /* of a run, as the costs were known then */
    float score;
} explain_candidate;

/* One decision: what was done, and what the network prefers. */
typedef struct explain_brief {
    size_t number;
    int64_t t_ns;
    explain_candidate done, best; /* done: the score is 0 where it was no candidate */
    bool known;                   /* what was done was among the candidates */
    bool agrees;
    double loss; /* the best's score less that of what was done; 0 unless known */
} explain_brief;

typedef struct explain_decision {
    explain_brief brief;
    size_t last_number; /* of the decisions of that instant */
    uint32_t waiting;   /* requests of the class */
    int count, best;
    int done; /* which of the candidates; < 0: none of them */
    explain_candidate all[OBSERVE_CANDIDATES_MAX];
    scorer_input input; /* what the network saw */
} explain_decision;

typedef struct explain_result {
    size_t decisions; /* with more than one candidate */
    size_t forced;    /* runs that were started where there was nothing to choose */
    size_t agreed, unknown;
    size_t bent, lost; /* runs that could only begin later or with fewer requests, or not at all */
    bool found;        /* `shown` is what was asked for */
    bool was_forced;   /* EXPLAIN_REQUEST: it was started where there was nothing to choose */
    int64_t forced_ns; /* then: when */
    explain_decision shown;
    explain_brief *worst; /* of a summary: by loss, largest first */
    size_t worst_count;
} explain_result;

typedef struct explain_walk_setup {
    const char *path;   /* of the trace, for messages */
    const sim_job *job; /* the device, and the requests that the trace was made of */
    const explain_trace *trace;
    const scorer *net;
    sched_objective objective;
    uint64_t seed;
    int patience;
} explain_walk_setup;

/* Goes through all of it. INVALID_ARGUMENT: the requests are not the trace's. CANCELLED:
 * interrupted. OUT_OF_MEMORY. *out is to be deinitialised even then. */
COSREL_CHECKED cosrel_status explain_walk(const explain_walk_setup *setup,
                                          const explain_question *question, explain_result *out,
                                          cosrel_error *err);
void explain_result_deinit(explain_result *r);

#endif
