#include "server/infer_rows.h"

#include <string.h>

static const size_t NOWHERE = SIZE_MAX;

bool infer_rows_take(infer_rows *r, cosrel_model *model)
{
    cosrel_tensor tensors[INFER_TENSORS_MAX];
    const size_t count = cosrel_model_describe(model)->input_count;
    if (count > INFER_TENSORS_MAX ||
        cosrel_inputs_take(model, tensors, &r->lent, NULL) != COSREL_OK)
        return false;
    for (size_t i = 0; i < count; i++)
        r->rows[i] = (struct infer_row){.name = tensors[i].name,
                                        .data = tensors[i].data,
                                        .bytes = tensors[i].bytes,
                                        .at = NOWHERE};
    r->count = count;
    return true;
}

bool infer_rows_expect(infer_rows *r, const char *name, size_t name_bytes, size_t at, size_t bytes)
{
    for (size_t i = 0; i < r->count; i++) {
        struct infer_row *row = &r->rows[i];
        if (row->at != NOWHERE || row->bytes != bytes || strlen(row->name) != name_bytes ||
            memcmp(row->name, name, name_bytes) != 0)
            continue;
        row->at = at;
        return true;
    }
    return false;
}

void infer_rows_settle(infer_rows *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->rows[i].at != NOWHERE)
            return;
    infer_rows_give(r);
}

/* The row that byte `at` goes into, NULL: the message's own memory; and for how many bytes that
 * holds, at most *bytes. */
static const struct infer_row *row_at(const infer_rows *r, size_t at, size_t *bytes)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct infer_row *row = &r->rows[i];
        if (row->at == NOWHERE || at >= row->at + row->bytes)
            continue;
        const bool within = at >= row->at;
        const size_t left = within ? row->at + row->bytes - at : row->at - at;
        *bytes = left < *bytes ? left : *bytes;
        if (within)
            return row;
    }
    return NULL;
}

void infer_rows_put(const infer_rows *r, char *message, size_t at, const char *data, size_t bytes)
{
    while (bytes > 0) {
        size_t part = bytes;
        const struct infer_row *row = row_at(r, at, &part);
        memcpy(row ? row->data + (at - row->at) : message + at, data, part);
        at += part;
        data += part;
        bytes -= part;
    }
}

void infer_rows_point(const infer_rows *r, const char *message, infer_request *request)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct infer_row *row = &r->rows[i];
        for (size_t k = 0; k < request->input_count && row->at != NOWHERE; k++) {
            infer_input *in = &request->inputs[k];
            if (in->raw == message + row->at && in->bytes == row->bytes)
                in->raw = row->data;
        }
    }
}

void infer_rows_give(infer_rows *r)
{
    cosrel_inputs_give(r->lent);
    r->lent = NULL;
    r->count = 0;
}
