/* Many small pieces that live and die together: names and shapes of one model. Bounded, so that a
 * hostile file cannot ask for all memory. Zeroed: empty. */
#ifndef MODEL_ARENA_H
#define MODEL_ARENA_H

#include <stdbool.h>
#include <stddef.h>

typedef struct arena_chunk arena_chunk;

typedef struct arena {
    arena_chunk *chunks;
    size_t left;        /* bytes free in the newest chunk */
    size_t taken_bytes; /* over all chunks */
    size_t bytes_max;   /* 0: no limit */
    bool refused;       /* something was not given because of the limit */
    bool failed;        /* or because there was no memory */
} arena;

/* Zeroed memory, aligned for any type; NULL if there is none or the limit is reached. */
void *arena_take(arena *a, size_t bytes);
/* A NUL-terminated copy. */
char *arena_copy(arena *a, const void *text, size_t bytes);
void arena_deinit(arena *a);

#endif
