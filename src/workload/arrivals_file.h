/* Recorded arrivals: rows of (time, model, deadline), in memory and as CSV files,
 * `t_ms,model,deadline_ms`. Row k, from 0, is request k. */
#ifndef WORKLOAD_ARRIVALS_FILE_H
#define WORKLOAD_ARRIVALS_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"

typedef struct arrivals_row {
    int64_t t_ns;        /* since the start; never before the row above */
    int64_t deadline_ns; /* since the start too; INT64_MAX: none */
    int32_t model;       /* index into the list's models, or those given when it was read */
    int32_t priority;    /* COSREL_PRIORITY_...; a CSV file has none: normal */
} arrivals_row;

typedef struct arrivals_list {
    arrivals_row *rows;
    size_t count;
    size_t capacity;
    /* The names in order of first mention, and the line of each, where the file was read without a
     * list of models; otherwise NULL and 0. */
    char **models;
    int64_t *model_lines;
    int model_count;
} arrivals_list;

/* Chosen: 31 years, so that a time and a deadline add up within int64_t. */
#define ARRIVALS_MS_MAX 1e12

/* Reads `path`. models: what the file may name, `count` of them; INVALID_FILE names the nearest.
 * NULL: any name may stand there, and the list says which did. Columns may stand in any order,
 * others are passed over. INVALID_FILE: err names file, line, column. Free with arrivals_free. */
COSREL_CHECKED cosrel_status arrivals_read(const char *path, const char *const *models, int count,
                                           arrivals_list **out, cosrel_error *err);

/* The same from memory; `name` is for messages. */
COSREL_CHECKED cosrel_status arrivals_parse(const char *name, const char *text, size_t bytes,
                                            const char *const *models, int count,
                                            arrivals_list **out, cosrel_error *err);

/* Writes rows so that reading gives the same ones to the nanosecond up to 2e15 ns (23 days);
 * priorities have no column. `models` are the names that the rows' indices mean. */
COSREL_CHECKED cosrel_status arrivals_write(const char *path, const char *const *models,
                                            const arrivals_row *rows, size_t count,
                                            cosrel_error *err);

/* For other readers: an empty list, and one row more. INVALID_ARGUMENT: the row is before the last
 * one. */
COSREL_CHECKED cosrel_status arrivals_make(arrivals_list **out, cosrel_error *err);
COSREL_CHECKED cosrel_status arrivals_add(arrivals_list *list, const arrivals_row *row,
                                          cosrel_error *err);

void arrivals_free(arrivals_list *list); /* NULL is fine */

#endif
