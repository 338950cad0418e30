/* MobileBERT (Sun et al. 2020): 24 thin layers, each 512 wide outside and 128 inside, with four
 * feed-forward blocks and an affine map in place of layer normalization ("NoNorm"). Sequences of
 * 128 tokens, the vocabulary of BERT. */
#include <math.h>

#include "zoo/layers.h"
#include "zoo/models.h"

enum {
    LENGTH = 128,
    VOCABULARY = 30522,
    POSITIONS = 512,
    SEGMENTS = 2,
    EMBEDDED = 128,
    HIDDEN = 512,
    INNER = 128,
    HEADS = 4,
    LAYERS = 24,
    FEED_FORWARDS = 4,
};

/* Deviation of scales around 1 and shifts around 0; chosen, as for batch normalization. */
static const double affine_deviation = 0.1;

static graph_value add_affine(graph *g, graph_value x)
{
    const graph_kind kind = graph_kind_of(g, x);
    const int64_t width = kind.dims[kind.rank - 1];
    const graph_value scale = graph_weight(g, "scale", 1, &width, 1, affine_deviation);
    const graph_value scaled = graph_node(g, "Mul", (graph_value[]){x, scale}, 2, kind);
    return layer_add(g, scaled, graph_weight(g, "shift", 1, &width, 0, affine_deviation));
}

/* Dense, residual, affine: the end of every sublayer. */
static graph_value close_sublayer(graph *g, graph_value x, graph_value residual, int64_t width)
{
    return add_affine(g, layer_add(g, layer_linear(g, x, width), residual));
}

static graph_value token_input(graph *g, const char *name)
{
    const graph_kind kind = {.type = COSREL_INT64, .rank = 2, .dims = {GRAPH_BATCH, LENGTH}};
    return graph_input(g, name, kind);
}

/* Rows of a table picked by number. */
static graph_value look_up(graph *g, graph_value ids, int64_t rows, int64_t width)
{
    const graph_value table = graph_weight(g, "table", 2, (int64_t[]){rows, width}, 0, 1);
    const graph_kind out = {
        .type = COSREL_FLOAT32, .rank = 3, .dims = {GRAPH_BATCH, LENGTH, width}, .mean_square = 1};
    return graph_node(g, "Gather", (graph_value[]){table, ids}, 2, out);
}

/* Moves the sequence by one token: by = 1 gives each place its left neighbour, by = -1 its right
 * one; zeros move in. */
static graph_value shift_tokens(graph *g, graph_value x, int64_t by)
{
    graph_kind kind = graph_kind_of(g, x);
    const int64_t first = by < 0 ? 1 : 0, end = by < 0 ? LENGTH : LENGTH - 1;
    kind.dims[1] = LENGTH - 1;
    const graph_value starts = graph_ints(g, &first, 1), ends = graph_ints(g, &end, 1);
    const graph_value axes = graph_ints(g, (int64_t[]){1}, 1);
    const graph_value cut = graph_node(g, "Slice", (graph_value[]){x, starts, ends, axes}, 4, kind);
    const int64_t pads[] = {0, by > 0, 0, 0, by < 0, 0};
    kind.dims[1] = LENGTH;
    return graph_node(g, "Pad", (graph_value[]){cut, graph_ints(g, pads, 6)}, 2, kind);
}

/* Section 3.1: narrow word embeddings, widened together with both neighbours. */
static graph_value add_embeddings(graph *g, graph_value ids, graph_value segments)
{
    graph_scope(g, "embeddings");
    const graph_value words = look_up(g, ids, VOCABULARY, EMBEDDED);
    const graph_value three[] = {shift_tokens(g, words, -1), words, shift_tokens(g, words, 1)};
    graph_value x = layer_linear(g, layer_concat(g, three, 3, 2), HIDDEN);
    const graph_value table = graph_weight(g, "positions", 2, (int64_t[]){POSITIONS, HIDDEN}, 0, 1);
    const graph_kind kind = {
        .type = COSREL_FLOAT32, .rank = 2, .dims = {LENGTH, HIDDEN}, .mean_square = 1};
    const graph_value starts = graph_ints(g, (int64_t[]){0}, 1);
    const graph_value ends = graph_ints(g, (int64_t[]){LENGTH}, 1);
    const graph_value positions = graph_node(g, "Slice", (graph_value[]){table, starts, ends}, 3,
                                             kind);
    x = layer_add(g, x, positions);
    return add_affine(g, layer_add(g, x, look_up(g, segments, SEGMENTS, HIDDEN)));
}

