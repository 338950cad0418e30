#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "commands.h"
#include "interrupt.h"
#include "train_job.h"

static const train_values DEFAULTS = {.seed = 1, .first = 48, .second = 24};

static const cli_option OPTIONS[] = {
    {.name = "device",
     .kind = CLI_TEXTS,
     .value = "D.csv",
     .help = "tune to this device; several may be given.\nWithout: learn from nothing, on random "
             "devices",
     .offset = offsetof(train_values, devices)},
    {.name = "out",
     .kind = CLI_TEXT,
     .value = "FILE",
     .help = "where the policy goes (needed); use it as learned:FILE",
     .offset = offsetof(train_values, out)},
    {.name = "minutes",
     .kind = CLI_NUMBER,
     .value = "N",
     .help = "default: 3 with a device, else 25",
     .offset = offsetof(train_values, minutes),
     .min = 0.01,
     .max = 100000},
    {.name = "rounds",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "instead of minutes: the same seed then gives the same\npolicy",
     .offset = offsetof(train_values, rounds),
     .min = 1,
     .max = 10000000},
    {.name = "seed",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "default: 1",
     .offset = offsetof(train_values, seed),
     .min = 0,
     .max = 9007199254740992.0},
    {.name = "from",
     .kind = CLI_TEXT,
     .value = "FILE",
     .help = "begin from this policy; default with a device: the one\nthat ships",
     .offset = offsetof(train_values, from)},
    {.name = "objective",
     .kind = CLI_TEXT,
     .value = "NAME",
     .help = "learn this objective only; default: all, so that it can\nbe changed while serving",
     .offset = offsetof(train_values, objective)},
    {.name = "resume",
     .kind = CLI_FLAG,
     .help = "go on with a training that was interrupted (FILE.state)",
     .offset = offsetof(train_values, resume)},
    {.name = "report",
     .kind = CLI_TEXT,
     .value = "R.html",
     .help = "write the learning curve to look at in a browser",
     .offset = offsetof(train_values, report)},
    {.name = "threads",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "default: one per core; the policy does not depend on it",
     .offset = offsetof(train_values, threads),
     .min = 1,
     .max = 64},
    {.name = "first",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "units of a new network's first layer; default: 48",
     .offset = offsetof(train_values, first),
     .min = 1,
     .max = SCORER_UNITS_MAX},
    {.name = "second",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "and of its second; default: 24",
     .offset = offsetof(train_values, second),
     .min = 1,
     .max = SCORER_UNITS_MAX},
    {.name = "worlds",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "that its progress is measured on; default: 60",
     .offset = offsetof(train_values, worlds),
     .min = 1,
     .max = 10000},
    {.name = "json",
     .kind = CLI_FLAG,
     .help = "one JSON object on standard output",
     .offset = offsetof(train_values, json)},
    {.name = "quiet",
     .kind = CLI_FLAG,
     .help = "no progress on standard error",
     .offset = offsetof(train_values, quiet)},
};

static double minutes_so_far(const train_job *job)
{
    return job->before + (double)(clock_now_ns() - job->started_ns) / 60e9;
}

/* The new figures go into the curve, and the network to disk: whatever happens, this much is kept.
 */
static void keep(train_job *job, const train_progress *p, const student *s)
{
    const curve_point point = {.round = p->round,
                               .episodes = job->state.episodes,
                               .minutes = job->state.minutes,
                               .exam = p->exam};
    if (!job->examined)
        job->first_exam = job->state.curve_count ? job->state.curve[0].exam : p->exam;
    const bool first = !job->examined;
    job->examined = true;
    /* Tuning must not make a policy worse; one that begins from nothing is best where its steps are
     * smallest. */
    if (first || job->device_count == 0 || p->exam.all < job->best_ratio) {
        job->best_ratio = p->exam.all;
        job->last_exam = p->exam;
        memcpy(job->best.parameters, s->net.parameters,
               (size_t)s->net.parameter_count * sizeof *s->net.parameters);
    }
    if ((first && job->state.curve_count) || job->status != COSREL_OK)
        return;
    job->status = train_state_add(&job->state, &point);
    if (job->status == COSREL_OK && !first)
        job->status = train_job_save(job, true, &job->err);
}

static bool watch(void *user, const train_progress *p, const student *s, double *fraction)
{
    train_job *job = user;
    char what[120];

    job->state.minutes = minutes_so_far(job);
    if (p->round > job->state.round) {
        job->state.episodes += p->episodes_of_round;
        job->state.round = p->round;
    }
    *fraction = job->state.minutes / job->minutes;
    if (p->examined)
        keep(job, p, s);
    snprintf(what, sizeof what, "%llu episodes, cost %.3f of the best baseline's",
             (unsigned long long)job->state.episodes, p->exam.all);
    progress_show(&job->shown, what,
                  fmin(job->plan.rounds ? (double)p->round / job->plan.rounds : *fraction, 1), -1);
    return job->status == COSREL_OK && !interrupt_seen();
}

