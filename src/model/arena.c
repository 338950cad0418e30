#include "model/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 16 * 1024, ALIGN_BYTES = 16 };

struct arena_chunk {
    arena_chunk *next;
    size_t bytes;
    _Alignas(ALIGN_BYTES) unsigned char data[];
};

static int add_chunk(arena *a, size_t least)
{
    const size_t bytes = least > CHUNK_BYTES ? least : CHUNK_BYTES;
    arena_chunk *chunk = malloc(sizeof *chunk + bytes);
    if (!chunk)
        return 0;
    chunk->next = a->chunks;
    chunk->bytes = bytes;
    a->chunks = chunk;
    a->left = bytes;
    a->taken_bytes += bytes;
    return 1;
}

void *arena_take(arena *a, size_t bytes)
{
    if (bytes > SIZE_MAX / 4)
        return NULL;
    bytes = (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    if (a->left < bytes) {
        if (a->bytes_max && a->taken_bytes + bytes > a->bytes_max) {
            a->refused = true;
            return NULL;
        }
        if (!add_chunk(a, bytes)) {
            a->failed = true;
            return NULL;
        }
    }
    void *at = a->chunks ? a->chunks->data + (a->chunks->bytes - a->left) : NULL;
    a->left -= bytes;
    return at ? memset(at, 0, bytes) : NULL;
}

char *arena_copy(arena *a, const void *text, size_t bytes)
{
    if (bytes >= SIZE_MAX / 4)
        return NULL;
    char *copy = arena_take(a, bytes + 1);
    if (copy && bytes > 0)
        memcpy(copy, text, bytes);
    return copy;
}

void arena_deinit(arena *a)
{
    while (a->chunks) {
        arena_chunk *next = a->chunks->next;
        free(a->chunks);
        a->chunks = next;
    }
    memset(a, 0, sizeof *a);
}
