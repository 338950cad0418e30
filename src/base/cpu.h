/* Where and how the calling thread runs: its logical CPUs, its class, its name. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>

#include "cosrel/status.h"

/* More than any edge device has; a bigger machine shows its first 256 allowed CPUs. */
enum { CPU_LIST_MAX = 256 };

/* Logical CPU numbers as the kernel counts them. The functions here give them ascending and without
 * repeats. */
typedef struct cpu_list {
    size_t count;
    int cpus[CPU_LIST_MAX];
} cpu_list;

/* Adds in order; false if the list is full or the number is not one a CPU can have. A repeat
 * changes nothing. */
bool cpu_list_add(cpu_list *list, int cpu);
bool cpu_list_has(const cpu_list *list, int cpu);

/* The CPUs that the calling thread may use (taskset, cgroup cpusets). */
COSREL_CHECKED cosrel_status cpu_allowed(cpu_list *out, cosrel_error *err);

/* Keeps the calling thread, and threads it starts from now on, on these CPUs.
 * INVALID_ARGUMENT: the list is empty or none of its CPUs is there. */
COSREL_CHECKED cosrel_status cpu_pin_self(const cpu_list *cpus, cosrel_error *err);

/* Makes the calling thread one of the kernel's SCHED_IDLE class: any normal thread on its CPU
 * pre-empts it at once, and it gets what they leave (about 0.3 % under full load). Threads that it
 * starts from now on inherit that (SCHED_RESET_ON_FORK is for real-time classes). Needs no
 * privilege; the way back does. */
COSREL_CHECKED cosrel_status cpu_background_self(cosrel_error *err);
bool cpu_is_background_self(void);

/* Names the calling thread for ps, perf and gdb; the kernel keeps the first 15 bytes. */
void cpu_name_self(const char *name);

#endif
