#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "commands.h"
#include "interrupt.h"
#include "progress.h"
#include "sim_job.h"
#include "sim_print.h"
#include "sim_report.h"
#include "sim_trace.h"

typedef struct sim_values {
    sim_job_options job;
    const char *trace;
    const char *chrome;
    const char *report;
    const char *policies;
    const char *objective;
    double seconds;
    int64_t seed;
    int64_t patience;
    bool drop_late;
    bool check;
    bool json;
    bool quiet;
} sim_values;

static const sim_values DEFAULTS = {.policies = "min-min", .objective = "latency", .seed = 1};

static const cli_option OPTIONS[] = {
    {.name = "device",
     .kind = CLI_TEXT,
     .value = "D.csv",
     .help = "device table: what each model costs where (needed)",
     .offset = offsetof(sim_values, job.device)},
    {.name = "arrivals",
     .kind = CLI_TEXT,
     .value = "A.csv",
     .help = "requests: t_ms,model,deadline_ms",
     .offset = offsetof(sim_values, job.arrivals)},
    {.name = "workload",
     .kind = CLI_TEXT,
     .value = "W.yaml",
     .help = "or streams of requests, as for 'cosrel bench'",
     .offset = offsetof(sim_values, job.workload)},
    {.name = "replay",
     .kind = CLI_TEXT,
     .value = "R.jsonl",
     .help =
         "or those of a recording ('cosrel bench --record');\nwhat it measured stands beside the "
         "result",
     .offset = offsetof(sim_values, job.replay)},
    {.name = "seconds",
     .kind = CLI_NUMBER,
     .value = "S",
     .help = "of a workload that does not end by itself; default: 60",
     .offset = offsetof(sim_values, seconds),
     .min = 1e-3,
     .max = 1e7},
    {.name = "policy",
     .kind = CLI_TEXT,
     .value = "NAME,..",
     .help = "one or several, one after another on the same\nrequests; default: min-min",
     .offset = offsetof(sim_values, policies)},
    {.name = "objective",
     .kind = CLI_TEXT,
     .value = "NAME",
     .help =
         "latency (default), throughput, deadline, energy or\nbalanced; for policies that weigh "
         "consequences",
     .offset = offsetof(sim_values, objective)},
    {.name = "seed",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "of requests, policies and effects; default: 1",
     .offset = offsetof(sim_values, seed),
     .min = 0,
     .max = 9007199254740992.0},
    {.name = "drop-late",
     .kind = CLI_FLAG,
     .help = "drop requests that can no longer meet their deadline",
     .offset = offsetof(sim_values, drop_late)},
    {.name = "patience",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "a model that waits N times the slowest waiting one's\ncost goes first, as in the "
             "runtime (8); default: 0, never",
     .offset = offsetof(sim_values, patience),
     .min = 0,
     .max = 1000000},
    {.name = "trace",
     .kind = CLI_TEXT,
     .value = "T.jsonl",
     .help = "write what happened, as JSON lines; one policy",
     .offset = offsetof(sim_values, trace)},
    {.name = "chrome",
     .kind = CLI_TEXT,
     .value = "T.json",
     .help = "the same for ui.perfetto.dev or chrome://tracing",
     .offset = offsetof(sim_values, chrome)},
    {.name = "report",
     .kind = CLI_TEXT,
     .value = "R.html",
     .help = "write a report to look at in a browser",
     .offset = offsetof(sim_values, report)},
    {.name = "effects",
     .kind = CLI_TEXT,
     .value = "E.yaml",
     .help = "what the device does beyond its table: where the\noptions below have their numbers "
             "from; default: beside\nthe table, D.yaml, else built in",
     .offset = offsetof(sim_values, job.effects.file)},
    {.name = "noise",
     .kind = CLI_TEXT,
     .value = "CV",
     .help = "run times scatter: coefficient of variation, as 0.1,\nor 'default': as E.yaml says",
     .offset = offsetof(sim_values, job.effects.noise)},
    {.name = "interference",
     .kind = CLI_FLAG,
     .help = "busy processors slow each other down",
     .offset = offsetof(sim_values, job.effects.interference)},
    {.name = "heat",
     .kind = CLI_FLAG,
     .help = "the device heats up and throttles",
     .offset = offsetof(sim_values, job.effects.heat)},
    {.name = "power-mode",
     .kind = CLI_TEXT,
     .value = "NAME",
     .help = "the device runs in this mode of E.yaml",
     .offset = offsetof(sim_values, job.effects.power_mode)},
    {.name = "load-times",
     .kind = CLI_FLAG,
     .help = "a model's first run on a processor loads it",
     .offset = offsetof(sim_values, job.effects.load_times)},
    {.name = "faults",
     .kind = CLI_FLAG,
     .help = "runs fail; processors fail, hang and come back",
     .offset = offsetof(sim_values, job.effects.faults)},
    {.name = "all-effects",
     .kind = CLI_FLAG,
     .help = "all that E.yaml describes",
     .offset = offsetof(sim_values, job.effects.all)},
    {.name = "json",
     .kind = CLI_FLAG,
     .help = "one JSON object on standard output",
     .offset = offsetof(sim_values, json)},
    {.name = "check",
     .kind = CLI_FLAG,
     .help = "check everything after every event (slow)",
     .offset = offsetof(sim_values, check)},
    {.name = "quiet",
     .kind = CLI_FLAG,
     .help = "no progress on standard error",
     .offset = offsetof(sim_values, quiet)},
};

