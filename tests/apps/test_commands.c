/* Every command from end to end on tiny models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "command.h"
#include "tiny_onnx.h"

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = calloc(1, 4 << 20);
    assert_non_null(text);
    assert_true(fread(text, 1, (4 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

static void zoo(void **state)
{
    (void)state;
    command c = command_run("zoo z --only keyword_spotter --seed 7");
    expect_rc(&c, 0);
    assert_non_null(strstr(c.out, "keyword_spotter"));
    struct stat info;
    assert_int_equal(stat("z/keyword_spotter.onnx", &info), 0);
    assert_true(info.st_size > 10000);
    assert_int_not_equal(stat("z/resnet50.onnx", &info), 0);
    command_free(&c);
    c = command_run("zoo --list");
    expect_rc(&c, 0);
    static const char *const names[] = {"mobilenet_v1", "mobilenet_v2",       "mobilenet_v3_large",
                                        "resnet18",     "resnet50",           "inception_v3",
                                        "squeezenet",   "efficientnet_lite0", "ssd_mobilenet_v2",
                                        "unet",         "keyword_spotter",    "mobilebert"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_non_null(strstr(c.out, names[i]));
    command_free(&c);
}

static void devices(void **state)
{
    (void)state;
    command c = command_run("devices --json");
    expect_rc(&c, 0);
    json_t *json = command_json(&c);
    json_t *list = json_object_get(json, "processors");
    assert_true(json_array_size(list) > 0);
    command text = command_run("devices");
    expect_rc(&text, 0);
    size_t i;
    json_t *processor;
    const char *last = "";
    json_array_foreach(list, i, processor)
    {
        const char *name = json_string_value(json_object_get(processor, "name"));
        assert_true(strcmp(last, name) < 0);
        assert_non_null(strstr(text.out, name));
        assert_true(json_is_false(json_object_get(processor, "emulated")));
        last = name;
    }
    json_decref(json);
    command_free(&c);
    command_free(&text);
}

static void run(void **state)
{
    (void)state;
    command c = command_run(
        "run models/add.onnx --processor cpu0 --output out --cache-folder cache");
    expect_rc(&c, 0);
    assert_non_null(strstr(c.out, "add ran on cpu0 in "));
    assert_string_equal(c.err, "");
    command_free(&c);
    /* What came out goes in again: y = x + [1,2,3,4], so each pass through the model adds as much.
     */
    struct stat info;
    assert_int_equal(stat("out/y.npy", &info), 0);
    c = command_run("run models/add.onnx --input x=out/y.npy --output twice --cache-folder cache");
    expect_rc(&c, 0);
    char *once = read_text("out/y.npy");
    char *twice = read_text("twice/y.npy");
    float a[4], b[4];
    memcpy(a, once + info.st_size - 16, 16);
    memcpy(b, twice + info.st_size - 16, 16);
    for (int i = 0; i < 4; i++)
        assert_true(b[i] - a[i] > (float)i + 0.999f && b[i] - a[i] < (float)i + 1.001f);
    free(once);
    free(twice);
    command_free(&c);
}

static void run_again_gives_the_same(void **state)
{
    (void)state;
    char *outputs[3];
    static const char *const lines[] = {
        "run models/add.onnx --seed 5 --output s1 --cache-folder cache",
        "run models/add.onnx --seed 5 --output s2 --cache-folder cache",
        "run models/add.onnx --seed 6 --output s3 --cache-folder cache"};
    static const char *const files[] = {"s1/y.npy", "s2/y.npy", "s3/y.npy"};
    struct stat info;
    for (int i = 0; i < 3; i++) {
        command c = command_run(lines[i]);
        expect_rc(&c, 0);
        command_free(&c);
        outputs[i] = read_text(files[i]);
    }
    assert_int_equal(stat(files[0], &info), 0);
    assert_memory_equal(outputs[0], outputs[1], (size_t)info.st_size);
    assert_memory_not_equal(outputs[0], outputs[2], (size_t)info.st_size);
    for (int i = 0; i < 3; i++)
        free(outputs[i]);
}

