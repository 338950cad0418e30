/* What a runtime was told: the settings file (YAML, docs/settings.md) with the caller's options
 * over it. */
#ifndef RUNTIME_SETTINGS_H
#define RUNTIME_SETTINGS_H

#include "cosrel/runtime.h"
#include "device/device.h"
#include "profile/table.h"
#include "sched/objective.h"

typedef struct settings_file settings_file; /* as the YAML reader left it */

typedef struct settings {
    settings_file *file; /* NULL: none */
    char *path;          /* of the file; NULL: none */
    char *processors;    /* "cpu0,cpu1"; NULL: all */
    char *policy;
    char *profile;      /* NULL: none */
    char *cache_folder; /* "": no cache */
    uint32_t requests_max;
    uint32_t queue_len_max; /* 0: no limit of its own */
    uint64_t memory_budget; /* bytes; 0: none */
    int64_t run_limit_ns;
    int64_t retry_ns;
    bool software_gpu;
    bool drop_late;
    bool one_at_a_time;
    bool measure_energy;
    sched_objective objective;
    char objective_name[16]; /* "": weights of no name */
} settings;

/* Everything is filled in, defaults included; settings_deinit frees it, after a failure too.
 * INVALID_FILE or INVALID_ARGUMENT: which line, key or option, what is wrong and what would be
 * right. */
COSREL_CHECKED cosrel_status settings_make(const cosrel_options *options, settings *out,
                                           cosrel_error *err);
/* The same from the text of a settings file, for fuzzing: reads the text and no other file. */
COSREL_CHECKED cosrel_status settings_parse(const char *text, size_t bytes, settings *out,
                                            cosrel_error *err);
void settings_deinit(settings *s);

/* The processors that the file adds: those of providers and the emulated ones. `tables` (DEVICE_MAX
 * entries, zeroed) takes the device tables that were read; the caller frees them, after a failure
 * too. */
COSREL_CHECKED cosrel_status settings_add_devices(const settings *s, device_list *list,
                                                  device_table **tables, cosrel_error *err);

#endif
