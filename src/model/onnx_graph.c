/* Graphs, nodes, attributes, and the graphs inside those. Every tensor on the way is checked. */
#include <string.h>

#include "model/onnx_parse.h"

/* Field numbers. */
enum {
    GRAPH_NODE = 1,
    GRAPH_INITIALIZER = 5,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    GRAPH_SPARSE = 15,
    NODE_OP_TYPE = 4,
    NODE_ATTRIBUTE = 5,
    NODE_DOMAIN = 7,
    ATTRIBUTE_TENSOR = 5,
    ATTRIBUTE_GRAPH = 6,
    ATTRIBUTE_TENSORS = 10,
    ATTRIBUTE_GRAPHS = 11,
    ATTRIBUTE_SPARSE = 22,
    ATTRIBUTE_SPARSES = 23,
    FUNCTION_NODE = 7,
    TRAINING_INITIALIZATION = 1,
    TRAINING_ALGORITHM = 2,
};

const char *onnx_keep_name(onnx_parse *p, const wire_field *field)
{
    return arena_copy(&p->file->memory, p->data + field->at, field->bytes);
}

static int compare_bytes(const char *text, const uint8_t *data, const wire_field *field)
{
    const size_t length = strlen(text);
    const size_t common = length < field->bytes ? length : field->bytes;
    const int order = common > 0 ? memcmp(text, data + field->at, common) : 0;
    if (order != 0)
        return order;
    return length < field->bytes ? -1 : length > field->bytes;
}

static int compare_op(const onnx_op_type *op, const onnx_parse *p, const wire_field *domain,
                      const wire_field *name)
{
    const int order = compare_bytes(op->domain, p->data, domain);
    return order ? order : compare_bytes(op->name, p->data, name);
}

