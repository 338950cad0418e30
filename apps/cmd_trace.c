/* `cosrel trace`: what a trace or a recording says, in numbers, and as a picture for Perfetto. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "commands.h"
#include "sim/chrome.h"
#include "sim/trace.h"

typedef struct trace_values {
    const char *chrome;
    bool json;
} trace_values;

static const cli_option OPTIONS[] = {
    {.name = "chrome",
     .kind = CLI_TEXT,
     .value = "OUT.json",
     .help = "also write it for ui.perfetto.dev or chrome://tracing",
     .offset = offsetof(trace_values, chrome)},
    {.name = "json",
     .kind = CLI_FLAG,
     .help = "one JSON object on standard output",
     .offset = offsetof(trace_values, json)},
};

/* Of one model, or of all. */
typedef struct group {
    size_t requests, served, dropped;
    size_t with_deadline, missed; /* too late, or dropped */
    double mean_ms, p50_ms, p99_ms;
} group;

typedef struct processor_part {
    size_t runs, requests;
    int64_t busy_ns;
} processor_part;

typedef struct report {
    trace_reader *reader;
    group all;
    group *models;
    processor_part *processors;
    size_t model_count, processor_count, processor_room;
    int64_t first_ns, last_ns; /* first arrival, last end of a run */
} report;

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Nearest rank, in ms. */
static double percentile(const int64_t *sorted, size_t count, size_t q_percent)
{
    const size_t rank = (count * q_percent + 99) / 100;
    return (double)sorted[rank > 0 ? rank - 1 : 0] / 1e6;
}

static bool served(const trace_request *request)
{
    return request->runs > 0 && !request->dropped && !request->failed;
}

/* model < 0: all. `latencies` has room for all requests. */
static void summarise(const report *r, int model, int64_t *latencies, group *out)
{
    size_t count;
    double sum = 0;
    const trace_request *requests = trace_requests(r->reader, &count);
    *out = (group){0};
    for (size_t i = 0; i < count; i++) {
        const trace_request *q = &requests[i];
        if (model >= 0 && q->model != model)
            continue;
        const int64_t latency_ns = q->end_ns - q->arrived_ns;
        out->requests++;
        out->dropped += q->dropped;
        out->with_deadline += q->deadline_ns != SCHED_NEVER;
        out->missed += q->deadline_ns != SCHED_NEVER &&
                       (q->dropped || (served(q) && latency_ns > q->deadline_ns));
        if (!served(q))
            continue;
        latencies[out->served++] = latency_ns;
        sum += (double)latency_ns / 1e6;
    }
    if (out->served == 0)
        return;
    qsort(latencies, out->served, sizeof *latencies, compare);
    out->mean_ms = sum / (double)out->served;
    out->p50_ms = percentile(latencies, out->served, 50);
    out->p99_ms = percentile(latencies, out->served, 99);
}

static cosrel_status summarise_all(report *r)
{
    size_t count;
    const trace_request *requests = trace_requests(r->reader, &count);
    trace_models(r->reader, &r->model_count);
    int64_t *latencies = malloc((count + 1) * sizeof *latencies);
    r->models = calloc(r->model_count + 1, sizeof *r->models);
    if (!latencies || !r->models) {
        free(latencies);
        return COSREL_OUT_OF_MEMORY;
    }
    summarise(r, -1, latencies, &r->all);
    for (size_t m = 0; m < r->model_count; m++)
        summarise(r, (int)m, latencies, &r->models[m]);
    free(latencies);
    r->first_ns = count > 0 ? requests[0].arrived_ns : 0;
    for (size_t i = 0; i < count; i++)
        if (requests[i].runs > 0 && requests[i].end_ns > r->last_ns)
            r->last_ns = requests[i].end_ns;
    return COSREL_OK;
}

