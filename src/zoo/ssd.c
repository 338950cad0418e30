/* SSD-Lite on MobileNetV2 (Liu et al. 2016; Sandler et al. 2018, section 6.2) at 300x300 for COCO's
 * 91 classes, laid out as in the TensorFlow detection models: six maps from 19x19 to 1x1, 1917
 * anchors. The outputs are the raw box codes and class scores of every anchor; decoding and
 * suppression are the caller's. */
#include "zoo/layers.h"
#include "zoo/mobile_block.h"
#include "zoo/models.h"

enum { MAPS = 6, CLASSES = 91, BOX_CODES = 4 };

static const layer_conv like = {
    .padding = LAYER_PAD_SAME, .norm_epsilon = LAYER_EPSILON_SLIM, .activation = LAYER_RELU6};

/* What one map says about its anchors: [batch, anchors * height * width, codes]. */
static graph_value predict(graph *g, graph_value map, int64_t anchors, int64_t codes)
{
    const layer_conv linear = {.bias = true};
    const graph_value x = layer_depthwise_like(g, map, &like, 3, 1);
    const graph_value y = layer_convolve_like(g, x, &linear, anchors * codes, 1, 1);
    const graph_value last = layer_transpose(g, y, (int64_t[]){0, 2, 3, 1});
    return layer_reshape(g, last, 3, (int64_t[]){GRAPH_BATCH, -1, codes});
}

void build_ssd_mobilenet_v2(graph *g)
{
    static const struct {
        int64_t narrow, channels;
    } extras[MAPS - 2] = {{256, 512}, {128, 256}, {128, 256}, {64, 128}};
    graph_value maps[MAPS], boxes[MAPS], scores[MAPS];
    const graph_value image = layer_image(g, 3, 300, 300);
    maps[1] = mobilenet_v2_features(g, image, LAYER_PAD_SAME, LAYER_EPSILON_SLIM, &maps[0]);
    for (size_t i = 2; i < MAPS; i++) {
        graph_scope(g, "extra%zu", i - 1);
        graph_value x = layer_convolve_like(g, maps[i - 1], &like, extras[i - 2].narrow, 1, 1);
        x = layer_depthwise_like(g, x, &like, 3, 2);
        maps[i] = layer_convolve_like(g, x, &like, extras[i - 2].channels, 1, 1);
    }
    for (size_t i = 0; i < MAPS; i++) {
        const int64_t anchors = i == 0 ? 3 : 6; /* shapes per place */
        graph_scope(g, "boxes%zu", i);
        boxes[i] = predict(g, maps[i], anchors, BOX_CODES);
        graph_scope(g, "scores%zu", i);
        scores[i] = predict(g, maps[i], anchors, CLASSES);
    }
    graph_scope(g, "join");
    graph_output(g, "boxes", layer_concat(g, boxes, MAPS, 1));
    graph_output(g, "scores", layer_concat(g, scores, MAPS, 1));
}
