/* Reading traces, line by line, with what each line means checked against those before it: times do
 * not go back, requests arrive once and before anything happens to them, runs serve one model. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/error.h"
#include "sim/trace.h"
#include "sim/trace_line.h"

/* A set of names, by hash. Zeroed: empty. */
typedef struct name_list {
    char **names;
    size_t count, room;
    uint32_t *table; /* index + 1; 0: free. table_size is a power of two, 0: none */
    size_t table_size;
} name_list;

struct trace_reader {
    FILE *file;
    char *name;
    char *line;
    size_t line_room;
    uint64_t line_number;
    trace_line parts;
    int64_t last_ns;
    bool anything; /* a known line was read */
    name_list models, processors;
    trace_request *requests;
    size_t request_count, request_room;
    size_t *by_id; /* index + 1; 0: free */
    size_t by_id_size;
    size_t *event_requests;
    size_t event_room;
    char *device, *policy, *workload;
};

static cosrel_status wrong(const trace_reader *r, cosrel_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static cosrel_status wrong(const trace_reader *r, cosrel_error *err, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error_set(err, COSREL_INVALID_FILE, "%s:%" PRIu64 ": %s", r->name, r->line_number, text);
}

static cosrel_status no_memory(const trace_reader *r, cosrel_error *err)
{
    return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory to read it", r->name);
}

/* Room for one more behind `count` items: the array, which may have moved, or NULL; then the old
 * one is still there. */
static void *grown(void *items, size_t *room, size_t count, size_t size)
{
    if (count < *room)
        return items;
    const size_t more = *room ? 2 * *room : 64;
    void *bigger = realloc(items, more * size);
    if (bigger)
        *room = more;
    return bigger;
}

static uint64_t hash_name(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

static size_t name_place(const name_list *l, const char *name)
{
    size_t at = hash_name(name) & (l->table_size - 1);
    while (l->table[at] && strcmp(l->names[l->table[at] - 1], name) != 0)
        at = (at + 1) & (l->table_size - 1);
    return at;
}

static bool grow_names(name_list *l)
{
    if (2 * (l->count + 1) > l->table_size) {
        const size_t size = l->table_size ? 2 * l->table_size : 64;
        uint32_t *table = calloc(size, sizeof *table);
        if (!table)
            return false;
        free(l->table);
        l->table = table;
        l->table_size = size;
        for (size_t i = 0; i < l->count; i++)
            l->table[name_place(l, l->names[i])] = (uint32_t)i + 1;
    }
    char **names = grown(l->names, &l->room, l->count, sizeof *names);
    if (!names)
        return false;
    l->names = names;
    return true;
}

/* The index of a name, which is added if it is new; -1: no memory. */
static int name_index(name_list *l, const char *name)
{
    if (l->table_size) {
        const size_t at = name_place(l, name);
        if (l->table[at])
            return (int)l->table[at] - 1;
    }
    if (l->count >= INT_MAX || !grow_names(l))
        return -1;
    char *copy = strdup(name);
    if (!copy)
        return -1;
    l->names[l->count] = copy;
    l->table[name_place(l, name)] = (uint32_t)l->count + 1;
    return (int)l->count++;
}

static void free_names(name_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->names[i]);
    free(l->names);
    free(l->table);
}

static size_t id_place(const trace_reader *r, uint32_t id)
{
    /* Ids are mostly 0, 1, 2, ...: multiplying spreads them (Knuth 6.4, the golden ratio). */
    size_t at = (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (r->by_id_size - 1);
    while (r->by_id[at] && r->requests[r->by_id[at] - 1].id != id)
        at = (at + 1) & (r->by_id_size - 1);
    return at;
}

static bool grow_ids(trace_reader *r)
{
    if (2 * (r->request_count + 1) <= r->by_id_size)
        return true;
    const size_t size = r->by_id_size ? 2 * r->by_id_size : 1024;
    size_t *table = calloc(size, sizeof *table);
    if (!table)
        return false;
    free(r->by_id);
    r->by_id = table;
    r->by_id_size = size;
    for (size_t i = 0; i < r->request_count; i++)
        r->by_id[id_place(r, r->requests[i].id)] = i + 1;
    return true;
}

/* SIZE_MAX: no such request has arrived. */
static size_t find_request(const trace_reader *r, uint32_t id)
{
    return r->by_id_size ? r->by_id[id_place(r, id)] - 1 : SIZE_MAX;
}

static bool room_for_event(trace_reader *r, size_t count)
{
    size_t *indices = grown(r->event_requests, &r->event_room, count, sizeof *indices);
    if (!indices)
        return false;
    r->event_requests = indices;
    return true;
}

static const trace_value *value_of(const trace_reader *r, trace_key key)
{
    return &r->parts.values[key];
}

static cosrel_status expect(const trace_reader *r, trace_key key, trace_kind kind, const char *what,
                            cosrel_error *err)
{
    if (value_of(r, key)->kind == TRACE_ABSENT)
        return wrong(r, err, "%s is missing; expected %s", trace_key_name(key), what);
    if (value_of(r, key)->kind != kind)
        return wrong(r, err, "%s is something else; expected %s", trace_key_name(key), what);
    return COSREL_OK;
}

static cosrel_status read_time(const trace_reader *r, trace_key key, int64_t *out,
                               cosrel_error *err)
{
    static const char WHAT[] = "milliseconds, from 0 to 1e12";
    const cosrel_status status = expect(r, key, TRACE_NUMBER, WHAT, err);
    if (status != COSREL_OK)
        return status;
    if (!trace_millionths(value_of(r, key)->text, TRACE_TIME_MAX_NS, out))
        return wrong(r, err, "%s is out of range; expected %s", trace_key_name(key), WHAT);
    return COSREL_OK;
}

static cosrel_status read_name(trace_reader *r, trace_key key, name_list *list, int *out,
                               cosrel_error *err)
{
    const cosrel_status status = expect(r, key, TRACE_STRING, "a name in quotes", err);
    if (status != COSREL_OK)
        return status;
    if (value_of(r, key)->text[0] == '\0')
        return wrong(r, err, "%s is empty; expected a name", trace_key_name(key));
    *out = name_index(list, value_of(r, key)->text);
    return *out < 0 ? no_memory(r, err) : COSREL_OK;
}

/* The number at `text`, one of `key`'s. */
static cosrel_status read_id(const trace_reader *r, trace_key key, const char *text, uint32_t *out,
                             const char **end, cosrel_error *err)
{
    int64_t id;
    *out = 0;
    if (!trace_integer(text, 0, UINT32_MAX, &id, end))
        return wrong(r, err, "%s: expected whole numbers from 0 to 4294967295",
                     trace_key_name(key));
    *out = (uint32_t)id;
    return COSREL_OK;
}

/* The request that has arrived by this number. */
static cosrel_status read_known(const trace_reader *r, trace_key key, const char *text, size_t *out,
                                const char **end, cosrel_error *err)
{
    uint32_t id;
    const cosrel_status status = read_id(r, key, text, &id, end, err);
    if (status != COSREL_OK)
        return status;
    *out = find_request(r, id);
    if (*out == SIZE_MAX)
        return wrong(r, err, "%s: request %" PRIu32 " has not arrived before", trace_key_name(key),
                     id);
    if (r->requests[*out].dropped)
        return wrong(r, err, "%s: request %" PRIu32 " was dropped before", trace_key_name(key), id);
    return COSREL_OK;
}

static cosrel_status add_text(const trace_reader *r, trace_key key, char **out, cosrel_error *err)
{
    if (value_of(r, key)->kind == TRACE_ABSENT)
        return COSREL_OK;
    const cosrel_status status = expect(r, key, TRACE_STRING, "a text in quotes", err);
    if (status != COSREL_OK)
        return status;
    *out = strdup(value_of(r, key)->text);
    return *out ? COSREL_OK : no_memory(r, err);
}

static cosrel_status read_recording(trace_reader *r, cosrel_error *err)
{
    if (r->anything)
        return wrong(r, err, "type: a recording's line comes first, and once");
    cosrel_status status = add_text(r, TRACE_KEY_DEVICE, &r->device, err);
    if (status == COSREL_OK)
        status = add_text(r, TRACE_KEY_POLICY, &r->policy, err);
    if (status == COSREL_OK)
        status = add_text(r, TRACE_KEY_WORKLOAD, &r->workload, err);
    return status;
}

/* deadline_ms and priority, which may be missing. */
static cosrel_status read_wishes(const trace_reader *r, trace_request *request, cosrel_error *err)
{
    request->deadline_ns = SCHED_NEVER;
    if (value_of(r, TRACE_KEY_DEADLINE_MS)->kind != TRACE_ABSENT) {
        const cosrel_status status = read_time(r, TRACE_KEY_DEADLINE_MS, &request->deadline_ns,
                                               err);
        if (status != COSREL_OK)
            return status;
    }
    if (value_of(r, TRACE_KEY_PRIORITY)->kind == TRACE_ABSENT)
        return COSREL_OK;
    static const char WHAT[] = "a whole number from -1000 to 1000";
    const cosrel_status status = expect(r, TRACE_KEY_PRIORITY, TRACE_NUMBER, WHAT, err);
    if (status != COSREL_OK)
        return status;
    int64_t priority;
    const char *end;
    if (!trace_integer(value_of(r, TRACE_KEY_PRIORITY)->text, -1000, 1000, &priority, &end))
        return wrong(r, err, "priority is out of range; expected %s", WHAT);
    request->priority = (int)priority;
    return COSREL_OK;
}

static cosrel_status read_arrival(trace_reader *r, trace_event *e, cosrel_error *err)
{
    trace_request request = {.arrived_ns = e->t_ns};
    const char *end;
    cosrel_status status = expect(r, TRACE_KEY_ID, TRACE_NUMBER, "the request's number", err);
    if (status == COSREL_OK)
        status = read_id(r, TRACE_KEY_ID, value_of(r, TRACE_KEY_ID)->text, &request.id, &end, err);
    if (status == COSREL_OK)
        status = read_name(r, TRACE_KEY_MODEL, &r->models, &request.model, err);
    if (status == COSREL_OK)
        status = read_wishes(r, &request, err);
    if (status != COSREL_OK)
        return status;
    if (find_request(r, request.id) != SIZE_MAX)
        return wrong(r, err, "id: request %" PRIu32 " arrived before; expected a number of its own",
                     request.id);
    trace_request *requests = grown(r->requests, &r->request_room, r->request_count,
                                    sizeof *requests);
    if (!requests)
        return no_memory(r, err);
    r->requests = requests;
    if (!grow_ids(r) || !room_for_event(r, 0))
        return no_memory(r, err);
    r->by_id[id_place(r, request.id)] = r->request_count + 1;
    r->event_requests[0] = r->request_count;
    r->requests[r->request_count++] = request;
    e->model = request.model;
    e->requests = r->event_requests;
    e->request_count = 1;
    return COSREL_OK;
}

/* The numbers of a dispatch, each once, all known and of its model. */
static cosrel_status read_requests(trace_reader *r, trace_event *e, cosrel_error *err)
{
    cosrel_status status = expect(r, TRACE_KEY_REQUESTS, TRACE_ARRAY, "an array of numbers", err);
    if (status != COSREL_OK)
        return status;
    const char *at = value_of(r, TRACE_KEY_REQUESTS)->text;
    do {
        for (at++; *at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'; at++) {
        }
        if (!room_for_event(r, e->request_count))
            return no_memory(r, err);
        size_t *request = &r->event_requests[e->request_count];
        status = read_known(r, TRACE_KEY_REQUESTS, at, request, &at, err);
        if (status != COSREL_OK)
            return status;
        const trace_request *known = &r->requests[*request];
        if (known->model != e->model)
            return wrong(r, err, "requests: request %" PRIu32 " asks for '%s', not for '%s'",
                         known->id, r->models.names[known->model], r->models.names[e->model]);
        for (size_t i = 0; i < e->request_count; i++)
            if (r->event_requests[i] == *request)
                return wrong(r, err, "requests: request %" PRIu32 " is there twice", known->id);
        if (++e->request_count > SCHED_BATCH_MAX)
            return wrong(r, err, "requests: more than %d; expected one batch", SCHED_BATCH_MAX);
        while (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n')
            at++;
    } while (*at == ',');
    e->requests = r->event_requests;
    return COSREL_OK; /* the line's JSON is whole: here is the ']' */
}

/* "ok", which may be missing. */
static cosrel_status read_ok(const trace_reader *r, trace_event *e, cosrel_error *err)
{
    const trace_value *ok = value_of(r, TRACE_KEY_OK);
    if (ok->kind != TRACE_ABSENT && (ok->kind != TRACE_OTHER || !strchr("tf", ok->text[0])))
        return wrong(r, err, "ok is something else; expected true or false");
    e->failed = ok->kind == TRACE_OTHER && ok->text[0] == 'f';
    return COSREL_OK;
}

static cosrel_status read_dispatch(trace_reader *r, trace_event *e, cosrel_error *err)
{
    cosrel_status status = read_time(r, TRACE_KEY_END_MS, &e->end_ns, err);
    if (status == COSREL_OK && e->end_ns < e->t_ns)
        status = wrong(r, err, "end_ms is before t_ms");
    if (status == COSREL_OK)
        status = read_name(r, TRACE_KEY_PROCESSOR, &r->processors, &e->processor, err);
    if (status == COSREL_OK)
        status = read_name(r, TRACE_KEY_MODEL, &r->models, &e->model, err);
    if (status == COSREL_OK)
        status = read_requests(r, e, err);
    if (status == COSREL_OK)
        status = read_ok(r, e, err);
    for (size_t i = 0; i < e->request_count && status == COSREL_OK; i++) {
        trace_request *request = &r->requests[e->requests[i]];
        request->runs++;
        request->failed = e->failed;
        request->start_ns = e->t_ns;
        request->end_ns = e->end_ns;
    }
    return status;
}

static cosrel_status read_drop(trace_reader *r, trace_event *e, cosrel_error *err)
{
    const char *end;
    cosrel_status status = expect(r, TRACE_KEY_ID, TRACE_NUMBER, "the request's number", err);
    if (status == COSREL_OK)
        status = expect(r, TRACE_KEY_REASON, TRACE_STRING, "a word in quotes", err);
    if (status != COSREL_OK)
        return status;
    if (!room_for_event(r, 0))
        return no_memory(r, err);
    status = read_known(r, TRACE_KEY_ID, value_of(r, TRACE_KEY_ID)->text, r->event_requests, &end,
                        err);
    if (status != COSREL_OK)
        return status;
    r->requests[r->event_requests[0]].dropped = true;
    e->requests = r->event_requests;
    e->request_count = 1;
    e->model = r->requests[r->event_requests[0]].model;
    e->reason = value_of(r, TRACE_KEY_REASON)->text;
    return COSREL_OK;
}

static cosrel_status read_event(trace_reader *r, trace_event *e, cosrel_error *err)
{
    if (e->type == TRACE_RECORDING)
        return read_recording(r, err);
    const cosrel_status status = read_time(r, TRACE_KEY_T_MS, &e->t_ns, err);
    if (status != COSREL_OK)
        return status;
    if (e->t_ns < r->last_ns)
        return wrong(r, err, "t_ms is before the line above; expected events in order of time");
    r->last_ns = e->t_ns;
    if (e->type == TRACE_ARRIVAL)
        return read_arrival(r, e, err);
    return e->type == TRACE_DISPATCH ? read_dispatch(r, e, err) : read_drop(r, e, err);
}

/* The next line that is not blank into r->parts; *end: there is none. */
static cosrel_status read_line(trace_reader *r, bool *end, cosrel_error *err)
{
    *end = false;
    for (;;) {
        errno = 0;
        const ssize_t length = getline(&r->line, &r->line_room, r->file);
        if (length < 0) {
            *end = true;
            if (errno == ENOMEM)
                return no_memory(r, err);
            return ferror(r->file) ? error_set(err, COSREL_IO, "%s: reading failed: %s", r->name,
                                               strerror(errno))
                                   : COSREL_OK;
        }
        r->line_number++;
        if (strlen(r->line) != (size_t)length)
            return wrong(r, err, "a zero byte; expected text");
        if (r->line[strspn(r->line, " \t\r\n")] == '\0')
            continue;
        const char *fault = trace_line_parse(r->line, &r->parts);
        return fault ? wrong(r, err, "%s", fault) : COSREL_OK;
    }
}

static trace_type type_of(const char *word)
{
    static const struct {
        const char *word;
        trace_type type;
    } TYPES[] = {{"arrival", TRACE_ARRIVAL},
                 {"dispatch", TRACE_DISPATCH},
                 {"drop", TRACE_DROP},
                 {"recording", TRACE_RECORDING}};
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++)
        if (strcmp(TYPES[i].word, word) == 0)
            return TYPES[i].type;
    return TRACE_END;
}

cosrel_status trace_next(trace_reader *r, trace_event *event, cosrel_error *err)
{
    for (;;) {
        bool end;
        *event = (trace_event){.type = TRACE_END};
        cosrel_status status = read_line(r, &end, err);
        if (status != COSREL_OK || end)
            return status;
        status = expect(r, TRACE_KEY_TYPE, TRACE_STRING, "\"arrival\", \"dispatch\" or \"drop\"",
                        err);
        if (status != COSREL_OK)
            return status;
        event->type = type_of(value_of(r, TRACE_KEY_TYPE)->text);
        if (event->type == TRACE_END) /* of a later version */
            continue;
        status = read_event(r, event, err);
        r->anything = true;
        return status;
    }
}

static cosrel_status open_stream(const char *name, FILE *file, trace_reader **out,
                                 cosrel_error *err)
{
    trace_reader *r = calloc(1, sizeof *r);
    char *copy = strdup(name);
    if (!r || !copy) {
        free(r);
        free(copy);
        fclose(file);
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory to read it", name);
    }
    r->name = copy;
    r->file = file;
    *out = r;
    return COSREL_OK;
}

cosrel_status trace_open(const char *path, trace_reader **out, cosrel_error *err)
{
    *out = NULL;
    FILE *file = fopen(path, "rbe");
    if (!file)
        return error_set(err, errno == ENOENT ? COSREL_NOT_FOUND : COSREL_IO,
                         "%s: cannot be read: %s; expected a trace (JSON lines)", path,
                         strerror(errno));
    return open_stream(path, file, out, err);
}

cosrel_status trace_open_text(const char *name, const char *text, size_t bytes, trace_reader **out,
                              cosrel_error *err)
{
    *out = NULL;
    /* An empty memory stream cannot be opened everywhere; a blank line means the same. */
    FILE *file = bytes > 0 ? fmemopen((void *)(uintptr_t)text, bytes, "rb")
                           : fmemopen((void *)(uintptr_t) "\n", 1, "rb");
    if (!file)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory to read it", name);
    return open_stream(name, file, out, err);
}

const char *const *trace_models(const trace_reader *r, size_t *count)
{
    *count = r->models.count;
    return (const char *const *)r->models.names;
}

const char *const *trace_processors(const trace_reader *r, size_t *count)
{
    *count = r->processors.count;
    return (const char *const *)r->processors.names;
}

const trace_request *trace_requests(const trace_reader *r, size_t *count)
{
    *count = r->request_count;
    return r->requests;
}

const char *trace_device(const trace_reader *r)
{
    return r->device ? r->device : "";
}

const char *trace_policy(const trace_reader *r)
{
    return r->policy ? r->policy : "";
}

const char *trace_workload(const trace_reader *r)
{
    return r->workload ? r->workload : "";
}

void trace_close(trace_reader *r)
{
    if (!r)
        return;
    fclose(r->file);
    free(r->name);
    free(r->line);
    free_names(&r->models);
    free_names(&r->processors);
    free(r->requests);
    free(r->by_id);
    free(r->event_requests);
    free(r->device);
    free(r->policy);
    free(r->workload);
    free(r);
}
