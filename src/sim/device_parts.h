/* The effects of a device_model, one file each; device_model.c puts them together.
 *
 * All arrays go by the host: the processor that stands for the hardware. Sets of processors are bit
 * sets of hosts. An effect is asked only while it is enabled. */
#ifndef SIM_DEVICE_PARTS_H
#define SIM_DEVICE_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "sched/core.h"
#include "sim/device_spec.h"

enum { HOSTS_MAX = SCHED_PROCESSORS_MAX };

static const int64_t NEVER_NS = INT64_MAX;

/* The device as the effects see it while they are set up. */
typedef struct device_layout {
    const sched_processor *processors;
    int count;
    uint64_t hosts;
    const char *const *models;
    int model_count;
    uint64_t seed;
} device_layout;

/* A stream that depends on nothing but the seed, the purpose and the name. */
void device_stream(rng *r, uint64_t seed, const char *purpose, const char *name);

/* `ms`, `s` within the bounds of a device file. */
int64_t device_ns_of_ms(double ms);
int64_t device_ns_of_s(double s);

typedef struct device_factors {
    double speed, power; /* of the table's */
} device_factors;

/* ---- Noise ---- */

typedef struct device_noise {
    double mu, sigma; /* of the factor's logarithm */
    double spike_probability, spike_min, spike_max;
    rng factors[HOSTS_MAX], spikes[HOSTS_MAX];
} device_noise;

void noise_init(device_noise *n, const device_noise_spec *spec, const device_layout *layout);
double noise_draw(device_noise *n, int host);

/* ---- Interference ---- */

typedef struct device_interference {
    double pair_log[HOSTS_MAX][HOSTS_MAX]; /* [who][while this one is busy] */
    double all_log[HOSTS_MAX];
    bool has_all[HOSTS_MAX];
} device_interference;

void interference_init(device_interference *f, const device_spec *spec,
                       const device_layout *layout);
/* Times as long as alone, while `busy` are. */
double interference_factor(const device_interference *f, int host, uint64_t busy);

/* ---- Heat ---- */

typedef struct device_heat {
    const device_heat_spec *spec;
    double tau_s;
    double busy_w[HOSTS_MAX];
    uint32_t steps[HOSTS_MAX]; /* that fit it */
    uint32_t in_force;
    double idle_c, first_c;   /* where it settles idle; where the first step begins, NaN: none */
    double base_c, settles_c; /* temperature at base_ns; where it goes from there */
    int64_t base_ns;
    int64_t next_ns; /* when a step begins or ends */
} device_heat;

void heat_init(device_heat *h, const device_heat_spec *spec, const device_layout *layout);
/* From now on `busy` take `power` times their usual power. */
void heat_set(device_heat *h, int64_t now_ns, uint64_t busy, const double *power);
/* The steps whose time has come at now_ns = next_ns. heat_set must follow. */
void heat_step(device_heat *h, int64_t now_ns);
double heat_temperature_c(const device_heat *h, int64_t now_ns);
/* Between idle, 0, and throttling, 1. */
double heat_level(const device_heat *h, int64_t now_ns);
device_factors heat_limits(const device_heat *h, int host);

/* ---- Power modes ---- */

typedef struct device_modes {
    const device_modes_spec *spec;
    int mode;    /* < 0: as the table was measured */
    uint32_t at; /* the next switch */
    int count;
    device_factors *factors; /* [mode][host] */
} device_modes;

/* False: no memory. */
bool modes_init(device_modes *m, const device_modes_spec *spec, const device_layout *layout);
void modes_deinit(device_modes *m);
int64_t modes_next_ns(const device_modes *m);
void modes_step(device_modes *m); /* makes the next switch */
device_factors modes_factors(const device_modes *m, int host);

/* ---- Loading ---- */

typedef struct device_load {
    int model_count;
    uint32_t limit[HOSTS_MAX];    /* 0: none */
    uint32_t resident[HOSTS_MAX]; /* how many */
    int64_t *load_ns;             /* [host][model] */
    uint64_t *used;               /* when last, as a count of runs; 0: not loaded */
    uint64_t runs;
} device_load;

bool load_init(device_load *l, const device_spec *spec, const device_layout *layout);
void load_deinit(device_load *l);
/* What must be loaded before this run, in ns; it is then. */
int64_t load_begin(device_load *l, int host, int model);
bool load_is_resident(const device_load *l, int host, int model);
void load_forget(device_load *l, int host);

/* ---- Faults ---- */

typedef struct device_fault {
    int64_t at_ns;
    int64_t down_ns; /* NEVER_NS: it stays so */
    device_fault_kind kind;
    int host;
} device_fault;

typedef struct device_breaks {
    rng stream;
    double between_ns, down_ns; /* means; between 0: it does not break so */
    int64_t next_ns;
} device_breaks;

typedef struct device_health {
    bool broken;
    bool out; /* broken, and the scheduler is to know */
    device_fault_kind kind;
    int64_t back_ns;
    int64_t stalled_ns;      /* since when a run stands still on it; NEVER_NS: none does */
    device_breaks breaks[2]; /* per kind */
    double failure_probability;
    rng failures;
} device_health;

typedef struct device_faults {
    int64_t detect_ns;
    uint64_t hosts;
    device_fault *planned; /* by time */
    uint32_t planned_count, planned_at;
    device_health health[HOSTS_MAX];
    int64_t next_ns;
} device_faults;

bool faults_init(device_faults *f, const device_faults_spec *spec, const device_layout *layout);
void faults_deinit(device_faults *f);
/* These work from now on. */
void faults_set(device_faults *f, int64_t now_ns, uint64_t busy);
/* All that is due at now_ns = next_ns; the result: hosts that came back. faults_set must follow. */
uint64_t faults_step(device_faults *f, int64_t now_ns);
bool faults_run_fails(device_faults *f, int host);

#endif
