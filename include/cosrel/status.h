/* Status codes: one table gives every code its name, value, text and HTTP status. */
#ifndef COSREL_STATUS_H
#define COSREL_STATUS_H

#include "cosrel/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, value, text, http). Values are stable: add at the end, never renumber. */
#define COSREL_STATUS_TABLE(X)                                                                     \
    X(OK, 0, "done", 200)                                                                          \
    X(INVALID_ARGUMENT, 1, "an argument is not allowed", 400)                                      \
    X(NOT_FOUND, 2, "not found", 404)                                                              \
    X(INVALID_MODEL, 3, "the model cannot be used", 400)                                           \
    X(INVALID_FILE, 4, "a file's contents are wrong", 400)                                         \
    X(OUT_OF_MEMORY, 5, "out of memory", 503)                                                      \
    X(IO, 6, "reading or writing failed", 500)                                                     \
    X(QUEUE_FULL, 7, "the queue is full", 429)                                                     \
    X(DEADLINE_EXCEEDED, 8, "the deadline has passed", 504)                                        \
    X(CANCELLED, 9, "cancelled", 499)                                                              \
    X(UNAVAILABLE, 10, "no processor can run this now", 503)                                       \
    X(RUN_FAILED, 11, "the inference failed", 500)                                                 \
    X(TIMEOUT, 12, "not finished in the given time", 504)                                          \
    X(CLOSED, 13, "the runtime is closing", 503)                                                   \
    X(UNSUPPORTED, 14, "not supported here", 501)                                                  \
    X(INTERNAL, 15, "an internal check failed", 500)

typedef enum cosrel_status {
#define COSREL_STATUS_ENUM(name, value, text, http) COSREL_##name = (value),
    COSREL_STATUS_TABLE(COSREL_STATUS_ENUM)
#undef COSREL_STATUS_ENUM
} cosrel_status;

/* One sentence for a person: which file, line or key, what is wrong, what would be right.
 * Functions that take a `cosrel_error *` accept NULL; they write it only when they fail. */
typedef struct cosrel_error {
    char text[512];
} cosrel_error;

/* The code's name ("QUEUE_FULL"), its text ("the queue is full") and its HTTP status. Never NULL;
 * any thread. */
COSREL_API const char *cosrel_status_name(cosrel_status status);
COSREL_API const char *cosrel_status_text(cosrel_status status);
COSREL_API int cosrel_status_http(cosrel_status status);

#ifdef __cplusplus
}
#endif

#endif
