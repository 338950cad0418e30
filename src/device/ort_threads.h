/* The threads of a session on several cores: each pinned to its core, of the class that the runtime
 * wants whoever makes the session, and asleep until the session's first run.
 *
 * A session that is made by a thread of the kernel's idle class would have its threads inherit that
 * for good (the way back wants a privilege). So that thread may name somebody else to start them.
 * And ONNX Runtime's threads spin for tens of milliseconds when they begin, in the hope of a run,
 * which would hold up whatever else their cores do. */
#ifndef DEVICE_ORT_THREADS_H
#define DEVICE_ORT_THREADS_H

#include <pthread.h>
#include <stdbool.h>

#include "device/device.h"
#include "device/ort.h"

/* As pthread_create, on some other thread. */
typedef int (*ort_threads_starter)(void *user, pthread_t *out, void *(*main)(void *), void *arg);

/* Sessions that the calling thread makes from now on have their threads started so; NULL: by
 * itself. */
void ort_threads_start_with(ort_threads_starter starter, void *user);

/* Those of one session. */
typedef struct ort_pool ort_pool;

/* OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status ort_pool_create(const device_spec *spec, ort_pool **out,
                                             cosrel_error *err);
void ort_pool_free(ort_pool *pool); /* after its session; NULL is fine */

/* For the options that the session is made with; `pool` outlives it. */
COSREL_CHECKED cosrel_status ort_pool_set(ort_pool *pool, OrtSessionOptions *options,
                                          cosrel_error *err);

/* Why a session that was not made was not: ONNX Runtime does not say. */
bool ort_pool_had_no_memory(const ort_pool *pool);

/* Before a run, any thread: from the first time on its threads are at work. */
void ort_pool_begin(ort_pool *pool);

#endif
