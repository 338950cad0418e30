/* What the learned policy sees: the candidates of a decision with their features, and the state
 * that they share. docs/learning.md says what each feature means and why it is there.
 *
 * Features make sense on any device: times are relative to the model's best, to the other
 * candidates or to the device's time per request; nothing is an index of a model or processor.
 * Names and order are those of the tables below; a policy's file says for which version of them it
 * was trained.
 *
 *     observer_look(o, view);         o->seen: candidates and network input, valid until the next
 * look
 */
#ifndef SCHED_OBSERVE_H
#define SCHED_OBSERVE_H

#include "cosrel/status.h"
#include "nn/scorer.h"
#include "sched/view.h"

/* Changes with the meaning of any feature. */
enum { OBSERVE_FEATURES_VERSION = 3, OBSERVE_CANDIDATES_MAX = 64 };

/* X(name, how its quantity becomes an input, what it says, for cosrel explain)
 *   PLAIN       as it is
 *   RATIO       its logarithm: 0 at 1, 1 at 16
 *   AMOUNT      of 1 + it
 *   DIFFERENCE  x / (1 + |x|) */
#define OBSERVE_CANDIDATE_TABLE(X)                                                                 \
    X(WAIT, PLAIN, "waiting, not starting")                                                        \
    X(SLOWNESS, RATIO, "time here over the model's best")                                          \
    X(EFFICIENCY, RATIO, "how well the device is used: worth of the best place over worth here")   \
    X(LENGTH, RATIO, "time here over the device's time per request")                               \
    X(INDEX_HERE, RATIO, "price index among models on this processor")                             \
    X(INDEX_ALL, RATIO, "price index among all candidates")                                        \
    X(ELSEWHERE, DIFFERENCE, "how much later another processor would be done")                     \
    X(ELSEWHERE_GOOD, DIFFERENCE,                                                                  \
      "the same, efficient processors with part of what waits for them")                           \
    X(ELSEWHERE_FULL, DIFFERENCE, "the same, with all that waits for them")                        \
    X(WAITING, AMOUNT, "requests of the model that wait")                                          \
    X(AGE, AMOUNT, "age of the request over the model's best time")                                \
    X(AGE_DEVICE, AMOUNT, "age over the device's time per request")                                \
    X(SLACK, DIFFERENCE, "time to the deadline after a run here")                                  \
    X(SLACK_ELSEWHERE, DIFFERENCE, "time to the deadline after a run elsewhere")                   \
    X(MISS_HERE, PLAIN, "part of the batch that would end too late")                               \
    X(LOST, PLAIN, "no run can meet the deadline any more")                                        \
    X(HARM, AMOUNT, "other requests that this run would make late")                                \
    X(DEMAND, DIFFERENCE, "work that will come for this processor during the run")                 \
    X(EXTERNAL, AMOUNT, "delay that the run will bring to those who come meanwhile")               \
    X(RISK, AMOUNT, "deadlines that only this processor meets and that will come meanwhile")       \
    X(BACKLOG, AMOUNT, "work that waits for this processor")                                       \
    X(BLOCKS, PLAIN, "part of the idle processors that the run takes")                             \
    X(PRICE, PLAIN, "the processor's part of all prices")                                          \
    X(BATCH, RATIO, "requests in the batch")                                                       \
    X(BATCH_GAIN, RATIO, "time per request in the batch over time alone")                          \
    X(MIN_MIN, PLAIN, "what min-min would start")                                                  \
    X(PRICED, PLAIN, "what the price rule would start")                                            \
    X(ENERGY, PLAIN, "energy here over the model's least")                                         \
    X(ENERGY_PRICED, PLAIN, "energy and priced time here over the model's least")                  \
    X(ENERGY_WEIGHT, AMOUNT, "what the objective counts for its energy over its latency")          \
    X(SLOWED, RATIO, "the processor is slower than it was")                                        \
    X(NEXT_END, AMOUNT, "waiting: time to the next end of a run")                                  \
    X(NEXT_GOOD, AMOUNT, "waiting: time until an efficient processor of a waiting model is free")

#define OBSERVE_STATE_TABLE(X)                                                                     \
    X(LOAD, "load of the device")                                                                  \
    X(QUEUE, "requests that wait")                                                                 \
    X(WORK, "work that waits, over the device's time per request")                                 \
    X(IDLE, "part of the processors that is idle")                                                 \
    X(ACTIVE, "models with waiting requests")                                                      \
    X(PROCESSORS, "number of processors")                                                          \
    X(MODELS, "number of models")                                                                  \
    X(OLDEST, "age of the oldest request")                                                         \
    X(LATE, "part of the waiting models whose oldest request is lost")                             \
    X(WEIGHT_MISS, "the objective's weight of a missed deadline")                                  \
    X(WEIGHT_ENERGY, "the objective's weight of energy")                                           \
    X(PRICES, "prices are known")                                                                  \
    X(HEAT, "how near the device is to throttling")                                                \
    X(NEXT, "time to the next end of a run")

enum {
#define OBSERVE_ENUM(name, kind, text) CANDIDATE_##name,
    OBSERVE_CANDIDATE_TABLE(OBSERVE_ENUM)
#undef OBSERVE_ENUM
        CANDIDATE_FEATURES
};

enum {
#define OBSERVE_ENUM(name, text) STATE_##name,
    OBSERVE_STATE_TABLE(OBSERVE_ENUM)
#undef OBSERVE_ENUM
        STATE_FEATURES
};

typedef struct observe_candidate {
    int processor; /* < 0: wait */
    int model;
    int batch_index;
    uint32_t request; /* the first of the batch */
} observe_candidate;

typedef struct observation {
    int count;        /* of candidates, waiting included; 0: nothing can be started */
    int wait;         /* which of them is waiting; -1: nothing would end a wait */
    double unit_ns;   /* the device's time per request: what times are relative to */
    double cost_unit; /* what the objective counts for one request, about: to compare devices by */
    observe_candidate all[OBSERVE_CANDIDATES_MAX];
    scorer_input input;
} observation;

typedef struct observer observer;

COSREL_CHECKED cosrel_status observer_create(const sched_view *view, observer **out);
void observer_free(observer *o); /* NULL is fine */

/* All looks of an observer must be at the same class of requests, or at classes that the same
 * processors serve: the tables are made for those.
 *
 * O(waiting models x processors x batches); what costs and prices say is looked at again every few
 * looks and whenever prices, models or processors change. Allocates nothing. */
const observation *observer_look(observer *o, const sched_view *view);

/* The network's inputs here. */
scorer_shape observe_shape(int first, int second);

/* "SLOWNESS" and its sentence; state: of the state's features. */
const char *observe_name(bool state, int feature);
const char *observe_text(bool state, int feature);

#endif
