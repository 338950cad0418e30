/* How fast policies follow a processor that becomes slower: mean latency after it, relative to the
 * same policy on the same requests that knew all along.
 *
 *     bench_adapt [--factor 3] [--load 0.7] [--decisions 200] [--policies A,B] [--knew POLICY]
 * DEVICE.csv...
 *
 * For each processor of each device: Poisson arrivals of the uniform mix at that load of what the
 * slowed device can carry; after a third of the requests the processor takes FACTOR times as long,
 * and nobody tells. Measured are the requests that arrive from the 200th decision after that on,
 * and those before it. `--knew learned:FILE`: compared with that policy, trained for the slowed
 * device, instead of with itself. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "profile/table.h"
#include "sched/bound.h"
#include "sim/processors.h"
#include "sim/sim.h"

enum { REQUESTS = 6000, SEEDS = 3, POLICIES_MAX = 16 };

typedef struct options {
    double factor, load;
    int decisions;
    const char *policies, *knew;
} options;

typedef struct window {
    int64_t from_ns, to_ns; /* arrivals */
    const arrivals_list *list;
    double sum_ms;
    uint64_t count;
    /* Where the window begins: so many decisions after the change. */
    int64_t changed_ns;
    int left;
} window;

static void fail(const char *what)
{
    fprintf(stderr, "bench_adapt: %s\n", what);
    exit(1);
}

static void slow_down(sim_device *d, int processor, double factor)
{
    for (int m = 0; m < d->model_count; m++)
        for (int b = 0; b < d->costs.batch_count; b++) {
            cost_cell *cell = cost_at(&d->costs, m, processor, b);
            cell->service_ns = (int64_t)((double)cell->service_ns * factor);
        }
}

static double capacity(const sim_device *d)
{
    double mix[1024];
    bound_result bound;
    cosrel_error err = {""};
    for (int m = 0; m < d->model_count; m++)
        mix[m] = 1;
    const bound_problem problem = {
        .costs = &d->costs, .processors = d->processors, .mix = mix, .models = d->models};
    if (bound_capacity(&problem, &bound, &err) != COSREL_OK)
        fail(err.text);
    const double rate_rps = bound.rate_rps;
    bound_result_deinit(&bound);
    return rate_rps;
}

static arrivals_list *draw(const sim_device *d, double rate_rps, uint64_t seed)
{
    arrivals_list *list;
    rng r;
    double t_ns = 0;
    rng_init(&r, seed);
    if (arrivals_make(&list, NULL) != COSREL_OK)
        fail("no memory");
    for (int i = 0; i < REQUESTS; i++) {
        t_ns += rng_exponential(&r, 1e9 / rate_rps);
        const arrivals_row row = {.t_ns = (int64_t)t_ns,
                                  .model = (int)rng_below(&r, (uint64_t)d->model_count),
                                  .deadline_ns = INT64_MAX};
        if (arrivals_add(list, &row, NULL) != COSREL_OK)
            fail("no memory");
    }
    return list;
}

static void on_dispatch(void *user, int64_t start_ns, int64_t end_ns, int processor, int model,
                        const uint32_t *ids, int count)
{
    window *w = user;
    (void)end_ns, (void)processor, (void)model, (void)ids, (void)count;
    if (start_ns >= w->changed_ns && w->left > 0 && --w->left == 0)
        w->from_ns = start_ns;
}

static void on_end(void *user, int64_t start_ns, int64_t end_ns, int processor, int model,
                   const uint32_t *ids, int count, bool ok)
{
    window *w = user;
    (void)start_ns, (void)processor, (void)model;
    for (int i = 0; ok && i < count; i++) {
        const int64_t at_ns = w->list->rows[ids[i]].t_ns;
        if (at_ns < w->from_ns || at_ns >= w->to_ns)
            continue;
        w->sum_ms += (double)(end_ns - at_ns) / 1e6;
        w->count++;
    }
}

static void simulate(const sim_device *d, const device_spec *spec, const char *policy, window *w)
{
    cosrel_error err = {""};
    source *requests;
    device_model *device = NULL;
    sim_result result;
    const sim_observer observer = {.user = w, .dispatch = on_dispatch, .end = on_end};
    if (source_from_arrivals(w->list, INT64_MAX, &requests, &err) != COSREL_OK ||
        (spec && device_model_create(spec, d->processors, d->processor_count, d->models,
                                     d->model_count, 1, &device, &err) != COSREL_OK))
        fail(err.text);
    const sim_setup setup = {.sched = {.processors = d->processors,
                                       .processor_count = d->processor_count,
                                       .policy = policy,
                                       .seed = 1},
                             .costs = &d->costs,
                             .models = d->models,
                             .requests = requests,
                             .device = device,
                             .observer = &observer};
    if (sim_run(&setup, &result, &err) != COSREL_OK)
        fail(err.text);
    sim_result_deinit(&result);
    device_model_free(device);
    source_free(requests);
}

