/* A client that keeps some HTTP connections busy: each sends the same request again as soon as it
 * is answered. One thread, epoll. */
#ifndef BENCH_HTTP_LOAD_H
#define BENCH_HTTP_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/hist.h"

typedef struct http_load {
    int port;
    int connections;
    const char *request; /* headers and body as they go over the wire */
    size_t request_bytes;
    double seconds;
} http_load;

typedef struct http_load_result {
    uint64_t answered, refused; /* 200; anything else */
    double seconds;
    hist latency_ns; /* of the answered */
} http_load_result;

/* Ends the program, with a line on standard error, if it cannot connect or is not understood. */
void http_load_run(const http_load *load, http_load_result *out);

/* Opens connections that have each been answered once and then stay idle; fds: room for `count`.
 * Ends the program likewise. */
void http_load_idle(int port, int count, int *fds);

#endif
