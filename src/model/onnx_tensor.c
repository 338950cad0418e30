/* One TensorProto: do its bytes fit its shape and type, and where are they? */
#include <stdlib.h>
#include <string.h>

#include "model/onnx_parse.h"

/* Field numbers of onnx.TensorProto. */
enum {
    T_DIMS = 1,
    T_TYPE = 2,
    T_FLOATS = 4,
    T_INT32S = 5,
    T_STRINGS = 6,
    T_INT64S = 7,
    T_NAME = 8,
    T_RAW = 9,
    T_DOUBLES = 10,
    T_UINT64S = 11,
    T_EXTERNAL = 13,
    T_LOCATION = 14,
};

/* TensorProto.DataType goes on beyond our table (float4e2m1, float8e8m0, uint2, int2); sizes of
 * those are not known here and not checked. */
enum { TYPE_MAX = 64 };

typedef struct tensor_seen {
    onnx_shown name;
    size_t start;
    int64_t type;
    int64_t dims[ONNX_RANK_MAX];
    size_t rank;
    wire_field name_field;
    wire_field raw;
    bool has_raw;
    uint64_t floats, int32s, int64s, doubles, uint64s; /* elements of each typed field */
    uint64_t strings;
    uint64_t string_bytes;
    bool is_external;
    wire_field location; /* start == 0 and bytes == 0: none */
    bool has_location;
    bool has_offset;
    bool has_length;
    uint64_t offset;
    uint64_t length;
} tensor_seen;

static cosrel_status add_dim(const onnx_parse *p, tensor_seen *t, uint64_t value)
{
    if (t->rank == ONNX_RANK_MAX)
        return onnx_fail(p, "tensor '%s' (byte %zu) has more than %d dimensions", t->name.text,
                         t->start, ONNX_RANK_MAX);
    t->dims[t->rank++] = (int64_t)value;
    return COSREL_OK;
}

static cosrel_status add_dims(const onnx_parse *p, tensor_seen *t, const wire *w,
                              const wire_field *field)
{
    if (field->type == WIRE_VARINT)
        return add_dim(p, t, field->value);
    wire inside = wire_inside(w, field);
    while (inside.at < inside.end) {
        uint64_t value;
        if (!wire_varint(&inside, &value))
            return onnx_fail(p, "tensor '%s' (byte %zu): its dimensions are damaged at byte %zu",
                             t->name.text, t->start, inside.at);
        const cosrel_status status = add_dim(p, t, value);
        if (status != COSREL_OK)
            return status;
    }
    return COSREL_OK;
}

/* Decimal digits only, as the ONNX text asks for. */
static bool read_number(const uint8_t *at, size_t bytes, uint64_t *out)
{
    uint64_t value = 0;
    if (bytes == 0 || bytes > 20)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        if (at[i] < '0' || at[i] > '9' || value > (UINT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t)(at[i] - '0');
    }
    *out = value;
    return true;
}

static cosrel_status take_entry(const onnx_parse *p, tensor_seen *t, const wire_field *key,
                                const wire_field *value)
{
    const wire w = {p->data, 0, 0};
    if (wire_equals(&w, key, "location")) {
        /* Two of them: readers differ in which they take, and only one could be checked. */
        if (t->has_location)
            return onnx_fail(p, "tensor '%s' (byte %zu) names the file of its external data twice",
                             t->name.text, t->start);
        t->has_location = true;
        t->location = *value;
        return COSREL_OK;
    }
    const bool is_offset = wire_equals(&w, key, "offset");
    if (!is_offset && !wire_equals(&w, key, "length"))
        return COSREL_OK;
    bool *has = is_offset ? &t->has_offset : &t->has_length;
    uint64_t number;
    if (*has || !read_number(p->data + value->at, value->bytes, &number)) {
        const onnx_shown shown = onnx_show(p->data, value->at, value->bytes);
        return onnx_fail(p, "tensor '%s' (byte %zu): the %s '%s' of its external data is %s",
                         t->name.text, t->start, is_offset ? "offset" : "length", shown.text,
                         *has ? "given twice" : "not a number of bytes");
    }
    *has = true;
    *(is_offset ? &t->offset : &t->length) = number;
    return COSREL_OK;
}

