/* A simulation is put into the shape of a run of the benchmark (bench_run.h), so that both make
 * their data by the same code and the page cannot tell them apart but for `simulation`, which says
 * what was simulated. Percentiles are exact here; the histogram's are within 3 %. */
#include "sim_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "bench_json.h"
#include "bench_report.h"
#include "bench_run.h"
#include "cosrel/cosrel.h"

/* Chosen: about 70 kB of page per policy; at the speed of a fast device some seconds. */
enum { RUNS_SHOWN = 2000 };

/* What is remembered of a request until it ends. */
typedef struct asked {
    int64_t deadline_ns;
    int model; /* of the page */
} asked;

struct sim_report {
    const sim_job *job;
    sim_report_about about;
    bench_job models; /* those that are asked for */
    int *model_index; /* per model of the device; -1: not asked for */
    int64_t shown_from_ns;
    bench_run run; /* the one under way */
    const char *policy;
    asked *requests; /* by the source's id */
    size_t request_count, request_room;
    uint64_t *dropped; /* per model of the page */
    bool failed;       /* no memory for a request */
    json_t *runs, *policies, *notes;
};

/* ---- Setting up ---- */

static bool is_asked(const sim_job *job, int model)
{
    for (uint32_t i = 0; job->work && i < job->work->stream_count; i++)
        if (strcmp(job->work->streams[i].model, job->device.models[model]) == 0)
            return true;
    for (size_t i = 0; job->arrivals && i < job->arrivals->count; i++)
        if (job->arrivals->rows[i].model == model)
            return true;
    return false;
}

static double asked_seconds(const sim_job *job)
{
    if (job->until_ns != INT64_MAX)
        return (double)job->until_ns / 1e9;
    const arrivals_list *list = job->arrivals;
    return list && list->count > 0 ? (double)list->rows[list->count - 1].t_ns / 1e9 : 0;
}

/* The timeline begins in the middle, where nothing starts or ends, unless all of it can be shown.
 */
static int64_t shown_from(const sim_job *job)
{
    double requests = 0;
    const double seconds = asked_seconds(job);
    if (job->arrivals)
        requests = (double)job->arrivals->count;
    for (uint32_t i = 0; job->work && i < job->work->stream_count; i++) {
        const workload_stream *s = &job->work->streams[i];
        requests += s->rate_hz > 0 ? s->rate_hz * seconds : RUNS_SHOWN; /* by answers: many */
    }
    return requests < RUNS_SHOWN ? 0 : (int64_t)(seconds / 2 * 1e9);
}

cosrel_status sim_report_create(const sim_job *job, const sim_report_about *about, sim_report **out,
                                cosrel_error *err)
{
    const size_t count = (size_t)job->device.model_count;
    sim_report *r = *out = calloc(1, sizeof *r);
    if (!r)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a report");
    r->job = job;
    r->about = *about;
    r->models.models = calloc(count + 1, sizeof *r->models.models);
    r->model_index = calloc(count + 1, sizeof *r->model_index);
    r->dropped = calloc(count + 1, sizeof *r->dropped);
    r->runs = json_array();
    r->policies = json_array();
    r->notes = json_array();
    if (!r->models.models || !r->model_index || !r->dropped || !r->runs || !r->policies ||
        !r->notes)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a report");
    for (int m = 0; m < job->device.model_count; m++) {
        r->model_index[m] = is_asked(job, m) ? r->models.model_count : -1;
        if (r->model_index[m] >= 0)
            r->models.models[r->models.model_count++].name =
                (char *)(uintptr_t)job->device.models[m];
    }
    r->models.seconds = asked_seconds(job);
    r->shown_from_ns = shown_from(job);
    return COSREL_OK;
}

static void end_run(sim_report *r)
{
    if (r->policy)
        bench_run_end(&r->run);
    r->policy = NULL;
}

void sim_report_free(sim_report *r)
{
    if (!r)
        return;
    end_run(r);
    free(r->models.models);
    free(r->model_index);
    free(r->requests);
    free(r->dropped);
    json_decref(r->runs);
    json_decref(r->policies);
    json_decref(r->notes);
    free(r);
}

/* ---- Watching ---- */

cosrel_status sim_report_begin(sim_report *r, const char *policy, cosrel_error *err)
{
    end_run(r);
    const cosrel_status status = bench_run_begin(&r->run, &r->models, policy, 1, true, err);
    if (status != COSREL_OK)
        return status;
    r->policy = policy;
    r->run.timeline->start_ns = r->shown_from_ns;
    r->run.timeline->end_ns = INT64_MAX;
    r->request_count = 0;
    memset(r->dropped, 0, (size_t)r->models.model_count * sizeof *r->dropped);
    return COSREL_OK;
}

