/* What looking ahead costs: nanoseconds per step of a rollout (STEPS_PER_US of policy_lookahead.c
 * stands on it), and how long decisions take with a budget.
 *
 *     bench_lookahead [--budget US] [--requests N] DEVICE.csv...
 *
 * Steps: of random moments (busy processors, up to 40 waiting requests) futures are drawn and
 * played with both base policies, and the time is set against the steps that the rollouts counted;
 * the median over the moments and the slowest twentieth. Decisions: the device at 0.5, 0.8 and 0.95
 * of its capacity, Poisson arrivals of all its models alike. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "profile/table.h"
#include "sched/bound.h"
#include "sched/rollout.h"
#include "sim/processors.h"
#include "sim/sim.h"

/* Futures, arrivals and events are those of policy_lookahead.c. */
enum {
    MOMENTS = 400,
    WAITING_MAX = 40,
    FUTURES = 40,
    ARRIVALS = 14,
    EVENTS_MAX = 100,
    HISTORY = 256
};

static void fail(const char *what)
{
    fprintf(stderr, "bench_lookahead: %s\n", what);
    exit(1);
}

typedef struct device {
    device_table *table;
    sim_device device;
    double capacity_rps;
    double prices[SCHED_PROCESSORS_MAX];
} device;

static void open_device(device *d, const char *path)
{
    cosrel_error err = {""};
    bound_result bound;
    if (table_read(path, &d->table, &err) != COSREL_OK ||
        sim_device_init(&d->device, d->table, &err) != COSREL_OK)
        fail(err.text);
    double *mix = malloc((size_t)d->device.model_count * sizeof *mix);
    if (!mix)
        fail("no memory");
    for (int m = 0; m < d->device.model_count; m++)
        mix[m] = 1;
    const bound_problem problem = {
        .costs = &d->device.costs, .processors = d->device.processors, .mix = mix};
    if (bound_capacity(&problem, &bound, &err) != COSREL_OK)
        fail(err.text);
    d->capacity_rps = bound.rate_rps;
    memcpy(d->prices, bound.processor_price, sizeof d->prices);
    bound_result_deinit(&bound);
    free(mix);
}

static void close_device(device *d)
{
    sim_device_deinit(&d->device);
    table_free(d->table);
}

/* ---- Steps ---- */

/* All that a view points at. */
typedef struct moment {
    sched_view view;
    uint64_t conflicts[SCHED_PROCESSORS_MAX], families[SCHED_PROCESSORS_MAX];
    int64_t ready_ns[SCHED_PROCESSORS_MAX];
    uint64_t *can;
    class_queue queue;
    sched_request requests[WAITING_MAX];
    arrival_rates rates;
    sched_objective objective;
    rng random;
} moment;

static const int64_t NOW = 1000000000000;

static void look_at_device(moment *m, const device *d)
{
    const sim_device *s = &d->device;
    memset(m, 0, sizeof *m);
    rng_init(&m->random, 1);
    m->objective = (sched_objective){.latency = 1};
    m->can = calloc((size_t)s->model_count, sizeof *m->can);
    if (!m->can || rates_init(&m->rates, s->model_count) != COSREL_OK)
        fail("no memory");
    for (int p = 0; p < s->processor_count; p++) {
        for (int q = 0; q < s->processor_count; q++) {
            const bool shares = (s->processors[p].units & s->processors[q].units) != 0;
            m->conflicts[p] |= shares ? VIEW_BIT(q) : 0;
            m->families[p] |= shares ? s->processors[q].units : 0;
        }
        for (int k = 0; k < s->model_count; k++)
            m->can[k] |= cost_at(&s->costs, k, p, 0)->service_ns > 0 ? VIEW_BIT(p) : 0;
    }
    double ago_ns = HISTORY * 1e9 / (0.8 * d->capacity_rps);
    for (int i = 0; i < HISTORY; i++, ago_ns -= 1e9 / (0.8 * d->capacity_rps))
        rates_arrive(&m->rates, NOW - (int64_t)ago_ns, i % s->model_count, INT64_MAX);
    m->view = (sched_view){.now_ns = NOW,
                           .costs = &s->costs,
                           .processor_count = s->processor_count,
                           .model_max = s->model_count,
                           .model_count = s->model_count,
                           .request_max = WAITING_MAX,
                           .processors = s->processors,
                           .conflicts = m->conflicts,
                           .families = m->families,
                           .ready_ns = m->ready_ns,
                           .can = m->can,
                           .up = ((VIEW_BIT(s->processor_count - 1) - 1) << 1) + 1,
                           .queue = &m->queue,
                           .requests = m->requests,
                           .rates = &m->rates,
                           .prices = d->prices,
                           .objective = &m->objective,
                           .random = &m->random};
}

