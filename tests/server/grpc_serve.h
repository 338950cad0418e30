/* A server with tiny models on a thread of its own, for tests of gRPC. */
#ifndef TESTS_GRPC_SERVE_H
#define TESTS_GRPC_SERVE_H

#include "server/server.h"

extern cosrel_runtime *served_rt;
extern int served_port; /* gRPC's */

/* cmocka's group setup and teardown: add, multi, words (BYTES), bytes (INT8), relu and slow (about
 * 0.1 s a run); messages of up to 8000000 bytes. */
int serve_start(void **state);
int serve_stop(void **state);

/* Another server on the same runtime, with limits of its own; addresses are filled in. */
typedef struct serving serving;
serving *serve_more(const server_options *limits, int *port);
void serve_end(serving *s); /* waits until it has drained */

#endif