static void print_exam(const char *when, const exam_result *e)
{
    printf("%-8s %6.3f", when, e->all);
    for (int k = 0; k < EVALUATE_KINDS; k++) {
        if (e->by_kind[k] > 0)
            printf("  %8.3f", e->by_kind[k]);
        else
            printf("  %8s", "-");
    }
    printf("  %8.3f\n", e->worst);
}

static int print_json(const train_job *job)
{
    json_t *curve = json_array();
    for (size_t i = 0; i < job->state.curve_count; i++) {
        const curve_point *p = &job->state.curve[i];
        json_array_append_new(
            curve, json_pack("{s:i,s:I,s:f,s:f,s:f,s:f,s:f,s:f}", "round", p->round, "episodes",
                             (json_int_t)p->episodes, "minutes", p->minutes, "all", p->exam.all,
                             "latency", p->exam.by_kind[0], "deadline", p->exam.by_kind[1],
                             "energy", p->exam.by_kind[2], "worst", p->exam.worst));
    }
    json_t *all = json_pack("{s:s,s:i,s:I,s:f,s:f,s:f,s:o}", "policy", job->v->out, "rounds",
                            job->state.round, "episodes", (json_int_t)job->state.episodes,
                            "minutes", job->state.minutes, "before", job->first_exam.all, "after",
                            job->last_exam.all, "curve", curve);
    if (!all)
        return CLI_FAILED;
    json_dumpf(all, stdout, JSON_REAL_PRECISION(10));
    putchar('\n');
    json_decref(all);
    return CLI_DONE;
}

static void print_result(const train_job *job)
{
    printf("Cost over the best baseline's, geometric means over %s:\n\n"
           "         overall   latency  deadline    energy  worst world\n",
           job->device_count ? "random mixes and loads on the device"
                             : "worlds that were not learned from");
    print_exam("before", &job->first_exam);
    print_exam("after", &job->last_exam);
    printf("\n%llu episodes in %.1f minutes. Policy: %s (use it as learned:%s)\n",
           (unsigned long long)job->state.episodes, job->state.minutes, job->v->out, job->v->out);
    if (job->device_count && !(job->last_exam.all < job->first_exam.all))
        printf("Nothing better was found: the policy is the one it began from.\n");
    if (job->v->report)
        printf("Report: %s\n", job->v->report);
}

static int finish(train_job *job, cosrel_status status, cosrel_error *err)
{
    const bool stopped = interrupt_seen();
    if (status == COSREL_OK && job->status != COSREL_OK) {
        status = job->status;
        *err = job->err;
    }
    if (status == COSREL_OK)
        status = train_job_save(job, stopped, err);
    if (status == COSREL_OK && job->v->report)
        status = train_report_write(job, err);
    if (status != COSREL_OK)
        return cli_fail(job->command, status, err);
    if (!stopped)
        unlink(job->state_path); /* nothing is left to go on with */
    if (job->v->json && print_json(job) != CLI_DONE)
        return CLI_FAILED;
    if (!job->v->json)
        print_result(job);
    if (!stopped)
        return CLI_DONE;
    cli_say(job->command, "interrupted: the policy is as good as until then; --resume goes on");
    return CLI_FAILED;
}

static int run(const cli_call *call)
{
    train_job job;
    cosrel_error err = {""};
    cosrel_status status = train_job_open(call, &job, &err);
    if (status != COSREL_OK) {
        train_job_free(&job);
        return cli_fail(call->command, status, &err);
    }
    int round = job.state.round;
    progress_begin(&job.shown, "train", job.v->quiet);
    job.started_ns = clock_now_ns();
    status = train_run(&job.plan, &job.s, &round, watch, &job, &err);
    progress_end(&job.shown);
    const int result = finish(&job, status, &err);
    train_job_free(&job);
    return result;
}

const cli_command command_train = {
    .name = "train",
    .summary = "Train the learned policy, or tune it to a device",
    .arguments = "--out FILE [--device D.csv]... [options]",
    .details =
        "Plays thousands of simulated worlds and learns from what every candidate would have\n"
        "cost. Ctrl-C keeps what was learned.",
    .example = "cosrel train --device board.csv --minutes 3 --out board.policy",
    .options = OPTIONS,
    .option_count = sizeof OPTIONS / sizeof OPTIONS[0],
    .defaults = &DEFAULTS,
    .values_bytes = sizeof DEFAULTS,
    .run = run,
};
