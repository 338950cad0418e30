#include "profile/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

enum { TABLE_BYTES_MAX = 64 << 20 };

/* More than 11 days for one run, or a megajoule, is a mistake in the units, and would overflow
 * nanoseconds or microjoule. */
static const double NUMBER_MAX = 1e9;

typedef enum column {
    DEVICE,
    PROCESSOR,
    MODEL,
    PRECISION,
    FRAMEWORK,
    BATCH,
    LATENCY,
    POWER,
    ENERGY,
    SOURCE,
    COLUMN_COUNT
} column;

static const char *const column_names[COLUMN_COUNT] = {
    "device", "processor",  "model",   "precision", "framework",
    "batch",  "latency_ms", "power_w", "energy_mj", "source"};

struct device_table {
    char *name; /* for errors */
    char *text; /* the rows' texts point into it */
    table_row *rows;
    int64_t *lines; /* of each row, for errors */
    size_t count;
    size_t capacity;
    uint32_t *sorted; /* rows by processor, model, batch */
    const char **processors;
    size_t processor_count;
    const char **models;
    size_t model_count;
};

static cosrel_status bad_number(const csv_reader *r, const size_t *place, column c,
                                const char *expected, cosrel_error *err)
{
    return csv_wrong(r, place[c], err, "%s is '%.40s'; expected %s", column_names[c],
                     r->fields[place[c]], expected);
}

static cosrel_status read_numbers(const csv_reader *r, const size_t place[COLUMN_COUNT],
                                  table_row *row, cosrel_error *err)
{
    char *const *f = r->fields;
    int64_t batch;
    if (!text_to_int64(f[place[BATCH]], &batch) || batch < 1 || batch > INT32_MAX)
        return bad_number(r, place, BATCH, "a whole number from 1", err);
    row->batch = (int32_t)batch;
    if (!text_to_double(f[place[LATENCY]], &row->latency_ms) || row->latency_ms <= 0 ||
        row->latency_ms > NUMBER_MAX)
        return bad_number(r, place, LATENCY, "milliseconds above 0 and up to 1e9", err);
    double *const optional[] = {&row->power_w, &row->energy_mj};
    for (int i = 0; i < 2; i++) {
        const column c = i == 0 ? POWER : ENERGY;
        const char *text = f[place[c]];
        if (text[0] == '\0')
            continue;
        if (!text_to_double(text, optional[i]) || *optional[i] < 0 || *optional[i] > NUMBER_MAX)
            return bad_number(r, place, c, "nothing or a number from 0 to 1e9", err);
    }
    return COSREL_OK;
}

static cosrel_status read_row(const csv_reader *r, const size_t place[COLUMN_COUNT], table_row *row,
                              cosrel_error *err)
{
    char *const *f = r->fields;
    *row = (table_row){.device = f[place[DEVICE]],
                       .processor = f[place[PROCESSOR]],
                       .model = f[place[MODEL]],
                       .precision = f[place[PRECISION]],
                       .framework = f[place[FRAMEWORK]],
                       .power_w = NAN,
                       .energy_mj = NAN,
                       .source = f[place[SOURCE]]};
    for (int i = 0; i < 2; i++) {
        const column c = i == 0 ? PROCESSOR : MODEL;
        if (f[place[c]][0] == '\0')
            return csv_wrong(r, place[c], err, "%s is empty; expected a name", column_names[c]);
    }
    return read_numbers(r, place, row, err);
}

static cosrel_status add_row(device_table *t, const table_row *row, int64_t line, cosrel_error *err)
{
    if (t->count == t->capacity) {
        const size_t capacity = t->capacity ? t->capacity * 2 : 64;
        table_row *rows = realloc(t->rows, capacity * sizeof *rows);
        if (rows)
            t->rows = rows;
        int64_t *lines = realloc(t->lines, capacity * sizeof *lines);
        if (lines)
            t->lines = lines;
        if (!rows || !lines)
            return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for its rows", t->name);
        t->capacity = capacity;
    }
    t->rows[t->count] = *row;
    t->lines[t->count++] = line;
    return COSREL_OK;
}