/* 0 where a token may be looked at, a large negative number where not: [batch, 1, 1, length]. */
static graph_value add_mask(graph *g, graph_value mask)
{
    /* As in BERT's first release: far below any score, and within half precision. */
    const float masked = -10000;
    graph_kind kind = {.type = COSREL_INT64, .rank = 4, .dims = {GRAPH_BATCH, 1, 1, LENGTH}};
    graph_scope(g, "mask");
    const graph_value axes = graph_ints(g, (int64_t[]){1, 2}, 2);
    const graph_value spread = graph_node(g, "Unsqueeze", (graph_value[]){mask, axes}, 2, kind);
    kind.type = COSREL_FLOAT32;
    const graph_value number = graph_node(g, "Cast", &spread, 1, kind);
    graph_attribute_int(g, "to", COSREL_FLOAT32);
    const graph_value hidden = graph_node(g, "Sub", (graph_value[]){graph_number(g, 1), number}, 2,
                                          kind);
    return graph_node(g, "Mul", (graph_value[]){hidden, graph_number(g, masked)}, 2, kind);
}

/* order {0, 2, 1, 3}: [batch, heads, length, size]; {0, 2, 3, 1}: each head transposed. */
static graph_value split_heads(graph *g, graph_value x, const int64_t *order)
{
    const graph_value heads = layer_reshape(g, x, 4,
                                            (int64_t[]){GRAPH_BATCH, LENGTH, HEADS, INNER / HEADS});
    return layer_transpose(g, heads, order);
}

/* Queries and keys from the narrow values, values from the wide ones (the paper's figure 1c). */
static graph_value add_attention(graph *g, graph_value narrow, graph_value wide, graph_value mask)
{
    static const int64_t forward[] = {0, 2, 1, 3}, transposed[] = {0, 2, 3, 1};
    const graph_value queries = split_heads(g, layer_linear(g, narrow, INNER), forward);
    const graph_value keys = split_heads(g, layer_linear(g, narrow, INNER), transposed);
    const graph_value values = split_heads(g, layer_linear(g, wide, INNER), forward);
    graph_value scores = layer_matmul(g, queries, keys);
    graph_kind kind = graph_kind_of(g, scores);
    const int head_size = INNER / HEADS;
    const graph_value scale = graph_number(g, sqrtf((float)head_size));
    scores = graph_node(g, "Div", (graph_value[]){scores, scale}, 2, kind);
    scores = layer_add(g, scores, mask);
    /* A weighted mean has at most the mean square of what it is taken over; layer_matmul multiplies
     * by the length. */
    kind.mean_square = 1.0 / LENGTH;
    const graph_value weights = graph_node(g, "Softmax", &scores, 1, kind);
    graph_attribute_int(g, "axis", -1);
    const graph_value mixed = layer_transpose(g, layer_matmul(g, weights, values), forward);
    return layer_reshape(g, mixed, 3, (int64_t[]){GRAPH_BATCH, LENGTH, INNER});
}

static graph_value add_layer(graph *g, graph_value x, graph_value mask)
{
    const graph_value inner = add_affine(g, layer_linear(g, x, INNER));
    const graph_value shared = add_affine(g, layer_linear(g, x, INNER));
    graph_value y = close_sublayer(g, add_attention(g, shared, x, mask), inner, INNER);
    for (int i = 0; i < FEED_FORWARDS; i++) {
        const graph_value widened = layer_activate(g, layer_linear(g, y, HIDDEN), LAYER_RELU);
        y = close_sublayer(g, widened, y, INNER);
    }
    return close_sublayer(g, y, x, HIDDEN);
}

void build_mobilebert(graph *g)
{
    const graph_value ids = token_input(g, "input_ids");
    const graph_value allowed = token_input(g, "attention_mask");
    const graph_value segments = token_input(g, "token_type_ids");
    const graph_value mask = add_mask(g, allowed);
    graph_value x = add_embeddings(g, ids, segments);
    for (int i = 0; i < LAYERS; i++) {
        graph_scope(g, "layer%d", i + 1);
        x = add_layer(g, x, mask);
    }
    graph_output(g, "last_hidden_state", x);
    /* The first token stands for the sequence. */
    const graph_kind kind = {
        .type = COSREL_FLOAT32, .rank = 2, .dims = {GRAPH_BATCH, HIDDEN}, .mean_square = 1};
    graph_scope(g, "pooler");
    const graph_value first = graph_node(g, "Gather", (graph_value[]){x, graph_index(g, 0)}, 2,
                                         kind);
    graph_attribute_int(g, "axis", 1);
    graph_output(g, "pooler_output", first);
}
