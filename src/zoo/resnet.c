/* Residual networks (He et al. 2015): ResNet-18 and -50 for ImageNet, ResNet-44 for CIFAR-10 as the
 * small CNN. */
#include "zoo/layers.h"
#include "zoo/models.h"

static graph_value conv_norm(graph *g, graph_value x, int64_t channels, int64_t kernel,
                             int64_t stride, layer_activation activation)
{
    const layer_conv like = {.norm_epsilon = LAYER_EPSILON_TORCH, .activation = activation};
    return layer_convolve_like(g, x, &like, channels, kernel, stride);
}

static graph_value close_block(graph *g, graph_value x, graph_value y, int64_t stride)
{
    const int64_t channels = graph_kind_of(g, y).dims[1];
    if (stride != 1 || graph_kind_of(g, x).dims[1] != channels)
        x = conv_norm(g, x, channels, 1, stride, LAYER_LINEAR);
    return layer_add_relu(g, x, y);
}

static graph_value add_basic(graph *g, graph_value x, int64_t channels, int64_t stride)
{
    graph_value y = conv_norm(g, x, channels, 3, stride, LAYER_RELU);
    y = conv_norm(g, y, channels, 3, 1, LAYER_LINEAR);
    return close_block(g, x, y, stride);
}

/* The stride is the 3x3 convolution's, as today's implementations have it (the paper's first 1x1
 * had it). */
static graph_value add_bottleneck(graph *g, graph_value x, int64_t channels, int64_t stride)
{
    graph_value y = conv_norm(g, x, channels, 1, 1, LAYER_RELU);
    y = conv_norm(g, y, channels, 3, stride, LAYER_RELU);
    y = conv_norm(g, y, 4 * channels, 1, 1, LAYER_LINEAR);
    return close_block(g, x, y, stride);
}

typedef graph_value (*block_fn)(graph *g, graph_value x, int64_t channels, int64_t stride);

static void add_stages(graph *g, graph_value x, block_fn block, const int64_t *counts,
                       size_t stages, int64_t channels, int64_t classes)
{
    for (size_t s = 0; s < stages; s++) {
        for (int64_t i = 0; i < counts[s]; i++) {
            graph_scope(g, "stage%zu.block%d", s + 1, (int)i + 1);
            x = block(g, x, channels << s, s > 0 && i == 0 ? 2 : 1);
        }
    }
    graph_scope(g, "classifier");
    graph_output(g, "output", layer_linear(g, layer_flatten(g, layer_global_pool(g, x)), classes));
}

static graph_value add_imagenet_stem(graph *g)
{
    graph_scope(g, "stem");
    const graph_value x = conv_norm(g, layer_image(g, 3, 224, 224), 64, 7, 2, LAYER_RELU);
    return layer_max_pool(g, x, 3, 2, 1, false);
}

void build_resnet18(graph *g)
{
    add_stages(g, add_imagenet_stem(g), add_basic, (int64_t[]){2, 2, 2, 2}, 4, 64, 1000);
}

void build_resnet50(graph *g)
{
    add_stages(g, add_imagenet_stem(g), add_bottleneck, (int64_t[]){3, 4, 6, 3}, 4, 64, 1000);
}

/* Section 4.2 of the paper with n = 7, shortcuts by projection: about a millisecond on one core, a
 * fifth of MobileNetV2, where n = 3 took less than half of one. */
void build_small_cnn(graph *g)
{
    graph_scope(g, "stem");
    const graph_value x = conv_norm(g, layer_image(g, 3, 32, 32), 16, 3, 1, LAYER_RELU);
    add_stages(g, x, add_basic, (int64_t[]){7, 7, 7}, 3, 16, 10);
}
