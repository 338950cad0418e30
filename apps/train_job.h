/* One call of `cosrel train`: what it learns from, where it stands, what it leaves behind. */
#ifndef APPS_TRAIN_JOB_H
#define APPS_TRAIN_JOB_H

#include "cli.h"
#include "learn/train.h"
#include "learn/train_state.h"
#include "nn/scorer_file.h"
#include "profile/table.h"
#include "progress.h"

typedef struct train_values {
    cli_texts devices;
    double minutes; /* 0: the default, by whether devices are named */
    int64_t rounds;
    int64_t seed;
    int64_t threads;
    int64_t first, second;
    int64_t worlds;
    const char *out;
    const char *from;
    const char *objective;
    const char *report;
    bool resume;
    bool json;
    bool quiet;
} train_values;

typedef struct train_job {
    const train_values *v;
    const cli_command *command;
    const char *command_line;
    char *state_path;
    device_table *tables[CLI_TEXTS_MAX];
    sim_device devices[CLI_TEXTS_MAX];
    size_t device_count;
    sched_objective objective;
    train_plan plan;
    student s;
    scorer best; /* the best so far by the exam, tuning; else the last */
    double best_ratio;
    train_state state;
    uint64_t version; /* of the policy that it began from */
    double minutes;   /* its share of time */
    double before;    /* minutes that were trained before this call */
    int64_t started_ns;
    progress shown;
    exam_result first_exam, last_exam;
    bool examined;
    cosrel_status status; /* of what was written on the way */
    cosrel_error err;
} train_job;

/* Reads everything that the options name. INVALID_ARGUMENT, INVALID_FILE, ... : one sentence. */
COSREL_CHECKED cosrel_status train_job_open(const cli_call *call, train_job *job,
                                            cosrel_error *err);
void train_job_free(train_job *job); /* zeroed is fine */

/* Writes the policy and, if `state`, where training stands. */
COSREL_CHECKED cosrel_status train_job_save(train_job *job, bool state, cosrel_error *err);

/* The learning curve as a page. */
COSREL_CHECKED cosrel_status train_report_write(const train_job *job, cosrel_error *err);

#endif
