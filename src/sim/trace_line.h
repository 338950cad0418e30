/* One line of a trace, taken apart: a JSON object whose known keys are kept as they stand, since
 * what they should hold depends on the type, which may come last. Strict JSON (RFC 8259), but names
 * are not checked to be UTF-8. In place and without allocation: a trace has millions of lines. */
#ifndef SIM_TRACE_LINE_H
#define SIM_TRACE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum trace_key {
    TRACE_KEY_TYPE,
    TRACE_KEY_T_MS,
    TRACE_KEY_ID,
    TRACE_KEY_MODEL,
    TRACE_KEY_END_MS,
    TRACE_KEY_PROCESSOR,
    TRACE_KEY_REQUESTS,
    TRACE_KEY_REASON,
    TRACE_KEY_DEADLINE_MS,
    TRACE_KEY_PRIORITY,
    TRACE_KEY_DEVICE,
    TRACE_KEY_POLICY,
    TRACE_KEY_WORKLOAD,
    TRACE_KEY_OK,
    TRACE_KEY_COUNT
} trace_key;

typedef enum trace_kind {
    TRACE_ABSENT,
    TRACE_STRING, /* text: decoded, NUL-terminated */
    TRACE_NUMBER, /* text: as it is written, ends where the number does */
    TRACE_ARRAY,  /* text: at its '[' */
    TRACE_OTHER,  /* text: at it, so a word begins with its first letter */
} trace_kind;

typedef struct trace_value {
    trace_kind kind;
    char *text;
} trace_value;

typedef struct trace_line {
    trace_value values[TRACE_KEY_COUNT];
} trace_line;

const char *trace_key_name(trace_key key);

/* Takes `text` (NUL-terminated) apart and changes it. NULL: done; else what is wrong with it, to
 * follow "file:line: ". */
const char *trace_line_parse(char *text, trace_line *out);

/* A number's value times 1e6, exactly to the nearest integer; false: not within [0, max]. */
bool trace_millionths(const char *number, int64_t max, int64_t *out);

/* A whole number within [min, max]; *end: behind it. */
bool trace_integer(const char *number, int64_t min, int64_t max, int64_t *out, const char **end);

#endif
