#include "sim/trace_line.h"

#include <string.h>

enum { DEPTH_MAX = 32 }; /* chosen: of values that are passed over */

static const char *const KEYS[TRACE_KEY_COUNT] = {
    [TRACE_KEY_TYPE] = "type",
    [TRACE_KEY_T_MS] = "t_ms",
    [TRACE_KEY_ID] = "id",
    [TRACE_KEY_MODEL] = "model",
    [TRACE_KEY_END_MS] = "end_ms",
    [TRACE_KEY_PROCESSOR] = "processor",
    [TRACE_KEY_REQUESTS] = "requests",
    [TRACE_KEY_REASON] = "reason",
    [TRACE_KEY_DEADLINE_MS] = "deadline_ms",
    [TRACE_KEY_PRIORITY] = "priority",
    [TRACE_KEY_DEVICE] = "device",
    [TRACE_KEY_POLICY] = "policy",
    [TRACE_KEY_WORKLOAD] = "workload",
    [TRACE_KEY_OK] = "ok",
};

const char *trace_key_name(trace_key key)
{
    return KEYS[key];
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char *skip_blanks(char *at)
{
    while (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n')
        at++;
    return at;
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    const char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Four hexadecimal digits; -1: they are none. */
static int32_t read_hex(const char *at)
{
    int32_t code = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

static char *put_utf8(char *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *to++ = (char)(0xe0 | code >> 12);
        } else {
            *to++ = (char)(0xf0 | code >> 18);
            *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        }
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
    }
    *to++ = (char)(0x80 | (code & 0x3f));
    return to;
}

/* The escape at *at (behind its backslash), decoded to *to; false: it is none. */
static bool read_escape(char **at, char **to)
{
    static const char NAMES[] = "\"\\/bfnrt", MEANINGS[] = "\"\\/\b\f\n\r\t";
    const char c = *(*at)++;
    const char *name = c ? strchr(NAMES, c) : NULL;
    if (name) {
        *(*to)++ = MEANINGS[name - NAMES];
        return true;
    }
    const int32_t first = c == 'u' ? read_hex(*at) : -1;
    if (first <= 0) /* a NUL would end the name */
        return false;
    *at += 4;
    uint32_t code = (uint32_t)first;
    if (code >= 0xdc00 && code <= 0xdfff)
        return false;
    if (code >= 0xd800 && code <= 0xdbff) { /* the first of a pair */
        const int32_t second = (*at)[0] == '\\' && (*at)[1] == 'u' ? read_hex(*at + 2) : -1;
        if (second < 0xdc00 || second > 0xdfff)
            return false;
        code = 0x10000 + ((code - 0xd800) << 10) + ((uint32_t)second - 0xdc00);
        *at += 6;
    }
    *to = put_utf8(*to, code);
    return true;
}

/* The string whose opening quote is at *at, decoded in place; NULL: it is none. */
static char *read_string(char **at)
{
    char *text = *at + 1, *to = text, *from = text;
    for (;;) {
        const char c = *from++;
        if (c == '"')
            break;
        if ((unsigned char)c < 0x20) /* the end of the line as well */
            return NULL;
        if (c != '\\')
            *to++ = c;
        else if (!read_escape(&from, &to))
            return NULL;
    }
    *at = from;
    *to = '\0';
    return text;
}

/* Behind the number at `at`; NULL: it is none. */
static char *skip_number(char *at)
{
    at += *at == '-';
    if (!is_digit(*at))
        return NULL;
    if (*at == '0' && is_digit(at[1]))
        return NULL;
    while (is_digit(*at))
        at++;
    if (*at == '.') {
        if (!is_digit(*++at))
            return NULL;
        while (is_digit(*at))
            at++;
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '+' || *at == '-';
        if (!is_digit(*at))
            return NULL;
        while (is_digit(*at))
            at++;
    }
    return at;
}

static char *skip_value(char *at, int depth);

static char *skip_container(char *at, int depth)
{
    const char close = *at == '{' ? '}' : ']';
    if (depth >= DEPTH_MAX)
        return NULL;
    at = skip_blanks(at + 1);
    if (*at == close)
        return at + 1;
    for (;;) {
        if (close == '}') {
            if (*at != '"' || !read_string(&at))
                return NULL;
            at = skip_blanks(at);
            if (*at++ != ':')
                return NULL;
            at = skip_blanks(at);
        }
        at = skip_value(at, depth + 1);
        if (!at)
            return NULL;
        at = skip_blanks(at);
        if (*at == close)
            return at + 1;
        if (*at++ != ',')
            return NULL;
        at = skip_blanks(at);
    }
}

/* Behind the value at `at`; NULL: it is none. */
static char *skip_value(char *at, int depth)
{
    static const char *const WORDS[] = {"true", "false", "null"};
    if (*at == '"')
        return read_string(&at) ? at : NULL;
    if (*at == '{' || *at == '[')
        return skip_container(at, depth);
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++)
        if (strncmp(at, WORDS[i], strlen(WORDS[i])) == 0)
            return at + strlen(WORDS[i]);
    return skip_number(at);
}

static trace_key find_key(const char *name)
{
    int key = 0;
    while (key < TRACE_KEY_COUNT && strcmp(KEYS[key], name) != 0)
        key++;
    return (trace_key)key;
}

/* The value at `at` into `out` (NULL: nobody wants it); behind it, or NULL. */
static char *read_value(char *at, trace_value *out)
{
    char *text = at;
    char *behind;
    trace_kind kind = TRACE_OTHER;
    if (*at == '"') {
        behind = at;
        text = read_string(&behind);
        kind = TRACE_STRING;
        if (!text)
            return NULL;
    } else {
        if (*at == '[')
            kind = TRACE_ARRAY;
        else if (*at == '-' || is_digit(*at))
            kind = TRACE_NUMBER;
        behind = skip_value(at, 0);
    }
    if (out)
        *out = (trace_value){kind, text};
    return behind;
}

const char *trace_line_parse(char *text, trace_line *out)
{
    *out = (trace_line){0};
    char *at = skip_blanks(text);
    if (*at != '{')
        return "no JSON object; expected one event per line, like {\"type\":\"arrival\",...}";
    at = skip_blanks(at + 1);
    for (bool first = true; *at != '}'; first = false) {
        if (!first && *at++ != ',')
            return "broken JSON; expected ',' or '}' between the keys";
        at = skip_blanks(at);
        const char *name = *at == '"' ? read_string(&at) : NULL;
        if (!name)
            return "broken JSON; expected a key in quotes";
        at = skip_blanks(at);
        if (*at++ != ':')
            return "broken JSON; expected ':' after a key";
        const trace_key key = find_key(name);
        if (key < TRACE_KEY_COUNT && out->values[key].kind != TRACE_ABSENT)
            return "a key is there twice; expected each once";
        at = read_value(skip_blanks(at), key < TRACE_KEY_COUNT ? &out->values[key] : NULL);
        if (!at)
            return "broken JSON; expected a value after each key";
        at = skip_blanks(at);
    }
    return *skip_blanks(at + 1) == '\0' ? NULL : "more after the JSON object; expected a line each";
}

bool trace_millionths(const char *number, int64_t max, int64_t *out)
{
    int64_t value = 0, exponent = 0;
    bool point = false, round_up = false, negative = false;
    int64_t places = 0; /* digits behind the point that are in `value` */
    bool full = false;  /* `value` takes no more digits; the first one left out rounds */
    const char *c = number;
    if (*c == '-') {
        negative = true;
        c++;
    }
    for (; is_digit(*c) || *c == '.'; c++) {
        if (*c == '.') {
            point = true;
            continue;
        }
        if (!full && value > (INT64_MAX - 9) / 10) {
            full = true;
            round_up = *c >= '5';
        } else if (!full) {
            value = 10 * value + (*c - '0');
        }
        places += point && !full;
        places -= full && !point;
    }
    if (*c == 'e' || *c == 'E') {
        const bool minus = c[1] == '-';
        for (c += c[1] == '-' || c[1] == '+' ? 2 : 1; is_digit(*c); c++)
            exponent = exponent < 10000 ? 10 * exponent + (*c - '0') : exponent;
        exponent = minus ? -exponent : exponent;
    }
    int64_t shift = 6 + exponent - places;
    for (; shift < 0 && value > 0; shift++) {
        round_up = value % 10 >= 5;
        value /= 10;
    }
    value += round_up && shift == 0;
    for (; shift > 0 && value > 0; shift--) {
        if (value > max / 10)
            return false;
        value *= 10;
    }
    *out = value;
    return value <= max && !(negative && value > 0);
}

bool trace_integer(const char *number, int64_t min, int64_t max, int64_t *out, const char **end)
{
    const bool negative = *number == '-';
    const char *c = number + negative;
    int64_t value = 0;
    if (!is_digit(*c))
        return false;
    for (; is_digit(*c); c++) {
        if (value > (INT64_MAX - 9) / 10)
            return false;
        value = 10 * value + (*c - '0');
    }
    if (*c == '.' || *c == 'e' || *c == 'E')
        return false;
    value = negative ? -value : value;
    *out = value;
    *end = c;
    return value >= min && value <= max;
}
