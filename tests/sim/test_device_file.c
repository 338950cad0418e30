/* Device files: what is read, what is said about every mistake, and choosing effects. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sim/device_model.h"
#include "sim/processors.h"

static device_spec *parse(const char *text)
{
    device_spec *spec;
    cosrel_error err = {""};
    if (device_spec_parse("d.yaml", text, strlen(text), &spec, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    return spec;
}

/* `says`: the message, or with a star at its end how it begins. */
static void assert_says(const char *text, const char *says)
{
    const size_t length = strlen(says);
    if (says[length - 1] == '*' ? strncmp(text, says, length - 1) != 0 : strcmp(text, says) != 0)
        fail_msg("'%s', expected '%s'", text, says);
}

#define N "noise: {cv: 0.1, spike_probability: 0.01, spike_min: 2, spike_max: 6, source: x}\n"
#define H                                                                                          \
    "heat:\n  ambient_c: 20\n  resistance_c_per_w: 8\n  capacity_j_per_c: 5\n  idle_w: 1\n"        \
    "  source: x\n"

static void mistakes_are_named_by_line_and_key(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "d.yaml:1: the file is empty: it needs 'device'"},
        {N, "d.yaml:1: key 'device' is missing here"},
        {"device: d\nnose: 1\n", "d.yaml:2: unknown key 'nose' here; did you mean 'noise'?"},
        {"device: d\nnoise: {cv: 0.1}\n", "d.yaml:2: key 'spike_probability' is missing here"},
        {"device: d\nnoise:\n  cv: much\n  spike_probability: 0\n  spike_min: 1\n  spike_max: 1\n",
         "d.yaml:3: key 'cv': *"},
        {"device: d\nnoise:\n  spike_probability: 0.01\n  cv: 7\n  spike_min: 2\n  spike_max: 6\n"
         "  source: x\n",
         "d.yaml:4: key 'cv': 7 is out of range: expected 0 to 5"},
        {"device: d\nnoise:\n  cv: .nan\n  spike_probability: 0\n  spike_min: 2\n  spike_max: 6\n"
         "  source: x\n",
         "d.yaml:3: key 'cv': *"},
        {"device: d\nnoise:\n  cv: 0.1\n  spike_probability: 1.5\n  spike_min: 2\n  spike_max: 6\n"
         "  source: x\n",
         "d.yaml:4: key 'spike_probability': 1.5 is out of range: expected 0 to 1"},
        {"device: d\nnoise:\n  cv: 0.1\n  spike_probability: 0.5\n  spike_min: 3\n  spike_max: 2\n"
         "  source: x\n",
         "d.yaml:6: key 'spike_max': it is less than spike_min; expected at least as much"},
        {"device: d\ninterference:\n  - {processor: a, factor: 2, source: x}\n"
         "  - processor: b\n    factor: 0\n    source: x\n",
         "d.yaml:5: key 'factor': 0 is out of range: expected 0.1 to 100 (times as long)"},
        {"device: d\ninterference:\n  - {processor: a, factor: 2, source: x}\n"
         "  - {processor: a, busy: '*', factor: 3, source: x}\n",
         "d.yaml:4: key 'processor': this entry is for the same as the one on line 3; expected one "
         "of them"},
        {"device: d\ninterference: [{processor: a, factor: 2, optional: 3, source: x}]\n",
         "d.yaml:2: key 'optional': '3' is none of 'false', 'no', 'true', 'yes'"},
        {"device: d\ninterference:\n  - {processor: a, factor: 2, source: x}\n"
         "  - {processor: b, busy: \"a\\nb\", factor: 2, source: x}\n",
         "d.yaml:4: key 'busy': it holds a line break or another control character; expected a "
         "name "
         "on one line"},
        {"device: d\ninterference:\n  - {processor: \"a\\tb\", factor: 2, source: x}\n",
         "d.yaml:3: key 'processor': it holds *"},
        {"device: d\npower_modes:\n  start: \"a\\x01\"\n  modes:\n    - {name: lo, factors: "
         "[{processor: a, speed: 1, power: 1}], source: x}\n",
         "d.yaml:3: key 'start': it holds *"},
        {"device: d\n" H, "d.yaml:7: key 'power' is missing here"},
        {"device: d\n" H "  power: [{processor: a, busy_w: -1}]\n",
         "d.yaml:8: key 'busy_w': -1 is out of range: expected 0 to 10000 W"},
        {"device: d\n" H "  power: [{processor: a, busy_w: 1}]\n  max_w: 1e9\n",
         "d.yaml:9: key 'max_w': 1e+09 is out of range: expected 0 to 10000 W"},
        {"device: d\n" H "  power: [{processor: a, busy_w: 1}]\n  throttle:\n    - processor: a\n"
         "      at_c: 80\n      hysteresis_c: 0\n      speed: 0.5\n",
         "d.yaml:12: key 'hysteresis_c': 0 is out of range: expected 0.1 to 100 degrees"},
        {"device: d\n" H "  power: [{processor: a, busy_w: 1}]\n  throttle:\n    - processor: a\n"
         "      at_c: 80\n      hysteresis_c: 5\n      speed: 0\n",
         "d.yaml:13: key 'speed': 0 is out of range: expected 0.001 to 1"},
        {"device: d\npower_modes:\n  start: low\n  modes:\n    - {name: lo, factors: [{processor: "
         "a, speed: 1, power: 1}], source: x}\n",
         "d.yaml:3: key 'start': 'low' is none of the modes here; expected the name of one"},
        {"device: d\npower_modes:\n  modes:\n    - {name: lo, factors: [{processor: "
         "a, speed: 1, power: 1}], source: x}\n    - {name: lo, factors: [{processor: "
         "a, speed: 1, power: 1}], source: x}\n",
         "d.yaml:5: key 'name': this entry is for the same as the one on line 4; expected one of "
         "them"},
        {"device: d\npower_modes:\n  modes:\n    - {name: lo, factors: [{processor: "
         "a, speed: 1, power: 1}], source: x}\n  switches:\n    - {at_s: 1, mode: lo}\n"
         "    - {at_s: 2, mode: hi}\n",
         "d.yaml:7: key 'mode': 'hi' is none of the modes above; expected the name of one"},
        {"device: d\npower_modes:\n  modes:\n    - {name: lo, factors: [{processor: "
         "a, speed: 1, power: 1}], source: x}\n  switches:\n    - {at_s: 1, mode: lo}\n"
         "    - {at_s: 1, mode: lo}\n",
         "d.yaml:7: key 'at_s': it is not after the switch before; expected switches in order of "
         "time"},
        {"device: d\nload:\n  - {processor: a, default_ms: 1, source: x}\n"
         "  - processor: b\n    default_ms: -1\n    source: x\n",
         "d.yaml:5: key 'default_ms': -1 is out of range: expected 0 to 10000000 ms"},
        {"device: d\nload:\n  - processor: b\n    default_ms: 1\n    models:\n"
         "      - {model: m, ms: 1}\n      - {model: m, ms: 2}\n    source: x\n",
         "d.yaml:7: key 'model': this entry is for the same as the one on line 6; expected one of "
         "them"},
        {"device: d\nfaults:\n  events:\n    - {processor: a, kind: sleep, at_s: 1}\n",
         "d.yaml:4: key 'kind': 'sleep' is none of 'down', 'hang'"},
        {"device: d\nfaults:\n  events:\n    - {processor: a, kind: down, at_s: 1}\n"
         "    - {processor: a, kind: hang, at_s: 1}\n  source: x\n",
         "d.yaml:5: key 'kind': a hang needs 'detect_ms' in 'faults': after what time it is "
         "noticed"},
        {"device: d\nfaults:\n  events:\n    - {processor: a, kind: down, at_s: 1, for_s: 0}\n"
         "  source: x\n",
         "d.yaml:4: key 'for_s': 0 is out of range: expected 0.001 to 1000000000 s"},
        {"device: d\nfaults:\n  random:\n    - {processor: a, kind: down, mean_between_s: 0, "
         "mean_down_s: 1}\n  source: x\n",
         "d.yaml:4: key 'mean_between_s': 0 is out of range: expected 0.001 to 1000000000 s"},
        {"device: d\nfaults:\n  failures:\n    - {processor: a, probability: 2}\n  source: x\n",
         "d.yaml:4: key 'probability': 2 is out of range: expected 0 to 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        device_spec *spec;
        cosrel_error err = {""};
        assert_int_equal(
            device_spec_parse("d.yaml", cases[i].text, strlen(cases[i].text), &spec, &err),
            COSREL_INVALID_FILE);
        assert_null(spec);
        assert_says(err.text, cases[i].says);
    }
}

