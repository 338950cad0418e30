#include "server/json_numbers.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/small_float.h"

/* ---- Reading ---- */

typedef struct reader {
    const char *at, *end;
    uint64_t count; /* elements read */
    const char *problem;
} reader;

/* A number as it is written: +-digits * 10^exponent. */
typedef struct decimal {
    uint64_t digits;
    int exponent;
    bool negative, fraction; /* fraction: written with '.' or an exponent */
    bool exact;              /* all digits are in `digits` */
    const char *begin;
} decimal;

/* Exact in a double, as are integers up to 2^53: one rounding in all (Clinger, PLDI 1990). */
static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
enum { POWER_MAX = 22, DIGITS_MAX = 19 };
#define EXACT_MAX ((uint64_t)1 << 53)

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

static inline void skip_blanks(reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
}

static bool fail(reader *r, const char *problem)
{
    r->problem = problem;
    return false;
}

/* Digits from r->at; those beyond DIGITS_MAX only count. Returns how many there were. */
static inline int read_digits(reader *r, decimal *d, int *significant, int *dropped)
{
    const char *begin = r->at;
    for (; r->at < r->end && is_digit(*r->at); r->at++) {
        if (*significant < DIGITS_MAX) {
            d->digits = d->digits * 10 + (uint64_t)(*r->at - '0');
            *significant += d->digits != 0;
        } else {
            d->exact = d->exact && *r->at == '0';
            ++*dropped;
        }
    }
    return (int)(r->at - begin);
}

static bool read_exponent(reader *r, decimal *d)
{
    bool negative = false;
    int value = 0;
    r->at++;
    if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
        negative = *r->at++ == '-';
    if (r->at == r->end || !is_digit(*r->at))
        return fail(r, "an exponent without digits");
    for (; r->at < r->end && is_digit(*r->at); r->at++)
        value = value < 100000 ? value * 10 + (*r->at - '0') : value;
    d->exponent += negative ? -value : value;
    d->fraction = true;
    return true;
}

/* All digits fit: no need to look at how many count. False: they may not; r is where it was. */
static inline bool read_few_digits(reader *r, decimal *d, int *whole, int *after)
{
    const char *at = r->at, *begin = at;
    uint64_t digits = 0;
    for (; at < r->end && is_digit(*at); at++)
        digits = digits * 10 + (uint64_t)(*at - '0');
    *whole = (int)(at - begin);
    *after = -1; /* no point */
    if (at < r->end && *at == '.') {
        const char *point = at++;
        for (; at < r->end && is_digit(*at); at++)
            digits = digits * 10 + (uint64_t)(*at - '0');
        *after = (int)(at - point - 1);
    }
    if (at - begin > DIGITS_MAX)
        return false;
    d->digits = digits;
    d->exponent = *after > 0 ? -*after : 0;
    r->at = at;
    return true;
}

static void read_many_digits(reader *r, decimal *d, int *whole, int *after)
{
    int significant = 0, dropped = 0;
    *whole = read_digits(r, d, &significant, &dropped);
    *after = -1;
    d->exponent = dropped;
    if (r->at == r->end || *r->at != '.')
        return;
    r->at++;
    dropped = 0;
    *after = read_digits(r, d, &significant, &dropped);
    d->exponent -= *after - dropped;
}

static inline bool read_decimal(reader *r, decimal *d)
{
    int whole, after;
    *d = (decimal){.exact = true, .begin = r->at};
    if (r->at < r->end && *r->at == '-') {
        d->negative = true;
        r->at++;
    }
    const char *first = r->at;
    if (!read_few_digits(r, d, &whole, &after))
        read_many_digits(r, d, &whole, &after);
    if (whole == 0) {
        r->at = first;
        return fail(r, "expected a number");
    }
    if (whole > 1 && *first == '0')
        return fail(r, "a number that begins with a zero");
    if (after == 0)
        return fail(r, "a point without digits after it");
    d->fraction = after > 0;
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E'))
        return read_exponent(r, d);
    return true;
}

/* The slow way, right for every number. */
static double by_library(const reader *r, const decimal *d)
{
    char text[512];
    const size_t length = (size_t)(r->at - d->begin);
    if (length >= sizeof text) { /* digits that far behind change nothing but the last bit */
        const double about = (double)d->digits * pow(10, d->exponent);
        return d->negative ? -about : about;
    }
    memcpy(text, d->begin, length);
    text[length] = '\0';
    return strtod(text, NULL);
}

