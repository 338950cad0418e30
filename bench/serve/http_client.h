/* One HTTP/1.1 connection that sends the same request again and again and reads just enough of the
 * answers: their status and where they end. It never blocks once it is connected; one thread. */
#ifndef BENCH_HTTP_CLIENT_H
#define BENCH_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_CLIENT_HEAD_MAX = 4096 };

typedef struct http_client {
    int fd, epoll_fd;
    const char *request; /* as it goes over the wire; stays where it is */
    size_t request_bytes, sent;
    bool waits_for_room;             /* in the socket, to send on */
    char head[HTTP_CLIENT_HEAD_MAX]; /* of the answer, until its headers are complete */
    size_t head_bytes;
    int64_t left; /* of its body; < 0: the headers are not complete */
    int status;   /* of the last answer */
} http_client;

/* All of these end the program, with a line on standard error, when the connection fails. */

/* To a port of the loopback. epoll_fd will report events with data.ptr = c. */
void http_client_open(http_client *c, int port, int epoll_fd);
void http_client_close(http_client *c);

void http_client_begin(http_client *c, const char *request, size_t bytes);

/* What epoll has reported: sends on, or reads. True when the answer is complete. */
bool http_client_event(http_client *c, uint32_t events);

#endif
