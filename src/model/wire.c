#include "model/wire.h"

#include <string.h>

enum { VARINT_BYTES_MAX = 10 };

bool wire_varint(wire *w, uint64_t *value)
{
    uint64_t result = 0;
    size_t at = w->at;
    for (unsigned i = 0; i < VARINT_BYTES_MAX && at < w->end; i++) {
        const uint8_t byte = w->data[at++];
        /* The tenth byte has room for one bit; protobuf drops what is above. */
        result |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *value = result;
            w->at = at;
            return true;
        }
    }
    return false;
}

static uint64_t fixed(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

/* Cut if there were fewer bytes than a varint may have, malformed if not. */
static wire_step broken_varint(const wire *w)
{
    return w->end - w->at < VARINT_BYTES_MAX ? WIRE_CUT : WIRE_MALFORMED;
}

static wire_step take_fixed(wire *w, wire_field *field, unsigned bytes)
{
    if (w->end - w->at < bytes) {
        field->bytes = bytes;
        return WIRE_CUT;
    }
    field->value = fixed(w->data + w->at, bytes);
    w->at += bytes;
    return WIRE_FIELD;
}

static wire_step take_bytes(wire *w, wire_field *field)
{
    uint64_t length;
    if (!wire_varint(w, &length))
        return broken_varint(w);
    field->at = w->at;
    field->bytes = length > SIZE_MAX ? SIZE_MAX : (size_t)length;
    if (length > w->end - w->at)
        return WIRE_CUT;
    w->at += field->bytes;
    return WIRE_FIELD;
}

wire_step wire_next(wire *w, wire_field *field)
{
    memset(field, 0, sizeof *field);
    field->start = w->at;
    if (w->at >= w->end)
        return WIRE_END;
    uint64_t tag;
    if (!wire_varint(w, &tag))
        return broken_varint(w);
    /* Field numbers have 29 bits and begin at 1. */
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return WIRE_MALFORMED;
    field->number = (uint32_t)(tag >> 3);
    switch (tag & 7) {
    case WIRE_VARINT:
        field->type = WIRE_VARINT;
        return wire_varint(w, &field->value) ? WIRE_FIELD : broken_varint(w);
    case WIRE_FIXED64:
        field->type = WIRE_FIXED64;
        return take_fixed(w, field, 8);
    case WIRE_BYTES:
        field->type = WIRE_BYTES;
        return take_bytes(w, field);
    case WIRE_FIXED32:
        field->type = WIRE_FIXED32;
        return take_fixed(w, field, 4);
    default:
        return WIRE_MALFORMED;
    }
}

wire wire_inside(const wire *w, const wire_field *field)
{
    const wire inside = {w->data, field->at, field->at + field->bytes};
    return inside;
}

bool wire_count_varints(const wire *w, uint64_t *count)
{
    uint64_t ends = 0;
    unsigned run = 0;
    for (size_t at = w->at; at < w->end; at++) {
        if (++run > VARINT_BYTES_MAX)
            return false;
        if (w->data[at] < 0x80) {
            ends++;
            run = 0;
        }
    }
    *count = ends;
    return run == 0;
}

bool wire_equals(const wire *w, const wire_field *field, const char *text)
{
    return field->bytes == strlen(text) && memcmp(w->data + field->at, text, field->bytes) == 0;
}
