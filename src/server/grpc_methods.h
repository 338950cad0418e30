/* The methods that are served, and answers of all but inference. */
#ifndef SERVER_GRPC_METHODS_H
#define SERVER_GRPC_METHODS_H

#include "server/grpc_answer.h"
#include "server/service.h"

typedef struct grpc_asking grpc_asking;

typedef struct grpc_method {
    const char *path;                          /* "/package.Service/Method" */
    unsigned right;                            /* auth_right that it takes */
    cosrel_status (*answer)(grpc_asking *now); /* NULL: inference, which grpc_call.c does; or: */
    cosrel_status (*begin)(grpc_asking *now, desk_task *task); /* answered when it is done */
} grpc_method;

const grpc_method *grpc_method_find(const char *path); /* NULL: none */

/* version: as clients write it, "": the highest. NULL: none, and err says so. */
cosrel_model *grpc_find_model(cosrel_runtime *rt, const char *name, const char *version,
                              cosrel_error *err);

typedef struct grpc_question {
    const grpc_method *method;
    const char *message;
    size_t bytes;
} grpc_question;

/* INVALID_FILE: the message is not the method's; NOT_FOUND, INVALID_ARGUMENT, OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status grpc_method_answer(service *s, const grpc_question *q, grpc_answer *a,
                                                cosrel_error *err);

/* Likewise of methods with `begin`; fills in what is asked for in the task (zeroed). OK: it is
 * under way, its owner is to be set at once, and grpc_method_end makes the answer when it is done.
 */
COSREL_CHECKED cosrel_status grpc_method_begin(service *s, const grpc_question *q, desk_task *task,
                                               cosrel_error *err);
COSREL_CHECKED cosrel_status grpc_method_end(const desk_task *task, grpc_answer *a,
                                             cosrel_error *err);

#endif
