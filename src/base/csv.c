#include "base/csv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

#undef csv_wrong /* the analyser's, see csv.h */

cosrel_status csv_wrong(const csv_reader *r, size_t field, cosrel_error *err, const char *format,
                        ...)
{
    char what[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    for (char *at = what; *at; at++)
        if ((unsigned char)*at < ' ')
            *at = ' '; /* a quoted field may have line breaks, a message has none */
    return error_set(err, COSREL_INVALID_FILE, "%s:%lld:%zu: %s", r->name,
                     (long long)r->record_line, field + 1, what);
}

cosrel_status csv_begin(csv_reader *r, const char *name, char *text, size_t bytes,
                        cosrel_error *err)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    if (memchr(text, '\0', bytes))
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: holds a zero byte; expected a CSV text file", name);
    const size_t skip = bytes >= 3 && memcmp(text, byte_order_mark, 3) == 0 ? 3 : 0;
    r->name = name;
    r->at = text + skip;
    r->end = text + bytes;
    r->line = r->record_line = 1;
    r->count = 0;
    return COSREL_OK;
}

/* A quoted field from after its opening quote to after its closing one; NULL if there is none. */
static char *unquote(csv_reader *r)
{
    char *to = r->at;
    for (;;) {
        if (r->at == r->end)
            return NULL;
        if (*r->at == '"') {
            if (r->at[1] != '"')
                break;
            r->at++;
        }
        r->line += *r->at == '\n';
        *to++ = *r->at++;
    }
    r->at++;
    return to;
}

/* strcspn would build its table anew for every field. */
static char *plain_end(char *at)
{
    while (*at != ',' && *at != '\n' && *at != '\r' && *at != '"' && *at != '\0')
        at++;
    return at;
}

/* One field and the separator after it; *last: it ended its record. */
static cosrel_status read_field(csv_reader *r, bool *last, cosrel_error *err)
{
    const size_t field = r->count;
    if (field == CSV_FIELDS_MAX)
        return csv_wrong(r, field, err, "has more than %d fields", CSV_FIELDS_MAX);
    char *end;
    if (*r->at == '"') {
        r->fields[r->count++] = ++r->at;
        end = unquote(r);
        if (!end)
            return csv_wrong(
                r, field, err,
                "a quoted field is not closed: expected '\"' before the end of the file");
    } else {
        r->fields[r->count++] = r->at;
        end = r->at = plain_end(r->at);
    }
    const char separator = *r->at;
    const bool crlf = separator == '\r' && (r->at[1] == '\n' || r->at + 1 == r->end);
    if (separator == '"')
        return csv_wrong(
            r, field, err,
            "a quote inside a field: the field must be quoted, with \"\" for the quote");
    if (separator != ',' && separator != '\n' && !crlf && r->at != r->end)
        return csv_wrong(r, field, err, "expected ',' or the end of the line after a field");
    *last = separator != ',';
    r->line += *last;
    if (r->at != r->end)
        r->at += 1 + (crlf && r->at[1] == '\n');
    *end = '\0';
    return COSREL_OK;
}

cosrel_status csv_next(csv_reader *r, cosrel_error *err)
{
    do {
        r->count = 0;
        r->record_line = r->line;
        if (r->at == r->end)
            return COSREL_OK;
        for (bool last = false; !last;) {
            const cosrel_status status = read_field(r, &last, err);
            if (status != COSREL_OK)
                return status;
        }
    } while (r->count == 1 && r->fields[0][0] == '\0');
    return COSREL_OK;
}

cosrel_status csv_next_row(csv_reader *r, size_t columns, cosrel_error *err)
{
    const cosrel_status status = csv_next(r, err);
    if (status != COSREL_OK || r->count == 0 || r->count == columns)
        return status;
    /* The first field that is missing, or the first that is too many. */
    return csv_wrong(r, r->count < columns ? r->count : columns, err,
                     "has %zu fields; expected %zu as in the header", r->count, columns);
}

static cosrel_status no_column(const csv_reader *r, const char *const *names, int count, int which,
                               cosrel_error *err)
{
    char all[256] = "";
    size_t length = 0;
    for (int i = 0; i < count && length < sizeof all; i++)
        length += (size_t)snprintf(all + length, sizeof all - length, "%s%s", i ? "," : "",
                                   names[i]);
    return error_set(err, COSREL_INVALID_FILE,
                     "%s:%lld: the header has no column '%s'; expected %s", r->name,
                     (long long)r->record_line, names[which], all);
}

cosrel_status csv_header(csv_reader *r, const char *const *names, int count, size_t *place,
                         cosrel_error *err)
{
    const cosrel_status status = csv_next(r, err);
    if (status != COSREL_OK)
        return status;
    for (int c = 0; c < count; c++) {
        place[c] = SIZE_MAX;
        for (size_t i = 0; i < r->count; i++) {
            if (strcmp(r->fields[i], names[c]) != 0)
                continue;
            if (place[c] != SIZE_MAX)
                return csv_wrong(r, i, err, "the header names the column '%s' twice", names[c]);
            place[c] = i;
        }
        if (place[c] == SIZE_MAX)
            return no_column(r, names, count, c, err);
    }
    return COSREL_OK;
}

void csv_add_field(text_builder *b, const char *text)
{
    if (text[strcspn(text, ",\"\r\n")] == '\0') {
        text_add(b, text);
        return;
    }
    text_add(b, "\"");
    for (const char *c = text; *c; c++) {
        if (*c == '"')
            text_add(b, "\"");
        text_add_bytes(b, c, 1);
    }
    text_add(b, "\"");
}
