/* SqueezeNet 1.1 (Iandola et al. 2016; version 1.1 as its authors released it later): no batch
 * normalization. */
#include "zoo/layers.h"
#include "zoo/models.h"

static const layer_conv like = {.bias = true, .activation = LAYER_RELU};

/* Squeezed by a 1x1 convolution, then expanded by 1x1 and 3x3 ones side by side. */
static graph_value add_fire(graph *g, graph_value x, int64_t squeezed, int64_t expanded)
{
    const graph_value narrow = layer_convolve_like(g, x, &like, squeezed, 1, 1);
    const graph_value both[] = {layer_convolve_like(g, narrow, &like, expanded, 1, 1),
                                layer_convolve_like(g, narrow, &like, expanded, 3, 1)};
    return layer_concat(g, both, 2, 1);
}

void build_squeezenet(graph *g)
{
    static const struct {
        int64_t squeezed, expanded;
        bool pool_first;
    } fires[] = {
        {16, 64, true},  {16, 64, false},  {32, 128, true},  {32, 128, false},
        {48, 192, true}, {48, 192, false}, {64, 256, false}, {64, 256, false},
    };
    graph_scope(g, "stem");
    layer_conv unpadded = like;
    unpadded.padding = LAYER_PAD_VALID;
    graph_value x = layer_convolve_like(g, layer_image(g, 3, 224, 224), &unpadded, 64, 3, 2);
    for (size_t i = 0; i < sizeof fires / sizeof *fires; i++) {
        graph_scope(g, "fire%zu", i + 2); /* the paper's numbers */
        if (fires[i].pool_first)
            x = layer_max_pool(g, x, 3, 2, 0, true);
        x = add_fire(g, x, fires[i].squeezed, fires[i].expanded);
    }
    graph_scope(g, "classifier");
    x = layer_convolve_like(g, x, &like, 1000, 1, 1);
    graph_output(g, "output", layer_flatten(g, layer_global_pool(g, x)));
}
