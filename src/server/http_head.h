/* What the head of an HTTP request says beside its route: who asks, under which name, from which
 * page, and with which id.
 *
 * Threads: the server's loop only. */
#ifndef SERVER_HTTP_HEAD_H
#define SERVER_HTTP_HEAD_H

#include <microhttpd.h>

#include "server/hosts.h"
#include "server/request_note.h"

typedef struct http_head {
    unsigned rights; /* auth_right */
    int token;       /* auth_find */
} http_head;

/* 0, or the status to refuse the request with: *why it is, also as it counts. The note is filled in
 * either way. */
int http_head_read(struct MHD_Connection *connection, service *s, const host_names *names,
                   size_t bytes_max, http_head *out, request_note *note, const char **why);

/* X-Request-ID, where the request had one. */
void http_head_echo(struct MHD_Connection *connection, struct MHD_Response *response);

#endif
