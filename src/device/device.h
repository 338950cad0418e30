/* What a processor is made of, before any model is loaded on it. */
#ifndef DEVICE_DEVICE_H
#define DEVICE_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "cosrel/status.h"

enum { DEVICE_NAME_MAX = 64, DEVICE_CORES_MAX = 64, DEVICE_OPTIONS_MAX = 32, DEVICE_MAX = 64 };

typedef enum device_kind { DEVICE_CPU, DEVICE_GPU, DEVICE_PROVIDER, DEVICE_EMULATED } device_kind;

typedef struct device_option {
    char key[64];
    char value[192];
} device_option;

typedef struct device_spec {
    char name[DEVICE_NAME_MAX]; /* "cpu0", "cpu0-1", "gpu0", or as configured */
    device_kind kind;
    char provider[48]; /* ONNX Runtime's name of the execution provider; "" for CPU and emulated */
    char description[160];
    int cores[DEVICE_CORES_MAX]; /* logical CPUs that its thread and its session's threads are
                                    pinned to */
    int core_count;              /* 0: not pinned */
    uint64_t units;  /* resource units; bits shared with another spec exclude each other */
    bool background; /* a twin with pre-emptible runs is wanted beside it */
    bool software;   /* a GPU that a CPU pretends to be */
    bool one_call;   /* its provider takes one call at a time, a run or a load, of all its
                        processors and sessions together; set by device_add */
    device_option
        options[DEVICE_OPTIONS_MAX]; /* for the provider, as its documentation names them */
    int option_count;
    char table_path[256]; /* emulated: the device table, and the name of the processor in it */
    char table_processor[DEVICE_NAME_MAX];
    const struct device_table *table; /* emulated: that table, read; not owned */
    int fail_every;                   /* emulated: every n-th run fails; 0: never. For drills. */
    int hang_every; /* emulated: every n-th run hangs until it is terminated; 0: never */
    int lose_every; /* emulated: lost in the middle of every n-th run and for some more; 0: never */
} device_spec;

typedef struct device_list {
    device_spec specs[DEVICE_MAX];
    int count;
    uint64_t units_used; /* bits given out so far */
    char cpu_name[96];
} device_list;

/* Finds the processors of this machine: every core (background: true), every useful set of cores
 * (each cluster of equal capacity, all) and the fastest GPU that Vulkan shows (a software renderer
 * only with software_gpu). At most 30 cores become processors of their own. Sorted by name. */
COSREL_CHECKED cosrel_status device_discover(bool software_gpu, device_list *list,
                                             cosrel_error *err);

/* The CPU part alone, from a description below `root`; for tests (see topology_read). */
COSREL_CHECKED cosrel_status device_discover_cpus(const char *root, device_list *list,
                                                  cosrel_error *err);

/* Adds a spec. Zero units: one unit of its own, or those of its cores; those of a provider that
 * takes one call at a time have one in common. Errors: a name that is taken or not usable, no room.
 * Keep the list sorted with device_sort afterwards. */
COSREL_CHECKED cosrel_status device_add(device_list *list, const device_spec *spec,
                                        cosrel_error *err);
void device_sort(device_list *list);

/* Keeps only the named ones ("cpu0,cpu0-1"). NOT_FOUND names the first that is not there and what
 * is. */
COSREL_CHECKED cosrel_status device_select(device_list *list, const char *names, cosrel_error *err);

const char *device_kind_name(device_kind kind); /* "cpu", "gpu", "provider", "emulated" */

#endif