static inline double to_double(const reader *r, const decimal *d)
{
    if (!d->exact || d->digits > EXACT_MAX || d->exponent > POWER_MAX || d->exponent < -POWER_MAX)
        return by_library(r, d);
    const double digits = (double)d->digits;
    const double value = d->exponent < 0 ? digits / powers[-d->exponent]
                                         : digits * powers[d->exponent];
    return d->negative ? -value : value;
}

static inline bool read_float(reader *r, double largest, double *out)
{
    decimal d;
    if (!read_decimal(r, &d))
        return false;
    *out = to_double(r, &d);
    if (!(fabs(*out) <= largest))
        return fail(r, "a number beyond the type's largest");
    return true;
}

/* For types of fewer digits than a double: its last bits may be wrong, unless they decide. */
static inline bool read_short_float(reader *r, double largest, float *out)
{
    decimal d;
    double value;
    if (!read_decimal(r, &d))
        return false;
    if (d.exact && d.digits <= EXACT_MAX) {
        value = to_double(r, &d);
    } else if (d.exponent > POWER_MAX || d.exponent < -POWER_MAX) {
        value = by_library(r, &d);
    } else {
        /* Nineteen digits or more: two roundings, each of 2^-53, and what was dropped. */
        const double slack = 0x1p-51, digits = (double)d.digits;
        value = d.exponent < 0 ? digits / powers[-d.exponent] : digits * powers[d.exponent];
        value = d.negative ? -value : value;
        if ((float)(value * (1 - slack)) != (float)(value * (1 + slack)))
            value = by_library(r, &d);
    }
    if (!(fabs(value) <= largest))
        return fail(r, "a number beyond the type's largest");
    *out = (float)value;
    return true;
}

/* The magnitude and sign of an integer within [-below, most]. */
static inline bool read_integer(reader *r, uint64_t below, uint64_t most, decimal *d)
{
    if (!read_decimal(r, d))
        return false;
    if (d->fraction)
        return fail(r, "expected an integer");
    const bool one_more = d->exponent == 1 && d->exact && d->digits <= UINT64_MAX / 10;
    if (one_more) { /* the twentieth digit, if it is a zero */
        d->digits *= 10;
        d->exponent = 0;
    }
    if (!d->exact || d->exponent != 0) {
        /* Twenty digits that fit a uint64_t. */
        char text[32] = "";
        const char *first = d->begin + d->negative;
        char *end;
        if (r->at - first != 20)
            return fail(r, "an integer beyond its type");
        memcpy(text, first, 20);
        if (strcmp(text, "18446744073709551615") > 0)
            return fail(r, "an integer beyond its type");
        d->digits = strtoull(text, &end, 10);
    }
    if (d->digits > (d->negative ? below : most))
        return fail(r, "an integer beyond its type");
    return true;
}

static bool read_word(reader *r, const char *word)
{
    const size_t length = strlen(word);
    if ((size_t)(r->end - r->at) < length || memcmp(r->at, word, length) != 0)
        return false;
    r->at += length;
    return true;
}

static bool read_bool(reader *r, uint8_t *out)
{
    decimal d;
    *out = read_word(r, "true");
    if (*out || read_word(r, "false"))
        return true;
    if (r->at < r->end && (*r->at == '0' || *r->at == '1') && read_integer(r, 0, 1, &d)) {
        *out = (uint8_t)d.digits;
        return true;
    }
    return fail(r, "expected true or false");
}

static inline bool read_int(reader *r, int bytes, bool is_signed, void *out)
{
    decimal d;
    const uint64_t all = bytes == 8 ? UINT64_MAX : ((uint64_t)1 << (8 * bytes)) - 1;
    const uint64_t most = is_signed ? all / 2 : all;
    if (!read_integer(r, is_signed ? most + 1 : 0, most, &d))
        return false;
    const uint64_t value = d.negative ? 0 - d.digits : d.digits;
    memcpy(out, &value, (size_t)bytes); /* little-endian */
    return true;
}

static bool read_half(reader *r, cosrel_dtype type, uint16_t *out)
{
    float single;
    uint32_t bits;
    if (type == COSREL_FLOAT16) {
        if (!read_short_float(r, 65519.99, &single))
            return false;
        *out = small_float_half(single);
        return true;
    }
    if (!read_short_float(r, 3.3895e38, &single))
        return false;
    memcpy(&bits, &single, sizeof bits);
    *out = (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16); /* ties to even */
    return true;
}

