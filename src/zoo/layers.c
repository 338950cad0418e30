#include "zoo/layers.h"

#include <math.h>

/* Mean squares of f(x) for x normal with mean 0 and deviation 1: exact for the ReLU (half of it is
 * cut away), nearly so for ReLU6 (x rarely passes 6); the hard ones are their middle pieces,
 * E[(x(x+3)/6)^2] = 12/36, E[(x/6+1/2)^2]. */
static double activated_mean_square(layer_activation activation, double mean_square)
{
    switch (activation) {
    case LAYER_LINEAR:
        return mean_square;
    case LAYER_RELU:
    case LAYER_RELU6:
        return mean_square / 2;
    case LAYER_HARD_SWISH:
        return mean_square / 3;
    case LAYER_HARD_SIGMOID:
        return 1.0 / 4 + mean_square / 36;
    }
    return mean_square;
}

/* Deviations of what training would move away from 1 and 0; chosen: enough that no two channels are
 * alike. */
static const double norm_deviation = 0.1;

static double weight_deviation(double fan_in, double mean_square)
{
    return 1 / sqrt(fan_in * mean_square);
}

graph_value layer_image(graph *g, int64_t channels, int64_t height, int64_t width)
{
    const graph_kind kind = {.type = COSREL_FLOAT32,
                             .rank = 4,
                             .dims = {GRAPH_BATCH, channels, height, width},
                             .mean_square = 1};
    return graph_input(g, "input", kind);
}

/* One axis of a window that moves: pads before and after, and the size of what comes out. */
typedef struct window {
    int64_t before;
    int64_t after;
    int64_t out;
} window;

static window place_window(int64_t in, int64_t kernel, int64_t stride, layer_padding padding)
{
    window w = {0};
    if (padding == LAYER_PAD_HALF) {
        w.before = w.after = kernel / 2;
    } else if (padding == LAYER_PAD_SAME) {
        const int64_t out = (in + stride - 1) / stride;
        const int64_t missing = (out - 1) * stride + kernel - in;
        w.before = missing > 0 ? missing / 2 : 0;
        w.after = missing > 0 ? missing - w.before : 0;
    }
    w.out = (in + w.before + w.after - kernel) / stride + 1;
    return w;
}

static bool expect_rank(graph *g, graph_value x, size_t rank)
{
    if (graph_kind_of(g, x).rank != rank)
        graph_fail(g, COSREL_INTERNAL, "a layer's input has the wrong number of dimensions");
    return g->status == COSREL_OK;
}

static graph_value convolve(graph *g, graph_value x, const layer_conv *conv)
{
    const graph_kind in = graph_kind_of(g, x);
    const int64_t depth = in.dims[1], channels = conv->channels ? conv->channels : depth;
    const int64_t kernel[] = {conv->kernel, conv->kernel_width ? conv->kernel_width : conv->kernel};
    const int64_t stride = conv->stride ? conv->stride : 1;
    int64_t groups = conv->groups ? conv->groups : 1;
    if (groups == LAYER_DEPTHWISE)
        groups = depth;
    const int64_t fan_in = depth / groups * kernel[0] * kernel[1];
    if (depth % groups != 0 || channels % groups != 0) {
        graph_fail(g, COSREL_INTERNAL, "groups do not divide a convolution's channels");
        return 0;
    }
    const window high = place_window(in.dims[2], kernel[0], stride, conv->padding);
    const window wide = place_window(in.dims[3], kernel[1], stride, conv->padding);
    const int64_t dims[] = {channels, depth / groups, kernel[0], kernel[1]};
    const double deviation = weight_deviation((double)fan_in, in.mean_square);
    graph_value inputs[3] = {x, graph_weight(g, "weight", 4, dims, 0, deviation)};
    if (conv->bias)
        inputs[2] = graph_weight(g, "bias", 1, &channels, 0, norm_deviation);
    const graph_kind out = {.type = in.type,
                            .rank = 4,
                            .dims = {GRAPH_BATCH, channels, high.out, wide.out},
                            .mean_square = 1};
    const graph_value y = graph_node(g, "Conv", inputs, conv->bias ? 3 : 2, out);
    const int64_t pads[] = {high.before, wide.before, high.after, wide.after};
    graph_attribute_ints(g, "kernel_shape", kernel, 2);
    graph_attribute_ints(g, "strides", (int64_t[]){stride, stride}, 2);
    graph_attribute_ints(g, "pads", pads, 4);
    graph_attribute_ints(g, "dilations", (int64_t[]){1, 1}, 2);
    graph_attribute_int(g, "group", groups);
    graph_count_macs(g, channels * high.out * wide.out * fan_in);
    return y;
}

