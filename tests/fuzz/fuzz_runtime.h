/* A runtime with small models ("add", "multi", "words": tiny_onnx.h) for fuzz targets that need
 * one: opened once, closed when the program ends. */
#ifndef TESTS_FUZZ_RUNTIME_H
#define TESTS_FUZZ_RUNTIME_H

#include "cosrel/runtime.h"

cosrel_runtime *fuzz_runtime(void);

#endif
