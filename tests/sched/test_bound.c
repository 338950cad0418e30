/* The capacity bound against closed forms, and on random tables against its own dual solution: a
 * plan that fits the device and prices that no cell can beat, of equal worth, prove each other. */
#include <dirent.h>
#include <glpk.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "profile/table.h"
#include "sched/bound.h"
#include "sim/processors.h"

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-9 * fmax(1, fabs(expected))))
        fail_msg("%.17g, expected %.17g", value, expected);
}

/* Batches {1} from [model][processor] in milliseconds. */
static void costs_of(cost_table *t, int models, int processors, const double *ms)
{
    static const int32_t one = 1;
    assert_int_equal(cost_init(t, models, processors, &one, 1), COSREL_OK);
    t->model_count = models;
    for (int i = 0; i < models * processors; i++)
        t->cells[i].service_ns = (int64_t)llround(ms[i] * 1e6);
}

static const sched_processor APART[] = {{"a", 1, 0}, {"b", 2, 0}, {"c", 4, 0}, {"d", 8, 0}};

static double mix_sum(const bound_problem *p)
{
    double sum = 0;
    for (int m = 0; m < p->costs->model_count; m++)
        sum += p->mix[m];
    return sum;
}

/* The plan serves the rate and fits the device. */
static void check_plan(const bound_problem *p, const bound_result *r)
{
    const cost_table *t = p->costs;
    double used[64] = {0}, energy_mw = 0;
    for (int m = 0; m < t->model_count; m++) {
        double served = 0;
        for (int k = 0; k < t->processor_count; k++)
            for (int b = 0; b < t->batch_count; b++) {
                const double runs = bound_runs(r, m, k, b);
                const cost_cell *cell = cost_at(t, m, k, b);
                assert_true(runs >= 0);
                assert_true(runs == 0 || (cell->service_ns > 0 && p->processors[k].level == 0));
                served += t->batches[b] * runs;
                energy_mw += runs * (double)cell->energy_uj / 1e3;
                for (int u = 0; u < 64; u++)
                    if (p->processors[k].units >> u & 1)
                        used[u] += runs * (double)cell->service_ns / 1e9;
            }
        assert_near(served / r->rate_rps, p->mix[m] / mix_sum(p));
    }
    for (int u = 0; u < 64; u++)
        assert_true(used[u] <= 1 + 2e-6);
    assert_near(r->energy_mj_per_request, energy_mw / r->rate_rps);
}

/* No cell beats the prices; together with the plan's equal worth that proves both. */
static void check_prices(const bound_problem *p, const bound_result *r, bool energy, double gap)
{
    const cost_table *t = p->costs;
    double units = 0, models = 0;
    for (int u = 0; u < 64; u++) {
        assert_true(r->unit_price[u] >= 0);
        units += r->unit_price[u];
    }
    for (int m = 0; m < t->model_count; m++)
        models += p->mix[m] / mix_sum(p) * r->model_price[m];
    for (int m = 0; m < t->model_count; m++)
        for (int k = 0; k < t->processor_count; k++)
            for (int b = 0; b < t->batch_count; b++) {
                const cost_cell *cell = cost_at(t, m, k, b);
                if (cell->service_ns == 0 || p->processors[k].level != 0)
                    continue;
                double price = energy ? (double)cell->energy_uj / 1e3 : 0;
                for (int u = 0; u < 64; u++)
                    if (p->processors[k].units >> u & 1)
                        price += (double)cell->service_ns / 1e9 * r->unit_price[u];
                assert_true(t->batches[b] * r->model_price[m] <= price * (1 + 1e-9) + 1e-12);
            }
    if (energy) {
        /* gap: right at the capacity the two sums are large and nearly cancel; and where some
         * energies are unknown, hence 0, a price may be as far off as the dearest cell's rounding.
         */
        const double asked = r->rate_rps * models;
        assert_true(fabs(asked - units - r->rate_rps * r->energy_mj_per_request) <=
                    gap * (asked + units));
        return;
    }
    assert_near(units / r->rate_rps, 1);
    assert_near(models, 1);
}