static cosrel_status count_run(report *r, const trace_event *e)
{
    trace_processors(r->reader, &r->processor_count);
    if (r->processor_count > r->processor_room) {
        const size_t room = 2 * r->processor_count;
        processor_part *parts = realloc(r->processors, room * sizeof *parts);
        if (!parts)
            return COSREL_OUT_OF_MEMORY;
        memset(parts + r->processor_room, 0, (room - r->processor_room) * sizeof *parts);
        r->processors = parts;
        r->processor_room = room;
    }
    processor_part *part = &r->processors[e->processor];
    part->runs++;
    part->requests += e->request_count;
    part->busy_ns += e->end_ns - e->t_ns;
    return COSREL_OK;
}

/* Reads all of it, handing it on to `chrome` unless that is NULL. */
static cosrel_status read_all(report *r, chrome_writer *chrome, cosrel_error *err)
{
    for (;;) {
        trace_event e;
        cosrel_status status = trace_next(r->reader, &e, err);
        if (status != COSREL_OK || e.type == TRACE_END)
            return status;
        if (chrome)
            chrome_add(chrome, r->reader, &e);
        if (e.type == TRACE_DISPATCH)
            status = count_run(r, &e);
        if (status != COSREL_OK)
            return status;
    }
}

static cosrel_status read_and_export(report *r, const char *path, cosrel_error *err)
{
    file_save save;
    chrome_writer *chrome;
    cosrel_status status = file_save_begin(&save, path, err);
    if (status != COSREL_OK)
        return status;
    status = chrome_create(save.stream, &chrome);
    if (status == COSREL_OK)
        status = read_all(r, chrome, err);
    const cosrel_status written = chrome_finish(chrome, r->reader,
                                                status == COSREL_OK ? err : NULL);
    status = status == COSREL_OK ? written : status;
    if (status == COSREL_OK)
        return file_save_commit(&save, err);
    file_save_abort(&save);
    return status;
}

static double busy_share(const report *r, size_t p)
{
    const int64_t span_ns = r->last_ns - r->first_ns;
    return span_ns > 0 ? (double)r->processors[p].busy_ns / (double)span_ns : 0;
}

static double throughput_rps(const report *r)
{
    const int64_t span_ns = r->last_ns - r->first_ns;
    return span_ns > 0 ? (double)r->all.served * 1e9 / (double)span_ns : 0;
}

static void add_number(text_builder *b, const char *key, double value)
{
    text_addf(b, "\"%s\":", key);
    text_add_double(b, value);
}

static void add_group(text_builder *b, const group *g)
{
    text_addf(b, "\"requests\":%zu,\"served\":%zu,\"dropped\":%zu,", g->requests, g->served,
              g->dropped);
    add_number(b, "mean_ms", g->mean_ms);
    text_add(b, ",");
    add_number(b, "p50_ms", g->p50_ms);
    text_add(b, ",");
    add_number(b, "p99_ms", g->p99_ms);
    if (g->with_deadline == 0)
        return;
    text_add(b, ",");
    add_number(b, "deadline_miss_rate", (double)g->missed / (double)g->with_deadline);
}

static void add_origin(text_builder *b, const char *key, const char *value)
{
    if (!value[0])
        return;
    text_addf(b, "\"%s\":", key);
    text_add_json(b, value);
    text_add(b, ",");
}

static int print_json(const cli_call *call, const report *r)
{
    size_t count;
    text_builder b = {0};
    text_add(&b, "{");
    add_origin(&b, "device", trace_device(r->reader));
    add_origin(&b, "policy", trace_policy(r->reader));
    add_origin(&b, "workload", trace_workload(r->reader));
    add_group(&b, &r->all);
    text_add(&b, ",");
    add_number(&b, "throughput_rps", throughput_rps(r));
    text_add(&b, ",\"processors\":{");
    for (size_t p = 0; p < r->processor_count; p++) {
        text_add(&b, p ? "," : "");
        text_add_json(&b, trace_processors(r->reader, &count)[p]);
        text_addf(&b, ":{\"runs\":%zu,\"requests\":%zu,", r->processors[p].runs,
                  r->processors[p].requests);
        add_number(&b, "busy", busy_share(r, p));
        text_add(&b, "}");
    }
    text_add(&b, "},\"models\":{");
    for (size_t m = 0; m < r->model_count; m++) {
        text_add(&b, m ? "," : "");
        text_add_json(&b, trace_models(r->reader, &count)[m]);
        text_add(&b, ":{");
        add_group(&b, &r->models[m]);
        text_add(&b, "}");
    }
    text_add(&b, "}}");
    char *line;
    if (text_take(&b, &line, NULL) != COSREL_OK) {
        cli_say(call->command, "out of memory");
        return CLI_FAILED;
    }
    puts(line);
    free(line);
    return CLI_DONE;
}

