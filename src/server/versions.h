/* Which versions of a model are loaded. */
#ifndef SERVER_VERSIONS_H
#define SERVER_VERSIONS_H

#include <stddef.h>
#include <stdint.h>

#include "cosrel/runtime.h"

enum { VERSIONS_MAX = 256 }; /* as many as there can be models */

/* In ascending order, each once; returns how many. */
size_t versions_of(cosrel_runtime *rt, const char *name, int64_t out[VERSIONS_MAX]);

#endif
