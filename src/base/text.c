#include "base/text.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

enum { NEAREST_BYTES_MAX = 63 };

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static int edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int rows[3][NEAREST_BYTES_MAX + 1]; /* two back, one back, current */
    int *back2 = rows[0], *back1 = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_len; j++) {
        back1[j] = (int)j;
        back2[j] = 0;
    }
    for (size_t i = 1; i <= a_len; i++) {
        now[0] = (int)i;
        for (size_t j = 1; j <= b_len; j++) {
            const int replace = back1[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
            now[j] = smaller(replace, smaller(back1[j], now[j - 1]) + 1);
            const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                                 lower(a[i - 2]) == lower(b[j - 1]);
            if (swapped)
                now[j] = smaller(now[j], back2[j - 2] + 1);
        }
        int *const oldest = back2;
        back2 = back1;
        back1 = now;
        now = oldest;
    }
    return back1[b_len];
}

const char *text_nearest(const char *word, const char *const *candidates, size_t count)
{
    const size_t length = strnlen(word, NEAREST_BYTES_MAX + 1);
    if (length == 0 || length > NEAREST_BYTES_MAX)
        return NULL;
    const char *best = NULL;
    int best_distance = length < 3 ? 2 : (int)(length / 3) + 1; /* the first one that is too far */
    for (size_t i = 0; i < count; i++) {
        if (!candidates[i])
            continue;
        const size_t other = strnlen(candidates[i], NEAREST_BYTES_MAX + 1);
        if (other == 0 || other > NEAREST_BYTES_MAX)
            continue;
        const int distance = edit_distance(word, length, candidates[i], other);
        if (distance < best_distance) {
            best_distance = distance;
            best = candidates[i];
        }
    }
    return best;
}

bool text_to_int64(const char *text, int64_t *out)
{
    const char *at = text + (*text == '-' || *text == '+');
    if (*at == '\0')
        return false;
    for (const char *c = at; *c; c++) {
        if (*c < '0' || *c > '9')
            return false;
    }
    errno = 0;
    const long long value = strtoll(text, NULL, 10);
    if (errno != 0 || value < INT64_MIN || value > INT64_MAX)
        return false;
    *out = value;
    return true;
}

/* A locale whose decimal point is '.'; glibc and musl give a static object for "C", so this neither
 * allocates nor fails there. 0 if it does fail: the caller then lives with the program's locale. */
