/* The small depthwise-separable CNN of "Hello Edge" (Zhang et al. 2017, DS-CNN S) as MLPerf Tiny has it: one second of
 * speech as 49 frames of 10 MFCC features in, 12 keywords out. */
#include "zoo/layers.h"
#include "zoo/models.h"

enum { FRAMES = 49, FEATURES = 10, CHANNELS = 64, KEYWORDS = 12, BLOCKS = 4 };

void build_keyword_spotter(graph *g)
{
    const layer_conv base = {.channels = CHANNELS, .kernel = 1, .padding = LAYER_PAD_SAME, .bias = true,
                             .norm_epsilon = LAYER_EPSILON_SLIM, .activation = LAYER_RELU};
    layer_conv conv = base;
    graph_scope(g, "stem");
    conv.kernel = 10, conv.kernel_width = 4, conv.stride = 2;
    graph_value x = layer_convolve(g, layer_image(g, 1, FRAMES, FEATURES), conv);
    for (int i = 0; i < BLOCKS; i++) {
        graph_scope(g, "block%d", i + 1);
        conv = base;
        conv.kernel = 3, conv.groups = LAYER_DEPTHWISE;
        x = layer_convolve(g, layer_convolve(g, x, conv), base);
    }
    graph_scope(g, "classifier");
    graph_output(g, "output", layer_linear(g, layer_flatten(g, layer_global_pool(g, x)), KEYWORDS));
}
