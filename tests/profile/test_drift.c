/* Estimates follow a whole processor's change of speed within a few runs, and nothing else makes
 * them do so. Bounds of the statistical tests hold with a wide margin for any seeds. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "profile/cost.h"

enum { MODELS_MAX = 25, PROCESSORS = 2, BATCHES = 3 };

/* A device beside its table. Only processor 0 runs. */
typedef struct rig {
    cost_table t;
    rng random;
    int models;
    double cv;
    double spikes; /* probability */
    double speed;  /* how much slower it really is */
} rig;

static int64_t true_ns(int m, int p, int b)
{
    return 200000 + 37000 * m * m + 50000 * p + 150000 * b;
}

static rig make(int models, double cv, double spikes, uint64_t seed)
{
    rig r = {.models = models, .cv = cv, .spikes = spikes, .speed = 1};
    assert_int_equal(cost_init(&r.t, models, PROCESSORS, (const int32_t[]){1, 2, 4}, BATCHES),
                     COSREL_OK);
    rng_init(&r.random, seed);
    for (int m = 0; m < models; m++)
        for (int p = 0; p < PROCESSORS; p++)
            for (int b = 0; b < BATCHES; b++)
                *cost_at(&r.t, m, p, b) = (cost_cell){.service_ns = true_ns(m, p, b),
                                                      .energy_uj = 5000 + m};
    return r;
}

/* A run of a model and batch size that nobody chose. The noise is log-normal with mean 1; spikes
 * are 2 to 6 times, as in sim/device_noise.c. */
static void run_one(rig *r)
{
    const double variance = log(1 + r->cv * r->cv);
    const int m = (int)rng_below(&r->random, (uint64_t)r->models);
    const int b = rng_below(&r->random, 4) > 0 ? 0 : 1 + (int)rng_below(&r->random, BATCHES - 1);
    double x = exp(rng_normal(&r->random) * sqrt(variance) - variance / 2);
    if (rng_unit(&r->random) < r->spikes)
        x *= 2 + 4 * rng_unit(&r->random);
    cost_observe(&r->t, m, 0, b, llround((double)true_ns(m, 0, b) * r->speed * x));
}

static void run_many(rig *r, int count)
{
    for (int i = 0; i < count; i++)
        run_one(r);
}

/* Runs after a change of speed until the estimates of all cells have moved by more than half of
 * it, and then until the size of the change has settled; 200 at most. */
static int runs_until(rig *r, double speed)
{
    const double from = cost_slowdown(&r->t, 0);
    const double change = log(speed / r->speed);
    r->speed = speed;
    for (int i = 1; i <= 200; i++) {
        run_one(r);
        if (log(cost_slowdown(&r->t, 0) / from) / change > 0.5) {
            run_many(r, 40);
            return i;
        }
    }
    return 200;
}

static void three_times_slower_and_back(void **state)
{
    (void)state;
    static const struct {
        double cv;
        int most, mean_most;
        double error;
    } cases[] = {{0, 6, 4, 0.01}, {0.1, 16, 5, 0.06}, {0.2, 24, 5, 0.1}, {0.3, 32, 6, 0.15}};
    enum { SEEDS = 100 };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        int sum = 0;
        double error = 0;
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            rig r = make(12, cases[c].cv, cases[c].cv > 0 ? 0.003 : 0, seed);
            static const double speeds[] = {3, 1, 1. / 3, 1};
            run_many(&r, 300);
            const double before = cost_slowdown(&r.t, 0);
            for (int k = 0; k < 4; k++) {
                const int runs = runs_until(&r, speeds[k]);
                assert_in_range(runs, 1, cases[c].most);
                sum += runs;
                error += fabs(log(cost_slowdown(&r.t, 0) / before / speeds[k]));
            }
            assert_true(cost_slowdown(&r.t, 1) == 1);
            cost_deinit(&r.t);
        }
        if (sum > (cases[c].mean_most + 0.1) * 4 * SEEDS || error > cases[c].error * 4 * SEEDS)
            fail_msg("cv %g: %g runs until it is followed, error %g", cases[c].cv,
                     sum / (4. * SEEDS), error / (4. * SEEDS));
    }
}

/* Cells that never ran are right, too, each by the same factor; what cannot run stays so. */
static void all_cells_of_the_processor_follow(void **state)
{
    (void)state;
    rig r = make(12, 0, 0, 1);
    r.models = 6;
    cost_at(&r.t, 11, 0, 2)->service_ns = 0;
    run_many(&r, 50);
    assert_true(r.t.shifts == 0);
    r.speed = 3;
    run_many(&r, 30);
    assert_true(r.t.shifts >= 1 && r.t.shifts <= 3);
    assert_true(fabs(cost_slowdown(&r.t, 0) - 3) < 0.05);
    assert_int_equal(cost_at(&r.t, 11, 0, 2)->service_ns, 0);
    for (int m = 0; m < 12; m++) {
        for (int b = 0; b < BATCHES; b++) {
            const double ns = (double)cost_at(&r.t, m, 0, b)->service_ns;
            assert_true((m == 11 && b == 2) || fabs(ns / (double)true_ns(m, 0, b) / 3 - 1) < 0.02);
            assert_int_equal(cost_at(&r.t, m, 1, b)->service_ns, true_ns(m, 1, b));
            assert_int_equal(cost_at(&r.t, m, 0, b)->energy_uj, 5000 + m);
        }
    }
    cost_deinit(&r.t);
}

