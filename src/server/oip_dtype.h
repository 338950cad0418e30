/* Names of data types in the Open Inference Protocol. */
#ifndef SERVER_OIP_DTYPE_H
#define SERVER_OIP_DTYPE_H

#include <stddef.h>

#include "cosrel/tensor.h"

/* "FP32", "INT64", "BYTES"; NULL: the protocol has no name for it. */
const char *oip_dtype_name(cosrel_dtype type);

/* UNDEFINED: no such name. `name` need not end in NUL. */
cosrel_dtype oip_dtype_find(const char *name, size_t length);

#endif
