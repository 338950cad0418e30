#include "bench_report.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/file.h"
#include "device/ort.h"
#include "embedded.h"
#include "machine.h"

static json_t *processors(cosrel_runtime *rt)
{
    json_t *list = json_array();
    for (size_t i = 0; rt && i < cosrel_runtime_processor_count(rt); i++) {
        cosrel_processor_info info;
        cosrel_runtime_processor(rt, i, &info);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:b}", "name", info.name,
                                              "kind", info.kind, "provider", info.provider,
                                              "description", info.description, "emulated",
                                              strcmp(info.kind, "emulated") == 0));
    }
    return list;
}

static json_t *optional(double value)
{
    return value > 0 ? json_real(value) : json_null();
}

json_t *bench_workload_json(const workload *w, double seconds)
{
    json_t *streams = json_array();
    for (uint32_t i = 0; i < w->stream_count; i++) {
        const workload_stream *s = &w->streams[i];
        json_array_append_new(
            streams,
            json_pack("{s:s, s:s, s:s?, s:o, s:o, s:o, s:s}", "model", s->model, "kind",
                      workload_kind_name(s->kind), "after", s->after, "rate_hz",
                      optional(s->rate_hz), "deadline_ms", optional(s->deadline_ms), "in_flight",
                      s->in_flight ? json_integer((json_int_t)s->in_flight) : json_null(),
                      "priority", workload_priority_name(s->priority)));
    }
    return json_pack("{s:s, s:f, s:o}", "name", w->name, "seconds", seconds, "streams", streams);
}

static json_t *policies(const bench_plan *plan)
{
    json_t *list = json_array();
    for (int i = 0; i < plan->count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "name", plan->policies[i].spec,
                                              "summary", plan->policies[i].summary, "baseline",
                                              plan->policies[i].baseline != NULL));
    return list;
}

static json_t *profile(const bench_report *r)
{
    json_t *rows = json_array();
    for (int m = 0; r->rt && m < r->job->model_count; m++) {
        const cosrel_model *model = cosrel_runtime_find_model(r->rt, r->job->models[m].name, 0);
        for (size_t p = 0; model && p < cosrel_runtime_processor_count(r->rt); p++) {
            cosrel_processor_info info;
            cosrel_runtime_processor(r->rt, p, &info);
            /* Powers of two: what profiling tries; an estimate in between is that of the next
             * smaller one. */
            for (int32_t batch = 1; batch <= 8; batch *= 2) {
                const int64_t cost_ns = cosrel_model_cost_ns(r->rt, model, p, batch);
                if (cost_ns > 0)
                    json_array_append_new(rows, json_pack("{s:s, s:s, s:i, s:f}", "model",
                                                          r->job->models[m].name, "processor",
                                                          info.name, "batch", (int)batch,
                                                          "latency_ms", (double)cost_ns / 1e6));
            }
        }
    }
    return rows;
}

void bench_time_now(char out[BENCH_TIME_BYTES])
{
    struct tm utc;
    const time_t now = time(NULL);
    if (!gmtime_r(&now, &utc) || strftime(out, BENCH_TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        out[0] = '\0';
}

json_t *bench_report_data(const bench_report *r)
{
    char created[BENCH_TIME_BYTES];
    bench_time_now(created);
    json_t *order = json_array();
    for (int m = 0; m < r->job->model_count; m++)
        json_array_append_new(order, json_string(r->job->models[m].name));
    const char *name = r->job->work->name[0] ? r->job->work->name : "Benchmark";
    json_t *data = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "title", name, "created", created,
                             "command", r->command_line, "cosrel", cosrel_version(), "onnxruntime",
                             ort_version(), "machine", machine_json());
    if (!data)
        return NULL;
    json_object_set_new(data, "processors", processors(r->rt));
    json_object_set_new(data, "workload", bench_workload_json(r->job->work, r->job->seconds));
    json_object_set(data, "alone", json_object_get(r->results, "alone"));
    json_object_set_new(data, "rounds", json_integer(r->rounds));
    json_object_set(data, "runs", json_object_get(r->results, "runs"));
    json_object_set_new(data, "policies", policies(r->plan));
    json_object_set_new(data, "model_order", order);
    json_object_set_new(data, "profile", profile(r));
    json_object_set(data, "notes", r->notes);
    return data;
}

/* '<' may stand in JSON only within strings, where its escape means the same: the data cannot end
 * their element. */
static void write_data(FILE *out, const char *json)
{
    for (const char *at = json; *at;) {
        const size_t plain = strcspn(at, "<");
        fwrite(at, 1, plain, out);
        at += plain;
        if (*at == '<') {
            fputs("\\u003c", out);
            at++;
        }
    }
}

static void write_part(FILE *out, const char *name, size_t length, const char *json)
{
    if (length == 3 && memcmp(name, "css", 3) == 0)
        fwrite(embedded_report_css, 1, embedded_report_css_bytes, out);
    else if (length == 2 && memcmp(name, "js", 2) == 0)
        fwrite(embedded_report_js, 1, embedded_report_js_bytes, out);
    else if (length == 4 && memcmp(name, "data", 4) == 0)
        write_data(out, json);
}

/* One pass over the page, so that data which happens to look like a placeholder stays data. */
static void write_page(FILE *out, const char *json)
{
    const char *page = (const char *)embedded_report_html; /* NUL-terminated */
    for (;;) {
        const char *from = strstr(page, "/*{");
        const char *to = from ? strstr(from, "}*/") : NULL;
        if (!to) {
            fputs(page, out);
            return;
        }
        fwrite(page, 1, (size_t)(from - page), out);
        write_part(out, from + 3, (size_t)(to - from - 3), json);
        page = to + 3;
    }
}

cosrel_status bench_report_write(const char *path, const json_t *data, cosrel_error *err)
{
    char *json = json_dumps(data, JSON_COMPACT);
    if (!json)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for the report", path);
    file_save save;
    cosrel_status status = file_save_begin(&save, path, err);
    if (status == COSREL_OK) {
        write_page(save.stream, json);
        status = file_save_commit(&save, err);
    }
    free(json);
    return status;
}