static cosrel_status add_external_entry(const onnx_parse *p, tensor_seen *t, wire w)
{
    wire_field field, key = {0}, value = {0};
    for (;;) {
        bool more;
        const cosrel_status status = onnx_next(p, &w, &field, "an external data entry", &more);
        if (status != COSREL_OK)
            return status;
        if (!more)
            return take_entry(p, t, &key, &value);
        if (field.type == WIRE_BYTES && field.number == 1)
            key = field;
        else if (field.type == WIRE_BYTES && field.number == 2)
            value = field;
    }
}

/* Counts the elements of a typed field, which may be packed or one by one. */
static cosrel_status count_typed(const onnx_parse *p, const tensor_seen *t, const wire *w,
                                 const wire_field *field, wire_type single, uint64_t *count)
{
    if (field->type == single) {
        (*count)++;
        return COSREL_OK;
    }
    if (field->type != WIRE_BYTES)
        return COSREL_OK;
    uint64_t packed = 0;
    const size_t size = single == WIRE_FIXED32 ? 4 : 8;
    const wire inside = wire_inside(w, field);
    const bool ok = single == WIRE_VARINT ? wire_count_varints(&inside, &packed)
                                          : field->bytes % size == 0;
    if (!ok)
        return onnx_fail(p,
                         "tensor '%s' (byte %zu): its data are damaged between bytes %zu and %zu",
                         t->name.text, t->start, field->at, field->at + field->bytes);
    *count += single == WIRE_VARINT ? packed : field->bytes / size;
    return COSREL_OK;
}

static cosrel_status take_field(const onnx_parse *p, tensor_seen *t, const wire *w,
                                const wire_field *field)
{
    const bool bytes = field->type == WIRE_BYTES;
    switch (field->number) {
    case T_DIMS:
        return bytes || field->type == WIRE_VARINT ? add_dims(p, t, w, field) : COSREL_OK;
    case T_TYPE:
        if (field->type == WIRE_VARINT)
            t->type = (int64_t)field->value;
        return COSREL_OK;
    case T_FLOATS:
        return count_typed(p, t, w, field, WIRE_FIXED32, &t->floats);
    case T_INT32S:
        return count_typed(p, t, w, field, WIRE_VARINT, &t->int32s);
    case T_INT64S:
        return count_typed(p, t, w, field, WIRE_VARINT, &t->int64s);
    case T_DOUBLES:
        return count_typed(p, t, w, field, WIRE_FIXED64, &t->doubles);
    case T_UINT64S:
        return count_typed(p, t, w, field, WIRE_VARINT, &t->uint64s);
    case T_STRINGS:
        t->strings += bytes;
        t->string_bytes += bytes ? field->bytes : 0;
        return COSREL_OK;
    case T_RAW:
        if (bytes) {
            t->raw = *field;
            t->has_raw = true;
        }
        return COSREL_OK;
    case T_EXTERNAL:
        return bytes ? add_external_entry(p, t, wire_inside(w, field)) : COSREL_OK;
    case T_LOCATION:
        if (field->type == WIRE_VARINT)
            t->is_external = field->value == 1;
        return COSREL_OK;
    default:
        return COSREL_OK;
    }
}

static cosrel_status find_name(const onnx_parse *p, tensor_seen *t, wire w)
{
    wire_field field;
    bool more;
    for (;;) {
        const cosrel_status status = onnx_next(p, &w, &field, "a tensor", &more);
        if (status != COSREL_OK || !more)
            return status;
        if (field.number == T_NAME && field.type == WIRE_BYTES) {
            t->name_field = field;
            t->name = onnx_show(p->data, field.at, field.bytes);
        }
    }
}

static cosrel_status count_elements(const onnx_parse *p, const tensor_seen *t, uint64_t *out)
{
    uint64_t product = 1;
    bool zero = false;
    bool overflow = false;
    for (size_t i = 0; i < t->rank; i++) {
        if (t->dims[i] < 0)
            return onnx_fail(
                p, "tensor '%s' (byte %zu): dimension %zu is %lld; it must not be negative",
                t->name.text, t->start, i, (long long)t->dims[i]);
        zero = zero || t->dims[i] == 0;
        overflow = overflow || __builtin_mul_overflow(product, (uint64_t)t->dims[i], &product);
    }
    /* 2^56 elements are beyond any address space in use. */
    if (!zero && (overflow || product >> 56))
        return onnx_fail(p,
                         "tensor '%s' (byte %zu): its dimensions multiply to more elements than "
                         "any memory holds",
                         t->name.text, t->start);
    *out = zero ? 0 : product;
    return COSREL_OK;
}

