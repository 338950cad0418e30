/* A file that somebody else writes in calls of any size, put on the disk in small pieces.
 *
 * A thread of the kernel's idle class that writes megabytes in one call keeps the core from others
 * until the call has returned, or for two ticks (Linux 6.18, preemption "lazy": 8 ms). Where the
 * call is a library's, a named pipe takes its place: the writer sleeps whenever the pipe is full,
 * and a thread of ours moves what is in it on. */
#ifndef BASE_FILE_RELAY_H
#define BASE_FILE_RELAY_H

#include <stdbool.h>

typedef struct file_relay file_relay;

/* `path`, which must not be there, is a named pipe from now on. The thread that moves on what is
 * written into it is of the calling thread's class. NULL: it cannot be (no memory or thread, no
 * pipes on this file system); then there is nothing at `path`, to be written as ever. */
file_relay *file_relay_begin(const char *path);

/* Once all is written. Then `path` is a file that holds it, or not there if nothing was written.
 * False: the disk did not take it, and nothing is there. Frees the relay. NULL does nothing,
 * successfully. */
bool file_relay_end(file_relay *relay);

#endif
