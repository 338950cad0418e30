/* Writing a graph as a ModelProto without ever holding its weights.
 *
 * A protobuf message that contains another says its length first, so the graph is walked twice:
 * once to add up sizes, once to write. Small messages (nodes, value descriptions, a tensor's head)
 * go through protobuf-c; only the framing of the three large ones, model, graph and tensor, is done
 * here. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "onnx-ml.pb-c.h"
#include "zoo/graph.h"

/* ONNX 1.12: the newest IR and opset that every ONNX Runtime since 1.12 reads. */
enum { IR_VERSION = 8, OPSET = 17 };

/* Field numbers in onnx.proto of what is framed here; wire type 2 is "length, then bytes"
 * (protobuf's encoding). */
enum {
    MODEL_GRAPH = 7,
    GRAPH_NODE = 1,
    GRAPH_NAME = 2,
    GRAPH_INITIALIZER = 5,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    TENSOR_RAW_DATA = 9,
    WIRE_BYTES = 2,
};

enum { CHUNK_FLOATS = 4096 }; /* chosen: 16 KiB of weights at a time */

/* Where bytes go; without a stream they are only counted. */
typedef struct sink {
    FILE *stream;
    uint64_t bytes;
    bool failed;
    bool no_memory;
} sink;

static void sink_write(sink *s, const void *data, size_t bytes)
{
    s->bytes += bytes;
    if (s->stream && !s->failed && fwrite(data, 1, bytes, s->stream) != bytes)
        s->failed = true;
}

static size_t encode_varint(uint64_t value, uint8_t out[10])
{
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        out[n++] = (uint8_t)(value | 0x80);
    out[n++] = (uint8_t)value;
    return n;
}

static size_t encode_head(uint32_t field, uint64_t bytes, uint8_t out[20])
{
    const size_t n = encode_varint((uint64_t)field << 3 | WIRE_BYTES, out);
    return n + encode_varint(bytes, out + n);
}

static void sink_head(sink *s, uint32_t field, uint64_t bytes)
{
    uint8_t head[20];
    sink_write(s, head, encode_head(field, bytes, head));
}

/* The message without tag and length. */
static void sink_message(sink *s, const ProtobufCMessage *message)
{
    const size_t bytes = protobuf_c_message_get_packed_size(message);
    if (!s->stream) {
        s->bytes += bytes;
        return;
    }
    uint8_t *packed = malloc(bytes ? bytes : 1);
    if (!packed) {
        s->failed = s->no_memory = true;
        return;
    }
    protobuf_c_message_pack(message, packed);
    sink_write(s, packed, bytes);
    free(packed);
}

static void sink_field(sink *s, uint32_t field, const ProtobufCMessage *message)
{
    sink_head(s, field, protobuf_c_message_get_packed_size(message));
    sink_message(s, message);
}

static void store_le32(uint8_t *out, uint32_t bits)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(bits >> (8 * i));
}

static void store_float(uint8_t *out, float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    store_le32(out, bits);
}

/* Nearly normal noise of mean 0 and deviation 1 from one draw: the sum of four uniform 16-bit
 * numbers (Irwin-Hall), in whole numbers up to the last step. Ten times faster than a true normal,
 * and nothing here needs its tails. */
static double draw_noise(rng *r)
{
    const uint64_t x = rng_u64(r);
    const int64_t sum = (int64_t)((x & 0xffff) + (x >> 16 & 0xffff) + (x >> 32 & 0xffff) +
                                  (x >> 48));
    const double deviation = 37837.2267; /* sqrt(4 * (2^32 - 1) / 12) */
    return (double)(sum - 2 * 65535) * (1.0 / deviation);
}

