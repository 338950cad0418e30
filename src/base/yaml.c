#include "base/yaml.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

enum { YAML_BYTES_MAX = 1 << 20, KEYS_MAX = 128, DEPTH_MAX = 8 };

const cyaml_strval_t yaml_bool[YAML_BOOL_COUNT] = {
    {"false", 0}, {"no", 0}, {"true", 1}, {"yes", 1}};

/* What libcyaml says goes to its log: the first line is the fault, then comes a backtrace with
 * positions. */
typedef struct complaint {
    char what[256];
    char where[96]; /* the innermost key that it names */
    unsigned line;  /* 0: unknown */
} complaint;

static void listen(cyaml_log_t level, void *context, const char *format, va_list args)
{
    complaint *c = context;
    char text[512];
    if (level < CYAML_LOG_ERROR)
        return;
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    const char *line = strstr(text, "(line: ");
    if (!c->what[0])
        snprintf(c->what, sizeof c->what, "%.255s",
                 strncmp(text, "Load: ", 6) == 0 ? text + 6 : text);
    if (line && !c->line)
        c->line = (unsigned)strtoul(line + strlen("(line: "), NULL, 10);
    const char *key = strstr(text, "in mapping field '");
    if (key && !c->where[0]) {
        key += strlen("in mapping field '");
        snprintf(c->where, sizeof c->where, "%.*s", (int)strcspn(key, "'"), key);
    }
}

static cyaml_config_t config_for(complaint *c)
{
    return (cyaml_config_t){.log_fn = listen,
                            .log_ctx = c,
                            .mem_fn = cyaml_mem,
                            .log_level = CYAML_LOG_ERROR,
                            .flags = CYAML_CFG_NO_ALIAS};
}

/* Every key that the schema knows, at any depth. */
static void collect(const cyaml_schema_value_t *value, const char **keys, size_t *count, int depth)
{
    if (depth > DEPTH_MAX)
        return;
    if (value->type == CYAML_SEQUENCE || value->type == CYAML_SEQUENCE_FIXED) {
        collect(value->sequence.entry, keys, count, depth + 1);
        return;
    }
    if (value->type != CYAML_MAPPING)
        return;
    for (const cyaml_schema_field_t *f = value->mapping.fields; f->key; f++) {
        if (*count < KEYS_MAX)
            keys[(*count)++] = f->key;
        collect(&f->value, keys, count, depth + 1);
    }
}

/* The words that an enumeration under this key may have, at any depth; false if there is none. */
static bool add_words(text_builder *out, const cyaml_schema_value_t *value, const char *key,
                      int depth)
{
    if (depth > DEPTH_MAX)
        return false;
    if (value->type == CYAML_SEQUENCE || value->type == CYAML_SEQUENCE_FIXED)
        return add_words(out, value->sequence.entry, key, depth + 1);
    if (value->type != CYAML_MAPPING)
        return false;
    for (const cyaml_schema_field_t *f = value->mapping.fields; f->key; f++) {
        if (f->value.type != CYAML_ENUM || strcmp(f->key, key) != 0) {
            if (add_words(out, &f->value, key, depth + 1))
                return true;
            continue;
        }
        for (uint32_t i = 0; i < f->value.enumeration.count; i++)
            text_addf(out, "%s'%s'", i ? ", " : "", f->value.enumeration.strings[i].str);
        return true;
    }
    return false;
}

/* libcyaml reports an unknown key at the value before it; the key itself stands at or after that
 * line. */
static unsigned line_of_key(const char *text, size_t bytes, const char *key, unsigned from)
{
    const size_t length = strlen(key);
    unsigned line = 1;
    for (size_t at = 0; at < bytes; line++) {
        const char *end = memchr(text + at, '\n', bytes - at);
        const size_t stop = end ? (size_t)(end - text) : bytes;
        size_t k = at;
        while (k < stop && (isspace((unsigned char)text[k]) || text[k] == '-' || text[k] == '"' ||
                            text[k] == '{'))
            k++;
        if (line >= from && stop - k > length && memcmp(text + k, key, length) == 0)
            return line;
        at = stop + 1;
    }
    return from;
}

static cosrel_status explain(const char *path, const char *text, size_t bytes, complaint *c,
                             cyaml_err_t code, const cyaml_schema_value_t *schema,
                             cosrel_error *err)
{
    static const char unexpected[] = "Unexpected key: ";
    static const char enumeration[] = "Invalid ENUM value: ";
    static const char missing[] = "Missing required mapping field: ";
    char place[64] = "";
    if (code == CYAML_ERR_OOM)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory to read it", path);
    if (strncmp(c->what, unexpected, sizeof unexpected - 1) == 0) {
        const char *key = c->what + sizeof unexpected - 1;
        const char *keys[KEYS_MAX];
        size_t count = 0;
        collect(schema, keys, &count, 0);
        const char *nearest = text_nearest(key, keys, count);
        const unsigned line = line_of_key(text, bytes, key, c->line ? c->line : 1);
        return error_set(err, COSREL_INVALID_FILE, "%s:%u: unknown key '%s' here%s%s%s", path, line,
                         key, nearest ? "; did you mean '" : "", nearest ? nearest : "",
                         nearest ? "'?" : "");
    }
    if (c->line)
        snprintf(place, sizeof place, ":%u", c->line);
    /* The key that it names beside is the one before, which is not at fault. */
    if (strncmp(c->what, missing, sizeof missing - 1) == 0)
        return error_set(err, COSREL_INVALID_FILE, "%s%s: key '%s' is missing here", path, place,
                         c->what + sizeof missing - 1);
    if (strncmp(c->what, enumeration, sizeof enumeration - 1) == 0) {
        text_builder words = {.data = NULL};
        (void)add_words(&words, schema, c->where, 0);
        const cosrel_status status = error_set(
            err, COSREL_INVALID_FILE, "%s%s: key '%s': '%s' is none of %s", path, place, c->where,
            c->what + sizeof enumeration - 1, words.data ? words.data : "the words allowed here");
        text_deinit(&words);
        return status;
    }
    if (c->where[0])
        return error_set(err, COSREL_INVALID_FILE, "%s%s: key '%s': %s", path, place, c->where,
                         c->what);
    return error_set(err, COSREL_INVALID_FILE, "%s%s: %s", path, place,
                     c->what[0] ? c->what : cyaml_strerror(code));
}

cosrel_status yaml_parse(const char *path, const char *text, size_t bytes,
                         const cyaml_schema_value_t *schema, void **out, cosrel_error *err)
{
    complaint c = {.what = ""};
    const cyaml_config_t config = config_for(&c);
    *out = NULL;
    const cyaml_err_t code = cyaml_load_data((const uint8_t *)text, bytes, &config, schema, out,
                                             NULL);
    if (code == CYAML_OK)
        return COSREL_OK;
    return explain(path, text, bytes, &c, code, schema, err);
}

cosrel_status yaml_load(const char *path, const cyaml_schema_value_t *schema, void **out,
                        cosrel_error *err)
{
    char *text;
    size_t bytes;
    *out = NULL;
    cosrel_status status = file_read(path, YAML_BYTES_MAX, &text, &bytes, err);
    if (status != COSREL_OK)
        return status;
    status = yaml_parse(path, text, bytes, schema, out, err);
    free(text);
    return status;
}

void yaml_free(const cyaml_schema_value_t *schema, void *data)
{
    complaint c = {.what = ""};
    const cyaml_config_t config = config_for(&c);
    if (data)
        cyaml_free(&config, schema, data, 0);
}
