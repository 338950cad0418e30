#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "bench_job.h"
#include "bench_json.h"
#include "bench_learn.h"
#include "bench_measure.h"
#include "bench_plan.h"
#include "bench_report.h"
#include "bench_table.h"
#include "commands.h"
#include "interrupt.h"
#include "open.h"
#include "sched/objective.h"

/* Chosen: the longest queue that the clients of the largest workload can fill; see WAITING_MAX in
 * bench_load.c. */
enum { REQUESTS_MAX = 16384 };

/* Chosen: a few runs of the slowest reference model, so that every cache and clock is as it stays.
 */
static const double WARMUP_S = 0.5;

typedef struct bench_values {
    open_values open;
    const char *models;
    const char *policies;
    const char *workload;
    const char *objective;
    const char *profile;
    const char *report;
    const char *record;
    double seconds;
    double profile_cell_ms;
    int64_t rounds;
    int64_t seed;
    bool json;
    bool learn;
} bench_values;

static const bench_values DEFAULTS = {.seconds = 5, .profile_cell_ms = 300, .rounds = 3, .seed = 1};

static const cli_option OPTIONS[] = {
    {.name = "models",
     .kind = CLI_TEXT,
     .value = "DIR",
     .help = "folder of models (needed)",
     .offset = offsetof(bench_values, models)},
    {.name = "policies",
     .kind = CLI_TEXT,
     .value = "A,B",
     .help = "what to compare; ort-default is what people do today;\ndefault: all",
     .offset = offsetof(bench_values, policies)},
    {.name = "workload",
     .kind = CLI_TEXT,
     .value = "FILE",
     .help = "YAML file of streams; default: every model\nclosed-loop, one client each",
     .offset = offsetof(bench_values, workload)},
    {.name = "seconds",
     .kind = CLI_NUMBER,
     .value = "S",
     .help = "measured per policy and round; default: 5",
     .offset = offsetof(bench_values, seconds),
     .min = 0.1,
     .max = 86400},
    {.name = "rounds",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "each runs every policy once; default: 3",
     .offset = offsetof(bench_values, rounds),
     .min = 1,
     .max = 1000},
    {.name = "objective",
     .kind = CLI_TEXT,
     .value = "NAME",
     .help = "latency, throughput, deadline, energy or balanced;\ndefault: latency",
     .offset = offsetof(bench_values, objective)},
    {.name = "learn",
     .kind = CLI_FLAG,
     .help = "the policy 'learned' goes on learning meanwhile",
     .offset = offsetof(bench_values, learn)},
    {.name = "json",
     .kind = CLI_FLAG,
     .help = "one JSON object on standard output instead of the table",
     .offset = offsetof(bench_values, json)},
    {.name = "report",
     .kind = CLI_TEXT,
     .value = "FILE.html",
     .help = "write a report to look at in a browser",
     .offset = offsetof(bench_values, report)},
    {.name = "record",
     .kind = CLI_TEXT,
     .value = "DIR",
     .help = "write what happened in each run of Cosrel's policies\n(not ort-...) to "
             "DIR/POLICY-ROUND.jsonl, for\n'cosrel sim --replay'; or to a FILE.jsonl if it is one",
     .offset = offsetof(bench_values, record)},
    {.name = "profile",
     .kind = CLI_TEXT,
     .value = "FILE.csv",
     .help = "costs from 'cosrel profile'; default: measured first",
     .offset = offsetof(bench_values, profile)},
    {.name = "profile-cell-ms",
     .kind = CLI_NUMBER,
     .value = "MS",
     .help = "time for each model, processor and batch while\nmeasuring costs; default: 300",
     .offset = offsetof(bench_values, profile_cell_ms),
     .min = 1,
     .max = 3.6e6},
    {.name = "seed",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "of inputs and arrivals; default: 1",
     .offset = offsetof(bench_values, seed),
     .min = 0,
     .max = 9007199254740992.0},
    OPEN_PROCESSORS(bench_values),
    OPEN_OPTIONS(bench_values),
};

typedef struct bench {
    const cli_call *call;
    const bench_values *v;
    bench_plan plan;
    bench_job *job;
    cosrel_runtime *rt;
    cosrel_learner *learner; /* NULL: it does not */
    progress shown;
    open_log log;
    json_t *notes;
    json_t *emulated; /* names of emulated processors */
} bench;

static cosrel_status load_models(bench *b, cosrel_error *err)
{
    cosrel_status status = COSREL_OK;
    atomic_store(&b->log.hold, true);
    for (int i = 0; i < b->job->model_count && status == COSREL_OK; i++) {
        status = interrupt_seen() ? COSREL_CANCELLED
                                  : cosrel_runtime_load(b->rt, b->job->models[i].path, err);
        progress_show(&b->shown, b->job->models[i].name, (i + 1.0) / b->job->model_count, -1);
    }
    atomic_store(&b->log.hold, false);
    progress_end(&b->shown);
    return status;
}