static void sink_random(sink *s, const graph_tensor *tensor, uint64_t elements, rng *r)
{
    if (!s->stream) {
        s->bytes += elements * sizeof(float);
        return;
    }
    uint8_t chunk[CHUNK_FLOATS * sizeof(float)];
    for (uint64_t done = 0; done < elements && !s->failed;) {
        const size_t n = elements - done < CHUNK_FLOATS ? (size_t)(elements - done) : CHUNK_FLOATS;
        for (size_t i = 0; i < n; i++)
            store_float(chunk + 4 * i, (float)(tensor->mean + tensor->deviation * draw_noise(r)));
        sink_write(s, chunk, n * sizeof(float));
        done += n;
    }
}

static void sink_constants(sink *s, const graph_tensor *tensor, cosrel_dtype type)
{
    uint8_t data[8 * GRAPH_INTS_MAX];
    if (type == COSREL_FLOAT32) {
        store_float(data, tensor->number);
        sink_write(s, data, 4);
        return;
    }
    for (size_t i = 0; i < tensor->constant_count; i++) {
        const uint64_t bits = (uint64_t)tensor->ints[i];
        store_le32(data + 8 * i, (uint32_t)bits);
        store_le32(data + 8 * i + 4, (uint32_t)(bits >> 32));
    }
    sink_write(s, data, 8 * tensor->constant_count);
}

/* Every tensor draws from a stream of its own, so its numbers depend on its place only. */
static void sink_tensor(sink *s, const graph *g, size_t index, uint64_t seed)
{
    const graph_tensor *tensor = &g->tensors[index];
    graph_value_info *value = &g->values[tensor->value];
    uint64_t elements = 1;
    for (size_t i = 0; i < value->kind.rank; i++)
        elements *= (uint64_t)value->kind.dims[i];
    const uint64_t data_bytes = elements * (value->kind.type == COSREL_INT64 ? 8 : 4);

    Onnx__TensorProto proto = ONNX__TENSOR_PROTO__INIT;
    proto.name = value->name;
    proto.has_data_type = true;
    proto.data_type = (int32_t)value->kind.type;
    proto.n_dims = value->kind.rank;
    proto.dims = value->kind.dims;
    uint8_t head[20];
    const uint64_t head_bytes = encode_head(TENSOR_RAW_DATA, data_bytes, head);
    sink_head(s, GRAPH_INITIALIZER,
              protobuf_c_message_get_packed_size(&proto.base) + head_bytes + data_bytes);
    sink_message(s, &proto.base);
    sink_head(s, TENSOR_RAW_DATA, data_bytes);
    if (tensor->constant_count) {
        sink_constants(s, tensor, value->kind.type);
        return;
    }
    rng r;
    /* A product with an odd number differs for every index; rng_init spreads it over all bits. */
    rng_init(&r, seed ^ ((uint64_t)index + 1) * UINT64_C(0xd1342543de82ef95));
    sink_random(s, tensor, elements, &r);
}

static void sink_node(sink *s, const graph *g, size_t index)
{
    graph_node_info *node = &g->nodes[index];
    char *inputs[GRAPH_INPUTS_MAX];
    char *output = g->values[node->output].name;
    Onnx__AttributeProto attributes[GRAPH_ATTRIBUTES_MAX];
    Onnx__AttributeProto *attribute_list[GRAPH_ATTRIBUTES_MAX];
    for (size_t i = 0; i < node->input_count; i++)
        inputs[i] = g->values[node->inputs[i]].name; /* value 0 has the empty name: left out */
    for (size_t i = 0; i < node->attribute_count; i++) {
        graph_attribute *from = &node->attributes[i];
        Onnx__AttributeProto *to = attribute_list[i] = &attributes[i];
        onnx__attribute_proto__init(to);
        to->name = (char *)from->name;
        to->has_type = true;
        if (from->type == GRAPH_ATTRIBUTE_FLOAT) {
            to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
            to->has_f = true;
            to->f = from->number;
        } else if (from->type == GRAPH_ATTRIBUTE_INT) {
            to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
            to->has_i = true;
            to->i = from->ints[0];
        } else {
            to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
            to->n_ints = from->int_count;
            to->ints = from->ints;
        }
    }
    Onnx__NodeProto proto = ONNX__NODE_PROTO__INIT;
    proto.n_input = node->input_count;
    proto.input = inputs;
    proto.n_output = 1;
    proto.output = &output;
    proto.name = node->name;
    proto.op_type = (char *)node->op;
    proto.n_attribute = node->attribute_count;
    proto.attribute = attribute_list;
    sink_field(s, GRAPH_NODE, &proto.base);
}