static void run_with_wrong_files(void **state)
{
    (void)state;
    write_file("text.onnx", "this is no model");
    write_file("text.npy", "this is no tensor");
    write_file("text.txt", "nor this");
    assert_true(tiny_unsupported("unsupported.onnx"));
    static const struct {
        const char *line;
        const char *says;
    } cases[] = {
        {"run text.onnx --cache-folder cache", "text.onnx"},
        {"run models --cache-folder cache", "2 models"},
        {"run models/add.onnx --input x=text.npy --cache-folder cache", "text.npy"},
        {"run models/add.onnx --input x=text.txt --cache-folder cache", "text.txt"},
        {"run models/add.onnx --input x=none.npy --cache-folder cache", "none.npy"},
        {"run models/add.onnx --input z=out/y.npy --cache-folder cache", "'z'"},
        {"run models/add.onnx --processor cpu99 --cache-folder cache", "cpu99"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        command c = command_run(cases[i].line);
        expect_rc(&c, 2);
        expect_one_line(&c, cases[i].says);
        command_free(&c);
    }
    command c = command_run("run unsupported.onnx --cache-folder cache");
    assert_int_not_equal(c.rc, 0);
    expect_one_line(&c, "unsupported.onnx");
    command_free(&c);
}

static void profile(void **state)
{
    (void)state;
    command c = command_run(
        "profile --models models --out costs.csv --cell-ms 2 --cache-folder cache");
    expect_rc(&c, 0);
    char *table = read_text("costs.csv");
    assert_non_null(strstr(
        table,
        "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source"));
    assert_non_null(strstr(table, "cpu0,add,"));
    assert_non_null(strstr(table, "cpu0,matmul,"));
    free(table);
    command_free(&c);
    c = command_run("bench --models models --profile costs.csv --policies shortest-latency "
                    "--seconds 0.1 --rounds 1 "
                    "--cache-folder cache --json");
    expect_rc(&c, 0);
    json_decref(command_json(&c));
    command_free(&c);
    c = command_run("bench --models models --profile costs.csv --policies learned,min-min "
                    "--seconds 0.2 --rounds 1 --learn --objective balanced "
                    "--cache-folder cache --json");
    expect_rc(&c, 0);
    json_t *json = command_json(&c);
    const json_t *learner = json_object_get(json, "learner");
    assert_true(json_is_string(json_object_get(learner, "state")));
    assert_true(json_is_integer(json_object_get(learner, "version")));
    assert_true(json_is_integer(json_object_get(learner, "promoted")));
    json_decref(json);
    command_free(&c);
    c = command_run("bench --models models --policies min-min --learn");
    expect_rc(&c, 2);
    expect_one_line(&c, "--learn: only 'learned' learns");
    command_free(&c);
    c = command_run(
        "profile --models models --out costs.csv --processors nonsense --cache-folder cache");
    expect_rc(&c, 2);
    expect_one_line(&c, "nonsense");
    command_free(&c);
}

static void check_model(const json_t *model, const char *policy)
{
    const double p50 = json_number_value(json_object_get(model, "p50_ms"));
    const double p95 = json_number_value(json_object_get(model, "p95_ms"));
    const double p99 = json_number_value(json_object_get(model, "p99_ms"));
    assert_true(json_is_integer(json_object_get(model, "completed")));
    const bool some = json_integer_value(json_object_get(model, "completed")) > 0;
    /* Sessions that fight for a busy machine may leave a model without a turn for 0.3 s; we may
     * not. */
    if (!some && strncmp(policy, "ort-", 4) != 0)
        fail_msg("%s: a model was not run", policy);
    assert_int_equal(json_number_value(json_object_get(model, "rps")) > 0, some);
    assert_true(json_is_number(json_object_get(model, "mean_ms")));
    assert_true(p50 >= 0 && p50 <= p95 && p95 <= p99);
    assert_true(!some || p50 > 0);
    assert_non_null(json_object_get(model, "deadline_miss_rate"));
}

/* The sum over models of rps / alone rps, worked out here once more. */
static void check_run(const json_t *run, const json_t *alone)
{
    double normalized = 0, throughput = 0;
    const char *name;
    json_t *model;
    assert_int_equal(json_object_size(json_object_get(run, "models")), json_object_size(alone));
    json_object_foreach(json_object_get(run, "models"), name, model)
    {
        check_model(model, json_string_value(json_object_get(run, "policy")));
        const double rps = json_number_value(json_object_get(model, "rps"));
        throughput += rps;
        normalized += rps / json_number_value(json_object_get(alone, name));
    }
    const double said = json_number_value(json_object_get(run, "normalized_throughput"));
    const double total = json_number_value(json_object_get(run, "throughput_rps"));
    assert_true(said > 0.999 * normalized - 0.001 && said < 1.001 * normalized + 0.001);
    assert_true(total > 0.999 * throughput - 0.01 && total < 1.001 * throughput + 0.01);
    assert_true(json_number_value(json_object_get(run, "cpu_seconds")) > 0);
    assert_non_null(json_object_get(run, "energy_j"));
    assert_null(json_object_get(run, "timeline"));
}

static void bench(void **state)
{
    (void)state;
    command c = command_run(
        "bench --models models --policies "
        "ort-default,ort-nospin,ort-1thread,ort-globalpool,min-min,"
        "single:cpu0 --seconds 1 --rounds 2 --profile-cell-ms 20 --cache-folder cache --json");
    expect_rc(&c, 0);
    json_t *json = command_json(&c);
    json_t *alone = json_object_get(json, "alone");
    json_t *runs = json_object_get(json, "runs");
    assert_int_equal(json_object_size(alone), 2);
    assert_true(json_number_value(json_object_get(alone, "add")) > 0);
    assert_int_equal(json_array_size(runs), 12);
    int seen[2] = {0, 0};
    size_t i;
    json_t *run_json;
    json_array_foreach(runs, i, run_json)
    {
        check_run(run_json, alone);
        const json_int_t round = json_integer_value(json_object_get(run_json, "round"));
        assert_in_range(round, 1, 2);
        seen[round - 1]++;
    }
    assert_int_equal(seen[0], 6);
    assert_int_equal(seen[1], 6);
    /* The second round begins with another policy than the first. */
    assert_string_not_equal(json_string_value(json_object_get(json_array_get(runs, 0), "policy")),
                            json_string_value(json_object_get(json_array_get(runs, 6), "policy")));
    json_decref(json);
    command_free(&c);
}

static void bench_with_streams(void **state)
{
    (void)state;
    write_file("w.yaml", "name: mixed </script> /*{js}*/\nstreams:\n"
                         "  - {model: add, kind: periodic, rate_hz: 50, deadline_ms: 500, "
                         "jitter_ms: 2, priority: high}\n"
                         "  - {model: add, kind: poisson, rate_hz: 40, deadline_ms: 500}\n"
                         "  - {model: matmul, kind: closed, in_flight: 3, priority: background}\n");
    command c = command_run(
        "bench --models models --workload w.yaml --policies ort-1thread,least-slack --seconds 0.6 "
        "--rounds 1 --profile-cell-ms 2 --cache-folder cache --report r.html");
    expect_rc(&c, 0);
    assert_non_null(strstr(c.out, "least-slack"));
    assert_non_null(strstr(c.out, "Report: r.html"));
    char *page = read_text("r.html");
    assert_null(strstr(page, "/*{data}*/"));
    /* The data cannot end their element, and what looks like a placeholder in them stays as it is.
     */
    const char *data = strstr(page, "id=\"data\">");
    assert_non_null(data);
    data += strlen("id=\"data\">");
    char *end = strstr(data, "</script>");
    assert_non_null(end);
    *end = '\0';
    json_t *json = json_loads(data, 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "title")),
                        "mixed </script> /*{js}*/");
    json_t *runs = json_object_get(json, "runs");
    assert_int_equal(json_array_size(runs), 2);
    size_t i;
    json_t *one;
    json_array_foreach(runs, i, one)
    {
        json_t *add = json_object_get(json_object_get(one, "models"), "add");
        assert_true(json_is_number(json_object_get(add, "deadline_miss_rate")));
        assert_true(json_array_size(json_object_get(add, "histogram")) > 0);
        assert_true(json_array_size(json_object_get(json_object_get(one, "timeline"), "tracks")) >
                    0);
        assert_true(json_is_null(json_object_get(
            json_object_get(json_object_get(one, "models"), "matmul"), "deadline_miss_rate")));
    }
    assert_true(json_array_size(json_object_get(json, "profile")) > 0);
    assert_true(json_object_size(json_object_get(json, "machine")) == 5);
    json_decref(json);
    free(page);
    command_free(&c);
}

