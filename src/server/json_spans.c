#include "server/json_spans.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "server/json_numbers.h"

/* Deeper than any request is; what is deeper cannot be inputs[].data. */
enum { DEPTH_MAX = 8 };

typedef struct walker {
    const char *text;
    size_t length, at;
    char open[DEPTH_MAX]; /* '{' or '[' per level */
    size_t depth;
    bool inputs; /* the first level's key is "inputs" */
    /* The last string, if it may still turn out to be a key. */
    size_t key_at, key_length;
} walker;

static bool key_is(const walker *w, const char *name)
{
    return w->key_length == strlen(name) && memcmp(w->text + w->key_at, name, w->key_length) == 0;
}

static void skip_string(walker *w)
{
    w->key_at = ++w->at;
    while (w->at < w->length && w->text[w->at] != '"')
        w->at += w->text[w->at] == '\\' ? 2 : 1;
    if (w->at > w->length)
        w->at = w->length;
    w->key_length = w->at - w->key_at;
}

/* After ':' : the value of inputs[].data, if it is an array, begins at the result; else 0. */
static size_t data_begins(const walker *w)
{
    size_t at = w->at + 1;
    if (w->depth != 3 || !w->inputs || w->open[1] != '[' || w->open[2] != '{' || !key_is(w, "data"))
        return 0;
    while (at < w->length && strchr(" \t\r\n", w->text[at]) && w->text[at])
        at++;
    return at < w->length && w->text[at] == '[' ? at : 0;
}

static void step_into(walker *w, char c)
{
    if (w->depth < DEPTH_MAX)
        w->open[w->depth] = c;
    w->depth++;
}

cosrel_status json_spans_take(const char *text, size_t length, char *slim, size_t *slim_length,
                              json_span *spans, size_t max, size_t *count, cosrel_error *err)
{
    walker w = {.text = text, .length = length};
    size_t copied = 0, used = 0;
    *count = 0;
    for (; w.at < length; w.at++) {
        const char c = text[w.at];
        if (c == '"') {
            skip_string(&w);
        } else if (c == '{' || c == '[') {
            step_into(&w, c);
        } else if (c == '}' || c == ']') {
            w.depth -= w.depth > 0;
        } else if (c == ':') {
            if (w.depth == 1)
                w.inputs = key_is(&w, "inputs");
            const size_t begin = data_begins(&w);
            if (!begin)
                continue;
            const size_t bytes = json_array_length(text + begin, length - begin);
            if (bytes == 0 || *count == max)
                return error_set(err, COSREL_INVALID_ARGUMENT,
                                 bytes ? "more than %zu inputs"
                                       : "the data of input %zu: the array does not end",
                                 bytes ? max : *count);
            memcpy(slim + used, text + copied, begin - copied);
            used += begin - copied;
            /* "[]" has room for one digit, and an index of two digits comes after ten arrays. */
            char number[8];
            const int digits = snprintf(number, sizeof number, "%zu", *count);
            memcpy(slim + used, number, (size_t)digits);
            used += (size_t)digits;
            spans[(*count)++] = (json_span){begin, bytes};
            copied = begin + bytes;
            w.at = copied - 1;
        }
    }
    memcpy(slim + used, text + copied, length - copied);
    *slim_length = used + length - copied;
    return COSREL_OK;
}
