/* Filling a cosrel_error: every failing function says what and where in one sentence. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "cosrel/status.h"

/* Writes the sentence (err may be NULL) and returns `status`, so that a caller can `return error_set(...)`. */
cosrel_status error_set(cosrel_error *err, cosrel_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