static void bench_names_missing_models(void **state)
{
    (void)state;
    write_file("typo.yaml", "streams:\n  - {model: matmull, kind: closed}\n");
    command c = command_run("bench --models models --workload typo.yaml --policies min-min");
    expect_rc(&c, 2);
    expect_one_line(&c, "did you mean 'matmul'?");
    assert_non_null(strstr(c.err, "typo.yaml"));
    command_free(&c);
    write_file("broken.yaml", "streams:\n  - {model: add, kind: periodic}\n");
    c = command_run("bench --models models --workload broken.yaml --policies min-min");
    expect_rc(&c, 2);
    expect_one_line(&c, "broken.yaml:2");
    command_free(&c);
    c = command_run("bench --models models --policies learned --objective latencie");
    expect_rc(&c, 2);
    expect_one_line(&c, "--objective: objective 'latencie' is unknown; did you mean 'latency'");
    command_free(&c);
    c = command_run("bench --models models --policies single:npu --cache-folder cache");
    expect_rc(&c, 2);
    expect_one_line(&c, "npu");
    command_free(&c);
}

static void emulated_is_said_everywhere(void **state)
{
    (void)state;
    write_file(
        "board.csv",
        "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
        "board,npu,add,fp32,x,1,1.5,,,made up for this test\n"
        "board,npu,matmul,fp32,x,1,2.5,,,made up for this test\n");
    write_file("settings.yaml", "emulated:\n  - {name: fake, table: board.csv, processor: npu}\n");
    command c = command_run("devices --settings settings.yaml");
    expect_rc(&c, 0);
    assert_non_null(strstr(c.out, "fake"));
    assert_non_null(strstr(c.out, "emulated"));
    command_free(&c);
    c = command_run("devices --settings settings.yaml --json");
    json_t *json = command_json(&c);
    size_t i;
    json_t *processor;
    int found = 0;
    json_array_foreach(
        json_object_get(json, "processors"), i,
        processor) if (strcmp(json_string_value(json_object_get(processor, "name")), "fake") == 0)
        found += json_is_true(json_object_get(processor, "emulated"));
    assert_int_equal(found, 1);
    json_decref(json);
    command_free(&c);
    c = command_run(
        "run models/add.onnx --settings settings.yaml --processor fake --cache-folder cache");
    expect_rc(&c, 0);
    assert_non_null(strstr(c.out, "emulated"));
    command_free(&c);
    c = command_run(
        "bench --models models --settings settings.yaml --processors fake --policies static-best "
        "--seconds 0.1 --rounds 1 --profile-cell-ms 2 --cache-folder cache --json");
    expect_rc(&c, 0);
    json = command_json(&c);
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(json, "emulated_processors"), 0)), "fake");
    json_decref(json);
    command_free(&c);
    c = command_run("profile --models models --settings settings.yaml --processors fake --out "
                    "e.csv --cell-ms 2 "
                    "--cache-folder cache");
    expect_rc(&c, 0);
    assert_non_null(strstr(c.out, "emulated"));
    command_free(&c);
}

static int prepare(void **state)
{
    (void)state;
    enter_scratch("commands");
    return mkdir("models", 0755) == 0 && tiny_add("models/add.onnx") &&
                   tiny_matmul("models/matmul.onnx", 1 << 20)
               ? 0
               : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zoo),
        cmocka_unit_test(devices),
        cmocka_unit_test(run),
        cmocka_unit_test(run_again_gives_the_same),
        cmocka_unit_test(run_with_wrong_files),
        cmocka_unit_test(profile),
        cmocka_unit_test(bench),
        cmocka_unit_test(bench_with_streams),
        cmocka_unit_test(bench_names_missing_models),
        cmocka_unit_test(emulated_is_said_everywhere),
    };
    return cmocka_run_group_tests(tests, prepare, leave_scratch);
}
