/* How good policies are on simulated devices: mean latency (or missed deadlines, or energy)
 * relative to the best of the baselines in each case.
 *
 *     bench_policies [--objective NAME] [--requests N] [--seeds N] [--policies A,B] [--mix SEED]
 *                    [--bursts FACTOR] DEVICE.csv...
 *
 * Cases: each device at 0.5, 0.7, 0.85, 0.95 and 1.2 of the capacity of the mix: uniform over its
 * models, or random weights drawn from a seed. Poisson arrivals, or bursts of FACTOR times the mean
 * rate that take a fifth of the time; deadlines of four times each model's fastest time; every
 * policy sees the same arrivals. Per case the mean over the seeds of the mean latency, relative to
 * the best baseline's;
 * --objective deadline: of the missed deadlines, and of the 99th percentile of latency in brackets;
 * --objective energy: of the energy, relative to the least that is possible at that rate, and the
 * mean latency in ms; above capacity: of the requests served per second while requests arrive,
 * relative to the capacity. And the time that a decision takes. Exact simulation: no noise. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "profile/table.h"
#include "sched/bound.h"
#include "sim/processors.h"
#include "sim/sim.h"

enum { POLICIES_MAX = 64, LOADS = 5 };

static const double loads[LOADS] = {0.5, 0.7, 0.85, 0.95, 1.2};
static const char *const baselines[] = {"round-robin", "static-best", "shortest-latency", "heft",
                                        "least-slack", "max-weight",  "min-min"};
enum { BASELINES = sizeof baselines / sizeof *baselines };

typedef struct options {
    const char *objective;
    const char *policies;
    int requests, seeds;
    int mix;       /* seed; 0: uniform */
    double bursts; /* 0: none */
} options;

typedef struct outcome {
    double mean_ms, missed, energy_mj, p99_ms, window_rps;
    double decision_us, decision_us_p50, decision_us_p99;
} outcome;

typedef struct window {
    int64_t last_ns;
    uint64_t served;
} window;

typedef struct device {
    device_table *table;
    sim_device device;
    double *mix; /* sums to 1 */
    double capacity_rps;
    sched_objective objective;
} device;

static void fail(const char *what)
{
    fprintf(stderr, "bench_policies: %s\n", what);
    exit(1);
}

static bound_problem problem_of(const device *d)
{
    return (bound_problem){.costs = &d->device.costs,
                           .processors = d->device.processors,
                           .mix = d->mix,
                           .models = d->device.models};
}

static void draw_mix(device *d, int seed)
{
    rng r;
    double sum = 0;
    rng_init(&r, (uint64_t)seed);
    d->mix = malloc((size_t)d->device.model_count * sizeof *d->mix);
    if (!d->mix)
        fail("no memory");
    for (int m = 0; m < d->device.model_count; m++) {
        d->mix[m] = seed ? rng_exponential(&r, 1) * rng_exponential(&r, 1) + 0.02 : 1;
        sum += d->mix[m];
    }
    for (int m = 0; m < d->device.model_count; m++)
        d->mix[m] /= sum;
}

static void open_device(device *d, const char *path, const options *o)
{
    cosrel_error err = {""};
    bound_result bound;
    if (table_read(path, &d->table, &err) != COSREL_OK ||
        sim_device_init(&d->device, d->table, &err) != COSREL_OK ||
        objective_find(o->objective, &d->objective, &err) != COSREL_OK)
        fail(err.text);
    draw_mix(d, o->mix);
    const bound_problem problem = problem_of(d);
    if (bound_capacity(&problem, &bound, &err) != COSREL_OK)
        fail(err.text);
    d->capacity_rps = bound.rate_rps;
    bound_result_deinit(&bound);
}

static double least_energy_mj(const device *d, double load)
{
    cosrel_error err = {""};
    bound_result bound;
    const bound_problem problem = problem_of(d);
    if (bound_energy(&problem, load * d->capacity_rps, &bound, &err) != COSREL_OK)
        fail(err.text);
    const double energy_mj = bound.energy_mj_per_request;
    bound_result_deinit(&bound);
    return energy_mj;
}

static int64_t fastest_ns(const device *d, int model)
{
    int64_t least = INT64_MAX;
    for (int p = 0; p < d->device.processor_count; p++) {
        const int64_t cost_ns = cost_at(&d->device.costs, model, p, 0)->service_ns;
        least = cost_ns > 0 && cost_ns < least ? cost_ns : least;
    }
    return least;
}

static int draw_model(const device *d, rng *r)
{
    double pick = rng_unit(r);
    for (int m = 0; m + 1 < d->device.model_count; m++) {
        if (pick < d->mix[m])
            return m;
        pick -= d->mix[m];
    }
    return d->device.model_count - 1;
}

