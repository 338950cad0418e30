#include "server/grpc_message.h"

#include <stdlib.h>

#include "server/grpc_infer.h"

enum {
    ALIGNMENT = 64,       /* of the first raw tensor: what vector loads like best */
    KEPT_BYTES = 1 << 20, /* a larger message's memory is not kept for the next one */
};

void grpc_message_deinit(grpc_message *m)
{
    grpc_rows_end(&m->rows);
    free(m->memory);
    *m = (grpc_message){.memory = NULL};
}

void grpc_message_clear(grpc_message *m)
{
    grpc_rows_end(&m->rows);
    m->bytes = m->expected = 0;
    m->prefix_bytes = 0;
    m->data = NULL;
    if (m->room > KEPT_BYTES)
        grpc_message_deinit(m);
}

/* Called with the first bytes of the message, which mostly show where the first tensor begins. The
 * memory is asked for at once: what never arrives is never touched. */
static bool make_room(grpc_message *m, const char *first, size_t bytes)
{
    const size_t begins = grpc_infer_raw_begins(first, bytes);
    const size_t shift = (ALIGNMENT - begins % ALIGNMENT) % ALIGNMENT;
    const size_t room = (m->expected + shift + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    if (room > m->room) {
        free(m->memory);
        m->memory = aligned_alloc(ALIGNMENT, room);
        m->room = m->memory ? room : 0;
    }
    m->data = m->memory ? m->memory + shift : NULL;
    return m->data != NULL;
}

static grpc_code read_prefix(grpc_message *m, size_t bytes_max, const char **why)
{
    m->expected = (size_t)m->prefix[1] << 24 | (size_t)m->prefix[2] << 16 |
                  (size_t)m->prefix[3] << 8 | m->prefix[4];
    if (m->prefix[0] == 1) {
        *why = "compressed messages are not taken; grpc-accept-encoding: identity";
        return GRPC_UNIMPLEMENTED;
    }
    if (m->prefix[0] != 0) {
        *why = "a message does not begin as gRPC's do";
        return GRPC_INTERNAL;
    }
    if (m->expected > bytes_max) {
        *why = "the message is larger than this server takes";
        return GRPC_RESOURCE_EXHAUSTED;
    }
    return GRPC_OK;
}

grpc_code grpc_message_take(grpc_message *m, const uint8_t *data, size_t bytes, size_t bytes_max,
                            const char **why)
{
    while (m->prefix_bytes < GRPC_PREFIX_BYTES && bytes > 0) {
        m->prefix[m->prefix_bytes++] = *data++;
        bytes--;
        if (m->prefix_bytes == GRPC_PREFIX_BYTES) {
            const grpc_code code = read_prefix(m, bytes_max, why);
            if (code != GRPC_OK)
                return code;
        }
    }
    if (bytes == 0)
        return GRPC_OK;
    if (bytes > m->expected - m->bytes) {
        *why = "more than one message, where the method takes one";
        return GRPC_UNIMPLEMENTED;
    }
    if (!m->data && !make_room(m, (const char *)data, bytes)) {
        *why = "no memory for the message";
        return GRPC_RESOURCE_EXHAUSTED;
    }
    grpc_rows_put(&m->rows, m->data, m->bytes, m->expected, (const char *)data, bytes);
    m->bytes += bytes;
    return GRPC_OK;
}

grpc_code grpc_message_end(const grpc_message *m, const char **why)
{
    if (m->prefix_bytes == 0) {
        *why = "no message, where the method takes one";
        return GRPC_UNIMPLEMENTED;
    }
    if (m->prefix_bytes == GRPC_PREFIX_BYTES && m->bytes == m->expected)
        return GRPC_OK;
    *why = "the stream ended within a message";
    return GRPC_INTERNAL;
}
