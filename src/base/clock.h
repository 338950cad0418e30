/* The clocks that the drivers read. The core, the policies and the simulator never include this:
 * they are given times. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>

/* All in nanoseconds; any thread. */
int64_t clock_now_ns(void);                /* monotonic, from an arbitrary start */
int64_t clock_thread_cpu_ns(void);         /* CPU time that the calling thread has used */
int64_t clock_cpu_of_ns(pthread_t thread); /* CPU time that a living thread has used */
int64_t
clock_process_cpu_ns(void); /* CPU time of all threads of this process, ended ones included */

#endif