static void sources_are_needed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "device: d\nnoise: {cv: 0.1, spike_probability: 0, spike_min: 2, spike_max: 6}\n",
        "device: d\ninterference: [{processor: a, factor: 2}]\n",
        ("device: d\npower_modes: {modes: [{name: lo, factors: [{processor: a, speed: 1, power: "
         "1}]}]}\n"),
        "device: d\nload: [{processor: a, default_ms: 1}]\n",
        "device: d\nfaults: {failures: [{processor: a, probability: 1}]}\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        device_spec *spec;
        cosrel_error err = {""};
        assert_int_equal(device_spec_parse("d.yaml", texts[i], strlen(texts[i]), &spec, &err),
                         COSREL_INVALID_FILE);
        assert_non_null(strstr(err.text, "source"));
    }
}

static const char *const MODELS[] = {"lenet", "unet"};

static void names_must_be_the_devices(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned effects;
        const char *says; /* NULL: it fits */
    } cases[] = {
        {"device: d\ninterference:\n  - {processor: gpu, factor: 2, source: x}\n"
         "  - {processor: dsp9, factor: 2, source: x}\n",
         DEVICE_INTERFERENCE,
         "d.yaml:4: key 'processor': the device has no processor 'dsp9'; expected one of its own "
         "('cpu0', 'gpu') or 'optional: yes'"},
        {"device: d\ninterference:\n  - {processor: gpu, busy: cpu00, factor: 2, source: x}\n",
         DEVICE_INTERFERENCE,
         "d.yaml:3: key 'processor': the device has no processor 'cpu00'; did you mean 'cpu0'?; "
         "expected one of its own ('cpu0', 'gpu') or 'optional: yes'"},
        {"device: d\n" H "  power: [{processor: n*, busy_w: 1}]\n", DEVICE_HEAT,
         "d.yaml:8: key 'processor': *"},
        {"device: d\n" H
         "  power: [{processor: '*', busy_w: 1}]\n  throttle: [{processor: x, at_c: "
         "80, hysteresis_c: 1, speed: 1}]\n",
         DEVICE_HEAT, "d.yaml:9: key 'processor': *"},
        {"device: d\npower_modes: {modes: [{name: lo, factors: [{processor: x, speed: 1, power: "
         "1}], source: x}]}\n",
         DEVICE_POWER_MODES, "d.yaml:2: key 'processor': *"},
        {"device: d\nload:\n  - {processor: x, default_ms: 1, source: x}\n", DEVICE_LOAD,
         "d.yaml:3: key 'processor': *"},
        {"device: d\nload:\n  - processor: gpu\n    default_ms: 1\n    models:\n"
         "      - {model: lenet, ms: 1}\n      - {model: vgg, ms: 1}\n    source: x\n",
         DEVICE_LOAD,
         "d.yaml:7: key 'model': the device has no model 'vgg'; expected one of its own ('lenet', "
         "'unet') or 'optional: yes'"},
        {"device: d\nfaults: {events: [{processor: x, kind: down, at_s: 1}], source: x}\n",
         DEVICE_FAULTS, "d.yaml:2: key 'processor': *"},
        {"device: d\nfaults: {random: [{processor: x, kind: down, mean_between_s: 1, mean_down_s: "
         "1}], source: x}\n",
         DEVICE_FAULTS, "d.yaml:2: key 'processor': *"},
        {"device: d\nfaults: {failures: [{processor: x, probability: 1}], source: x}\n",
         DEVICE_FAULTS, "d.yaml:2: key 'processor': *"},
        {"device: d\nfaults: {failures: [{processor: x, probability: 1, optional: yes}, "
         "{processor: 'c*', probability: 0}], source: x}\n",
         DEVICE_FAULTS, NULL},
        {"device: d\nload: [{processor: x, default_ms: 1, source: x}]\n" N, DEVICE_NOISE, NULL},
    };
    static const char *const names[] = {"cpu0", "gpu"};
    sched_processor processors[2];
    cosrel_error err = {""};
    assert_int_equal(processors_from_names(names, 2, processors, &err), COSREL_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        device_spec *spec = parse(cases[i].text);
        device_model *model;
        assert_int_equal(device_spec_enable(spec, cases[i].effects, &err), COSREL_OK);
        const cosrel_status status = device_model_create(spec, processors, 2, MODELS, 2, 1, &model,
                                                         &err);
        assert_int_equal(status, cases[i].says ? COSREL_INVALID_FILE : COSREL_OK);
        assert_int_equal(model == NULL, cases[i].says != NULL);
        if (cases[i].says)
            assert_says(err.text, cases[i].says);
        device_model_free(model);
        device_spec_free(spec);
    }
}

