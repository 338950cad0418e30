#include "tiny_onnx.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx-ml.pb-c.h"

/* What every exporter of the last years writes; ONNX Runtime 1.16 and newer read it. */
enum {
    IR_VERSION = 8,
    OPSET_VERSION = 17,
    ITEMS_MAX = 8,
    FLOAT = 1,
    INT64 = 7,
    BOOL = 9,
    BFLOAT16 = 16
};

/* Each message with its base set up, in memory that lives until `tiny_end`. */
typedef struct tiny {
    void **blocks;
    size_t count;
    Onnx__ModelProto *model;
} tiny;

static void *take(tiny *t, size_t bytes)
{
    void **blocks = realloc(t->blocks, (t->count + 1) * sizeof *blocks);
    void *block = calloc(1, bytes + 1);
    if (!blocks || !block)
        abort(); /* a test without memory has nothing to say */
    t->blocks = blocks;
    t->blocks[t->count++] = block;
    return block;
}

static char *take_text(tiny *t, const char *text)
{
    char *copy = take(t, strlen(text) + 1);
    memcpy(copy, text, strlen(text) + 1);
    return copy;
}

#define TAKE(type, name) ((type *)take_message(t, &onnx__##name##__descriptor))

static void *take_message(tiny *t, const ProtobufCMessageDescriptor *descriptor)
{
    void *message = take(t, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, message);
    return message;
}

static Onnx__GraphProto *take_graph(tiny *t, const char *name)
{
    Onnx__GraphProto *g = TAKE(Onnx__GraphProto, graph_proto);
    g->name = take_text(t, name);
    g->node = take(t, ITEMS_MAX * sizeof *g->node);
    g->initializer = take(t, ITEMS_MAX * sizeof *g->initializer);
    g->input = take(t, ITEMS_MAX * sizeof *g->input);
    g->output = take(t, ITEMS_MAX * sizeof *g->output);
    return g;
}

static void tiny_begin(tiny *t, const char *name)
{
    memset(t, 0, sizeof *t);
    Onnx__ModelProto *m = TAKE(Onnx__ModelProto, model_proto);
    m->has_ir_version = 1;
    m->ir_version = IR_VERSION;
    m->producer_name = take_text(t, "cosrel tests");
    m->opset_import = take(t, sizeof *m->opset_import);
    m->opset_import[0] = TAKE(Onnx__OperatorSetIdProto, operator_set_id_proto);
    m->opset_import[0]->domain = take_text(t, "");
    m->opset_import[0]->has_version = 1;
    m->opset_import[0]->version = OPSET_VERSION;
    m->n_opset_import = 1;
    m->graph = take_graph(t, name);
    t->model = m;
}

static bool tiny_end(tiny *t, const char *path)
{
    const size_t bytes = onnx__model_proto__get_packed_size(t->model);
    uint8_t *packed = take(t, bytes);
    onnx__model_proto__pack(t->model, packed);
    FILE *file = fopen(path, "wb");
    bool ok = file && fwrite(packed, 1, bytes, file) == bytes;
    ok = file && fclose(file) == 0 && ok;
    if (!ok)
        perror(path);
    for (size_t i = 0; i < t->count; i++)
        free(t->blocks[i]);
    free(t->blocks);
    return ok;
}