static cosrel_status profile_models(bench *b, cosrel_error *err)
{
    /* Batches beyond 8 keep a deadline stream waiting longer than they could ever gain on an edge
     * device (chosen). */
    const cosrel_profile_options options = {.struct_bytes = sizeof options,
                                            .cell_ns = (int64_t)(b->v->profile_cell_ms * 1e6),
                                            .batch_max = 8};
    progress_begin(&b->shown, "profile", b->v->open.quiet);
    const cosrel_status status = cosrel_runtime_profile(b->rt, &options, err);
    progress_end(&b->shown);
    return status;
}

static void note_emulated(bench *b)
{
    for (size_t i = 0; i < cosrel_runtime_processor_count(b->rt); i++) {
        cosrel_processor_info info;
        char text[160];
        cosrel_runtime_processor(b->rt, i, &info);
        if (!open_processor_label(&info)[0])
            continue;
        json_array_append_new(b->emulated, json_string(info.name));
        snprintf(text, sizeof text,
                 "%.64s is emulated: it takes a table's time and computes nothing.", info.name);
        json_array_append_new(b->notes, json_string(text));
    }
}

/* Every fault of the command line is found before anything is measured. */
static cosrel_status open_runtime(bench *b, cosrel_error *err)
{
    cosrel_options options;
    progress_begin(&b->shown, "load", b->v->open.quiet);
    /* Each model is a call of its own here, so load_models draws the bar; profiling gets its own.
     */
    open_options(&b->v->open, &b->log, &b->shown, &options);
    options.profile = b->v->profile;
    options.objective = b->v->objective;
    options.requests_max = REQUESTS_MAX;
    cosrel_status status = cosrel_runtime_open(&options, &b->rt, err);
    if (status != COSREL_OK)
        return status;
    for (int i = 0; i < b->plan.count && status == COSREL_OK; i++)
        if (!b->plan.policies[i].baseline)
            status = cosrel_runtime_set_policy(b->rt, b->plan.policies[i].spec, err);
    if (status == COSREL_OK)
        status = load_models(b, err);
    if (status == COSREL_OK && !b->v->profile)
        status = profile_models(b, err);
    if (status == COSREL_OK && b->v->learn)
        status = bench_learn_open(b->rt, (uint64_t)b->v->seed, &b->learner, err);
    if (status == COSREL_OK)
        note_emulated(b);
    return status;
}

static void print_results(const bench *b, const json_t *results)
{
    if (b->v->json) {
        json_t *shown = bench_json_public(results);
        if (json_array_size(b->emulated) > 0)
            json_object_set(shown, "emulated_processors", b->emulated);
        if (b->learner)
            json_object_set_new(shown, "learner", bench_learn_json(b->learner));
        json_dumpf(shown, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
        putchar('\n');
        json_decref(shown);
        return;
    }
    bench_table_print(stdout, &b->plan, b->job, results);
    size_t i;
    json_t *note;
    json_array_foreach(b->notes, i, note) printf("Note: %s\n", json_string_value(note));
}

static cosrel_status write_report(const bench *b, const json_t *results, cosrel_error *err)
{
    const bench_report report = {.plan = &b->plan,
                                 .job = b->job,
                                 .results = results,
                                 .command_line = b->call->command_line,
                                 .rounds = (int)b->v->rounds,
                                 .rt = b->rt,
                                 .notes = b->notes};
    json_t *data = bench_report_data(&report);
    if (!data)
        return COSREL_OUT_OF_MEMORY;
    const cosrel_status status = bench_report_write(b->v->report, data, err);
    json_decref(data);
    if (status == COSREL_OK && !b->v->json)
        printf("Report: %s\n", b->v->report);
    return status;
}

static int measure(bench *b)
{
    const bench_measure m = {.plan = &b->plan,
                             .job = b->job,
                             .rt = b->rt,
                             .models = b->v->models,
                             .workload = b->v->workload,
                             .rounds = (int)b->v->rounds,
                             .timelines = b->v->report != NULL,
                             .record = b->v->record,
                             .shown = &b->shown};
    cosrel_error err = {""};
    json_t *results;
    progress_begin(&b->shown, "bench", b->v->open.quiet);
    const cosrel_status measured = bench_measure_all(&m, b->notes, &results, &err);
    progress_end(&b->shown);
    if (!results)
        return cli_fail(b->call->command, measured, &err);
    const size_t runs = json_array_size(json_object_get(results, "runs"));
    const size_t wanted = (size_t)b->v->rounds * (size_t)b->plan.count;
    char text[96];
    snprintf(text, sizeof text, "interrupted: these are %zu of %zu runs", runs, wanted);
    if (interrupt_seen())
        json_array_append_new(b->notes, json_string(text));
    char learned[256];
    if (b->learner) {
        bench_learn_sentence(b->learner, learned, sizeof learned);
        json_array_append_new(b->notes, json_string(learned));
    }
    print_results(b, results);
    cosrel_error unwritten = {""};
    cosrel_status written = COSREL_OK;
    if (b->v->report)
        written = write_report(b, results, &unwritten);
    json_decref(results);
    if (written != COSREL_OK)
        return cli_fail(b->call->command, written, &unwritten);
    if (measured != COSREL_OK)
        return cli_fail(b->call->command, measured, &err);
    if (interrupt_seen()) {
        cli_say(b->call->command, "%s", text);
        return CLI_FAILED;
    }
    return CLI_DONE;
}

/* The folder is made before anything is measured. */
static cosrel_status prepare_record(const bench *b, cosrel_error *err)
{
    const char *record = b->v->record;
    int runs = 0;
    for (int i = 0; i < b->plan.count; i++)
        runs += b->plan.policies[i].baseline ? 0 : (int)b->v->rounds;
    if (runs == 0)
        return error_set(
            err, COSREL_INVALID_ARGUMENT,
            "--record: only Cosrel's policies are recorded, and --policies names none");
    if (!bench_record_is_file(record))
        return file_make_folder(record, err);
    if (runs > 1)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "--record: '%s' is one file for %d runs; expected a folder", record, runs);
    return cli_can_write(record)
               ? COSREL_OK
               : error_set(err, COSREL_INVALID_ARGUMENT,
                           "--record: cannot write to the folder of '%s'", record);
}

