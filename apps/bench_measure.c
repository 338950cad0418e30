#include "bench_measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "bench_child.h"
#include "bench_json.h"
#include "bench_load.h"
#include "interrupt.h"
#include "machine.h"
#include "other_load.h"

/* A model alone is steadier than a mixture, so a part of the time is enough (chosen). */
static const double ALONE_SHARE = 0.5;
static const double ALONE_S_MIN = 0.5;
static const double ALONE_S_MAX = 5;

/* Chosen: what a desktop does by itself stays below; more changes the order of policies. */
static const double OTHER_LOAD_NOTED = 0.1;

/* Where the whole stands, for the progress bar. Times as planned: what starting and loading add
 * shows in the rate. */
typedef struct walk {
    const bench_measure *m;
    char what[160];
    double total_s;
    double done_s;
    double step_s;
    int64_t step_start_ns;
    json_t *notes;
    cosrel_status failed; /* the first policy that could not be run; the others go on */
    cosrel_error why;
} walk;

static void tick(void *user)
{
    walk *w = user;
    double step_s = (double)(clock_now_ns() - w->step_start_ns) / 1e9;
    if (step_s > w->step_s)
        step_s = w->step_s;
    progress_show(w->m->shown, w->what, (w->done_s + step_s) / w->total_s, -1);
}

static void begin_step(walk *w, double seconds)
{
    w->step_s = seconds;
    w->step_start_ns = clock_now_ns();
    tick(w);
}

static double alone_seconds(const bench_job *job)
{
    const double s = job->seconds * ALONE_SHARE;
    return s < ALONE_S_MIN ? ALONE_S_MIN : s > ALONE_S_MAX ? ALONE_S_MAX : s;
}

static cosrel_status run_child(walk *w, const char *policy, const char *only, int round,
                               json_t **run, cosrel_error *err)
{
    const bench_measure *m = w->m;
    const bench_child_request request = {.models = m->models,
                                         .workload = m->workload,
                                         .only = only,
                                         .policy = policy,
                                         .seconds = only ? alone_seconds(m->job) : m->job->seconds,
                                         .warmup_s = m->job->warmup_s,
                                         .round = round,
                                         .seed = m->job->seed,
                                         .timeline = m->timelines && round == 1 && !only};
    return bench_child_run(&request, tick, w, run, err);
}

/* DIR/POLICY-ROUND.jsonl with whatever a file's name should not hold replaced; malloc'ed. */
static char *record_path(const char *record, const char *policy, int round)
{
    char name[160];
    if (bench_record_is_file(record))
        return strdup(record);
    snprintf(name, sizeof name, "%.120s-%d.jsonl", policy, round);
    for (char *at = name; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *at))
            *at = '_';
    return file_join(record, name);
}

bool bench_record_is_file(const char *record)
{
    const size_t length = strlen(record);
    return length > 6 && strcmp(record + length - 6, ".jsonl") == 0;
}

/* The window alone: times count from its start, and requests of the warm-up are left out, so that
 * at first a processor may be busy with what the recording does not name. */
static cosrel_status write_record(const walk *w, const bench_run *run, cosrel_error *err)
{
    const bench_job *job = run->job;
    const char **names = calloc((size_t)job->model_count + 1, sizeof *names);
    char *path = record_path(w->m->record, run->policy, run->round);
    json_t *machine = machine_json();
    cosrel_status status = COSREL_OUT_OF_MEMORY;
    if (names && path && machine) {
        for (int i = 0; i < job->model_count; i++)
            names[i] = job->models[i].name;
        const recorder_about about = {.models = names,
                                      .model_count = job->model_count,
                                      .device = json_string_value(json_object_get(machine, "cpu")),
                                      .policy = run->policy,
                                      .workload = job->work->name,
                                      .from_ns = run->start_ns,
                                      .until_ns = atomic_load(&run->end_ns)};
        status = recorder_write(run->record, path, &about, err);
    } else {
        error_set(err, status, "no memory for a recording");
    }
    json_decref(machine);
    free(path);
    free(names);
    return status;
}

static cosrel_status run_policy(walk *w, const char *policy, int round, json_t **json,
                                cosrel_error *err)
{
    const bench_measure *m = w->m;
    bench_run run;
    bool counted = false;
    *json = NULL;
    cosrel_status status = cosrel_runtime_set_policy(m->rt, policy, err);
    if (status == COSREL_OK)
        status = bench_run_begin(&run, m->job, policy, round, m->timelines && round == 1, err);
    if (status != COSREL_OK)
        return status;
    run.tick = tick;
    run.tick_user = w;
    if (m->record)
        status = recorder_create(&run.record, err);
    if (status == COSREL_OK)
        status = bench_load(m->rt, &run, &counted, err);
    if (status == COSREL_OK && counted && m->record)
        status = write_record(w, &run, err);
    recorder_free(run.record);
    if (status == COSREL_OK && counted) {
        *json = bench_run_json(&run);
        if (!*json)
            status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the results");
    }
    bench_run_end(&run);
    return status;
}

