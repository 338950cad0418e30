/* A runtime with small models ("add", "multi", "words": tiny_onnx.h) for fuzz targets that need
 * one: opened once, closed when the program ends. */
#ifndef TESTS_FUZZ_RUNTIME_H
#define TESTS_FUZZ_RUNTIME_H

#include "cosrel/runtime.h"
#include "server/service.h"

cosrel_runtime *fuzz_runtime(void);

/* What the server's protocols share, over that runtime; without a folder, so that no model is
 * loaded. Ended before the runtime is closed, by the target's own atexit. */
void fuzz_service_begin(service *s);
void fuzz_service_end(service *s);

#endif
