#include "lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];

const char *lines_begin(void)
{
    snprintf(path, sizeof path, "/tmp/test-lines-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return path;
}

void lines_end(void)
{
    unlink(path);
}

static json_t *read_all(void)
{
    json_t *lines = json_array();
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t room = 0;
    ssize_t length;
    assert_non_null(file);
    while ((length = getline(&text, &room, file)) > 0 && text[length - 1] == '\n') {
        json_t *line = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, NULL);
        if (!line)
            fail_msg("no JSON: %s", text);
        json_array_append_new(lines, line);
    }
    free(text);
    fclose(file);
    return lines;
}

json_t *lines_wait(size_t count)
{
    for (int i = 0; i < 30000; i++) {
        json_t *lines = read_all();
        if (json_array_size(lines) >= count) {
            assert_int_equal(json_array_size(lines), count);
            return lines;
        }
        json_decref(lines);
        usleep(1000);
    }
    fail_msg("there are no %zu lines", count);
    return NULL;
}

static const json_t *value_of(const json_t *lines, size_t index, const char *key)
{
    return json_object_get(json_array_get(lines, index), key);
}

void line_says(const json_t *lines, size_t index, const char *key, const char *value)
{
    const char *is = json_string_value(value_of(lines, index, key));
    if (!is || strcmp(is, value) != 0)
        fail_msg("line %zu: %s is '%s', expected '%s'", index, key, is ? is : "(none)", value);
}

json_int_t line_number(const json_t *lines, size_t index, const char *key)
{
    if (!json_is_integer(value_of(lines, index, key)))
        fail_msg("line %zu: %s is no number", index, key);
    return json_integer_value(value_of(lines, index, key));
}

void line_counts(const json_t *lines, size_t index, const char *key, json_int_t value)
{
    const json_int_t is = line_number(lines, index, key);
    if (is != value)
        fail_msg("line %zu: %s is %lld, expected %lld", index, key, (long long)is,
                 (long long)value);
}

void line_lacks(const json_t *lines, size_t index, const char *key)
{
    if (value_of(lines, index, key))
        fail_msg("line %zu has a %s", index, key);
}
