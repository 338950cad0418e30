#include "model/npy_text.h"

#include <string.h>

typedef struct type_row {
    cosrel_dtype type;
    const char *descr; /* as it is written */
} type_row;

static const type_row rows[] = {
    {COSREL_BOOL, "|b1"},      {COSREL_INT8, "|i1"},        {COSREL_UINT8, "|u1"},
    {COSREL_INT16, "<i2"},     {COSREL_UINT16, "<u2"},      {COSREL_INT32, "<i4"},
    {COSREL_UINT32, "<u4"},    {COSREL_INT64, "<i8"},       {COSREL_UINT64, "<u8"},
    {COSREL_FLOAT16, "<f2"},   {COSREL_FLOAT32, "<f4"},     {COSREL_FLOAT64, "<f8"},
    {COSREL_COMPLEX64, "<c8"}, {COSREL_COMPLEX128, "<c16"},
};

/* Chosen: longer strings are not data for a model. */
enum { TEXT_CHARACTERS_MAX = 1 << 24 };

const char *npy_descr_of(cosrel_dtype type)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].type == type)
            return rows[i].descr;
    }
    return NULL;
}

static bool read_number(const char *text, size_t length, size_t *out)
{
    size_t value = 0;
    if (length == 0 || length > 9)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = 10 * value + (size_t)(text[i] - '0');
    }
    *out = value;
    return true;
}

static bool is_byte_order(char c)
{
    return c == '<' || c == '>' || c == '|' || c == '=';
}

bool npy_descr_read(const char *text, size_t length, npy_descr *out)
{
    size_t number;
    memset(out, 0, sizeof *out);
    if (length < 3 || !is_byte_order(text[0]) || !read_number(text + 2, length - 2, &number))
        return false;
    out->big_endian = text[0] == '>';
    out->kind = text[1];
    if (out->kind == 'S' || out->kind == 'U') {
        out->type = COSREL_STRING;
        out->unit_bytes = out->kind == 'U' ? 4 : 1;
        out->item_bytes = number * out->unit_bytes;
        return number > 0 && number <= TEXT_CHARACTERS_MAX;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].descr[1] != out->kind || cosrel_dtype_bytes(rows[i].type, 1) != number)
            continue;
        out->type = rows[i].type;
        out->item_bytes = number;
        out->unit_bytes = out->kind == 'c' ? number / 2 : number;
        return true;
    }
    return false;
}

static uint32_t character_at(const npy_descr *descr, const uint8_t *from, size_t index)
{
    const uint8_t *at = from + index * descr->unit_bytes;
    if (descr->unit_bytes == 1)
        return at[0];
    if (descr->big_endian)
        return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

/* RFC 3629; 0: not a character. */
static size_t encode(uint32_t c, char *to)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    const size_t bytes = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = bytes - 1; i > 0; i--) {
        to[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    to[0] = (char)(lead[bytes] | c);
    return bytes;
}

size_t npy_text_decode(const npy_descr *descr, const uint8_t *from, char *to)
{
    size_t used = 0;
    for (size_t i = 0; i < descr->item_bytes / descr->unit_bytes; i++) {
        const uint32_t c = character_at(descr, from, i);
        if (c == 0)
            break;
        if (descr->kind == 'S') {
            to[used++] = (char)c;
            continue;
        }
        const size_t bytes = encode(c, to + used);
        if (bytes == 0)
            return 0;
        used += bytes;
    }
    to[used++] = '\0';
    return used;
}

uint32_t npy_text_next(const char **at)
{
    const unsigned char *c = (const unsigned char *)*at;
    const unsigned bytes = c[0] < 0x80 ? 1 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
    uint32_t value = bytes == 1 ? c[0] : c[0] & (0x7fu >> bytes);
    for (unsigned i = 1; i < bytes; i++)
        value = value << 6 | (c[i] & 0x3f);
    *at += bytes;
    return value;
}

/* Whether a well-formed character begins here. */
static bool is_character(const unsigned char *c)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (c[0] < 0x80)
        return true;
    if (c[0] < 0xc2 || c[0] > 0xf4)
        return false;
    const unsigned bytes = c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
    for (unsigned i = 1; i < bytes; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return false;
    }
    const char *at = (const char *)c;
    const uint32_t value = npy_text_next(&at);
    return value >= least[bytes] && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
}

bool npy_text_length(const char *text, size_t *characters)
{
    size_t count = 0;
    while (*text) {
        if (!is_character((const unsigned char *)text))
            return false;
        npy_text_next(&text);
        count++;
    }
    *characters = count;
    return true;
}
