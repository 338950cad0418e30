/* What the graph takes and gives: ValueInfoProto, TypeProto, TensorShapeProto. */
#include <stdlib.h>
#include <string.h>

#include "model/onnx_parse.h"
#include "model/value_info.h"

/* Field numbers. */
enum {
    VALUE_NAME = 1,
    VALUE_TYPE = 2,
    TYPE_TENSOR = 1,
    TYPE_SEQUENCE = 4,
    TYPE_MAP = 5,
    TYPE_OPAQUE = 7,
    TYPE_SPARSE = 8,
    TYPE_OPTIONAL = 9,
    TENSOR_ELEMENT = 1,
    TENSOR_SHAPE = 2,
    SHAPE_DIM = 1,
    DIM_VALUE = 1,
    DIM_PARAM = 2,
};

typedef struct value_seen {
    const char *what; /* "input", "output" */
    onnx_shown name;
    wire_field name_field;
    wire_field type_field;
    int64_t type;
    size_t rank;
    int64_t dims[ONNX_RANK_MAX];
    wire_field params[ONNX_RANK_MAX]; /* bytes == 0: none */
} value_seen;

static cosrel_status read_dim(onnx_parse *p, value_seen *v, wire w)
{
    if (v->rank == ONNX_RANK_MAX)
        return onnx_fail(p, "%s '%s' has more than %d dimensions", v->what, v->name.text,
                         ONNX_RANK_MAX);
    const size_t index = v->rank++;
    v->dims[index] = -1;
    memset(&v->params[index], 0, sizeof v->params[index]);
    wire_field field;
    bool more;
    for (;;) {
        const cosrel_status status = onnx_next(p, &w, &field, "a dimension", &more);
        if (status != COSREL_OK || !more)
            return status;
        /* Some exporters write -1 for "free". */
        if (field.number == DIM_VALUE && field.type == WIRE_VARINT) {
            v->dims[index] = (int64_t)field.value < 0 ? -1 : (int64_t)field.value;
            v->params[index].bytes = 0;
        } else if (field.number == DIM_PARAM && field.type == WIRE_BYTES) {
            v->dims[index] = -1;
            v->params[index] = field;
        }
    }
}

static cosrel_status read_shape(onnx_parse *p, value_seen *v, wire w)
{
    wire_field field;
    bool more;
    v->rank = 0;
    for (;;) {
        cosrel_status status = onnx_next(p, &w, &field, "a shape", &more);
        if (status != COSREL_OK || !more)
            return status;
        if (field.number == SHAPE_DIM && field.type == WIRE_BYTES)
            status = read_dim(p, v, wire_inside(&w, &field));
        if (status != COSREL_OK)
            return status;
    }
}

static cosrel_status read_tensor_type(onnx_parse *p, value_seen *v, wire w)
{
    wire_field field;
    bool more;
    for (;;) {
        cosrel_status status = onnx_next(p, &w, &field, "a tensor type", &more);
        if (status != COSREL_OK || !more)
            return status;
        if (field.number == TENSOR_ELEMENT && field.type == WIRE_VARINT)
            v->type = (int64_t)field.value;
        else if (field.number == TENSOR_SHAPE && field.type == WIRE_BYTES)
            status = read_shape(p, v, wire_inside(&w, &field));
        if (status != COSREL_OK)
            return status;
    }
}

static const char *kind_name(uint32_t number)
{
    switch (number) {
    case TYPE_SEQUENCE:
        return "a sequence";
    case TYPE_MAP:
        return "a map";
    case TYPE_OPAQUE:
        return "opaque";
    case TYPE_SPARSE:
        return "a sparse tensor";
    case TYPE_OPTIONAL:
        return "an optional value";
    default:
        return NULL;
    }
}

static cosrel_status read_type(onnx_parse *p, value_seen *v, wire w)
{
    wire_field field;
    bool more;
    for (;;) {
        cosrel_status status = onnx_next(p, &w, &field, "a type", &more);
        if (status != COSREL_OK || !more)
            return status;
        if (field.type != WIRE_BYTES)
            continue;
        if (field.number == TYPE_TENSOR)
            status = read_tensor_type(p, v, wire_inside(&w, &field));
        else if (kind_name(field.number))
            return onnx_fail(p, "%s '%s' is %s; only tensors go in and out of a request", v->what,
                             v->name.text, kind_name(field.number));
        if (status != COSREL_OK)
            return status;
    }
}

