#include "model/tensor_pb.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "model/onnx_parse.h"

/* Field numbers of onnx.TensorProto. */
enum { T_FLOATS = 4, T_INT32S = 5, T_STRINGS = 6, T_INT64S = 7, T_DOUBLES = 10, T_UINT64S = 11 };

/* Where the typed elements go: `unit` bytes of each number, the low ones. */
typedef struct sink {
    uint8_t *at;
    uint8_t *end;
    size_t unit;
} sink;

static bool put(sink *s, uint64_t value)
{
    if ((size_t)(s->end - s->at) < s->unit)
        return false;
    memcpy(s->at, &value, s->unit); /* little-endian: the low bytes come first */
    s->at += s->unit;
    return true;
}

static bool put_packed(sink *s, const wire *w, const wire_field *field, wire_type single)
{
    wire inside = wire_inside(w, field);
    while (inside.at < inside.end) {
        uint64_t value = 0;
        if (single == WIRE_VARINT) {
            if (!wire_varint(&inside, &value))
                return false;
        } else {
            const size_t bytes = single == WIRE_FIXED32 ? 4 : 8;
            if (inside.end - inside.at < bytes)
                return false;
            memcpy(&value, inside.data + inside.at, bytes);
            inside.at += bytes;
        }
        if (!put(s, value))
            return false;
    }
    return true;
}

/* Which typed field holds the elements, how a single one is written, and bytes of one number in
 * memory. */
static wire_type source_of(cosrel_dtype type, uint32_t *number, size_t *unit)
{
    switch (type) {
    case COSREL_FLOAT32:
    case COSREL_COMPLEX64:
        *number = T_FLOATS;
        *unit = 4;
        return WIRE_FIXED32;
    case COSREL_FLOAT64:
    case COSREL_COMPLEX128:
        *number = T_DOUBLES;
        *unit = 8;
        return WIRE_FIXED64;
    case COSREL_INT64:
        *number = T_INT64S;
        break;
    case COSREL_UINT32:
    case COSREL_UINT64:
        *number = T_UINT64S;
        break;
    default:
        *number = T_INT32S;
        break;
    }
    *unit = cosrel_dtype_bytes(type, 1);
    return WIRE_VARINT;
}

static bool read_numbers(wire w, tensor_buffer *out)
{
    uint32_t number;
    sink s = {.at = out->data, .end = (uint8_t *)out->data + out->bytes};
    const wire_type single = source_of(out->type, &number, &s.unit);
    wire_field field;
    while (wire_next(&w, &field) == WIRE_FIELD) {
        if (field.number != number)
            continue;
        const bool ok = field.type == WIRE_BYTES ? put_packed(&s, &w, &field, single)
                                                 : field.type != single || put(&s, field.value);
        if (!ok)
            return false;
    }
    return s.at == s.end;
}

static bool read_strings(wire w, tensor_buffer *out, size_t text_bytes)
{
    const char **strings = out->data;
    const size_t count = out->bytes / sizeof *strings;
    size_t index = 0;
    char *at = out->text;
    wire_field field;
    while (wire_next(&w, &field) == WIRE_FIELD) {
        if (field.number != T_STRINGS || field.type != WIRE_BYTES)
            continue;
        if (index == count || field.bytes >= text_bytes - (size_t)(at - out->text))
            return false;
        memcpy(at, w.data + field.at, field.bytes);
        strings[index++] = at;
        at += field.bytes + 1;
    }
    return index == count;
}

/* C++ reads a bool of any other value than 0 and 1 as it likes. */
static void settle_bools(tensor_buffer *out)
{
    uint8_t *at = out->data;
    for (size_t i = 0; out->type == COSREL_BOOL && i < out->bytes; i++)
        at[i] = at[i] != 0;
}

static cosrel_status fill(const char *path, const onnx_initializer *found, const uint8_t *data,
                          size_t bytes, tensor_buffer *out, cosrel_error *err)
{
    const cosrel_dtype type = (cosrel_dtype)found->type;
    if (cosrel_dtype_bytes(type, 1) == 0)
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: has element type %d, which is not supported here", path,
                         (int)found->type);
    /* Each string and its final zero; the wire needs at least as much for a string and its length.
     */
    const size_t text_bytes = type == COSREL_STRING ? bytes + (size_t)found->elements : 0;
    cosrel_status status = tensor_buffer_init(out, type, found->dims, found->rank, text_bytes, path,
                                              err);
    if (status == COSREL_INVALID_ARGUMENT)
        status = COSREL_INVALID_FILE;
    if (status != COSREL_OK)
        return status;
    const wire all = {data, 0, bytes};
    bool ok = true;
    if (found->where == ONNX_DATA_RAW && out->bytes > 0)
        memcpy(out->data, data + found->offset, out->bytes);
    else if (found->where == ONNX_DATA_TYPED)
        ok = type == COSREL_STRING ? read_strings(all, out, text_bytes + 1)
                                   : read_numbers(all, out);
    if (!ok) {
        tensor_buffer_deinit(out);
        return error_set(err, COSREL_INVALID_FILE, "%s: its elements do not fit its shape and type",
                         path);
    }
    settle_bools(out);
    return COSREL_OK;
}

cosrel_status tensor_pb_parse(const char *path, const uint8_t *data, size_t bytes,
                              tensor_buffer *out, cosrel_error *err)
{
    onnx_file file = {.memory = {.bytes_max = 1 << 20}};
    onnx_parse p = {.path = path, .data = data, .err = err, .file = &file};
    onnx_initializer found = {.external = -1};
    const wire w = {data, 0, bytes};
    memset(out, 0, sizeof *out);
    cosrel_status status = bytes > 0 ? onnx_check_tensor(&p, w, &found)
                                     : error_set(err, COSREL_INVALID_FILE,
                                                 "%s: is empty, not a tensor", path);
    if (status == COSREL_INVALID_MODEL)
        status = COSREL_INVALID_FILE;
    if (status == COSREL_OK && found.where == ONNX_DATA_EXTERNAL)
        status = error_set(err, COSREL_INVALID_FILE,
                           "%s: its data are in another file; a tensor by itself must hold "
                           "them",
                           path);
    if (status == COSREL_OK)
        status = fill(path, &found, data, bytes, out, err);
    arena_deinit(&file.memory);
    free(p.externals.items);
    free(p.folder);
    return status;
}

cosrel_status tensor_pb_read(const char *path, tensor_buffer *out, cosrel_error *err)
{
    char *data;
    size_t bytes;
    memset(out, 0, sizeof *out);
    cosrel_status status = file_read(path, TENSOR_BYTES_MAX, &data, &bytes, err);
    if (status != COSREL_OK)
        return status;
    status = tensor_pb_parse(path, (const uint8_t *)data, bytes, out, err);
    free(data);
    return status;
}
