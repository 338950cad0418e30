/* How fast the simulator is: events (arrivals, ends of runs) per second of one core, per policy.
 *
 *     bench_sim [ARRIVALS [LOAD]]        default 1000000 at 0.8 of what the device can carry
 *
 * 8 processors that share nothing, 20 models that all of them can run at speeds of their own,
 * Poisson arrivals, half of them with deadlines; nobody watches and decisions are not timed, as in
 * training. The load is relative to what the policy can carry, or queues would grow without end:
 * for policies that bind a model to processors the rate at which the busiest one is full, for the
 * others 1 / 1.4 of all processors at each model's least time (chosen: a few percent below the
 * capacity).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "sim/sim.h"

enum { PROCESSORS = 8, MODELS = 20, ROUNDS = 3 };

static const char *const policies[] = {
    "single:p0",  "round-robin", "static-best", "shortest-latency",
    "max-weight", "min-min",     "heft",        "least-slack"};

static const char *const processor_names[PROCESSORS] = {"p0", "p1", "p2", "p3",
                                                        "p4", "p5", "p6", "p7"};

static void fail(const char *what)
{
    fprintf(stderr, "bench_sim: %s\n", what);
    exit(1);
}

typedef struct bench {
    sched_processor processors[PROCESSORS];
    char names[MODELS][8];
    const char *models[MODELS];
    cost_table costs;
} bench;

static void make_device(bench *b)
{
    rng random;
    rng_init(&random, 1);
    if (cost_init(&b->costs, MODELS, PROCESSORS, (const int32_t[]){1}, 1) != COSREL_OK)
        fail("no memory");
    b->costs.model_count = MODELS;
    for (int p = 0; p < PROCESSORS; p++)
        b->processors[p] = (sched_processor){.name = processor_names[p], .units = (uint64_t)1 << p};
    for (int m = 0; m < MODELS; m++) {
        const double scale_ms = 1 + 40 * rng_unit(&random);
        snprintf(b->names[m], sizeof b->names[m], "m%02d", m);
        b->models[m] = b->names[m];
        for (int p = 0; p < PROCESSORS; p++)
            cost_at(&b->costs, m, p, 0)->service_ns = (int64_t)(scale_ms * 1e6 *
                                                                (0.3 + 2 * rng_unit(&random)));
    }
}

/* The rate at which the busiest processor is full. */
static double carried_rps(const bench *b, const char *policy)
{
    double work_ns[PROCESSORS] = {0}, most_ns = 0, least_ns = 0;
    for (int m = 0; m < MODELS; m++) {
        int best = 0;
        for (int p = 0; p < PROCESSORS; p++)
            if (cost_at(&b->costs, m, p, 0)->service_ns <
                cost_at(&b->costs, m, best, 0)->service_ns)
                best = p;
        least_ns += (double)cost_at(&b->costs, m, best, 0)->service_ns / MODELS;
        for (int p = 0; p < PROCESSORS; p++) {
            const double cost_ns = (double)cost_at(&b->costs, m, p, 0)->service_ns / MODELS;
            if (strcmp(policy, "static-best") == 0)
                work_ns[p] += p == best ? cost_ns : 0;
            else if (strcmp(policy, "round-robin") == 0)
                work_ns[p] += cost_ns / PROCESSORS;
            else if (strcmp(policy, "single:p0") == 0)
                work_ns[p] += p == 0 ? cost_ns : 0;
        }
    }
    for (int p = 0; p < PROCESSORS; p++)
        most_ns = work_ns[p] > most_ns ? work_ns[p] : most_ns;
    return 1e9 / (most_ns > 0 ? most_ns : 1.4 * least_ns / PROCESSORS);
}

static arrivals_list *make_arrivals(double rate_rps, long count)
{
    arrivals_list *list;
    rng random;
    int64_t t_ns = 0;
    rng_init(&random, 2);
    if (arrivals_make(&list, NULL) != COSREL_OK)
        fail("no memory");
    for (long i = 0; i < count; i++) {
        t_ns += (int64_t)rng_exponential(&random, 1e9 / rate_rps);
        const int model = (int)rng_below(&random, MODELS);
        const int64_t deadline_ns = i % 2 ? t_ns + 100000000 : INT64_MAX;
        const arrivals_row row = {.t_ns = t_ns, .deadline_ns = deadline_ns, .model = model};
        if (arrivals_add(list, &row, NULL) != COSREL_OK)
            fail("no memory");
    }
    return list;
}

static void play(const bench *b, const char *policy, double load, long count)
{
    const double rate_rps = load * carried_rps(b, policy);
    arrivals_list *list = make_arrivals(rate_rps, count);
    double best = 0, mean_ms = 0;
    uint64_t events = 0;
    for (int round = 0; round < ROUNDS; round++) {
        sim_result result;
        sim_summary summary;
        cosrel_error err = {""};
        sim_setup setup = {.sched = {.processors = b->processors,
                                     .processor_count = PROCESSORS,
                                     .policy = policy,
                                     .objective = {.latency = 1}},
                           .costs = &b->costs,
                           .models = b->models};
        if (source_from_arrivals(list, INT64_MAX, &setup.requests, &err) != COSREL_OK)
            fail(err.text);
        const int64_t started_ns = clock_now_ns();
        if (sim_run(&setup, &result, &err) != COSREL_OK)
            fail(err.text);
        const double took_s = (double)(clock_now_ns() - started_ns) / 1e9;
        if (sim_summarise(&result, -1, &summary) != COSREL_OK)
            fail("no memory");
        events = result.events;
        mean_ms = summary.mean_ms;
        best = (double)events / took_s > best ? (double)events / took_s : best;
        sim_result_deinit(&result);
        source_free(setup.requests);
    }
    printf("%-17s %10.0f %10llu %10.3f %14.2f\n", policy, rate_rps, (unsigned long long)events,
           mean_ms, best / 1e6);
    fflush(stdout);
    arrivals_free(list);
}

int main(int argc, char **argv)
{
    static bench b;
    const long count = argc > 1 ? strtol(argv[1], NULL, 10) : 1000000;
    const double load = argc > 2 ? strtod(argv[2], NULL) : 0.8;
    if (argc > 3 || count < 1 || !(load > 0))
        fail("expected the number of arrivals and the load");
    make_device(&b);
    printf("%d processors, %d models, load %.2f; the best of %d rounds\n", PROCESSORS, MODELS, load,
           ROUNDS);
    printf("policy              arrivals/s     events    mean ms  million events/s\n");
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
        play(&b, policies[i], load, count);
    cost_deinit(&b.costs);
    return 0;
}
