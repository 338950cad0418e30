/* The live picture over HTTP: the page at /, its files and its stream below /live.
 *
 * The stream is a response without end: suspended while its viewer has nothing to read, resumed
 * with the next snapshot.
 *
 * Threads: the server's loop only. */
#ifndef SERVER_LIVE_HTTP_H
#define SERVER_LIVE_HTTP_H

#include <microhttpd.h>
#include <stdbool.h>

#include "server/request_note.h"
#include "server/service.h"

typedef struct live_http live_http;

COSREL_CHECKED cosrel_status live_http_create(service *shared, live_http **out, cosrel_error *err);
void live_http_end(live_http *h);  /* ends all streams; NULL is fine */
void live_http_free(live_http *h); /* NULL is fine; after the daemon was stopped */

/* Whether the route is one of the live picture's; *body_max: how much body it takes, 0: none. */
bool live_http_has(const char *url, size_t *body_max);

typedef struct live_request {
    const char *url, *method;
    struct MHD_Connection *connection;
    request_note *note; /* until the request is over */
    unsigned rights;    /* auth_right */
    const char *body;
    size_t body_bytes;
} live_request;

/* The page and its files are for everybody, since a browser cannot send a token with the first
 * request, and they tell nothing; the stream needs AUTH_READ, the objective AUTH_ADMIN. */
enum MHD_Result live_http_answer(live_http *h, const live_request *request);

void live_http_tick(live_http *h);
int live_http_due_ms(const live_http *h); /* until the next tick; -1: none is needed */

#endif
