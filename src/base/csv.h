/* CSV as RFC 4180 has it, for tables whose columns are known by name: records are read one by one,
 * in place, without a copy, so that a file of a million lines is read at the speed of memory. A
 * byte order mark, CRLF and blank lines are fine.
 *
 * "Column" in a message is the number of the field, from 1: `t.csv:17:2` is the second field of the
 * record that begins on line 17. */
#ifndef BASE_CSV_H
#define BASE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "cosrel/status.h"

enum { CSV_FIELDS_MAX = 256 }; /* chosen: far beyond any table here */

/* Of the caller; holds no memory of its own. */
typedef struct csv_reader {
    const char *name; /* for messages */
    char *at;
    char *end;    /* *end == '\0' */
    int64_t line; /* of the next character */
    /* The present record. */
    int64_t record_line;          /* where it began */
    char *fields[CSV_FIELDS_MAX]; /* unquoted, NUL-terminated, within the text */
    size_t count;                 /* 0: the text has ended */
} csv_reader;

/* `text` has a zero byte after its `bytes`; reading changes it, and the fields point into it.
 * INVALID_FILE: it holds a zero byte. */
COSREL_CHECKED cosrel_status csv_begin(csv_reader *r, const char *name, char *text, size_t bytes,
                                       cosrel_error *err);

/* The next record that is not blank; count == 0 at the end. INVALID_FILE: the quoting is broken, or
 * there are too many fields. */
COSREL_CHECKED cosrel_status csv_next(csv_reader *r, cosrel_error *err);

/* The same; a record of another number of fields than `columns` is INVALID_FILE. */
COSREL_CHECKED cosrel_status csv_next_row(csv_reader *r, size_t columns, cosrel_error *err);

/* Reads the header: place[i] is the index of the field called names[i]. They may stand in any
 * order, among others; one that is missing or there twice is INVALID_FILE. */
COSREL_CHECKED cosrel_status csv_header(csv_reader *r, const char *const *names, int count,
                                        size_t *place, cosrel_error *err);

/* INVALID_FILE with "name:line:column: " and the rest; field: index in the present record, from 0.
 */
cosrel_status csv_wrong(const csv_reader *r, size_t field, cosrel_error *err, const char *format,
                        ...) __attribute__((format(printf, 4, 5)));
#ifdef __clang_analyzer__
#define csv_wrong(r, field, err, ...)                                                              \
    (csv_wrong((r), (field), (err), __VA_ARGS__), COSREL_INVALID_FILE)
#endif

/* One field as it is written: quoted where it must be. */
void csv_add_field(text_builder *b, const char *text);

#endif
