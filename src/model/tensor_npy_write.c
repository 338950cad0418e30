/* Writing .npy, format version 1.0: what every reader understands. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "model/npy_text.h"
#include "model/small_float.h"
#include "model/tensor_npy.h"

/* Elements begin at a multiple of this (numpy.lib.format: 64, for memory maps). */
enum { ALIGN_BYTES = 64, PREFIX_BYTES = 10 };

/* How strings are written. */
typedef struct text_form {
    char kind;         /* U, or S if a string is not UTF-8 */
    size_t characters; /* of the longest; at least 1, as NumPy has it */
} text_form;

static text_form find_text_form(const cosrel_tensor *tensor, uint64_t elements)
{
    const char *const *strings = tensor->data;
    text_form unicode = {'U', 1};
    text_form bytes = {'S', 1};
    bool all_unicode = true;
    for (uint64_t i = 0; i < elements; i++) {
        const size_t length = strlen(strings[i]);
        size_t characters = 0;
        all_unicode = all_unicode && npy_text_length(strings[i], &characters);
        if (characters > unicode.characters)
            unicode.characters = characters;
        if (length > bytes.characters)
            bytes.characters = length;
    }
    return all_unicode ? unicode : bytes;
}

/* The type in the file for those that NumPy lacks. */
static cosrel_dtype written_type(cosrel_dtype type)
{
    switch (type) {
    case COSREL_BFLOAT16:
    case COSREL_FLOAT8E4M3FN:
    case COSREL_FLOAT8E4M3FNUZ:
    case COSREL_FLOAT8E5M2:
    case COSREL_FLOAT8E5M2FNUZ:
        return COSREL_FLOAT32;
    case COSREL_UINT4:
        return COSREL_UINT8;
    case COSREL_INT4:
        return COSREL_INT8;
    default:
        return type;
    }
}

static void add_header(text_builder *text, const cosrel_tensor *tensor, const text_form *form)
{
    text_add(text, "{'descr': '");
    if (tensor->type == COSREL_STRING)
        text_addf(text, "%c%c%zu", form->kind == 'U' ? '<' : '|', form->kind, form->characters);
    else
        text_add(text, npy_descr_of(written_type(tensor->type)));
    text_add(text, "', 'fortran_order': False, 'shape': (");
    for (size_t i = 0; i < tensor->rank; i++)
        text_addf(text, "%s%" PRId64 "%s", i > 0 ? " " : "", tensor->shape[i],
                  i + 1 < tensor->rank || i == 0 ? "," : "");
    text_add(text, "), }");
    while ((PREFIX_BYTES + text->length + 1) % ALIGN_BYTES != 0 && !text->failed)
        text_add(text, " ");
    text_add(text, "\n");
}

static void write_unicode(FILE *stream, const char *text, size_t characters)
{
    for (size_t i = 0; i < characters; i++) {
        const uint32_t c = *text ? npy_text_next(&text) : 0;
        fwrite(&c, sizeof c, 1, stream);
    }
}

static void write_strings(FILE *stream, const cosrel_tensor *tensor, const text_form *form,
                          uint64_t elements)
{
    const char *const *strings = tensor->data;
    for (uint64_t i = 0; i < elements && !ferror(stream); i++) {
        if (form->kind == 'U') {
            write_unicode(stream, strings[i], form->characters);
            continue;
        }
        const size_t length = strlen(strings[i]);
        fwrite(strings[i], 1, length, stream);
        for (size_t pad = length; pad < form->characters; pad++)
            fputc(0, stream);
    }
}

static void write_widened(FILE *stream, const cosrel_tensor *tensor, uint64_t elements)
{
    const uint8_t *from = tensor->data;
    for (uint64_t i = 0; i < elements && !ferror(stream); i++) {
        if (tensor->type == COSREL_UINT4 || tensor->type == COSREL_INT4) {
            const int nibble = from[i / 2] >> (i % 2 * 4) & 15;
            fputc(tensor->type == COSREL_INT4 && nibble > 7 ? nibble - 16 : nibble, stream);
            continue;
        }
        uint16_t bits = from[i];
        if (tensor->type == COSREL_BFLOAT16)
            memcpy(&bits, from + 2 * i, sizeof bits);
        const float value = small_float_widen(tensor->type, bits);
        fwrite(&value, sizeof value, 1, stream);
    }
}

static cosrel_status check(const char *path, const cosrel_tensor *tensor, uint64_t *elements,
                           cosrel_error *err)
{
    if (!tensor_count(tensor->shape, tensor->rank, elements) ||
        tensor->bytes != cosrel_dtype_bytes(tensor->type, *elements) ||
        cosrel_dtype_bytes(tensor->type, 1) == 0)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "%s: a %s tensor of %zu bytes whose shape needs another size "
                         "cannot be written",
                         path, cosrel_dtype_name(tensor->type), tensor->bytes);
    return COSREL_OK;
}

static void write_all(FILE *stream, const cosrel_tensor *tensor, const text_form *form,
                      uint64_t elements, const text_builder *header)
{
    const uint8_t prefix[PREFIX_BYTES] = {0x93,
                                          'N',
                                          'U',
                                          'M',
                                          'P',
                                          'Y',
                                          1,
                                          0,
                                          (uint8_t)header->length,
                                          (uint8_t)(header->length >> 8)};
    fwrite(prefix, 1, sizeof prefix, stream);
    fwrite(header->data, 1, header->length, stream);
    if (tensor->type == COSREL_STRING)
        write_strings(stream, tensor, form, elements);
    else if (written_type(tensor->type) != tensor->type)
        write_widened(stream, tensor, elements);
    else if (tensor->bytes > 0)
        fwrite(tensor->data, 1, tensor->bytes, stream);
}

cosrel_status tensor_npy_write(const char *path, const cosrel_tensor *tensor, cosrel_error *err)
{
    uint64_t elements = 0;
    cosrel_status status = check(path, tensor, &elements, err);
    if (status != COSREL_OK)
        return status;
    text_form form = {0};
    if (tensor->type == COSREL_STRING)
        form = find_text_form(tensor, elements);
    text_builder header = {0};
    add_header(&header, tensor, &form);
    if (header.failed || header.length > UINT16_MAX) {
        text_deinit(&header);
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory to write it", path);
    }
    file_save save;
    status = file_save_begin(&save, path, err);
    if (status == COSREL_OK) {
        write_all(save.stream, tensor, &form, elements, &header);
        status = file_save_commit(&save, err);
    }
    text_deinit(&header);
    return status;
}
