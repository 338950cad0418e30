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

size_t http_body_json_left(const http_body *b)
{
    return b->has_length && !b->json_only && b->bytes < b->json_bytes ? b->json_bytes - b->bytes
                                                                      : 0;
}

size_t http_body_binary_bytes(const http_body *b)
{
    return (b->has_length ? b->expected : b->bytes) - b->json_bytes;
}

void http_body_lend(http_body *b, cosrel_model *model, infer_request *r)
{
    if (b->json_only || b->bytes != b->json_bytes || !infer_rows_take(&b->rows, model))
        return;
    for (size_t i = 0; i < r->input_count; i++) {
        const infer_input *in = &r->inputs[i];
        if (in->raw)
            (void)infer_rows_expect(&b->rows, in->name, strlen(in->name),
                                    (size_t)(in->raw - b->data), in->bytes);
    }
    infer_rows_point(&b->rows, b->data, r);
    infer_rows_settle(&b->rows);
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

http_fault http_body_expect(http_body *b, struct MHD_Connection *connection, bool keep)
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
    return make_room(b, b->has_length ? b->expected : FIRST_BYTES) ? fine : no_memory;
}

/* ---- The bytes ---- */

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
    if (!b->data) /* there is room, but of a body that was let go */
        return fine;
    infer_rows_put(&b->rows, b->data, b->bytes, data, bytes);
    b->bytes = needed;
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
    return fine;
}

void http_body_let_go(http_body *b)
{
    bodies_give(b->together, b->held);
    b->held = 0;
    infer_rows_give(&b->rows);
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
