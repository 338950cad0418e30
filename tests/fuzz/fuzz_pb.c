/* Any bytes as a TensorProto: an error or a whole tensor. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/tensor_pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    tensor_buffer t;
    cosrel_error err;
    uint64_t elements;
    const cosrel_status status = tensor_pb_parse("a.pb", data, bytes, &t, &err);
    if (status != COSREL_OK) {
        if (status != COSREL_INVALID_FILE || memcmp(err.text, "a.pb: ", 6) != 0 || t.data)
            abort();
        return 0;
    }
    if (!tensor_count(t.shape, t.rank, &elements) ||
        t.bytes != cosrel_dtype_bytes(t.type, elements))
        abort();
    for (uint64_t i = 0; t.type == COSREL_STRING && i < elements; i++) {
        if (strlen(((const char **)t.data)[i]) > bytes)
            abort();
    }
    for (uint64_t i = 0; t.type == COSREL_BOOL && i < elements; i++) {
        if (((const uint8_t *)t.data)[i] > 1)
            abort();
    }
    tensor_buffer_deinit(&t);
    return 0;
}