/* One model alone needs a little longer, and cells that had been right before. */
static void one_model_alone(void **state)
{
    (void)state;
    rig r = make(1, 0.1, 0, 3);
    run_many(&r, 100);
    assert_in_range(runs_until(&r, 3), 4, 12);
    cost_deinit(&r.t);

    rig guess = make(12, 0.1, 0, 3);
    for (int i = 0; i < 100; i++) /* the table was wrong about this one model */
        cost_observe(&guess.t, 4, 0, 0, 3 * true_ns(4, 0, 0) + 10000 * (i % 7));
    assert_true(guess.t.shifts == 0);
    assert_true(
        fabs((double)cost_at(&guess.t, 4, 0, 0)->service_ns / (3 * (double)true_ns(4, 0, 0)) - 1) <
        0.1);
    cost_deinit(&guess.t);
}

static void single_spikes_do_nothing(void **state)
{
    (void)state;
    for (int gap = 4; gap < 40; gap++) {
        for (int models = 1; models <= 8; models += 7) {
            rig r = make(models, 0.05, 0, (uint64_t)gap);
            for (int i = 0; i < 400; i++) {
                const double speed = i % gap == 0 ? 2 + i % 5 : 1; /* 2 to 6 times */
                r.speed = speed;
                run_one(&r);
            }
            assert_true(r.t.shifts == 0);
            cost_deinit(&r.t);
        }
    }
}

/* False alarms per run, over many devices, models and amounts of noise. */
static void noise_does_nothing(void **state)
{
    (void)state;
    static const double cvs[] = {0, 0.02, 0.1, 0.2, 0.3};
    static const int models[] = {1, 3, MODELS_MAX};
    enum { SEEDS = 60, RUNS = 2000 };
    for (int spiky = 0; spiky < 2; spiky++) {
        uint64_t shifts = 0, runs = 0;
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            for (size_t i = 0; i < sizeof cvs / sizeof cvs[0]; i++) {
                for (size_t k = 0; k < sizeof models / sizeof models[0]; k++) {
                    rig r = make(models[k], cvs[i], spiky ? 0.02 : 0, 1000 + seed);
                    run_many(&r, RUNS);
                    shifts += r.t.shifts;
                    runs += RUNS;
                    cost_deinit(&r.t);
                }
            }
        }
        /* Each false one counts with the corrections that follow it. */
        if ((double)shifts > (spiky ? 1e-4 : 2e-5) * (double)runs)
            fail_msg("%llu shifts in %llu runs", (unsigned long long)shifts,
                     (unsigned long long)runs);
    }
}

/* Noise beyond what is meant, as of runs that others stop again and again, is learnt. */
static void great_noise_is_learnt(void **state)
{
    (void)state;
    rig r = make(MODELS_MAX, 1.5, 0, 9);
    run_many(&r, 1000);
    const uint64_t before = r.t.shifts;
    run_many(&r, 10000);
    assert_true(r.t.shifts - before < 10);
    assert_true(cost_slowdown(&r.t, 0) > 0.3 && cost_slowdown(&r.t, 0) < 3);
    cost_deinit(&r.t);
}

static void same_table(const cost_table *a, const cost_table *b, int models)
{
    for (int m = 0; m < models; m++)
        for (int p = 0; p < PROCESSORS; p++)
            for (int i = 0; i < BATCHES; i++)
                assert_int_equal(cost_at(a, m, p, i)->service_ns, cost_at(b, m, p, i)->service_ns);
    assert_true(a->shifts == b->shifts && cost_slowdown(a, 0) == cost_slowdown(b, 0));
}

static void copies_go_on_alike(void **state)
{
    (void)state;
    rig r = make(6, 0.2, 0.01, 5), same, fewer;
    r.t.model_count = 6;
    r.speed = 2;
    run_many(&r, 53);
    same = r;
    assert_int_equal(cost_copy(&same.t, &r.t, 6), COSREL_OK);
    assert_int_equal(cost_copy(&fewer.t, &r.t, 2), COSREL_OK);
    assert_int_equal(fewer.t.model_count, 2);
    same_table(&fewer.t, &r.t, 2);
    r.speed = same.speed = 0.5;
    for (int i = 0; i < 100; i++) {
        run_one(&r);
        run_one(&same);
        same_table(&r.t, &same.t, 6);
    }
    cost_deinit(&r.t);
    cost_deinit(&same.t);
    cost_deinit(&fewer.t);
}

/* New cells say nothing about what was seen before them. */
static void replaced_cells_start_anew(void **state)
{
    (void)state;
    rig r = make(2, 0, 0, 5);
    cost_cell cells[PROCESSORS * BATCHES];
    r.speed = 3;
    run_many(&r, 3);
    for (int i = 0; i < PROCESSORS * BATCHES; i++)
        cells[i] = (cost_cell){.service_ns = 1000 + i, .samples = 7};
    cost_set_model(&r.t, 1, cells);
    assert_true(r.t.shifts == 1);
    for (int i = 0; i < PROCESSORS * BATCHES; i++)
        assert_int_equal(cost_at(&r.t, 1, i / BATCHES, i % BATCHES)->service_ns, 1000 + i);
    cost_observe(&r.t, 1, 0, 0, 3000);
    assert_true(r.t.shifts == 1);
    cost_deinit(&r.t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_times_slower_and_back),
        cmocka_unit_test(all_cells_of_the_processor_follow),
        cmocka_unit_test(one_model_alone),
        cmocka_unit_test(single_spikes_do_nothing),
        cmocka_unit_test(noise_does_nothing),
        cmocka_unit_test(great_noise_is_learnt),
        cmocka_unit_test(copies_go_on_alike),
        cmocka_unit_test(replaced_cells_start_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
