/* A gRPC client for tests, on nghttp2's client side: well-behaved by default, and able to send what
 * no good client would. Everything that is to be sent is gathered first, so that a test may cut it
 * where it likes. Failing to connect or waiting for too long fails the test. */
#ifndef TESTS_GRPC_CLIENT_H
#define TESTS_GRPC_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nghttp2/nghttp2.h>

#include "base/text.h"
#include "tls_peer.h"

enum { CLIENT_STREAMS_MAX = 512 };

typedef struct grpc_reply {
    int http;                                            /* 0: no headers yet */
    int code;                                            /* grpc-status; -1: none */
    char message[512];                                   /* as it came */
    char request_id[160], retry_after[16], pushback[16]; /* likewise; "": none */
    text_builder data;                                   /* with the prefix */
    bool closed;                                         /* the stream has ended */
    uint32_t error;                                      /* what ended it */
} grpc_reply;

typedef struct grpc_ask {
    const char *path;                        /* NULL: ModelInfer's */
    const char *method;                      /* NULL: POST */
    const char *type;                        /* NULL: application/grpc */
    const char *timeout;                     /* NULL: none */
    const char *token;                       /* "Bearer ..."; NULL: none */
    const char *request_id, *agent, *filler; /* of metadata; NULL: none */
    const void *body;                        /* with its prefix; copied */
    size_t bytes;
    bool unended; /* the client's side stays open */
} grpc_ask;

typedef struct grpc_client {
    int fd;
    tls_peer *tls; /* NULL: clear text */
    nghttp2_session *session;
    text_builder out; /* gathered */
    grpc_reply replies[CLIENT_STREAMS_MAX];
    struct ask_body *bodies[CLIENT_STREAMS_MAX];
    bool over; /* the server has closed the connection */
    bool told_to_go;
    int pongs;
} grpc_client;

#define METHOD(name) "/inference.GRPCInferenceService/" name

int client_dial(int port); /* a plain socket that waits 30 s at most */
grpc_client *client_open(int port);
grpc_client *client_open_on(tls_peer *tls); /* takes it over */
void client_close(grpc_client *c);

/* Gathers a request; the number of its reply. */
int client_ask(grpc_client *c, const grpc_ask *ask);

void client_gather(grpc_client *c); /* what nghttp2 wants to send, into c->out */
void client_say(int fd, const char *data, size_t bytes); /* a peer that is gone is fine */
void client_flush(grpc_client *c);                       /* gathers, sends */
void client_hear(grpc_client *c);                        /* reads once; sends what that asks for */
const grpc_reply *client_wait(grpc_client *c, int reply);
void client_send_all(grpc_client *c, int reply); /* until its body is sent, as windows allow */

/* One call on a connection of its own; text_deinit(&data) is the caller's. */
grpc_reply client_call(int port, const grpc_ask *ask);

/* A message with its prefix. */
void client_frame(text_builder *out, const void *message, size_t bytes);

#endif