static cosrel_status read_rows(device_table *t, csv_reader *r, cosrel_error *err)
{
    size_t place[COLUMN_COUNT] = {0};
    cosrel_status status = csv_header(r, column_names, COLUMN_COUNT, place, err);
    if (status != COSREL_OK)
        return status;
    const size_t columns = r->count;
    for (;;) {
        table_row row;
        status = csv_next_row(r, columns, err);
        if (status != COSREL_OK || r->count == 0)
            break;
        status = read_row(r, place, &row, err);
        if (status == COSREL_OK)
            status = add_row(t, &row, r->record_line, err);
        if (status != COSREL_OK)
            return status;
    }
    return status;
}

static int compare_key(const table_row *row, const char *processor, const char *model,
                       int32_t batch)
{
    int order = strcmp(row->processor, processor);
    if (order == 0)
        order = strcmp(row->model, model);
    return order != 0 ? order : (row->batch > batch) - (row->batch < batch);
}

static int compare_rows(const void *a, const void *b, void *user)
{
    const table_row *rows = user;
    const table_row *x = &rows[*(const uint32_t *)a], *y = &rows[*(const uint32_t *)b];
    const int order = compare_key(x, y->processor, y->model, y->batch);
    return order != 0 ? order : (x > y) - (x < y);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts, and keeps one of each. */
static size_t unique_names(const char **names, size_t count)
{
    size_t kept = 0;
    qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || strcmp(names[kept - 1], names[i]) != 0)
            names[kept++] = names[i];
    }
    return kept;
}

static cosrel_status build_index(device_table *t, cosrel_error *err)
{
    if (t->count == 0)
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: the table has no rows; expected at least one below the header",
                         t->name);
    t->sorted = malloc(t->count * sizeof *t->sorted);
    t->processors = malloc(t->count * sizeof *t->processors);
    t->models = malloc(t->count * sizeof *t->models);
    if (!t->sorted || !t->processors || !t->models)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for its rows", t->name);
    for (size_t i = 0; i < t->count; i++) {
        t->sorted[i] = (uint32_t)i;
        t->processors[i] = t->rows[i].processor;
        t->models[i] = t->rows[i].model;
    }
    t->processor_count = unique_names(t->processors, t->count);
    t->model_count = unique_names(t->models, t->count);
    qsort_r(t->sorted, t->count, sizeof *t->sorted, compare_rows, t->rows);
    for (size_t i = 1; i < t->count; i++) {
        const table_row *a = &t->rows[t->sorted[i - 1]], *b = &t->rows[t->sorted[i]];
        if (compare_key(a, b->processor, b->model, b->batch) != 0)
            continue;
        return error_set(err, COSREL_INVALID_FILE,
                         "%s:%lld: a second row for processor '%.60s', model '%.60s', batch %d; "
                         "line %lld has the first",
                         t->name, (long long)t->lines[t->sorted[i]], b->processor, b->model,
                         (int)b->batch, (long long)t->lines[t->sorted[i - 1]]);
    }
    return COSREL_OK;
}

cosrel_status table_parse(const char *name, const char *text, size_t bytes, device_table **out,
                          cosrel_error *err)
{
    *out = NULL;
    cosrel_status status = COSREL_OUT_OF_MEMORY;
    device_table *t = calloc(1, sizeof *t);
    if (t) {
        t->name = strdup(name);
        t->text = malloc(bytes + 1);
    }
    if (!t || !t->name || !t->text) {
        table_free(t);
        return error_set(err, status, "%s: no memory for its %zu bytes", name, bytes);
    }
    memcpy(t->text, text, bytes);
    t->text[bytes] = '\0';
    csv_reader r;
    status = csv_begin(&r, t->name, t->text, bytes, err);
    if (status == COSREL_OK)
        status = read_rows(t, &r, err);
    if (status == COSREL_OK)
        status = build_index(t, err);
    if (status != COSREL_OK) {
        table_free(t);
        return status;
    }
    *out = t;
    return COSREL_OK;
}

cosrel_status table_read(const char *path, device_table **out, cosrel_error *err)
{
    char *text;
    size_t bytes;
    *out = NULL;
    cosrel_status status = file_read(path, TABLE_BYTES_MAX, &text, &bytes, err);
    if (status != COSREL_OK)
        return status;
    status = table_parse(path, text, bytes, out, err);
    free(text);
    return status;
}

