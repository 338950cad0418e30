/* What the tests of src/model share: a folder of their own, bytes of files, and words in messages.
 */
#ifndef TESTS_MODEL_SUPPORT_H
#define TESTS_MODEL_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cosrel/status.h"

/* Group setup and teardown: *state is the path of an empty folder, removed with all in it at the
 * end. */
int support_open(void **state);
int support_close(void **state);

/* FOLDER/NAME in `path` (room for 512). */
const char *support_path(char *path, void **state, const char *name);
void support_write(const char *path, const void *data, size_t bytes);
uint8_t *support_read(const char *path, size_t *bytes); /* free() it */
void support_folder(const char *path);

/* Fails unless `status` is as wanted and, for a failure, the sentence holds `words`. */
#define EXPECT(status, wanted, err, words)                                                         \
    support_expect(status, wanted, err, words, __FILE__, __LINE__)
void support_expect(cosrel_status status, cosrel_status wanted, const cosrel_error *err,
                    const char *words, const char *file, int line);

#endif