typedef struct simulation {
    const cli_call *call;
    const sim_values *v;
    sim_job job;
    sched_objective objective;
    const char **policies;
    size_t policy_count;
    progress shown;
    double until_ns; /* for the progress bar; 0: unknown */
    const char *now; /* the policy that runs */
    json_t *results;
    sim_trace *trace;   /* NULL: not wanted */
    sim_report *report; /* likewise */
} simulation;

static bool going_on(void *user, int64_t now_ns, uint64_t served)
{
    simulation *s = user;
    (void)served;
    if (s->until_ns > 0)
        progress_show(&s->shown, s->now, (double)now_ns / s->until_ns, -1);
    return !interrupt_seen();
}

static void on_arrival(void *user, const source_request *request)
{
    simulation *s = user;
    sim_trace_arrival(s->trace, request);
    sim_report_arrival(s->report, request);
}

static void on_dispatch(void *user, int64_t start_ns, int64_t end_ns, int processor, int model,
                        const uint32_t *ids, int count)
{
    simulation *s = user;
    sim_trace_dispatch(s->trace, start_ns, end_ns, processor, model, ids, count);
}

static void on_end(void *user, int64_t start_ns, int64_t end_ns, int processor, int model,
                   const uint32_t *ids, int count, bool ok)
{
    simulation *s = user;
    sim_trace_run(s->trace, start_ns, end_ns, processor, model, ids, count, ok);
    sim_report_run(s->report, start_ns, end_ns, processor, model, ids, count, ok);
}

static void on_drop(void *user, int64_t now_ns, uint32_t id, sched_drop_reason reason)
{
    simulation *s = user;
    sim_trace_drop(s->trace, now_ns, id, reason);
    sim_report_drop(s->report, id);
}

static double end_of(const sim_job *job)
{
    if (job->until_ns != INT64_MAX)
        return (double)job->until_ns;
    return job->arrivals && job->arrivals->count > 0
               ? (double)job->arrivals->rows[job->arrivals->count - 1].t_ns
               : 0;
}

static cosrel_status run_policy(simulation *s, const char *policy, sim_result *out,
                                cosrel_error *err)
{
    source *requests = NULL;
    device_model *device = NULL;
    cosrel_status status = sim_job_source(&s->job, &requests, err);
    if (status == COSREL_OK)
        status = sim_job_device(&s->job, &device, err);
    if (status != COSREL_OK) {
        source_free(requests);
        return status;
    }
    const bool watched = s->trace || s->report;
    const sim_observer observer = {.user = s,
                                   .arrival = watched ? on_arrival : NULL,
                                   .dispatch = watched ? on_dispatch : NULL,
                                   .end = watched ? on_end : NULL,
                                   .drop = watched ? on_drop : NULL,
                                   .going_on = going_on};
    const sim_setup setup = {
        .sched = {.processors = s->job.device.processors,
                  .processor_count = s->job.device.processor_count,
                  .policy = policy,
                  .drop_late = s->v->drop_late,
                  .seed = (uint64_t)s->v->seed,
                  .patience = (int)s->v->patience,
                  .objective = s->objective},
        .costs = &s->job.device.costs,
        .models = s->job.device.models,
        .requests = requests,
        .device = device,
        .stopwatch_ns = clock_now_ns,
        .observer = &observer,
        .check = s->v->check,
    };
    s->now = policy;
    status = sim_run(&setup, out, err);
    if (status == COSREL_OK && source_status(requests) != COSREL_OK)
        status = error_set(err, source_status(requests), "no memory for the requests");
    device_model_free(device);
    source_free(requests);
    return status;
}