/* How many typed elements a tensor of this type has, and in which field. */
static uint64_t typed_count(const tensor_seen *t, uint64_t elements, uint64_t *wanted,
                            const char **field)
{
    *wanted = elements;
    switch (t->type) {
    case COSREL_FLOAT32:
        *field = "float_data";
        return t->floats;
    case COSREL_COMPLEX64:
        *field = "float_data";
        *wanted = 2 * elements;
        return t->floats;
    case COSREL_FLOAT64:
        *field = "double_data";
        return t->doubles;
    case COSREL_COMPLEX128:
        *field = "double_data";
        *wanted = 2 * elements;
        return t->doubles;
    case COSREL_INT64:
        *field = "int64_data";
        return t->int64s;
    case COSREL_UINT32:
    case COSREL_UINT64:
        *field = "uint64_data";
        return t->uint64s;
    case COSREL_STRING:
        *field = "string_data";
        return t->strings;
    case COSREL_UINT4:
    case COSREL_INT4: /* two to an int32 */
        *wanted = elements / 2 + elements % 2;
        *field = "int32_data";
        return t->int32s;
    default:
        *field = "int32_data";
        return t->int32s;
    }
}

static cosrel_status check_inline(const onnx_parse *p, const tensor_seen *t, onnx_initializer *out)
{
    const cosrel_dtype type = (cosrel_dtype)t->type;
    const size_t wanted_bytes = cosrel_dtype_bytes(type, out->elements);
    const bool known = cosrel_dtype_bytes(type, 1) > 0;
    out->bytes = wanted_bytes;
    if (known && out->elements > 0 && type != COSREL_STRING &&
        (wanted_bytes == 0 || wanted_bytes > INT32_MAX))
        return onnx_fail(p,
                         "tensor '%s' (byte %zu) is said to have %llu elements, 2 GiB or more, "
                         "which a model file "
                         "cannot hold; save it as external data",
                         t->name.text, t->start, (unsigned long long)out->elements);
    if (t->has_raw && t->raw.bytes > 0) {
        if (type == COSREL_STRING)
            return onnx_fail(
                p, "tensor '%s' (byte %zu): strings must stand in string_data, not in raw_data",
                t->name.text, t->start);
        if (known && t->raw.bytes != wanted_bytes)
            return onnx_fail(p,
                             "tensor '%s' (byte %zu): its raw data have %zu bytes; its shape and "
                             "type (%s) need %zu",
                             t->name.text, t->start, t->raw.bytes, cosrel_dtype_name(type),
                             wanted_bytes);
        out->where = ONNX_DATA_RAW;
        out->offset = t->raw.at;
        out->bytes = t->raw.bytes;
        return COSREL_OK;
    }
    uint64_t wanted;
    const char *field;
    const uint64_t found = typed_count(t, out->elements, &wanted, &field);
    if (known && found != wanted)
        return onnx_fail(
            p,
            "tensor '%s' (byte %zu): its %s have %llu numbers; its shape and type (%s) need %llu",
            t->name.text, t->start, field, (unsigned long long)found, cosrel_dtype_name(type),
            (unsigned long long)wanted);
    out->where = out->elements > 0 ? ONNX_DATA_TYPED : ONNX_DATA_NONE;
    if (type == COSREL_STRING)
        out->bytes = t->string_bytes;
    return COSREL_OK;
}

static cosrel_status check_external(onnx_parse *p, const tensor_seen *t, onnx_initializer *out)
{
    const cosrel_dtype type = (cosrel_dtype)t->type;
    const size_t wanted = cosrel_dtype_bytes(type, out->elements);
    const bool known = cosrel_dtype_bytes(type, 1) > 0;
    if (type == COSREL_STRING)
        return onnx_fail(p, "tensor '%s' (byte %zu): strings cannot be external data", t->name.text,
                         t->start);
    const cosrel_status status = onnx_find_external(p, &t->location, t->name.text, &out->external);
    if (status != COSREL_OK)
        return status;
    const onnx_external *from = (const onnx_external *)p->externals.items + out->external;
    const onnx_shown shown = onnx_show((const uint8_t *)from->location, 0, strlen(from->location));
    if (known && ((wanted == 0 && out->elements > 0) || (t->has_length && t->length != wanted)))
        return onnx_fail(p,
                         "tensor '%s' (byte %zu): its external data have %llu bytes; its shape and "
                         "type (%s) need "
                         "%zu",
                         t->name.text, t->start, (unsigned long long)t->length,
                         cosrel_dtype_name(type), wanted);
    const uint64_t bytes = known ? wanted : t->length;
    if (t->offset > from->bytes || bytes > from->bytes - t->offset)
        return onnx_fail(p,
                         "tensor '%s': its external data are bytes %llu to %llu of '%s', which has "
                         "only %llu; the "
                         "file is cut off or of another model",
                         t->name.text, (unsigned long long)t->offset,
                         (unsigned long long)t->offset + (unsigned long long)bytes, shown.text,
                         (unsigned long long)from->bytes);
    out->where = ONNX_DATA_EXTERNAL;
    out->offset = t->offset;
    out->bytes = bytes;
    return COSREL_OK;
}