static inline bool read_element(reader *r, cosrel_dtype type, char *out)
{
    double value;
    float single;
    switch (type) {
    case COSREL_FLOAT32:
        if (!read_short_float(r, 3.4028235677973366e38, &single))
            return false;
        memcpy(out, &single, sizeof single);
        return true;
    case COSREL_FLOAT64:
        if (!read_float(r, 1.7976931348623157e308, &value))
            return false;
        memcpy(out, &value, sizeof value);
        return true;
    case COSREL_FLOAT16:
    case COSREL_BFLOAT16:
        return read_half(r, type, (uint16_t *)(void *)out);
    case COSREL_BOOL:
        return read_bool(r, (uint8_t *)out);
    case COSREL_INT8:
    case COSREL_INT16:
    case COSREL_INT32:
    case COSREL_INT64:
        return read_int(r, (int)cosrel_dtype_bytes(type, 1), true, out);
    default:
        return read_int(r, (int)cosrel_dtype_bytes(type, 1), false, out);
    }
}

static bool has_numbers(cosrel_dtype type)
{
    switch (type) {
    case COSREL_FLOAT32:
    case COSREL_FLOAT64:
    case COSREL_FLOAT16:
    case COSREL_BFLOAT16:
    case COSREL_BOOL:
    case COSREL_INT8:
    case COSREL_INT16:
    case COSREL_INT32:
    case COSREL_INT64:
    case COSREL_UINT8:
    case COSREL_UINT16:
    case COSREL_UINT32:
    case COSREL_UINT64:
        return true;
    default:
        return false;
    }
}

/* `type` is a constant where this is inlined, so that no element asks for it again. */
static inline __attribute__((always_inline)) bool
read_all(reader *r, cosrel_dtype type, size_t size, char *out, uint64_t elements)
{
    uint64_t depth = 0;
    for (;;) { /* a value is expected */
        skip_blanks(r);
        if (r->at == r->end)
            return fail(r, "the array does not end");
        if (*r->at == '[') {
            depth++;
            r->at++;
            skip_blanks(r);
            if (r->at == r->end || *r->at != ']')
                continue;
        } else {
            if (r->count == elements)
                return fail(r, "more elements than the shape says");
            if (!read_element(r, type, out))
                return false;
            out += size;
            r->count++;
        }
        for (;;) { /* ',' or ']' is */
            skip_blanks(r);
            if (r->at == r->end)
                return fail(r, "the array does not end");
            if (*r->at == ',') {
                r->at++;
                break;
            }
            if (*r->at != ']')
                return fail(r, "expected ',' or ']'");
            r->at++;
            if (--depth == 0)
                return r->count == elements ||
                       fail(r, "the array ends before as many elements as the shape says");
        }
    }
}

cosrel_status json_numbers_read(const char *text, size_t length, cosrel_dtype type, void *out,
                                uint64_t elements, cosrel_error *err)
{
    reader r = {.at = text, .end = text + length};
    bool ok;
    if (!has_numbers(type))
        return error_set(err, COSREL_UNSUPPORTED, "a tensor of this type has no numbers");
    if (length == 0 || *text != '[')
        return error_set(err, COSREL_INVALID_ARGUMENT, "expected an array of numbers");
    if (type == COSREL_FLOAT32)
        ok = read_all(&r, COSREL_FLOAT32, 4, out, elements);
    else if (type == COSREL_UINT8)
        ok = read_all(&r, COSREL_UINT8, 1, out, elements);
    else
        ok = read_all(&r, type, cosrel_dtype_bytes(type, 1), out, elements);
    if (ok)
        return COSREL_OK;
    const int left = r.end - r.at < 16 ? (int)(r.end - r.at) : 16;
    return error_set(err, COSREL_INVALID_ARGUMENT, "element %llu: %s%s%.*s%s",
                     (unsigned long long)r.count, r.problem, left ? " at '" : "", left, r.at,
                     left ? "'" : "");
}

size_t json_array_length(const char *text, size_t length)
{
    size_t depth = 0;
    for (size_t i = 0; i < length; i++) {
        const char c = text[i];
        if (c == '[') {
            depth++;
        } else if (c == ']') {
            if (--depth == 0)
                return i + 1;
        } else if (c == '"') {
            for (i++; i < length && text[i] != '"'; i++)
                i += text[i] == '\\';
        }
    }
    return 0;
}

