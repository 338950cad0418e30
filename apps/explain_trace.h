/* A trace as something to be followed: its runs in order of time, in the indices of a device. */
#ifndef APPS_EXPLAIN_TRACE_H
#define APPS_EXPLAIN_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "sim/processors.h"
#include "sim/sim.h"
#include "sim/trace.h"

typedef struct explain_run {
    int64_t t_ns, end_ns;
    int processor, model;
    int batch;    /* the largest size of the table that the requests fill */
    size_t first; /* of its requests, in `members` */
    size_t count; /* >= batch */
    bool ok;
} explain_run;

typedef struct explain_trace {
    trace_reader *reader;          /* at its end: for names and requests */
    const trace_request *requests; /* the reader's, by arrival */
    size_t request_count;
    int *models; /* per model of the reader: the device's */
    explain_run *runs;
    size_t run_count, run_room;
    size_t *members; /* indices of requests */
    size_t member_count, member_room;
    /* For a sim_script: drops, and what is left of runs whose size is no batch of the table. */
    sim_giving_up *given_up;
    size_t given_up_count, given_up_room;
    int64_t *asked_ns; /* the starts of the runs */
    size_t failed;     /* runs that answered nothing */
    bool recorded;     /* of real runs */
    bool varies;       /* a run of the foreground took another time than the table's */
} explain_trace;

/* `device` is only looked at. INVALID_FILE: a model or processor is not in it, or a run is not
 * possible there; NOT_FOUND, IO, OUT_OF_MEMORY. *out is to be deinitialised even then. */
COSREL_CHECKED cosrel_status explain_trace_read(const char *path, const sim_device *device,
                                                explain_trace *out, cosrel_error *err);
void explain_trace_deinit(explain_trace *t); /* zeroed is fine */

/* The request that the trace calls `id`; SIZE_MAX: there is none. */
size_t explain_trace_find(const explain_trace *t, int64_t id);

#endif
