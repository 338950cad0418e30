#include "server/http_body.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

enum {
    ALIGNMENT = 64,           /* of the first binary tensor */
    FIRST_BYTES = 4096,       /* of a body whose length is not known */
    KEPT_BYTES = 1 << 20,     /* a larger body's memory is not kept for the next request */
    DISCARD_BYTES = 16 << 20, /* of a refused body are read so that the client hears why (chosen:
                                 more is not worth it) */
};

static const http_fault fine = {.status = 0};
static const http_fault too_large = {413, false, "the body is larger than this server takes"};
static const http_fault no_memory = {503, false, "no memory for the body"};
static const http_fault no_place = {503, true,
                                    "this server holds as many bodies as it has memory for"};

static http_fault wrong(const char *why)
{
    return (http_fault){.status = 400, .why = why};
}

void http_body_begin(http_body *b, size_t max)
{
    b->max = max;
    b->has_length = b->two_lengths = false;
    b->json_only = true;
    b->expected = b->bytes = b->json_bytes = b->discarded = 0;
    b->binary = NULL;
}

/* ---- Where it goes ---- */

/* Room for so many bytes, placed so that what follows the JSON is aligned. */
static bool make_room(http_body *b, size_t bytes)
{
    const size_t shift = (ALIGNMENT - b->json_bytes % ALIGNMENT) % ALIGNMENT;
    const size_t room = (bytes + shift + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    if (room > b->room) {
        char *bigger = aligned_alloc(ALIGNMENT, room);
        if (!bigger)
            return false;
        if (b->bytes)
            memcpy(bigger + shift, b->data, b->bytes);
        free(b->memory);
        b->memory = bigger;
        b->room = room;
    }
    b->data = b->memory + shift;
    return true;
}

/* A model with one input that takes exactly what is behind the JSON lends a row for it. */
static void borrow(http_body *b, cosrel_model *model)
{
    cosrel_tensor row;
    if (!model || !b->has_length || b->json_only || b->json_bytes == b->expected ||
        cosrel_model_describe(model)->input_count != 1 ||
        cosrel_inputs_take(model, &row, &b->lent, NULL) != COSREL_OK)
        return;
    if (row.bytes == b->expected - b->json_bytes) {
        b->binary = row.data;
        return;
    }
    cosrel_inputs_give(b->lent);
    b->lent = NULL;
}

/* ---- The headers ---- */

typedef struct framing {
    int lengths, encodings;
} framing;

static enum MHD_Result note_framing(void *user, enum MHD_ValueKind kind, const char *key,
                                    const char *value)
{
    framing *f = user;
    (void)kind, (void)value;
    f->lengths += strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0;
    f->encodings += strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0;
    return MHD_YES;
}

/* Two lengths, or a length and chunks: who stands between the client and this server may have read
 * another body than this server would (RFC 9112, 6.3 and 11.2). */
static bool is_framed_twice(struct MHD_Connection *connection)
{
    framing f = {0};
    (void)MHD_get_connection_values(connection, MHD_HEADER_KIND, note_framing, &f);
    return f.lengths + f.encodings > 1;
}

http_fault http_body_expect(http_body *b, struct MHD_Connection *connection, bool keep,
                            cosrel_model *model)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_CONTENT_LENGTH);
    const char *json = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                   "Inference-Header-Content-Length");
    int64_t value;
    b->two_lengths = is_framed_twice(connection);
    if (length) { /* the library has seen that it is a number; one beyond int64_t is large, too */
        b->has_length = true;
        b->expected = text_to_int64(length, &value) && value >= 0 ? (size_t)value : SIZE_MAX;
    }
    if (b->two_lengths)
        return wrong("one Content-Length or one Transfer-Encoding is right, not several");
    if (json) {
        b->json_only = false;
        if (!text_to_int64(json, &value) || value < 0)
            return wrong("Inference-Header-Content-Length: expected a number");
        b->json_bytes = (size_t)value;
    }
    if (b->has_length && b->expected > b->max)
        return too_large;
    if (b->has_length && b->json_bytes > b->expected)
        return wrong("Inference-Header-Content-Length: more than the body");
    if (!keep)
        return fine;
    if (b->has_length && !bodies_fit(b->together, b->expected))
        return no_place;
    borrow(b, model);
    const size_t first = b->lent ? b->json_bytes : b->has_length ? b->expected : FIRST_BYTES;
    return make_room(b, first) ? fine : no_memory;
}

/* ---- The bytes ---- */

/* Copied once: this is it. */
static void put(http_body *b, const char *data, size_t bytes)
{
    if (b->lent && b->bytes < b->json_bytes) {
        const size_t left = b->json_bytes - b->bytes, part = bytes < left ? bytes : left;
        memcpy(b->data + b->bytes, data, part);
        b->bytes += part;
        data += part;
        bytes -= part;
    }
    if (bytes == 0)
        return;
    memcpy(b->lent ? b->binary + (b->bytes - b->json_bytes) : b->data + b->bytes, data, bytes);
    b->bytes += bytes;
}

http_fault http_body_add(http_body *b, const char *data, size_t bytes)
{
    const size_t needed = b->bytes + bytes;
    if (needed > b->max)
        return too_large;
    if (b->has_length && needed > b->expected) /* there is no room for more */
        return wrong("the body is longer than Content-Length says");
    if (!bodies_take(b->together, bytes))
        return no_place;
    b->held += bytes;
    if (!b->has_length && !make_room(b, needed > b->room / 2 ? needed * 2 : needed))
        return no_memory;
    if (b->data) /* there is room, but of a body that was let go */
        put(b, data, bytes);
    return fine;
}

bool http_body_discard(http_body *b, size_t bytes)
{
    b->discarded += bytes;
    return b->discarded <= b->max + DISCARD_BYTES;
}

bool http_body_is_too_long(const http_body *b)
{
    return b->has_length && b->expected > b->max + DISCARD_BYTES;
}

http_fault http_body_end(http_body *b)
{
    if (b->json_only)
        b->json_bytes = b->bytes;
    if (b->json_bytes > b->bytes)
        return wrong("Inference-Header-Content-Length: more than the body");
    if (!b->lent && b->data)
        b->binary = b->data + b->json_bytes;
    return fine;
}

void http_body_let_go(http_body *b)
{
    bodies_give(b->together, b->held);
    b->held = 0;
    cosrel_inputs_give(b->lent);
    b->lent = NULL;
    b->binary = NULL;
    if (b->room <= KEPT_BYTES)
        return;
    free(b->memory);
    b->memory = b->data = NULL;
    b->room = b->bytes = 0;
}

void http_body_deinit(http_body *b)
{
    free(b->memory);
    b->memory = b->data = NULL;
    b->room = 0;
}
