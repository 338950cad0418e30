/* Reading .npy. The header is a Python dictionary in text:
 * {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } */
#include "model/tensor_npy.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "model/npy_text.h"

/* Chosen: NumPy's own limit against hostile headers is 10000 characters. */
enum { HEADER_BYTES_MAX = 65536 };

typedef struct npy_header {
    npy_descr descr;
    bool fortran;
    size_t rank;
    int64_t shape[TENSOR_RANK_MAX];
    bool has_descr, has_order, has_shape;
} npy_header;

/* What is left of the header's text. */
typedef struct cursor {
    const char *path;
    const char *at;
    const char *end;
    cosrel_error *err;
} cursor;

static cosrel_status fail(const char *path, cosrel_error *err, const char *what)
{
    return error_set(err, COSREL_INVALID_FILE, "%s: %s", path, what);
}

static cosrel_status bad_header(const cursor *c, const char *wanted)
{
    return error_set(c->err, COSREL_INVALID_FILE, "%s: its .npy header is damaged: %s is expected",
                     c->path, wanted);
}

static char peek(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t'))
        c->at++;
    return c->at < c->end ? *c->at : '\0';
}

static bool take(cursor *c, char wanted)
{
    if (peek(c) != wanted || wanted == '\0')
        return false;
    c->at++;
    return true;
}

static bool take_word(cursor *c, const char *word)
{
    const size_t length = strlen(word);
    peek(c);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0)
        return false;
    c->at += length;
    return true;
}

/* A quoted text without escapes; all that stand in a .npy header are without. */
static bool take_quoted(cursor *c, const char **text, size_t *length)
{
    const char quote = peek(c);
    if (quote != '\'' && quote != '"')
        return false;
    const char *start = c->at + 1;
    const char *close = memchr(start, quote, (size_t)(c->end - start));
    if (!close)
        return false;
    *text = start;
    *length = (size_t)(close - start);
    c->at = close + 1;
    return true;
}

static bool take_size(cursor *c, int64_t *out)
{
    int64_t value = 0;
    const char *start = (peek(c), c->at);
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *c->at - '0', &value))
            return false;
        c->at++;
    }
    if (c->at == start)
        return false;
    if (c->at < c->end && *c->at == 'L') /* Python 2's long */
        c->at++;
    *out = value;
    return true;
}

static cosrel_status take_shape(cursor *c, npy_header *h)
{
    h->rank = 0;
    if (!take(c, '('))
        return bad_header(c, "a shape such as (2, 3)");
    while (!take(c, ')')) {
        if (h->rank == TENSOR_RANK_MAX)
            return bad_header(c, "a shape of at most 64 dimensions");
        if (!take_size(c, &h->shape[h->rank++]))
            return bad_header(c, "a dimension from 0 to 2^63 - 1");
        if (!take(c, ',') && peek(c) != ')')
            return bad_header(c, "',' or ')' in the shape");
    }
    h->has_shape = true;
    return COSREL_OK;
}

static cosrel_status take_descr(cursor *c, npy_header *h)
{
    const char *text;
    size_t length;
    if (peek(c) == '[')
        return fail(c->path, c->err,
                    "holds records (a structured array); a tensor has elements of one plain type");
    if (!take_quoted(c, &text, &length))
        return bad_header(c, "a quoted type such as '<f4'");
    if (!npy_descr_read(text, length, &h->descr))
        return error_set(c->err, COSREL_INVALID_FILE,
                         "%s: has elements of NumPy type '%.*s'; bool, integers, floats of "
                         "16 to 64 bits, complex and strings can be read",
                         c->path, (int)(length < 16 ? length : 16), text);
    h->has_descr = true;
    return COSREL_OK;
}

