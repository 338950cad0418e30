/* One pass over the text from a given place, which yields every key with the depth of brackets and
 * the column that it has; the rest follows from these. */
#include "sim/device_lines.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct scan {
    const char *at, *end;
    char before; /* the last character that is not blank; '\n' at the start of a line */
} scan;

/* Behind a quoted text that begins at p. */
static const char *skip_quoted(const char *p, const char *end)
{
    const char quote = *p++;
    while (p < end && *p != quote)
        p += *p == '\\' && quote == '"' && p + 1 < end ? 2 : 1;
    return p < end ? p + 1 : end;
}

static bool starts_token(char before)
{
    return strchr("\n{[,:-?", before) != NULL;
}

/* The next place where a token may begin; false: none is left. Comments are passed over. */
static bool next_token(scan *s)
{
    while (s->at < s->end) {
        const char c = *s->at;
        const bool blank = c == ' ' || c == '\t' || c == '\r';
        if (c == '#' && (s->before == '\n' || strchr(" \t", s->at[-1]))) {
            s->at += strcspn(s->at, "\n");
            continue;
        }
        if (!blank && c != '\n' && starts_token(s->before) && !strchr("{}[],-?:", c))
            return true;
        s->at++;
        if (!blank)
            s->before = c;
    }
    return false;
}

/* Passes the token over; true if it is this key. */
static bool take_token(scan *s, const char *key, size_t length)
{
    const char *from = s->at;
    const char *to;
    if (*from == '"' || *from == '\'') {
        s->at = skip_quoted(from, s->end);
        to = s->at > from + 1 ? s->at - 1 : s->at;
        from++;
    } else {
        /* A plain scalar: up to ": ", a bracket, a comma or the end of the line. */
        while (s->at < s->end && !strchr("{}[],\n", *s->at) &&
               !(*s->at == ':' && (s->at + 1 >= s->end || strchr(" \t\r\n", s->at[1]))))
            s->at++;
        to = s->at;
        while (to > from && strchr(" \t\r", to[-1]))
            to--;
    }
    s->before = 'x';
    const char *rest = s->at + strspn(s->at, " \t");
    return rest < s->end && *rest == ':' && (size_t)(to - from) == length &&
           memcmp(from, key, length) == 0;
}

static const char *find(device_lines part, const char *key, unsigned n)
{
    scan s = {.at = part.begin, .end = part.end, .before = '\n'};
    const size_t length = strlen(key);
    while (next_token(&s)) {
        const char *from = s.at;
        if (take_token(&s, key, length) && n-- == 0)
            return from;
    }
    return NULL;
}

static size_t column_of(const char *text, const char *p)
{
    const char *line = p;
    while (line > text && line[-1] != '\n')
        line--;
    return (size_t)(p - line);
}

/* Behind the bracket that closes the one at p. */
static const char *end_of_flow(const char *p, const char *end)
{
    int depth = 0;
    char before = ':';
    while (p < end) {
        if ((*p == '"' || *p == '\'') && starts_token(before)) {
            p = skip_quoted(p, end);
            before = 'x';
            continue;
        }
        if (*p == '#' && strchr(" \t\n", p[-1])) {
            p += strcspn(p, "\n");
            continue;
        }
        depth += *p == '{' || *p == '[';
        depth -= *p == '}' || *p == ']';
        if (!strchr(" \t\r", *p))
            before = *p;
        p++;
        if (depth == 0)
            break;
    }
    return p;
}

/* The first line that stands no deeper than the key; items of its list may stand as deep as it. */
static const char *end_of_block(const char *p, const char *end, size_t column)
{
    for (p += strcspn(p, "\n"); p < end; p += strcspn(p, "\n")) {
        const char *line = ++p;
        const size_t indent = strspn(line, " ");
        const char first = line[indent];
        if (line + indent >= end)
            return end;
        if (first == '\0' || first == '\n' || first == '\r' || first == '#')
            continue;
        if (indent < column || (indent == column && first != '-'))
            return line;
    }
    return end;
}

device_lines device_lines_all(const char *text)
{
    return (device_lines){.text = text, .begin = text, .end = text + strlen(text), .key = text};
}

device_lines device_lines_under(device_lines part, const char *key, unsigned n)
{
    const char *at = find(part, key, n);
    if (!at)
        return part;
    const char *value = strchr(at, ':') + 1;
    value += strspn(value, " \t");
    const char *end = *value == '{' || *value == '['
                          ? end_of_flow(value, part.end)
                          : end_of_block(value, part.end, column_of(part.text, at));
    return (device_lines){.text = part.text, .begin = value, .end = end, .key = at};
}

unsigned device_lines_of(device_lines part, const char *key, unsigned n)
{
    const char *at = find(part, key, n);
    unsigned line = 1;
    for (const char *p = part.text; p < (at ? at : part.key); p++)
        line += *p == '\n';
    return line;
}