/* Inserts in order: there are few kinds of operators, and most models begin with most of theirs. */
static cosrel_status count_op(onnx_parse *p, const wire_field *domain, const wire_field *name)
{
    size_t low = 0;
    size_t high = p->op_types.count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        onnx_op_type *op = (onnx_op_type *)p->op_types.items + middle;
        const int order = compare_op(op, p, domain, name);
        if (order == 0) {
            op->count++;
            return COSREL_OK;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (p->op_types.count == ONNX_OP_TYPES_MAX)
        return onnx_fail(p, "it has more than %d kinds of operators", ONNX_OP_TYPES_MAX);
    if (!onnx_list_add(&p->op_types, sizeof(onnx_op_type)))
        return onnx_no_memory(p);
    onnx_op_type *items = p->op_types.items;
    memmove(items + low + 1, items + low, (p->op_types.count - 1 - low) * sizeof *items);
    const onnx_op_type op = {onnx_keep_name(p, domain), onnx_keep_name(p, name), 1};
    items[low] = op;
    return op.domain && op.name ? COSREL_OK : onnx_no_memory(p);
}

static cosrel_status read_attribute(onnx_parse *p, wire w, unsigned depth)
{
    wire_field field;
    bool more;
    for (;;) {
        cosrel_status status = onnx_next(p, &w, &field, "an attribute", &more);
        if (status != COSREL_OK || !more)
            return status;
        if (field.type != WIRE_BYTES)
            continue;
        const wire inside = wire_inside(&w, &field);
        if (field.number == ATTRIBUTE_TENSOR || field.number == ATTRIBUTE_TENSORS)
            status = onnx_check_tensor(p, inside, NULL);
        else if (field.number == ATTRIBUTE_SPARSE || field.number == ATTRIBUTE_SPARSES)
            status = onnx_check_sparse(p, inside, NULL);
        else if (field.number == ATTRIBUTE_GRAPH || field.number == ATTRIBUTE_GRAPHS)
            status = onnx_read_graph(p, inside, depth + 1, false);
        if (status != COSREL_OK)
            return status;
    }
}

static bool has_zero_byte(const onnx_parse *p, const wire_field *field)
{
    return field->bytes > 0 && memchr(p->data + field->at, '\0', field->bytes);
}

static cosrel_status read_node(onnx_parse *p, wire w, unsigned depth)
{
    const size_t start = w.at;
    wire_field field;
    wire_field op = {0};
    wire_field domain = {0};
    bool more = true;
    for (;;) {
        cosrel_status status = onnx_next(p, &w, &field, "a node", &more);
        if (status != COSREL_OK)
            return status;
        if (!more)
            break;
        if (field.type != WIRE_BYTES)
            continue;
        if (field.number == NODE_OP_TYPE)
            op = field;
        else if (field.number == NODE_DOMAIN)
            domain = field;
        else if (field.number == NODE_ATTRIBUTE)
            status = read_attribute(p, wire_inside(&w, &field), depth);
        if (status != COSREL_OK)
            return status;
    }
    if (op.bytes == 0 || has_zero_byte(p, &op) || has_zero_byte(p, &domain))
        return onnx_fail(p, "the node at byte %zu does not say which operator it is", start);
    /* The standard operators' domain has two spellings. */
    const wire all = {p->data, 0, 0};
    if (wire_equals(&all, &domain, "ai.onnx"))
        domain.bytes = 0;
    p->file->node_count++;
    return count_op(p, &domain, &op);
}

static cosrel_status read_initializer(onnx_parse *p, wire w, bool sparse, bool is_main)
{
    if (!is_main)
        return sparse ? onnx_check_sparse(p, w, NULL) : onnx_check_tensor(p, w, NULL);
    if (p->initializers.count == ONNX_INITIALIZERS_MAX)
        return onnx_fail(p, "it has more than %d initializers", ONNX_INITIALIZERS_MAX);
    onnx_initializer *out = onnx_list_add(&p->initializers, sizeof *out);
    if (!out)
        return onnx_no_memory(p);
    out->external = -1;
    out->name = ""; /* a sparse one without values has none */
    return sparse ? onnx_check_sparse(p, w, out) : onnx_check_tensor(p, w, out);
}

static cosrel_status take_graph_field(onnx_parse *p, wire inside, uint32_t number, unsigned depth,
                                      bool is_main)
{
    switch (number) {
    case GRAPH_NODE:
        return read_node(p, inside, depth);
    case GRAPH_INITIALIZER:
        return read_initializer(p, inside, false, is_main);
    case GRAPH_SPARSE:
        return read_initializer(p, inside, true, is_main);
    case GRAPH_INPUT:
        return is_main ? onnx_read_value(p, inside, "input", &p->inputs) : COSREL_OK;
    case GRAPH_OUTPUT:
        return is_main ? onnx_read_value(p, inside, "output", &p->outputs) : COSREL_OK;
    default:
        return COSREL_OK;
    }
}

cosrel_status onnx_read_graph(onnx_parse *p, wire w, unsigned depth, bool is_main)
{
    wire_field field;
    bool more;
    if (depth > ONNX_GRAPH_DEPTH_MAX)
        return onnx_fail(p, "its graphs are nested more than %d deep (byte %zu)",
                         ONNX_GRAPH_DEPTH_MAX, w.at);
    for (;;) {
        cosrel_status status = onnx_next(p, &w, &field, "the graph", &more);
        if (status != COSREL_OK || !more)
            return status;
        if (field.type == WIRE_BYTES)
            status = take_graph_field(p, wire_inside(&w, &field), field.number, depth, is_main);
        if (status != COSREL_OK)
            return status;
    }
}

cosrel_status onnx_read_function(onnx_parse *p, wire w)
{
    wire_field field;
    bool more;
    for (;;) {
        cosrel_status status = onnx_next(p, &w, &field, "a function", &more);
        if (status != COSREL_OK || !more)
            return status;
        if (field.type == WIRE_BYTES && field.number == FUNCTION_NODE)
            status = read_node(p, wire_inside(&w, &field), 1);
        if (status != COSREL_OK)
            return status;
    }
}

cosrel_status onnx_read_training(onnx_parse *p, wire w)
{
    wire_field field;
    bool more;
    for (;;) {
        cosrel_status status = onnx_next(p, &w, &field, "the training information", &more);
        if (status != COSREL_OK || !more)
            return status;
        if (field.type == WIRE_BYTES &&
            (field.number == TRAINING_INITIALIZATION || field.number == TRAINING_ALGORITHM))
            status = onnx_read_graph(p, wire_inside(&w, &field), 1, false);
        if (status != COSREL_OK)
            return status;
    }
}
