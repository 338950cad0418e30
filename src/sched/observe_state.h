/* The observer's insides, for observe*.c only. Times are ns as doubles, counted from now. */
#ifndef SCHED_OBSERVE_STATE_H
#define SCHED_OBSERVE_STATE_H

#include "nn/lanes.h"
#include "sched/observe.h"
#include "sched/priced.h"

#define OBSERVE_NEVER 1e30

typedef struct observe_pair {
    double single, per_single;       /* a run of one request; NEVER: cannot run there */
    double each, energy;             /* per request at the batch that serves most per time; uJ */
    double priced_energy;            /* and the processor's time at its price in energy */
    double worth, efficiency, index; /* priced.h */
} observe_pair;

typedef struct observe_model {
    double best, per_best; /* per_: one over it, dividing being slow */
    double work, least_energy, least_priced;
    uint64_t efficient;
} observe_model;

/* Ends of a run: as soon as can be; on an efficient processor after part of what waits for it;
 * after all of that. */
enum { OBSERVE_ENDS = 3 };

/* A model with waiting requests, for this decision. */
typedef struct observe_waiting {
    int model;
    int count;
    uint32_t oldest, savable; /* savable: the first whose deadline can be met; NONE */
    int savable_at;           /* its place in the queue */
    double age;
    double oldest_due, savable_due; /* from now; NEVER: no deadline */
    /* Earliest ends over the processors: the best, whose, and the second best. */
    double end[OBSERVE_ENDS], second[OBSERVE_ENDS];
    int at[OBSERVE_ENDS]; /* < 0: nowhere */
} observe_waiting;

struct observer {
    /* Tables. */
    observe_pair *pairs;   /* [model][processor] */
    observe_model *models; /* per model */
    int looks, model_count;
    uint64_t up, shifts;
    uint64_t reach; /* processors that some model of the class can use */
    const double *energy_priced;
    bool priced;
    double prices[SCHED_PROCESSORS_MAX], price_sum;
    double demand[SCHED_PROCESSORS_MAX]; /* efficient work per arrival, ns */
    uint64_t twin_of[SCHED_PROCESSORS_MAX];
    /* The same by processor, [processor][model] in rows of `row`, to look at models side by side:
     * `single`; NEVER where the pair is not efficient. */
    float *single, *good;
    /* observe_rivals.c, laid out likewise: the model's best time on what a run on the processor
     * excludes (renewed with the tables); how much longer a request that comes now would take
     * elsewhere, and how long requests that come cannot meet their deadline elsewhere (for this
     * decision). */
    float *inside, *gap, *lost_until;
    float *due, *share; /* [model]: usual deadline, NEVER: none; of the arrivals */
    int row;
    float *rows; /* where these and what is by model below lie */
    double unit, per_unit, energy_unit, deadline_unit;

    /* This decision. */
    uint64_t idle, busy;
    double free_at[SCHED_PROCESSORS_MAX];            /* NEVER: does not count */
    double work_at[SCHED_PROCESSORS_MAX];            /* waits for it, where it is efficient */
    float *end[OBSERVE_ENDS], *second[OBSERVE_ENDS]; /* [model]: as in observe_waiting */
    int32_t *at[OBSERVE_ENDS];
    float *save_by; /* [model]: savable_due; < 0: nothing to save */
    observe_waiting waiting[OBSERVE_CANDIDATES_MAX];
    int waiting_count;
    double best_index[SCHED_PROCESSORS_MAX], best_of_all;
    int who[OBSERVE_CANDIDATES_MAX]; /* per candidate: which of `waiting` */
    observation seen;
};

static inline const observe_pair *observe_pair_at(const observer *o, const sched_view *v, int model,
                                                  int processor)
{
    return &o->pairs[model * v->processor_count + processor];
}

/* Keeps the least of the ends, whose it is, and the second least. */
LANES_INLINE void observe_keep(lanes *least, lanes *second, lane_bits *at, const lanes *end, int p)
{
    const lane_bits better = *end < *least, next = *end < *second;
    const lanes after = LANES_PICK(next, *end, *second);
    *second = LANES_PICK(better, *least, after);
    *least = LANES_PICK(better, *end, *least);
    *at = (better & p) | (~better & *at);
}

/* observe_queues.c */
void observe_queues(observer *o, const sched_view *v);
void observe_candidates(observer *o, const sched_view *v);

/* What these rules would start: -1: nothing. */
int observe_min_min(const observer *o, const sched_view *v);
int observe_priced(const observer *o, const sched_view *v);

/* observe_rivals.c */
void observe_rivals_renew(observer *o, const sched_view *v, int model);
void observe_rivals(observer *o, const sched_view *v);    /* for the idle processors */
void observe_meanwhile(observer *o, const sched_view *v); /* fills EXTERNAL and RISK */

/* observe_features.c */
void observe_features(observer *o, const sched_view *v);

#endif