/* The time of the next arrival; *turn: when the rate changes next. */
static double next_arrival(rng *r, const options *o, double rate_rps, double t_ns, bool *burst,
                           double *turn_ns)
{
    static const double part = 0.2, arrivals_in_both = 150;
    for (;;) {
        const double quiet = (1 - part * o->bursts) / (1 - part);
        const double factor = o->bursts <= 0 ? 1 : *burst ? o->bursts : fmax(quiet, 0.02);
        const double next_ns = t_ns + rng_exponential(r, 1e9 / (rate_rps * factor));
        if (o->bursts <= 0 || next_ns <= *turn_ns)
            return next_ns;
        t_ns = *turn_ns;
        *burst = !*burst;
        *turn_ns += rng_exponential(r,
                                    arrivals_in_both / rate_rps * 1e9 * (*burst ? part : 1 - part));
    }
}

static arrivals_list *draw(const device *d, double rate_rps, const options *o, uint64_t seed)
{
    cosrel_error err = {""};
    arrivals_list *list;
    rng r;
    bool burst = false;
    double t_ns = 0, turn_ns = 0;
    rng_init(&r, seed);
    if (arrivals_make(&list, &err) != COSREL_OK)
        fail(err.text);
    for (int i = 0; i < o->requests; i++) {
        t_ns = next_arrival(&r, o, rate_rps, t_ns, &burst, &turn_ns);
        const int model = draw_model(d, &r);
        const arrivals_row row = {.t_ns = (int64_t)t_ns,
                                  .model = model,
                                  .deadline_ns = (int64_t)t_ns + 4 * fastest_ns(d, model)};
        if (arrivals_add(list, &row, &err) != COSREL_OK)
            fail(err.text);
    }
    return list;
}

static void count_served(void *user, int64_t start_ns, int64_t end_ns, int processor, int model,
                         const uint32_t *ids, int count, bool ok)
{
    window *w = user;
    (void)start_ns, (void)processor, (void)model, (void)ids;
    if (ok && end_ns <= w->last_ns)
        w->served += (uint64_t)count;
}

static outcome simulate(const device *d, const arrivals_list *list, const char *policy)
{
    cosrel_error err = {""};
    source *requests;
    sim_result result;
    sim_summary summary;
    window w = {.last_ns = list->rows[list->count - 1].t_ns};
    const sim_observer observer = {.user = &w, .end = count_served};
    if (source_from_arrivals(list, INT64_MAX, &requests, &err) != COSREL_OK)
        fail(err.text);
    const sim_setup setup = {.sched = {.processors = d->device.processors,
                                       .processor_count = d->device.processor_count,
                                       .policy = policy,
                                       .objective = d->objective,
                                       .seed = 1},
                             .costs = &d->device.costs,
                             .models = d->device.models,
                             .requests = requests,
                             .stopwatch_ns = clock_now_ns,
                             .observer = &observer};
    if (sim_run(&setup, &result, &err) != COSREL_OK ||
        sim_summarise(&result, -1, &summary) != COSREL_OK)
        fail(err.text);
    const outcome out = {.mean_ms = summary.mean_ms,
                         .missed = summary.deadline_miss_rate,
                         .energy_mj = summary.energy_mj_per_request,
                         .p99_ms = summary.p99_ms,
                         .window_rps = (double)w.served / ((double)w.last_ns / 1e9),
                         .decision_us = (double)hist_mean(&result.decision_ns) / 1e3,
                         .decision_us_p50 = (double)hist_percentile(&result.decision_ns, 0.5) / 1e3,
                         .decision_us_p99 = (double)hist_percentile(&result.decision_ns, 0.99) /
                                            1e3};
    sim_result_deinit(&result);
    source_free(requests);
    return out;
}

/* The mean over the seeds. */
static outcome average(const device *d, double load, const options *o, const char *policy)
{
    outcome sum = {0};
    for (int seed = 1; seed <= o->seeds; seed++) {
        arrivals_list *list = draw(d, load * d->capacity_rps, o, (uint64_t)seed);
        const outcome one = simulate(d, list, policy);
        const double *from = (const double *)&one;
        double *to = (double *)&sum;
        for (size_t i = 0; i < sizeof one / sizeof *from; i++)
            to[i] += from[i] / o->seeds;
        arrivals_free(list);
    }
    return sum;
}

static double value_of(const outcome *o, const char *objective)
{
    if (strcmp(objective, "deadline") == 0)
        return o->missed;
    return strcmp(objective, "energy") == 0 ? o->energy_mj : o->mean_ms;
}

/* single:PROCESSOR for each, then the others; the best value, and whose. */
static double best_baseline(const device *d, double load, const options *o, char *who,
                            size_t who_bytes, double *p99_ms)
{
    double best = INFINITY;
    for (int i = 0; i < BASELINES + d->device.processor_count; i++) {
        char policy[96];
        if (i < BASELINES)
            snprintf(policy, sizeof policy, "%s", baselines[i]);
        else
            snprintf(policy, sizeof policy, "single:%s", d->device.processors[i - BASELINES].name);
        const outcome one = average(d, load, o, policy);
        if (value_of(&one, o->objective) < best) {
            best = value_of(&one, o->objective);
            *p99_ms = one.p99_ms;
            snprintf(who, who_bytes, "%s", policy);
        }
    }
    return best;
}

