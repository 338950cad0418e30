#include "zoo/graph.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void graph_deinit(graph *g)
{
    free(g->values);
    free(g->nodes);
    free(g->tensors);
    *g = (graph){0};
}

cosrel_status graph_check(const graph *g, cosrel_error *err)
{
    if (g->status == COSREL_OK)
        return COSREL_OK;
    return error_set(err, g->status, "building the graph at \"%s\": %s", g->scope,
                     g->fault ? g->fault : cosrel_status_text(g->status));
}

void graph_fail(graph *g, cosrel_status status, const char *fault)
{
    if (g->status != COSREL_OK)
        return;
    g->status = status;
    g->fault = fault;
}

void graph_scope(graph *g, const char *format, ...)
{
    if (g->status != COSREL_OK)
        return;
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(g->scope, sizeof g->scope, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof g->scope)
        graph_fail(g, COSREL_INTERNAL, "a scope's name is too long");
}

/* Makes room for one more: capacities are the powers of two, so `count` alone tells when to grow.
 */
static bool grow(graph *g, void **items, size_t count, size_t item_bytes)
{
    if (g->status != COSREL_OK)
        return false;
    if ((count & (count - 1)) != 0)
        return true;
    const size_t capacity = count ? 2 * count : 1;
    if (capacity > GRAPH_VALUES_MAX) {
        graph_fail(g, COSREL_INTERNAL, "the graph is too large");
        return false;
    }
    void *grown = realloc(*items, capacity * item_bytes);
    if (!grown) {
        graph_fail(g, COSREL_OUT_OF_MEMORY, NULL);
        return false;
    }
    *items = grown;
    return true;
}

static graph_value add_value(graph *g, graph_kind kind)
{
    if (!grow(g, (void **)&g->values, g->value_count, sizeof *g->values))
        return 0;
    g->values[g->value_count++] = (graph_value_info){.kind = kind};
    if (g->value_count == 1) /* that was value 0, which is none */
        return add_value(g, kind);
    return g->value_count - 1;
}

static void name_value(graph *g, graph_value v, const char *name)
{
    const int length = snprintf(g->values[v].name, GRAPH_NAME_BYTES, "%s", name);
    if (length < 0 || length >= GRAPH_NAME_BYTES)
        graph_fail(g, COSREL_INTERNAL, "a value's name is too long");
}

graph_kind graph_kind_of(const graph *g, graph_value v)
{
    return v > 0 && v < g->value_count ? g->values[v].kind : (graph_kind){0};
}

graph_value graph_input(graph *g, const char *name, graph_kind kind)
{
    const graph_value v = add_value(g, kind);
    if (v == 0)
        return 0;
    if (g->input_count == GRAPH_INPUTS_MAX) {
        graph_fail(g, COSREL_INTERNAL, "too many inputs");
        return 0;
    }
    name_value(g, v, name);
    g->inputs[g->input_count++] = v;
    return v;
}

void graph_output(graph *g, const char *name, graph_value v)
{
    if (g->status != COSREL_OK)
        return;
    if (v == 0 || g->output_count == GRAPH_INPUTS_MAX) {
        graph_fail(g, COSREL_INTERNAL, "an output that is no value, or too many");
        return;
    }
    name_value(g, v, name);
    g->outputs[g->output_count++] = v;
}

static int64_t element_count(const graph_kind *kind)
{
    int64_t elements = 1;
    for (size_t i = 0; i < kind->rank; i++)
        elements *= kind->dims[i];
    return elements;
}

/* Tensors are named after the node that will use them, which is the next one to be added. */
static graph_value add_tensor(graph *g, const char *part, graph_kind kind, graph_tensor tensor)
{
    if (element_count(&kind) <= 0)
        graph_fail(g, COSREL_INTERNAL, "a tensor without elements");
    if (!grow(g, (void **)&g->tensors, g->tensor_count, sizeof *g->tensors))
        return 0;
    tensor.value = add_value(g, kind);
    if (tensor.value == 0)
        return 0;
    char name[2 * GRAPH_NAME_BYTES];
    snprintf(name, sizeof name, "%s%s%zu.%s", g->scope, g->scope[0] ? "." : "", g->node_count,
             part);
    name_value(g, tensor.value, name);
    g->tensors[g->tensor_count++] = tensor;
    return tensor.value;
}

