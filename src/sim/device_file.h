/* The parts of reading a device_spec: device_file.c knows the keys, device_check.c what they may
 * hold. */
#ifndef SIM_DEVICE_FILE_H
#define SIM_DEVICE_FILE_H

#include "sim/device_spec.h"

/* Notes where entries stand and checks every number and name that can be checked without a device.
 * `text` is what `s` was read from. INVALID_FILE: one sentence. */
COSREL_CHECKED cosrel_status device_spec_check(device_spec *s, const char *text, cosrel_error *err);

#endif
