/* A file may have millions of rows and is read once per run: numbers take a path of their own,
 * names are found by hash, and nothing is copied but the rows. */
#include "workload/arrivals_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cosrel/runtime.h"

/* Chosen: a gigabyte is about forty million rows. */
enum { ARRIVALS_BYTES_MAX = 1 << 30 };

enum { T_MS, MODEL, DEADLINE_MS, COLUMN_COUNT };
static const char *const column_names[COLUMN_COUNT] = {"t_ms", "model", "deadline_ms"};

/* Names to indices: open addressing, at most half full. */
typedef struct name_index {
    const char **names; /* by index */
    int count;
    int capacity;
    int32_t *slots; /* index + 1; 0: free */
    uint32_t mask;
} name_index;

/* FNV-1a: names are short. */
static uint32_t hash_name(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    return h ^ h >> 15;
}

/* Its slot, or the free one where it would be. */
static uint32_t find_slot(const name_index *n, const char *name)
{
    uint32_t at = hash_name(name) & n->mask;
    while (n->slots[at] && strcmp(n->names[n->slots[at] - 1], name) != 0)
        at = (at + 1) & n->mask;
    return at;
}

static bool index_grow(name_index *n, int capacity)
{
    uint32_t slots = 16;
    while (slots < 2 * (uint32_t)capacity)
        slots *= 2;
    const char **names = realloc(n->names, (size_t)capacity * sizeof *names);
    if (names)
        n->names = names;
    int32_t *fresh = calloc(slots, sizeof *fresh);
    if (!names || !fresh) {
        free(fresh);
        return false;
    }
    free(n->slots);
    n->slots = fresh;
    n->mask = slots - 1;
    n->capacity = capacity;
    for (int i = 0; i < n->count; i++)
        n->slots[find_slot(n, n->names[i])] = i + 1;
    return true;
}

static bool index_add(name_index *n, const char *name)
{
    if (n->count == n->capacity && !index_grow(n, n->capacity ? 2 * n->capacity : 16))
        return false;
    const uint32_t at = find_slot(n, name);
    n->names[n->count++] = name;
    if (!n->slots[at])
        n->slots[at] = n->count;
    return true;
}

static void index_deinit(name_index *n)
{
    free(n->names);
    free(n->slots);
}

/* Plain decimals of up to 15 digits and 22 places are a whole number below 2^53 divided by a power
 * of ten, both exact as doubles, so that the quotient is the double nearest to the text: what
 * strtod gives (Clinger 1990). Anything else goes to strtod itself. */
static bool read_number(const char *text, double *out)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    uint64_t digits = 0;
    int count = 0, places = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && count < 16; at++, count++)
        digits = digits * 10 + (uint64_t)(*at - '0');
    if (*at == '.') {
        for (at++; *at >= '0' && *at <= '9' && count < 16; at++, count++, places++)
            digits = digits * 10 + (uint64_t)(*at - '0');
    }
    if (*at != '\0' || count == 0 || count > 15)
        return text_to_double(text, out);
    *out = (double)digits / powers[places];
    return true;
}

typedef struct arrivals_reader {
    csv_reader csv;
    size_t place[COLUMN_COUNT];
    size_t columns;
    name_index names;
    bool open; /* any name may come */
    arrivals_list *list;
    int64_t last_line;  /* of the row above; 0: there is none */
    const char *last_t; /* as it is written there */
} arrivals_reader;