void sim_report_arrival(sim_report *r, const source_request *request)
{
    if (!r)
        return;
    if (request->id >= r->request_room) {
        size_t room = r->request_room ? r->request_room : 1024;
        while (room <= request->id)
            room *= 2;
        asked *grown = realloc(r->requests, room * sizeof *grown);
        if (!grown) {
            r->failed = true;
            return;
        }
        r->requests = grown;
        r->request_room = room;
    }
    while (r->request_count <= request->id)
        r->requests[r->request_count++] = (asked){.deadline_ns = INT64_MAX};
    r->requests[request->id] = (asked){.deadline_ns = request->deadline_ns,
                                       .model = r->model_index[request->model]};
}

void sim_report_run(sim_report *r, int64_t start_ns, int64_t end_ns, int processor, int model,
                    const uint32_t *ids, int count, bool ok)
{
    bench_timeline *t = r ? r->run.timeline : NULL;
    const int index = r ? r->model_index[model] : -1;
    if (!t || index < 0 || end_ns < t->start_ns || start_ns > t->end_ns)
        return;
    bench_run_span(&r->run, r->job->device.processors[processor].name, index, start_ns, end_ns,
                   count);
    for (int i = 0; i < count && ok; i++)
        if (ids[i] < r->request_count && end_ns > r->requests[ids[i]].deadline_ns) {
            bench_run_late(&r->run, index, start_ns);
            break;
        }
    /* Those that go on now are still told. */
    if (t->span_count >= RUNS_SHOWN && t->end_ns > end_ns)
        t->end_ns = end_ns;
}

void sim_report_drop(sim_report *r, uint32_t id)
{
    if (r && id < r->request_count && r->requests[id].model >= 0)
        r->dropped[r->requests[id].model]++;
}

void sim_report_note(sim_report *r, const char *text)
{
    json_array_append_new(r->notes, json_string(text));
}

/* ---- One run as data ---- */

static void fill_tallies(sim_report *r, const sim_result *result)
{
    for (int m = 0; m < result->model_count; m++) {
        const sim_model_result *from = &result->models[m];
        const int index = r->model_index[m];
        if (index < 0)
            continue;
        bench_tally *t = &r->run.tallies[index];
        t->completed = from->served;
        t->failed = r->dropped[index];
        t->due = from->with_deadline;
        t->missed = from->missed;
        for (uint64_t i = 0; i < from->served; i++)
            hist_add(&t->latency, llround(from->latency_ms[i] * 1e6));
    }
}

static json_t *processors_of(const sim_report *r, const sim_result *result)
{
    json_t *all = json_object();
    for (int p = 0; p < result->processor_count; p++)
        json_object_set_new(all, r->job->device.processors[p].name,
                            json_pack("{s:f, s:I}", "busy_s",
                                      (double)result->processors[p].busy_ns / 1e9, "runs",
                                      (json_int_t)result->processors[p].runs));
    return all;
}

static cosrel_status set_exact(const sim_report *r, const sim_result *result, json_t *run)
{
    for (int m = 0; m < result->model_count; m++) {
        json_t *model = json_object_get(json_object_get(run, "models"), r->job->device.models[m]);
        sim_summary s;
        const cosrel_status status = sim_summarise(result, m, &s);
        if (status != COSREL_OK)
            return status;
        if (!model)
            continue;
        json_object_set_new(model, "mean_ms", json_real(s.mean_ms));
        json_object_set_new(model, "p50_ms", json_real(s.p50_ms));
        json_object_set_new(model, "p99_ms", json_real(s.p99_ms));
    }
    return COSREL_OK;
}

static const char *summary_of(const char *policy)
{
    const char *name, *summary;
    const size_t length = strcspn(policy, ":");
    for (size_t i = 0; cosrel_policy_at(i, &name, &summary); i++)
        if (strlen(name) == length && strncmp(name, policy, length) == 0)
            return summary;
    return "";
}

cosrel_status sim_report_add(sim_report *r, const sim_result *result, cosrel_error *err)
{
    bench_run *run = &r->run;
    run->start_ns = result->first_arrival_ns;
    atomic_store(&run->end_ns,
                 result->last_end_ns > run->start_ns ? result->last_end_ns : run->start_ns + 1);
    if (run->timeline->end_ns == INT64_MAX)
        run->timeline->end_ns = result->last_end_ns;
    if (run->timeline->start_ns < run->start_ns)
        run->timeline->start_ns = run->start_ns;
    if (result->energy_uj > 0)
        run->energy_j = result->energy_uj / 1e6;
    if (result->left > 0)
        snprintf(run->problem, sizeof run->problem, "%llu requests were never served",
                 (unsigned long long)result->left);
    fill_tallies(r, result);
    run->processors = processors_of(r, result);
    json_t *json = r->failed ? NULL : bench_run_json(run);
    json_t *policy = json_pack("{s:s, s:s, s:b}", "name", r->policy, "summary",
                               summary_of(r->policy), "baseline", 0);
    const bool done = json && policy && set_exact(r, result, json) == COSREL_OK;
    if (done) {
        json_object_set_new(json, "cpu_seconds", json_null());
        json_array_append(r->runs, json);
        json_array_append(r->policies, policy);
    }
    json_decref(json);
    json_decref(policy);
    end_run(r);
    return done ? COSREL_OK : error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a report");
}

