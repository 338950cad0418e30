/* A server over a real runtime with small models ("add", "multi", "words", "slow": tiny_onnx.h), on
 * a thread of its own, and a client that says byte by byte what a test wants. Failures fail the
 * test. */
#ifndef TESTS_SERVING_H
#define TESTS_SERVING_H

#include <stddef.h>

#include "server/server.h"

extern cosrel_runtime *serving_runtime;

/* 0: it serves, a folder with those models. */
int serving_start(const server_options *options);
/* A file in that folder; the test removes what it adds. */
void serving_path(char *out, size_t room, const char *name);
int serving_stop(void **state);

/* The server alone, to end it and begin another on the same runtime. */
int serving_begin(const server_options *options);
void serving_end(void);
int serving_grpc_port(void);

typedef struct reply {
    int status;
    char head[4096];
    char body[65536];
    size_t body_bytes;
} reply;

int dial(void);                      /* a connection */
int dial_slowly(int receive_buffer); /* one with little room for answers that are not read */
void say(int fd, const char *data, size_t bytes);

/* One answer; all its headers and as much body as Content-Length says. */
void hear(int fd, reply *r);

/* One request on a connection of its own; `headers` end in CRLF each. */
void ask(const char *method, const char *path, const char *headers, const char *body, size_t bytes,
         reply *r);
void post(const char *path, const char *json, reply *r);

/* Fails unless the answer has this status and its body holds the text. */
void says(const reply *r, int status, const char *text);

#endif