void table_free(device_table *t)
{
    if (!t)
        return;
    free(t->name);
    free(t->text);
    free(t->rows);
    free(t->lines);
    free(t->sorted);
    free(t->processors);
    free(t->models);
    free(t);
}

size_t table_row_count(const device_table *t)
{
    return t->count;
}

const table_row *table_row_at(const device_table *t, size_t index)
{
    return &t->rows[index];
}

const char *const *table_processors(const device_table *t, size_t *count)
{
    *count = t->processor_count;
    return t->processors;
}

const char *const *table_models(const device_table *t, size_t *count)
{
    *count = t->model_count;
    return t->models;
}

const table_row *table_find(const device_table *t, const char *processor, const char *model,
                            int32_t batch)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const table_row *row = &t->rows[t->sorted[middle]];
        const int order = compare_key(row, processor, model, batch);
        if (order == 0)
            return row;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

int64_t table_service_ns(const table_row *row)
{
    const int64_t ns = llround(row->latency_ms * 1e6);
    return ns > 0 ? ns : 1;
}

int64_t table_energy_uj(const table_row *row)
{
    if (row->energy_mj >= 0)
        return llround(row->energy_mj * 1e3);
    if (row->power_w >= 0)
        return llround(row->power_w * row->latency_ms * 1e3);
    return 0;
}

static void write_optional(text_builder *b, double value)
{
    text_add(b, ",");
    if (value >= 0)
        text_add_double(b, value);
}

static void write_row(text_builder *b, const table_row *row)
{
    const char *const texts[] = {row->device, row->processor, row->model, row->precision,
                                 row->framework};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        csv_add_field(b, texts[i]);
        text_add(b, ",");
    }
    text_addf(b, "%d,", (int)row->batch);
    text_add_double(b, row->latency_ms);
    write_optional(b, row->power_w);
    write_optional(b, row->energy_mj);
    text_add(b, ",");
    csv_add_field(b, row->source);
    text_add(b, "\n");
}

cosrel_status table_write(const char *path, const table_row *rows, size_t n, cosrel_error *err)
{
    text_builder b = {0};
    for (int c = 0; c < COLUMN_COUNT; c++) {
        text_add(&b, c == 0 ? "" : ",");
        text_add(&b, column_names[c]);
    }
    text_add(&b, "\n");
    for (size_t i = 0; i < n; i++)
        write_row(&b, &rows[i]);
    return text_save(&b, path, err);
}

cosrel_status table_batches(const device_table *t, int32_t batches[COST_BATCHES_MAX], int *count,
                            cosrel_error *err)
{
    int n = 1;
    batches[0] = 1;
    for (size_t i = 0; i < t->count; i++) {
        const int32_t batch = t->rows[i].batch;
        int at = 0;
        while (at < n && batches[at] < batch)
            at++;
        if (at < n && batches[at] == batch)
            continue;
        if (n == COST_BATCHES_MAX) {
            return error_set(err, COSREL_UNSUPPORTED, "%s: has more than %d different batch sizes",
                             t->name, COST_BATCHES_MAX);
        }
        memmove(&batches[at + 1], &batches[at], (size_t)(n - at) * sizeof *batches);
        batches[at] = batch;
        n++;
    }
    *count = n;
    return COSREL_OK;
}

int table_fill(const device_table *t, const char *model, const char *const *processors, int index,
               cost_table *costs)
{
    int used = 0;
    for (int p = 0; p < costs->processor_count; p++) {
        for (int b = 0; b < costs->batch_count; b++) {
            cost_cell *cell = cost_at(costs, index, p, b);
            const table_row *row = processors[p]
                                       ? table_find(t, processors[p], model, costs->batches[b])
                                       : NULL;
            *cell = (cost_cell){0};
            if (!row)
                continue;
            cell->service_ns = table_service_ns(row);
            if (cell->service_ns < 1)
                cell->service_ns = 1; /* 0 would mean that it cannot run */
            cell->energy_uj = table_energy_uj(row);
            used++;
        }
    }
    return used;
}