static int split(char *text, const char **items)
{
    int count = 0;
    for (char *at = strtok(text, ","); at && count < POLICIES_MAX; at = strtok(NULL, ","))
        items[count++] = at;
    return count;
}

static void print_heading(const options *o, const char *const *policies, int count)
{
    printf("%d requests, %d seeds, objective %s\n\n| device | load | best baseline | its value |",
           o->requests, o->seeds, o->objective);
    for (int i = 0; i < count; i++)
        printf(" %s | us p50 (mean, p99) |", policies[i]);
    printf("\n|---|---|---|---|");
    for (int i = 0; i < count; i++)
        printf("---|---|");
    putchar('\n');
}

static void run_device(const char *path, const options *o, const char *const *policies, int count,
                       double *logs, double *worst, int *cases)
{
    device d;
    const char *name = strrchr(path, '/');
    open_device(&d, path, o);
    const bool deadline = strcmp(o->objective, "deadline") == 0;
    const bool energy = strcmp(o->objective, "energy") == 0;
    for (int l = 0; l < LOADS; l++) {
        char who[96] = "capacity";
        const bool over = loads[l] > 1;
        double p99_ms = 1, best = d.capacity_rps;
        if (energy && !over)
            best = least_energy_mj(&d, loads[l]), strcpy(who, "least possible");
        else if (!over)
            best = best_baseline(&d, loads[l], o, who, sizeof who, &p99_ms);
        printf("| %s | %.2f | %s | %.4g |", name ? name + 1 : path, loads[l], who, best);
        for (int i = 0; i < count; i++) {
            const outcome one = average(&d, loads[l], o, policies[i]);
            const double ratio = (over ? one.window_rps : value_of(&one, o->objective)) / best;
            printf(" %.3f", ratio);
            if (deadline && !over)
                printf(" (%.2f)", one.p99_ms / p99_ms);
            if (energy && !over)
                printf(" (%.4g ms)", one.mean_ms);
            printf(" | %.1f (%.1f, %.1f) |", one.decision_us_p50, one.decision_us,
                   one.decision_us_p99);
            fflush(stdout);
            if (over)
                continue;
            logs[i] += log(ratio);
            worst[i] = ratio > worst[i] ? ratio : worst[i];
        }
        *cases += !over;
        putchar('\n');
    }
    free(d.mix);
    sim_device_deinit(&d.device);
    table_free(d.table);
}

int main(int argc, char **argv)
{
    options o = {.objective = "latency",
                 .policies = "priced,lookahead:200,lookahead:1000",
                 .requests = 6000,
                 .seeds = 3};
    int at = 1, cases = 0;
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
        if (strcmp(argv[at], "--objective") == 0)
            o.objective = argv[at + 1];
        else if (strcmp(argv[at], "--policies") == 0)
            o.policies = argv[at + 1];
        else if (strcmp(argv[at], "--requests") == 0)
            o.requests = atoi(argv[at + 1]);
        else if (strcmp(argv[at], "--seeds") == 0)
            o.seeds = atoi(argv[at + 1]);
        else if (strcmp(argv[at], "--mix") == 0)
            o.mix = atoi(argv[at + 1]);
        else if (strcmp(argv[at], "--bursts") == 0)
            o.bursts = atof(argv[at + 1]);
        else
            fail("options: --objective, --policies, --requests, --seeds, --mix, --bursts; then "
                 "device "
                 "tables");
    }
    static const char *const usual[] = {"profiles/snapdragon-845.csv", "profiles/rk3588s.csv",
                                        "profiles/synaptics-vs680.csv",
                                        "profiles/snapdragon-855plus.csv"};
    const char *policies[POLICIES_MAX];
    double logs[POLICIES_MAX] = {0}, worst[POLICIES_MAX] = {0};
    char *text = strdup(o.policies);
    if (!text || o.requests < 1 || o.seeds < 1)
        fail("--requests and --seeds: numbers from 1");
    const int count = split(text, policies);
    print_heading(&o, policies, count);
    for (int i = 0; i < (at < argc ? argc - at : 4); i++)
        run_device(at < argc ? argv[at + i] : usual[i], &o, policies, count, logs, worst, &cases);
    printf("\nBelow capacity, relative to the best baseline of each case:\n");
    for (int i = 0; i < count; i++)
        printf("%-20s geometric mean %.3f, worst %.3f\n", policies[i], exp(logs[i] / cases),
               worst[i]);
    free(text);
    return 0;
}
