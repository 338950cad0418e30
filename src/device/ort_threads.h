/* The threads of sessions on several cores: each pinned to its core, and of the class that the
 * runtime wants, whoever makes the session.
 *
 * A session that is made by a thread of the kernel's idle class would have its threads inherit that
 * for good (the way back wants a privilege). So that thread may name somebody else to start them.
 *
 * Threads: any; what is set holds for the calling thread. */
#ifndef DEVICE_ORT_THREADS_H
#define DEVICE_ORT_THREADS_H

#include <pthread.h>

#include "device/device.h"
#include "device/ort.h"

/* As pthread_create, on some other thread. */
typedef int (*ort_threads_starter)(void *user, pthread_t *out, void *(*main)(void *), void *arg);

/* Sessions that this thread makes from now on have their threads started so; NULL: by itself. */
void ort_threads_start_with(ort_threads_starter starter, void *user);

/* Options of a session on spec->core_count cores, more than one. Their CreateSession must be called
 * on this thread, before the next one's options are made, while `spec` is there. */
COSREL_CHECKED cosrel_status ort_threads_set(const device_spec *spec, OrtSessionOptions *options,
                                             cosrel_error *err);

#endif
