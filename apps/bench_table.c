#include "bench_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_SHOWN_MAX = 1000 };

/* One number of every round of a policy. */
typedef struct series {
    double values[ROUNDS_SHOWN_MAX];
    int count;
} series;

static void add(series *s, const json_t *value)
{
    if (json_is_number(value) && s->count < ROUNDS_SHOWN_MAX)
        s->values[s->count++] = json_number_value(value);
}

/* From each run of the policy: `key` of the run, or of a model in it. */
static series collect(const json_t *results, const char *policy, const char *model, const char *key)
{
    series s;
    s.count = 0;
    size_t i;
    json_t *run;
    json_array_foreach(json_object_get(results, "runs"), i, run)
    {
        if (strcmp(json_string_value(json_object_get(run, "policy")), policy) != 0)
            continue;
        const json_t *from = model ? json_object_get(json_object_get(run, "models"), model) : run;
        add(&s, json_object_get(from, key));
    }
    return s;
}

static double mean(const series *s)
{
    double sum = 0;
    for (int i = 0; i < s->count; i++)
        sum += s->values[i];
    return s->count ? sum / s->count : NAN;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(series *s)
{
    if (s->count == 0)
        return NAN;
    qsort(s->values, (size_t)s->count, sizeof s->values[0], compare);
    return (s->values[(s->count - 1) / 2] + s->values[s->count / 2]) / 2;
}

static void cell(FILE *out, double value, int width, int digits, const char *unit)
{
    if (isnan(value))
        fprintf(out, " %*s", width + (int)strlen(unit), "-");
    else
        fprintf(out, " %*.*f%s", width, digits, value, unit);
}

static void print_model(FILE *out, const json_t *results, const char *policy, const char *model,
                        int model_width)
{
    series rps = collect(results, policy, model, "rps");
    series p50 = collect(results, policy, model, "p50_ms");
    series p99 = collect(results, policy, model, "p99_ms");
    series missed = collect(results, policy, model, "deadline_miss_rate");
    fprintf(out, " %-*s", model_width, model);
    cell(out, median(&rps), 9, 1, "");
    cell(out, median(&p50), 9, 2, "");
    cell(out, median(&p99), 9, 2, "");
    /* A median would hide a bad round. */
    cell(out, mean(&missed) * 100, 7, 1, " %");
}

static void print_policy(FILE *out, const bench_policy *policy, const bench_job *job,
                         const json_t *results, int policy_width, int model_width)
{
    series normalized = collect(results, policy->spec, NULL, "normalized_throughput");
    if (collect(results, policy->spec, NULL, "throughput_rps").count == 0)
        return; /* interrupted before its first run */
    series cpu = collect(results, policy->spec, NULL, "cpu_seconds");
    series energy = collect(results, policy->spec, NULL, "energy_j");
    for (int m = 0; m < job->model_count; m++) {
        fprintf(out, "%-*s", policy_width, m == 0 ? policy->spec : "");
        print_model(out, results, policy->spec, job->models[m].name, model_width);
        if (m == 0) {
            cell(out, median(&normalized), 10, 3, "");
            cell(out, median(&cpu), 8, 2, "");
            cell(out, median(&energy), 9, 1, "");
        }
        fputc('\n', out);
    }
}

void bench_table_print(FILE *out, const bench_plan *plan, const bench_job *job,
                       const json_t *results)
{
    int policy_width = 6;
    int model_width = 5;
    for (int i = 0; i < plan->count; i++)
        if ((int)strlen(plan->policies[i].spec) > policy_width)
            policy_width = (int)strlen(plan->policies[i].spec);
    for (int i = 0; i < job->model_count; i++)
        if ((int)strlen(job->models[i].name) > model_width)
            model_width = (int)strlen(job->models[i].name);
    fprintf(out, "%-*s %-*s %9s %9s %9s %9s %10s %8s %9s\n", policy_width, "policy", model_width,
            "model", "rate/s", "p50 ms", "p99 ms", "missed", "normalized", "CPU s", "energy J");
    for (int i = 0; i < plan->count; i++)
        print_policy(out, &plan->policies[i], job, results, policy_width, model_width);
    fprintf(out, "\nAlone on all cores:");
    const char *name;
    json_t *rate;
    const char *comma = "";
    json_object_foreach((json_t *)(uintptr_t)json_object_get(results, "alone"), name, rate)
    {
        fprintf(out, "%s %s %.1f/s", comma, name, json_number_value(rate));
        comma = ",";
    }
    fprintf(
        out,
        ".\nMedians over the rounds; missed: their mean. Normalized: the sum of rate / rate alone; "
        "1 is as much work as one model alone.\n");
}
