/* Everything of the public API. */
#ifndef COSREL_H
#define COSREL_H

#include "cosrel/learn.h"
#include "cosrel/runtime.h"
#include "cosrel/status.h"
#include "cosrel/tensor.h"
#include "cosrel/version.h"

#endif
