#include "server/statistics.h"

#include <math.h>
#include <string.h>

static statistics_duration of_histogram(const tally_hist *h)
{
    return (statistics_duration){.count = h->total, .ns = (uint64_t)llround(h->sum_s * 1e9)};
}

static statistics_duration no_time(uint64_t count)
{
    return (statistics_duration){.count = count};
}

static statistics_duration failures(const tally_model *m)
{
    statistics_duration sum = {.ns = (uint64_t)m->failed_ns};
    for (int s = 0; s < TALLY_STATUSES; s++)
        sum.count += s == COSREL_OK ? 0 : m->by_status[s];
    return sum;
}

bool statistics_of(tally *counts, const cosrel_model *model, statistics_row *out)
{
    const tally_model *m = tally_of(counts, model);
    if (!m)
        return false;
    *out = (statistics_row){.model = cosrel_model_describe(model),
                            .last_ms = (uint64_t)(m->last_ns / 1000000),
                            .inferences = m->by_status[COSREL_OK],
                            .executions = (uint64_t)llround(m->runs),
                            .success = of_histogram(&m->total),
                            .fail = failures(m),
                            .queue = of_histogram(&m->queue),
                            .compute_input = no_time(m->compute.total),
                            .compute_infer = of_histogram(&m->compute),
                            .compute_output = no_time(m->compute.total)};
    for (int b = 0; b < TALLY_BATCHES; b++) {
        const tally_batch *batch = &m->batches[b];
        if (!batch->requests)
            continue;
        out->batches[out->batch_count++] = (statistics_batch){
            .size = (uint64_t)1 << b,
            .compute_input = no_time(batch->requests),
            .compute_infer = {.count = batch->requests, .ns = (uint64_t)batch->compute_ns},
            .compute_output = no_time(batch->requests)};
    }
    return true;
}

const cosrel_model *statistics_next(cosrel_runtime *rt, const char *name, int64_t version,
                                    size_t *index)
{
    const cosrel_model *model;
    while ((model = cosrel_runtime_model(rt, *index))) {
        ++*index;
        const cosrel_model_info *info = cosrel_model_describe(model);
        if (!name || !*name ||
            (strcmp(name, info->name) == 0 && (version == 0 || version == info->version)))
            return model;
    }
    return NULL;
}

/* ---- JSON ---- */

static void add_duration(text_builder *out, const char *name, statistics_duration d,
                         const char *end)
{
    text_addf(out, "\"%s\":{\"count\":%llu,\"ns\":%llu}%s", name, (unsigned long long)d.count,
              (unsigned long long)d.ns, end);
}

static void add_batch(text_builder *out, const statistics_batch *b)
{
    text_addf(out, "{\"batch_size\":%llu,", (unsigned long long)b->size);
    add_duration(out, "compute_input", b->compute_input, ",");
    add_duration(out, "compute_infer", b->compute_infer, ",");
    add_duration(out, "compute_output", b->compute_output, "}");
}

static void add_model(text_builder *out, const statistics_row *s)
{
    text_add(out, "{\"name\":");
    text_add_json(out, s->model->name);
    text_addf(out,
              ",\"version\":\"%lld\",\"last_inference\":%llu,\"inference_count\":%llu,"
              "\"execution_count\":%llu,\"inference_stats\":{",
              (long long)s->model->version, (unsigned long long)s->last_ms,
              (unsigned long long)s->inferences, (unsigned long long)s->executions);
    add_duration(out, "success", s->success, ",");
    add_duration(out, "fail", s->fail, ",");
    add_duration(out, "queue", s->queue, ",");
    add_duration(out, "compute_input", s->compute_input, ",");
    add_duration(out, "compute_infer", s->compute_infer, ",");
    add_duration(out, "compute_output", s->compute_output, ",");
    add_duration(out, "cache_hit", no_time(0), ",");
    add_duration(out, "cache_miss", no_time(0), "},\"batch_stats\":[");
    for (size_t i = 0; i < s->batch_count; i++) {
        text_add(out, i ? "," : "");
        add_batch(out, &s->batches[i]);
    }
    text_add(out, "]}");
}

void statistics_add_json(text_builder *out, cosrel_runtime *rt, tally *counts, const char *name,
                         int64_t version)
{
    const cosrel_model *model;
    statistics_row of_model;
    size_t index = 0;
    bool first = true;
    text_add(out, "{\"model_stats\":[");
    while ((model = statistics_next(rt, name, version, &index))) {
        if (!statistics_of(counts, model, &of_model))
            continue;
        text_add(out, first ? "" : ",");
        add_model(out, &of_model);
        first = false;
    }
    text_add(out, "]}");
}
