/* What a device does to runs beyond its table: noise, interference, heat, power modes, loading and
 * faults, as a device_spec describes them, each by itself or together.
 *
 * The simulator asks, in virtual time that never goes back:
 *
 *     work = device_model_begin(d, now, processor, model, table);   a run begins
 *     device_model_advance(d, now, busy);                           whenever something happened
 *     while (device_model_take_change(d, now, &processor, &change))
 *     speed = device_model_speed(d, processor);                     of each that is busy
 *     next = device_model_next_ns(d);                               look again then at the latest
 *
 * and between two calls of advance all speeds stay as they are: nothing here ticks. A speed is the
 * product of what each effect leaves of it.
 *
 * Every effect and processor draws from a random stream of its own, which follows from the seed and
 * the processor's name alone: switching one effect on changes no draw of another. No clock, no
 * file; the same seed and the same calls give the same answers. */
#ifndef SIM_DEVICE_MODEL_H
#define SIM_DEVICE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "sched/core.h"
#include "sim/device_spec.h"

typedef struct device_model device_model;

typedef enum device_change {
    DEVICE_DOWN,   /* what runs on it is lost; it comes back */
    DEVICE_UP,     /* with nothing loaded */
    DEVICE_REMOVE, /* as DOWN, for ever */
} device_change;

/* For one simulation that begins at time 0. `models` are the names of the models that
 * device_model_begin counts. `spec` and the names must outlive it. `NAME.bg` of level 1 is
 * the same hardware as NAME. INVALID_FILE: the spec names a processor or model that is not there;
 * OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status device_model_create(const device_spec *spec,
                                                 const sched_processor *processors,
                                                 int processor_count, const char *const *models,
                                                 int model_count, uint64_t seed, device_model **out,
                                                 cosrel_error *err);
void device_model_free(device_model *d); /* NULL is fine */

/* A run begins, and `table_ns` is the table's time of it: how much work it is, in ns at speed 1,
 * with noise and loading. At least 1. */
int64_t device_model_begin(device_model *d, int64_t now_ns, int processor, int model,
                           int64_t table_ns);

/* Up to now the processors given last were busy; from now on these. */
void device_model_advance(device_model *d, int64_t now_ns, uint64_t busy);

/* Work in ns per ns, as things are since the last advance; 0 while it hangs. It does not know that
 * a level-1 processor stands still while level 0 has its core: that is the driver's. */
double device_model_speed(const device_model *d, int processor);

/* When something changes by itself if the busy set stays; never before the last advance. INT64_MAX:
 * never. */
int64_t device_model_next_ns(const device_model *d);

/* After an advance to now: processors that went down or came back, one by one. */
bool device_model_take_change(device_model *d, int64_t now_ns, int *processor,
                              device_change *change);

/* Asked once at the end of each run that was not lost. Brings the model up to now. */
bool device_model_run_fails(device_model *d, int64_t now_ns, int processor);

/* What the run that ends cost, on the table's energy: how long the processor really was at work for
 * it, at the power that mode and throttling left it, over the table's time. Of the last run, up to
 * the last call that named a time. A processor that interference slows is at its usual power; one
 * that it speeds up (its clock was raised) needs as much energy as alone. */
double device_model_energy_factor(const device_model *d, int processor);

double device_model_temperature_c(const device_model *d); /* NaN without heat */
/* How near it is to the first step of throttling, 0 as when idle, 1 while any step is in force; 0
 * without heat. At the time of the last call that named one. */
double device_model_heat(const device_model *d);
bool device_model_resident(const device_model *d, int processor, int model); /* true without load */

#endif
