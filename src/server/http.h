/* The Open Inference Protocol over HTTP/1.1.
 *
 * libmicrohttpd does HTTP; it has no thread of its own but runs when the server's loop says so, so
 * that nothing here needs a lock. A request for an inference is suspended until the runtime has
 * answered it.
 *
 * Threads: the loop's only. */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include "server/service.h"

typedef struct http_server http_server;

typedef struct http_options {
    const char *address;     /* "127.0.0.1:8000", "[::1]:0"; port 0: any that is free */
    size_t body_max;         /* bytes; 0: 64 MB */
    unsigned connection_max; /* 0: 1024 */
    size_t header_max;       /* bytes of a request's line and headers; 0: 8 KB */
    const char *allow_hosts; /* hosts_init; NULL: none but those of loopback */
    int64_t patience_ns;     /* for the head of a client's first request, and what bodies may take
                                beside     the time for their bytes; 0: 60 s */
} http_options;

/* INVALID_ARGUMENT: the address; IO: it cannot be listened on. */
COSREL_CHECKED cosrel_status http_create(const http_options *options, service *shared,
                                         http_server **out, cosrel_error *err);
void http_free(http_server *s); /* NULL is fine; no call may be under way */

int http_port(const http_server *s);
int http_epoll_fd(const http_server *s);      /* readable: http_run has something to do */
int http_handshakes_fd(const http_server *s); /* another such; -1: there is none */
void http_run(http_server *s);
/* Until http_run is due by itself; -1: only when the fd is readable. */
int http_timeout_ms(http_server *s);

/* Cancels the calls of clients that have closed their connection, and ends connections that wait
 * for such, or do not finish their TLS handshake. Now and then: nothing else would notice
 * (http_peers.h). */
void http_look_for_gone(http_server *s);

/* Requests for inferences that are being received, run or answered. */
int http_inferences(const http_server *s);

/* Accepts no more connections; those that are there are served to their request's end. */
void http_drain(http_server *s);
#endif
