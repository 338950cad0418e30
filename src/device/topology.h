/* The CPU cores this process may use, as the kernel describes them. */
#ifndef DEVICE_TOPOLOGY_H
#define DEVICE_TOPOLOGY_H

#include "cosrel/status.h"

enum { TOPOLOGY_CORES_MAX = 256 };

typedef struct topology_core {
    int cpu;      /* logical CPU number: the first allowed hardware thread of the core */
    int capacity; /* cpu_capacity (the fastest core: 1024), or 0 where the kernel reports none */
} topology_core;

typedef struct topology {
    topology_core cores[TOPOLOGY_CORES_MAX]; /* ascending by cpu */
    int core_count;
    char cpu_name[96]; /* "AMD EPYC 7B13", or "CPU" */
} topology;

/* Reads /sys and /proc below `root` ("" on a real machine; a folder with copies of them in tests).
 * Hardware threads of one core count once. Only CPUs in this process's affinity mask are listed,
 * or, with a root, all. Blocks on file reads. */
COSREL_CHECKED cosrel_status topology_read(const char *root, topology *t, cosrel_error *err);

#endif
