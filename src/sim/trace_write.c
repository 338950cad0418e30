/* Writing traces. A simulation writes millions of lines, so they are put together by hand in one
 * buffer, from names that were made JSON once.
 *
 * A recording learns of a run at its end, when later things were said already. Its lines are made
 * at once but held in a heap, by time, and leave it when the caller knows that nothing earlier can
 * come. Of one instant, arrivals come before what happens to them, the rest as it was told. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "sim/trace.h"

enum {
    BUFFER_BYTES = 1 << 16, /* chosen: system calls no longer show */
    NUMBER_BYTES = 24
};

typedef struct held_line {
    int64_t t_ns;
    uint64_t order; /* arrivals before others, then as they came */
    char *text;
    size_t bytes;
} held_line;

struct trace_writer {
    FILE *out;
    char **models, **processors; /* JSON strings */
    int model_count, processor_count;
    bool recording;
    bool holding;         /* lines go through the heap */
    cosrel_status status; /* the first failure */
    int64_t written_ns;   /* of the last line that left */
    char *buffer;
    size_t used, line_at; /* where the present line began */
    size_t capacity;
    held_line *heap;
    size_t held, held_room;
    uint64_t order;
};

const char *trace_reason(sched_drop_reason reason)
{
    switch (reason) {
    case SCHED_DROP_LATE:
        return "late";
    case SCHED_DROP_FAILED:
        return "failed";
    case SCHED_DROP_UNAVAILABLE:
        return "unavailable";
    }
    return "unknown";
}

static size_t format_integer(char *at, uint64_t value)
{
    char digits[20];
    size_t count = 0;
    do
        digits[count++] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    for (size_t i = 0; i < count; i++)
        at[i] = digits[count - 1 - i];
    return count;
}

size_t trace_format_ms(char *at, int64_t ns)
{
    const uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    size_t length = 0;
    if (ns < 0)
        at[length++] = '-';
    length += format_integer(at + length, size / 1000000);
    uint64_t rest = size % 1000000;
    if (rest == 0)
        return length;
    at[length++] = '.';
    for (uint64_t place = 100000; rest > 0; rest %= place, place /= 10)
        at[length++] = (char)('0' + rest / place);
    return length;
}

static void note(trace_writer *w, cosrel_status status)
{
    if (w->status == COSREL_OK)
        w->status = status;
}

static void flush_buffer(trace_writer *w)
{
    if (w->used > 0 && w->status != COSREL_IO && fwrite(w->buffer, 1, w->used, w->out) != w->used)
        note(w, COSREL_IO);
    w->used = 0;
}

/* Room for `bytes` more of the present line. */
static bool reserve(trace_writer *w, size_t bytes)
{
    if (w->used + bytes <= w->capacity)
        return true;
    size_t capacity = w->capacity;
    while (capacity < w->used + bytes)
        capacity *= 2;
    char *buffer = realloc(w->buffer, capacity);
    if (!buffer) {
        note(w, COSREL_OUT_OF_MEMORY);
        return false;
    }
    w->buffer = buffer;
    w->capacity = capacity;
    return true;
}

static void put_bytes(trace_writer *w, const char *text, size_t bytes)
{
    if (!reserve(w, bytes))
        return;
    memcpy(w->buffer + w->used, text, bytes);
    w->used += bytes;
}

static void put(trace_writer *w, const char *text)
{
    put_bytes(w, text, strlen(text));
}

static void put_integer(trace_writer *w, uint64_t value)
{
    if (reserve(w, NUMBER_BYTES))
        w->used += format_integer(w->buffer + w->used, value);
}

static void put_ms(trace_writer *w, int64_t ns)
{
    if (reserve(w, NUMBER_BYTES))
        w->used += trace_format_ms(w->buffer + w->used, ns);
}

static void put_json(trace_writer *w, const char *text)
{
    text_builder b = {0};
    char *json;
    text_add_json(&b, text);
    if (text_take(&b, &json, NULL) != COSREL_OK) {
        note(w, COSREL_OUT_OF_MEMORY);
        return;
    }
    put(w, json);
    free(json);
}

