/* How much memory the bodies of all requests may take together, over HTTP and gRPC.
 *
 * What counts is what has come in, not what was promised: a client that announces much and sends
 * little keeps nobody out. A body that does not fit is refused and let go at once, whether it was
 * new or half there; none ever waits for memory, so that half-received ones cannot wait for each
 * other.
 *
 * Threads: the server's loop only. */
#ifndef SERVER_BODIES_H
#define SERVER_BODIES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct body_memory {
    size_t max, used; /* bytes */
} body_memory;

/* Whether so many bytes would fit now; nothing is taken. */
static inline bool bodies_fit(const body_memory *b, size_t bytes)
{
    return bytes <= b->max - b->used;
}

/* False: they do not fit. */
static inline bool bodies_take(body_memory *b, size_t bytes)
{
    if (!bodies_fit(b, bytes))
        return false;
    b->used += bytes;
    return true;
}

static inline void bodies_give(body_memory *b, size_t bytes)
{
    b->used -= bytes;
}

#endif
