/* Filling a cosrel_error: every failing function says what and where in one sentence. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "cosrel/status.h"

/* Writes the sentence (err may be NULL) and returns `status`, so that a caller can `return
 * error_set(...)`. */
cosrel_status error_set(cosrel_error *err, cosrel_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* clang's analyser does not look into other files: this tells it that the status comes back. */
#ifdef __clang_analyzer__
#define error_set(err, status, ...) (error_set((err), (status), __VA_ARGS__), (status))
#endif

#endif
