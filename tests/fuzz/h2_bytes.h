/* What a client of HTTP/2 sends, as bytes: for seeds, and for a good request among bad ones. */
#ifndef TESTS_FUZZ_H2_BYTES_H
#define TESTS_FUZZ_H2_BYTES_H

#include <stdint.h>

#include <nghttp2/nghttp2.h>

#include "base/text.h"

typedef struct h2_bytes {
    nghttp2_session *session;
    struct {
        const uint8_t *data;
        size_t bytes, at;
    } body[8]; /* by request */
    int count;
} h2_bytes;

void h2_begin(h2_bytes *h);
/* A call; `body`, with gRPC's prefix, stays the caller's. The stream's number. */
int32_t h2_ask(h2_bytes *h, const char *path, const uint8_t *body, size_t bytes);
/* All that is to be sent until now. */
void h2_take(h2_bytes *h, text_builder *out);
void h2_end(h2_bytes *h);

/* ModelInfer of "add" with one row, 1 to 4, with its prefix; the number of bytes. */
size_t h2_infer_body(uint8_t out[128]);

#endif
