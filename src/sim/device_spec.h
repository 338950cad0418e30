/* What of a real device a table of run times does not say, as a file describes it: noise,
 * interference, heat, power modes, loading, faults (docs/simulator.md). Read-only once it is set
 * up; one may serve any number of simulations. Effects are off until they are enabled.
 *
 * The structures below are the file's, as libcyaml fills them; `line` says where an entry stands,
 * for messages that can only be given when the device is known. */
#ifndef SIM_DEVICE_SPEC_H
#define SIM_DEVICE_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"

/* One bit per effect. */
enum {
    DEVICE_NOISE = 1 << 0,
    DEVICE_INTERFERENCE = 1 << 1,
    DEVICE_HEAT = 1 << 2,
    DEVICE_POWER_MODES = 1 << 3,
    DEVICE_LOAD = 1 << 4,
    DEVICE_FAULTS = 1 << 5,
    DEVICE_ALL = (1 << 6) - 1
};

enum {
    DEVICE_FILE_BYTES_MAX = 1 << 20, /* chosen: a hundred times the largest that ships */
    DEVICE_ENTRIES_MAX = 256,        /* of one list; chosen: far beyond any device here */
    DEVICE_NOISE_CV_MAX = 5,   /* chosen: four times the worst kernel in BetterTogether's logs */
    DEVICE_THROTTLES_MAX = 16, /* chosen: more steps than any governor's table of trips */
};

/* `processor` is a name, a name's beginning with a star (`npu*`) or `*`. Where several entries fit
 * one processor the longest one counts, unless a structure says otherwise. One that fits none is a
 * mistake, except `*` and entries that are optional. */

typedef struct device_noise_spec {
    double cv;                   /* deviation / mean of the log-normal factor, whose mean is 1 */
    double spike_probability;    /* of a run */
    double spike_min, spike_max; /* the further factor of such a run, uniform between them */
    char *source;
} device_noise_spec;

typedef struct device_factor_spec {
    char *processor;
    char *busy; /* the other one; NULL or "*": everything else is busy */
    double factor;
    bool optional;
    char *source;
    unsigned line;
} device_factor_spec;

typedef struct device_power_spec {
    char *processor;
    double busy_w; /* above idle */
    bool optional;
    unsigned line;
} device_power_spec;

/* Every step that fits a processor counts: it runs at the lowest speed among those in force. */
typedef struct device_throttle_spec {
    char *processor;
    double at_c;
    double hysteresis_c; /* it ends this much below */
    double speed;
    double *power; /* of busy_w; NULL: as the speed */
    bool optional;
    unsigned line;
} device_throttle_spec;

typedef struct device_heat_spec {
    double ambient_c, resistance_c_per_w, capacity_j_per_c;
    double *start_c; /* NULL: where it settles while idle */
    double idle_w;
    double *max_w; /* with idle_w; all together take no more, since clocks give way; NULL: no limit.
                      How much slower they get is interference's to say */
    device_power_spec *power;
    uint32_t power_count;
    device_throttle_spec *throttle;
    uint32_t throttle_count;
    char *source;
} device_heat_spec;

typedef struct device_mode_factor {
    char *processor;
    double speed, power;
    bool optional;
    unsigned line;
} device_mode_factor;

typedef struct device_mode_spec {
    char *name;
    device_mode_factor *factors;
    uint32_t factor_count;
    char *source;
    unsigned line;
} device_mode_spec;

typedef struct device_switch_spec {
    double at_s;
    char *mode;
    unsigned line;
} device_switch_spec;

typedef struct device_modes_spec {
    char *start; /* NULL: as the table was measured */
    device_mode_spec *modes;
    uint32_t mode_count;
    device_switch_spec *switches;
    uint32_t switch_count;
    bool keep_start; /* make no switch; not in the file */
} device_modes_spec;

typedef struct device_load_model {
    char *model; /* a name or a pattern */
    double ms;
    bool optional;
    unsigned line;
} device_load_model;

