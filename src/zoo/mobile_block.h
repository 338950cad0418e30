/* The inverted residual (Sandler et al. 2018): expand, depthwise, project, and add the input where
 * shapes agree. */
#ifndef ZOO_MOBILE_BLOCK_H
#define ZOO_MOBILE_BLOCK_H

#include "zoo/layers.h"

typedef struct mobile_block {
    int64_t kernel;
    int64_t stride;
    int64_t expanded; /* channels inside; as the input's: no expansion */
    int64_t channels; /* of the output */
    int64_t squeezed; /* channels of the squeeze and excitation; 0: none */
    layer_activation activation;
    layer_padding padding;
    float epsilon;
} mobile_block;

/* *expanded (may be NULL) gets the output of the expansion, where detectors tap the network. */
graph_value mobile_block_add(graph *g, graph_value x, const mobile_block *block,
                             graph_value *expanded);

/* MobileNetV2's layers from the image to the last 1x1 convolution (1280 channels). *tap (may be
 * NULL): the expansion of the 14th block, the last values at a sixteenth of the image's size. */
graph_value mobilenet_v2_features(graph *g, graph_value image, layer_padding padding, float epsilon,
                                  graph_value *tap);

#endif
