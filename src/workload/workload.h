/* What is asked of the models: streams of requests, read from a YAML file.
 *
 *     name: camera and batch job
 *     streams:
 *       - {model: mobilenet_v2, kind: periodic, rate_hz: 30, deadline_ms: 33, priority: high}
 *       - {model: resnet50, after: mobilenet_v2, probability: 0.1}
 *       - {model: unet, kind: closed, in_flight: 2, priority: background} */
#ifndef WORKLOAD_WORKLOAD_H
#define WORKLOAD_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "workload/arrivals_file.h"

/* Chosen: far beyond what one device serves. */
enum {
    WORKLOAD_STREAMS_MAX = 256,
    WORKLOAD_IN_FLIGHT_MAX = 256,
    WORKLOAD_POINTS_MAX = 1024,
    WORKLOAD_FILE_BYTES_MAX = 1 << 20
};
#define WORKLOAD_RATE_HZ_MIN 1e-6
#define WORKLOAD_RATE_HZ_MAX 1e5
#define WORKLOAD_TIME_MS_MAX 1e7

typedef enum workload_kind {
    WORKLOAD_NO_KIND,  /* only while a file is read */
    WORKLOAD_PERIODIC, /* every 1 / rate_hz, each moved by up to jitter_ms */
    WORKLOAD_POISSON,  /* independent arrivals, rate_hz on average */
    WORKLOAD_BURSTS,   /* Poisson at rate_hz while quiet, at burst_rate_hz in bursts */
    WORKLOAD_DAY,      /* Poisson; the rate follows a curve over a period */
    WORKLOAD_RECORDED, /* rows of a file */
    WORKLOAD_CLOSED,   /* in_flight requests; each answer brings the next request */
    WORKLOAD_CASCADE,  /* brought by the answers of another stream */
} workload_kind;

typedef struct workload_stream {
    char *name; /* what `after` calls it; the model's name where the file gives none */
    char *model;
    workload_kind kind;
    double rate_hz; /* bursts: while quiet, may be 0; day: at factor 1; cascade: at most, 0: any */
    double deadline_ms; /* from the arrival; 0: none; recorded: the rows have their own */
    int priority;       /* COSREL_PRIORITY_... */
    double jitter_ms;   /* periodic: uniform in [0, jitter_ms) */
    uint32_t in_flight; /* closed; at least 1 */
    double think_ms;    /* closed: from an answer to the next request */
    double burst_rate_hz;
    double quiet_s; /* bursts: how long each state lasts on average */
    double burst_s;
    double (*points)[2]; /* day: hour in [0, 24), ascending, and factor */
    uint32_t point_count;
    double period_s;                /* day: how long the 24 hours take */
    char *file;                     /* recorded; as the workload names it */
    char *after;                    /* cascade: the other stream's name */
    double *probability;            /* cascade: that an answer triggers it; NULL: each does */
    const arrivals_list *recording; /* recorded: the workload's; the rows of `model` are meant */
    int line;                       /* in the workload's file, for messages; 0: unknown */
} workload_stream;

typedef struct workload {
    char *name; /* never NULL */
    workload_stream *streams;
    uint32_t stream_count;
    char *path; /* for messages; NULL: not from a file */
    arrivals_list **recordings;
    size_t recording_count;
} workload;

/* Reads it, and the recordings that it names, below its own folder. A recorded stream without a
 * model becomes one stream for each model of its file. INVALID_FILE: err names file, line, key and
 * what would be right. Free with workload_free. Any thread. */
COSREL_CHECKED cosrel_status workload_read(const char *path, workload **out, cosrel_error *err);

/* The same from memory, NUL-terminated after `bytes`; `name` is for messages. Recordings are not
 * read: streams of that kind have none, and possibly no model. */
COSREL_CHECKED cosrel_status workload_parse(const char *name, const char *text, size_t bytes,
                                            workload **out, cosrel_error *err);

/* Every model driven closed-loop by one client: what `cosrel bench` does without a file. Names are
 * copied. */
COSREL_CHECKED cosrel_status workload_closed_loop(const char *const *models, size_t count,
                                                  workload **out, cosrel_error *err);

void workload_free(workload *w); /* NULL is fine */

const char *workload_kind_name(workload_kind kind); /* "periodic", "poisson", ... */
const char *workload_priority_name(int priority);   /* "high", "normal", "background" */

#endif
