/* The reference models: well-known architectures written as ONNX with seeded random weights.
 * Their cost is that of the real networks; they classify nothing. */
#ifndef ZOO_ZOO_H
#define ZOO_ZOO_H

#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"

typedef struct zoo_entry {
    const char *name;
    const char *summary;      /* one line: task, input, source of the architecture (paper, table) */
    int64_t params_published; /* trainable parameters as published */
    int64_t macs_published;   /* multiply-accumulates of one inference at batch 1, as published */
    const char *published_in; /* where those two numbers stand */
} zoo_entry;

/* What was really written, counted from the graph (batch 1). */
typedef struct zoo_counts {
    int64_t params;
    int64_t macs;
    size_t nodes;
    size_t bytes;
} zoo_counts;

/* The models in alphabetical order. */
size_t zoo_size(void);
const zoo_entry *zoo_at(size_t index);
const zoo_entry *zoo_find(const char *name); /* NULL if there is none of that name */

/* Writes the model to `path` in one stroke (see file_save). The same seed gives the same bytes.
 * `counts` may be NULL. Weights are drawn while they are
 * written, so this needs no memory to speak of. Any thread. */
COSREL_CHECKED cosrel_status zoo_write(const zoo_entry *entry, const char *path, uint64_t seed,
                                       zoo_counts *counts, cosrel_error *err);

#endif
