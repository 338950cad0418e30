/* Traces: what happened to each request, as JSON lines in order of time.
 *
 *     {"type":"arrival","t_ms":0.25,"id":0,"model":"unet"}
 *     {"type":"dispatch","t_ms":0.25,"end_ms":7,"processor":"gpu0","model":"unet","requests":[0]}
 *     {"type":"drop","t_ms":9.5,"id":1,"reason":"late"}
 *
 * Times are milliseconds since the start with up to six decimals, so nanoseconds, exactly. Events
 * of one instant stand in the order in which they happened. A request is served when the last run
 * that it was dispatched in ends. A run that answered nothing, because it failed or its processor
 * was taken out, carries "ok":false: its requests are dispatched again, or dropped, or never
 * served.
 *
 * A *recording* is a trace of real runs. Its first line names them,
 *     {"type":"recording","version":1,"device":"...","policy":"...","workload":"..."}
 * and its arrivals carry "deadline_ms" (from the arrival) and "priority" where they have them, so
 * that it can be played again. Readers pass over keys and types that they do not know.
 *
 * Writer and reader are each for one thread at a time. */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cosrel/status.h"
#include "sched/core.h"

/* 1e12 ms: times beyond it are refused, so that sums of them fit an int64_t. */
#define TRACE_TIME_MAX_NS INT64_C(1000000000000000000)

/* Writing. */

typedef struct trace_names {
    const char *const *models;
    int model_count;
    const char *const *processors;
    int processor_count;
} trace_names;

typedef struct trace_arrival {
    int64_t t_ns;
    uint32_t id;
    int model;
    int64_t deadline_ns; /* from the arrival, >= 0; SCHED_NEVER: none. Only in recordings. */
    int priority;        /* only in recordings */
} trace_arrival;

typedef struct trace_writer trace_writer;

/* Writes to `out`, which stays the caller's; the names are copied. */
COSREL_CHECKED cosrel_status trace_writer_create(FILE *out, const trace_names *names,
                                                 trace_writer **out_writer);

/* From here on lines may come late, as the ends of runs are known late: they are held and put in
 * order until trace_advance lets them go. */
void trace_hold(trace_writer *w);

/* Makes it a recording: before anything else. Texts may be NULL. Its lines are held. */
void trace_recording(trace_writer *w, const char *device, const char *policy, const char *workload);

/* 0 <= t_ns <= TRACE_TIME_MAX_NS. Failures are remembered for trace_writer_finish. */
void trace_add_arrival(trace_writer *w, const trace_arrival *a);
void trace_add_dispatch(trace_writer *w, int64_t t_ns, int64_t end_ns, int processor, int model,
                        const uint32_t *ids, int count);
/* The same of a run that answered nothing. */
void trace_add_failure(trace_writer *w, int64_t t_ns, int64_t end_ns, int processor, int model,
                       const uint32_t *ids, int count);
void trace_add_drop(trace_writer *w, int64_t t_ns, uint32_t id, const char *reason);

/* Of held lines: nothing before t_ns will come any more (the start of the oldest run that still
 * goes on). What is held in memory is what happened since then. */
void trace_advance(trace_writer *w, int64_t t_ns);

/* Writes what is left and frees the writer; `out` is flushed, not closed. IO; OUT_OF_MEMORY;
 * INVALID_ARGUMENT: a line came after later ones had been written, and is missing. NULL is fine. */
COSREL_CHECKED cosrel_status trace_writer_finish(trace_writer *w, cosrel_error *err);

/* "late", "failed", "unavailable". */
const char *trace_reason(sched_drop_reason reason);

/* The decimal text of ns in ms ("12.5"), without NUL; returns its length, at most 24. For what is
 * written a million times. */
size_t trace_format_ms(char *at, int64_t ns);

/* Reading. */

typedef enum trace_type {
    TRACE_END, /* no more */
    TRACE_RECORDING,
    TRACE_ARRIVAL,
    TRACE_DISPATCH,
    TRACE_DROP,
} trace_type;

/* All that a trace says about one request so far. */
typedef struct trace_request {
    int64_t arrived_ns;
    int64_t deadline_ns;      /* from the arrival; SCHED_NEVER: none */
    int64_t start_ns, end_ns; /* of its last run */
    uint32_t id;
    int model;
    int priority;
    uint32_t runs; /* 0: never dispatched */
    bool dropped;
    bool failed; /* the last run answered nothing */
} trace_request;

typedef struct trace_event {
    trace_type type;
    int64_t t_ns;
    int64_t end_ns;         /* DISPATCH */
    int processor;          /* DISPATCH: index into trace_processors */
    bool failed;            /* DISPATCH: it answered nothing */
    int model;              /* but for RECORDING: index into trace_models */
    const size_t *requests; /* ARRIVAL, DROP: one; DISPATCH: request_count. Indices into
                               trace_requests; valid until the next call */
    size_t request_count;
    const char *reason; /* DROP; likewise valid until then */
} trace_event;

typedef struct trace_reader trace_reader;

/* NOT_FOUND, IO, OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status trace_open(const char *path, trace_reader **out, cosrel_error *err);

/* The same for text in memory, which must outlive the reader; `name` stands for the file. */
COSREL_CHECKED cosrel_status trace_open_text(const char *name, const char *text, size_t bytes,
                                             trace_reader **out, cosrel_error *err);

/* The next event that is known. INVALID_FILE: with file, line and key. */
COSREL_CHECKED cosrel_status trace_next(trace_reader *r, trace_event *event, cosrel_error *err);

/* In order of first appearance, so far. The arrays are the reader's and move when it reads on. */
const char *const *trace_models(const trace_reader *r, size_t *count);
const char *const *trace_processors(const trace_reader *r, size_t *count);
const trace_request *trace_requests(const trace_reader *r, size_t *count); /* by arrival */

/* What the first line of a recording says; "": nothing, or it is no recording. */
const char *trace_device(const trace_reader *r);
const char *trace_policy(const trace_reader *r);
const char *trace_workload(const trace_reader *r);

void trace_close(trace_reader *r); /* NULL is fine */

#endif
