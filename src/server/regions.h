/* System shared memory that clients have registered: tensors lie there, and nobody copies them.
 *
 * A client may shrink its region after registering it; touching what is gone would end the process
 * with SIGBUS. As systemd does, a handler puts zeros in such a page's place, and the region counts
 * as broken from then on: what was read from it is not answered.
 *
 * Threads: the server's loop, but for region_is_broken and the handler. */
#ifndef SERVER_REGIONS_H
#define SERVER_REGIONS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "cosrel/status.h"

enum { REGIONS_MAX = 256, REGION_NAME_MAX = 255 };

typedef struct region {
    char *name, *key;
    uint64_t offset, bytes;
    char *mapping; /* from the page that `offset` lies in */
    size_t mapping_bytes;
    char *data; /* `bytes` of it */
    int users;  /* calls that point into it, and the table */
    atomic_bool broken;
} region;

typedef struct regions {
    region *all[REGIONS_MAX];
    int count;
} regions;

/* Installs the handler, if it is not there; each regions_add does. */
void regions_guard(void);

void regions_deinit(regions *r); /* zeroed is fine; no call may be under way */

/* `key` is shm_open's name: "/" and no other slash. INVALID_ARGUMENT: a name or key that cannot be,
 * a name that is taken, or a region that is shorter than it says; NOT_FOUND: no such key;
 * QUEUE_FULL: too many; IO, OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status regions_add(regions *r, const char *name, const char *key,
                                         uint64_t offset, uint64_t bytes, cosrel_error *err);

/* Calls under way keep what they use. NULL: all. NOT_FOUND. */
COSREL_CHECKED cosrel_status regions_remove(regions *r, const char *name, cosrel_error *err);

/* Memory [offset, offset + bytes) of a region; it stays until region_let_go. NOT_FOUND,
 * INVALID_ARGUMENT: beyond its end, or it is broken. */
COSREL_CHECKED cosrel_status regions_use(regions *r, const char *name, uint64_t offset,
                                         uint64_t bytes, region **used, void **data,
                                         cosrel_error *err);
void region_let_go(region *used); /* NULL is fine */

/* Its memory was taken away while somebody used it. Any thread. */
static inline bool region_is_broken(const region *used)
{
    return atomic_load(&used->broken);
}

/* [{"name":...,"key":...,"offset":...,"byte_size":...}], one or (NULL) all. NOT_FOUND. */
COSREL_CHECKED cosrel_status regions_describe(const regions *r, const char *name, text_builder *out,
                                              cosrel_error *err);

#endif
