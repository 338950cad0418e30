/* Which of HTTP's clients have gone, or have said all that they will say.
 *
 * While a request waits for the runtime its connection is suspended, and the library does not look
 * at it. And whoever leaves right after the first part of a request is not noticed by the library
 * at all before its timeout: it reads as much as is there, waits for the next edge of its epoll,
 * and the end of the stream was part of the last one. So every connection is watched a second time
 * here.
 *
 * Threads: the server's loop only. */
#ifndef SERVER_HTTP_PEERS_H
#define SERVER_HTTP_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "cosrel/status.h"

typedef struct http_peer http_peer;

typedef struct http_peers {
    int epoll_fd;               /* -1: none */
    http_peer *oldest, *newest; /* of those that have not asked for anything yet */
} http_peers;

struct http_peer {
    int fd;
    int looks; /* at a stream that has ended */
    int64_t began_ns;
    bool fresh;                /* it has not asked for anything yet */
    http_peer *before, *after; /* fresh ones, in order of coming */
    /* The front end's. */
    void *call; /* the request that is being served; NULL: none */
    void *tls;
};

/* IO. */
COSREL_CHECKED cosrel_status http_peers_init(http_peers *p, cosrel_error *err);
void http_peers_deinit(http_peers *p);

/* NULL: no memory; such a connection is not watched. */
http_peer *http_peers_add(http_peers *p, int fd, int64_t now_ns);
void http_peers_remove(http_peers *p, http_peer *peer); /* before fd is closed; NULL is fine */

/* It asks for something: the head of a request is there. */
void http_peers_asks(http_peers *p, http_peer *peer);

/* Ends those that have not asked for anything since before `begun_ns`: a head that comes byte by
 * byte keeps the library's own timeout away for ever. (One that has asked before may; a place that
 * was paid for with a request is not worth a second clock.) */
void http_peers_end_fresh(http_peers *p, int64_t begun_ns);

/* Calls `gone` for each that says no more. Now and then: each call says it again. */
void http_peers_look(http_peers *p, void (*gone)(http_peer *peer));

/* One that says no more, while the library still waits for it: ends the connection so that the
 * library sees it, unless there is something left to be read. */
void http_peer_end(http_peer *peer);

#endif