static device_spec *slow_from(const sim_device *d, int processor, double at_s, double factor)
{
    char text[1024];
    cosrel_error err = {""};
    device_spec *spec;
    const int bytes = snprintf(text, sizeof text,
                               "device: slowed\npower_modes: {modes: [{name: usual, factors: "
                               "[{processor: '*', speed: 1, power: 1}], "
                               "source: drawn}, {name: slow, factors: [{processor: '%s', speed: "
                               "%.9f, power: 1}], source: drawn}], "
                               "start: usual, switches: [{at_s: %.9f, mode: slow}]}\n",
                               d->processors[processor].name, 1 / factor, at_s);
    if (device_spec_parse("slowed", text, (size_t)bytes, &spec, &err) != COSREL_OK ||
        device_spec_enable(spec, DEVICE_POWER_MODES, &err) != COSREL_OK)
        fail(err.text);
    return spec;
}

/* Mean latency over the seeds of the policy that has to find out, and of the one that knew. */
static void compare(const char *path, int processor, const options *o, const char *policy,
                    double *adapting, double *knowing)
{
    cosrel_error err = {""};
    device_table *table;
    sim_device before, after;
    *adapting = *knowing = 0;
    if (table_read(path, &table, &err) != COSREL_OK ||
        sim_device_init(&before, table, &err) != COSREL_OK ||
        sim_device_init(&after, table, &err) != COSREL_OK)
        fail(err.text);
    slow_down(&after, processor, o->factor);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        arrivals_list *list = draw(&after, o->load * capacity(&after), seed);
        window w = {.from_ns = INT64_MAX,
                    .to_ns = list->rows[REQUESTS - 1].t_ns,
                    .list = list,
                    .changed_ns = list->rows[REQUESTS / 3].t_ns,
                    .left = o->decisions};
        device_spec *spec = slow_from(&before, processor, (double)w.changed_ns / 1e9, o->factor);
        simulate(&before, spec, policy, &w);
        *adapting += w.sum_ms / (double)w.count / SEEDS;
        window knew = {.from_ns = w.from_ns, .to_ns = w.to_ns, .list = list};
        simulate(&after, NULL, o->knew ? o->knew : policy, &knew);
        *knowing += knew.sum_ms / (double)knew.count / SEEDS;
        device_spec_free(spec);
        arrivals_free(list);
    }
    sim_device_deinit(&before);
    sim_device_deinit(&after);
    table_free(table);
}

static int names_of(const char *path, char names[64][64])
{
    device_table *table;
    size_t count;
    cosrel_error err = {""};
    if (table_read(path, &table, &err) != COSREL_OK)
        fail(err.text);
    const char *const *all = table_processors(table, &count);
    for (size_t i = 0; i < count; i++)
        snprintf(names[i], 64, "%.63s", all[i]);
    table_free(table);
    return (int)count;
}

int main(int argc, char **argv)
{
    options o = {.factor = 3, .load = 0.7, .decisions = 200, .policies = "learned,min-min"};
    static const char *const usual[] = {"profiles/snapdragon-845.csv", "profiles/rk3588s.csv",
                                        "profiles/synaptics-vs680.csv"};
    int at = 1;
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
        if (strcmp(argv[at], "--factor") == 0)
            o.factor = atof(argv[at + 1]);
        else if (strcmp(argv[at], "--load") == 0)
            o.load = atof(argv[at + 1]);
        else if (strcmp(argv[at], "--decisions") == 0)
            o.decisions = atoi(argv[at + 1]);
        else if (strcmp(argv[at], "--policies") == 0)
            o.policies = argv[at + 1];
        else if (strcmp(argv[at], "--knew") == 0)
            o.knew = argv[at + 1];
        else
            fail("options: --factor, --load, --decisions, --policies, --knew; then device tables");
    }
    char *text = strdup(o.policies);
    const char *policies[POLICIES_MAX];
    double logs[POLICIES_MAX] = {0}, worst[POLICIES_MAX] = {0};
    int count = 0, cases = 0;
    for (char *name = strtok(text, ","); name && count < POLICIES_MAX; name = strtok(NULL, ","))
        policies[count++] = name;
    printf("| device | slowed | policy | mean ms | knew |\n|---|---|---|---|---|\n");
    for (int d = 0; d < (at < argc ? argc - at : 3); d++) {
        const char *path = at < argc ? argv[at + d] : usual[d];
        char names[64][64];
        const int processors = names_of(path, names);
        for (int p = 0; p < processors; p++, cases++)
            for (int i = 0; i < count; i++) {
                double adapting, knowing;
                compare(path, p, &o, policies[i], &adapting, &knowing);
                printf("| %s | %s | %s | %.2f | %.3f |\n", path, names[p], policies[i], adapting,
                       adapting / knowing);
                logs[i] += log(adapting / knowing);
                worst[i] = fmax(worst[i], adapting / knowing);
            }
    }
    for (int i = 0; i < count; i++)
        printf("%s: geometric mean %.3f, worst %.3f\n", policies[i], exp(logs[i] / cases),
               worst[i]);
    free(text);
    return 0;
}