static cosrel_status take_entry(cursor *c, npy_header *h)
{
    const char *key;
    size_t length;
    if (!take_quoted(c, &key, &length) || !take(c, ':'))
        return bad_header(c, "a quoted key and ':'");
    if (length == 5 && memcmp(key, "descr", 5) == 0)
        return take_descr(c, h);
    if (length == 5 && memcmp(key, "shape", 5) == 0)
        return take_shape(c, h);
    if (length != 13 || memcmp(key, "fortran_order", 13) != 0)
        return bad_header(c, "one of the keys descr, fortran_order and shape");
    h->fortran = take_word(c, "True");
    if (!h->fortran && !take_word(c, "False"))
        return bad_header(c, "True or False");
    h->has_order = true;
    return COSREL_OK;
}

static cosrel_status read_dictionary(cursor *c, npy_header *h)
{
    if (!take(c, '{'))
        return bad_header(c, "'{'");
    while (!take(c, '}')) {
        const cosrel_status status = take_entry(c, h);
        if (status != COSREL_OK)
            return status;
        if (!take(c, ',') && peek(c) != '}')
            return bad_header(c, "',' or '}'");
    }
    peek(c);
    if (c->at != c->end || !h->has_descr || !h->has_order || !h->has_shape)
        return bad_header(c, "each of descr, fortran_order and shape, and nothing more,");
    return COSREL_OK;
}

/* Finds the header's text and where the elements begin. */
static cosrel_status find_header(const char *path, const uint8_t *data, size_t bytes, cursor *c,
                                 size_t *start)
{
    static const char magic[] = "\x93NUMPY";
    const size_t magic_bytes = sizeof magic - 1;
    if (bytes < magic_bytes || memcmp(data, magic, magic_bytes) != 0)
        return fail(path, c->err,
                    bytes >= 2 && data[0] == 'P' && data[1] == 'K'
                        ? "is no .npy file but an archive (.npz?); save the array with numpy.save"
                        : "is no .npy file (its first bytes are not \\x93NUMPY)");
    const unsigned version = bytes > magic_bytes ? data[magic_bytes] : 0;
    const size_t prefix = version == 1 ? 10 : 12;
    if (bytes < prefix)
        return fail(path, c->err, "is cut off within its header");
    if (version < 1 || version > 3)
        return error_set(c->err, COSREL_INVALID_FILE,
                         "%s: has .npy format version %u; 1 to 3 can be read", path, version);
    size_t length = data[8] | (size_t)data[9] << 8;
    if (version > 1)
        length |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    if (length > HEADER_BYTES_MAX)
        return error_set(c->err, COSREL_INVALID_FILE,
                         "%s: has a .npy header of %zu bytes; at most %d are allowed", path, length,
                         HEADER_BYTES_MAX);
    if (length > bytes - prefix)
        return fail(path, c->err, "is cut off within its header");
    c->at = (const char *)data + prefix;
    c->end = c->at + length;
    *start = prefix + length;
    return COSREL_OK;
}

/* Source positions in the order of the destination, for either order of the file. */
typedef struct walk {
    size_t rank;
    int64_t index[TENSOR_RANK_MAX];
    int64_t shape[TENSOR_RANK_MAX];
    uint64_t stride[TENSOR_RANK_MAX]; /* in elements */
    uint64_t at;
} walk;

static void walk_begin(walk *w, const npy_header *h)
{
    uint64_t stride = 1;
    memset(w, 0, sizeof *w);
    w->rank = h->rank;
    for (size_t i = 0; i < h->rank; i++) {
        const size_t d = h->fortran ? i : h->rank - 1 - i;
        w->shape[d] = h->shape[d];
        w->stride[d] = stride;
        stride *= (uint64_t)h->shape[d];
    }
}

static void walk_next(walk *w)
{
    for (size_t d = w->rank; d > 0; d--) {
        w->at += w->stride[d - 1];
        if (++w->index[d - 1] < w->shape[d - 1])
            return;
        w->at -= w->stride[d - 1] * (uint64_t)w->shape[d - 1];
        w->index[d - 1] = 0;
    }
}

static void copy_swapped(uint8_t *to, const uint8_t *from, size_t bytes, size_t unit)
{
    for (size_t i = 0; i < bytes; i += unit) {
        for (size_t b = 0; b < unit; b++)
            to[i + b] = from[i + unit - 1 - b];
    }
}

