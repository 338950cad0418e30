/* Takes the tensors' numbers out of a request's JSON before a general reader sees it: each array
 * under inputs[].data is replaced by its index, so that what remains is small. */
#ifndef SERVER_JSON_SPANS_H
#define SERVER_JSON_SPANS_H

#include <stddef.h>

#include "cosrel/status.h"

typedef struct json_span {
    size_t at, length; /* in the text: an array, its brackets included */
} json_span;

/* Writes the slimmed text, `*slim_length` bytes, to `slim` (room for `length` + 1 bytes: it is
 * never longer) and up to `max` spans. Whether the rest is JSON at all is for its reader to say.
 * INVALID_ARGUMENT: an array that does not end, or more than `max`. */
COSREL_CHECKED cosrel_status json_spans_take(const char *text, size_t length, char *slim,
                                             size_t *slim_length, json_span *spans, size_t max,
                                             size_t *count, cosrel_error *err);

#endif
