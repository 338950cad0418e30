/* Device tables: what each model costs on each processor of a device, as a CSV file.
 *
 *     device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source
 *
 * The columns may stand in any order, others are passed over. RFC 4180 quoting, LF or CRLF, a UTF-8
 * byte order mark is fine, blank lines are skipped. A missing row: that processor cannot run that
 * model at that batch.
 *
 * Errors name file, line, what is wrong and what would be right. A table never changes once it is
 * read, so any thread may read it. */
#ifndef PROFILE_TABLE_H
#define PROFILE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"
#include "profile/cost.h"

typedef struct device_table device_table;

/* Texts are never NULL. In a table that was read they belong to it. */
typedef struct table_row {
    const char *device;
    const char *processor; /* not empty */
    const char *model;     /* not empty */
    const char *precision;
    const char *framework;
    int32_t batch;     /* >= 1 */
    double latency_ms; /* of one run of the whole batch; > 0 */
    double power_w;    /* NaN or < 0: empty */
    double energy_mj;  /* of one run of the whole batch; NaN or < 0: empty */
    const char *source;
} table_row;

/* NOT_FOUND, IO, or INVALID_FILE: no header, a column is missing or there twice, a row has too few
 * or too many fields, a bad number, two rows for the same processor, model and batch, no rows. */
COSREL_CHECKED cosrel_status table_read(const char *path, device_table **out, cosrel_error *err);

/* The same for text in memory; `name` stands for the file in errors. The text is copied. */
COSREL_CHECKED cosrel_status table_parse(const char *name, const char *text, size_t bytes,
                                         device_table **out, cosrel_error *err);
void table_free(device_table *t); /* NULL is fine */

/* In the file's order. */
size_t table_row_count(const device_table *t);
const table_row *table_row_at(const device_table *t, size_t index);

/* NULL if there is none. */
const table_row *table_find(const device_table *t, const char *processor, const char *model,
                            int32_t batch);

/* The different processors and models, alphabetically. The arrays belong to the table. */
const char *const *table_processors(const device_table *t, size_t *count);
const char *const *table_models(const device_table *t, size_t *count);

/* The row's time of one run in nanoseconds; at least 1, since 0 means that it cannot run. */
int64_t table_service_ns(const table_row *row);

/* The row's energy in microjoule: the energy column, else power x latency, else 0. */
int64_t table_energy_uj(const table_row *row);

/* Writes a table in one stroke: a reader sees the old file or the whole new one. IO, OUT_OF_MEMORY.
 */
COSREL_CHECKED cosrel_status table_write(const char *path, const table_row *rows, size_t n,
                                         cosrel_error *err);

/* The batch sizes in the table, ascending, with 1 always among them, as cost_init wants them.
 * UNSUPPORTED: more than COST_BATCHES_MAX. */
COSREL_CHECKED cosrel_status table_batches(const device_table *t, int32_t batches[COST_BATCHES_MAX],
                                           int *count, cosrel_error *err);

/* Fills the cells of model `index` from the rows named `model`; processors[p] is the table's name
 * for processor p of `costs`, NULL: none. Cells without a row become "cannot run". Returns how many
 * rows were used. */
int table_fill(const device_table *t, const char *model, const char *const *processors, int index,
               cost_table *costs);

#endif
