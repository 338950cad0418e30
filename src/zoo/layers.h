/* The layers that the reference models are stacked from. All of them add nodes to a graph whose
 * errors stick (zoo/graph.h); images are [batch, channels, height, width], sequences [batch,
 * length, features].
 *
 * Weights are drawn with deviation 1 / sqrt(fan in * mean square of the input): after a ReLU that
 * is He's initialization (He et al. 2015), and it keeps outputs near mean square 1 behind any other
 * layer too. */
#ifndef ZOO_LAYERS_H
#define ZOO_LAYERS_H

#include "zoo/graph.h"

typedef enum layer_activation {
    LAYER_LINEAR,
    LAYER_RELU,
    LAYER_RELU6,
    LAYER_HARD_SWISH,
    LAYER_HARD_SIGMOID,
} layer_activation;

typedef enum layer_padding {
    LAYER_PAD_HALF,  /* kernel / 2 on every side, as models defined in PyTorch have it */
    LAYER_PAD_SAME,  /* output = ceil(input / stride), the odd one at the end: TensorFlow's SAME */
    LAYER_PAD_VALID, /* none */
} layer_padding;

/* Batch normalization's epsilon, as the frameworks' reference models have it. */
#define LAYER_EPSILON_TORCH 1e-5f
#define LAYER_EPSILON_SLIM  1e-3f /* TensorFlow-Slim and Keras, and what was ported from there */

enum { LAYER_DEPTHWISE = -1 }; /* as `groups`: one group per channel */

typedef struct layer_conv {
    int64_t channels; /* of the output; 0: as the input */
    int64_t kernel;
    int64_t kernel_width; /* 0: as kernel, which then is only the height */
    int64_t stride;       /* 0: 1 */
    int64_t groups;       /* 0: 1 */
    layer_padding padding;
    bool bias;
    float norm_epsilon; /* 0: no batch normalization after it */
    layer_activation activation;
} layer_conv;

/* The input, named "input". */
graph_value layer_image(graph *g, int64_t channels, int64_t height, int64_t width);

graph_value layer_convolve(graph *g, graph_value x, layer_conv conv);

/* The same with padding, bias, normalization and activation as in `like`. */
graph_value layer_convolve_like(graph *g, graph_value x, const layer_conv *like, int64_t channels,
                                int64_t kernel, int64_t stride);
graph_value layer_depthwise_like(graph *g, graph_value x, const layer_conv *like, int64_t kernel,
                                 int64_t stride);

/* 2x2 with stride 2: twice the height and width. With bias. */
graph_value layer_upconvolve(graph *g, graph_value x, int64_t channels);
graph_value layer_batch_norm(graph *g, graph_value x, float epsilon);
graph_value layer_activate(graph *g, graph_value x, layer_activation activation);

/* Elementwise; b may have 1 where a has more. */
graph_value layer_add(graph *g, graph_value a, graph_value b);
/* A residual block's end. x came out of a ReLU, so the sum is mostly positive and its mean square
 * is kept. */
graph_value layer_add_relu(graph *g, graph_value x, graph_value y);
graph_value layer_multiply(graph *g, graph_value a, graph_value b);
graph_value layer_concat(graph *g, const graph_value *values, size_t count, size_t axis);

/* pad: on every side. ceil: a last window that reaches beyond the edge counts too. */
graph_value layer_max_pool(graph *g, graph_value x, int64_t kernel, int64_t stride, int64_t pad,
                           bool ceil);
graph_value layer_average_pool(graph *g, graph_value x, int64_t kernel, int64_t stride,
                               int64_t pad);
/* The mean over height and width, kept as 1x1. */
graph_value layer_global_pool(graph *g, graph_value x);

/* Everything behind the batch in one dimension. */
graph_value layer_flatten(graph *g, graph_value x);
/* Over the last dimension, for inputs of rank 2 or 3. */
graph_value layer_linear(graph *g, graph_value x, int64_t features);

/* Squeeze and excitation (Hu et al. 2018): channels scaled by a gate computed from their means. */
graph_value layer_squeeze_excite(graph *g, graph_value x, int64_t squeezed);

/* dims[0] is GRAPH_BATCH; at most one other may be -1, and is worked out. */
graph_value layer_reshape(graph *g, graph_value x, size_t rank, const int64_t *dims);
graph_value layer_transpose(graph *g, graph_value x, const int64_t *order);
/* a [batch, ..., n, k] times b [batch, ..., k, m]. */
graph_value layer_matmul(graph *g, graph_value a, graph_value b);

#endif
