/* The methods that are served, and answers of those that only tell what is there. */
#ifndef SERVER_GRPC_METHODS_H
#define SERVER_GRPC_METHODS_H

#include "cosrel/runtime.h"
#include "server/grpc_answer.h"

typedef enum grpc_method {
    GRPC_UNKNOWN_METHOD,
    GRPC_SERVER_LIVE,
    GRPC_SERVER_READY,
    GRPC_MODEL_READY,
    GRPC_SERVER_METADATA,
    GRPC_MODEL_METADATA,
    GRPC_MODEL_INFER,
    GRPC_HEALTH_CHECK,
} grpc_method;

grpc_method grpc_method_find(const char *path); /* "/package.Service/Method" */

/* version: as clients write it, "": the highest. NULL and NOT_FOUND: none. */
cosrel_model *grpc_find_model(cosrel_runtime *rt, const char *name, const char *version,
                              cosrel_error *err);

typedef struct grpc_question {
    grpc_method method; /* none but MODEL_INFER, UNKNOWN */
    const char *message;
    size_t bytes;
    bool draining;
} grpc_question;

/* INVALID_FILE: the message is not the method's; NOT_FOUND, OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status grpc_method_answer(cosrel_runtime *rt, const grpc_question *q,
                                                grpc_answer *a, cosrel_error *err);

#endif