graph_value layer_convolve(graph *g, graph_value x, layer_conv conv)
{
    if (!expect_rank(g, x, 4))
        return 0;
    graph_value y = convolve(g, x, &conv);
    if (conv.norm_epsilon > 0)
        y = layer_batch_norm(g, y, conv.norm_epsilon);
    return layer_activate(g, y, conv.activation);
}

graph_value layer_convolve_like(graph *g, graph_value x, const layer_conv *like, int64_t channels,
                                int64_t kernel, int64_t stride)
{
    layer_conv conv = *like;
    conv.channels = channels;
    conv.kernel = kernel;
    conv.stride = stride;
    return layer_convolve(g, x, conv);
}

graph_value layer_depthwise_like(graph *g, graph_value x, const layer_conv *like, int64_t kernel,
                                 int64_t stride)
{
    layer_conv conv = *like;
    conv.channels = 0;
    conv.kernel = kernel;
    conv.stride = stride;
    conv.groups = LAYER_DEPTHWISE;
    return layer_convolve(g, x, conv);
}

graph_value layer_upconvolve(graph *g, graph_value x, int64_t channels)
{
    if (!expect_rank(g, x, 4))
        return 0;
    const graph_kind in = graph_kind_of(g, x);
    const int64_t dims[] = {in.dims[1], channels, 2, 2};
    /* Stride and kernel are equal: each output sees each input channel once. */
    const double deviation = weight_deviation((double)in.dims[1], in.mean_square);
    const graph_value inputs[] = {x, graph_weight(g, "weight", 4, dims, 0, deviation),
                                  graph_weight(g, "bias", 1, &channels, 0, norm_deviation)};
    const graph_kind out = {.type = in.type,
                            .rank = 4,
                            .mean_square = 1,
                            .dims = {GRAPH_BATCH, channels, 2 * in.dims[2], 2 * in.dims[3]}};
    const graph_value y = graph_node(g, "ConvTranspose", inputs, 3, out);
    graph_attribute_ints(g, "kernel_shape", (int64_t[]){2, 2}, 2);
    graph_attribute_ints(g, "strides", (int64_t[]){2, 2}, 2);
    graph_count_macs(g, in.dims[1] * channels * out.dims[2] * out.dims[3]);
    return y;
}

graph_value layer_batch_norm(graph *g, graph_value x, float epsilon)
{
    graph_kind kind = graph_kind_of(g, x);
    const double deviation = sqrt(kind.mean_square);
    const graph_value inputs[] = {
        x,
        graph_weight(g, "scale", 1, &kind.dims[1], 1, norm_deviation),
        graph_weight(g, "shift", 1, &kind.dims[1], 0, norm_deviation),
        graph_statistic(g, "mean", kind.dims[1], 0, norm_deviation * deviation),
        /* the noise stays under 3.47 deviations, so a variance stays over 0.65 of its mean */
        graph_statistic(g, "variance", kind.dims[1], kind.mean_square,
                        norm_deviation * kind.mean_square),
    };
    kind.mean_square = 1;
    const graph_value y = graph_node(g, "BatchNormalization", inputs, 5, kind);
    graph_attribute_float(g, "epsilon", epsilon);
    return y;
}

graph_value layer_activate(graph *g, graph_value x, layer_activation activation)
{
    graph_kind kind = graph_kind_of(g, x);
    kind.mean_square = activated_mean_square(activation, kind.mean_square);
    switch (activation) {
    case LAYER_LINEAR:
        return x;
    case LAYER_RELU:
        return graph_node(g, "Relu", &x, 1, kind);
    case LAYER_RELU6: {
        const graph_value inputs[] = {x, graph_number(g, 0), graph_number(g, 6)};
        return graph_node(g, "Clip", inputs, 3, kind);
    }
    case LAYER_HARD_SWISH:
        return graph_node(g, "HardSwish", &x, 1, kind);
    case LAYER_HARD_SIGMOID:
        break;
    }
    const graph_value y = graph_node(g, "HardSigmoid", &x, 1, kind);
    graph_attribute_float(g, "alpha", 1.0f / 6); /* max(0, min(1, x / 6 + 1 / 2)): MobileNetV3's */
    graph_attribute_float(g, "beta", 0.5f);
    return y;
}

/* b's dimensions must be a's or 1; missing leading ones count as 1. */
static bool broadcasts(const graph_kind *a, const graph_kind *b)
{
    if (b->rank > a->rank)
        return false;
    for (size_t i = 0; i < b->rank; i++) {
        const int64_t ours = b->dims[b->rank - 1 - i];
        if (ours != 1 && ours != a->dims[a->rank - 1 - i])
            return false;
    }
    return true;
}

