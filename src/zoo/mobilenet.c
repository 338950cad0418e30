/* MobileNet V1, V2, V3 and EfficientNet-Lite0: depthwise separable convolutions in four generations. */
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
    static const struct { int64_t channels, stride; } blocks[] = {
        {64, 1}, {128, 2}, {128, 1}, {256, 2}, {256, 1}, {512, 2}, {512, 1},
        {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1},
    };
    const layer_conv base = {.padding = LAYER_PAD_SAME, .norm_epsilon = LAYER_EPSILON_SLIM, .activation = LAYER_RELU6};
    graph_scope(g, "stem");
    layer_conv stem = base;
    stem.channels = 32, stem.kernel = 3, stem.stride = 2;
    graph_value x = layer_convolve(g, layer_image(g, 3, IMAGE_SIZE, IMAGE_SIZE), stem);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        graph_scope(g, "block%zu", i + 1);
        layer_conv depthwise = base, pointwise = base;
        depthwise.kernel = 3, depthwise.stride = blocks[i].stride, depthwise.groups = LAYER_DEPTHWISE;
        pointwise.kernel = 1, pointwise.channels = blocks[i].channels;
        x = layer_convolve(g, layer_convolve(g, x, depthwise), pointwise);
    }
    classify(g, x);
}

graph_value mobile_block_add(graph *g, graph_value x, const mobile_block *block, graph_value *expanded)
{
    const int64_t channels = graph_kind_of(g, x).dims[1];
    const layer_conv base = {.kernel = 1, .padding = block->padding, .norm_epsilon = block->epsilon,
                             .activation = block->activation};
    graph_value y = x;
    if (block->expanded != channels) {
        layer_conv expand = base;
        expand.channels = block->expanded;
        y = layer_convolve(g, y, expand);
    }
    if (expanded)
        *expanded = y;
    layer_conv depthwise = base, project = base;
    depthwise.kernel = block->kernel, depthwise.stride = block->stride, depthwise.groups = LAYER_DEPTHWISE;
    y = layer_convolve(g, y, depthwise);
    if (block->squeezed)
        y = layer_squeeze_excite(g, y, block->squeezed);
    project.channels = block->channels, project.activation = LAYER_LINEAR;
    y = layer_convolve(g, y, project);
    return block->stride == 1 && block->channels == channels ? layer_add(g, x, y) : y;
}

/* A row of the tables that describe MobileNetV2 and EfficientNet: `count` blocks, the first of them with the stride. */
typedef struct stage {
    int64_t expansion, channels, count, stride, kernel;
} stage;

static graph_value add_stages(graph *g, graph_value x, const stage *stages, size_t count, mobile_block base,
                              graph_value *tap)
{
    size_t number = 0;
    for (size_t s = 0; s < count; s++) {
        for (int64_t i = 0; i < stages[s].count; i++) {
            graph_scope(g, "block%zu", ++number);
            mobile_block block = base;
            block.kernel = stages[s].kernel;
            block.stride = i == 0 ? stages[s].stride : 1;
            block.expanded = graph_kind_of(g, x).dims[1] * stages[s].expansion;
            block.channels = stages[s].channels;
            /* The last expansion before the last halving of the image. */
            graph_value expanded;
            x = mobile_block_add(g, x, &block, &expanded);
            if (tap && block.stride == 2)
                *tap = expanded;
        }
    }
    return x;
}

/* Sandler et al. 2018, table 2. */
graph_value mobilenet_v2_features(graph *g, graph_value image, layer_padding padding, float epsilon, graph_value *tap)
{
    static const stage stages[] = {{1, 16, 1, 1, 3}, {6, 24, 2, 2, 3}, {6, 32, 3, 2, 3}, {6, 64, 4, 2, 3},
                                   {6, 96, 3, 1, 3}, {6, 160, 3, 2, 3}, {6, 320, 1, 1, 3}};
    const mobile_block base = {.activation = LAYER_RELU6, .padding = padding, .epsilon = epsilon};
    layer_conv conv = {.channels = 32, .kernel = 3, .stride = 2, .padding = padding, .norm_epsilon = epsilon,
                       .activation = LAYER_RELU6};
    graph_scope(g, "stem");
    graph_value x = layer_convolve(g, image, conv);
    x = add_stages(g, x, stages, sizeof stages / sizeof *stages, base, tap);
    conv.channels = 1280, conv.kernel = 1, conv.stride = 1;
    graph_scope(g, "head");
    return layer_convolve(g, x, conv);
}

