/* Whole files: read at once, and write so that a reader never sees half of one. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cosrel/status.h"

/* Reads all of `path`; *data gets one extra zero byte after the end (not counted). free() it.
 * Files over max_bytes are refused before anything is read. */
COSREL_CHECKED cosrel_status file_read(const char *path, size_t max_bytes, char **data,
                                       size_t *bytes, cosrel_error *err);

/* Writing in one stroke: a temporary file beside `path`, renamed over it by file_save_commit after
 * fsync. kill -9 at any time leaves the old file or the new one. file_save_abort removes the
 * temporary file; both end the save and accept one that never began. */
typedef struct file_save {
    FILE *stream;
    char *path;
    char *temporary;
} file_save;
COSREL_CHECKED cosrel_status file_save_begin(file_save *save, const char *path, cosrel_error *err);
COSREL_CHECKED cosrel_status file_save_commit(file_save *save, cosrel_error *err);
void file_save_abort(file_save *save);

/* Creates a folder and those above it; no error if it is there. */
COSREL_CHECKED cosrel_status file_make_folder(const char *path, cosrel_error *err);

/* "a" + "b" -> "a/b", malloc'ed; NULL when out of memory. */
char *file_join(const char *folder, const char *name);

#endif
