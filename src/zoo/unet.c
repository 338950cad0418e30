/* U-Net (Ronneberger et al. 2015) as today's implementations have it: padded convolutions, batch
 * normalization, and transposed convolutions on the way up. */
#include "zoo/layers.h"
#include "zoo/models.h"

enum { LEVELS = 4, CHANNELS = 64, SIZE = 256, CLASSES = 12 };

static graph_value add_double(graph *g, graph_value x, int64_t channels)
{
    const layer_conv like = {.norm_epsilon = LAYER_EPSILON_TORCH, .activation = LAYER_RELU};
    x = layer_convolve_like(g, x, &like, channels, 3, 1);
    return layer_convolve_like(g, x, &like, channels, 3, 1);
}

void build_unet(graph *g)
{
    graph_value levels[LEVELS];
    graph_value x = layer_image(g, 3, SIZE, SIZE);
    for (size_t i = 0; i < LEVELS; i++) {
        graph_scope(g, "down%zu", i + 1);
        levels[i] = add_double(g, x, CHANNELS << i);
        x = layer_max_pool(g, levels[i], 2, 2, 0, false);
    }
    graph_scope(g, "bottom");
    x = add_double(g, x, CHANNELS << LEVELS);
    for (size_t i = LEVELS; i-- > 0;) {
        graph_scope(g, "up%zu", i + 1);
        const graph_value both[] = {levels[i], layer_upconvolve(g, x, CHANNELS << i)};
        x = add_double(g, layer_concat(g, both, 2, 1), CHANNELS << i);
    }
    graph_scope(g, "head");
    const layer_conv linear = {.bias = true};
    graph_output(g, "output", layer_convolve_like(g, x, &linear, CLASSES, 1, 1));
}