/* Some processors run something, some requests wait; at least one of each could meet. */
static void shuffle(moment *m)
{
    const int processors = m->view.processor_count;
    uint64_t blocked = 0;
    for (int p = 0; p < processors; p++)
        m->ready_ns[p] = NOW;
    for (int p = 1; p < processors; p++) {
        if (rng_below(&m->random, 2) || (blocked & VIEW_BIT(p)) || (m->conflicts[p] & 1))
            continue;
        for (uint64_t left = m->conflicts[p]; left; left &= left - 1)
            m->ready_ns[view_lowest(left)] = NOW + 1 + (int64_t)rng_below(&m->random, 50000000);
        blocked |= m->conflicts[p];
    }
    m->view.startable = m->view.up & ~blocked;
    const int waiting = 1 + (int)rng_below(&m->random, WAITING_MAX);
    if (class_queue_init(&m->queue, m->view.model_max) != COSREL_OK)
        fail("no memory");
    for (int i = 0; i < waiting; i++) {
        m->requests[i] = (sched_request){
            .arrived_ns = NOW,
            .deadline_ns = SCHED_NEVER,
            .sequence = (uint64_t)i,
            .model = (int)rng_below(&m->random, (uint64_t)m->view.model_count),
            .state = REQUEST_WAITING};
        class_queue_add(&m->queue, m->requests, (uint32_t)i);
    }
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure_steps(const device *d, const char *path)
{
    static const rollout_action any = {.first = ROLLOUT_ANY};
    double each_ns[MOMENTS], all_ns = 0, run_steps = 0;
    uint64_t all_steps = 0;
    moment m;
    rollout *r;
    look_at_device(&m, d);
    if (rollout_create(&m.view, &r) != COSREL_OK)
        fail("no memory");
    for (int i = 0; i < MOMENTS; i++) {
        shuffle(&m);
        const uint64_t before = rollout_steps(r);
        const int64_t started_ns = clock_now_ns();
        rollout_look(r, &m.view, ARRIVALS, EVENTS_MAX);
        for (int k = 0; k < FUTURES; k++) {
            rollout_draw(r, &m.random);
            rollout_run(r, ROLLOUT_MIN_MIN, &any);
            rollout_run(r, ROLLOUT_PRICED, &any);
        }
        const double took_ns = (double)(clock_now_ns() - started_ns);
        const uint64_t steps = rollout_steps(r) - before;
        each_ns[i] = took_ns / (double)steps;
        all_ns += took_ns;
        all_steps += steps;
        run_steps += (double)steps / (2 * FUTURES * MOMENTS);
        class_queue_deinit(&m.queue);
    }
    qsort(each_ns, MOMENTS, sizeof *each_ns, compare);
    printf("%-40s %8.2f %8.2f %8.2f %12.0f\n", path, all_ns / (double)all_steps,
           each_ns[MOMENTS / 2], each_ns[MOMENTS * 95 / 100], run_steps);
    rollout_free(r);
    free(m.can);
    rates_deinit(&m.rates);
}

/* ---- Decisions ---- */

static arrivals_list *draw(const device *d, double rate_rps, long count)
{
    arrivals_list *list;
    rng random;
    double t_ns = 0;
    rng_init(&random, 2);
    if (arrivals_make(&list, NULL) != COSREL_OK)
        fail("no memory");
    for (long i = 0; i < count; i++) {
        t_ns += rng_exponential(&random, 1e9 / rate_rps);
        const arrivals_row row = {
            .t_ns = (int64_t)t_ns,
            .deadline_ns = INT64_MAX,
            .model = (int)rng_below(&random, (uint64_t)d->device.model_count)};
        if (arrivals_add(list, &row, NULL) != COSREL_OK)
            fail("no memory");
    }
    return list;
}

static void measure_decisions(const device *d, const char *path, double load, const char *policy,
                              long count)
{
    cosrel_error err = {""};
    sim_result result;
    arrivals_list *list = draw(d, load * d->capacity_rps, count);
    sim_setup setup = {.sched = {.processors = d->device.processors,
                                 .processor_count = d->device.processor_count,
                                 .policy = policy,
                                 .seed = 1,
                                 .objective = {.latency = 1}},
                       .costs = &d->device.costs,
                       .models = d->device.models,
                       .stopwatch_ns = clock_now_ns};
    if (source_from_arrivals(list, INT64_MAX, &setup.requests, &err) != COSREL_OK ||
        sim_run(&setup, &result, &err) != COSREL_OK)
        fail(err.text);
    printf("%-40s %5.2f %10llu", path, load, (unsigned long long)result.decisions);
    static const double shares[] = {0.5, 0.9, 0.99, 1};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        printf(" %8.1f", (double)hist_percentile(&result.decision_ns, shares[i]) / 1e3);
    printf("\n");
    fflush(stdout);
    sim_result_deinit(&result);
    source_free(setup.requests);
    arrivals_free(list);
}

int main(int argc, char **argv)
{
    static const double loads[] = {0.5, 0.8, 0.95};
    long budget_us = 200, requests = 2000;
    char policy[40];
    int first = 1;
    for (; first + 1 < argc && strncmp(argv[first], "--", 2) == 0; first += 2) {
        if (strcmp(argv[first], "--budget") == 0)
            budget_us = strtol(argv[first + 1], NULL, 10);
        else if (strcmp(argv[first], "--requests") == 0)
            requests = strtol(argv[first + 1], NULL, 10);
        else
            fail("unknown option");
    }
    if (first >= argc || budget_us < 1 || requests < 1)
        fail("usage: bench_lookahead [--budget US] [--requests N] DEVICE.csv...");
    snprintf(policy, sizeof policy, "lookahead:%ld", budget_us);
    printf("%-40s  ns/step   median      p95  steps/future\n", "rollouts");
    for (int i = first; i < argc; i++) {
        device d;
        open_device(&d, argv[i]);
        measure_steps(&d, argv[i]);
        close_device(&d);
    }
    printf("\n%-40s  load  decisions   p50 us      p90      p99      max\n", policy);
    for (int i = first; i < argc; i++) {
        device d;
        open_device(&d, argv[i]);
        for (size_t k = 0; k < sizeof loads / sizeof *loads; k++)
            measure_decisions(&d, argv[i], loads[k], policy, requests);
        close_device(&d);
    }
    return 0;
}