static locale_t plain_locale(void)
{
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

bool text_to_double(const char *text, double *out)
{
    if (*text == '\0' || strspn(text, "0123456789+-.eE") != strlen(text))
        return false;
    const locale_t plain = plain_locale();
    const locale_t before = plain ? uselocale(plain) : (locale_t)0;
    char *end;
    const double value = strtod(text, &end);
    if (plain) {
        uselocale(before);
        freelocale(plain);
    }
    if (end == text || *end != '\0' || !isfinite(value))
        return false;
    *out = value;
    return true;
}

void text_deinit(text_builder *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}

/* Room for `more` bytes and the final NUL. */
static bool reserve(text_builder *b, size_t more)
{
    if (b->failed)
        return false;
    if (more < b->capacity - b->length)
        return true;
    if (more >= SIZE_MAX / 2 - b->length) {
        b->failed = true;
        return false;
    }
    size_t capacity = b->capacity ? b->capacity : 256;
    while (capacity - b->length <= more)
        capacity *= 2;
    char *data = realloc(b->data, capacity);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

void text_add_bytes(text_builder *b, const char *data, size_t bytes)
{
    if (!reserve(b, bytes))
        return;
    memcpy(b->data + b->length, data, bytes);
    b->length += bytes;
    b->data[b->length] = '\0';
}

void text_add(text_builder *b, const char *text)
{
    text_add_bytes(b, text, strlen(text));
}

static int format_into(char *at, size_t room, const char *format, va_list args)
{
    const locale_t plain = plain_locale();
    const locale_t before = plain ? uselocale(plain) : (locale_t)0;
    const int length = vsnprintf(at, room, format, args);
    if (plain) {
        uselocale(before);
        freelocale(plain);
    }
    return length;
}

void text_addf(text_builder *b, const char *format, ...)
{
    /* Most pieces are short: format straight into the buffer and grow only if it did not fit. */
    if (!reserve(b, 128))
        return;
    for (int attempt = 0; attempt < 2; attempt++) {
        const size_t room = b->capacity - b->length;
        va_list args;
        va_start(args, format);
        const int length = format_into(b->data + b->length, room, format, args);
        va_end(args);
        if (length < 0) {
            b->failed = true;
            return;
        }
        if ((size_t)length < room) {
            b->length += (size_t)length;
            return;
        }
        if (!reserve(b, (size_t)length))
            return;
    }
}

void text_add_double(text_builder *b, double value)
{
    if (!isfinite(value)) {
        text_add(b, "null");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        if (!reserve(b, 32))
            return;
        const size_t start = b->length;
        text_addf(b, "%.*g", digits, value);
        double back = 0.0;
        if (b->failed || digits == 17 || (text_to_double(b->data + start, &back) && back == value))
            return;
        b->length = start;
    }
}

/* Bytes of the well-formed UTF-8 character at `at` (NUL-terminated text), or 0. */
static size_t utf8_bytes(const unsigned char *at)
{
    const unsigned char c = at[0];
    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    if ((at[1] & 0xc0) != 0x80)
        return 0;
    if (c < 0xe0)
        return 2;
    if ((c == 0xe0 && at[1] < 0xa0) || (c == 0xed && at[1] > 0x9f) || (c == 0xf0 && at[1] < 0x90) ||
        (c == 0xf4 && at[1] > 0x8f) || (at[2] & 0xc0) != 0x80)
        return 0;
    if (c < 0xf0)
        return 3;
    return (at[3] & 0xc0) == 0x80 ? 4 : 0;
}

void text_add_json(text_builder *b, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    text_add_bytes(b, "\"", 1);
    while (*at) {
        const size_t bytes = utf8_bytes(at);
        if (bytes == 0)
            text_add(b, "\\ufffd");
        else if (*at == '"' || *at == '\\')
            text_addf(b, "\\%c", *at);
        else if (*at < 0x20 || *at == '<' || *at == 0x7f)
            text_addf(b, "\\u%04x", *at);
        else
            text_add_bytes(b, (const char *)at, bytes);
        at += bytes ? bytes : 1;
    }
    text_add_bytes(b, "\"", 1);
}

void text_add_html(text_builder *b, const char *text)
{
    for (const char *at = text; *at; at++) {
        switch (*at) {
        case '&':
            text_add(b, "&amp;");
            break;
        case '<':
            text_add(b, "&lt;");
            break;
        case '>':
            text_add(b, "&gt;");
            break;
        case '"':
            text_add(b, "&quot;");
            break;
        case '\'':
            text_add(b, "&#39;");
            break;
        default:
            text_add_bytes(b, at, 1);
        }
    }
}

cosrel_status text_take(text_builder *b, char **out, size_t *length)
{
    text_add_bytes(b, "", 0); /* "" is a string too */
    if (b->failed) {
        text_deinit(b);
        return COSREL_OUT_OF_MEMORY;
    }
    *out = b->data;
    if (length)
        *length = b->length;
    memset(b, 0, sizeof *b);
    return COSREL_OK;
}

cosrel_status text_save(text_builder *b, const char *path, cosrel_error *err)
{
    char *text;
    size_t length;
    file_save save;
    cosrel_status status = text_take(b, &text, &length);
    if (status != COSREL_OK) {
        text_deinit(b);
        return error_set(err, status, "%s: no memory to write it", path);
    }
    status = file_save_begin(&save, path, err);
    if (status == COSREL_OK) {
        /* A short write shows in the stream's error flag, which commit looks at. */
        (void)!fwrite(text, 1, length, save.stream);
        status = file_save_commit(&save, err);
    }
    free(text);
    return status;
}
