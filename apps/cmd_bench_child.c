#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "bench_job.h"
#include "bench_run.h"
#include "commands.h"
#include "ort_baseline.h"

typedef struct child_values {
    const char *models;
    const char *workload;
    const char *only;
    const char *policy;
    double seconds;
    double warmup_s;
    int64_t round;
    int64_t seed;
    bool timeline;
} child_values;

static const child_values DEFAULTS = {.seconds = 1, .warmup_s = 0.5, .round = 1, .seed = 1};

static const cli_option OPTIONS[] = {
    {.name = "models", .kind = CLI_TEXT, .value = "DIR", .offset = offsetof(child_values, models)},
    {.name = "workload",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = offsetof(child_values, workload)},
    {.name = "only", .kind = CLI_TEXT, .value = "MODEL", .offset = offsetof(child_values, only)},
    {.name = "policy", .kind = CLI_TEXT, .value = "NAME", .offset = offsetof(child_values, policy)},
    {.name = "seconds",
     .kind = CLI_NUMBER,
     .value = "S",
     .offset = offsetof(child_values, seconds),
     .max = 1e6},
    {.name = "warmup",
     .kind = CLI_NUMBER,
     .value = "S",
     .offset = offsetof(child_values, warmup_s),
     .max = 1e6},
    {.name = "round",
     .kind = CLI_INTEGER,
     .value = "N",
     .offset = offsetof(child_values, round),
     .max = 1e6},
    {.name = "seed",
     .kind = CLI_INTEGER,
     .value = "N",
     .offset = offsetof(child_values, seed),
     .max = 9007199254740992.0},
    {.name = "timeline", .kind = CLI_FLAG, .offset = offsetof(child_values, timeline)},
};

static cosrel_status measure(const child_values *v, const ort_baseline *kind, bench_job *job,
                             cosrel_error *err)
{
    bench_run run;
    bool counted;
    const cosrel_status status = ort_baseline_run(kind, job, v->policy, (int)v->round, v->timeline,
                                                  &run, &counted, err);
    if (status != COSREL_OK)
        return status;
    json_t *json = counted ? bench_run_json(&run) : NULL;
    if (json)
        json_dumpf(json, stdout, JSON_COMPACT);
    json_decref(json);
    bench_run_end(&run);
    return COSREL_OK;
}

static int run(const cli_call *call)
{
    const child_values *v = call->values;
    const ort_baseline *kind = v->policy ? ort_baseline_find(v->policy) : NULL;
    if (!v->models || !kind)
        return cli_wrong(call->command, "needs --models and --policy; 'cosrel bench' starts it");
    /* Nothing is left running if the one who asked is killed. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    cosrel_error err = {""};
    bench_job *job;
    cosrel_status status = bench_job_make(v->models, v->workload, v->only, (uint64_t)v->seed, &job,
                                          &err);
    if (status == COSREL_OK) {
        job->seconds = v->seconds;
        job->warmup_s = v->warmup_s;
        status = measure(v, kind, job, &err);
        bench_job_free(job);
    }
    return status == COSREL_OK ? CLI_DONE : cli_fail(call->command, status, &err);
}

const cli_command command_bench_child = {
    .name = "bench-child",
    .arguments = "",
    .options = OPTIONS,
    .option_count = sizeof OPTIONS / sizeof OPTIONS[0],
    .defaults = &DEFAULTS,
    .values_bytes = sizeof DEFAULTS,
    .run = run,
};
