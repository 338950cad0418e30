/* Recording real requests: what arrived when, which run served it, what was dropped, by the wall
 * clock, to be summed up by `cosrel trace` and played again by `cosrel sim --replay`.
 *
 * Events are taken from any thread and only kept; what they mean is worked out when the recording
 * is written, so that recording costs a request well under a microsecond. */
#ifndef APPS_RECORDER_H
#define APPS_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "cosrel/status.h"

typedef struct recorder recorder;

/* OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status recorder_create(recorder **out, cosrel_error *err);
void recorder_free(recorder *r); /* NULL is fine */

typedef struct recorder_request {
    uint32_t id; /* the caller's, each once */
    int model;   /* index into the models given to recorder_write */
    int64_t arrived_ns;
    int64_t deadline_ns; /* absolute; 0: none */
    int priority;        /* COSREL_PRIORITY_... */
} recorder_request;

/* Times are those of one clock. For any thread, in any order. NULL is fine. */
void recorder_arrived(recorder *r, const recorder_request *request);
/* A run that this request was part of is over; ok: it answered it. Requests with the same processor
 * and start were one batch. `processor` must stay valid until the recording is written. */
void recorder_ran(recorder *r, uint32_t id, const char *processor, int64_t started_ns,
                  int64_t finished_ns, bool ok);
void recorder_dropped(recorder *r, uint32_t id, int64_t dropped_ns, const char *reason);

typedef struct recorder_about {
    const char *const *models;
    int model_count;
    const char *device, *policy, *workload; /* NULL: not known */
    int64_t from_ns, until_ns; /* requests that arrived within [from, until) are written */
} recorder_about;

/* Writes it in one stroke, its time beginning at from_ns. Requests are numbered anew from 0 in
 * order of their arrival; of a batch that others were part of, only those requests are named. IO,
 * OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status recorder_write(recorder *r, const char *path,
                                            const recorder_about *about, cosrel_error *err);

#endif