/* Whether runs can end at another time than was expected when they began. */
static bool ends_late(const sim_job *job)
{
    return job->device.names != NULL || job->effects != NULL;
}

/* Simulates one policy with all that watches it. */
static cosrel_status watch_policy(simulation *s, const char *policy, sim_result *out,
                                  cosrel_error *err)
{
    cosrel_status status = COSREL_OK;
    memset(out, 0, sizeof *out);
    if (s->v->trace || s->v->chrome)
        status = sim_trace_begin(s->v->trace, s->v->chrome, &s->job.device, ends_late(&s->job),
                                 &s->trace, err);
    if (status == COSREL_OK && s->report)
        status = sim_report_begin(s->report, policy, err);
    if (status == COSREL_OK)
        status = run_policy(s, policy, out, err);
    const cosrel_status written = sim_trace_end(s->trace, status == COSREL_OK,
                                                status == COSREL_OK ? err : NULL);
    s->trace = NULL;
    status = status == COSREL_OK ? written : status;
    if (status == COSREL_OK && s->report)
        status = sim_report_add(s->report, out, err);
    return status;
}

static cosrel_status show(simulation *s, const char *policy, const sim_result *result)
{
    if (!s->v->json) {
        cosrel_status status = sim_print_line(policy, result);
        if (status == COSREL_OK && s->job.recorded)
            status = sim_recorded_compare(s->job.recorded, policy, result);
        if (status == COSREL_OK && s->policy_count == 1)
            status = sim_print_details(result, s->job.device.models, s->job.device.processors);
        return status;
    }
    json_t *one = sim_result_json(policy, result);
    return one && json_array_append_new(s->results, one) == 0 ? COSREL_OK : COSREL_OUT_OF_MEMORY;
}

static void print_json(const simulation *s)
{
    /* One policy: its object; several: theirs in a list. */
    json_t *all = s->policy_count == 1 ? json_incref(json_array_get(s->results, 0))
                                       : json_pack("{s:O}", "runs", s->results);
    if (all && s->job.recorded)
        json_object_set_new(all, "recorded", sim_recorded_json(s->job.recorded));
    if (all) {
        json_dumpf(all, stdout, JSON_REAL_PRECISION(15));
        putchar('\n');
    }
    json_decref(all);
}

static cosrel_status write_report(simulation *s, bool stopped, cosrel_error *err)
{
    if (stopped)
        sim_report_note(s->report, "It was interrupted: the figures are those until then.");
    const cosrel_status status = sim_report_write(s->report, s->v->report, err);
    if (status == COSREL_OK && !s->v->json)
        printf("\nReport: %s\n", s->v->report);
    return status;
}

static int simulate(simulation *s)
{
    cosrel_error err = {""};
    cosrel_status status = COSREL_OK;
    bool stopped = false;
    progress_begin(&s->shown, "sim", s->v->quiet);
    if (!s->v->json && s->job.effects)
        sim_effects_print(s->job.effects);
    if (!s->v->json)
        sim_print_heading();
    if (!s->v->json && s->job.recorded)
        sim_recorded_print(s->job.recorded);
    for (size_t i = 0; i < s->policy_count && status == COSREL_OK && !stopped; i++) {
        sim_result result = {0};
        status = watch_policy(s, s->policies[i], &result, &err);
        progress_end(&s->shown);
        if (status == COSREL_OK)
            status = show(s, s->policies[i], &result);
        fflush(stdout);
        stopped = result.stopped;
        sim_result_deinit(&result);
    }
    if (s->v->json && json_array_size(s->results) > 0)
        print_json(s);
    if (status == COSREL_OK && s->report)
        status = write_report(s, stopped, &err);
    if (status != COSREL_OK)
        return cli_fail(s->call->command, status, &err);
    if (stopped) {
        cli_say(s->call->command, "interrupted: the figures are those until then");
        return CLI_FAILED;
    }
    return CLI_DONE;
}