/* shape: "batch,4"; "": a scalar. Digits are fixed sizes, words are symbols. */
static Onnx__ValueInfoProto *take_value(tiny *t, const char *name, int32_t type, const char *shape)
{
    Onnx__ValueInfoProto *v = TAKE(Onnx__ValueInfoProto, value_info_proto);
    v->name = take_text(t, name);
    v->type = TAKE(Onnx__TypeProto, type_proto);
    v->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    Onnx__TypeProto__Tensor *tensor = TAKE(Onnx__TypeProto__Tensor, type_proto__tensor);
    v->type->tensor_type = tensor;
    tensor->has_elem_type = 1;
    tensor->elem_type = type;
    tensor->shape = TAKE(Onnx__TensorShapeProto, tensor_shape_proto);
    tensor->shape->dim = take(t, ITEMS_MAX * sizeof *tensor->shape->dim);
    char *rest = take_text(t, shape);
    for (char *word = strtok_r(rest, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        Onnx__TensorShapeProto__Dimension *d = TAKE(Onnx__TensorShapeProto__Dimension,
                                                    tensor_shape_proto__dimension);
        const bool fixed = word[0] >= '0' && word[0] <= '9';
        if (fixed)
            d->dim_value = strtoll(word, NULL, 10);
        else
            d->dim_param = word;
        d->value_case = fixed ? ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE
                              : ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        tensor->shape->dim[tensor->shape->n_dim++] = d;
    }
    return v;
}

static void add_input(tiny *t, const char *name, int32_t type, const char *shape)
{
    Onnx__GraphProto *g = t->model->graph;
    g->input[g->n_input++] = take_value(t, name, type, shape);
}

static void add_output(tiny *t, const char *name, int32_t type, const char *shape)
{
    Onnx__GraphProto *g = t->model->graph;
    g->output[g->n_output++] = take_value(t, name, type, shape);
}

/* Names are separated by commas. */
static char **take_names(tiny *t, const char *names, size_t *count)
{
    char **list = take(t, ITEMS_MAX * sizeof *list);
    char *rest = take_text(t, names);
    for (char *word = strtok_r(rest, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
        list[(*count)++] = word;
    return list;
}

static Onnx__NodeProto *add_node(tiny *t, Onnx__GraphProto *g, const char *op, const char *inputs,
                                 const char *outputs)
{
    Onnx__NodeProto *n = TAKE(Onnx__NodeProto, node_proto);
    n->op_type = take_text(t, op);
    n->input = take_names(t, inputs, &n->n_input);
    n->output = take_names(t, outputs, &n->n_output);
    g->node[g->n_node++] = n;
    return n;
}

static Onnx__TensorProto *add_weights(tiny *t, const char *name, int32_t type, size_t rank,
                                      const int64_t *dims)
{
    Onnx__GraphProto *g = t->model->graph;
    Onnx__TensorProto *w = TAKE(Onnx__TensorProto, tensor_proto);
    w->name = take_text(t, name);
    w->has_data_type = 1;
    w->data_type = type;
    w->dims = take(t, rank * sizeof *w->dims);
    for (size_t i = 0; i < rank; i++)
        w->dims[w->n_dims++] = dims[i];
    g->initializer[g->n_initializer++] = w;
    return w;
}

static void set_raw(tiny *t, Onnx__TensorProto *w, const void *data, size_t bytes)
{
    w->has_raw_data = 1;
    w->raw_data.len = bytes;
    w->raw_data.data = take(t, bytes);
    memcpy(w->raw_data.data, data, bytes);
}

static const float one_to_four[] = {1, 2, 3, 4};

static void begin_add(tiny *t, int64_t elements, Onnx__TensorProto **constant)
{
    tiny_begin(t, "add");
    add_input(t, "x", FLOAT, "batch,4");
    add_output(t, "y", FLOAT, "batch,4");
    *constant = add_weights(t, "c", FLOAT, 1, &elements);
}

bool tiny_add_from(const char *path, float first)
{
    tiny t;
    Onnx__TensorProto *c;
    const float values[] = {first, first + 1, first + 2, first + 3};
    begin_add(&t, 4, &c);
    set_raw(&t, c, values, sizeof values);
    add_node(&t, t.model->graph, "Add", "x,c", "y");
    return tiny_end(&t, path);
}

bool tiny_add(const char *path)
{
    return tiny_add_from(path, 1);
}

bool tiny_nan(const char *path)
{
    static const float numbers[] = {1, NAN, 3, 4};
    tiny t;
    Onnx__TensorProto *c;
    begin_add(&t, 4, &c);
    set_raw(&t, c, numbers, sizeof numbers);
    add_node(&t, t.model->graph, "Add", "x,c", "y");
    return tiny_end(&t, path);
}

bool tiny_lying(const char *path, int64_t elements)
{
    tiny t;
    Onnx__TensorProto *c;
    begin_add(&t, elements, &c);
    set_raw(&t, c, one_to_four, sizeof one_to_four);
    add_node(&t, t.model->graph, "Add", "x,c", "y");
    return tiny_end(&t, path);
}

bool tiny_unsupported(const char *path)
{
    tiny t;
    Onnx__TensorProto *c;
    begin_add(&t, 4, &c);
    set_raw(&t, c, one_to_four, sizeof one_to_four);
    add_node(&t, t.model->graph, "Frobnicate", "x", "f");
    add_node(&t, t.model->graph, "Add", "f,c", "y");
    return tiny_end(&t, path);
}

bool tiny_identity(const char *path, int32_t type)
{
    tiny t;
    tiny_begin(&t, "identity");
    if (type > BFLOAT16) { /* Identity takes float8 and int4 since operator set 21 */
        t.model->ir_version = 10;
        t.model->opset_import[0]->version = 21;
    }
    add_input(&t, "x", type, "batch,3");
    add_output(&t, "y", type, "batch,3");
    add_node(&t, t.model->graph, "Identity", "x", "y");
    return tiny_end(&t, path);
}

bool tiny_relu(const char *path)
{
    tiny t;
    tiny_begin(&t, "relu");
    add_input(&t, "x", FLOAT, "batch,16");
    add_output(&t, "y", FLOAT, "batch,16");
    add_node(&t, t.model->graph, "Relu", "x", "y");
    return tiny_end(&t, path);
}

bool tiny_pool_sized(const char *path, int64_t height, int64_t width)
{
    tiny t;
    char shape[64];
    snprintf(shape, sizeof shape, "batch,3,%lld,%lld", (long long)height, (long long)width);
    tiny_begin(&t, "pool");
    add_input(&t, "x", FLOAT, shape);
    add_output(&t, "y", FLOAT, "batch,3,1,1");
    add_node(&t, t.model->graph, "GlobalAveragePool", "x", "y");
    return tiny_end(&t, path);
}

bool tiny_pool(const char *path)
{
    return tiny_pool_sized(path, 224, 224);
}

bool tiny_multi(const char *path)
{
    tiny t;
    tiny_begin(&t, "multi");
    add_input(&t, "a", FLOAT, "batch,2");
    add_input(&t, "b", FLOAT, "batch,2");
    add_input(&t, "n", INT64, "batch");
    add_output(&t, "sum", FLOAT, "batch,2");
    add_output(&t, "product", FLOAT, "batch,2");
    add_output(&t, "count", INT64, "batch");
    add_node(&t, t.model->graph, "Add", "a,b", "sum");
    add_node(&t, t.model->graph, "Mul", "a,b", "product");
    add_node(&t, t.model->graph, "Add", "n,n", "count");
    return tiny_end(&t, path);
}

bool tiny_nonzero(const char *path)
{
    tiny t;
    tiny_begin(&t, "nonzero");
    add_input(&t, "x", FLOAT, "batch,4");
    add_output(&t, "y", INT64, "2,found");
    add_node(&t, t.model->graph, "NonZero", "x", "y");
    return tiny_end(&t, path);
}

bool tiny_reshape(const char *path)
{
    tiny t;
    tiny_begin(&t, "reshape");
    add_input(&t, "x", FLOAT, "1,4");
    add_input(&t, "shape", INT64, "2");
    add_output(&t, "y", FLOAT, "1,4");
    add_node(&t, t.model->graph, "Reshape", "x,shape", "y");
    return tiny_end(&t, path);
}

static void add_entry(tiny *t, Onnx__TensorProto *w, const char *key, const char *value)
{
    Onnx__StringStringEntryProto *entry = TAKE(Onnx__StringStringEntryProto,
                                               string_string_entry_proto);
    entry->key = take_text(t, key);
    entry->value = take_text(t, value);
    w->external_data[w->n_external_data++] = entry;
}

static bool write_at(const char *path, uint64_t offset, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    bool ok = file && fseek(file, (long)offset, SEEK_SET) == 0 &&
              fwrite(data, 1, bytes, file) == bytes;
    ok = file && fclose(file) == 0 && ok;
    if (!ok)
        perror(path);
    return ok;
}

static void set_external(tiny *t, Onnx__TensorProto *w, const char *location, uint64_t offset,
                         size_t bytes)
{
    char number[32];
    w->has_data_location = 1;
    w->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    w->external_data = take(t, ITEMS_MAX * sizeof *w->external_data);
    add_entry(t, w, "location", location);
    snprintf(number, sizeof number, "%" PRIu64, offset);
    add_entry(t, w, "offset", number);
    snprintf(number, sizeof number, "%zu", bytes);
    add_entry(t, w, "length", number);
}

bool tiny_external(const char *path, const char *location, uint64_t offset, const char *data_path)
{
    tiny t;
    Onnx__TensorProto *c;
    begin_add(&t, 4, &c);
    set_external(&t, c, location, offset, sizeof one_to_four);
    add_node(&t, t.model->graph, "Add", "x,c", "y");
    const bool ok = !data_path || write_at(data_path, offset, one_to_four, sizeof one_to_four);
    return tiny_end(&t, path) && ok;
}

/* n x n, all value / n. */
static Onnx__TensorProto *add_square_of(tiny *t, const char *name, size_t n, float value)
{
    const int64_t dims[] = {(int64_t)n, (int64_t)n};
    Onnx__TensorProto *w = add_weights(t, name, FLOAT, 2, dims);
    float *values = take(t, n * n * sizeof *values);
    for (size_t i = 0; i < n * n; i++)
        values[i] = value / (float)n;
    w->has_raw_data = 1;
    w->raw_data.len = n * n * sizeof *values;
    w->raw_data.data = (uint8_t *)values;
    return w;
}

static void add_square(tiny *t, const char *name, size_t n)
{
    (void)add_square_of(t, name, n, 1);
}

bool tiny_padded(const char *path, size_t weight_bytes, float addend)
{
    const float addends[] = {addend, addend, addend, addend};
    const size_t n = (size_t)sqrt((double)weight_bytes / sizeof(float));
    tiny t;
    Onnx__TensorProto *c;
    begin_add(&t, 4, &c);
    set_raw(&t, c, addends, sizeof addends);
    add_square(&t, "padding", n > 0 ? n : 1);
    add_node(&t, t.model->graph, "Add", "x,c", "y");
    return tiny_end(&t, path);
}

bool tiny_matmul(const char *path, size_t weight_bytes)
{
    tiny t;
    char shape[48];
    size_t n = (size_t)sqrt((double)weight_bytes / sizeof(float));
    if (n == 0)
        n = 1;
    snprintf(shape, sizeof shape, "batch,%zu", n);
    tiny_begin(&t, "matmul");
    add_input(&t, "x", FLOAT, shape);
    add_output(&t, "y", FLOAT, shape);
    add_square(&t, "w", n);
    add_node(&t, t.model->graph, "MatMul", "x,w", "y");
    return tiny_end(&t, path);
}

bool tiny_scale(const char *path, size_t n, float value, const char *location,
                const char *data_path)
{
    tiny t;
    char shape[48];
    bool ok = true;
    snprintf(shape, sizeof shape, "batch,%zu", n);
    tiny_begin(&t, "scale");
    add_input(&t, "x", FLOAT, shape);
    add_output(&t, "y", FLOAT, shape);
    Onnx__TensorProto *w = add_square_of(&t, "w", n, value);
    if (location) {
        ok = write_at(data_path, 0, w->raw_data.data, w->raw_data.len);
        set_external(&t, w, location, 0, w->raw_data.len);
        w->has_raw_data = 0;
    }
    add_node(&t, t.model->graph, "MatMul", "x,w", "y");
    return tiny_end(&t, path) && ok;
}

bool tiny_convolutions(const char *path)
{
    enum { LAYERS = 5, CHANNELS = 64, WIDTH = 3 };
    static const int64_t dims[] = {CHANNELS, CHANNELS, WIDTH, WIDTH};
    static const float zeros[CHANNELS * CHANNELS * WIDTH * WIDTH];
    tiny t;
    tiny_begin(&t, "convolutions");
    add_input(&t, "x", FLOAT, "batch,64,16,16");
    add_output(&t, "y", FLOAT, "batch,64,6,6");
    for (int i = 0; i < LAYERS; i++) {
        char name[16], inputs[40], output[16];
        snprintf(name, sizeof name, "w%d", i);
        snprintf(inputs, sizeof inputs, "h%d,%s", i, name);
        snprintf(output, sizeof output, "h%d", i + 1);
        set_raw(&t, add_weights(&t, name, FLOAT, 4, dims), zeros, sizeof zeros);
        add_node(&t, t.model->graph, "Conv", inputs, output);
    }
    t.model->graph->node[0]->input[0] = take_text(&t, "x");
    t.model->graph->node[LAYERS - 1]->output[0] = take_text(&t, "y");
    return tiny_end(&t, path);
}

bool tiny_wide(const char *path, int64_t n)
{
    tiny t;
    char shape[48];
    const int64_t wide[] = {1, n}, two = 2;
    snprintf(shape, sizeof shape, "batch,%lld", (long long)n);
    tiny_begin(&t, "wide");
    add_input(&t, "x", FLOAT, "batch,1");
    add_output(&t, "y", FLOAT, shape);
    set_raw(&t, add_weights(&t, "wide", INT64, 1, &two), wide, sizeof wide);
    add_node(&t, t.model->graph, "Expand", "x,wide", "y");
    return tiny_end(&t, path);
}

bool tiny_gather(const char *path)
{
    const int64_t dims[] = {4};
    tiny t;
    tiny_begin(&t, "gather");
    add_input(&t, "x", INT64, "batch,1");
    add_output(&t, "y", FLOAT, "batch,1");
    set_raw(&t, add_weights(&t, "table", FLOAT, 1, dims), one_to_four, sizeof one_to_four);
    add_node(&t, t.model->graph, "Gather", "table,x", "y");
    return tiny_end(&t, path);
}

bool tiny_fill(const char *path)
{
    tiny t;
    tiny_begin(&t, "fill");
    add_input(&t, "x", INT64, "1");
    add_output(&t, "y", FLOAT, "n");
    add_node(&t, t.model->graph, "ConstantOfShape", "x", "y");
    return tiny_end(&t, path);
}

static void add_attribute(tiny *t, Onnx__NodeProto *n, const char *name, Onnx__GraphProto *graph,
                          int64_t number)
{
    Onnx__AttributeProto *a = TAKE(Onnx__AttributeProto, attribute_proto);
    a->name = take_text(t, name);
    a->has_type = 1;
    a->type = graph ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH
                    : ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    a->g = graph;
    a->has_i = !graph;
    a->i = number;
    n->attribute = take(t, sizeof *n->attribute);
    n->attribute[n->n_attribute++] = a;
}

bool tiny_slow(const char *path, int64_t turns)
{
    tiny t;
    const uint8_t yes = 1;
    tiny_begin(&t, "slow");
    add_input(&t, "x", FLOAT, "batch,4");
    add_output(&t, "y", FLOAT, "batch,4");
    add_square(&t, "w", 256);
    set_raw(&t, add_weights(&t, "turns", INT64, 0, NULL), &turns, sizeof turns);
    set_raw(&t, add_weights(&t, "go", BOOL, 0, NULL), &yes, sizeof yes);
    Onnx__GraphProto *body = take_graph(&t, "body");
    body->input[body->n_input++] = take_value(&t, "turn", INT64, "");
    body->input[body->n_input++] = take_value(&t, "go_in", BOOL, "");
    body->input[body->n_input++] = take_value(&t, "h_in", FLOAT, "256,256");
    body->output[body->n_output++] = take_value(&t, "go_out", BOOL, "");
    body->output[body->n_output++] = take_value(&t, "h_out", FLOAT, "256,256");
    add_node(&t, body, "Identity", "go_in", "go_out");
    add_node(&t, body, "MatMul", "h_in,w", "h_out");
    Onnx__NodeProto *loop = add_node(&t, t.model->graph, "Loop", "turns,go,w", "h");
    add_attribute(&t, loop, "body", body, 0);
    Onnx__NodeProto *mean = add_node(&t, t.model->graph, "ReduceMean", "h", "m");
    add_attribute(&t, mean, "keepdims", NULL, 0);
    add_node(&t, t.model->graph, "Add", "x,m", "y");
    return tiny_end(&t, path);
}
