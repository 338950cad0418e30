/* The models in a folder, as people and other servers lay them out:
 *
 *     models/NAME.onnx                   version 1
 *     models/NAME/VERSION/model.onnx     VERSION is 1, 2, 3, ...; other folders are not looked at
 *
 * Only names are read here, no model: a scan of a thousand models takes milliseconds. */
#ifndef MODEL_REPOSITORY_H
#define MODEL_REPOSITORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"

/* Chosen: far beyond what one device runs, small enough to bound a scan of a wrong folder. */
enum { REPOSITORY_MODELS_MAX = 4096 };

typedef struct repository_model {
    char *name;
    int64_t version;
    char *path;
} repository_model;

/* Zeroed: empty. */
typedef struct repository {
    repository_model *models; /* by name, then by version */
    size_t count;
    size_t capacity;
    char **problems; /* sentences about what was passed over, one per file or folder, by name */
    size_t problem_count;
    size_t problem_capacity;
} repository;

/* `path`: a folder as above, or one file. A file MODELS/NAME/VERSION/model.onnx by itself keeps its
 * name and version. What cannot be a model (two of one name and version, a version without
 * model.onnx, a name that formats cannot carry) becomes a problem; the others are found all the
 * same. NOT_FOUND: nothing there, or no model in it. IO: it cannot be read. On failure nothing is
 * left to free. */
COSREL_CHECKED cosrel_status repository_scan(const char *path, repository *out, cosrel_error *err);
void repository_deinit(repository *r);

/* Whether models[i] is one of the `versions` highest versions of its name. */
bool repository_is_among_highest(const repository *r, size_t i, size_t versions);

#endif
