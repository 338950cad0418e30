/* Building an ONNX graph in memory and writing it as a model file.
 *
 * Nodes are added in order of execution; every value carries its shape, so that layers can be
 * stacked without saying shapes twice, and parameters and multiply-accumulates are counted on the
 * way. Weights are not stored: a tensor remembers how it is filled, and its numbers are drawn while
 * the file is written. So a 100 MB model needs no memory to speak of.
 *
 * Errors stick: after a failure (out of memory, or shapes that do not fit) every function does
 * nothing and returns the value 0, and graph_check tells. One thread at a time. */
#ifndef ZOO_GRAPH_H
#define ZOO_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cosrel/status.h"
#include "cosrel/tensor.h"

/* Chosen: just what the reference models need. */
enum {
    GRAPH_RANK_MAX = 4,
    GRAPH_INPUTS_MAX = 8,
    GRAPH_ATTRIBUTES_MAX = 6,
    GRAPH_INTS_MAX = 8,
    GRAPH_NAME_BYTES = 64,
    GRAPH_VALUES_MAX = 1 << 20,
};

/* The first dimension of whatever depends on the batch. */
#define GRAPH_BATCH (-1)

/* Index of a value; 0 is no value (an optional input left out, or the result of a failure). */
typedef size_t graph_value;

/* What a value is. mean_square is the expected square of its elements for inputs of mean square 1:
 * weights are drawn so that every layer's outputs keep it near 1, however deep the network is. */
typedef struct graph_kind {
    cosrel_dtype type;
    size_t rank;
    int64_t dims[GRAPH_RANK_MAX]; /* dims[0] may be GRAPH_BATCH */
    double mean_square;
} graph_kind;

typedef struct graph_attribute {
    const char *name;
    int64_t ints[GRAPH_INTS_MAX];
    size_t int_count;
    float number;
    enum { GRAPH_ATTRIBUTE_INT, GRAPH_ATTRIBUTE_INTS, GRAPH_ATTRIBUTE_FLOAT } type;
} graph_attribute;

typedef struct graph_node_info {
    const char *op;
    char name[GRAPH_NAME_BYTES];
    graph_value inputs[GRAPH_INPUTS_MAX];
    size_t input_count;
    graph_value output; /* all operators used here have one */
    graph_attribute attributes[GRAPH_ATTRIBUTES_MAX];
    size_t attribute_count;
} graph_node_info;

/* How a tensor is filled: with constants, or (constant_count 0) at random around a mean. */
typedef struct graph_tensor {
    graph_value value;
    double mean;
    double deviation;
    size_t constant_count;
    int64_t ints[GRAPH_INTS_MAX]; /* of an int64 tensor, a vector or a scalar */
    float number;                 /* of a float32 scalar */
} graph_tensor;

typedef struct graph_value_info {
    char name[GRAPH_NAME_BYTES];
    graph_kind kind;
} graph_value_info;

/* Zeroed: empty. Read the fields, change them only through the functions below. */
typedef struct graph {
    char scope[GRAPH_NAME_BYTES / 2];
    graph_value_info *values;
    size_t value_count;
    graph_node_info *nodes;
    size_t node_count;
    graph_tensor *tensors;
    size_t tensor_count;
    graph_value inputs[GRAPH_INPUTS_MAX];
    size_t input_count;
    graph_value outputs[GRAPH_INPUTS_MAX];
    size_t output_count;
    int64_t params; /* trainable: of batch normalization scale and shift, not the statistics */
    int64_t macs;   /* of convolutions and matrix products, at batch 1 */
    cosrel_status status;
    const char *fault;
} graph;

void graph_deinit(graph *g);

/* OK, OUT_OF_MEMORY, or INTERNAL with a sentence: the model's description does not fit together. */
COSREL_CHECKED cosrel_status graph_check(const graph *g, cosrel_error *err);
/* The first failure stays; `fault` is a literal, or NULL for the status's own text. */
void graph_fail(graph *g, cosrel_status status, const char *fault);

/* Prefix of the names of nodes and weights from here on. */
void graph_scope(graph *g, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Valid for every value that a function returned; for 0: rank 0. */
graph_kind graph_kind_of(const graph *g, graph_value v);

graph_value graph_input(graph *g, const char *name, graph_kind kind);
void graph_output(graph *g, const char *name, graph_value v); /* gives the value that name */

/* `part` ends the tensor's name ("weight"). Elements: mean + deviation * noise, |noise| < 3.47,
 * standard deviation 1. */
graph_value graph_weight(graph *g, const char *part, size_t rank, const int64_t *dims, double mean,
                         double deviation);
/* The same, not trainable: the statistics of a batch normalization. */
graph_value graph_statistic(graph *g, const char *part, int64_t elements, double mean,
                            double deviation);

/* Constants: a vector of at most GRAPH_INTS_MAX numbers, and scalars. */
graph_value graph_ints(graph *g, const int64_t *numbers, size_t count);
graph_value graph_index(graph *g, int64_t number);
graph_value graph_number(graph *g, float number);

/* Adds a node whose output is as `out` says. `op` is a literal. */
graph_value graph_node(graph *g, const char *op, const graph_value *inputs, size_t count,
                       graph_kind out);

/* Attributes of the node added last; names are literals. */
void graph_attribute_int(graph *g, const char *name, int64_t number);
void graph_attribute_ints(graph *g, const char *name, const int64_t *numbers, size_t count);
void graph_attribute_float(graph *g, const char *name, float number);

void graph_count_macs(graph *g, int64_t macs);

/* Writes the model (ONNX IR 8, opset 17) to `stream`: the same graph and seed give the same bytes
 * on any machine. *bytes: what was written. */
COSREL_CHECKED cosrel_status graph_write(const graph *g, const char *name, const char *summary,
                                         uint64_t seed, FILE *stream, uint64_t *bytes,
                                         cosrel_error *err);

#endif
