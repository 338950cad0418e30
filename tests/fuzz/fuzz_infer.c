/* Any bytes as the body of an inference request over HTTP: an error that says why, or a request
 * whose tensors lie within the body. The first two bytes say how much of it is JSON. Numbers are
 * read as the type that their input has, and what was read is written and read again the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/infer_request.h"
#include "server/json_numbers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { ELEMENTS_MAX = 4096 };

static void read_again(const infer_input *in, const char *numbers, size_t bytes)
{
    char second[ELEMENTS_MAX * 8];
    text_builder text = {.data = NULL};
    cosrel_error err;
    if (json_numbers_add(&text, in->type, numbers, in->elements) != COSREL_OK || text.failed)
        abort();
    if (json_numbers_read(text.data, text.length, in->type, second, in->elements, &err) !=
            COSREL_OK ||
        memcmp(numbers, second, bytes) != 0)
        abort();
    text_deinit(&text);
}

static void check_input(const infer_input *in, const char *body, size_t bytes,
                        volatile unsigned *sum)
{
    char numbers[ELEMENTS_MAX * 8];
    const char *at = in->raw ? in->raw : in->text;
    cosrel_error err = {""};
    if ((at != NULL) == (in->region.name != NULL) || in->rank > INFER_RANK_MAX)
        abort();
    if (at && (at < body || in->bytes > bytes || (size_t)(at - body) > bytes - in->bytes))
        abort();
    for (size_t i = 0; at && i < in->bytes; i++)
        *sum += (unsigned char)at[i];
    if (!in->text || in->type == COSREL_STRING || in->elements > ELEMENTS_MAX)
        return;
    if (json_numbers_read(in->text, in->bytes, in->type, numbers, in->elements, &err) == COSREL_OK)
        read_again(in, numbers, cosrel_dtype_bytes(in->type, in->elements));
    else if (!err.text[0])
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static infer_request request;
    volatile unsigned sum = 0;
    cosrel_error err = {""};
    if (bytes < 2)
        return 0;
    const size_t length = bytes - 2, asked = (size_t)data[0] << 8 | data[1];
    const size_t json_bytes = asked < length ? asked : length;
    /* Of exactly its size, so that a read beyond it is seen. */
    char *body = malloc(length ? length : 1);
    memcpy(body, data + 2, length);
    if (infer_json_read(body, json_bytes, body + json_bytes, length - json_bytes, &request, &err) ==
        COSREL_OK) {
        for (size_t i = 0; i < request.input_count; i++) {
            sum += (unsigned)strlen(request.inputs[i].name);
            check_input(&request.inputs[i], body, length, &sum);
        }
        for (size_t i = 0; i < request.output_count; i++)
            sum += (unsigned)strlen(request.outputs[i].name);
    } else if (!err.text[0]) {
        abort();
    }
    free(body);
    return 0;
}
