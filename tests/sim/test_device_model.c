/* Each effect of a device against what it must be by hand, the streams against each other, and the
 * profiles that ship against their tables. */
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "profile/table.h"
#include "sim/device_model.h"
#include "sim/processors.h"
#include "sim/sim.h"
#include "workload/arrivals_file.h"

static const char *const MODELS[] = {"lenet", "resnet", "unet"};
enum { MODEL_COUNT = 3 };

/* A device under test; `names` in alphabetical order, "x.bg" is the twin of the core x. */
typedef struct rig {
    device_spec *spec;
    sched_processor processors[SCHED_PROCESSORS_MAX];
    int count;
    device_model *model;
} rig;

static device_spec *parse(const char *text)
{
    device_spec *spec;
    cosrel_error err = {""};
    if (device_spec_parse("device.yaml", text, strlen(text), &spec, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    assert_string_equal(err.text, "");
    return spec;
}

static void place(rig *r, const char *const *names, int count)
{
    cosrel_error err;
    r->count = count;
    assert_int_equal(processors_from_names(names, count, r->processors, &err), COSREL_OK);
    for (int p = 0; p < count; p++) {
        const size_t length = strlen(names[p]);
        if (length < 4 || strcmp(names[p] + length - 3, ".bg") != 0)
            continue;
        r->processors[p].level = 1;
        for (int core = 0; core < count; core++)
            if (strlen(names[core]) == length - 3 && !strncmp(names[core], names[p], length - 3))
                r->processors[p].units = r->processors[core].units;
    }
}

static void start(rig *r, unsigned effects, uint64_t seed)
{
    cosrel_error err = {""};
    r->spec->enabled = 0;
    assert_int_equal(device_spec_enable(r->spec, effects, &err), COSREL_OK);
    device_model_free(r->model);
    if (device_model_create(r->spec, r->processors, r->count, MODELS, MODEL_COUNT, seed, &r->model,
                            &err) != COSREL_OK)
        fail_msg("%s", err.text);
}

/* `names`: "a b c". */
static rig begin(const char *text, const char *names, unsigned effects)
{
    static char copy[256];
    static const char *list[16];
    rig r = {.spec = parse(text)};
    int count = 0;
    snprintf(copy, sizeof copy, "%s", names);
    for (char *at = strtok(copy, " "); at; at = strtok(NULL, " "))
        list[count++] = at;
    place(&r, list, count);
    start(&r, effects, 1);
    return r;
}

static void end(rig *r)
{
    device_model_free(r->model);
    device_spec_free(r->spec);
}

static void near(double value, double expected, double by)
{
    if (!(fabs(value - expected) <= by))
        fail_msg("%.17g, expected %.17g +- %g", value, expected, by);
}

static void no_change(rig *r, int64_t now_ns)
{
    int p;
    device_change change;
    assert_false(device_model_take_change(r->model, now_ns, &p, &change));
}

static void expect_change(rig *r, int64_t now_ns, int processor, device_change expected)
{
    int p = -1;
    device_change change;
    assert_true(device_model_take_change(r->model, now_ns, &p, &change));
    assert_int_equal(p, processor);
    assert_int_equal(change, expected);
}

static const int64_t MS = 1000000, S = 1000000000;

/* ---- Noise ---- */

static const char NOISE[] = "device: d\nnoise: {cv: 0.2, spike_probability: 0, spike_min: 1, "
                            "spike_max: 1, source: x}\n";
static const char SPIKES[] = "device: d\nnoise: {cv: 0, spike_probability: 0.02, spike_min: 2, "
                             "spike_max: 6, source: x}\n";
static const char BOTH[] = "device: d\nnoise: {cv: 0.2, spike_probability: 0.02, spike_min: 2, "
                           "spike_max: 6, source: x}\n";

static void noise_has_its_mean_and_cv(void **state)
{
    (void)state;
    enum { RUNS = 400000 };
    rig r = begin(NOISE, "a b", DEVICE_NOISE);
    double sum = 0, squares = 0, logs = 0;
    for (int i = 0; i < RUNS; i++) {
        const double x = (double)device_model_begin(r.model, 0, 0, 0, S) / 1e9;
        sum += x;
        squares += x * x;
        logs += log(x);
    }
    const double mean = sum / RUNS;
    /* Five standard errors. */
    near(mean, 1, 5 * 0.2 / sqrt(RUNS));
    near(sqrt(squares / RUNS - mean * mean), 0.2, 0.002);
    near(logs / RUNS, -log(1.04) / 2, 5 * 0.2 / sqrt(RUNS));
    end(&r);
}

static void spikes_have_their_share_and_range(void **state)
{
    (void)state;
    enum { RUNS = 200000 };
    rig r = begin(SPIKES, "a", DEVICE_NOISE);
    int spikes = 0;
    double sum = 0;
    for (int i = 0; i < RUNS; i++) {
        const int64_t ns = device_model_begin(r.model, 0, 0, 0, S);
        if (ns == S)
            continue;
        assert_true(ns >= 2 * S && ns <= 6 * S);
        spikes++;
        sum += (double)ns / 1e9;
    }
    near((double)spikes / RUNS, 0.02, 5 * sqrt(0.02 * 0.98 / RUNS));
    near(sum / spikes, 4, 5 * (4 / sqrt(12)) / sqrt(spikes));
    end(&r);
}

/* Whatever else is on, the k-th run of a processor meets the same draw. */
static void streams_are_independent(void **state)
{
    (void)state;
    static const char all[] =
        "device: d\nnoise: {cv: 0.2, spike_probability: 0, spike_min: 1, spike_max: 1, source: x}\n"
        "interference: [{processor: a, factor: 1.3, source: x}]\n"
        "faults: {detect_ms: 5, random: [{processor: '*', kind: hang, mean_between_s: 1, "
        "mean_down_s: 1}], failures: [{processor: a, probability: 0.5}], source: x}\n";
    rig alone = begin(NOISE, "a b", DEVICE_NOISE);
    rig with = begin(all, "a b", DEVICE_NOISE | DEVICE_INTERFERENCE | DEVICE_FAULTS);
    rig spiked = begin(BOTH, "a b", DEVICE_NOISE);
    rig other = begin(NOISE, "0 a", DEVICE_NOISE);
    int differ = 0, of_b = 0;
    for (int i = 0; i < 1000; i++) {
        const int64_t now = i * S;
        const int64_t x = device_model_begin(alone.model, now, 0, 0, S);
        assert_true(device_model_begin(with.model, now, 0, 0, S) == x);
        assert_true(device_model_begin(other.model, now, 1, 0, S) == x); /* the name counts */
        differ += device_model_begin(spiked.model, now, 0, 0, S) != x;
        of_b += device_model_begin(alone.model, now, 1, 0, S) != x;
        (void)device_model_run_fails(with.model, now, 0);
        device_model_advance(with.model, now, i % 2);
    }
    assert_true(differ > 3 && differ < 60);
    assert_true(of_b > 990);
    end(&alone);
    end(&with);
    end(&spiked);
    end(&other);
}

/* ---- Interference ---- */

static double slowdown(rig *r, int processor, uint64_t busy)
{
    device_model_advance(r->model, 0, busy);
    return 1 / device_model_speed(r->model, processor);
}

static void shares_of_a_measured_slowdown(void **state)
{
    (void)state;
    rig r = begin("device: d\ninterference:\n"
                  "  - {processor: a, factor: 1.44, source: x}\n"
                  "  - {processor: 'b*', factor: 0.64, source: x}\n"
                  "  - {processor: c, busy: a, factor: 1.5, source: x}\n",
                  "a b c d", DEVICE_INTERFERENCE);
    near(slowdown(&r, 0, 1), 1, 1e-12);
    near(slowdown(&r, 0, 3), pow(1.44, 1. / 3), 1e-12);
    near(slowdown(&r, 0, 7), pow(1.44, 2. / 3), 1e-12);
    near(slowdown(&r, 0, 15), 1.44, 1e-12);
    near(slowdown(&r, 1, 15), 0.64, 1e-12);
    near(slowdown(&r, 1, 10), pow(0.64, 1. / 3), 1e-12);
    near(slowdown(&r, 2, 15), 1.5, 1e-12); /* the pair alone */
    near(slowdown(&r, 2, 14), 1, 1e-12);
    near(slowdown(&r, 3, 15), 1, 1e-12);
    end(&r);
}

static void pairs_multiply_up_to_all(void **state)
{
    (void)state;
    rig r = begin("device: d\ninterference:\n"
                  "  - {processor: a, busy: '*', factor: 1.5, source: x}\n"
                  "  - {processor: a, busy: b, factor: 1.4, source: x}\n"
                  "  - {processor: '*', busy: c, factor: 3, source: x}\n"
                  "  - {processor: a, busy: c, factor: 1.2, source: x}\n"
                  "  - {processor: n0, busy: 'n*', factor: 1, source: x}\n"
                  "  - {processor: n0, factor: 0.5, source: x}\n"
                  "  - {processor: n0, busy: a, factor: 0.6, source: x}\n"
                  "  - {processor: n0, busy: b, factor: 0.7, source: x}\n",
                  "a b c n0 n1", DEVICE_INTERFERENCE);
    near(slowdown(&r, 0, 1 | 2), 1.4, 1e-12);
    near(slowdown(&r, 0, 1 | 4), 1.2, 1e-12);
    near(slowdown(&r, 0, 1 | 2 | 4), 1.5, 1e-12); /* 1.68 is more than was measured */
    near(slowdown(&r, 0, 1 | 8), pow(1.5, 0.25), 1e-12);
    near(slowdown(&r, 1, 2 | 4), 3, 1e-12);
    near(slowdown(&r, 3, 8 | 16), 1, 1e-12);
    near(slowdown(&r, 3, 8 | 1), 0.6, 1e-12);
    near(slowdown(&r, 3, 8 | 1 | 2), 0.5, 1e-12); /* 0.42 is less */
    end(&r);
}

static void sets_and_twins_count_as_cores(void **state)
{
    (void)state;
    enum { CPU0 = 1, CPU0_1 = 2, CPU0_BG = 4, CPU1 = 8, CPU1_BG = 16, GPU = 32 };
    rig r = begin("device: d\ninterference:\n"
                  "  - {processor: gpu, factor: 1.44, source: x}\n"
                  "  - {processor: cpu0, factor: 1.21, source: x}\n",
                  "cpu0 cpu0-1 cpu0.bg cpu1 cpu1.bg gpu", DEVICE_INTERFERENCE);
    near(slowdown(&r, 5, GPU | CPU0), 1.2, 1e-12);
    near(slowdown(&r, 5, GPU | CPU0_1), 1.44, 1e-12);
    near(slowdown(&r, 5, GPU | CPU0 | CPU1), 1.44, 1e-12);
    near(slowdown(&r, 5, GPU | CPU0_BG), 1.2, 1e-12);
    near(slowdown(&r, 5, GPU | CPU0 | CPU0_BG), 1.2, 1e-12); /* that one stands still */
    near(slowdown(&r, 5, GPU | CPU0 | CPU1_BG), 1.44, 1e-12);
    near(slowdown(&r, 2, CPU0_BG | GPU), 1.1, 1e-12); /* as cpu0 */
    end(&r);
}

/* ---- Heat ---- */

static const char HEAT[] =
    "device: d\nheat:\n  ambient_c: 20\n  resistance_c_per_w: 8\n  capacity_j_per_c: 5\n"
    "  idle_w: 1\n  max_w: 12\n  power: [{processor: a, busy_w: 9}, {processor: b, busy_w: 6}]\n"
    "  throttle:\n    - {processor: '*', at_c: 80, hysteresis_c: 10, speed: 0.5, power: 0.25}\n"
    "    - {processor: b, at_c: 95, hysteresis_c: 5, speed: 0.25}\n  source: x\n";
static const double TAU_S = 40;

/* After t_s of heading from one temperature for another. */
static double approach(double from_c, double to_c, double t_s)
{
    return to_c + (from_c - to_c) * exp(-t_s / TAU_S);
}

static double reach_s(double from_c, double to_c, double at_c)
{
    return TAU_S * log((from_c - to_c) / (at_c - to_c));
}

static void heat_follows_the_exponential(void **state)
{
    (void)state;
    rig r = begin(HEAT, "a b", DEVICE_HEAT);
    near(device_model_temperature_c(r.model), 28, 1e-12); /* idle for ever */
    assert_true(device_model_next_ns(r.model) == INT64_MAX);
    device_model_advance(r.model, 3 * S, 0);
    near(device_model_temperature_c(r.model), 28, 1e-12);
    device_model_advance(r.model, 5 * S, 2); /* b: 7 W, to 76 degrees */
    assert_true(device_model_next_ns(r.model) == INT64_MAX);
    for (int i = 1; i < 1000; i++) {
        device_model_advance(r.model, 5 * S + i * 77 * MS, 2);
        near(device_model_temperature_c(r.model), approach(28, 76, i * 0.077), 1e-9);
    }
    end(&r);
}

static void heat_is_relative_to_idle_and_throttling(void **state)
{
    (void)state;
    rig r = begin(HEAT, "a b", DEVICE_HEAT);
    assert_true(device_model_heat(r.model) == 0);
    device_model_advance(r.model, 0, 1); /* a: to 100 degrees */
    for (int s = 1; s < 40; s++) {
        device_model_advance(r.model, s * S, 1);
        near(device_model_heat(r.model), fmin(1, (approach(28, 100, s) - 28) / (80 - 28)), 1e-9);
    }
    const int64_t on_ns = (int64_t)(reach_s(28, 100, 80) * 1e9) + 1000;
    if (on_ns > 39 * S)
        device_model_advance(r.model, on_ns, 1);
    device_model_advance(r.model, 60 * S, 0); /* cooling down: it throttles until 70 degrees */
    assert_true(device_model_temperature_c(r.model) > 70);
    assert_true(device_model_heat(r.model) == 1);
    for (int s = 61; s < 400; s++) {
        device_model_advance(r.model, s * S, 0);
        const double c = device_model_temperature_c(r.model);
        assert_true(device_model_heat(r.model) == (c > 70 ? 1 : (c - 28) / (80 - 28)));
    }
    near(device_model_heat(r.model), 0, 0.01);
    end(&r);

    rig cold = begin(NOISE, "a b", DEVICE_NOISE);
    device_model_advance(cold.model, S, 1);
    assert_true(device_model_heat(cold.model) == 0);
    end(&cold);
    rig endless = begin(
        "device: d\nheat: {ambient_c: 20, resistance_c_per_w: 8, capacity_j_per_c: 5, "
        "idle_w: 1, power: [{processor: a, busy_w: 9}], source: x}\n",
        "a b", DEVICE_HEAT);
    device_model_advance(endless.model, 0, 1);
    device_model_advance(endless.model, 100 * S, 1);
    assert_true(device_model_temperature_c(endless.model) > 80);
    assert_true(device_model_heat(endless.model) == 0); /* it never throttles */
    end(&endless);
}

static void throttling_begins_and_ends_on_time(void **state)
{
    (void)state;
    rig r = begin(HEAT, "a b", DEVICE_HEAT);
    device_model_advance(r.model, 0, 1); /* a: 10 W, to 100 degrees */
    const double on_s = reach_s(28, 100, 80);
    int64_t t = device_model_next_ns(r.model);
    near((double)t, on_s * 1e9, 1000);
    device_model_advance(r.model, t - 1, 1);
    assert_true(device_model_speed(r.model, 0) == 1);
    device_model_advance(r.model, t, 1);
    near(device_model_temperature_c(r.model), 80, 1e-6);
    assert_true(device_model_speed(r.model, 0) == 0.5);
    /* 1 + 9/4 W now: to 46 degrees, until 70. */
    const double off_s = reach_s(80, 46, 70);
    const int64_t off = device_model_next_ns(r.model);
    near((double)(off - t), off_s * 1e9, 1000);
    device_model_advance(r.model, off, 1);
    assert_true(device_model_speed(r.model, 0) == 1);
    near((double)(device_model_next_ns(r.model) - off), reach_s(70, 100, 80) * 1e9, 1000);
    end(&r);
}

static void the_budget_and_the_lowest_step_count(void **state)
{
    (void)state;
    rig r = begin(HEAT, "a b", DEVICE_HEAT);
    device_model_advance(r.model, 0, 3); /* 16 W asked, 12 W had: to 116 degrees */
    int64_t t = device_model_next_ns(r.model);
    near((double)t, reach_s(28, 116, 80) * 1e9, 1000);
    end(&r);
    r = begin("device: d\nheat: {ambient_c: 20, resistance_c_per_w: 8, capacity_j_per_c: 5, "
              "start_c: 99, idle_w: 1, power: [{processor: '*', busy_w: 9}], throttle: "
              "[{processor: '*', at_c: 80, hysteresis_c: 10, speed: 0.5}, {processor: b, at_c: 95, "
              "hysteresis_c: 5, speed: 0.25}], source: x}\n",
              "a b", DEVICE_HEAT);
    assert_true(device_model_speed(r.model, 0) == 0.5 && device_model_speed(r.model, 1) == 0.25);
    t = device_model_next_ns(r.model);
    near((double)t, reach_s(99, 28, 90) * 1e9, 1000);
    device_model_advance(r.model, t, 0);
    assert_true(device_model_speed(r.model, 0) == 0.5 && device_model_speed(r.model, 1) == 0.5);
    end(&r);
}

/* ---- Power modes, energy ---- */

static const char MODES[] =
    "device: d\npower_modes:\n  start: low\n  modes:\n"
    "    - {name: low, factors: [{processor: a, speed: 0.25, power: 0.5}], source: x}\n"
    "    - {name: high, factors: [{processor: '*', speed: 2, power: 3}, "
    "{processor: b, speed: 1, power: 1}], source: x}\n"
    "  switches: [{at_s: 2, mode: high}, {at_s: 2.5, mode: low}]\n";

static void modes_switch_on_time(void **state)
{
    (void)state;
    rig r = begin(MODES, "a b c", DEVICE_POWER_MODES);
    cosrel_error err;
    assert_true(device_model_speed(r.model, 0) == 0.25 && device_model_speed(r.model, 1) == 1);
    assert_true(device_model_next_ns(r.model) == 2 * S);
    device_model_advance(r.model, 2 * S - 1, 0);
    assert_true(device_model_speed(r.model, 0) == 0.25);
    device_model_advance(r.model, 2 * S, 0);
    assert_true(device_model_speed(r.model, 0) == 2 && device_model_speed(r.model, 1) == 1);
    assert_true(device_model_next_ns(r.model) == 2500 * MS);
    device_model_advance(r.model, 9 * S, 0);
    assert_true(device_model_speed(r.model, 0) == 0.25);
    assert_true(device_model_next_ns(r.model) == INT64_MAX);
    /* Chosen by name: from the start to the end. */
    assert_int_equal(device_spec_set_power_mode(r.spec, "high", &err), COSREL_OK);
    start(&r, DEVICE_POWER_MODES, 1);
    assert_true(device_model_speed(r.model, 0) == 2);
    assert_true(device_model_next_ns(r.model) == INT64_MAX);
    assert_int_equal(device_spec_set_power_mode(r.spec, "hihg", &err), COSREL_INVALID_ARGUMENT);
    assert_string_equal(err.text, "device.yaml: it has no power mode 'hihg'; did you mean 'high'?; "
                                  "expected one of 'low', 'high'");
    end(&r);
}

static void energy_is_time_times_power(void **state)
{
    (void)state;
    rig r = begin(MODES, "a b c", DEVICE_POWER_MODES);
    /* 0.25 of 1.25 s of work until 2 s; what is left, 0.75, in 375 ms at three times the power. */
    assert_true(device_model_begin(r.model, 0, 0, 0, 1250 * MS) == 1250 * MS);
    device_model_advance(r.model, 0, 1);
    device_model_advance(r.model, 2 * S, 1);
    device_model_advance(r.model, 2375 * MS, 1);
    near(device_model_energy_factor(r.model, 0), (2 * 0.5 + 0.375 * 3) / 1.25, 1e-12);
    end(&r);
    r = begin("device: d\ninterference: [{processor: a, factor: 1.5, source: x}, {processor: b, "
              "factor: 0.5, source: x}]\n",
              "a b", DEVICE_INTERFERENCE);
    (void)device_model_begin(r.model, 0, 0, 0, S);
    (void)device_model_begin(r.model, 0, 1, 0, S);
    device_model_advance(r.model, 0, 3);
    device_model_advance(r.model, S / 2, 3); /* b is through */
    near(device_model_energy_factor(r.model, 1), 1, 1e-12);
    device_model_advance(r.model, 3 * S / 2, 3);
    near(device_model_energy_factor(r.model, 0), 1.5, 1e-12);
    assert_true(isnan(device_model_temperature_c(r.model)));
    end(&r);
}

/* A twin that stands still needs nothing. */
static void waiting_twins_need_no_energy(void **state)
{
    (void)state;
    rig r = begin("device: d\nnoise: {cv: 0, spike_probability: 0, spike_min: 1, spike_max: 1, "
                  "source: x}\n",
                  "cpu0 cpu0.bg", DEVICE_NOISE);
    (void)device_model_begin(r.model, 0, 1, 0, S);
    device_model_advance(r.model, 0, 2);
    device_model_advance(r.model, S / 4, 3);
    device_model_advance(r.model, S, 2);
    device_model_advance(r.model, S + 3 * S / 4, 2);
    near(device_model_energy_factor(r.model, 1), 1, 1e-12);
    end(&r);
}

/* ---- Loading ---- */

static int64_t load_ms(rig *r, int processor, int model)
{
    const int64_t work_ns = device_model_begin(r->model, 0, processor, model, S);
    assert_true(device_model_resident(r->model, processor, model));
    return (work_ns - S) / MS;
}

static void models_load_once(void **state)
{
    (void)state;
    rig r = begin("device: d\nload:\n  - {processor: n*, default_ms: 7, models: [{model: unet, ms: "
                  "30}, {model: 're*', ms: 9}], source: x}\n"
                  "  - {processor: n1, default_ms: 5, resident: 2, source: x}\n",
                  "cpu0 cpu0.bg n0 n1", DEVICE_LOAD);
    assert_int_equal(load_ms(&r, 2, 0), 7);
    assert_int_equal(load_ms(&r, 2, 1), 9);
    assert_int_equal(load_ms(&r, 2, 2), 30);
    for (int m = 0; m < MODEL_COUNT; m++)
        assert_int_equal(load_ms(&r, 2, m), 0);
    assert_int_equal(load_ms(&r, 0, 0), 0);
    /* Two fit: the third takes the place of the one used longest ago. */
    assert_int_equal(load_ms(&r, 3, 0), 5);
    assert_int_equal(load_ms(&r, 3, 1), 5);
    assert_int_equal(load_ms(&r, 3, 0), 0);
    assert_int_equal(load_ms(&r, 3, 2), 5);
    assert_false(device_model_resident(r.model, 3, 1));
    assert_int_equal(load_ms(&r, 3, 0), 0);
    assert_int_equal(load_ms(&r, 3, 1), 5);
    assert_false(device_model_resident(r.model, 3, 2));
    end(&r);
}

static void twins_share_what_is_loaded(void **state)
{
    (void)state;
    rig r = begin("device: d\nload: [{processor: cpu0, default_ms: 7, source: x}]\n"
                  "faults: {events: [{processor: cpu0, kind: down, at_s: 1, for_s: 1}], source: "
                  "x}\n",
                  "cpu0 cpu0.bg", DEVICE_LOAD | DEVICE_FAULTS);
    assert_int_equal(load_ms(&r, 0, 0), 7);
    assert_int_equal(load_ms(&r, 1, 0), 0);
    device_model_advance(r.model, 2 * S, 0); /* it broke and came back, with nothing loaded */
    assert_false(device_model_resident(r.model, 0, 0));
    assert_int_equal((device_model_begin(r.model, 2 * S, 1, 0, S) - S) / MS, 7);
    end(&r);
}

/* ---- Faults ---- */

static void planned_outages_are_on_time(void **state)
{
    (void)state;
    rig r = begin("device: d\nfaults:\n  events:\n    - {processor: b, kind: down, at_s: 3}\n"
                  "    - {processor: cpu0, kind: down, at_s: 1, for_s: 0.5}\n"
                  "    - {processor: cpu0, kind: down, at_s: 1.2, for_s: 9}\n  source: x\n",
                  "b cpu0 cpu0.bg", DEVICE_FAULTS);
    no_change(&r, 0);
    assert_true(device_model_next_ns(r.model) == S);
    device_model_advance(r.model, S, 0);
    expect_change(&r, S, 1, DEVICE_DOWN);
    expect_change(&r, S, 2, DEVICE_DOWN); /* its twin too */
    no_change(&r, S);
    device_model_advance(r.model, 1200 * MS, 0); /* it is down already */
    no_change(&r, 1200 * MS);
    assert_true(device_model_next_ns(r.model) == 1500 * MS);
    device_model_advance(r.model, 1500 * MS, 0);
    expect_change(&r, 1500 * MS, 1, DEVICE_UP);
    expect_change(&r, 1500 * MS, 2, DEVICE_UP);
    no_change(&r, 1500 * MS);
    assert_true(device_model_speed(r.model, 1) == 1);
    assert_true(device_model_next_ns(r.model) == 3 * S);
    device_model_advance(r.model, 3 * S, 0);
    expect_change(&r, 3 * S, 0, DEVICE_REMOVE);
    no_change(&r, 3 * S);
    assert_true(device_model_next_ns(r.model) == INT64_MAX);
    end(&r);
}

static const char HANG[] =
    "device: d\nfaults: {detect_ms: 100, events: [{processor: a, kind: hang, "
    "at_s: 1, for_s: 10}], source: x}\n";

static void a_hang_is_noticed_by_its_run(void **state)
{
    (void)state;
    rig r = begin(HANG, "a b", DEVICE_FAULTS);
    device_model_advance(r.model, 0, 1);
    assert_true(device_model_next_ns(r.model) == S);
    device_model_advance(r.model, S, 1);
    assert_true(device_model_speed(r.model, 0) == 0 && device_model_speed(r.model, 1) == 1);
    no_change(&r, S);
    assert_true(device_model_next_ns(r.model) == 1100 * MS);
    device_model_advance(r.model, 1100 * MS, 1);
    expect_change(&r, 1100 * MS, 0, DEVICE_DOWN);
    no_change(&r, 1100 * MS);
    device_model_advance(r.model, 1100 * MS, 0);
    assert_true(device_model_next_ns(r.model) == 11 * S);
    device_model_advance(r.model, 11 * S, 0);
    expect_change(&r, 11 * S, 0, DEVICE_UP);
    assert_true(device_model_speed(r.model, 0) == 1);
    end(&r);
}

static void nobody_notices_an_idle_hang(void **state)
{
    (void)state;
    rig r = begin(HANG, "a b", DEVICE_FAULTS);
    device_model_advance(r.model, 5 * S, 2);
    assert_true(device_model_speed(r.model, 0) == 0);
    no_change(&r, 5 * S);
    assert_true(device_model_next_ns(r.model) == 11 * S);
    device_model_advance(r.model, 10950 * MS, 3); /* a run begins, and goes on when it is over */
    assert_true(device_model_next_ns(r.model) == 11 * S);
    device_model_advance(r.model, 11 * S, 3);
    no_change(&r, 11 * S);
    assert_true(device_model_speed(r.model, 0) == 1);
    assert_true(device_model_next_ns(r.model) == INT64_MAX);
    end(&r);
}

static void random_outages_have_their_availability(void **state)
{
    (void)state;
    enum { OUTAGES = 20000 };
    rig r = begin("device: d\nfaults: {random: [{processor: '*', kind: down, mean_between_s: 30, "
                  "mean_down_s: 10}], source: x}\n",
                  "a", DEVICE_FAULTS);
    double up_s = 0, down_s = 0;
    int64_t last = 0;
    for (int i = 0; i < 2 * OUTAGES; i++) {
        const int64_t t = device_model_next_ns(r.model);
        assert_true(t > last);
        device_model_advance(r.model, t, 0);
        expect_change(&r, t, 0, i % 2 ? DEVICE_UP : DEVICE_DOWN);
        no_change(&r, t);
        *(i % 2 ? &down_s : &up_s) += (double)(t - last) / 1e9;
        last = t;
    }
    near(up_s / OUTAGES, 30, 5 * 30 / sqrt(OUTAGES));
    near(down_s / OUTAGES, 10, 5 * 10 / sqrt(OUTAGES));
    near(up_s / (up_s + down_s), 0.75, 0.01);
    end(&r);
}

static void runs_fail_as_often_as_said(void **state)
{
    (void)state;
    enum { RUNS = 100000 };
    rig r = begin("device: d\nfaults: {failures: [{processor: '*', probability: 0.05}, {processor: "
                  "b, probability: 0}], source: x}\n",
                  "a b", DEVICE_FAULTS);
    int failed = 0;
    for (int i = 0; i < RUNS; i++) {
        failed += device_model_run_fails(r.model, i, 0);
        assert_false(device_model_run_fails(r.model, i, 1));
    }
    near((double)failed / RUNS, 0.05, 5 * sqrt(0.05 * 0.95 / RUNS));
    end(&r);
}

/* ---- Together ---- */

static const char ALL[] =
    "device: d\nnoise: {cv: 0.3, spike_probability: 0.05, spike_min: 2, spike_max: 6, source: x}\n"
    "interference: [{processor: '*', factor: 1.4, source: x}]\n"
    "heat: {ambient_c: 20, resistance_c_per_w: 8, capacity_j_per_c: 0.05, idle_w: 1, power: "
    "[{processor: '*', busy_w: 5}], throttle: [{processor: '*', at_c: 60, hysteresis_c: 5, speed: "
    "0.6}], source: x}\n"
    "power_modes: {modes: [{name: m, factors: [{processor: a, speed: 0.7, power: 0.5}], source: "
    "x}], switches: [{at_s: 1, mode: m}]}\n"
    "load: [{processor: '*', default_ms: 3, resident: 2, source: x}]\n"
    "faults: {detect_ms: 20, random: [{processor: '*', kind: down, mean_between_s: 0.5, "
    "mean_down_s: 0.1}, {processor: '*', kind: hang, mean_between_s: 0.7, mean_down_s: 0.1}], "
    "failures: [{processor: '*', probability: 0.05}], source: x}\n";

/* A simulation's result as text. */
static void simulate(const char *policy, unsigned effects, uint64_t seed, char *out, size_t bytes)
{
    static const char table_text[] =
        "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
        "d,a,lenet,,,1,10,2,,\nd,b,lenet,,,1,12,2,,\nd,a,resnet,,,1,25,2,,\nd,b,resnet,,,1,20,2,,\n"
        "d,a,unet,,,1,40,2,,\nd,b,unet,,,1,30,2,,\n";
    rig r = {.spec = parse(ALL)};
    cosrel_error err = {""};
    device_table *table;
    sim_device device;
    assert_int_equal(table_parse("t.csv", table_text, strlen(table_text), &table, &err), COSREL_OK);
    assert_int_equal(sim_device_init(&device, table, &err), COSREL_OK);
    r.count = device.processor_count;
    memcpy(r.processors, device.processors, sizeof device.processors);
    if (effects)
        start(&r, effects, seed);
    char *rows = calloc(1000, 32);
    size_t length = (size_t)sprintf(rows, "t_ms,model,deadline_ms\n");
    for (int i = 0; i < 600; i++)
        length += (size_t)sprintf(rows + length, "%d,%s,\n", 12 * i, MODELS[i % MODEL_COUNT]);
    arrivals_list *list;
    source *requests;
    assert_int_equal(
        arrivals_parse("a.csv", rows, length, device.models, device.model_count, &list, &err),
        COSREL_OK);
    assert_int_equal(source_from_arrivals(list, INT64_MAX, &requests, &err), COSREL_OK);
    const sim_setup setup = {.sched = {.processors = device.processors,
                                       .processor_count = device.processor_count,
                                       .policy = policy},
                             .costs = &device.costs,
                             .models = device.models,
                             .requests = requests,
                             .device = r.model,
                             .check = true};
    sim_result result;
    sim_summary summary;
    assert_int_equal(sim_run(&setup, &result, &err), COSREL_OK);
    assert_int_equal(sim_summarise(&result, -1, &summary), COSREL_OK);
    assert_int_equal(result.arrived, 600);
    assert_int_equal(result.served + result.dropped, 600);
    snprintf(out, bytes, "%llu %llu %.17g %.17g %lld %.17g", (unsigned long long)result.served,
             (unsigned long long)result.events, summary.mean_ms, summary.max_ms,
             (long long)result.last_end_ns, result.energy_uj);
    sim_result_deinit(&result);
    source_free(requests);
    arrivals_free(list);
    free(rows);
    sim_device_deinit(&device);
    table_free(table);
    end(&r);
}

static void the_seed_is_the_result(void **state)
{
    (void)state;
    static const char *const policies[] = {"min-min", "round-robin", "shortest-latency", "heft"};
    char exact[256], first[256], again[256], other[256];
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        simulate(policies[i], 0, 1, exact, sizeof exact);
        simulate(policies[i], DEVICE_ALL, 1, first, sizeof first);
        simulate(policies[i], DEVICE_ALL, 1, again, sizeof again);
        simulate(policies[i], DEVICE_ALL, 2, other, sizeof other);
        assert_string_equal(first, again);
        assert_string_not_equal(first, other);
        assert_string_not_equal(first, exact);
        for (unsigned effect = 1; effect & DEVICE_ALL; effect <<= 1) {
            simulate(policies[i], effect, 1, other, sizeof other);
            assert_string_not_equal(exact, other); /* each one shows */
        }
    }
}

/* ---- Profiles ---- */

static void fits_its_table(const char *yaml)
{
    char csv[512];
    cosrel_error err = {""};
    device_table *table;
    sim_device device;
    device_spec *spec;
    device_model *model = NULL;
    snprintf(csv, sizeof csv, "%.*s.csv", (int)(strlen(yaml) - strlen(".yaml")), yaml);
    if (device_spec_read(yaml, &spec, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    assert_true(device_spec_effects(spec) & DEVICE_NOISE);
    assert_true(device_spec_effects(spec) & DEVICE_INTERFERENCE);
    FILE *there = fopen(csv, "r");
    if (there) {
        fclose(there);
        assert_int_equal(table_read(csv, &table, &err), COSREL_OK);
        assert_int_equal(sim_device_init(&device, table, &err), COSREL_OK);
        assert_int_equal(device_spec_enable(spec, device_spec_effects(spec), &err), COSREL_OK);
        if (device_model_create(spec, device.processors, device.processor_count, device.models,
                                device.model_count, 1, &model, &err) != COSREL_OK)
            fail_msg("%s", err.text);
        device_model_free(model);
        sim_device_deinit(&device);
        table_free(table);
    }
    device_spec_free(spec);
}

static void profiles_fit_their_tables(void **state)
{
    (void)state;
    glob_t found;
    assert_int_equal(glob(COSREL_SOURCE_DIR "/profiles/*.yaml", 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= 8);
    for (size_t i = 0; i < found.gl_pathc; i++)
        fits_its_table(found.gl_pathv[i]);
    globfree(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_has_its_mean_and_cv),
        cmocka_unit_test(spikes_have_their_share_and_range),
        cmocka_unit_test(streams_are_independent),
        cmocka_unit_test(shares_of_a_measured_slowdown),
        cmocka_unit_test(pairs_multiply_up_to_all),
        cmocka_unit_test(sets_and_twins_count_as_cores),
        cmocka_unit_test(heat_follows_the_exponential),
        cmocka_unit_test(heat_is_relative_to_idle_and_throttling),
        cmocka_unit_test(throttling_begins_and_ends_on_time),
        cmocka_unit_test(the_budget_and_the_lowest_step_count),
        cmocka_unit_test(modes_switch_on_time),
        cmocka_unit_test(energy_is_time_times_power),
        cmocka_unit_test(waiting_twins_need_no_energy),
        cmocka_unit_test(models_load_once),
        cmocka_unit_test(twins_share_what_is_loaded),
        cmocka_unit_test(planned_outages_are_on_time),
        cmocka_unit_test(a_hang_is_noticed_by_its_run),
        cmocka_unit_test(nobody_notices_an_idle_hang),
        cmocka_unit_test(random_outages_have_their_availability),
        cmocka_unit_test(runs_fail_as_often_as_said),
        cmocka_unit_test(the_seed_is_the_result),
        cmocka_unit_test(profiles_fit_their_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