static double capacity(const bound_problem *p)
{
    bound_result r;
    cosrel_error err = {""};
    if (bound_capacity(p, &r, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    check_plan(p, &r);
    check_prices(p, &r, false, 0);
    const double rate = r.rate_rps;
    bound_result_deinit(&r);
    return rate;
}

static double least_energy(const bound_problem *p, double rate_rps, double gap)
{
    bound_result r;
    cosrel_error err = {""};
    if (bound_energy(p, rate_rps, &r, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    check_plan(p, &r);
    check_prices(p, &r, true, gap);
    const double energy = r.energy_mj_per_request;
    bound_result_deinit(&r);
    return energy;
}

static void one_processor(void **state)
{
    (void)state;
    cost_table t;
    costs_of(&t, 3, 1, (double[]){2, 10, 35});
    const double mix[] = {5, 3, 2}; /* weights, not shares */
    const bound_problem p = {.costs = &t, .processors = APART, .mix = mix};
    assert_near(capacity(&p), 1e3 / (0.5 * 2 + 0.3 * 10 + 0.2 * 35));
    cost_deinit(&t);
}

static void identical_processors(void **state)
{
    (void)state;
    cost_table t;
    costs_of(&t, 2, 4, (double[]){4, 4, 4, 4, 20, 20, 20, 20});
    const double mix[] = {0.75, 0.25};
    const bound_problem p = {.costs = &t, .processors = APART, .mix = mix};
    assert_near(capacity(&p), 4 * 1e3 / (0.75 * 4 + 0.25 * 20));
    cost_deinit(&t);
}

static void affinity(void **state)
{
    (void)state;
    cost_table t;
    /* Each model on its own processor; the fuller one decides: 0.6 x 10 ms against 0.4 x 5 ms. The
     * other helps out, at 100 ms per request of the first model: with lambda a + lambda b = 0.6
     * lambda, 10 a lambda = 1 and 5 x 0.4 lambda + 100 b lambda = 1 for lambda per ms. */
    costs_of(&t, 2, 2, (double[]){10, 100, 80, 5});
    const double mix[] = {0.6, 0.4};
    const bound_problem p = {.costs = &t, .processors = APART, .mix = mix};
    assert_near(capacity(&p), 1e3 * (1 / 10. + 1 / 100.) / (0.6 + 2 / 100.));
    /* Nowhere else to go. */
    cost_deinit(&t);
    costs_of(&t, 2, 2, (double[]){10, 0, 0, 5});
    assert_near(capacity(&p), 1e3 / 6);
    cost_deinit(&t);
}

static void models_outside_the_mix(void **state)
{
    (void)state;
    cost_table t;
    costs_of(&t, 3, 2, (double[]){10, 20, 0, 0, 4, 3});
    const double mix[] = {1, 0, 0};
    const bound_problem p = {.costs = &t, .processors = APART, .mix = mix};
    bound_result r;
    assert_int_equal(bound_capacity(&p, &r, NULL), COSREL_OK);
    assert_near(r.rate_rps, 150);
    check_plan(&p, &r);
    check_prices(&p, &r, false, 0);
    assert_near(r.unit_price[0], 100); /* a second of `a` is worth 100 requests, of `b` 50 */
    assert_near(r.processor_price[1], 50);
    assert_near(r.model_price[0], 1);
    assert_near(r.model_price[1], 0);
    assert_near(r.model_price[2], 0.15); /* 3 ms of `b` */
    assert_near(bound_share(&p, &r, 0, 0), 1);
    assert_near(bound_share(&p, &r, -1, 1), 1);
    assert_near(bound_share(&p, &r, 2, 1), 0);
    bound_result_deinit(&r);
    cost_deinit(&t);
}

static void sets_share_cores(void **state)
{
    (void)state;
    static const char *const names[] = {"cpu0", "cpu0-1", "cpu1", "npu"};
    sched_processor processors[4];
    assert_int_equal(processors_from_names(names, 4, processors, NULL), COSREL_OK);
    cost_table t;
    const double mix[] = {1};
    const bound_problem p = {.costs = &t, .processors = processors, .mix = mix};
    costs_of(&t, 1, 4, (double[]){10, 6, 10, 0}); /* apart they do 200/s, together 167/s */
    assert_near(capacity(&p), 200);
    cost_deinit(&t);
    costs_of(&t, 1, 4, (double[]){10, 4, 10, 0}); /* 250/s together */
    assert_near(capacity(&p), 250);
    cost_deinit(&t);
    costs_of(&t, 1, 4, (double[]){10, 4, 10, 20});
    assert_near(capacity(&p), 300);
    /* A model that runs on the set alone takes both cores from the other. */
    const double both[] = {0.5, 0.5};
    const bound_problem q = {.costs = &t, .processors = processors, .mix = both};
    cost_deinit(&t);
    costs_of(&t, 2, 4, (double[]){0, 8, 0, 0, 10, 0, 10, 0});
    assert_near(capacity(&q), 1e3 / (0.5 * 8 + 0.5 * 10 / 2));
    cost_deinit(&t);
}

static void background_processors_do_not_count(void **state)
{
    (void)state;
    static const sched_processor processors[] = {{"cpu0", 1, 0}, {"cpu0.bg", 1, 1}};
    cost_table t;
    costs_of(&t, 1, 2, (double[]){10, 1});
    const double mix[] = {1};
    const bound_problem p = {.costs = &t, .processors = processors, .mix = mix};
    assert_near(capacity(&p), 100);
    cost_deinit(&t);
}

static void batches(void **state)
{
    (void)state;
    static const int32_t sizes[] = {1, 4, 8};
    cost_table t;
    assert_int_equal(cost_init(&t, 1, 1, sizes, 3), COSREL_OK);
    t.model_count = 1;
    cost_at(&t, 0, 0, 0)->service_ns = 10000000;
    cost_at(&t, 0, 0, 1)->service_ns = 20000000; /* 5 ms each */
    cost_at(&t, 0, 0, 2)->service_ns = 48000000; /* 6 ms each */
    const double mix[] = {1};
    const bound_problem p = {.costs = &t, .processors = APART, .mix = mix};
    assert_near(capacity(&p), 200);
    cost_at(&t, 0, 0, 1)->service_ns = 0;
    assert_near(capacity(&p), 1e3 / 6);
    cost_deinit(&t);
}

static void energy(void **state)
{
    (void)state;
    cost_table t;
    costs_of(&t, 1, 2, (double[]){10, 5});
    t.cells[0].energy_uj = 3000; /* slow and frugal: 100/s at 3 mJ; fast: 200/s at 8 mJ */
    t.cells[1].energy_uj = 8000;
    const double mix[] = {1};
    const bound_problem p = {.costs = &t, .processors = APART, .mix = mix};
    assert_near(least_energy(&p, 1e-7, 1e-9), 3);
    assert_near(least_energy(&p, 100, 1e-9), 3);
    assert_near(least_energy(&p, 200, 1e-9), 5.5);
    assert_near(least_energy(&p, 300, 1e-9), (100 * 3 + 200 * 8) / 300.);
    bound_result r;
    assert_int_equal(bound_energy(&p, 150, &r, NULL), COSREL_OK);
    /* A second more of `a` does 100 requests more there, and saves 5 mJ with each. */
    assert_near(r.unit_price[0], 500);
    assert_near(r.unit_price[1], 0);
    assert_near(r.model_price[0], 8);
    bound_result_deinit(&r);
    t.cells[0].energy_uj = t.cells[1].energy_uj = 0; /* unknown */
    assert_near(least_energy(&p, 250, 1e-9), 0);
    cosrel_error err;
    assert_int_equal(bound_energy(&p, 301, &r, &err), COSREL_UNAVAILABLE);
    assert_non_null(strstr(err.text, "301"));
    assert_non_null(strstr(err.text, "at most 300"));
    assert_null(r.runs_per_s);
    assert_int_equal(bound_energy(&p, 0, &r, &err), COSREL_INVALID_ARGUMENT);
    assert_int_equal(bound_energy(&p, NAN, &r, &err), COSREL_INVALID_ARGUMENT);
    cost_deinit(&t);
}

static void refused(void **state)
{
    (void)state;
    static const char *const names[] = {"lenet", "unet"};
    static const struct {
        double mix[2];
        cosrel_status status;
    } cases[] = {
        {{0, 0}, COSREL_INVALID_ARGUMENT},         {{1, -1}, COSREL_INVALID_ARGUMENT},
        {{1, NAN}, COSREL_INVALID_ARGUMENT},       {{INFINITY, 1}, COSREL_INVALID_ARGUMENT},
        {{1e308, 1e308}, COSREL_INVALID_ARGUMENT}, {{1, 1}, COSREL_UNAVAILABLE}};
    cost_table t;
    bound_result r;
    cosrel_error err = {""};
    costs_of(&t, 2, 2, (double[]){1, 1, 0, 0});
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const bound_problem p = {
            .costs = &t, .processors = APART, .mix = cases[i].mix, .models = names};
        assert_int_equal(bound_capacity(&p, &r, &err), cases[i].status);
        assert_null(r.runs_per_s);
        bound_result_deinit(&r);
    }
    assert_non_null(strstr(err.text, "'unet'"));
    cost_deinit(&t);
}

static void random_processors(rng *random, sched_processor *out, int count)
{
    for (int p = 0; p < count; p++) {
        out[p] = (sched_processor){.name = "p", .units = (uint64_t)1 << rng_below(random, 8)};
        if (rng_below(random, 3) == 0)
            out[p].units |= rng_u64(random) & 0xff;
        if (rng_below(random, 10) == 0)
            out[p].units |= UINT64_C(1) << 63;
        out[p].level = p > 0 && rng_below(random, 10) == 0;
    }
}

/* Times from 10 us to 10 s, a third of the cells missing; the first processor runs everything. */
static void random_costs(rng *random, cost_table *t, int models, int processors)
{
    static const int32_t sizes[] = {1, 2, 4, 8, 16, 32, 64};
    assert_int_equal(cost_init(t, models, processors, sizes, 1 + (int)rng_below(random, 7)),
                     COSREL_OK);
    t->model_count = models;
    for (int i = 0; i < models * processors * t->batch_count; i++) {
        if (rng_below(random, 3) == 0)
            continue;
        t->cells[i].service_ns = (int64_t)pow(10, 4 + 6 * rng_unit(random));
        t->cells[i].energy_uj = rng_below(random, 4) == 0
                                    ? 0
                                    : (int64_t)((double)t->cells[i].service_ns / 1e3 *
                                                (0.1 + 10 * rng_unit(random)));
    }
    for (int m = 0; m < models; m++)
        if (cost_at(t, m, 0, 0)->service_ns == 0)
            cost_at(t, m, 0, 0)->service_ns = 5000000 + m;
}

static void random_worlds(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 11);
    for (int world = 0; world < 200; world++) {
        const int models = 1 + (int)rng_below(&random, 25);
        const int processors = 1 + (int)rng_below(&random, 12);
        sched_processor list[12];
        double mix[25];
        cost_table t;
        random_processors(&random, list, processors);
        random_costs(&random, &t, models, processors);
        for (int m = 0; m < models; m++) /* some very rare, some not there */
            mix[m] = rng_below(&random, 5) == 0 ? 0 : pow(10, -6 * rng_unit(&random));
        mix[rng_below(&random, (uint64_t)models)] = 1;
        const bound_problem p = {.costs = &t, .processors = list, .mix = mix};
        const double most = capacity(&p);
        double last = 0;
        for (int load = 1; load <= 4; load++) { /* what is dear comes last */
            const double now = least_energy(&p, most * load / 4, 2e-4);
            assert_true(now >= last * (1 - 1e-6));
            last = now;
        }
        bound_result r;
        assert_int_equal(bound_energy(&p, most * 1.001, &r, NULL), COSREL_UNAVAILABLE);
        cost_deinit(&t);
    }
}

/* The published tables of real devices, where they are at hand. */
static void real_devices(void **state)
{
    (void)state;
    const char *folder = COSREL_SOURCE_DIR "/../shared/devices";
    DIR *dir = opendir(folder);
    if (!dir) {
        print_message("no device tables beside the source folder\n");
        skip();
    }
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char path[1024];
        const size_t length = strlen(entry->d_name);
        if (length < 4 || strcmp(entry->d_name + length - 4, ".csv") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        device_table *table;
        sim_device device;
        double mix[256];
        assert_int_equal(table_read(path, &table, NULL), COSREL_OK);
        assert_int_equal(sim_device_init(&device, table, NULL), COSREL_OK);
        assert_in_range(device.model_count, 1, 256);
        for (int m = 0; m < device.model_count; m++)
            mix[m] = 1 + m % 3;
        const bound_problem p = {
            .costs = &device.costs, .processors = device.processors, .mix = mix};
        const double most = capacity(&p);
        assert_true(least_energy(&p, most, 1e-7) >= least_energy(&p, most / 2, 1e-7) * (1 - 1e-7));
        sim_device_deinit(&device);
        table_free(table);
    }
    closedir(dir);
}

/* Where GLPK would end the program, here for lack of memory, an error comes back, and the next
 * call works. */
static void glpk_fails(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 1);
    sched_processor list[40];
    cost_table t;
    double mix[60];
    random_processors(&random, list, 40);
    list[0].level = 0;
    random_costs(&random, &t, 60, 40);
    for (int m = 0; m < 60; m++)
        mix[m] = 1;
    const bound_problem p = {.costs = &t, .processors = list, .mix = mix};
    bound_result r;
    cosrel_error err;
    glp_mem_limit(1); /* MiB */
    assert_int_equal(bound_capacity(&p, &r, &err), COSREL_INTERNAL);
    assert_null(r.runs_per_s);
    assert_true(capacity(&p) > 0);
    cost_deinit(&t);
}

/* A program that uses GLPK itself keeps its problems and settings. */
static void glpk_of_the_program(void **state)
{
    (void)state;
    cost_table t;
    costs_of(&t, 1, 1, (double[]){10});
    const double mix[] = {1};
    const bound_problem p = {.costs = &t, .processors = APART, .mix = mix};
    glp_term_out(GLP_ON);
    glp_prob *own = glp_create_prob();
    glp_add_rows(own, 3);
    assert_near(capacity(&p), 100);
    assert_int_equal(glp_get_num_rows(own), 3);
    assert_int_equal(glp_term_out(GLP_ON), GLP_ON);
    glp_delete_prob(own);
    glp_free_env();
    cost_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_processor),
        cmocka_unit_test(identical_processors),
        cmocka_unit_test(affinity),
        cmocka_unit_test(models_outside_the_mix),
        cmocka_unit_test(sets_share_cores),
        cmocka_unit_test(background_processors_do_not_count),
        cmocka_unit_test(batches),
        cmocka_unit_test(energy),
        cmocka_unit_test(refused),
        cmocka_unit_test(random_worlds),
        cmocka_unit_test(real_devices),
        cmocka_unit_test(glpk_fails),
        cmocka_unit_test(glpk_of_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
