/* MobileNet V1, V2, V3 and EfficientNet-Lite0: depthwise separable convolutions in four
 * generations. */
#include "zoo/layers.h"
#include "zoo/mobile_block.h"
#include "zoo/models.h"

enum { IMAGE_SIZE = 224, CLASSES = 1000 };

static void classify(graph *g, graph_value features)
{
    graph_scope(g, "classifier");
    const graph_value pooled = layer_flatten(g, layer_global_pool(g, features));
    graph_output(g, "output", layer_linear(g, pooled, CLASSES));
}

/* Howard et al. 2017, table 1. */
void build_mobilenet_v1(graph *g)
{
    static const int64_t channels[] = {64,  128, 128, 256, 256,  512, 512,
                                       512, 512, 512, 512, 1024, 1024};
    static const int64_t strides[] = {1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1};
    const layer_conv like = {
        .padding = LAYER_PAD_SAME, .norm_epsilon = LAYER_EPSILON_SLIM, .activation = LAYER_RELU6};
    graph_scope(g, "stem");
    graph_value x = layer_image(g, 3, IMAGE_SIZE, IMAGE_SIZE);
    x = layer_convolve_like(g, x, &like, 32, 3, 2);
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
        graph_scope(g, "block%zu", i + 1);
        x = layer_depthwise_like(g, x, &like, 3, strides[i]);
        x = layer_convolve_like(g, x, &like, channels[i], 1, 1);
    }
    classify(g, x);
}

graph_value mobile_block_add(graph *g, graph_value x, const mobile_block *block,
                             graph_value *expanded)
{
    const int64_t channels = graph_kind_of(g, x).dims[1];
    layer_conv like = {
        .padding = block->padding, .norm_epsilon = block->epsilon, .activation = block->activation};
    graph_value y = x;
    if (block->expanded != channels)
        y = layer_convolve_like(g, y, &like, block->expanded, 1, 1);
    if (expanded)
        *expanded = y;
    y = layer_depthwise_like(g, y, &like, block->kernel, block->stride);
    if (block->squeezed)
        y = layer_squeeze_excite(g, y, block->squeezed);
    like.activation = LAYER_LINEAR;
    y = layer_convolve_like(g, y, &like, block->channels, 1, 1);
    return block->stride == 1 && block->channels == channels ? layer_add(g, x, y) : y;
}

/* A row of the tables that describe MobileNetV2 and EfficientNet: `count` blocks, the first with
 * the stride. */
typedef struct stage {
    int64_t expansion, channels, count, stride, kernel;
} stage;

enum { STAGES = 7 };

/* Both begin with 32 channels at half the image's size and end with 1280. */
static graph_value add_stages(graph *g, graph_value image, const stage stages[STAGES],
                              const mobile_block *base, graph_value *tap)
{
    const layer_conv like = {
        .padding = base->padding, .norm_epsilon = base->epsilon, .activation = base->activation};
    size_t number = 0;
    graph_scope(g, "stem");
    graph_value x = layer_convolve_like(g, image, &like, 32, 3, 2);
    for (size_t s = 0; s < STAGES; s++) {
        for (int64_t i = 0; i < stages[s].count; i++) {
            graph_value expanded;
            mobile_block block = *base;
            block.kernel = stages[s].kernel;
            block.stride = i == 0 ? stages[s].stride : 1;
            block.expanded = graph_kind_of(g, x).dims[1] * stages[s].expansion;
            block.channels = stages[s].channels;
            graph_scope(g, "block%zu", ++number);
            x = mobile_block_add(g, x, &block, &expanded);
            if (tap && block.stride == 2) /* what stays is from the last halving */
                *tap = expanded;
        }
    }
    graph_scope(g, "head");
    return layer_convolve_like(g, x, &like, 1280, 1, 1);
}