static void sink_value(sink *s, const graph *g, uint32_t field, graph_value v)
{
    graph_value_info *value = &g->values[v];
    Onnx__TensorShapeProto__Dimension dims[GRAPH_RANK_MAX];
    Onnx__TensorShapeProto__Dimension *dim_list[GRAPH_RANK_MAX];
    for (size_t i = 0; i < value->kind.rank; i++) {
        Onnx__TensorShapeProto__Dimension *dim = dim_list[i] = &dims[i];
        onnx__tensor_shape_proto__dimension__init(dim);
        if (value->kind.dims[i] == GRAPH_BATCH) {
            dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dim->dim_param = (char *)"batch";
        } else {
            dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dim->dim_value = value->kind.dims[i];
        }
    }
    Onnx__TensorShapeProto shape = ONNX__TENSOR_SHAPE_PROTO__INIT;
    shape.n_dim = value->kind.rank;
    shape.dim = dim_list;
    Onnx__TypeProto__Tensor tensor = ONNX__TYPE_PROTO__TENSOR__INIT;
    tensor.has_elem_type = true;
    tensor.elem_type = (int32_t)value->kind.type;
    tensor.shape = &shape;
    Onnx__TypeProto type = ONNX__TYPE_PROTO__INIT;
    type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type.tensor_type = &tensor;
    Onnx__ValueInfoProto proto = ONNX__VALUE_INFO_PROTO__INIT;
    proto.name = value->name;
    proto.type = &type;
    sink_field(s, field, &proto.base);
}

static void sink_graph(sink *s, const graph *g, const char *name, uint64_t seed)
{
    for (size_t i = 0; i < g->node_count; i++)
        sink_node(s, g, i);
    sink_head(s, GRAPH_NAME, strlen(name));
    sink_write(s, name, strlen(name));
    for (size_t i = 0; i < g->tensor_count && !s->failed; i++)
        sink_tensor(s, g, i, seed);
    for (size_t i = 0; i < g->input_count; i++)
        sink_value(s, g, GRAPH_INPUT, g->inputs[i]);
    for (size_t i = 0; i < g->output_count; i++)
        sink_value(s, g, GRAPH_OUTPUT, g->outputs[i]);
}

cosrel_status graph_write(const graph *g, const char *name, const char *summary, uint64_t seed,
                          FILE *stream, uint64_t *bytes, cosrel_error *err)
{
    const cosrel_status status = graph_check(g, err);
    if (status != COSREL_OK)
        return status;
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT;
    Onnx__OperatorSetIdProto *opsets[] = {&opset};
    opset.has_version = true;
    opset.version = OPSET;
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    model.has_ir_version = true;
    model.ir_version = IR_VERSION;
    /* Without a version: a release must not change a model's bytes. */
    model.producer_name = (char *)"cosrel";
    model.doc_string = (char *)summary;
    model.n_opset_import = 1;
    model.opset_import = opsets;

    sink size = {0};
    sink_graph(&size, g, name, seed);
    sink out = {.stream = stream};
    sink_message(&out, &model.base);
    sink_head(&out, MODEL_GRAPH, size.bytes);
    sink_graph(&out, g, name, seed);
    *bytes = out.bytes;
    if (out.no_memory)
        return error_set(err, COSREL_OUT_OF_MEMORY, "writing model %s: out of memory", name);
    if (out.failed)
        return error_set(err, COSREL_IO, "writing model %s failed after %llu bytes", name,
                         (unsigned long long)out.bytes);
    return COSREL_OK;
}
