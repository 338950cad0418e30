/* Traces as Chrome's Trace Event Format (Google, "Trace Event Format", 2016), the JSON that
 * ui.perfetto.dev and chrome://tracing open.
 *
 * One process; a named thread per processor with its runs ("X": model, batch, requests); a counter
 * of waiting requests per model ("C"); an instant per drop ("i"); and per request a nestable
 * asynchronous span from its arrival to its end ("b", "e"), grouped by model. Times are
 * microseconds since the start, exact to the nanosecond. */
#ifndef SIM_CHROME_H
#define SIM_CHROME_H

#include <stdio.h>

#include "cosrel/status.h"
#include "sim/trace.h"

typedef struct chrome_writer chrome_writer;

/* Writes to `out`, which stays the caller's. */
COSREL_CHECKED cosrel_status chrome_create(FILE *out, chrome_writer **writer);

/* The event that trace_next has just given. */
void chrome_add(chrome_writer *c, const trace_reader *r, const trace_event *event);

/* After the last event: writes the rest and frees the writer. IO, OUT_OF_MEMORY. NULL is fine. */
COSREL_CHECKED cosrel_status chrome_finish(chrome_writer *c, const trace_reader *r,
                                           cosrel_error *err);

#endif
