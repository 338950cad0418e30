/* Which effects of a device the simulation has beyond its table, and where their numbers come from:
 * a file, else the one beside the table, else what is assumed of any device. */
#ifndef APPS_SIM_EFFECTS_H
#define APPS_SIM_EFFECTS_H

#include <stdbool.h>

#include "cosrel/status.h"
#include "sim/device_spec.h"

typedef struct sim_effects_options {
    const char *file;       /* YAML; NULL: beside the table */
    const char *noise;      /* a cv or "default"; NULL: off */
    const char *power_mode; /* NULL: off */
    bool interference, heat, load_times, faults;
    bool all; /* that the file describes */
} sim_effects_options;

/* *out is NULL where no effect is switched on; otherwise device_spec_free it. INVALID_ARGUMENT,
 * INVALID_FILE, NOT_FOUND: one sentence. */
COSREL_CHECKED cosrel_status sim_effects_read(const sim_effects_options *options, const char *table,
                                              device_spec **out, cosrel_error *err);

/* "Effects: noise, heat (board.yaml)". */
void sim_effects_print(const device_spec *spec);

#endif