static cosrel_status unknown_model(const arrivals_reader *r, const char *name, cosrel_error *err)
{
    const char *nearest = text_nearest(name, r->names.names, (size_t)r->names.count);
    return csv_wrong(
        &r->csv, r->place[MODEL], err, "model '%.60s' is not in the device table%s%s%s", name,
        nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static cosrel_status read_model(arrivals_reader *r, arrivals_row *row, cosrel_error *err)
{
    const char *name = r->csv.fields[r->place[MODEL]];
    arrivals_list *list = r->list;
    if (name[0] == '\0')
        return csv_wrong(&r->csv, r->place[MODEL], err, "model is empty; expected a name");
    row->model = r->names.count ? r->names.slots[find_slot(&r->names, name)] - 1 : -1;
    if (row->model >= 0)
        return COSREL_OK;
    if (!r->open)
        return unknown_model(r, name, err);
    const size_t count = (size_t)list->model_count + 1;
    char **models = realloc(list->models, count * sizeof *models);
    if (models)
        list->models = models;
    int64_t *lines = realloc(list->model_lines, count * sizeof *lines);
    if (lines)
        list->model_lines = lines;
    char *copy = models && lines ? strdup(name) : NULL;
    if (!copy)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for its models", r->csv.name);
    lines[list->model_count] = r->csv.record_line;
    models[list->model_count] = copy;
    row->model = list->model_count++;
    return index_add(&r->names, copy)
               ? COSREL_OK
               : error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for its models", r->csv.name);
}

static cosrel_status read_ms(const arrivals_reader *r, int column, int64_t *ns, cosrel_error *err)
{
    const char *text = r->csv.fields[r->place[column]];
    double ms;
    if (!read_number(text, &ms) || !(ms >= 0 && ms <= ARRIVALS_MS_MAX))
        return csv_wrong(&r->csv, r->place[column], err,
                         "%s is '%.40s'; expected %smilliseconds from 0 to 1e12",
                         column_names[column], text, column == DEADLINE_MS ? "nothing or " : "");
    *ns = llround(ms * 1e6);
    return COSREL_OK;
}

static cosrel_status read_row(arrivals_reader *r, cosrel_error *err)
{
    arrivals_list *list = r->list;
    arrivals_row row = {.deadline_ns = INT64_MAX, .priority = COSREL_PRIORITY_NORMAL};
    cosrel_status status = read_ms(r, T_MS, &row.t_ns, err);
    if (status != COSREL_OK)
        return status;
    const char *t = r->csv.fields[r->place[T_MS]];
    if (list->count > 0 && row.t_ns < list->rows[list->count - 1].t_ns)
        return csv_wrong(&r->csv, r->place[T_MS], err,
                         "t_ms is %.40s after %.40s on line %lld; expected times in order", t,
                         r->last_t, (long long)r->last_line);
    status = read_model(r, &row, err);
    if (status == COSREL_OK && r->csv.fields[r->place[DEADLINE_MS]][0] != '\0') {
        status = read_ms(r, DEADLINE_MS, &row.deadline_ns, err);
        row.deadline_ns += status == COSREL_OK ? row.t_ns : 0;
    }
    if (status == COSREL_OK)
        status = arrivals_add(list, &row, err);
    r->last_t = t;
    r->last_line = r->csv.record_line;
    return status;
}

static cosrel_status read_rows(arrivals_reader *r, const char *name, char *text, size_t bytes,
                               cosrel_error *err)
{
    cosrel_status status = csv_begin(&r->csv, name, text, bytes, err);
    if (status == COSREL_OK)
        status = csv_header(&r->csv, column_names, COLUMN_COUNT, r->place, err);
    r->columns = r->csv.count;
    while (status == COSREL_OK) {
        status = csv_next_row(&r->csv, r->columns, err);
        if (status != COSREL_OK || r->csv.count == 0)
            break;
        status = read_row(r, err);
    }
    if (status == COSREL_OK && r->list->count == 0)
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: has no rows; expected at least one below the header", name);
    return status;
}

/* Of text that it may change. */
static cosrel_status parse(const char *name, char *text, size_t bytes, const char *const *models,
                           int count, arrivals_list **out, cosrel_error *err)
{
    arrivals_reader *r = calloc(1, sizeof *r);
    bool ok = r != NULL;
    *out = NULL;
    if (ok) {
        r->open = models == NULL;
        r->list = calloc(1, sizeof *r->list);
        ok = r->list != NULL;
        for (int i = 0; i < count && models && ok; i++)
            ok = index_add(&r->names, models[i]);
    }
    cosrel_status status = ok ? read_rows(r, name, text, bytes, err)
                              : error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory", name);
    if (r) {
        if (status == COSREL_OK)
            *out = r->list;
        else
            arrivals_free(r->list);
        index_deinit(&r->names);
    }
    free(r);
    return status;
}

cosrel_status arrivals_parse(const char *name, const char *text, size_t bytes,
                             const char *const *models, int count, arrivals_list **out,
                             cosrel_error *err)
{
    char *copy = malloc(bytes + 1);
    *out = NULL;
    if (!copy)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for its %zu bytes", name, bytes);
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    const cosrel_status status = parse(name, copy, bytes, models, count, out, err);
    free(copy);
    return status;
}

cosrel_status arrivals_read(const char *path, const char *const *models, int count,
                            arrivals_list **out, cosrel_error *err)
{
    char *text;
    size_t bytes;
    *out = NULL;
    cosrel_status status = file_read(path, ARRIVALS_BYTES_MAX, &text, &bytes, err);
    if (status != COSREL_OK)
        return status;
    status = parse(path, text, bytes, models, count, out, err);
    free(text);
    return status;
}

/* Exactly, without the zeros at the end. */
static void add_ms(text_builder *b, int64_t ns)
{
    char text[32];
    char *at = text + sizeof text;
    int64_t whole = ns / 1000000, part = ns % 1000000;
    for (int place = 0; place < 6; place++, part /= 10) {
        if (at != text + sizeof text || part % 10 != 0)
            *--at = (char)('0' + part % 10);
    }
    if (at != text + sizeof text)
        *--at = '.';
    do
        *--at = (char)('0' + whole % 10);
    while ((whole /= 10) > 0);
    text_add_bytes(b, at, (size_t)(text + sizeof text - at));
}

cosrel_status arrivals_write(const char *path, const char *const *models, const arrivals_row *rows,
                             size_t count, cosrel_error *err)
{
    text_builder b = {.data = NULL};
    text_add(&b, "t_ms,model,deadline_ms\n");
    for (size_t i = 0; i < count; i++) {
        add_ms(&b, rows[i].t_ns);
        text_add(&b, ",");
        csv_add_field(&b, models[rows[i].model]);
        text_add(&b, ",");
        if (rows[i].deadline_ns != INT64_MAX)
            add_ms(&b, rows[i].deadline_ns - rows[i].t_ns);
        text_add(&b, "\n");
    }
    return text_save(&b, path, err);
}

cosrel_status arrivals_make(arrivals_list **out, cosrel_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? COSREL_OK : error_set(err, COSREL_OUT_OF_MEMORY, "no memory for arrivals");
}

cosrel_status arrivals_add(arrivals_list *list, const arrivals_row *row, cosrel_error *err)
{
    if (list->count > 0 && row->t_ns < list->rows[list->count - 1].t_ns)
        return error_set(err, COSREL_INVALID_ARGUMENT, "an arrival is before the last one");
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity ? 2 * list->capacity : 256;
        arrivals_row *rows = realloc(list->rows, capacity * sizeof *rows);
        if (!rows)
            return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for %zu arrivals", capacity);
        list->rows = rows;
        list->capacity = capacity;
    }
    list->rows[list->count++] = *row;
    return COSREL_OK;
}

void arrivals_free(arrivals_list *list)
{
    if (!list)
        return;
    for (int i = 0; i < list->model_count; i++)
        free(list->models[i]);
    free(list->models);
    free(list->model_lines);
    free(list->rows);
    free(list);
}
