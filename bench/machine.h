/* Whose the machine was: a benchmark on a busy one says little, and has to say so. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

/* Seconds of CPU time that everything on this machine has used, what a hypervisor took included. */
double machine_busy_s(void);

#endif
