/* ONNX Runtime's C API, its environment and its errors. */
#ifndef DEVICE_ORT_H
#define DEVICE_ORT_H

#include <onnxruntime_c_api.h>
#include <stddef.h>

#include "cosrel/status.h"
#include "cosrel/tensor.h"

/* The function table; NULL if the library that was found is older than the headers. Any thread. */
const OrtApi *ort_api(void);

/* The process's one environment, made at first use; ORT counts its users. Release with
 * ort_env_release. */
COSREL_CHECKED cosrel_status ort_env_acquire(OrtEnv **env, cosrel_error *err);
void ort_env_release(OrtEnv *env);

/* Turns ORT's status into ours and releases it; NULL is OK. `what` begins the sentence. */
cosrel_status ort_check(OrtStatus *status, const char *what, cosrel_error *err);

/* "1.30.0" */
const char *ort_version(void);

/* Wraps memory as an OrtValue without copying; strings are copied (ORT owns its strings). Release
 * with ReleaseValue. */
COSREL_CHECKED cosrel_status ort_value_wrap(const cosrel_tensor *tensor, OrtValue **out,
                                            cosrel_error *err);

/* Looks into a tensor value: type, rank and shape (at most shape_max dimensions) and its data;
 * strings: data is NULL. */
COSREL_CHECKED cosrel_status ort_value_look(const OrtValue *value, cosrel_tensor *view,
                                            int64_t *shape, size_t shape_max, cosrel_error *err);

#endif
