#include "sched/rates.h"

#include <stdlib.h>
#include <string.h>

/* Arrivals that the estimates remember (chosen: at 64 the total is right within 12 %, and a burst
 * of ten times the rate shows in full after some 20 arrivals; shares of 30 models want some 20
 * arrivals each). */
static const double TOTAL_MEMORY = 64;
static const double SHARE_MEMORY = 600;

/* What a model weighs that was never asked for (Laplace's rule of succession, times a half). */
static const double PRIOR = 0.5;

static const double UNIT_MAX = 1e100; /* then all is scaled back */

cosrel_status rates_init(arrival_rates *r, int model_max)
{
    *r = (arrival_rates){.model_max = model_max, .unit = 1, .last_ns = INT64_MIN};
    r->weight = calloc((size_t)model_max, sizeof *r->weight);
    r->deadline_ns = calloc((size_t)model_max, sizeof *r->deadline_ns);
    for (int m = 0; r->deadline_ns && m < model_max; m++)
        r->deadline_ns[m] = INT64_MAX;
    return r->weight && r->deadline_ns ? COSREL_OK : COSREL_OUT_OF_MEMORY;
}

void rates_deinit(arrival_rates *r)
{
    free(r->weight);
    free(r->deadline_ns);
    memset(r, 0, sizeof *r);
}

static void scale_back(arrival_rates *r)
{
    for (int m = 0; m < r->model_max; m++)
        r->weight[m] /= r->unit;
    r->weight_sum /= r->unit;
    r->unit = 1;
}

void rates_arrive(arrival_rates *r, int64_t now_ns, int model, int64_t deadline_ns)
{
    /* One that is late on arrival says nothing about what others may expect. */
    if (deadline_ns == INT64_MAX || deadline_ns > now_ns)
        r->deadline_ns[model] = deadline_ns == INT64_MAX ? INT64_MAX : deadline_ns - now_ns;
    r->weight[model] += r->unit;
    r->weight_sum += r->unit;
    r->unit *= 1 + 1 / SHARE_MEMORY;
    if (r->unit > UNIT_MAX)
        scale_back(r);
    if (r->last_ns != INT64_MIN) {
        const double fade = 1 - 1 / TOTAL_MEMORY;
        r->count = r->count * fade + 1;
        r->span_ns = r->span_ns * fade + (double)(now_ns - r->last_ns);
    }
    r->last_ns = now_ns;
}

void rates_pass_on(arrival_rates *r, int from, int to)
{
    r->weight[to] += r->weight[from];
    r->weight[from] = 0;
    r->deadline_ns[to] = r->deadline_ns[from];
}

void rates_forget(arrival_rates *r, int model)
{
    double sum = 0;
    r->weight[model] = 0;
    r->deadline_ns[model] = INT64_MAX;
    for (int m = 0; m < r->model_max; m++)
        sum += r->weight[m];
    r->weight_sum = sum;
}

double rates_total(const arrival_rates *r, int64_t now_ns)
{
    if (r->count == 0)
        return 0;
    /* A gap that is longer than usual counts before it ends. */
    const double open_ns = (double)(now_ns - r->last_ns);
    const double mean_ns = r->span_ns / r->count;
    const double late_ns = open_ns > mean_ns ? open_ns - mean_ns : 0;
    const double span_ns = r->span_ns + late_ns;
    return span_ns > 0 ? r->count / span_ns : 0;
}

double rates_share(const arrival_rates *r, int model, int models)
{
    const double prior = PRIOR * r->unit;
    return (r->weight[model] + prior) / (r->weight_sum + prior * models);
}