static graph_value combine(graph *g, const char *op, graph_value a, graph_value b,
                           double mean_square)
{
    graph_kind kind = graph_kind_of(g, a);
    const graph_kind other = graph_kind_of(g, b);
    if (!broadcasts(&kind, &other))
        graph_fail(g, COSREL_INTERNAL, "shapes that cannot be combined");
    kind.mean_square = mean_square;
    return graph_node(g, op, (graph_value[]){a, b}, 2, kind);
}

graph_value layer_add(graph *g, graph_value a, graph_value b)
{
    return combine(g, "Add", a, b,
                   graph_kind_of(g, a).mean_square + graph_kind_of(g, b).mean_square);
}

graph_value layer_add_relu(graph *g, graph_value x, graph_value y)
{
    const graph_value sum = layer_add(g, y, x);
    return graph_node(g, "Relu", &sum, 1, graph_kind_of(g, sum));
}

graph_value layer_multiply(graph *g, graph_value a, graph_value b)
{
    return combine(g, "Mul", a, b,
                   graph_kind_of(g, a).mean_square * graph_kind_of(g, b).mean_square);
}

graph_value layer_concat(graph *g, const graph_value *values, size_t count, size_t axis)
{
    graph_kind out = graph_kind_of(g, values[0]);
    const double first_weight = (double)out.dims[axis];
    double sum = out.mean_square * first_weight;
    for (size_t i = 1; i < count; i++) {
        const graph_kind kind = graph_kind_of(g, values[i]);
        for (size_t d = 0; d < out.rank; d++)
            if (kind.rank != out.rank || (d != axis && kind.dims[d] != out.dims[d]))
                graph_fail(g, COSREL_INTERNAL, "shapes that cannot be joined");
        out.dims[axis] += kind.dims[axis];
        sum += kind.mean_square * (double)kind.dims[axis];
    }
    out.mean_square = sum / (double)out.dims[axis];
    const graph_value y = graph_node(g, "Concat", values, count, out);
    graph_attribute_int(g, "axis", (int64_t)axis);
    return y;
}

static graph_value pool(graph *g, const char *op, graph_value x, const int64_t by[3], bool ceil,
                        double growth)
{
    if (!expect_rank(g, x, 4))
        return 0;
    const int64_t kernel = by[0], stride = by[1], pad = by[2];
    graph_kind kind = graph_kind_of(g, x);
    for (size_t d = 2; d < 4; d++)
        kind.dims[d] = (kind.dims[d] + 2 * pad - kernel + (ceil ? stride - 1 : 0)) / stride + 1;
    kind.mean_square *= growth;
    const graph_value y = graph_node(g, op, &x, 1, kind);
    graph_attribute_ints(g, "kernel_shape", (int64_t[]){kernel, kernel}, 2);
    graph_attribute_ints(g, "strides", (int64_t[]){stride, stride}, 2);
    graph_attribute_ints(g, "pads", (int64_t[]){pad, pad, pad, pad}, 4);
    if (ceil)
        graph_attribute_int(g, "ceil_mode", 1);
    return y;
}

/* How the mean square changes behind a ReLU, roughly. The largest of a few neighbours: chosen.
 * Their mean: neighbours are alike, so little is lost. The mean of all: the squared mean stays, 1 /
 * pi of the mean square. */
static const double max_growth = 2, mean_growth = 1, global_mean_growth = 0.318;

graph_value layer_max_pool(graph *g, graph_value x, int64_t kernel, int64_t stride, int64_t pad,
                           bool ceil)
{
    return pool(g, "MaxPool", x, (int64_t[]){kernel, stride, pad}, ceil, max_growth);
}

graph_value layer_average_pool(graph *g, graph_value x, int64_t kernel, int64_t stride, int64_t pad)
{
    const graph_value y = pool(g, "AveragePool", x, (int64_t[]){kernel, stride, pad}, false,
                               mean_growth);
    graph_attribute_int(g, "count_include_pad", 1);
    return y;
}

graph_value layer_global_pool(graph *g, graph_value x)
{
    if (!expect_rank(g, x, 4))
        return 0;
    graph_kind kind = graph_kind_of(g, x);
    kind.dims[2] = kind.dims[3] = 1;
    kind.mean_square *= global_mean_growth;
    return graph_node(g, "GlobalAveragePool", &x, 1, kind);
}

graph_value layer_flatten(graph *g, graph_value x)
{
    const graph_kind in = graph_kind_of(g, x);
    graph_kind out = {
        .type = in.type, .rank = 2, .dims = {GRAPH_BATCH, 1}, .mean_square = in.mean_square};
    for (size_t d = 1; d < in.rank; d++)
        out.dims[1] *= in.dims[d];
    const graph_value y = graph_node(g, "Flatten", &x, 1, out);
    graph_attribute_int(g, "axis", 1);
    return y;
}

