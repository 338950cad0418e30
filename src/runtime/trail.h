/* What a runtime did lately and why, for whoever draws it: the last runs and decisions in two
 * rings, and all counters in one look.
 *
 * Nothing is kept unless somebody looks: without a trail the dispatch path tests one pointer. With
 * one, a run costs a write into a ring, and a decision a walk over its candidates; both are under
 * the runtime's lock, allocate nothing and take well under a microsecond and about one. What nobody
 * fetched in time is overwritten and counted. */
#ifndef RUNTIME_TRAIL_H
#define RUNTIME_TRAIL_H

#include "base/hist.h"
#include "cosrel/runtime.h"

/* Chosen: 40000 runs a second when looked at ten times a second; as many decisions as a person
 * could read in that time, and then some. */
enum { TRAIL_RUNS = 4096, TRAIL_DECISIONS = 64, TRAIL_OTHERS = 3 };

/* Processors are numbered as the rows of the picture, models in order of loading. */
typedef struct trail_run {
    int processor, model;
    int32_t batch;
    bool ok;
    int64_t started_ns, finished_ns;
    int64_t energy_uj; /* by the cost table; 0: unknown */
    uint64_t decision; /* the number of the one that started it; 0: it was made unseen */
} trail_run;

/* Something that could be started. */
typedef struct trail_option {
    int processor; /* < 0: wait */
    int model;
    int32_t batch;
    int64_t expected_ns; /* what the run takes by the cost table; waiting: 0 */
    int64_t free_ns;     /* until the processor is expected to be idle; 0: it is */
    double preference;   /* the learned policy's: its part of 1 among all candidates; < 0: none */
} trail_option;

typedef struct trail_decision {
    uint64_t number; /* from 1 */
    int64_t at_ns;
    int64_t waited_ns; /* the oldest request of the batch had; waiting: 0 */
    uint32_t left;     /* of the model's requests still wait */
    uint32_t times;    /* the same wait was decided so often in a row; else 1 */
    trail_option chosen;
    /* Instead of it. Where the policy has preferences, the next by those; then other processors of
     * the same model, the quickest first. */
    trail_option others[TRAIL_OTHERS];
    int other_count;
} trail_decision;

typedef struct trail_model {
    const char *name; /* the runtime's; NULL: no model has this place now */
    int number;       /* among those that are there: 0, 1, 2, ...; < 0: it is not */
    int64_t version;
    uint32_t waiting;
    uint64_t completed, failed, cancelled, dropped, late, with_deadline, runs;
    hist latency; /* since the start or the last reset */
} trail_model;

typedef struct trail_processor {
    const char *name; /* the runtime's; "cpu0.bg": background requests */
    const char *kind, *description;
    bool background, down;
    uint64_t runs, failures;
    int64_t busy_ns; /* the run under way included */
    /* Under way; model < 0: nothing. */
    int model;
    int32_t batch;
    int64_t started_ns;
} trail_processor;

typedef struct trail_picture {
    int64_t now_ns;
    trail_model *models; /* grown as needed; by the places that runs and decisions name */
    int model_count, model_room;
    uint64_t changes; /* counts loads and unloads */
    trail_processor *processors;
    int processor_count;
    trail_run *runs; /* since the last look, in order of their ends */
    int run_count;
    trail_decision *decisions; /* likewise, the newest TRAIL_DECISIONS */
    int decision_count;
    uint64_t runs_lost; /* overwritten before this look */
    uint64_t decided;   /* calls into the policy since the start or the last reset */
    char policy[128];
    char objective[16]; /* "": weights of no name */
    double latency, miss, energy_ns_per_uj;
} trail_picture;

/* One at a time: INVALID_ARGUMENT if there is a trail; OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status runtime_trail_open(cosrel_runtime *rt, cosrel_error *err);
void runtime_trail_close(cosrel_runtime *rt); /* none is fine */

/* Zeroed at first; the same one again and again. OUT_OF_MEMORY; UNAVAILABLE: there is no trail.
 * Holds the runtime's lock for some microseconds. */
COSREL_CHECKED cosrel_status runtime_trail_look(cosrel_runtime *rt, trail_picture *out);
void trail_picture_deinit(trail_picture *p); /* zeroed is fine */

#endif