/* ---- The page's data ---- */

/* Requests per second on the processor that is fastest for the model, one run after another, at the
 * smallest batch that the table has: the measure of normalized throughput. */
static json_t *alone(const sim_report *r)
{
    const cost_table *costs = &r->job->device.costs;
    json_t *all = json_object();
    for (int m = 0; m < costs->model_count; m++) {
        double best_rps = 0;
        for (int b = 0; b < costs->batch_count && best_rps == 0; b++)
            for (int p = 0; p < costs->processor_count; p++) {
                const int64_t ns = cost_at(costs, m, p, b)->service_ns;
                const double rps = ns > 0 ? costs->batches[b] * 1e9 / (double)ns : 0;
                best_rps = rps > best_rps ? rps : best_rps;
            }
        if (r->model_index[m] >= 0 && best_rps > 0)
            json_object_set_new(all, r->job->device.models[m], json_real(best_rps));
    }
    return all;
}

static json_t *processors(const sim_report *r)
{
    json_t *list = json_array();
    for (int p = 0; p < r->job->device.processor_count; p++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "name",
                                              r->job->device.processors[p].name, "kind",
                                              r->job->device.processors[p].level > 0
                                                  ? "background, on what the others leave"
                                                  : "",
                                              "emulated", 0));
    return list;
}

static json_t *profile(const sim_report *r)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < table_row_count(r->job->table); i++) {
        const table_row *row = table_row_at(r->job->table, i);
        int m = 0;
        while (strcmp(r->job->device.models[m], row->model) != 0)
            m++;
        if (r->model_index[m] >= 0)
            json_array_append_new(rows, json_pack("{s:s, s:s, s:i, s:f}", "model", row->model,
                                                  "processor", row->processor, "batch",
                                                  (int)row->batch, "latency_ms", row->latency_ms));
    }
    return rows;
}

/* Rows of a file, as a stream per model; a deadline where all of the model's rows have the same. */
static json_t *streams_of_rows(const sim_report *r)
{
    json_t *streams = json_array();
    const arrivals_list *list = r->job->arrivals;
    for (int m = 0; m < r->job->device.model_count; m++) {
        int64_t deadline_ns = 0;
        size_t count = 0;
        bool same = true;
        for (size_t i = 0; i < list->count; i++) {
            const arrivals_row *row = &list->rows[i];
            if (row->model != m)
                continue;
            const int64_t ns = row->deadline_ns == INT64_MAX ? 0 : row->deadline_ns - row->t_ns;
            same = same && (count == 0 || ns == deadline_ns);
            deadline_ns = ns;
            count++;
        }
        if (count == 0)
            continue;
        json_t *deadline = same && deadline_ns > 0 ? json_real((double)deadline_ns / 1e6)
                                                   : json_null();
        json_array_append_new(
            streams, json_pack("{s:s, s:s, s:I, s:o}", "model", r->job->device.models[m], "kind",
                               "recorded", "requests", (json_int_t)count, "deadline_ms", deadline));
    }
    return streams;
}

static json_t *workload_of(const sim_report *r)
{
    if (r->job->work)
        return bench_workload_json(r->job->work, r->models.seconds);
    return json_pack("{s:s, s:f, s:o}", "name", r->about.title, "seconds", r->models.seconds,
                     "streams", streams_of_rows(r));
}

static json_t *simulation(const sim_report *r)
{
    const char *device = table_row_at(r->job->table, 0)->device;
    return json_pack("{s:s, s:s, s:s, s:I, s:i, s:b}", "device", device[0] ? device : "a device",
                     "table", r->about.device, "objective", r->about.objective, "seed",
                     (json_int_t)r->job->seed, "runs_shown", RUNS_SHOWN, "from_middle",
                     r->shown_from_ns > 0);
}

static json_t *page_data(sim_report *r)
{
    char created[BENCH_TIME_BYTES];
    bench_time_now(created);
    json_t *order = json_array();
    for (int m = 0; m < r->models.model_count; m++)
        json_array_append_new(order, json_string(r->models.models[m].name));
    json_t *data = json_pack("{s:s, s:s, s:s, s:s, s:o, s:i, s:O, s:O, s:O}", "title",
                             r->about.title, "created", created, "command", r->about.command_line,
                             "cosrel", cosrel_version(), "alone", alone(r), "rounds", 1, "runs",
                             r->runs, "policies", r->policies, "notes", r->notes);
    if (!data) {
        json_decref(order);
        return NULL;
    }
    json_object_set_new(data, "simulation", simulation(r));
    json_object_set_new(data, "processors", processors(r));
    json_object_set_new(data, "workload", workload_of(r));
    json_object_set_new(data, "model_order", order);
    json_object_set_new(data, "profile", profile(r));
    bench_json_normalize(data);
    return data;
}

cosrel_status sim_report_write(sim_report *r, const char *path, cosrel_error *err)
{
    json_t *data = page_data(r);
    if (!data)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for the report", path);
    const cosrel_status status = bench_report_write(path, data, err);
    json_decref(data);
    return status;
}
