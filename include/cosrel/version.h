#ifndef COSREL_VERSION_H
#define COSREL_VERSION_H

#include "cosrel/export.h"

#define COSREL_VERSION_MAJOR 0
#define COSREL_VERSION_MINOR 1
#define COSREL_VERSION_PATCH 0
#define COSREL_VERSION       "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that runs, "0.1.0"; COSREL_VERSION is the one compiled against. */
COSREL_API const char *cosrel_version(void);

/* The version of the ONNX Runtime library that runs the models, "1.30.0". */
COSREL_API const char *cosrel_onnxruntime_version(void);

#ifdef __cplusplus
}
#endif

#endif
