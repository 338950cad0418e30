/* Calls that the runtime has answered, on their way from its threads to the server's loop. */
#ifndef SERVER_FINISHED_H
#define SERVER_FINISHED_H

#include <stdatomic.h>
#include <stdbool.h>

#include "cosrel/status.h"
#include "server/infer_call.h"

struct finished_calls {
    _Atomic(infer_call *) newest; /* a stack; any thread pushes, the loop takes all */
    _Atomic bool sleeping;        /* the loop sleeps, or is about to: it must be woken */
    atomic_int pushing;           /* threads within finished_push: deinit waits for them */
    int wake_fd;                  /* an eventfd in the loop's epoll set */
};

/* IO. */
COSREL_CHECKED cosrel_status finished_init(finished_calls *f, cosrel_error *err);
void finished_deinit(finished_calls *f);

void finished_push(finished_calls *f, infer_call *call); /* any thread; never blocks */
void finished_wake(finished_calls *f);                   /* any thread: the loop looks around */

/* The loop's. Those that came first first; linked by `next`; NULL: none. */
infer_call *finished_take(finished_calls *f);

/* Says that the loop is going to sleep on wake_fd. False: something has come meanwhile, it must
 * not. */
bool finished_may_sleep(finished_calls *f);
void finished_woke(finished_calls *f);

#endif