/* Sandler et al. 2018, table 2. */
graph_value mobilenet_v2_features(graph *g, graph_value image, layer_padding padding, float epsilon,
                                  graph_value *tap)
{
    static const stage stages[STAGES] = {
        {1, 16, 1, 1, 3}, {6, 24, 2, 2, 3},  {6, 32, 3, 2, 3},  {6, 64, 4, 2, 3},
        {6, 96, 3, 1, 3}, {6, 160, 3, 2, 3}, {6, 320, 1, 1, 3},
    };
    const mobile_block base = {.activation = LAYER_RELU6, .padding = padding, .epsilon = epsilon};
    return add_stages(g, image, stages, &base, tap);
}

void build_mobilenet_v2(graph *g)
{
    const graph_value image = layer_image(g, 3, IMAGE_SIZE, IMAGE_SIZE);
    classify(g, mobilenet_v2_features(g, image, LAYER_PAD_HALF, LAYER_EPSILON_TORCH, NULL));
}

/* Tan and Le 2019, table 1, as the Lite variants change it: no squeeze and excitation, ReLU6. */
void build_efficientnet_lite0(graph *g)
{
    static const stage stages[STAGES] = {
        {1, 16, 1, 1, 3},  {6, 24, 2, 2, 3},  {6, 40, 2, 2, 5},  {6, 80, 3, 2, 3},
        {6, 112, 3, 1, 5}, {6, 192, 4, 2, 5}, {6, 320, 1, 1, 3},
    };
    const mobile_block base = {
        .activation = LAYER_RELU6, .padding = LAYER_PAD_SAME, .epsilon = LAYER_EPSILON_SLIM};
    const graph_value image = layer_image(g, 3, IMAGE_SIZE, IMAGE_SIZE);
    classify(g, add_stages(g, image, stages, &base, NULL));
}

/* Howard et al. 2019, table 1. The squeezed channels are a quarter of the expanded, rounded to
 * eights. */
void build_mobilenet_v3_large(graph *g)
{
    enum { RE, HS };
    static const struct {
        int64_t kernel, expanded, channels, squeezed, stride;
        int activation;
    } rows[] = {
        {3, 16, 16, 0, 1, RE},     {3, 64, 24, 0, 2, RE},     {3, 72, 24, 0, 1, RE},
        {5, 72, 40, 24, 2, RE},    {5, 120, 40, 32, 1, RE},   {5, 120, 40, 32, 1, RE},
        {3, 240, 80, 0, 2, HS},    {3, 200, 80, 0, 1, HS},    {3, 184, 80, 0, 1, HS},
        {3, 184, 80, 0, 1, HS},    {3, 480, 112, 120, 1, HS}, {3, 672, 112, 168, 1, HS},
        {5, 672, 160, 168, 2, HS}, {5, 960, 160, 240, 1, HS}, {5, 960, 160, 240, 1, HS},
    };
    const layer_conv like = {.norm_epsilon = LAYER_EPSILON_SLIM, .activation = LAYER_HARD_SWISH};
    graph_scope(g, "stem");
    graph_value x = layer_image(g, 3, IMAGE_SIZE, IMAGE_SIZE);
    x = layer_convolve_like(g, x, &like, 16, 3, 2);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const mobile_block block = {.kernel = rows[i].kernel,
                                    .stride = rows[i].stride,
                                    .expanded = rows[i].expanded,
                                    .channels = rows[i].channels,
                                    .squeezed = rows[i].squeezed,
                                    .activation = rows[i].activation == HS ? LAYER_HARD_SWISH
                                                                           : LAYER_RELU,
                                    .padding = LAYER_PAD_HALF,
                                    .epsilon = LAYER_EPSILON_SLIM};
        graph_scope(g, "block%zu", i + 1);
        x = mobile_block_add(g, x, &block, NULL);
    }
    graph_scope(g, "head");
    x = layer_flatten(g, layer_global_pool(g, layer_convolve_like(g, x, &like, 960, 1, 1)));
    graph_scope(g, "classifier");
    x = layer_activate(g, layer_linear(g, x, 1280), LAYER_HARD_SWISH);
    graph_output(g, "output", layer_linear(g, x, CLASSES));
}
