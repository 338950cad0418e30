/* Where a key stands in a YAML text. libcyaml keeps no positions of what it has read, but a mistake
 * that shows only later (a number out of its range, a processor that the device lacks) must be
 * named by its line too. This follows block and flow style, quotes and comments as far as a search
 * for keys needs it; if the text is too odd for it, the line is one nearby. */
#ifndef SIM_DEVICE_LINES_H
#define SIM_DEVICE_LINES_H

/* A part of a text that ends with a zero byte. */
typedef struct device_lines {
    const char *text;
    const char *begin, *end;
    const char *key; /* where the key of this part itself stands */
} device_lines;

device_lines device_lines_all(const char *text);

/* The value of the n-th `key`, from 0, at any depth of the part; if there is none, the part itself.
 */
device_lines device_lines_under(device_lines part, const char *key, unsigned n);

/* The line, from 1, of the n-th `key` of the part; if there is none, of the part's own key. */
unsigned device_lines_of(device_lines part, const char *key, unsigned n);

#endif
