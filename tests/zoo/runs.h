/* Loads a model in ONNX Runtime and runs it on seeded inputs. */
#ifndef TESTS_ZOO_RUNS_H
#define TESTS_ZOO_RUNS_H

#include <onnxruntime_c_api.h>
#include <stddef.h>
#include <stdint.h>

enum { RUN_VALUES_MAX = 8, RUN_RANK_MAX = 6 };

typedef struct loaded {
    OrtEnv *env;
    OrtSession *session;
    size_t input_count;
    size_t output_count;
} loaded;

typedef struct run_output {
    char name[64];
    char symbol[64]; /* of the first dimension as the model declares it */
    size_t rank;
    int64_t dims[RUN_RANK_MAX];
    size_t elements;
    float *data;
} run_output;

/* Fail the running test when anything fails. Two threads: the machine has at least as many. */
void run_load(const char *path, loaded *model);
void run_unload(loaded *model);

/* Row k of every input depends only on `seed` + k, so batches share rows with single runs. All
 * outputs are float32. */
void run_model(const loaded *model, int64_t batch, uint64_t seed,
               run_output outputs[RUN_VALUES_MAX]);
void run_free(const loaded *model, run_output outputs[RUN_VALUES_MAX]);

/* The first dimension's symbol of input `index`; its name and type too. */
void run_describe_input(const loaded *model, size_t index, char name[64], char symbol[64],
                        ONNXTensorElementDataType *type);

#endif