static void effects_are_chosen(void **state)
{
    (void)state;
    cosrel_error err = {""};
    device_spec *spec = parse("device: d\n" N);
    assert_int_equal(device_spec_effects(spec), DEVICE_NOISE);
    assert_int_equal(spec->enabled, 0);
    assert_int_equal(device_spec_enable(spec, DEVICE_NOISE | DEVICE_HEAT, &err),
                     COSREL_INVALID_ARGUMENT);
    assert_says(err.text, "d.yaml: it does not describe 'heat', which is switched on; expected a "
                          "device file that does");
    assert_int_equal(spec->enabled, 0);
    /* A number: that cv and nothing else. */
    assert_int_equal(device_spec_set_noise(spec, 0.25, &err), COSREL_OK);
    assert_true(spec->noise->cv == 0.25 && spec->noise->spike_probability == 0);
    assert_int_equal(spec->enabled, DEVICE_NOISE);
    assert_int_equal(device_spec_set_noise(spec, NAN, &err), COSREL_INVALID_ARGUMENT);
    /* What it lacks comes from the built-in description, what it has stays. */
    assert_int_equal(device_spec_borrow(spec, DEVICE_ALL, &err), COSREL_OK);
    assert_int_equal(device_spec_effects(spec),
                     DEVICE_NOISE | DEVICE_INTERFERENCE | DEVICE_LOAD | DEVICE_FAULTS);
    assert_true(spec->noise->cv == 0.25);
    device_spec_free(spec);

    spec = parse("device: d\n");
    assert_int_equal(device_spec_set_noise(spec, 0.1, &err), COSREL_OK);
    assert_int_equal(spec->enabled, DEVICE_NOISE);
    assert_int_equal(device_spec_set_power_mode(spec, "x", &err), COSREL_INVALID_ARGUMENT);
    device_spec_free(spec);
    assert_int_equal(device_spec_default(&spec, &err), COSREL_OK);
    device_spec_free(spec);
    device_spec_free(NULL);
    assert_int_equal(device_spec_read("/no/such/file.yaml", &spec, &err), COSREL_NOT_FOUND);
    assert_null(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named_by_line_and_key),
        cmocka_unit_test(sources_are_needed),
        cmocka_unit_test(names_must_be_the_devices),
        cmocka_unit_test(effects_are_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