static cosrel_status keep(onnx_parse *p, const tensor_seen *t, onnx_initializer *out)
{
    out->name = arena_copy(&p->file->memory, p->data + t->name_field.at, t->name_field.bytes);
    int64_t *dims = arena_take(&p->file->memory, (t->rank + 1) * sizeof *dims);
    if (!out->name || !dims)
        return onnx_no_memory(p);
    memcpy(dims, t->dims, t->rank * sizeof *dims);
    out->dims = dims;
    return COSREL_OK;
}

static cosrel_status check_filled(onnx_parse *p, const tensor_seen *t, onnx_initializer *out)
{
    if (t->type <= COSREL_DTYPE_UNDEFINED || t->type > TYPE_MAX)
        return onnx_fail(p,
                         "tensor '%s' (byte %zu) has element type %lld, which ONNX does not define",
                         t->name.text, t->start, (long long)t->type);
    cosrel_status status = count_elements(p, t, &out->elements);
    if (status != COSREL_OK)
        return status;
    out->type = (int32_t)t->type;
    out->rank = t->rank;
    out->external = -1;
    status = t->is_external ? check_external(p, t, out) : check_inline(p, t, out);
    if (status != COSREL_OK)
        return status;
    /* What runs a model holds all of it in memory at once. */
    if (__builtin_add_overflow(p->file->weight_bytes, out->bytes, &p->file->weight_bytes) ||
        p->file->weight_bytes > SIZE_MAX / 2)
        return onnx_fail(p, "its weights together are larger than this machine can address");
    return COSREL_OK;
}

cosrel_status onnx_check_tensor(onnx_parse *p, wire w, onnx_initializer *out)
{
    tensor_seen t;
    memset(&t, 0, sizeof t);
    t.start = w.at;
    onnx_initializer found = {.external = -1};
    /* The name first, wherever it stands, so that every sentence can say it. */
    cosrel_status status = find_name(p, &t, w);
    found.offset = w.at;
    const size_t whole_bytes = w.end - w.at;
    wire_field field;
    bool more = true;
    while (status == COSREL_OK) {
        status = onnx_next(p, &w, &field, "a tensor", &more);
        if (status != COSREL_OK || !more)
            break;
        status = take_field(p, &t, &w, &field);
    }
    if (status == COSREL_OK)
        status = check_filled(p, &t, &found);
    if (status == COSREL_OK && out) {
        if (found.where == ONNX_DATA_TYPED)
            found.bytes = whole_bytes;
        *out = found;
        status = keep(p, &t, out);
    }
    return status;
}

cosrel_status onnx_check_sparse(onnx_parse *p, wire w, onnx_initializer *out)
{
    enum { S_VALUES = 1, S_INDICES = 2 };
    const size_t start = w.at;
    unsigned seen = 0;
    wire_field field;
    bool more;
    for (;;) {
        cosrel_status status = onnx_next(p, &w, &field, "a sparse tensor", &more);
        if (status != COSREL_OK || !more)
            return status;
        if (field.type != WIRE_BYTES || (field.number != S_VALUES && field.number != S_INDICES))
            continue;
        if (seen & 1u << field.number) /* protobuf would merge the two: nothing that was checked */
            return onnx_fail(p, "the sparse tensor at byte %zu has its values or indices twice",
                             start);
        seen |= 1u << field.number;
        status = onnx_check_tensor(p, wire_inside(&w, &field),
                                   field.number == S_VALUES ? out : NULL);
        if (status != COSREL_OK)
            return status;
        if (out)
            out->sparse = true;
    }
}
