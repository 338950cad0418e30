/* Makes the n-th allocation fail. For tests that link cosrel_failing_alloc: malloc, calloc,
 * realloc, aligned_alloc, strdup and strndup of all that is linked statically go through it; those
 * of shared libraries do not. */
#ifndef TESTS_FAILING_ALLOC_H
#define TESTS_FAILING_ALLOC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* So many allocations from now on one fails, whichever thread asks; 0: it has failed, or none is
 * to. */
extern atomic_long failing_alloc_left;

/* The calling thread's allocations are neither counted nor made to fail: the test's own. */
extern _Thread_local bool failing_alloc_spared;

/* Counts one, for allocators that a library is given: true if it is to fail. */
bool failing_alloc_now(void);

/* Never counted. */
void *failing_alloc_malloc(size_t bytes);

#endif