graph_value layer_linear(graph *g, graph_value x, int64_t features)
{
    graph_kind kind = graph_kind_of(g, x);
    if (kind.rank != 2 && kind.rank != 3) {
        graph_fail(g, COSREL_INTERNAL, "a linear layer needs rank 2 or 3");
        return 0;
    }
    const int64_t width = kind.dims[kind.rank - 1];
    const double deviation = weight_deviation((double)width, kind.mean_square);
    kind.dims[kind.rank - 1] = features;
    kind.mean_square = 1;
    graph_count_macs(g, width * features * (kind.rank == 3 ? kind.dims[1] : 1));
    if (kind.rank == 2) {
        const int64_t dims[] = {features, width};
        const graph_value inputs[] = {x, graph_weight(g, "weight", 2, dims, 0, deviation),
                                      graph_weight(g, "bias", 1, &features, 0, norm_deviation)};
        const graph_value y = graph_node(g, "Gemm", inputs, 3, kind);
        graph_attribute_int(g, "transB", 1);
        return y;
    }
    const int64_t dims[] = {width, features};
    const graph_value weight = graph_weight(g, "weight", 2, dims, 0, deviation);
    const graph_value y = graph_node(g, "MatMul", (graph_value[]){x, weight}, 2, kind);
    return layer_add(g, y, graph_weight(g, "bias", 1, &features, 0, norm_deviation));
}

graph_value layer_squeeze_excite(graph *g, graph_value x, int64_t squeezed)
{
    const int64_t channels = graph_kind_of(g, x).dims[1];
    graph_value gate = layer_global_pool(g, x);
    const layer_conv narrow = {.bias = true, .activation = LAYER_RELU};
    const layer_conv widen = {.bias = true, .activation = LAYER_HARD_SIGMOID};
    gate = layer_convolve_like(g, gate, &narrow, squeezed, 1, 1);
    gate = layer_convolve_like(g, gate, &widen, channels, 1, 1);
    return layer_multiply(g, x, gate);
}

graph_value layer_reshape(graph *g, graph_value x, size_t rank, const int64_t *dims)
{
    const graph_kind in = graph_kind_of(g, x);
    graph_kind out = {
        .type = in.type, .rank = rank, .dims = {GRAPH_BATCH}, .mean_square = in.mean_square};
    int64_t target[GRAPH_RANK_MAX] = {0}; /* 0 keeps the batch, whatever it is */
    int64_t elements = 1, known = 1;
    size_t open = 0;
    for (size_t d = 1; d < in.rank; d++)
        elements *= in.dims[d];
    for (size_t d = 1; d < rank; d++) {
        target[d] = out.dims[d] = dims[d];
        if (dims[d] == -1)
            open = d;
        else
            known *= dims[d];
    }
    if (open)
        out.dims[open] = known ? elements / known : 0;
    if (g->status == COSREL_OK && known * (open ? out.dims[open] : 1) != elements)
        graph_fail(g, COSREL_INTERNAL, "a reshape that changes the number of elements");
    return graph_node(g, "Reshape", (graph_value[]){x, graph_ints(g, target, rank)}, 2, out);
}

graph_value layer_transpose(graph *g, graph_value x, const int64_t *order)
{
    const graph_kind in = graph_kind_of(g, x);
    graph_kind out = in;
    for (size_t d = 0; d < in.rank; d++)
        out.dims[d] = in.dims[order[d]];
    const graph_value y = graph_node(g, "Transpose", &x, 1, out);
    graph_attribute_ints(g, "perm", order, in.rank);
    return y;
}

graph_value layer_matmul(graph *g, graph_value a, graph_value b)
{
    const graph_kind left = graph_kind_of(g, a), right = graph_kind_of(g, b);
    graph_kind out = left;
    if (left.rank < 2 || left.rank != right.rank ||
        left.dims[left.rank - 1] != right.dims[right.rank - 2]) {
        graph_fail(g, COSREL_INTERNAL, "matrices that cannot be multiplied");
        return 0;
    }
    out.dims[out.rank - 1] = right.dims[right.rank - 1];
    int64_t macs = left.dims[left.rank - 1];
    for (size_t d = 1; d < out.rank; d++)
        macs *= out.dims[d];
    graph_count_macs(g, macs);
    out.mean_square = left.mean_square * right.mean_square * (double)left.dims[left.rank - 1];
    return graph_node(g, "MatMul", (graph_value[]){a, b}, 2, out);
}
