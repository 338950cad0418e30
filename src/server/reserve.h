/* How long before a client's deadline a run has to be over.
 *
 * The runtime drops what even the shortest run would end too late for. But a run in a batch takes
 * longer than that, runs differ, and the answer still has to get out of a busy server. Under
 * overload all of that decides: the head of the queue is always what can just be met, so without a
 * reserve nearly every answer comes a little late, and the processors work for nobody. So each
 * model's answers tell how long after the deadline that the runtime was given they went out, and
 * that deadline lies so much before the client's: the greatest of late, halved every two seconds.
 * (A mean and its deviation, as TCP estimates its time-out, forget within a batch or two.) It costs
 * little: under overload others wait that can be met, and below it nothing waits for so long. With
 * no answers late there is nothing to reserve.
 *
 * Threads: the server's loop only. Zeroed: nothing is known. Times are of the monotonic clock. */
#ifndef SERVER_RESERVE_H
#define SERVER_RESERVE_H

#include <stdint.h>

typedef struct reserve {
    double kept_ns; /* as it was at... */
    int64_t at_ns;
} reserve;

/* The runtime's deadline for a client's, both from now; 0: none. At least half of the client's, so
 * that what others have met does not shut a short one out. */
int64_t reserve_deadline_ns(const reserve *r, int64_t now_ns, int64_t timeout_ns);

/* An answer is sent so long after the runtime's deadline; <= 0: before it. */
void reserve_learn(reserve *r, int64_t now_ns, int64_t over_ns);

#endif
