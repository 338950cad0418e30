#include "train_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "sched/learned.h"

/* Chosen: the shipped policy gains less than a percent after that; a tuned one after these few. */
static const double MINUTES = 25, MINUTES_TUNING = 3;

/* Of the first step, tuning a network that knows much already (chosen). */
static const double RATE_TUNING = 5e-4;

static cosrel_status open_devices(train_job *job, cosrel_error *err)
{
    for (size_t i = 0; i < job->v->devices.count; i++) {
        cosrel_status status = table_read(job->v->devices.items[i], &job->tables[i], err);
        if (status == COSREL_OK) {
            job->device_count = i + 1;
            status = sim_device_init(&job->devices[i], job->tables[i], err);
        }
        if (status == COSREL_OK && job->devices[i].model_count > WORLD_MODELS_MAX)
            status = error_set(err, COSREL_UNSUPPORTED, "%s: %d models; expected at most %d",
                               job->v->devices.items[i], job->devices[i].model_count,
                               WORLD_MODELS_MAX);
        if (status != COSREL_OK)
            return status;
    }
    return COSREL_OK;
}

/* The network that training begins from: a file's, the shipped one where a device is tuned to, or a
 * new one. */
static cosrel_status open_student(train_job *job, cosrel_error *err)
{
    const train_values *v = job->v;
    scorer net = {.parameters = NULL};
    scorer_about about = {.note = NULL};
    cosrel_status status = COSREL_OK;
    if (v->from)
        status = learned_read(v->from, &net, &about, err);
    else if (job->device_count > 0 && !v->resume)
        status = learned_shipped(&net, &about, err);
    if (status != COSREL_OK)
        return status;
    const int first = net.parameters ? net.shape.first : (int)v->first;
    const int second = net.parameters ? net.shape.second : (int)v->second;
    status = student_init(&job->s, first, second, job->plan.seed, job->plan.threads);
    if (status == COSREL_OK && net.parameters) {
        memcpy(job->s.net.parameters, net.parameters,
               (size_t)net.parameter_count * sizeof *net.parameters);
        job->version = about.version;
        job->plan.rate = RATE_TUNING;
    }
    if (status == COSREL_OK)
        status = scorer_copy(&job->best, &job->s.net);
    scorer_deinit(&net);
    scorer_about_deinit(&about);
    return status == COSREL_OK ? status : error_set(err, status, "no memory for the network");
}

static cosrel_status resume(train_job *job, cosrel_error *err)
{
    cosrel_status status = train_state_read(job->state_path, &job->state, &job->s, err);
    if (status == COSREL_NOT_FOUND)
        return error_set(err, COSREL_NOT_FOUND,
                         "--resume: there is no '%s', where an interrupted training would stand",
                         job->state_path);
    if (status == COSREL_OK && job->state.seed != job->plan.seed)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "--resume: '%s' was begun with --seed %llu, not %llu", job->state_path,
                         (unsigned long long)job->state.seed, (unsigned long long)job->plan.seed);
    job->before = job->state.minutes;
    return status;
}

cosrel_status train_job_open(const cli_call *call, train_job *job, cosrel_error *err)
{
    const train_values *v = call->values;
    *job = (train_job){.v = v, .command = call->command, .command_line = call->command_line};
    if (!v->out)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "--out is missing: the file that the policy is written to");
    if (!cli_can_write(v->out) || (v->report && !cli_can_write(v->report)))
        return error_set(err, COSREL_INVALID_ARGUMENT, "--%s: cannot write to the folder of '%s'",
                         cli_can_write(v->out) ? "report" : "out",
                         cli_can_write(v->out) ? v->report : v->out);
    text_builder path = {0};
    text_addf(&path, "%s.state", v->out);
    cosrel_status status = text_take(&path, &job->state_path, NULL);
    if (status != COSREL_OK)
        return error_set(err, status, "no memory for the training");
    status = open_devices(job, err);
    if (status == COSREL_OK && v->objective)
        status = objective_find(v->objective, &job->objective, err);
    if (status != COSREL_OK)
        return status;
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const double usual = job->device_count ? MINUTES_TUNING : MINUTES;
    job->minutes = v->minutes > 0 ? v->minutes : usual;
    job->plan = (train_plan){.seed = (uint64_t)v->seed,
                             .rounds = (int)v->rounds,
                             .threads = v->threads  ? (int)v->threads
                                        : cores > 0 ? (int)cores
                                                    : 1,
                             .devices = job->devices,
                             .device_count = (int)job->device_count,
                             .exam_worlds = (int)v->worlds,
                             .objective = v->objective ? &job->objective : NULL};
    status = open_student(job, err);
    job->state.seed = job->plan.seed;
    return status == COSREL_OK && v->resume ? resume(job, err) : status;
}

void train_job_free(train_job *job)
{
    for (size_t i = 0; i < job->device_count; i++) {
        sim_device_deinit(&job->devices[i]);
        table_free(job->tables[i]);
    }
    student_deinit(&job->s);
    scorer_deinit(&job->best);
    train_state_deinit(&job->state);
    free(job->state_path);
    memset(job, 0, sizeof *job);
}

/* How the policy came about, for whoever finds the file. */
static cosrel_status write_note(const train_job *job, char **out)
{
    text_builder b = {0};
    text_addf(&b,
              "%s\n%d rounds, %llu episodes, %.1f minutes\n"
              "cost over the best baseline's, geometric mean over worlds not learned from: %.4f "
              "(before: %.4f)\n",
              job->command_line, job->state.round, (unsigned long long)job->state.episodes,
              job->state.minutes, job->last_exam.all, job->first_exam.all);
    return text_take(&b, out, NULL);
}

cosrel_status train_job_save(train_job *job, bool state, cosrel_error *err)
{
    scorer_about about = {.features = OBSERVE_FEATURES_VERSION, .version = job->version + 1};
    cosrel_status status = write_note(job, &about.note);
    if (status != COSREL_OK)
        return error_set(err, status, "no memory to write '%s'", job->v->out);
    status = scorer_write(job->v->out, &job->best, &about, err);
    scorer_about_deinit(&about);
    if (status == COSREL_OK && state)
        status = train_state_write(job->state_path, &job->state, &job->s, err);
    return status;
}
