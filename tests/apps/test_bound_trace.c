/* `cosrel bound` and `cosrel trace` from end to end. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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
    "Board,cpu0,lenet,fp32,x,1,10,,20,\nBoard,cpu1,lenet,fp32,x,1,10,,20,\n"
    "Board,cpu0-1,lenet,fp32,x,1,6,,30,\nBoard,npu,lenet,int8,x,1,5,,5,\n"
    "Board,cpu0-1,unet,fp32,x,1,40,,200,\nBoard,npu,unet,int8,x,4,40,2,,\n";

static double number_of(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    if (!json_is_number(value))
        fail_msg("no number %s", key);
    return json_number_value(value);
}

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-7 * fabs(expected)))
        fail_msg("%.17g, expected %.17g", value, expected);
}

static json_t *answer(const char *line)
{
    command c = command_run(line);
    expect_rc(&c, 0);
    assert_string_equal(c.err, "");
    json_t *json = command_json(&c);
    command_free(&c);
    return json;
}

static void bound(void **state)
{
    (void)state;
    write_file("d.csv", TABLE);
    command c = command_run("bound --device d.csv --mix lenet=3 --json");
    expect_rc(&c, 0);
    assert_string_equal(c.out, "{\"capacity_rps\":400}\n"); /* two cores apart and the npu */
    command_free(&c);
    json_t *json = answer("bound --device d.csv --json");
    json_t *same = answer("bound --device d.csv --mix lenet=7,unet=7 --prices --load 0.5 --json");
    assert_int_equal(json_object_size(json), 1);
    assert_int_equal(json_object_size(same), 3);
    assert_true(
        json_equal(json_object_get(json, "capacity_rps"), json_object_get(same, "capacity_rps")));
    const double capacity = number_of(json, "capacity_rps");
    /* The npu does nothing but unet, 100 requests/s at 10 ms each; the cores together do the rest
     * of it, at 40 ms, and lenet at 5: 5 lambda / 2 + 40 (lambda / 2 - 100) = 1000 ms. */
    assert_near(capacity, 5000 / 22.5);
    const json_t *prices = json_object_get(same, "prices");
    const json_t *processors = json_object_get(prices, "processors");
    assert_near(number_of(processors, "cpu0-1"),
                number_of(processors, "cpu0") + number_of(processors, "cpu1"));
    assert_near(number_of(processors, "cpu0-1") + number_of(processors, "npu"), capacity);
    const json_t *models = json_object_get(prices, "models");
    assert_near(number_of(models, "lenet") + number_of(models, "unet"), 2);
    /* At half the capacity the npu has time for all: (5 + 20) / 2 mJ. */
    assert_near(number_of(same, "energy_mj_per_request"), (5 + 20) / 2.);
    json_decref(json);
    json_decref(same);
}

static void bound_for_people(void **state)
{
    (void)state;
    write_file("d.csv", TABLE);
    command c = command_run("bound --device d.csv --mix lenet=1,unet=1 --rate 50");
    expect_rc(&c, 0);
    assert_non_null(strstr(c.out, "capacity: "));
    assert_non_null(strstr(c.out, "Bottleneck: npu"));
    assert_non_null(strstr(c.out, "at least 12.5 mJ per request"));
    command_free(&c);
}

static void bound_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *says;
    } cases[] = {
        {"bound --device d.csv --mix lente=1", "did you mean 'lenet'?"},
        {"bound --device d.csv --mix lenet", "'lenet' has no weight"},
        {"bound --device d.csv --mix lenet=", "the weight of 'lenet' is ''"},
        {"bound --device d.csv --mix lenet=-1", "the weight of 'lenet' is '-1'"},
        {"bound --device d.csv --mix lenet=1,lenet=2", "'lenet' is there twice"},
        {"bound --device d.csv --mix lenet=0", "sum up to 0"},
        {"bound --device d.csv --mix lenet=1,,", "empty part"},
        {"bound --device d.csv --mix lenet=1 --rate 401", "at most 400"},
        {"bound --device d.csv --load 1.1", "--load"},
        {"bound --device d.csv --prices", "--json"},
        {"bound --device bad.csv", "bad.csv:2"},
    };
    write_file("d.csv", TABLE);
    write_file("bad.csv", "device,processor,model,precision,framework,batch,latency_ms,power_w,"
                          "energy_mj,source\nb,p,m,x,x,1,fast,,,\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        command c = command_run(cases[i].line);
        expect_rc(&c, 2);
        expect_one_line(&c, cases[i].says);
        command_free(&c);
    }
}

