/* Two clients of a server that runs on this very thread, played by a fuzz target's bytes: they are
 * sent as they are, and cut and mixed where a byte from CUT to RESET stands, which no UTF-8 has.
 * Whatever is wrong stops the program with a word, since a stack alone would not say which promise
 * is broken. */
#ifndef TESTS_FUZZ_CLIENTS_H
#define TESTS_FUZZ_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/service.h"

enum {
    FUZZ_CUT = 0xf8,      /* the server reads what was sent before */
    FUZZ_OTHER = 0xf9,    /* what follows goes to the other connection */
    FUZZ_FINISH = 0xfa,   /* all requests that are under way are answered */
    FUZZ_HALF_END = 0xfb, /* the client says no more */
    FUZZ_RESET = 0xfc,    /* the client is gone without a word; what follows goes to a new one */
};

typedef struct fuzz_front {
    service *shared;
    int port;
    void (*run)(void);  /* what the server's loop does, but for finished calls */
    bool (*busy)(void); /* run has something to do at once */
    int (*left)(void);  /* requests that are received, run or answered */
    /* Of what a connection has heard first; may be called with none of it. */
    void (*check)(const char *heard, size_t bytes);
} fuzz_front;

typedef struct fuzz_client {
    const fuzz_front *front;
    int fd; /* -1: not connected */
    char heard[1024];
    size_t heard_bytes; /* what is more than has room is dropped */
} fuzz_client;

void fuzz_need(bool ok, const char *what);

void fuzz_dial(fuzz_client *c, const fuzz_front *front);
void fuzz_say(fuzz_client *c, const void *data, size_t bytes);
void fuzz_hear(fuzz_client *c);              /* what is there */
void fuzz_leave(fuzz_client *c, bool reset); /* not connected is fine */
void fuzz_step(const fuzz_front *front);     /* one turn of the loop */
void fuzz_settle(const fuzz_front *front);   /* until there is nothing to do but to wait */
void fuzz_hear_until(fuzz_client *c, const void *data, size_t bytes); /* it has heard this */

/* Both clients come, say all this, and leave. */
void fuzz_play(const fuzz_front *front, const uint8_t *data, size_t bytes);
/* Nothing is left of any request. */
void fuzz_finish(const fuzz_front *front);

#endif
