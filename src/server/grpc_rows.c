#include "server/grpc_rows.h"

#include <string.h>

#include "model/wire.h"
#include "server/grpc_infer.h"
#include "server/grpc_methods.h"

/* Of ModelInferRequest and its InferInputTensor. */
enum { MODEL_FIELD = 1, VERSION_FIELD = 2, INPUT_FIELD = 5 };
enum { NAME_FIELD = 1, PARAMETERS_FIELD = 4, CONTENTS_FIELD = 5 };

enum {
    INPUT_FIELDS_MAX = 2 * INFER_RANK_MAX, /* as many as an input needs, and room */
    VERSION_MAX = 20,                      /* of int64_t, as text */
};

void grpc_rows_begin(grpc_rows *g, cosrel_runtime *rt)
{
    g->rt = rt;
    g->field_end = g->inputs_at = 0;
    g->fields = 0;
}

void grpc_rows_end(grpc_rows *g)
{
    infer_rows_give(&g->rows);
    g->rt = NULL;
}

static void stop(grpc_rows *g)
{
    infer_rows_settle(&g->rows);
    g->rt = NULL;
}

/* ---- What came before a raw tensor ---- */

static bool copy_text(const wire *w, const wire_field *field, char *out, size_t max)
{
    if (field->type != WIRE_BYTES || field->bytes > max)
        return false;
    memcpy(out, w->data + field->at, field->bytes);
    out[field->bytes] = '\0';
    return true;
}

/* Of the model that the message has named so far. */
static bool take_rows(grpc_rows *g, const char *message, size_t end)
{
    wire w = {.data = (const uint8_t *)message, .end = end};
    wire_field field;
    char name[INFER_NAME_MAX + 1] = "", version[VERSION_MAX + 1] = "";
    while (wire_next(&w, &field) == WIRE_FIELD) {
        if (field.number == MODEL_FIELD && !copy_text(&w, &field, name, INFER_NAME_MAX))
            return false;
        if (field.number == VERSION_FIELD && !copy_text(&w, &field, version, VERSION_MAX))
            return false;
    }
    cosrel_model *model = grpc_find_model(g->rt, name, version, NULL);
    return model && infer_rows_take(&g->rows, model);
}

/* Its name, if its data is to come in raw_input_contents. */
static bool read_input(wire input, wire_field *name)
{
    wire_field field;
    wire_step step;
    int fields = 0;
    name->bytes = 0;
    while ((step = wire_next(&input, &field)) == WIRE_FIELD) {
        if (field.number == PARAMETERS_FIELD || field.number == CONTENTS_FIELD ||
            ++fields > INPUT_FIELDS_MAX)
            return false;
        if (field.number == NAME_FIELD && field.type == WIRE_BYTES)
            *name = field;
    }
    return step == WIRE_END && name->bytes > 0;
}

/* Raw tensors come in the order of inputs, one each. */
static bool next_input(grpc_rows *g, const char *message, size_t end, wire_field *name)
{
    wire w = {.data = (const uint8_t *)message, .at = g->inputs_at, .end = end};
    wire_field field;
    while (wire_next(&w, &field) == WIRE_FIELD) {
        if (field.number != INPUT_FIELD || field.type != WIRE_BYTES)
            continue;
        g->inputs_at = w.at;
        return read_input(wire_inside(&w, &field), name);
    }
    return false;
}

static bool expect(grpc_rows *g, const char *message, const wire_field *raw)
{
    wire_field name;
    return (g->rows.lent || take_rows(g, message, raw->start)) &&
           next_input(g, message, raw->start, &name) &&
           infer_rows_expect(&g->rows, message + name.at, name.bytes, raw->at, raw->bytes);
}

/* ---- The bytes ---- */

/* Bytes up to `at` are there, of which those from field_end on are the head of the next field, or
 * its beginning. */
static void look(grpc_rows *g, const char *message, size_t at, size_t expected)
{
    wire w = {.data = (const uint8_t *)message, .at = g->field_end, .end = at};
    wire_field field;
    const wire_step step = wire_next(&w, &field);
    const bool has_bytes = field.at > 0;
    if (step == WIRE_CUT && !has_bytes)
        return; /* there is more of it */
    if ((step != WIRE_FIELD && step != WIRE_CUT) || ++g->fields > GRPC_INFER_FIELDS_MAX ||
        (has_bytes && field.bytes > expected - field.at) ||
        (has_bytes && field.number == GRPC_RAW_FIELD && !expect(g, message, &field))) {
        stop(g);
        return;
    }
    g->field_end = has_bytes ? field.at + field.bytes : at;
}

void grpc_rows_put(grpc_rows *g, char *message, size_t at, size_t expected, const char *data,
                   size_t bytes)
{
    while (bytes > 0) {
        /* Heads go byte by byte, so that none of what follows one is there when it is read. */
        const bool head = g->rt && at >= g->field_end;
        const size_t left = head ? 1 : g->rt ? g->field_end - at : bytes;
        const size_t part = left < bytes ? left : bytes;
        infer_rows_put(&g->rows, message, at, data, part);
        at += part;
        data += part;
        bytes -= part;
        if (head)
            look(g, message, at, expected);
    }
}
