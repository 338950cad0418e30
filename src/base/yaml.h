/* YAML files into C structs, by libcyaml's schemas, with errors as people need them: one sentence
 * that names the file, the line, the key, and what would be right. */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include <cyaml/cyaml.h>

#include "cosrel/status.h"

/* For CYAML_FIELD_ENUM: true, false, yes, no and nothing else (libcyaml's own bool takes any word
 * for true). */
enum { YAML_BOOL_COUNT = 4 };
extern const cyaml_strval_t yaml_bool[YAML_BOOL_COUNT];

/* Reads `path` (at most 1 MB) into a new struct, *out, that yaml_free frees; NULL if the file holds
 * nothing. `schema` describes a pointer to a mapping. INVALID_FILE: what is wrong and where. Any
 * thread. */
COSREL_CHECKED cosrel_status yaml_load(const char *path, const cyaml_schema_value_t *schema,
                                       void **out, cosrel_error *err);
/* The same from memory; `path` is for messages. */
COSREL_CHECKED cosrel_status yaml_parse(const char *path, const char *text, size_t bytes,
                                        const cyaml_schema_value_t *schema, void **out,
                                        cosrel_error *err);
void yaml_free(const cyaml_schema_value_t *schema, void *data); /* NULL is fine */

#endif
