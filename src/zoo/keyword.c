/* The small depthwise-separable CNN of "Hello Edge" (Zhang et al. 2017, DS-CNN S) as MLPerf Tiny
 * has it: one second of speech as 49 frames of 10 MFCC features in, 12 keywords out. */
#include "zoo/layers.h"
#include "zoo/models.h"

enum { FRAMES = 49, FEATURES = 10, CHANNELS = 64, KEYWORDS = 12, BLOCKS = 4 };

void build_keyword_spotter(graph *g)
{
    const layer_conv like = {.padding = LAYER_PAD_SAME,
                             .bias = true,
                             .norm_epsilon = LAYER_EPSILON_SLIM,
                             .activation = LAYER_RELU};
    layer_conv stem = like;
    stem.channels = CHANNELS;
    stem.kernel = 10;
    stem.kernel_width = 4;
    stem.stride = 2;
    graph_scope(g, "stem");
    graph_value x = layer_convolve(g, layer_image(g, 1, FRAMES, FEATURES), stem);
    for (int i = 0; i < BLOCKS; i++) {
        graph_scope(g, "block%d", i + 1);
        x = layer_depthwise_like(g, x, &like, 3, 1);
        x = layer_convolve_like(g, x, &like, CHANNELS, 1, 1);
    }
    graph_scope(g, "classifier");
    graph_output(g, "output", layer_linear(g, layer_flatten(g, layer_global_pool(g, x)), KEYWORDS));
}
