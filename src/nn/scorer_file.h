/* A policy as a file: the network with its shape, what it was trained on, and a checksum.
 *
 *     bytes 0..7    "COSRELP\n"
 *     8..11         format, 1             all numbers little-endian
 *     12..15        features: the meaning of the inputs (sched/observe.h); another one is refused
 *     16..31        shape: candidate inputs, state inputs, first, second (uint32 each)
 *     32..39        version: how many promotions lie behind it (uint64)
 *     40..43        bytes of the note
 *     then          the note (UTF-8: how it was trained), the parameters (float32), XXH64 of all
 * before
 */
#ifndef NN_SCORER_FILE_H
#define NN_SCORER_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "nn/scorer.h"

enum { SCORER_FILE_BYTES_MAX = 1 << 20, SCORER_NOTE_MAX = 1 << 14 };

typedef struct scorer_about {
    uint32_t features;
    uint64_t version;
    uint64_t checksum; /* of the file; set by reading */
    char *note;        /* malloc'ed, never NULL after reading */
} scorer_about;

/* NOT_FOUND, IO; INVALID_FILE: not a policy, of another format, of another meaning of inputs than
 * `shape` and `features` say, damaged (checksum), parameters that are not finite; err says which.
 */
COSREL_CHECKED cosrel_status scorer_read(const char *path, const scorer_shape *inputs,
                                         uint32_t features, scorer *net, scorer_about *about,
                                         cosrel_error *err);

/* The same from memory; `name` is for messages. */
COSREL_CHECKED cosrel_status scorer_parse(const char *name, const void *data, size_t bytes,
                                          const scorer_shape *inputs, uint32_t features,
                                          scorer *net, scorer_about *about, cosrel_error *err);

/* Writes in one stroke. about->checksum is set. IO, OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status scorer_write(const char *path, const scorer *net, scorer_about *about,
                                          cosrel_error *err);

void scorer_about_deinit(scorer_about *about); /* zeroed is fine */

#endif
