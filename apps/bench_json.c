#include "bench_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* JSON has no infinity, and microseconds are as much as a time in ms can mean here. */
static json_t *rounded(double value, double step)
{
    return isfinite(value) ? json_real(round(value / step) * step) : json_null();
}

static json_t *ms(int64_t ns)
{
    return rounded((double)ns / 1e6, 0.001);
}

/* [[upper edge in ms, count], ...] of the buckets that hold something. The edges follow from
 * hist.h: each power of two is cut into HIST_PARTS. */
static json_t *histogram(const hist *h)
{
    json_t *list = json_array();
    for (int b = 0; b < HIST_BUCKETS; b++) {
        if (!h->buckets[b])
            continue;
        const double start_ns = ldexp(1.0, HIST_OCTAVE_FIRST + b / HIST_PARTS);
        const double upper_ns = start_ns * (1.0 + (double)(b % HIST_PARTS + 1) / HIST_PARTS);
        json_array_append_new(
            list, json_pack("[o, I]", rounded(upper_ns / 1e6, 1e-6), (json_int_t)h->buckets[b]));
    }
    return list;
}

static json_t *model_json(bench_tally *t, double window_s)
{
    pthread_mutex_lock(&t->lock);
    json_t *missed = t->due ? rounded((double)t->missed / (double)t->due, 1e-6) : json_null();
    json_t *model = json_pack(
        "{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "completed", (json_int_t)t->completed,
        "rps", rounded((double)t->completed / window_s, 0.001), "mean_ms",
        ms(hist_mean(&t->latency)), "p50_ms", ms(hist_percentile(&t->latency, 0.5)), "p95_ms",
        ms(hist_percentile(&t->latency, 0.95)), "p99_ms", ms(hist_percentile(&t->latency, 0.99)),
        "deadline_miss_rate", missed, "failed", (json_int_t)t->failed, "histogram",
        histogram(&t->latency));
    pthread_mutex_unlock(&t->lock);
    return model;
}

static bool is_late(const bench_timeline *t, const bench_span *s)
{
    for (int i = 0; i < t->late_count; i++)
        if (t->lates[i].model == s->model && t->lates[i].started_ns >= s->start_ns &&
            t->lates[i].started_ns < s->end_ns)
            return true;
    return false;
}

static json_t *track_json(const bench_run *run, int track)
{
    const bench_timeline *t = run->timeline;
    json_t *spans = json_array();
    for (int i = 0; i < t->span_count; i++) {
        const bench_span *s = &t->spans[i];
        if (s->track == track)
            json_array_append_new(
                spans, json_pack("[i, o, o, i, i]", s->model, ms(s->start_ns - run->start_ns),
                                 ms(s->end_ns - run->start_ns), s->batch, is_late(t, s)));
    }
    return json_pack("{s:s, s:o}", "processor", t->tracks[track], "runs", spans);
}

static json_t *timeline_json(const bench_run *run)
{
    bench_timeline *t = run->timeline;
    if (!t)
        return json_null();
    json_t *tracks = json_array();
    pthread_mutex_lock(&t->lock);
    /* In the order of their names: each time the smallest that comes after the last one. */
    const char *last = "";
    for (int done = 0; done < t->track_count; done++) {
        int next = -1;
        for (int k = 0; k < t->track_count; k++)
            if (strcmp(t->tracks[k], last) > 0 &&
                (next < 0 || strcmp(t->tracks[k], t->tracks[next]) < 0))
                next = k;
        if (next < 0)
            break;
        json_array_append_new(tracks, track_json(run, next));
        last = t->tracks[next];
    }
    pthread_mutex_unlock(&t->lock);
    return json_pack("{s:o, s:o, s:o}", "start_ms", ms(t->start_ns - run->start_ns), "end_ms",
                     ms(t->end_ns - run->start_ns), "tracks", tracks);
}