static const char TRACE[] =
    "{\"type\":\"recording\",\"version\":1,\"device\":\"Board\",\"policy\":\"heft\"}\n"
    "{\"type\":\"arrival\",\"t_ms\":10,\"id\":0,\"model\":\"lenet\",\"deadline_ms\":5}\n"
    "{\"type\":\"arrival\",\"t_ms\":10,\"id\":1,\"model\":\"lenet\",\"deadline_ms\":15}\n"
    "{\"type\":\"dispatch\",\"t_ms\":10,\"end_ms\":20,\"processor\":\"npu\",\"model\":\"lenet\","
    "\"requests\":[0,1]}\n"
    "{\"type\":\"arrival\",\"t_ms\":12,\"id\":2,\"model\":\"unet\"}\n"
    "{\"type\":\"arrival\",\"t_ms\":13,\"id\":3,\"model\":\"unet\"}\n"
    "{\"type\":\"dispatch\",\"t_ms\":20,\"end_ms\":50,\"processor\":\"npu\",\"model\":\"unet\","
    "\"requests\":[2]}\n"
    "{\"type\":\"drop\",\"t_ms\":30,\"id\":3,\"reason\":\"late\"}\n";

static void trace(void **state)
{
    (void)state;
    write_file("t.jsonl", TRACE);
    json_t *json = answer("trace t.jsonl --json --chrome out.json");
    assert_string_equal(json_string_value(json_object_get(json, "policy")), "heft");
    assert_int_equal(number_of(json, "requests"), 4);
    assert_int_equal(number_of(json, "served"), 3);
    assert_int_equal(number_of(json, "dropped"), 1);
    assert_near(number_of(json, "mean_ms"), 58 / 3.);
    assert_near(number_of(json, "p50_ms"), 10);
    assert_near(number_of(json, "p99_ms"), 38);
    assert_near(number_of(json, "throughput_rps"), 3 / 0.04);
    assert_near(number_of(json, "deadline_miss_rate"), 0.5);
    const json_t *npu = json_object_get(json_object_get(json, "processors"), "npu");
    assert_int_equal(number_of(npu, "runs"), 2);
    assert_near(number_of(npu, "busy"), 1);
    const json_t *unet = json_object_get(json_object_get(json, "models"), "unet");
    assert_int_equal(number_of(unet, "dropped"), 1);
    assert_near(number_of(unet, "mean_ms"), 38);
    json_decref(json);
    json = json_load_file("out.json", 0, NULL);
    assert_int_equal(json_array_size(json_object_get(json, "traceEvents")), 19);
    json_decref(json);
    command c = command_run("trace t.jsonl");
    expect_rc(&c, 0);
    assert_non_null(strstr(c.out, "4 requests, 3 served, 1 dropped in 0.040 s"));
    command_free(&c);
}

static void trace_refuses(void **state)
{
    (void)state;
    write_file("bad.jsonl", "{\"type\":\"arrival\",\"t_ms\":1,\"id\":0}\n");
    command c = command_run("trace bad.jsonl --chrome never.json");
    expect_rc(&c, 2);
    expect_one_line(&c, "bad.jsonl:1: model is missing");
    command_free(&c);
    assert_null(fopen("never.json", "rb"));
    c = command_run("trace bad.jsonl --chrome no/such/folder.json");
    expect_rc(&c, 2);
    expect_one_line(&c, "--chrome");
    command_free(&c);
}

static int enter(void **state)
{
    (void)state;
    enter_scratch("bound_trace");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bound),         cmocka_unit_test(bound_for_people),
        cmocka_unit_test(bound_refuses), cmocka_unit_test(trace),
        cmocka_unit_test(trace_refuses),
    };
    return cmocka_run_group_tests(tests, enter, leave_scratch);
}
