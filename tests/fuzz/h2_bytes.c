#include "h2_bytes.h"

#include <stdlib.h>
#include <string.h>

#include "oip.pb-c.h"

/* NOLINTNEXTLINE(readability-non-const-parameter): nghttp2 says what it looks like */
static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *buffer,
                         size_t bytes_max, uint32_t *flags, nghttp2_data_source *source, void *user)
{
    h2_bytes *h = user;
    const int number = source->fd;
    const size_t left = h->body[number].bytes - h->body[number].at;
    const size_t bytes = left < bytes_max ? left : bytes_max;
    (void)session, (void)stream;
    memcpy(buffer, h->body[number].data + h->body[number].at, bytes);
    h->body[number].at += bytes;
    if (bytes == left)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)bytes;
}

void h2_begin(h2_bytes *h)
{
    nghttp2_session_callbacks *none;
    memset(h, 0, sizeof *h);
    if (nghttp2_session_callbacks_new(&none) != 0 ||
        nghttp2_session_client_new(&h->session, none, h) != 0 ||
        nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, NULL, 0) != 0)
        abort();
    nghttp2_session_callbacks_del(none);
}

int32_t h2_ask(h2_bytes *h, const char *path, const uint8_t *body, size_t bytes)
{
#define HEADER(key, text)                                                                          \
    {                                                                                              \
        .name = (uint8_t *)(key), .value = (uint8_t *)(text), .namelen = strlen(key),              \
        .valuelen = strlen(text)                                                                   \
    }
    const nghttp2_nv headers[] = {
        HEADER(":method", "POST"),      HEADER(":scheme", "http"),
        HEADER(":path", path),          HEADER(":authority", "localhost"),
        HEADER("te", "trailers"),       HEADER("content-type", "application/grpc"),
        HEADER("grpc-timeout", "100S"),
    };
    const nghttp2_data_provider provider = {.source.fd = h->count, .read_callback = read_body};
    h->body[h->count].data = body;
    h->body[h->count++].bytes = bytes;
    return nghttp2_submit_request(h->session, NULL, headers, sizeof headers / sizeof *headers,
                                  &provider, NULL);
}

void h2_take(h2_bytes *h, text_builder *out)
{
    const uint8_t *data;
    ssize_t bytes;
    while ((bytes = nghttp2_session_mem_send(h->session, &data)) > 0)
        text_add_bytes(out, (const char *)data, (size_t)bytes);
}

void h2_end(h2_bytes *h)
{
    nghttp2_session_del(h->session);
}

size_t h2_infer_body(uint8_t out[128])
{
    static float row[4] = {1, 2, 3, 4};
    int64_t shape[] = {1, 4};
    Inference__ModelInferRequest__InferInputTensor
        in = INFERENCE__MODEL_INFER_REQUEST__INFER_INPUT_TENSOR__INIT,
        *inputs = &in;
    ProtobufCBinaryData raw = {sizeof row, (uint8_t *)row};
    Inference__ModelInferRequest m = INFERENCE__MODEL_INFER_REQUEST__INIT;
    in.name = "x";
    in.datatype = "FP32";
    in.n_shape = 2;
    in.shape = shape;
    m.model_name = "add";
    m.n_inputs = m.n_raw_input_contents = 1;
    m.inputs = &inputs;
    m.raw_input_contents = &raw;
    const size_t bytes = inference__model_infer_request__pack(&m, out + 5);
    memset(out, 0, 4);
    out[4] = (uint8_t)bytes;
    return 5 + bytes;
}