static cosrel_status keep(onnx_parse *p, const value_seen *v, cosrel_value_info *out)
{
    int64_t *shape = arena_take(&p->file->memory, (v->rank + 1) * sizeof *shape);
    const char **symbols = arena_take(&p->file->memory, (v->rank + 1) * sizeof *symbols);
    out->name = onnx_keep_name(p, &v->name_field);
    if (!shape || !symbols || !out->name)
        return onnx_no_memory(p);
    for (size_t i = 0; i < v->rank; i++) {
        shape[i] = v->dims[i];
        symbols[i] = v->params[i].bytes ? onnx_keep_name(p, &v->params[i]) : "";
        if (!symbols[i])
            return onnx_no_memory(p);
    }
    out->type = (cosrel_dtype)v->type;
    out->rank = v->rank;
    out->shape = shape;
    out->symbols = symbols;
    out->batch_axis = -1;
    return COSREL_OK;
}

static cosrel_status check_name(const onnx_parse *p, const value_seen *v, const wire *w)
{
    if (v->name_field.bytes == 0)
        return onnx_fail(p, "the %s at byte %zu has no name", v->what, w->at);
    if (memchr(p->data + v->name_field.at, '\0', v->name_field.bytes))
        return onnx_fail(p, "the name of %s '%s' holds a zero byte", v->what, v->name.text);
    return COSREL_OK;
}

cosrel_status onnx_read_value(onnx_parse *p, wire w, const char *what, onnx_list *list)
{
    value_seen v;
    memset(&v, 0, offsetof(value_seen, dims));
    v.what = what;
    const wire whole = w;
    if (list->count == ONNX_VALUES_MAX)
        return onnx_fail(p, "it has more than %d %ss", ONNX_VALUES_MAX, what);
    wire_field field;
    bool more = true;
    cosrel_status status = COSREL_OK;
    while (more && status == COSREL_OK) {
        status = onnx_next(p, &w, &field, what, &more);
        if (status != COSREL_OK || !more || field.type != WIRE_BYTES)
            continue;
        if (field.number == VALUE_NAME)
            v.name_field = field;
        else if (field.number == VALUE_TYPE)
            v.type_field = field;
    }
    if (status != COSREL_OK)
        return status;
    v.name = onnx_show(p->data, v.name_field.at, v.name_field.bytes);
    status = check_name(p, &v, &whole);
    if (status == COSREL_OK && v.type_field.bytes > 0)
        status = read_type(p, &v, wire_inside(&whole, &v.type_field));
    if (status != COSREL_OK)
        return status;
    /* ONNX Runtime works out the type of an output that says none; nothing can do so for an input.
     */
    const bool known = v.type > 0 && v.type <= INT32_MAX &&
                       cosrel_dtype_bytes((cosrel_dtype)v.type, 1) > 0;
    if (!known && (list == &p->inputs || v.type != 0))
        return onnx_fail(p, "%s '%s' has element type %lld, which is not one of those supported",
                         what, v.name.text, (long long)v.type);
    cosrel_value_info *out = onnx_list_add(list, sizeof *out);
    return out ? keep(p, &v, out) : onnx_no_memory(p);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted names of `count` items of `item_bytes`, each of which begins with its name; NULL when out
 * of memory. */
static const char **sort_names(const void *items, size_t count, size_t item_bytes)
{
    const char **names = malloc((count + 1) * sizeof *names);
    if (!names)
        return NULL;
    for (size_t i = 0; i < count; i++)
        memcpy(&names[i], (const char *)items + i * item_bytes, sizeof names[i]);
    qsort(names, count, sizeof *names, compare_names);
    return names;
}

_Static_assert(offsetof(cosrel_value_info, name) == 0 && offsetof(onnx_initializer, name) == 0,
               "see sort_names");

static cosrel_status refuse_twins(onnx_parse *p, const onnx_list *list, const char *what)
{
    const char **names = sort_names(list->items, list->count, sizeof(cosrel_value_info));
    if (!names)
        return onnx_no_memory(p);
    cosrel_status status = COSREL_OK;
    for (size_t i = 1; i < list->count && status == COSREL_OK; i++) {
        if (strcmp(names[i - 1], names[i]) == 0)
            status = onnx_fail(p, "it has two %ss named '%s'; each name may stand once", what,
                               onnx_show((const uint8_t *)names[i], 0, strlen(names[i])).text);
    }
    free(names);
    return status;
}

cosrel_status onnx_settle_inputs(onnx_parse *p)
{
    cosrel_status status = refuse_twins(p, &p->inputs, "input");
    if (status == COSREL_OK)
        status = refuse_twins(p, &p->outputs, "output");
    if (status != COSREL_OK)
        return status;
    const char **weights = sort_names(p->initializers.items, p->initializers.count,
                                      sizeof(onnx_initializer));
    if (!weights)
        return onnx_no_memory(p);
    cosrel_value_info *inputs = p->inputs.items;
    size_t kept = 0;
    for (size_t i = 0; i < p->inputs.count; i++) {
        if (!bsearch(&inputs[i].name, weights, p->initializers.count, sizeof *weights,
                     compare_names))
            inputs[kept++] = inputs[i];
    }
    p->inputs.count = kept;
    free(weights);
    return COSREL_OK;
}
