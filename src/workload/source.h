/* Where requests come from: one after another in order of their arrival, pulled by whoever serves
 * them, the simulator in virtual time and the benchmark by the wall clock.
 *
 * What arrives by the clock alone (periodic, Poisson, bursts, days, recordings) does not depend on
 * who serves it: every policy is asked the same. What follows from answers (closed streams,
 * cascades) is brought by source_answered. Which answers trigger a cascade is fixed by the seed and
 * by the position of the request in its stream, not by the order of the answers.
 *
 * No clock, no thread, no file: time is an argument, and one thread at a time may use a source. */
#ifndef WORKLOAD_SOURCE_H
#define WORKLOAD_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "workload/arrivals_file.h"
#include "workload/workload.h"

typedef struct source_request {
    int64_t t_ns;        /* arrival, since the start */
    int64_t deadline_ns; /* absolute, INT64_MAX: none */
    int model;           /* index into the models given at creation */
    int priority;        /* COSREL_PRIORITY_... */
    uint32_t stream;     /* which stream of the workload it belongs to; 0 for plain arrivals */
    uint32_t id;         /* 0, 1, 2, ... in order of source_pop; of plain arrivals: the row */
} source_request;

typedef struct source source;

/* The streams of `w`, which must outlive the source, as must its recordings. INVALID_FILE: a stream
 * names a model that is not among `models`; err names its line and the nearest one. No request
 * arrives at or after until_ns (INT64_MAX: no end). */
COSREL_CHECKED cosrel_status source_create(const workload *w, const char *const *models,
                                           int model_count, uint64_t seed, int64_t until_ns,
                                           source **out, cosrel_error *err);

/* The rows of `list`, which must outlive the source. */
COSREL_CHECKED cosrel_status source_from_arrivals(const arrivals_list *list, int64_t until_ns,
                                                  source **out, cosrel_error *err);

/* When the next request arrives; INT64_MAX: none for now, though answers may bring more. */
int64_t source_next_ns(const source *s);

/* Takes it; only when there is one. Times never go back. */
void source_pop(source *s, source_request *out);

/* Request `id` has its answer at now_ns; ok: a good one. What it brings may arrive at now_ns
 * already: look at source_next_ns again. Once for each id that was popped, in any order; of
 * requests that bring nothing it may be left out. */
void source_answered(source *s, int64_t now_ns, uint32_t id, bool ok);

/* OK, or OUT_OF_MEMORY: something that an answer should have brought was lost. Ask at the end. */
cosrel_status source_status(const source *s);

void source_free(source *s); /* NULL is fine */

#endif