json_t *bench_run_json(bench_run *run)
{
    const double window_s = (double)(atomic_load(&run->end_ns) - run->start_ns) / 1e9;
    json_t *models = json_object();
    uint64_t completed = 0;
    for (int i = 0; i < run->job->model_count; i++) {
        json_object_set_new(models, run->job->models[i].name,
                            model_json(&run->tallies[i], window_s));
        completed += run->tallies[i].completed;
    }
    return json_pack(
        "{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "policy", run->policy, "round",
        run->round, "seconds", rounded(window_s, 0.001), "throughput_rps",
        rounded((double)completed / window_s, 0.001), "cpu_seconds", rounded(run->cpu_s, 0.001),
        "energy_j", run->energy_j < 0 ? json_null() : rounded(run->energy_j, 0.001), "models",
        models, "processors", run->processors ? json_incref(run->processors) : json_object(),
        "timeline", timeline_json(run), "problem", run->problem);
}

static json_t *normalized(const json_t *run, const json_t *alone)
{
    double sum = 0;
    const char *name;
    json_t *model;
    json_object_foreach(json_object_get(run, "models"), name, model)
    {
        const double rate = json_number_value(json_object_get(alone, name));
        if (!(rate > 0))
            return json_null();
        sum += json_number_value(json_object_get(model, "rps")) / rate;
    }
    return rounded(sum, 1e-4);
}

void bench_json_normalize(json_t *results)
{
    const json_t *alone = json_object_get(results, "alone");
    size_t i;
    json_t *run;
    json_array_foreach(json_object_get(results, "runs"), i, run)
        json_object_set_new(run, "normalized_throughput", normalized(run, alone));
}

/* What --json prints of a run and of a model in it, in this order. */
static const char *const RUN_KEYS[] = {
    "policy",      "round",    "throughput_rps", "normalized_throughput",
    "cpu_seconds", "energy_j", "models"};
static const char *const MODEL_KEYS[] = {"completed", "rps",    "mean_ms",           "p50_ms",
                                         "p95_ms",    "p99_ms", "deadline_miss_rate"};

static json_t *public_run(const json_t *run)
{
    json_t *copy = json_object();
    for (size_t i = 0; i < sizeof RUN_KEYS / sizeof RUN_KEYS[0]; i++)
        json_object_set(copy, RUN_KEYS[i], json_object_get(run, RUN_KEYS[i]));
    json_t *models = json_object();
    const char *name;
    json_t *model;
    json_object_foreach(json_object_get(run, "models"), name, model)
    {
        json_t *shown = json_object();
        for (size_t i = 0; i < sizeof MODEL_KEYS / sizeof MODEL_KEYS[0]; i++)
            json_object_set(shown, MODEL_KEYS[i], json_object_get(model, MODEL_KEYS[i]));
        json_object_set_new(models, name, shown);
    }
    json_object_set_new(copy, "models", models);
    return copy;
}

json_t *bench_json_public(const json_t *results)
{
    json_t *runs = json_array();
    size_t i;
    json_t *run;
    json_array_foreach(json_object_get(results, "runs"), i, run)
        json_array_append_new(runs, public_run(run));
    return json_pack("{s:O, s:o}", "alone", json_object_get(results, "alone"), "runs", runs);
}

json_t *bench_json_alone(const json_t *alone_runs)
{
    json_t *sums = json_object();
    json_t *counts = json_object();
    size_t i;
    json_t *run;
    const char *name;
    json_t *value;
    json_array_foreach(alone_runs, i, run)
    {
        json_object_foreach(json_object_get(run, "models"), name, value)
        {
            const double sum = json_number_value(json_object_get(sums, name));
            const double rate = json_number_value(json_object_get(value, "rps"));
            json_object_set_new(sums, name, json_real(sum + rate));
            json_object_set_new(
                counts, name, json_integer(json_integer_value(json_object_get(counts, name)) + 1));
        }
    }
    json_t *alone = json_object();
    json_object_foreach(sums, name, value)
    {
        const double count = (double)json_integer_value(json_object_get(counts, name));
        json_object_set_new(alone, name, rounded(json_number_value(value) / count, 0.001));
    }
    json_decref(sums);
    json_decref(counts);
    return alone;
}