void build_mobilenet_v2(graph *g)
{
    const graph_value image = layer_image(g, 3, IMAGE_SIZE, IMAGE_SIZE);
    classify(g, mobilenet_v2_features(g, image, LAYER_PAD_HALF, LAYER_EPSILON_TORCH, NULL));
}

/* Tan and Le 2019, table 1, as the Lite variants change it: no squeeze and excitation, ReLU6. */
void build_efficientnet_lite0(graph *g)
{
    static const stage stages[] = {{1, 16, 1, 1, 3}, {6, 24, 2, 2, 3}, {6, 40, 2, 2, 5}, {6, 80, 3, 2, 3},
                                   {6, 112, 3, 1, 5}, {6, 192, 4, 2, 5}, {6, 320, 1, 1, 3}};
    const mobile_block base = {.activation = LAYER_RELU6, .padding = LAYER_PAD_SAME, .epsilon = LAYER_EPSILON_SLIM};
    layer_conv conv = {.channels = 32, .kernel = 3, .stride = 2, .padding = LAYER_PAD_SAME,
                       .norm_epsilon = LAYER_EPSILON_SLIM, .activation = LAYER_RELU6};
    graph_scope(g, "stem");
    graph_value x = layer_convolve(g, layer_image(g, 3, IMAGE_SIZE, IMAGE_SIZE), conv);
    x = add_stages(g, x, stages, sizeof stages / sizeof *stages, base, NULL);
    conv.channels = 1280, conv.kernel = 1, conv.stride = 1;
    graph_scope(g, "head");
    classify(g, layer_convolve(g, x, conv));
}

/* Howard et al. 2019, table 1. The squeezed channels are a quarter of the expanded, rounded to eights. */
void build_mobilenet_v3_large(graph *g)
{
    enum { RE = LAYER_RELU, HS = LAYER_HARD_SWISH };
    static const struct { int64_t kernel, expanded, channels, squeezed, stride; int activation; } rows[] = {
        {3, 16, 16, 0, 1, RE},    {3, 64, 24, 0, 2, RE},    {3, 72, 24, 0, 1, RE},
        {5, 72, 40, 24, 2, RE},   {5, 120, 40, 32, 1, RE},  {5, 120, 40, 32, 1, RE},
        {3, 240, 80, 0, 2, HS},   {3, 200, 80, 0, 1, HS},   {3, 184, 80, 0, 1, HS},
        {3, 184, 80, 0, 1, HS},   {3, 480, 112, 120, 1, HS}, {3, 672, 112, 168, 1, HS},
        {5, 672, 160, 168, 2, HS}, {5, 960, 160, 240, 1, HS}, {5, 960, 160, 240, 1, HS},
    };
    layer_conv conv = {.channels = 16, .kernel = 3, .stride = 2, .norm_epsilon = LAYER_EPSILON_SLIM,
                       .activation = LAYER_HARD_SWISH};
    graph_scope(g, "stem");
    graph_value x = layer_convolve(g, layer_image(g, 3, IMAGE_SIZE, IMAGE_SIZE), conv);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const mobile_block block = {.kernel = rows[i].kernel, .stride = rows[i].stride, .expanded = rows[i].expanded,
                                    .channels = rows[i].channels, .squeezed = rows[i].squeezed,
                                    .activation = (layer_activation)rows[i].activation,
                                    .padding = LAYER_PAD_HALF, .epsilon = LAYER_EPSILON_SLIM};
        graph_scope(g, "block%zu", i + 1);
        x = mobile_block_add(g, x, &block, NULL);
    }
    conv.channels = 960, conv.kernel = 1, conv.stride = 1;
    graph_scope(g, "head");
    x = layer_flatten(g, layer_global_pool(g, layer_convolve(g, x, conv)));
    graph_scope(g, "classifier");
    x = layer_activate(g, layer_linear(g, x, 1280), LAYER_HARD_SWISH);
    graph_output(g, "output", layer_linear(g, x, CLASSES));
}