static void begin_line(trace_writer *w, const char *type, int64_t t_ns)
{
    if (w->used >= BUFFER_BYTES)
        flush_buffer(w);
    w->line_at = w->used;
    put(w, type);
    put_ms(w, t_ns);
}

static bool before(const held_line *a, const held_line *b)
{
    return a->t_ns != b->t_ns ? a->t_ns < b->t_ns : a->order < b->order;
}

static void heap_push(trace_writer *w, const held_line *line)
{
    size_t at = w->held++;
    for (; at > 0 && before(line, &w->heap[(at - 1) / 2]); at = (at - 1) / 2)
        w->heap[at] = w->heap[(at - 1) / 2];
    w->heap[at] = *line;
}

static held_line heap_pop(trace_writer *w)
{
    const held_line first = w->heap[0], last = w->heap[--w->held];
    size_t at = 0;
    for (size_t child = 1; child < w->held; child = 2 * at + 1) {
        if (child + 1 < w->held && before(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!before(&w->heap[child], &last))
            break;
        w->heap[at] = w->heap[child];
        at = child;
    }
    w->heap[at] = last;
    return first;
}

/* Moves the present line out of the buffer into the heap. */
static void hold_line(trace_writer *w, int64_t t_ns, bool arrival)
{
    const size_t bytes = w->used - w->line_at;
    held_line line = {.t_ns = t_ns,
                      .order = w->order++ | (arrival ? 0 : UINT64_C(1) << 63),
                      .text = malloc(bytes),
                      .bytes = bytes};
    w->used = w->line_at;
    if (w->held == w->held_room) {
        const size_t room = w->held_room ? 2 * w->held_room : 256;
        held_line *heap = realloc(w->heap, room * sizeof *heap);
        if (heap) {
            w->heap = heap;
            w->held_room = room;
        }
    }
    if (!line.text || w->held == w->held_room) {
        free(line.text);
        note(w, COSREL_OUT_OF_MEMORY);
        return;
    }
    memcpy(line.text, w->buffer + w->line_at, bytes);
    heap_push(w, &line);
}

/* After a failure the rest of a line may be missing: it is taken back. */
static void end_line(trace_writer *w, int64_t t_ns, bool arrival)
{
    put(w, "}\n");
    if (w->status == COSREL_OK && (t_ns < w->written_ns || t_ns > TRACE_TIME_MAX_NS))
        note(w, COSREL_INVALID_ARGUMENT);
    if (w->status != COSREL_OK)
        w->used = w->line_at;
    else if (w->holding)
        hold_line(w, t_ns, arrival);
    else
        w->written_ns = t_ns;
}

void trace_hold(trace_writer *w)
{
    w->holding = true;
}

void trace_recording(trace_writer *w, const char *device, const char *policy, const char *workload)
{
    w->recording = w->holding = true;
    put(w, "{\"type\":\"recording\",\"version\":1,\"device\":");
    put_json(w, device ? device : "");
    put(w, ",\"policy\":");
    put_json(w, policy ? policy : "");
    put(w, ",\"workload\":");
    put_json(w, workload ? workload : "");
    put(w, "}\n");
}

void trace_add_arrival(trace_writer *w, const trace_arrival *a)
{
    begin_line(w, "{\"type\":\"arrival\",\"t_ms\":", a->t_ns);
    put(w, ",\"id\":");
    put_integer(w, a->id);
    put(w, ",\"model\":");
    put(w, w->models[a->model]);
    if (w->recording && a->deadline_ns != SCHED_NEVER) {
        put(w, ",\"deadline_ms\":");
        put_ms(w, a->deadline_ns);
    }
    if (w->recording && a->priority != 0) {
        put(w, a->priority < 0 ? ",\"priority\":-" : ",\"priority\":");
        put_integer(w, a->priority < 0 ? 0 - (uint64_t)a->priority : (uint64_t)a->priority);
    }
    end_line(w, a->t_ns, true);
}

static void add_run(trace_writer *w, int64_t t_ns, int64_t end_ns, int processor, int model,
                    const uint32_t *ids, int count, const char *rest)
{
    begin_line(w, "{\"type\":\"dispatch\",\"t_ms\":", t_ns);
    put(w, ",\"end_ms\":");
    put_ms(w, end_ns);
    put(w, ",\"processor\":");
    put(w, w->processors[processor]);
    put(w, ",\"model\":");
    put(w, w->models[model]);
    put(w, ",\"requests\":[");
    for (int i = 0; i < count; i++) {
        if (i > 0)
            put(w, ",");
        put_integer(w, ids[i]);
    }
    put(w, rest);
    end_line(w, t_ns, false);
}

void trace_add_dispatch(trace_writer *w, int64_t t_ns, int64_t end_ns, int processor, int model,
                        const uint32_t *ids, int count)
{
    add_run(w, t_ns, end_ns, processor, model, ids, count, "]");
}

void trace_add_failure(trace_writer *w, int64_t t_ns, int64_t end_ns, int processor, int model,
                       const uint32_t *ids, int count)
{
    add_run(w, t_ns, end_ns, processor, model, ids, count, "],\"ok\":false");
}

void trace_add_drop(trace_writer *w, int64_t t_ns, uint32_t id, const char *reason)
{
    begin_line(w, "{\"type\":\"drop\",\"t_ms\":", t_ns);
    put(w, ",\"id\":");
    put_integer(w, id);
    put(w, ",\"reason\":");
    put_json(w, reason);
    end_line(w, t_ns, false);
}

void trace_advance(trace_writer *w, int64_t t_ns)
{
    while (w->held > 0 && w->heap[0].t_ns < t_ns) {
        held_line line = heap_pop(w);
        if (w->used >= BUFFER_BYTES)
            flush_buffer(w);
        /* The analyser misses that heap_pop has put another line in this one's place. */
        put_bytes(w, line.text, line.bytes); /* NOLINT(clang-analyzer-unix.Malloc) */
        w->written_ns = line.t_ns;
        free(line.text);
    }
}

static char **copy_names(const char *const *names, int count)
{
    char **copies = calloc((size_t)count + 1, sizeof *copies);
    for (int i = 0; copies && i < count; i++) {
        text_builder b = {0};
        text_add_json(&b, names[i]);
        if (text_take(&b, &copies[i], NULL) != COSREL_OK)
            return copies; /* the caller sees the NULL */
    }
    return copies;
}

static void free_names(char **names, int count)
{
    for (int i = 0; names && i < count; i++)
        free(names[i]);
    free(names);
}

static void free_writer(trace_writer *w)
{
    free_names(w->models, w->model_count);
    free_names(w->processors, w->processor_count);
    free(w->buffer);
    free(w->heap);
    free(w);
}

cosrel_status trace_writer_create(FILE *out, const trace_names *names, trace_writer **out_writer)
{
    *out_writer = NULL;
    trace_writer *w = calloc(1, sizeof *w);
    if (!w)
        return COSREL_OUT_OF_MEMORY;
    w->out = out;
    w->model_count = names->model_count;
    w->processor_count = names->processor_count;
    w->models = copy_names(names->models, names->model_count);
    w->processors = copy_names(names->processors, names->processor_count);
    w->capacity = 2 * BUFFER_BYTES;
    w->buffer = malloc(w->capacity);
    bool complete = w->models && w->processors && w->buffer;
    for (int i = 0; complete && i < w->model_count; i++)
        complete = w->models[i] != NULL;
    for (int i = 0; complete && i < w->processor_count; i++)
        complete = w->processors[i] != NULL;
    if (!complete) {
        free_writer(w);
        return COSREL_OUT_OF_MEMORY;
    }
    *out_writer = w;
    return COSREL_OK;
}

cosrel_status trace_writer_finish(trace_writer *w, cosrel_error *err)
{
    if (!w)
        return COSREL_OK;
    trace_advance(w, INT64_MAX);
    flush_buffer(w);
    if (fflush(w->out) != 0)
        note(w, COSREL_IO);
    const cosrel_status status = w->status;
    free_writer(w);
    switch (status) {
    case COSREL_OK:
        return COSREL_OK;
    case COSREL_IO:
        return error_set(err, status, "writing the trace failed: is the disk full?");
    case COSREL_OUT_OF_MEMORY:
        return error_set(err, status, "no memory for the lines of the trace");
    default:
        return error_set(err, status,
                         "the trace is not complete: a line came after later ones were written");
    }
}
