/* The live picture: what a runtime does, as a stream of JSON for everyone who looks.
 *
 * A snapshot is made ten times a second, once for all viewers, who share it; each has a short queue
 * of snapshots not sent yet. Whoever reads too slowly loses whole snapshots (their numbers show it)
 * and holds nobody up. While nobody looks the runtime keeps no trail and nothing is made.
 *
 * docs/live.md describes the stream.
 *
 * Threads: the server's loop only. */
#ifndef SERVER_LIVE_H
#define SERVER_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cosrel/runtime.h"

/* Chosen: smooth enough to flow, and a few per cent of one slow core at worst. */
#define LIVE_PACE_NS ((int64_t)100000000)
/* Percentiles are those of this long, to within one slice of it. */
#define LIVE_WINDOW_NS ((int64_t)10000000000)

enum {
    LIVE_VIEWERS_MAX = 16, /* chosen */
    LIVE_QUEUE = 8,        /* snapshots that wait for one viewer: 0.8 s */
};

typedef struct live live;
typedef struct live_viewer live_viewer;

/* `wake` is called when a viewer has something to read again after live_read gave 0; it may not
 * call this live. */
COSREL_CHECKED cosrel_status live_create(cosrel_runtime *rt, bool admin,
                                         void (*wake)(void *viewer_user), live **out,
                                         cosrel_error *err);
void live_free(live *l); /* NULL is fine; its viewers are gone already */

/* UNAVAILABLE: there are enough; OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status live_join(live *l, void *user, live_viewer **out, cosrel_error *err);
void live_leave(live_viewer *v); /* NULL is fine */
int live_viewers(const live *l);

/* The stream's next bytes, as server-sent events; 0: nothing until `wake`. */
size_t live_read(live_viewer *v, char *out, size_t room);

/* Makes a snapshot if one is due. */
void live_tick(live *l, int64_t now_ns);

/* Until the next one is; -1: nobody looks. */
int live_due_ms(const live *l, int64_t now_ns);

#endif