graph_value graph_weight(graph *g, const char *part, size_t rank, const int64_t *dims, double mean,
                         double deviation)
{
    graph_kind kind = {.type = COSREL_FLOAT32, .rank = rank};
    if (rank > GRAPH_RANK_MAX) {
        graph_fail(g, COSREL_INTERNAL, "a weight of too many dimensions");
        return 0;
    }
    memcpy(kind.dims, dims, rank * sizeof *dims);
    const graph_value v = add_tensor(g, part, kind,
                                     (graph_tensor){.mean = mean, .deviation = deviation});
    if (v)
        g->params += element_count(&kind);
    return v;
}

graph_value graph_statistic(graph *g, const char *part, int64_t elements, double mean,
                            double deviation)
{
    const graph_kind kind = {.type = COSREL_FLOAT32, .rank = 1, .dims = {elements}};
    return add_tensor(g, part, kind, (graph_tensor){.mean = mean, .deviation = deviation});
}

static graph_value add_ints(graph *g, size_t rank, const int64_t *numbers, size_t count)
{
    graph_tensor tensor = {.constant_count = count};
    if (count == 0 || count > GRAPH_INTS_MAX) {
        graph_fail(g, COSREL_INTERNAL, "a constant with too many numbers, or none");
        return 0;
    }
    memcpy(tensor.ints, numbers, count * sizeof *numbers);
    char part[24];
    snprintf(part, sizeof part, "ints%zu", g->tensor_count);
    const graph_kind kind = {.type = COSREL_INT64, .rank = rank, .dims = {(int64_t)count}};
    return add_tensor(g, part, kind, tensor);
}

graph_value graph_ints(graph *g, const int64_t *numbers, size_t count)
{
    return add_ints(g, 1, numbers, count);
}

graph_value graph_index(graph *g, int64_t number)
{
    return add_ints(g, 0, &number, 1);
}

graph_value graph_number(graph *g, float number)
{
    char part[24];
    snprintf(part, sizeof part, "number%zu", g->tensor_count);
    const graph_kind kind = {.type = COSREL_FLOAT32};
    return add_tensor(g, part, kind, (graph_tensor){.constant_count = 1, .number = number});
}

graph_value graph_node(graph *g, const char *op, const graph_value *inputs, size_t count,
                       graph_kind out)
{
    if (count > GRAPH_INPUTS_MAX) {
        graph_fail(g, COSREL_INTERNAL, "a node with too many inputs");
        return 0;
    }
    if (!grow(g, (void **)&g->nodes, g->node_count, sizeof *g->nodes))
        return 0;
    graph_node_info node = {.op = op, .input_count = count, .output = add_value(g, out)};
    if (node.output == 0)
        return 0;
    memcpy(node.inputs, inputs, count * sizeof *inputs);
    char name[2 * GRAPH_NAME_BYTES];
    snprintf(name, sizeof name, "%s%s%zu.%s", g->scope, g->scope[0] ? "." : "", g->node_count, op);
    name_value(g, node.output, name);
    memcpy(node.name, g->values[node.output].name, sizeof node.name);
    g->nodes[g->node_count++] = node;
    return node.output;
}

static void add_attribute(graph *g, graph_attribute attribute)
{
    if (g->status != COSREL_OK)
        return;
    graph_node_info *node = g->node_count ? &g->nodes[g->node_count - 1] : NULL;
    if (!node || node->attribute_count == GRAPH_ATTRIBUTES_MAX) {
        graph_fail(g, COSREL_INTERNAL, "an attribute without a node, or too many");
        return;
    }
    node->attributes[node->attribute_count++] = attribute;
}

void graph_attribute_int(graph *g, const char *name, int64_t number)
{
    const graph_attribute attribute = {
        .name = name, .type = GRAPH_ATTRIBUTE_INT, .ints = {number}, .int_count = 1};
    add_attribute(g, attribute);
}

void graph_attribute_ints(graph *g, const char *name, const int64_t *numbers, size_t count)
{
    graph_attribute attribute = {.name = name, .type = GRAPH_ATTRIBUTE_INTS, .int_count = count};
    if (count > GRAPH_INTS_MAX) {
        graph_fail(g, COSREL_INTERNAL, "an attribute with too many numbers");
        return;
    }
    memcpy(attribute.ints, numbers, count * sizeof *numbers);
    add_attribute(g, attribute);
}

void graph_attribute_float(graph *g, const char *name, float number)
{
    const graph_attribute attribute = {
        .name = name, .type = GRAPH_ATTRIBUTE_FLOAT, .number = number};
    add_attribute(g, attribute);
}

void graph_count_macs(graph *g, int64_t macs)
{
    g->macs += macs;
}