static cosrel_status measure_alone(walk *w, int round, json_t *into, cosrel_error *err)
{
    cosrel_status status = COSREL_OK;
    const bench_job *job = w->m->job;
    for (int i = 0; i < job->model_count && status == COSREL_OK && !interrupt_seen(); i++) {
        const double seconds = alone_seconds(job) + job->warmup_s;
        json_t *run;
        snprintf(w->what, sizeof w->what, "round %d of %d: %.60s alone", round, w->m->rounds,
                 job->models[i].name);
        begin_step(w, seconds);
        status = run_child(w, ort_baseline_alone()->name, job->models[i].name, round, &run, err);
        if (status == COSREL_OK && run)
            json_array_append_new(into, run);
        w->done_s += seconds;
    }
    return status;
}

static void note_problem(walk *w, const json_t *run)
{
    const char *problem = json_string_value(json_object_get(run, "problem"));
    char text[400];
    if (!problem || !problem[0])
        return;
    snprintf(text, sizeof text, "%.60s: %s", json_string_value(json_object_get(run, "policy")),
             problem);
    json_array_append_new(w->notes, json_string(text));
}

static void note_failure(walk *w, const char *policy, cosrel_status status, const cosrel_error *why)
{
    char text[sizeof why->text + 80];
    snprintf(text, sizeof text, "%.60s could not be run: %s", policy, why->text);
    json_array_append_new(w->notes, json_string(text));
    if (w->failed == COSREL_OK) {
        w->failed = status;
        w->why = *why;
    }
}

static void measure_round(walk *w, int round, json_t *runs)
{
    const bench_measure *m = w->m;
    for (int i = 0; i < m->plan->count && !interrupt_seen(); i++) {
        const bench_policy *policy =
            &m->plan->policies[bench_plan_at(m->plan, round - 1, m->rounds, i)];
        json_t *run = NULL;
        cosrel_error why = {""};
        snprintf(w->what, sizeof w->what, "round %d of %d: %.60s", round, m->rounds, policy->spec);
        begin_step(w, m->job->seconds + m->job->warmup_s);
        const cosrel_status status = policy->baseline
                                         ? run_child(w, policy->spec, NULL, round, &run, &why)
                                         : run_policy(w, policy->spec, round, &run, &why);
        if (status != COSREL_OK) {
            note_failure(w, policy->spec, status, &why);
        } else if (run) {
            note_problem(w, run);
            json_array_append_new(runs, run);
        }
        w->done_s += m->job->seconds + m->job->warmup_s;
    }
}

static void note_other_load(const other_load *before, json_t *notes)
{
    other_load after;
    char text[200];
    other_load_now(&after);
    const double share = other_load_share(before, &after);
    if (share < OTHER_LOAD_NOTED)
        return;
    snprintf(text, sizeof text,
             "Other programs took %.0f %% of the machine meanwhile: measure again when it is idle "
             "before you compare.",
             share * 100);
    json_array_append_new(notes, json_string(text));
}

cosrel_status bench_measure_all(const bench_measure *m, json_t *notes, json_t **results,
                                cosrel_error *err)
{
    const double run_s = m->job->seconds + m->job->warmup_s;
    const double alone_s = alone_seconds(m->job) + m->job->warmup_s;
    walk w = {.m = m, .notes = notes};
    w.total_s = m->rounds * (m->plan->count * run_s + m->job->model_count * alone_s);
    json_t *alone = json_array();
    json_t *runs = json_array();
    other_load before;
    other_load_now(&before);
    cosrel_status status = COSREL_OK;
    for (int round = 1; round <= m->rounds && status == COSREL_OK && !interrupt_seen(); round++) {
        status = measure_alone(&w, round, alone, err);
        if (status == COSREL_OK)
            measure_round(&w, round, runs);
    }
    note_other_load(&before, notes);
    *results = json_pack("{s:o, s:o}", "alone", bench_json_alone(alone), "runs", runs);
    json_decref(alone);
    if (!*results)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the results");
    bench_json_normalize(*results);
    if (status != COSREL_OK) {
        json_decref(*results);
        *results = NULL;
        return status;
    }
    return w.failed == COSREL_OK ? COSREL_OK : error_set(err, w.failed, "%s", w.why.text);
}