/* ---- Writing ---- */

enum { NUMBER_BYTES_MAX = 32, FLOAT_DIGITS = 9 };

static char *put_unsigned(char *at, uint64_t value)
{
    char digits[20];
    int count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (count)
        *at++ = digits[--count];
    return at;
}

static char *put_signed(char *at, int64_t value)
{
    if (value < 0)
        *at++ = '-';
    return put_unsigned(at, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* Nine digits tell every float from its neighbours. Within the range that numbers of networks lie
 * in they are made by one product, which is exact enough for nine; beyond it by the library. */
static char *put_float(char *at, float value)
{
    if (!isfinite(value)) {
        memcpy(at, "null", 4);
        return at + 4;
    }
    const double size = fabs((double)value);
    if (size != 0 && (size < 1e-5 || size >= 1e9))
        return at + snprintf(at, NUMBER_BYTES_MAX, "%.9g", (double)value);
    if (signbit(value))
        *at++ = '-';
    int exponent = 0; /* digits before the point: size < 10^exponent */
    while (exponent < FLOAT_DIGITS && size >= powers[exponent])
        exponent++;
    int decimals = FLOAT_DIGITS - exponent;
    for (double least = 0.1; size != 0 && exponent == 0 && size < least && decimals < 13;
         least /= 10)
        decimals++;
    uint64_t digits = (uint64_t)llrint(size * powers[decimals]);
    for (; decimals > 0 && digits % 10 == 0; decimals--)
        digits /= 10;
    const uint64_t one = (uint64_t)powers[decimals];
    at = put_unsigned(at, digits / one);
    if (decimals == 0)
        return at;
    *at++ = '.';
    uint64_t rest = digits % one;
    for (int i = decimals - 1; i >= 0; i--) {
        at[i] = (char)('0' + rest % 10);
        rest /= 10;
    }
    return at + decimals;
}

static char *put_double(char *at, double value)
{
    if (!isfinite(value)) {
        memcpy(at, "null", 4);
        return at + 4;
    }
    return at + snprintf(at, NUMBER_BYTES_MAX, "%.17g", value);
}

static char *put_element(char *at, cosrel_dtype type, const void *data, uint64_t i)
{
    switch (type) {
    case COSREL_FLOAT32:
        return put_float(at, ((const float *)data)[i]);
    case COSREL_FLOAT64:
        return put_double(at, ((const double *)data)[i]);
    case COSREL_FLOAT16:
    case COSREL_BFLOAT16:
        return put_float(at, small_float_widen(type, ((const uint16_t *)data)[i]));
    case COSREL_INT8:
        return put_signed(at, ((const int8_t *)data)[i]);
    case COSREL_INT16:
        return put_signed(at, ((const int16_t *)data)[i]);
    case COSREL_INT32:
        return put_signed(at, ((const int32_t *)data)[i]);
    case COSREL_INT64:
        return put_signed(at, ((const int64_t *)data)[i]);
    case COSREL_UINT8:
        return put_unsigned(at, ((const uint8_t *)data)[i]);
    case COSREL_UINT16:
        return put_unsigned(at, ((const uint16_t *)data)[i]);
    case COSREL_UINT32:
        return put_unsigned(at, ((const uint32_t *)data)[i]);
    case COSREL_UINT64:
        return put_unsigned(at, ((const uint64_t *)data)[i]);
    default: /* BOOL */
        strcpy(at, ((const uint8_t *)data)[i] ? "true" : "false");
        return at + strlen(at);
    }
}

cosrel_status json_numbers_add(text_builder *out, cosrel_dtype type, const void *data,
                               uint64_t elements)
{
    char block[4096];
    char *at = block;
    if (!has_numbers(type))
        return COSREL_UNSUPPORTED;
    *at++ = '[';
    for (uint64_t i = 0; i < elements; i++) {
        if (at - block > (ptrdiff_t)sizeof block - NUMBER_BYTES_MAX - 2) {
            text_add_bytes(out, block, (size_t)(at - block));
            at = block;
        }
        if (i)
            *at++ = ',';
        at = put_element(at, type, data, i);
    }
    *at++ = ']';
    text_add_bytes(out, block, (size_t)(at - block));
    return COSREL_OK;
}
