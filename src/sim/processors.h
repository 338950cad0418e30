/* The processors of a device table: which of them exclude each other follows from their names.
 *
 * `cpu0`, `cpu0-1` and `cpu0+2-3` are cores and sets of cores, as device/discover names them: they
 * hold one resource unit per core. Any other name (`gpu`, `cpu_big`, `npu0`) is a unit of its own.
 */
#ifndef SIM_PROCESSORS_H
#define SIM_PROCESSORS_H

#include "cosrel/status.h"
#include "profile/cost.h"
#include "profile/table.h"
#include "sched/core.h"

/* `names` in alphabetical order. Fills out[0..count), level 0; the names stay the caller's.
 * UNSUPPORTED: more than SCHED_PROCESSORS_MAX processors or 64 units. */
COSREL_CHECKED cosrel_status processors_from_names(const char *const *names, int count,
                                                   sched_processor *out, cosrel_error *err);

/* A device table as the core wants it: processors, models and costs. */
typedef struct sim_device {
    sched_processor processors[SCHED_PROCESSORS_MAX]; /* names are the table's */
    int processor_count;
    const char *const *models; /* the table's, alphabetically */
    int model_count;
    cost_table costs;
    char (*names)[72]; /* of background processors; NULL: there are none */
} sim_device;

/* The table must outlive the device. */
COSREL_CHECKED cosrel_status sim_device_init(sim_device *d, const device_table *table,
                                             cosrel_error *err);
/* As the runtime has them: beside each core `cpuN` a processor `cpuN.bg` of level 1 that takes as
 * long and serves background requests whenever the foreground leaves it the core. UNSUPPORTED: too
 * many processors. */
COSREL_CHECKED cosrel_status sim_device_add_background(sim_device *d, cosrel_error *err);

void sim_device_deinit(sim_device *d);

#endif
