/* What a model's files hold, and whether somebody has written to them since: its own file and the
 * weights beside it.
 *
 * Whoever puts a model in place by a rename gives us the old file or the new one. Others write into
 * the file while we read it. So nothing is read before it has been left alone for a moment, what
 * the kernel says of every file (its length and times) is folded into a stamp before it is read,
 * and that stamp must be the same after. Nothing is mapped: a mapping ends with SIGBUS where
 * the file is cut off under it. */
#ifndef MODEL_ONNX_CONTENT_H
#define MODEL_ONNX_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"

/* Zeroed: of no file. */
typedef struct onnx_content {
    char hash[33];             /* onnx_file_hash, as text */
    uint64_t stamp;            /* of all files */
    uint64_t bytes;            /* of all files */
    char **external_locations; /* as the model names them; the strings lie behind the pointers */
    char **external_paths;
    size_t external_count;
} onnx_content;

/* Reads and checks the whole model. Waits while it is being written to, half a second at most. As
 * onnx_file_open; IO too: it did not stay the same while it was read. On failure nothing is left to
 * free. */
COSREL_CHECKED cosrel_status onnx_content_read(const char *path, onnx_content *out,
                                               cosrel_error *err);
void onnx_content_deinit(onnx_content *content);

/* Whether the files are those that were read, and nobody has written to them since. */
bool onnx_content_is_current(const onnx_content *content, const char *path);

#endif
