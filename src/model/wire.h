/* A walker over protobuf's wire format, for looking into a model without unpacking it.
 *
 * Why not the generated parser: it copies every weight before anything can be checked, needs
 * several times a hostile file's size in memory, and says of a broken one only that it is broken.
 * This one copies nothing, allocates nothing, checks every length against the bytes there are, and
 * knows at which byte it stood. The format: protobuf.dev/programming-guides/encoding. Groups are
 * refused; ONNX has none. */
#ifndef MODEL_WIRE_H
#define MODEL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cosrel/export.h"

typedef enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5
} wire_type;

/* A message: bytes [at, end) of `data`. All offsets are from the start of the whole file, for
 * messages to people. */
typedef struct wire {
    const uint8_t *data;
    size_t at;
    size_t end;
} wire;

typedef struct wire_field {
    uint32_t number;
    wire_type type;
    uint64_t value; /* VARINT, FIXED64, FIXED32; WIRE_BYTES: unused */
    size_t start;   /* of its tag */
    size_t at;      /* WIRE_BYTES: where the payload begins */
    size_t bytes;   /* WIRE_BYTES: how long it is */
} wire_field;

typedef enum wire_step {
    WIRE_FIELD, /* *field is filled */
    WIRE_END,   /* the message ended where it should */
    WIRE_CUT,   /* field->start: a field that runs past the end; field->bytes: the length it claims,
                   or 0 */
    WIRE_MALFORMED, /* field->start: not a field at all */
} wire_step;

COSREL_CHECKED wire_step wire_next(wire *w, wire_field *field);

/* The message inside a WIRE_BYTES field. */
wire wire_inside(const wire *w, const wire_field *field);

/* One varint (at most 10 bytes); false if it is cut or too long. Moves on only if true. */
COSREL_CHECKED bool wire_varint(wire *w, uint64_t *value);

/* How many varints [at, end) holds; false if the last is cut or one is longer than 10 bytes. */
COSREL_CHECKED bool wire_count_varints(const wire *w, uint64_t *count);

/* Whether the payload equals `text`. */
bool wire_equals(const wire *w, const wire_field *field, const char *text);

#endif
