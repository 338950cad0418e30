#include "server/infer_request.h"

#include <stdlib.h>

#include "base/error.h"

void infer_request_deinit(infer_request *r)
{
    free(r->names);
    free(r->seen);
    r->names = r->seen = NULL;
    r->names_room = r->seen_room = 0;
    infer_request_clear(r);
}

void infer_request_clear(infer_request *r)
{
    r->id = NULL;
    r->input_count = r->output_count = 0;
    r->binary_outputs = false;
    r->priority = r->timeout_us = 0;
    r->names_used = r->seen_bytes = 0;
}

cosrel_status infer_input_measure(infer_input *in, cosrel_error *err)
{
    uint64_t elements = 1;
    for (size_t d = 0; d < in->rank; d++) {
        if (in->shape[d] < 0)
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "input '%s': shape[%zu] is %lld; expected 0 or more", in->name, d,
                             (long long)in->shape[d]);
        if (__builtin_mul_overflow(elements, (uint64_t)in->shape[d], &elements))
            elements = UINT64_MAX;
    }
    /* A zero anywhere makes it empty, however large the others are. */
    for (size_t d = 0; d < in->rank; d++)
        elements = in->shape[d] == 0 ? 0 : elements;
    if (elements > (uint64_t)1 << 40)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "input '%s': its shape has more elements than any memory", in->name);
    in->elements = elements;
    return COSREL_OK;
}
