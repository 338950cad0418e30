/* ONNX Runtime as people use it without Cosrel: a session, inputs of its own, a blocking run. What
 * goes wrong ends the program. */
#ifndef BENCH_PLAIN_SESSION_H
#define BENCH_PLAIN_SESSION_H

#include <onnxruntime_c_api.h>
#include <stddef.h>

enum { PLAIN_VALUES_MAX = 16, PLAIN_RANK_MAX = 8 };

typedef struct plain_session {
    OrtSession *session;
    size_t input_count, output_count;
    char *input_names[PLAIN_VALUES_MAX], *output_names[PLAIN_VALUES_MAX];
    /* Zeros until somebody writes there; a free dimension is 1. */
    void *data[PLAIN_VALUES_MAX];
    size_t bytes[PLAIN_VALUES_MAX];
    OrtValue *inputs[PLAIN_VALUES_MAX];
    OrtValue *outputs[PLAIN_VALUES_MAX]; /* of the last run */
} plain_session;

const OrtApi *plain_api(void);
void plain_must(OrtStatus *status);

/* threads: within a run; 0: ONNX Runtime's default, one per core. */
void plain_open(plain_session *s, const char *path, int threads);
void plain_run(plain_session *s); /* on its inputs; frees the outputs of the run before */
/* Another thread may run the same session at the same time, with its own inputs and outputs. */
void plain_run_on(const plain_session *s, OrtValue *const *inputs, OrtValue **outputs);
void plain_close(plain_session *s);

/* A value over memory of `s`'s input i; the caller's. */
OrtValue *plain_wrap(const plain_session *s, size_t i, void *data);
float *plain_floats(OrtValue *value);
size_t plain_float_count(const OrtValue *value);

#endif
