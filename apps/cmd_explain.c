/* `cosrel explain`: what the learned policy thinks of the decisions of a trace, whoever made them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "commands.h"
#include "explain_print.h"

typedef struct explain_values {
    const char *device;
    const char *arrivals;
    const char *workload;
    const char *policy;
    const char *objective;
    double at_ms; /* < 0: not given; likewise below */
    int64_t request;
    int64_t decision; /* 0: not given */
    bool worst;
    int64_t top;
    int64_t patience;
    int64_t seed;
    bool json;
} explain_values;

static const explain_values DEFAULTS = {.policy = "learned",
                                        .objective = "latency",
                                        .at_ms = -1,
                                        .request = -1,
                                        .top = 10, /* chosen: a screen */
                                        .patience = -1,
                                        .seed = 1};

static const cli_option OPTIONS[] = {
    {.name = "device",
     .kind = CLI_TEXT,
     .value = "D.csv",
     .help = "the device table that the trace was made with (needed)",
     .offset = offsetof(explain_values, device)},
    {.name = "arrivals",
     .kind = CLI_TEXT,
     .value = "A.csv",
     .help = "the requests that the trace was made of, for their\ndeadlines: a simulation's trace "
             "does not hold them",
     .offset = offsetof(explain_values, arrivals)},
    {.name = "workload",
     .kind = CLI_TEXT,
     .value = "W.yaml",
     .help = "the same, and for priorities",
     .offset = offsetof(explain_values, workload)},
    {.name = "policy",
     .kind = CLI_TEXT,
     .value = "NAME",
     .help = "learned (default) or learned:FILE",
     .offset = offsetof(explain_values, policy)},
    {.name = "objective",
     .kind = CLI_TEXT,
     .value = "NAME",
     .help = "latency (default), throughput, deadline, energy or\nbalanced",
     .offset = offsetof(explain_values, objective)},
    {.name = "at",
     .kind = CLI_NUMBER,
     .value = "MS",
     .help = "explain the first decision from this time on",
     .offset = offsetof(explain_values, at_ms),
     .min = 0,
     .max = 1e12},
    {.name = "request",
     .kind = CLI_INTEGER,
     .value = "ID",
     .help = "the one that started this request",
     .offset = offsetof(explain_values, request),
     .min = 0,
     .max = UINT32_MAX},
    {.name = "decision",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "the N-th",
     .offset = offsetof(explain_values, decision),
     .min = 1,
     .max = 9007199254740992.0},
    {.name = "worst",
     .kind = CLI_FLAG,
     .help = "the one that the network would have made least;\nwithout any of these four: a "
             "summary",
     .offset = offsetof(explain_values, worst)},
    {.name = "top",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "decisions that the summary names; default: 10",
     .offset = offsetof(explain_values, top),
     .min = 1,
     .max = 100000},
    {.name = "patience",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "as for 'cosrel sim'; default: 8 for a recording, as in\nthe runtime, otherwise 0",
     .offset = offsetof(explain_values, patience),
     .min = 0,
     .max = 1000000},
    {.name = "seed",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "that of the trace; default: 1",
     .offset = offsetof(explain_values, seed),
     .min = 0,
     .max = 9007199254740992.0},
    {.name = "json",
     .kind = CLI_FLAG,
     .help = "one JSON object on standard output",
     .offset = offsetof(explain_values, json)},
};

/* All that a call holds. */
typedef struct explanation {
    const cli_call *call;
    const explain_values *v;
    const char *path;
    sim_job job;
    explain_trace trace;
    scorer net;
    explain_question question;
    explain_result result;
} explanation;

static const char *after_colon(const char *policy)
{
    return policy[7] == ':' ? policy + 8 : NULL;
}

static cosrel_status check_options(const explain_values *v, cosrel_error *err)
{
    const int asked = (v->at_ms >= 0) + (v->request >= 0) + (v->decision > 0) + v->worst;
    const char *name = v->policy;
    if (!v->device)
        return error_set(err, COSREL_INVALID_ARGUMENT, "--device is missing: a device table (CSV)");
    if (asked > 1)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "--at, --request, --decision and --worst exclude each other");
    if (v->arrivals && v->workload)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "--arrivals and --workload exclude each other");
    if (strncmp(name, "learned", 7) != 0 || (name[7] != '\0' && name[7] != ':'))
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "--policy: '%s' gives no scores; expected learned or learned:FILE", name);
    if (name[7] == ':' && name[8] == '\0')
        return error_set(err, COSREL_INVALID_ARGUMENT, "--policy: the file is missing in '%s'",
                         name);
    return COSREL_OK;
}

/* Arrivals that come after the trace's last are not asked, however long it ran. */
static cosrel_status read_requests(explanation *e, cosrel_error *err)
{
    const explain_values *v = e->v;
    const bool given = v->arrivals || v->workload;
    const sim_job_options options = {.device = v->device,
                                     .arrivals = v->arrivals,
                                     .workload = v->workload,
                                     .replay = given ? NULL : e->path,
                                     .seed = (uint64_t)v->seed};
    cosrel_status status = sim_job_read(&options, &e->job, err);
    if (status == COSREL_OK)
        status = explain_trace_read(e->path, &e->job.device, &e->trace, err);
    if (status == COSREL_OK && given && e->trace.request_count > 0)
        e->job.until_ns = e->trace.requests[e->trace.request_count - 1].arrived_ns + 1;
    return status;
}

