/* Versions of a policy in a folder: policy-000007.cosrelp, each with its checksum
 * (nn/scorer_file.h). */
#ifndef LEARN_STORE_H
#define LEARN_STORE_H

#include "base/log.h"
#include "nn/scorer.h"

enum { STORE_KEPT = 8 };

/* The newest good one; *version is its number, also in the file. One that is damaged or foreign is
 * passed over with a warning that names it. The folder is made if it is not there. NOT_FOUND: there
 * is none; IO; OUT_OF_MEMORY. *newest: the highest number in the folder, good or not; 0: none. */
COSREL_CHECKED cosrel_status store_newest(const char *folder, const logger *log, scorer *net,
                                          uint64_t *version, uint64_t *newest, cosrel_error *err);

/* Writes one in one stroke, and removes all but the last STORE_KEPT. */
COSREL_CHECKED cosrel_status store_write(const char *folder, uint64_t version, const scorer *net,
                                         const char *note, cosrel_error *err);

/* It was taken back: it must not be used after a restart. */
void store_remove(const char *folder, uint64_t version);

#endif