static void print_group(const char *name, const group *g)
{
    printf("%-24s %9zu %9zu %9zu", name, g->requests, g->served, g->dropped);
    if (g->served > 0)
        printf(" %10.3f %10.3f %10.3f", g->mean_ms, g->p50_ms, g->p99_ms);
    else
        printf(" %10s %10s %10s", "-", "-", "-");
    if (g->with_deadline > 0)
        printf(" %9.2f%%", 100 * (double)g->missed / (double)g->with_deadline);
    else
        printf(" %10s", "-");
    putchar('\n');
}

static void print_origin(const char *key, const char *value)
{
    if (value[0])
        printf("%s: %s\n", key, value);
}

static void print_table(const report *r)
{
    size_t count;
    print_origin("device", trace_device(r->reader));
    print_origin("policy", trace_policy(r->reader));
    print_origin("workload", trace_workload(r->reader));
    printf("%zu requests, %zu served, %zu dropped in %.3f s: %.6g requests/s\n\n", r->all.requests,
           r->all.served, r->all.dropped, (double)(r->last_ns - r->first_ns) / 1e9,
           throughput_rps(r));
    printf("%-24s %9s %9s %9s %10s %10s %10s %10s\n", "model", "requests", "served", "dropped",
           "mean ms", "p50 ms", "p99 ms", "missed");
    for (size_t m = 0; m < r->model_count; m++)
        print_group(trace_models(r->reader, &count)[m], &r->models[m]);
    print_group("all", &r->all);
    printf("\n%-24s %9s %9s %9s\n", "processor", "runs", "requests", "busy");
    for (size_t p = 0; p < r->processor_count; p++)
        printf("%-24s %9zu %9zu %8.1f%%\n", trace_processors(r->reader, &count)[p],
               r->processors[p].runs, r->processors[p].requests, 100 * busy_share(r, p));
}

static int run(const cli_call *call)
{
    const trace_values *v = call->values;
    report r = {0};
    cosrel_error err = {""};
    if (v->chrome && !cli_can_write(v->chrome))
        return cli_wrong(call->command, "--chrome: cannot write to the folder of '%s'", v->chrome);
    cosrel_status status = trace_open(call->args[0], &r.reader, &err);
    if (status == COSREL_OK)
        status = v->chrome ? read_and_export(&r, v->chrome, &err) : read_all(&r, NULL, &err);
    if (status == COSREL_OK)
        status = summarise_all(&r);
    int result = CLI_DONE;
    if (status != COSREL_OK)
        result = cli_fail(call->command, status, &err);
    else if (v->json)
        result = print_json(call, &r);
    else
        print_table(&r);
    trace_close(r.reader);
    free(r.models);
    free(r.processors);
    return result;
}

const cli_command command_trace = {
    .name = "trace",
    .summary = "Sum up a trace or a recording, or turn it into a picture",
    .arguments = "FILE.jsonl [options]",
    .details = "Traces come from 'cosrel sim --trace'. What was not served when the trace ends is "
               "neither served nor dropped.",
    .example = "cosrel trace run.jsonl --chrome run.json",
    .options = OPTIONS,
    .option_count = sizeof OPTIONS / sizeof OPTIONS[0],
    .arg_count_min = 1,
    .arg_count_max = 1,
    .arg_missing = "the trace is missing",
    .values_bytes = sizeof(trace_values),
    .run = run,
};
