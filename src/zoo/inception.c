/* Inception v3 (Szegedy et al. 2015), without the auxiliary classifier, which only training uses.
 */
#include "zoo/layers.h"
#include "zoo/models.h"

static graph_value convolve(graph *g, graph_value x, int64_t channels, int64_t height,
                            int64_t width, int64_t stride, layer_padding padding)
{
    const layer_conv conv = {.channels = channels,
                             .kernel = height,
                             .kernel_width = width,
                             .stride = stride,
                             .padding = padding,
                             .norm_epsilon = LAYER_EPSILON_SLIM,
                             .activation = LAYER_RELU};
    return layer_convolve(g, x, conv);
}

/* The usual one: the image keeps its size. */
static graph_value same(graph *g, graph_value x, int64_t channels, int64_t height, int64_t width)
{
    return convolve(g, x, channels, height, width, 1, LAYER_PAD_HALF);
}

static graph_value halve(graph *g, graph_value x, int64_t channels)
{
    return convolve(g, x, channels, 3, 3, 2, LAYER_PAD_VALID);
}

static graph_value pool_branch(graph *g, graph_value x, int64_t channels)
{
    return same(g, layer_average_pool(g, x, 3, 1, 1), channels, 1, 1);
}

/* Figure 5 of the paper: 5x5 and double 3x3 beside 1x1. */
static graph_value add_block_a(graph *g, graph_value x, int64_t pooled)
{
    const graph_value five = same(g, same(g, x, 48, 1, 1), 64, 5, 5);
    const graph_value twice = same(g, same(g, same(g, x, 64, 1, 1), 96, 3, 3), 96, 3, 3);
    const graph_value branches[] = {same(g, x, 64, 1, 1), five, twice, pool_branch(g, x, pooled)};
    return layer_concat(g, branches, 4, 1);
}

/* From 35x35 to 17x17. */
static graph_value add_reduction_b(graph *g, graph_value x)
{
    const graph_value twice = halve(g, same(g, same(g, x, 64, 1, 1), 96, 3, 3), 96);
    const graph_value branches[] = {halve(g, x, 384), twice, layer_max_pool(g, x, 3, 2, 0, false)};
    return layer_concat(g, branches, 3, 1);
}

/* Figure 6: 7x7 taken apart into 1x7 and 7x1. */
static graph_value add_block_c(graph *g, graph_value x, int64_t narrow)
{
    const graph_value seven = same(g, same(g, same(g, x, narrow, 1, 1), narrow, 1, 7), 192, 7, 1);
    graph_value twice = same(g, same(g, same(g, x, narrow, 1, 1), narrow, 7, 1), narrow, 1, 7);
    twice = same(g, same(g, twice, narrow, 7, 1), 192, 1, 7);
    const graph_value branches[] = {same(g, x, 192, 1, 1), seven, twice, pool_branch(g, x, 192)};
    return layer_concat(g, branches, 4, 1);
}

/* From 17x17 to 8x8. */
static graph_value add_reduction_d(graph *g, graph_value x)
{
    const graph_value three = halve(g, same(g, x, 192, 1, 1), 320);
    const graph_value seven = halve(
        g, same(g, same(g, same(g, x, 192, 1, 1), 192, 1, 7), 192, 7, 1), 192);
    const graph_value branches[] = {three, seven, layer_max_pool(g, x, 3, 2, 0, false)};
    return layer_concat(g, branches, 3, 1);
}

/* 1x3 beside 3x1 on the same input. */
static graph_value add_fork(graph *g, graph_value x)
{
    const graph_value both[] = {same(g, x, 384, 1, 3), same(g, x, 384, 3, 1)};
    return layer_concat(g, both, 2, 1);
}

/* Figure 7. */
static graph_value add_block_e(graph *g, graph_value x)
{
    const graph_value three = add_fork(g, same(g, x, 384, 1, 1));
    const graph_value twice = add_fork(g, same(g, same(g, x, 448, 1, 1), 384, 3, 3));
    const graph_value branches[] = {same(g, x, 320, 1, 1), three, twice, pool_branch(g, x, 192)};
    return layer_concat(g, branches, 4, 1);
}

void build_inception_v3(graph *g)
{
    static const int64_t pooled[] = {32, 64, 64}, narrow[] = {128, 160, 160, 192};
    graph_scope(g, "stem");
    graph_value x = halve(g, layer_image(g, 3, 299, 299), 32);
    x = same(g, convolve(g, x, 32, 3, 3, 1, LAYER_PAD_VALID), 64, 3, 3);
    x = same(g, layer_max_pool(g, x, 3, 2, 0, false), 80, 1, 1);
    x = convolve(g, x, 192, 3, 3, 1, LAYER_PAD_VALID);
    x = layer_max_pool(g, x, 3, 2, 0, false);
    for (size_t i = 0; i < 3; i++) {
        graph_scope(g, "a%zu", i + 1);
        x = add_block_a(g, x, pooled[i]);
    }
    graph_scope(g, "b");
    x = add_reduction_b(g, x);
    for (size_t i = 0; i < 4; i++) {
        graph_scope(g, "c%zu", i + 1);
        x = add_block_c(g, x, narrow[i]);
    }
    graph_scope(g, "d");
    x = add_reduction_d(g, x);
    for (size_t i = 0; i < 2; i++) {
        graph_scope(g, "e%zu", i + 1);
        x = add_block_e(g, x);
    }
    graph_scope(g, "classifier");
    graph_output(g, "output", layer_linear(g, layer_flatten(g, layer_global_pool(g, x)), 1000));
}