static int prepare_and_measure(bench *b)
{
    cosrel_error err = {""};
    const bench_values *v = b->v;
    cosrel_status status = bench_plan_make(v->policies, &b->plan, &err);
    if (status == COSREL_OK && v->learn && !bench_learn_fits(&b->plan))
        status = error_set(&err, COSREL_INVALID_ARGUMENT,
                           "--learn: only 'learned' learns, and --policies does not name it");
    if (status == COSREL_OK && v->record)
        status = prepare_record(b, &err);
    if (status == COSREL_OK)
        status = bench_job_make(v->models, v->workload, NULL, (uint64_t)v->seed, &b->job, &err);
    if (status == COSREL_OK) {
        b->job->seconds = v->seconds;
        b->job->warmup_s = WARMUP_S;
        if (b->plan.any_cosrel)
            status = open_runtime(b, &err);
    }
    if (interrupt_seen() && (status == COSREL_OK || status == COSREL_CANCELLED)) {
        cli_say(b->call->command, "interrupted before anything was measured");
        return CLI_FAILED;
    }
    return status == COSREL_OK ? measure(b) : cli_fail(b->call->command, status, &err);
}

static int run(const cli_call *call)
{
    bench b = {.call = call, .v = call->values, .log = {.command = call->command}};
    if (!b.v->models)
        return cli_wrong(call->command, "--models is missing: the folder of models");
    if (b.v->report && !cli_can_write(b.v->report))
        return cli_wrong(call->command, "--report: cannot write to the folder of '%s'",
                         b.v->report);
    sched_objective objective;
    cosrel_error err = {""};
    if (b.v->objective && objective_find(b.v->objective, &objective, &err) != COSREL_OK)
        return cli_wrong(call->command, "--objective: %s", err.text);
    b.notes = json_array();
    b.emulated = json_array();
    const int status = prepare_and_measure(&b);
    progress_end(&b.shown);
    cosrel_learner_close(b.learner);
    cosrel_runtime_close(b.rt);
    bench_job_free(b.job);
    bench_plan_free(&b.plan);
    json_decref(b.notes);
    json_decref(b.emulated);
    return status;
}

const cli_command command_bench = {
    .name = "bench",
    .summary = "Compare policies on real inference, side by side",
    .arguments = "--models DIR [options]",
    .details =
        "Policies: ort-default, ort-nospin, ort-1thread, ort-globalpool (plain ONNX Runtime),\n"
        "single:PROCESSOR, round-robin, static-best, shortest-latency, heft, least-slack,\n"
        "max-weight, min-min, priced, lookahead. They take turns, round after round; each model\n"
        "alone on all cores is the measure of normalized throughput. Ctrl-C shows what was\n"
        "measured so far.",
    .example = "cosrel bench --models models --workload workloads/demo.yaml --policies "
               "ort-default,min-min --report r.html",
    .options = OPTIONS,
    .option_count = sizeof OPTIONS / sizeof OPTIONS[0],
    .defaults = &DEFAULTS,
    .values_bytes = sizeof DEFAULTS,
    .run = run,
};
