/* A client that does not wait: requests are due at random times of a given rate (a Poisson
 * process), whatever has become of those before, as when they come from many people who know
 * nothing of each other. One thread, epoll; each request takes an idle connection or opens one.
 *
 * Latency counts from the time a request was due, not from when it was sent: a server that stalls
 * must not be let off the requests that could not be sent meanwhile (coordinated omission). How
 * late the generator itself was is told apart. */
#ifndef BENCH_OPEN_LOAD_H
#define BENCH_OPEN_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/hist.h"

typedef struct open_load {
    int port;
    const char *request; /* headers and body as they go over the wire */
    size_t request_bytes;
    double rate; /* requests/s */
    double seconds;
    int64_t in_time_ns; /* an answer that comes later after the request was due is late; 0: never */
    uint64_t seed;
    void (*each_second)(void *user); /* NULL: nobody */
    void *user;
} open_load;

/* Answers that came within the seconds; what was under way at the end is `unanswered`. */
typedef struct open_load_result {
    uint64_t due;           /* requests */
    uint64_t in_time, late; /* 200 */
    uint64_t refused;       /* 429: the queue is full */
    uint64_t expired;       /* 504: the deadline cannot be met */
    uint64_t other;
    uint64_t unanswered;
    int connections; /* opened */
    double seconds;
    hist latency_ns; /* of the 200s, from when they were due */
    hist behind_ns;  /* how long after it was due a request was sent */
} open_load_result;

/* Ends the program, with a line on standard error, if it cannot connect or is not understood. */
void open_load_run(const open_load *load, open_load_result *out);

#endif
