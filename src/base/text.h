/* Text: guessing what a name was meant to be, reading numbers strictly, and building strings.
 * Numbers are read and written with '.' whatever the locale of the program around us says. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"

/* The candidate nearest to `word` for a "did you mean", or NULL if none is near: at most one edit
 * per three characters, at least one. Edits: insert, delete, replace a byte, swap two neighbours
 * (optimal string alignment distance, Damerau 1964); a difference of case is free. NULL candidates
 * are passed over; words over 63 bytes are never near. */
const char *text_nearest(const char *word, const char *const *candidates, size_t count);

/* The whole text must be one number: no blanks, no rest. int64: decimal digits with an optional
 * sign. double: decimal, finite ("nan", "inf", hexadecimal and overflow are refused). *out is
 * written only on success. */
COSREL_CHECKED bool text_to_int64(const char *text, int64_t *out);
COSREL_CHECKED bool text_to_double(const char *text, double *out);

/* A growing string. Zeroed: empty. A failed allocation is remembered, later additions do nothing,
 * and text_take reports it, so that a writer of JSON checks once. */
typedef struct text_builder {
    char *data; /* NUL-terminated once something was added */
    size_t length;
    size_t capacity;
    bool failed;
} text_builder;

void text_deinit(text_builder *b);
void text_add(text_builder *b, const char *text);
void text_add_bytes(text_builder *b, const char *data, size_t bytes);
void text_addf(text_builder *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The shortest decimal that reads back as the same double; "null" (JSON's way) for NaN and
 * infinities. */
void text_add_double(text_builder *b, double value);

/* A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD; '<' is escaped too, so
 * that the JSON may stand inside a <script> element. */
void text_add_json(text_builder *b, const char *text);

/* With & < > " ' escaped: good between tags and within quoted attributes. */
void text_add_html(text_builder *b, const char *text);

/* Hands out the string (free() it; "" if nothing was added) and empties the builder. length may be
 * NULL. */
COSREL_CHECKED cosrel_status text_take(text_builder *b, char **out, size_t *length);

/* Writes the string as a whole file, in one stroke (file.h), and empties the builder.
 * OUT_OF_MEMORY, IO. */
COSREL_CHECKED cosrel_status text_save(text_builder *b, const char *path, cosrel_error *err);

#endif