typedef struct device_load_spec {
    char *processor;
    double default_ms; /* of models that are not listed */
    uint32_t resident; /* models that stay loaded; 0: any number */
    device_load_model *models;
    uint32_t model_count;
    bool optional;
    char *source;
    unsigned line;
} device_load_spec;

typedef enum device_fault_kind { DEVICE_FAULT_DOWN, DEVICE_FAULT_HANG } device_fault_kind;

/* Every event that fits a processor counts. */
typedef struct device_event_spec {
    char *processor;
    device_fault_kind kind;
    double at_s;
    double *for_s; /* NULL: it never comes back */
    bool optional;
    unsigned line;
} device_event_spec;

/* Per kind. */
typedef struct device_random_spec {
    char *processor;
    device_fault_kind kind;
    double mean_between_s, mean_down_s; /* up, then down; both exponentially distributed */
    bool optional;
    unsigned line;
} device_random_spec;

typedef struct device_failure_spec {
    char *processor;
    double probability; /* that a run fails at its end */
    bool optional;
    unsigned line;
} device_failure_spec;

typedef struct device_faults_spec {
    double *detect_ms; /* a run that stands still for so long takes its processor down */
    device_event_spec *events;
    uint32_t event_count;
    device_random_spec *random;
    uint32_t random_count;
    device_failure_spec *failures;
    uint32_t failure_count;
    char *source;
} device_faults_spec;

/* An effect that the file lacks is NULL, or has no entries. */
typedef struct device_spec {
    char *device;
    char *source;
    device_noise_spec *noise;
    device_factor_spec *interference;
    uint32_t interference_count;
    device_heat_spec *heat;
    device_modes_spec *power_modes;
    device_load_spec *load;
    uint32_t load_count;
    device_faults_spec *faults;
    char *path;       /* for messages */
    unsigned enabled; /* effects */
} device_spec;

/* NOT_FOUND, IO, INVALID_FILE: one sentence with file, line and key. Any thread. */
COSREL_CHECKED cosrel_status device_spec_read(const char *path, device_spec **out,
                                              cosrel_error *err);
/* The same from text with a zero byte after its `bytes`; `name` stands for the file in messages. */
COSREL_CHECKED cosrel_status device_spec_parse(const char *name, const char *text, size_t bytes,
                                               device_spec **out, cosrel_error *err);
/* Without a file: what is assumed of a device of which no more is known. It has noise,
 * interference, loading and faults, by the kind of processor that a name begins with. */
COSREL_CHECKED cosrel_status device_spec_default(device_spec **out, cosrel_error *err);
void device_spec_free(device_spec *s); /* NULL is fine */

/* The effects that it describes. */
unsigned device_spec_effects(const device_spec *s);

/* "noise", ...: the file's key for one effect. */
const char *device_effect_name(unsigned effect);

/* Switches effects on, beside those that are. INVALID_ARGUMENT: it does not describe one of them.
 */
COSREL_CHECKED cosrel_status device_spec_enable(device_spec *s, unsigned effects,
                                                cosrel_error *err);

/* What it lacks of these effects it takes from the built-in description, as far as that has them.
 */
COSREL_CHECKED cosrel_status device_spec_borrow(device_spec *s, unsigned effects,
                                                cosrel_error *err);

/* Log-normal noise of this cv (0 to DEVICE_NOISE_CV_MAX) and no spikes, instead of the file's.
 * Enables noise. */
COSREL_CHECKED cosrel_status device_spec_set_noise(device_spec *s, double cv, cosrel_error *err);

/* Runs in this mode from the start, and the file's switches are not made. Enables power modes.
 * INVALID_ARGUMENT: there is none of this name. */
COSREL_CHECKED cosrel_status device_spec_set_power_mode(device_spec *s, const char *mode,
                                                        cosrel_error *err);

#endif