static cosrel_status read_network(explanation *e, cosrel_error *err)
{
    scorer_about about = {.note = NULL};
    const char *file = after_colon(e->v->policy);
    const cosrel_status status = file ? learned_read(file, &e->net, &about, err)
                                      : learned_shipped(&e->net, &about, err);
    scorer_about_deinit(&about);
    return status;
}

static cosrel_status ask(explanation *e, cosrel_error *err)
{
    const explain_values *v = e->v;
    e->question = (explain_question){.what = EXPLAIN_SUMMARY, .worst_max = (size_t)v->top};
    if (v->at_ms >= 0) {
        e->question.what = EXPLAIN_AT;
        e->question.at_ns = (int64_t)llround(v->at_ms * 1e6);
    } else if (v->decision > 0) {
        e->question.what = EXPLAIN_NUMBER;
        e->question.number = (size_t)v->decision;
    } else if (v->worst) {
        e->question.what = EXPLAIN_WORST;
    } else if (v->request >= 0) {
        e->question.what = EXPLAIN_REQUEST;
        e->question.request = explain_trace_find(&e->trace, v->request);
        if (e->question.request == SIZE_MAX)
            return error_set(err, COSREL_INVALID_ARGUMENT, "--request: %s has no request %lld",
                             e->path, (long long)v->request);
        if (e->trace.requests[e->question.request].runs == 0)
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "--request: %s never starts request %lld", e->path,
                             (long long)v->request);
    }
    return COSREL_OK;
}

static cosrel_status walk(explanation *e, cosrel_error *err)
{
    const explain_values *v = e->v;
    explain_walk_setup setup = {.path = e->path,
                                .job = &e->job,
                                .trace = &e->trace,
                                .net = &e->net,
                                .seed = (uint64_t)v->seed};
    const cosrel_status status = objective_find(v->objective, &setup.objective, err);
    setup.patience = v->patience >= 0 ? (int)v->patience : e->trace.recorded ? SCHED_PATIENCE : 0;
    return status == COSREL_OK ? explain_walk(&setup, &e->question, &e->result, err) : status;
}

/* What was asked for is not there: which was it, and what would be right? */
static cosrel_status not_found(const explanation *e, cosrel_error *err)
{
    const explain_result *r = &e->result;
    const explain_values *v = e->v;
    if (r->was_forced)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "--request: at %.6f ms, when request %lld was started, there was nothing "
                         "to choose",
                         (double)r->forced_ns / 1e6, (long long)v->request);
    if (e->question.what == EXPLAIN_NUMBER)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "--decision: there is no %lld; %s has %zu decisions",
                         (long long)v->decision, e->path, r->decisions);
    if (e->question.what == EXPLAIN_AT)
        return error_set(err, COSREL_INVALID_ARGUMENT, "--at: %s has no decision from %.6f ms on",
                         e->path, v->at_ms);
    if (e->question.what == EXPLAIN_REQUEST)
        return error_set(
            err, COSREL_INVALID_ARGUMENT,
            "--request: the run that started request %lld in %s does not fit the device "
            "table",
            (long long)v->request, e->path);
    return error_set(err, COSREL_INVALID_ARGUMENT, "--worst: %s has no decision to compare",
                     e->path);
}

static cosrel_status print(const explanation *e, cosrel_error *err)
{
    const explain_view view = {
        .path = e->path, .trace = &e->trace, .device = &e->job.device, .result = &e->result};
    explain_contrast contrast;
    if (e->question.what == EXPLAIN_SUMMARY) {
        if (e->v->json)
            return explain_json_summary(&view);
        explain_print_summary(&view);
        return COSREL_OK;
    }
    if (!e->result.found)
        return not_found(e, err);
    const cosrel_status status = explain_contrast_of(&e->result.shown, &e->net, &contrast);
    if (status != COSREL_OK)
        return status;
    if (e->v->json)
        return explain_json_decision(&view, &contrast);
    explain_print_decision(&view, &contrast);
    return COSREL_OK;
}

static int run(const cli_call *call)
{
    cosrel_error err = {""};
    explanation *e = calloc(1, sizeof *e);
    if (!e) {
        cli_say(call->command, "out of memory");
        return CLI_FAILED;
    }
    e->call = call;
    e->v = call->values;
    e->path = call->args[0];
    cosrel_status status = check_options(e->v, &err);
    if (status == COSREL_OK)
        status = read_requests(e, &err);
    if (status == COSREL_OK)
        status = read_network(e, &err);
    if (status == COSREL_OK)
        status = ask(e, &err);
    if (status == COSREL_OK)
        status = walk(e, &err);
    if (status == COSREL_OK)
        status = print(e, &err);
    explain_result_deinit(&e->result);
    explain_trace_deinit(&e->trace);
    scorer_deinit(&e->net);
    sim_job_free(&e->job);
    free(e);
    return status == COSREL_OK ? CLI_DONE : cli_fail(call->command, status, &err);
}

const cli_command command_explain = {
    .name = "explain",
    .summary = "What the learned policy thinks of the decisions of a trace, and why",
    .arguments = "TRACE.jsonl --device D.csv [options]",
    .details =
        "Goes through a trace or a recording of any policy. Objective and seed are to be those "
        "of the trace.",
    .example = "cosrel explain run.jsonl --device board.csv --worst",
    .options = OPTIONS,
    .option_count = sizeof OPTIONS / sizeof OPTIONS[0],
    .arg_count_min = 1,
    .arg_count_max = 1,
    .arg_missing = "the trace is missing",
    .defaults = &DEFAULTS,
    .values_bytes = sizeof DEFAULTS,
    .run = run,
};
