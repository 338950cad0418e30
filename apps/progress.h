/* How far a long step has come, on standard error: a bar with the time left on a terminal, now and
 * then a plain line elsewhere; nothing for steps that are over within two seconds. One thread owns
 * it. */
#ifndef APPS_PROGRESS_H
#define APPS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct progress {
    bool quiet;
    bool terminal;
    bool drawn;
    int64_t started_ns;
    int64_t shown_ns;
    char title[32];
} progress;

void progress_begin(progress *p, const char *title, bool quiet);

/* fraction in 0..1; left_ns < 0: worked out from the time spent so far. */
void progress_show(progress *p, const char *what, double fraction, int64_t left_ns);
void progress_end(progress *p); /* takes the bar away; may be called twice */

/* A cosrel_progress_fn with a progress as user: shows, and stops the call after Ctrl-C. */
bool progress_callback(void *user, const char *what, double fraction, int64_t left_ns);

#endif
