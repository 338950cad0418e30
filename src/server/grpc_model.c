#include "server/grpc_model.h"

#include <stdio.h>

#include "base/error.h"
#include "oip.pb-c.h"
#include "server/statistics.h"

static cosrel_status no_memory(cosrel_error *err)
{
    return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for an answer");
}

/* ---- Configuration ---- */

typedef Inference__ModelInput input_type;
typedef Inference__ModelOutput output_type;

static bool add_inputs(const model_config *c, arena *memory, Inference__ModelConfig *m)
{
    const size_t count = c->info->input_count;
    input_type *each = arena_take(memory, (count + 1) * sizeof *each);
    m->input = arena_take(memory, (count + 1) * sizeof *m->input);
    if (!each || !m->input)
        return false;
    for (size_t i = 0; i < count; i++) {
        const cosrel_value_info *value = &c->info->inputs[i];
        const int64_t *dims;
        int type;
        inference__model_input__init(&each[i]);
        (void)model_config_type(value->type, &type);
        each[i].name = (char *)value->name;
        each[i].data_type = (Inference__DataType)type;
        each[i].n_dims = model_config_dims(c, value, &dims);
        each[i].dims = (int64_t *)dims;
        m->input[m->n_input++] = &each[i];
    }
    return true;
}

static bool add_outputs(const model_config *c, arena *memory, Inference__ModelConfig *m)
{
    const size_t count = c->info->output_count;
    output_type *each = arena_take(memory, (count + 1) * sizeof *each);
    m->output = arena_take(memory, (count + 1) * sizeof *m->output);
    if (!each || !m->output)
        return false;
    for (size_t i = 0; i < count; i++) {
        const cosrel_value_info *value = &c->info->outputs[i];
        const int64_t *dims;
        int type;
        inference__model_output__init(&each[i]);
        (void)model_config_type(value->type, &type);
        each[i].name = (char *)value->name;
        each[i].data_type = (Inference__DataType)type;
        each[i].n_dims = model_config_dims(c, value, &dims);
        each[i].dims = (int64_t *)dims;
        m->output[m->n_output++] = &each[i];
    }
    return true;
}

cosrel_status grpc_model_config(const model_config *config, arena *memory, grpc_answer *a,
                                cosrel_error *err)
{
    Inference__ModelConfigResponse m = INFERENCE__MODEL_CONFIG_RESPONSE__INIT;
    Inference__ModelConfig c = INFERENCE__MODEL_CONFIG__INIT;
    Inference__ModelVersionPolicy policy = INFERENCE__MODEL_VERSION_POLICY__INIT;
    Inference__ModelVersionPolicy__Latest latest = INFERENCE__MODEL_VERSION_POLICY__LATEST__INIT;
    m.config = &c;
    c.name = (char *)config->info->name;
    c.platform = (char *)MODEL_CONFIG_PLATFORM;
    c.backend = (char *)MODEL_CONFIG_BACKEND;
    c.max_batch_size = config->batch_max;
    c.version_policy = &policy;
    policy.policy_choice_case = INFERENCE__MODEL_VERSION_POLICY__POLICY_CHOICE_LATEST;
    policy.latest = &latest;
    latest.num_versions = config->versions;
    if (!add_inputs(config, memory, &c) || !add_outputs(config, memory, &c))
        return no_memory(err);
    return grpc_answer_message(a, &m.base, err);
}

/* ---- Statistics ---- */

typedef Inference__StatisticDuration duration_type;
typedef Inference__InferBatchStatistics batch_type;

enum { OF_MODEL = 8, OF_BATCH = 3 }; /* durations */

/* One model's message with all that it points to. */
typedef struct whole {
    Inference__ModelStatistics message;
    Inference__InferStatistics inference;
    duration_type durations[OF_MODEL];
    batch_type batches[TALLY_BATCHES], *pointers[TALLY_BATCHES];
    duration_type batch_durations[TALLY_BATCHES][OF_BATCH];
    char version[24];
} whole;

static duration_type *put(duration_type *to, statistics_duration from)
{
    inference__statistic_duration__init(to);
    to->count = from.count;
    to->ns = from.ns;
    return to;
}

static void put_batches(whole *w, const statistics_row *s)
{
    for (size_t i = 0; i < s->batch_count; i++) {
        batch_type *to = w->pointers[i] = &w->batches[i];
        inference__infer_batch_statistics__init(to);
        to->batch_size = s->batches[i].size;
        to->compute_input = put(&w->batch_durations[i][0], s->batches[i].compute_input);
        to->compute_infer = put(&w->batch_durations[i][1], s->batches[i].compute_infer);
        to->compute_output = put(&w->batch_durations[i][2], s->batches[i].compute_output);
    }
    w->message.n_batch_stats = s->batch_count;
    w->message.batch_stats = w->pointers;
}

static void put_model(whole *w, const statistics_row *s)
{
    const statistics_duration none = {0};
    inference__model_statistics__init(&w->message);
    inference__infer_statistics__init(&w->inference);
    snprintf(w->version, sizeof w->version, "%lld", (long long)s->model->version);
    w->message.name = (char *)s->model->name;
    w->message.version = w->version;
    w->message.last_inference = s->last_ms;
    w->message.inference_count = s->inferences;
    w->message.execution_count = s->executions;
    w->message.inference_stats = &w->inference;
    w->inference.success = put(&w->durations[0], s->success);
    w->inference.fail = put(&w->durations[1], s->fail);
    w->inference.queue = put(&w->durations[2], s->queue);
    w->inference.compute_input = put(&w->durations[3], s->compute_input);
    w->inference.compute_infer = put(&w->durations[4], s->compute_infer);
    w->inference.compute_output = put(&w->durations[5], s->compute_output);
    w->inference.cache_hit = put(&w->durations[6], none);
    w->inference.cache_miss = put(&w->durations[7], none);
    put_batches(w, s);
}

cosrel_status grpc_model_statistics(cosrel_runtime *rt, tally *counts, const char *name,
                                    int64_t version, arena *memory, grpc_answer *a,
                                    cosrel_error *err)
{
    Inference__ModelStatisticsResponse m = INFERENCE__MODEL_STATISTICS_RESPONSE__INIT;
    const size_t most = cosrel_runtime_model_count(rt);
    const cosrel_model *model;
    statistics_row of_model;
    size_t index = 0;
    m.model_stats = arena_take(memory, (most + 1) * sizeof *m.model_stats);
    if (!m.model_stats)
        return no_memory(err);
    while (m.n_model_stats < most && (model = statistics_next(rt, name, version, &index))) {
        if (!statistics_of(counts, model, &of_model))
            continue;
        whole *w = arena_take(memory, sizeof *w);
        if (!w)
            return no_memory(err);
        put_model(w, &of_model);
        m.model_stats[m.n_model_stats++] = &w->message;
    }
    return grpc_answer_message(a, &m.base, err);
}
