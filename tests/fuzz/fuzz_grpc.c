/* Any bytes as a ModelInferRequest: an error that says why, or a request whose tensors lie where
 * memory is; as frames, cut anywhere: a message or an error; and in pieces, with rows that models
 * lend for it: the same request with the same tensors. The first byte says how it is cut. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_runtime.h"
#include "server/grpc_infer.h"
#include "server/grpc_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_input(const infer_input *in, volatile unsigned *sum)
{
    uint64_t elements = 1;
    if (!*in->name || in->type == COSREL_DTYPE_UNDEFINED || in->rank > INFER_RANK_MAX)
        abort();
    for (size_t d = 0; d < in->rank; d++)
        elements *= (uint64_t)in->shape[d]; /* a zero makes it zero, whatever overflows */
    if (elements != in->elements || in->text)
        abort();
    if ((in->raw != NULL) == (in->region.name != NULL))
        abort();
    for (size_t i = 0; i < in->bytes; i++)
        *sum += (unsigned char)in->raw[i];
}

static void read(const uint8_t *data, size_t bytes)
{
    static infer_request request;
    arena memory = {.chunks = NULL};
    const char *model, *version;
    volatile unsigned sum = 0;
    cosrel_error err = {""};
    const cosrel_status status = grpc_infer_read((const char *)data, bytes, &memory, &request,
                                                 &model, &version, &err);
    if (memory.taken_bytes > 40 * bytes + ((size_t)1 << 20))
        abort();
    if (status == COSREL_OK) {
        for (size_t i = 0; i < request.input_count; i++)
            check_input(&request.inputs[i], &sum);
        sum += (unsigned)(strlen(model) + strlen(version));
    } else if (err.text[0] == '\0') {
        abort();
    }
    arena_deinit(&memory);
}

static void take(const uint8_t *data, size_t bytes, size_t cut)
{
    grpc_message m = {.memory = NULL};
    const char *why = NULL;
    grpc_code code = grpc_message_take(&m, data, cut, 4096, &why);
    if (code == GRPC_OK)
        code = grpc_message_take(&m, data + cut, bytes - cut, 4096, &why);
    if (code == GRPC_OK)
        code = grpc_message_end(&m, &why);
    if ((code == GRPC_OK) != (why == NULL) || (code == GRPC_OK && m.bytes != bytes - 5))
        abort();
    if (code == GRPC_OK && m.bytes && memcmp(m.data, data + 5, m.bytes) != 0)
        abort();
    grpc_message_deinit(&m);
}

static void same(const infer_request *a, const infer_request *b)
{
    if (a->input_count != b->input_count)
        abort();
    for (size_t i = 0; i < a->input_count; i++) {
        const infer_input *x = &a->inputs[i], *y = &b->inputs[i];
        if (x->bytes != y->bytes || (x->raw == NULL) != (y->raw == NULL))
            abort();
        if (x->raw && x->bytes && memcmp(x->raw, y->raw, x->bytes) != 0)
            abort();
    }
}

/* A message without its prefix. */
static void lend(const uint8_t *data, size_t bytes, size_t piece)
{
    static infer_request whole, cut;
    arena first = {.chunks = NULL}, second = {.chunks = NULL};
    const char *model, *version, *why;
    cosrel_error err = {""};
    grpc_message m = {.memory = NULL};
    const uint8_t prefix[5] = {0, (uint8_t)(bytes >> 24), (uint8_t)(bytes >> 16),
                               (uint8_t)(bytes >> 8), (uint8_t)bytes};
    grpc_rows_begin(&m.rows, fuzz_runtime());
    grpc_code code = grpc_message_take(&m, prefix, sizeof prefix, bytes, &why);
    for (size_t at = 0; at < bytes && code == GRPC_OK; at += piece)
        code = grpc_message_take(&m, data + at, bytes - at < piece ? bytes - at : piece, bytes,
                                 &why);
    if (code != GRPC_OK)
        abort();
    const cosrel_status status = grpc_infer_read((const char *)data, bytes, &first, &whole, &model,
                                                 &version, &err);
    if (grpc_infer_read(m.data, m.bytes, &second, &cut, &model, &version, &err) != status)
        abort();
    if (status == COSREL_OK) {
        infer_rows_point(&m.rows.rows, m.data, &cut);
        same(&whole, &cut);
    }
    grpc_message_deinit(&m);
    arena_deinit(&first);
    arena_deinit(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    const size_t cut = data[0] < bytes ? data[0] : bytes;
    const size_t begins = grpc_infer_raw_begins((const char *)data, cut);
    if (begins > cut)
        abort();
    take(data, bytes, cut);
    read(data + 1, bytes - 1);
    lend(data + 1, bytes - 1, data[0] % 64 + 1);
    return 0;
}