static cosrel_status check_files(const simulation *s, cosrel_error *err)
{
    const struct {
        const char *option, *path;
    } files[] = {{"trace", s->v->trace}, {"chrome", s->v->chrome}, {"report", s->v->report}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (files[i].path && !cli_can_write(files[i].path))
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "--%s: cannot write to the folder of '%s'", files[i].option,
                             files[i].path);
    if (s->policy_count > 1 && (s->v->trace || s->v->chrome))
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "--%s holds one policy's events: name one by --policy, not %zu",
                         s->v->trace ? "trace" : "chrome", s->policy_count);
    return COSREL_OK;
}

/* What is asked, as the report's title: the workload's name, or the file's. */
static const char *title_of(const simulation *s)
{
    const sim_job *job = &s->job;
    const char *path = s->v->job.arrivals ? s->v->job.arrivals : s->v->job.replay;
    if (job->work)
        return job->work->name[0] ? job->work->name : "Simulation";
    if (job->recorded && job->recorded->workload[0])
        return job->recorded->workload;
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static cosrel_status open_report(simulation *s, cosrel_error *err)
{
    const sim_report_about about = {.device = s->v->job.device,
                                    .title = title_of(s),
                                    .objective = s->v->objective,
                                    .command_line = s->call->command_line};
    return sim_report_create(&s->job, &about, &s->report, err);
}

/* Every policy is tried, and the requests, before the first one runs. */
static cosrel_status check_asked(simulation *s, cosrel_error *err)
{
    source *requests = NULL;
    cosrel_status status = sim_job_source(&s->job, &requests, err);
    source_free(requests);
    for (size_t i = 0; i < s->policy_count && status == COSREL_OK; i++) {
        const sched_setup setup = {.processors = s->job.device.processors,
                                   .processor_count = s->job.device.processor_count,
                                   .model_max = s->job.device.model_count,
                                   .requests_max = 1,
                                   .policy = s->policies[i]};
        sched_core *core = NULL;
        status = sched_core_create(&setup, &s->job.device.costs, &core, err);
        sched_core_free(core);
    }
    return status;
}

static int run(const cli_call *call)
{
    simulation s = {.call = call, .v = call->values};
    cosrel_error err = {""};
    sim_job_options options = s.v->job;
    options.seconds = s.v->seconds;
    options.seed = (uint64_t)s.v->seed;
    char *names = strdup(s.v->policies);
    cosrel_status status = objective_find(s.v->objective, &s.objective, &err);
    if (status == COSREL_OK && (!names || !cli_split(names, &s.policies, &s.policy_count)))
        status = error_set(&err, COSREL_INVALID_ARGUMENT, "--policy: an empty name in '%s'",
                           s.v->policies);
    if (status == COSREL_OK)
        status = sim_job_read(&options, &s.job, &err);
    if (status == COSREL_OK)
        status = check_asked(&s, &err);
    if (status == COSREL_OK)
        status = check_files(&s, &err);
    if (status == COSREL_OK && s.v->report)
        status = open_report(&s, &err);
    s.results = json_array();
    s.until_ns = end_of(&s.job);
    const int result = status == COSREL_OK ? simulate(&s) : cli_fail(call->command, status, &err);
    json_decref(s.results);
    sim_report_free(s.report);
    sim_job_free(&s.job);
    free(s.policies);
    free(names);
    return result;
}

const cli_command command_sim = {
    .name = "sim",
    .summary = "Simulate policies on any device for which there is a table",
    .arguments = "--device D.csv --arrivals A.csv --policy NAME [options]",
    .details = "Runs the scheduler itself in virtual time. Without options for noise, "
               "interference, heat or\n"
               "faults a run takes exactly the table's time. The same seed gives the same trace.",
    .example = "cosrel sim --device board.csv --workload workloads/demo.yaml --policy "
               "min-min,lookahead",
    .options = OPTIONS,
    .option_count = sizeof OPTIONS / sizeof OPTIONS[0],
    .defaults = &DEFAULTS,
    .values_bytes = sizeof DEFAULTS,
    .run = run,
};
