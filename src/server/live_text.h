/* The live picture's JSON: what there is, once, and then one snapshot after another. */
#ifndef SERVER_LIVE_TEXT_H
#define SERVER_LIVE_TEXT_H

#include "base/text.h"
#include "runtime/trail.h"

/* What a snapshot needs beside the picture. */
typedef struct live_frame {
    const trail_picture *picture;
    const hist *recent; /* per model: latencies of the window */
    int64_t origin_ns;  /* times are told from here */
    uint64_t number;    /* of the snapshot, from 1 */
    double energy_j;    /* of the sensors, since the runtime was opened; < 0: none */
    double table_j;     /* of the runs seen, by the cost table */
} live_frame;

typedef struct live_facts {
    const trail_picture *picture;
    int64_t started_unix_ms; /* the server: another one has another */
    int pace_ms, window_ms;
    bool admin; /* there is a token with which the objective can be changed */
} live_facts;

void live_text_hello(text_builder *out, const live_facts *facts);
void live_text_snapshot(text_builder *out, const live_frame *frame);

#endif