static void copy_numbers(const npy_header *h, const uint8_t *data, uint64_t elements,
                         tensor_buffer *out)
{
    const size_t size = h->descr.item_bytes;
    uint8_t *to = out->data;
    walk w;
    walk_begin(&w, h);
    if (!h->descr.big_endian && !(h->fortran && h->rank > 1)) {
        if (out->bytes > 0)
            memcpy(to, data, out->bytes);
    } else {
        for (uint64_t i = 0; i < elements; i++, walk_next(&w)) {
            const size_t unit = h->descr.big_endian ? h->descr.unit_bytes : 1;
            copy_swapped(to + i * size, data + w.at * size, size, unit);
        }
    }
    /* C++ reads a bool of any other value than 0 and 1 as it likes. */
    for (uint64_t i = 0; h->descr.type == COSREL_BOOL && i < elements; i++)
        to[i] = to[i] != 0;
}

static bool copy_strings(const npy_header *h, const uint8_t *data, uint64_t elements,
                         tensor_buffer *out)
{
    const char **strings = out->data;
    char *text = out->text;
    walk w;
    walk_begin(&w, h);
    for (uint64_t i = 0; i < elements; i++, walk_next(&w)) {
        const size_t used = npy_text_decode(&h->descr, data + w.at * h->descr.item_bytes, text);
        if (used == 0)
            return false;
        strings[i] = text;
        text += used;
    }
    return true;
}

static cosrel_status check_size(const char *path, const npy_header *h, size_t have,
                                uint64_t *elements, cosrel_error *err)
{
    uint64_t need;
    if (!tensor_count(h->shape, h->rank, elements) ||
        __builtin_mul_overflow(*elements, (uint64_t)h->descr.item_bytes, &need))
        return fail(path, err, "its shape is larger than any memory");
    if (need != have)
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: has %zu bytes of elements; its shape and type need %llu%s", path,
                         have, (unsigned long long)need,
                         have < need ? "; the file is cut off" : "");
    return COSREL_OK;
}

cosrel_status tensor_npy_parse(const char *path, const uint8_t *data, size_t bytes,
                               tensor_buffer *out, cosrel_error *err)
{
    cursor c = {.path = path, .err = err};
    npy_header h;
    size_t start = 0;
    uint64_t elements = 0;
    memset(out, 0, sizeof *out);
    memset(&h, 0, sizeof h);
    cosrel_status status = find_header(path, data, bytes, &c, &start);
    if (status == COSREL_OK)
        status = read_dictionary(&c, &h);
    if (status == COSREL_OK)
        status = check_size(path, &h, bytes - start, &elements, err);
    if (status != COSREL_OK)
        return status;
    const bool is_text = h.descr.type == COSREL_STRING;
    /* UTF-8 never takes more bytes than UCS-4, and each string ends with a zero. */
    const size_t text_bytes = is_text ? bytes - start + (size_t)elements : 0;
    status = tensor_buffer_init(out, h.descr.type, h.shape, h.rank, text_bytes, path, err);
    if (status != COSREL_OK)
        return status == COSREL_INVALID_ARGUMENT ? COSREL_INVALID_FILE : status;
    if (!is_text) {
        copy_numbers(&h, data + start, elements, out);
    } else if (!copy_strings(&h, data + start, elements, out)) {
        tensor_buffer_deinit(out);
        return fail(path, err, "one of its strings holds a number that is no Unicode character");
    }
    return COSREL_OK;
}

cosrel_status tensor_npy_read(const char *path, tensor_buffer *out, cosrel_error *err)
{
    char *data;
    size_t bytes;
    memset(out, 0, sizeof *out);
    cosrel_status status = file_read(path, TENSOR_BYTES_MAX, &data, &bytes, err);
    if (status != COSREL_OK)
        return status;
    status = tensor_npy_parse(path, (const uint8_t *)data, bytes, out, err);
    free(data);
    return status;
}
