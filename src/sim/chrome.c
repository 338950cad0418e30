/* Runs, counters and drops are written as the trace is read; the spans of requests at its end, when
 * it is known which run was the last one of each. The format asks for no order. */
#include "sim/chrome.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

enum {
    PROCESS = 1,
    FLUSH_BYTES = 1 << 16 /* chosen: as in trace_write.c */
};

struct chrome_writer {
    FILE *out;
    text_builder text;
    bool failed;       /* writing did */
    bool any;          /* something was written: a comma comes first */
    uint32_t *waiting; /* per model */
    size_t model_room;
};

cosrel_status chrome_create(FILE *out, chrome_writer **writer)
{
    chrome_writer *c = calloc(1, sizeof *c);
    *writer = c;
    if (!c)
        return COSREL_OUT_OF_MEMORY;
    c->out = out;
    text_add(&c->text, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
    return COSREL_OK;
}

static void flush_text(chrome_writer *c)
{
    if (c->text.failed || c->text.length == 0)
        return;
    if (fwrite(c->text.data, 1, c->text.length, c->out) != c->text.length)
        c->failed = true;
    c->text.length = 0;
}

/* Up to the thread; what follows are members. */
static void begin(chrome_writer *c, const char *phase, size_t thread)
{
    if (c->text.length >= FLUSH_BYTES)
        flush_text(c);
    text_addf(&c->text, "%s\n{\"ph\":\"%s\",\"pid\":%d,\"tid\":%zu", c->any ? "," : "", phase,
              (int)PROCESS, thread);
    c->any = true;
}

static void add_key(chrome_writer *c, const char *key)
{
    text_add(&c->text, ",\"");
    text_add(&c->text, key);
    text_add(&c->text, "\":");
}

static void add_text(chrome_writer *c, const char *key, const char *value)
{
    add_key(c, key);
    text_add_json(&c->text, value);
}

/* Nanoseconds as microseconds, exactly. */
static void add_us(chrome_writer *c, const char *key, int64_t ns)
{
    char digits[32];
    const int length = ns % 1000 ? snprintf(digits, sizeof digits, "%" PRId64 ".%03d", ns / 1000,
                                            (int)(ns % 1000))
                                 : snprintf(digits, sizeof digits, "%" PRId64, ns / 1000);
    add_key(c, key);
    text_add_bytes(&c->text, digits, (size_t)length);
}

static const char *model_name(const trace_reader *r, int model)
{
    size_t count;
    return trace_models(r, &count)[model];
}

/* Threads: 0 is for what happens to requests, the processors follow. */
static size_t thread_of(int processor)
{
    return (size_t)processor + 1;
}

static void count_waiting(chrome_writer *c, const trace_reader *r, const trace_event *e,
                          uint32_t more, uint32_t less)
{
    size_t models;
    trace_models(r, &models);
    if (models > c->model_room) {
        const size_t room = 2 * models;
        uint32_t *waiting = realloc(c->waiting, room * sizeof *waiting);
        if (!waiting) {
            c->text.failed = true;
            return;
        }
        memset(waiting + c->model_room, 0, (room - c->model_room) * sizeof *waiting);
        c->waiting = waiting;
        c->model_room = room;
    }
    c->waiting[e->model] += more;
    c->waiting[e->model] -= less;
    begin(c, "C", 0);
    add_key(c, "name");
    text_builder name = {0};
    text_add(&name, "waiting: ");
    text_add(&name, model_name(r, e->model));
    text_add_json(&c->text, name.data ? name.data : "waiting");
    text_deinit(&name);
    add_us(c, "ts", e->t_ns);
    text_addf(&c->text, ",\"args\":{\"requests\":%" PRIu32 "}}", c->waiting[e->model]);
}

static void add_run(chrome_writer *c, const trace_reader *r, const trace_event *e)
{
    size_t count;
    const trace_request *requests = trace_requests(r, &count);
    uint32_t first_runs = 0;
    begin(c, "X", thread_of(e->processor));
    add_text(c, "name", model_name(r, e->model));
    text_add(&c->text, ",\"cat\":\"run\"");
    add_us(c, "ts", e->t_ns);
    add_us(c, "dur", e->end_ns - e->t_ns);
    text_addf(&c->text, ",\"args\":{\"batch\":%zu,\"requests\":[", e->request_count);
    for (size_t i = 0; i < e->request_count; i++) {
        const trace_request *request = &requests[e->requests[i]];
        text_addf(&c->text, "%s%" PRIu32, i ? "," : "", request->id);
        first_runs += request->runs == 1; /* after a run that failed it was not counted again */
    }
    text_add(&c->text, e->failed ? "],\"ok\":false}}" : "]}}");
    if (first_runs > 0)
        count_waiting(c, r, e, 0, first_runs);
}

static void add_drop(chrome_writer *c, const trace_reader *r, const trace_event *e)
{
    size_t count;
    const trace_request *request = &trace_requests(r, &count)[e->requests[0]];
    begin(c, "i", 0);
    text_add(&c->text, ",\"name\":\"drop\",\"cat\":\"drop\",\"s\":\"p\"");
    add_us(c, "ts", e->t_ns);
    text_addf(&c->text, ",\"args\":{\"request\":%" PRIu32, request->id);
    add_text(c, "model", model_name(r, e->model));
    add_text(c, "reason", e->reason);
    text_add(&c->text, "}}");
    if (request->runs == 0)
        count_waiting(c, r, e, 0, 1);
}

void chrome_add(chrome_writer *c, const trace_reader *r, const trace_event *event)
{
    switch (event->type) {
    case TRACE_ARRIVAL:
        count_waiting(c, r, event, 1, 0);
        break;
    case TRACE_DISPATCH:
        add_run(c, r, event);
        break;
    case TRACE_DROP:
        add_drop(c, r, event);
        break;
    case TRACE_RECORDING:
    case TRACE_END:
        break;
    }
}

static void add_label(chrome_writer *c, const char *what, size_t thread, const char *name)
{
    begin(c, "M", thread);
    add_text(c, "name", what);
    text_add(&c->text, ",\"args\":{\"name\":");
    text_add_json(&c->text, name);
    text_add(&c->text, "}}");
}

static void add_span_end(chrome_writer *c, const trace_reader *r, const trace_request *request,
                         const char *phase, int64_t t_ns)
{
    begin(c, phase, 0);
    add_text(c, "name", model_name(r, request->model));
    text_addf(&c->text, ",\"cat\":\"request\",\"id\":%" PRIu32, request->id);
    add_us(c, "ts", t_ns);
    text_add(&c->text, "}");
}

cosrel_status chrome_finish(chrome_writer *c, const trace_reader *r, cosrel_error *err)
{
    if (!c)
        return COSREL_OK;
    size_t count;
    const trace_request *requests = trace_requests(r, &count);
    for (size_t i = 0; i < count; i++) {
        if (requests[i].runs == 0 || requests[i].failed)
            continue; /* it has no end: a drop is an instant of its own */
        add_span_end(c, r, &requests[i], "b", requests[i].arrived_ns);
        add_span_end(c, r, &requests[i], "e", requests[i].end_ns);
    }
    const char *const *processors = trace_processors(r, &count);
    add_label(c, "process_name", 0, trace_policy(r)[0] ? trace_policy(r) : "cosrel");
    add_label(c, "thread_name", 0, "requests");
    for (size_t p = 0; p < count; p++)
        add_label(c, "thread_name", thread_of((int)p), processors[p]);
    text_add(&c->text, "\n]}\n");
    const bool no_memory = c->text.failed;
    flush_text(c);
    const bool failed = c->failed || fflush(c->out) != 0;
    text_deinit(&c->text);
    free(c->waiting);
    free(c);
    if (no_memory)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the Chrome trace");
    return failed ? error_set(err, COSREL_IO, "writing the Chrome trace failed") : COSREL_OK;
}
