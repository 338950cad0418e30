/* What a benchmark asks of the models: streams of requests, read from a YAML file.
 *
 *     name: camera and batch job
 *     streams:
 *       - {model: mobilenet_v2, kind: periodic, rate_hz: 30, deadline_ms: 33, priority: high}
 *       - {model: resnet50, kind: closed, in_flight: 2, priority: background} */
#ifndef WORKLOAD_WORKLOAD_H
#define WORKLOAD_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"

/* Chosen: far beyond what one device serves. */
enum {
    WORKLOAD_STREAMS_MAX = 256,
    WORKLOAD_IN_FLIGHT_MAX = 256,
    WORKLOAD_FILE_BYTES_MAX = 1 << 20
};
#define WORKLOAD_RATE_HZ_MAX 1e5
#define WORKLOAD_TIME_MS_MAX 1e7

typedef enum workload_kind {
    WORKLOAD_PERIODIC, /* every 1 / rate_hz, each moved by up to jitter_ms */
    WORKLOAD_POISSON,  /* independent arrivals, rate_hz on average */
    WORKLOAD_CLOSED,   /* in_flight requests; each answer brings the next request */
} workload_kind;

typedef struct workload_stream {
    char *model;
    workload_kind kind;
    double rate_hz;     /* periodic and poisson */
    double deadline_ms; /* from the arrival; 0: none */
    double jitter_ms;   /* periodic: uniform in [0, jitter_ms) */
    uint32_t in_flight; /* closed; at least 1 */
    int priority;       /* COSREL_PRIORITY_... */
} workload_stream;

typedef struct workload {
    char *name; /* never NULL */
    workload_stream *streams;
    uint32_t stream_count;
} workload;

/* INVALID_FILE: err names file, line, key and what would be right. Free with workload_free. Any
 * thread. */
COSREL_CHECKED cosrel_status workload_read(const char *path, workload **out, cosrel_error *err);

/* The same from memory, NUL-terminated after `bytes`; `name` is for messages. */
COSREL_CHECKED cosrel_status workload_parse(const char *name, const char *text, size_t bytes,
                                            workload **out, cosrel_error *err);

/* Every model driven closed-loop by one client: what `cosrel bench` does without a file. Names are
 * copied. */
COSREL_CHECKED cosrel_status workload_closed_loop(const char *const *models, size_t count,
                                                  workload **out, cosrel_error *err);

void workload_free(workload *w); /* NULL is fine */

const char *workload_kind_name(workload_kind kind); /* "periodic", "poisson", "closed" */
const char *workload_priority_name(int priority);   /* "high", "normal", "background" */

#endif
