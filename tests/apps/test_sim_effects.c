/* `cosrel sim` with what a device does beyond its table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "command.h"

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static const char TABLE[] =
    "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
    "Board,cpu,lenet,fp32,x,1,10,,20,\nBoard,gpu,unet,fp32,x,1,10,,20,\n";

static int write_files(void **state)
{
    (void)state;
    enter_scratch("sim_effects");
    write_file("d.csv", TABLE);
    write_file("bare.csv", TABLE);
    write_file("d.yaml",
               "device: Board\n"
               "interference: [{processor: cpu, factor: 2, source: x}]\n"
               "power_modes: {modes: [{name: low, factors: [{processor: '*', speed: 0.5, power: "
               "0.25}], source: x}]}\n"
               "load: [{processor: cpu, default_ms: 5, source: x}]\n"
               "faults: {events: [{processor: gpu, kind: down, at_s: 0.004, for_s: 0.1}], source: "
               "x}\n");
    write_file("wrong.yaml", "device: Board\ninterference: [{processor: npu, factor: 2, source: "
                             "x}]\n");
    write_file("a.csv", "t_ms,model,deadline_ms\n0,lenet,\n0,unet,\n");
    return 0;
}

static double number(const char *options, const char *key)
{
    char line[256];
    snprintf(line, sizeof line, "sim --arrivals a.csv --json %s", options);
    command c = command_run(line);
    expect_rc(&c, 0);
    assert_string_equal(c.err, "");
    json_t *json = command_json(&c);
    const double value = json_number_value(json_object_get(json, key));
    json_decref(json);
    command_free(&c);
    return value;
}

static void near(double value, double expected)
{
    if (!(value > expected - 1e-5 && value < expected + 1e-5))
        fail_msg("%.17g, expected %.17g", value, expected);
}

static void each_switch_has_its_effect(void **state)
{
    (void)state;
    near(number("--device d.csv", "mean_ms"), 10);
    near(number("--device d.csv", "energy_mj_per_request"), 20);
    /* The gpu is through after 10 ms; half of the cpu's work is left then. */
    near(number("--device d.csv --interference", "mean_ms"), (10 + 15) / 2.);
    near(number("--device d.csv --power-mode low", "mean_ms"), 20);
    near(number("--device d.csv --power-mode low", "energy_mj_per_request"), 10);
    near(number("--device d.csv --load-times", "mean_ms"), (10 + 15) / 2.);
    /* Lost after 4 ms, begun again after 104. */
    near(number("--device d.csv --faults", "mean_ms"), (10 + 114) / 2.);
    near(number("--device d.csv --faults", "energy_mj_per_request"), (20 + 28) / 2.);
    /* Loading, 5 ms, and 10 ms of work: at half speed while the gpu runs, for 4 ms. */
    near(number("--device d.csv --all-effects", "mean_ms"), (17 + 114) / 2.);
    near(number("--device bare.csv --effects d.yaml --load-times", "mean_ms"), (10 + 15) / 2.);
    near(number("--device bare.csv --noise 0", "mean_ms"), 10);
    assert_true(number("--device bare.csv --noise 0.1", "mean_ms") != 10);
    assert_true(number("--device bare.csv --noise 0.1 --seed 3", "mean_ms") ==
                number("--device bare.csv --noise 0.1 --seed 3", "mean_ms"));
    assert_true(number("--device bare.csv --noise 0.1 --seed 3", "mean_ms") !=
                number("--device bare.csv --noise 0.1 --seed 4", "mean_ms"));
    /* The built-in description, and what the file lacks from it. */
    near(number("--device bare.csv --interference", "p99_ms"), 11.9 + 10 - 11.9 / 1.33);
    assert_true(number("--device d.csv --noise default", "mean_ms") != 10);
}

static void the_table_says_which_are_on(void **state)
{
    (void)state;
    command c = command_run("sim --device d.csv --arrivals a.csv --faults --load-times");
    expect_rc(&c, 0);
    assert_non_null(strstr(c.out, "Effects: load, faults (d.yaml)\n"));
    command_free(&c);
    c = command_run("sim --device d.csv --arrivals a.csv");
    assert_null(strstr(c.out, "Effects"));
    command_free(&c);
}

static void mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *options, *says;
    } cases[] = {
        {"--heat", "d.yaml: it does not describe 'heat', which is switched on; expected a device "
                   "file that does"},
        {"--power-mode slow", "d.yaml: it has no power mode 'slow'; did you mean 'low'?; expected "
                              "one of 'low'"},
        {"--effects wrong.yaml --interference",
         "wrong.yaml:2: key 'processor': the device has no processor 'npu'"},
        {"--effects none.yaml --faults", "none.yaml"},
        {"--effects d.yaml", "--effects switches nothing on: expected --noise"},
        {"--noise much", "--noise: 'much' is neither a number from 0 to 5 nor 'default'"},
        {"--noise -1", "--noise: '-1' is neither"},
        {"--noise nan", "--noise: 'nan' is neither"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, "sim --device d.csv --arrivals a.csv %s", cases[i].options);
        command c = command_run(line);
        expect_rc(&c, 2);
        expect_one_line(&c, cases[i].says);
        command_free(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_switch_has_its_effect),
        cmocka_unit_test(the_table_says_which_are_on),
        cmocka_unit_test(mistakes),
    };
    return cmocka_run_group_tests(tests, write_files, leave_scratch);
}
