/* Names and patterns of a device file against those of a device. */
#ifndef SIM_DEVICE_MATCH_H
#define SIM_DEVICE_MATCH_H

#include <stddef.h>

#include "cosrel/status.h"
#include "sched/core.h"
#include "sim/device_spec.h"

/* How closely `name` is meant: < 0 not at all; a name more than a beginning with a star, a long
 * beginning more than a short one. */
int device_match(const char *pattern, const char *name);

/* The entry of a list that means `name` most closely, or NULL. The first member of an entry is its
 * pattern. */
const void *device_match_best(const void *entries, size_t entry_bytes, size_t count,
                              const char *name);

/* The processor that stands for the hardware of processor p: p itself, or NAME for a `NAME.bg` of
 * level 1. */
int device_host(const sched_processor *processors, int count, int p);

/* Whether every processor and model that the enabled effects name is there. INVALID_FILE: one
 * sentence. */
COSREL_CHECKED cosrel_status device_match_check(const device_spec *spec,
                                                const sched_processor *processors,
                                                int processor_count, const char *const *models,
                                                int model_count, cosrel_error *err);

#endif
