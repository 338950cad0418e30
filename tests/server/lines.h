/* The lines of an access log that a server writes, for tests. Failures fail the test. */
#ifndef TESTS_LINES_H
#define TESTS_LINES_H

#include <jansson.h>

/* A file in /tmp that is not there yet; gone with lines_end. */
const char *lines_begin(void);
void lines_end(void);

/* Waits until there are as many, and returns them: an array. */
json_t *lines_wait(size_t count);

/* Of line `index`: a text, a number; and what there is no word of. */
void line_says(const json_t *lines, size_t index, const char *key, const char *value);
void line_counts(const json_t *lines, size_t index, const char *key, json_int_t value);
json_int_t line_number(const json_t *lines, size_t index, const char *key);
void line_lacks(const json_t *lines, size_t index, const char *key);

#endif
