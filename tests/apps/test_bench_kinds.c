/* `cosrel bench` under every kind of stream, by the runtime and by plain ONNX Runtime: each model
 * gets the requests that its stream means. */
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

static const char *const MODELS[] = {"camera", "follows", "rarely", "visitors", "thinker", "old"};
enum { MODEL_COUNT = sizeof MODELS / sizeof MODELS[0] };

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int completed(const json_t *run, const char *model)
{
    const json_t *entry = json_object_get(json_object_get(run, "models"), model);
    assert_non_null(entry);
    return (int)json_integer_value(json_object_get(entry, "completed"));
}

/* How many are answered within the window depends on the machine; what follows from what does not.
 */
static void check_run(const json_t *run)
{
    const int camera = completed(run, "camera"), follows = completed(run, "follows");
    for (int i = 0; i < MODEL_COUNT; i++)
        if (completed(run, MODELS[i]) == 0 && strcmp(MODELS[i], "rarely") != 0)
            fail_msg("%s: nothing of %s", json_string_value(json_object_get(run, "policy")),
                     MODELS[i]);
    /* Each camera frame brings one; at the window's edges some may be on the other side. */
    assert_true(follows >= camera / 2 && follows <= camera + camera / 2);
    assert_true(completed(run, "rarely") < follows);
    assert_true(completed(run, "thinker") <= 7); /* 0.6 s / 100 ms, and one at the edge */
    assert_true(completed(run, "old") <= 10);
}

static void every_kind_is_driven(void **state)
{
    (void)state;
    char rows[2048] = "model,t_ms,deadline_ms\n";
    /* After half a second of warm-up: all of these fall into the window. */
    for (int i = 0; i < 10; i++)
        snprintf(rows + strlen(rows), sizeof rows - strlen(rows), "old,%d,400\n", 550 + 50 * i);
    write_file("rows.csv", rows);
    write_file("w.yaml",
               "name: all kinds\nstreams:\n"
               "  - {model: camera, kind: periodic, rate_hz: 50, deadline_ms: 500}\n"
               "  - {model: follows, after: camera, deadline_ms: 500}\n"
               "  - {model: rarely, after: follows, probability: 0.1, rate_hz: 20}\n"
               "  - {model: visitors, kind: bursts, rate_hz: 30, burst_rate_hz: 90, "
               "quiet_s: 0.2, burst_s: 0.1}\n"
               "  - {model: visitors, kind: day, rate_hz: 60, period_s: 0.4, points: [[0, "
               "0.5], [12, 1]]}\n"
               "  - {model: thinker, kind: closed, think_ms: 100}\n"
               "  - {kind: recorded, file: rows.csv}\n");
    command c = command_run("bench --models models --workload w.yaml --policies "
                            "ort-1thread,least-slack --seconds 0.6 --rounds 1 --profile-cell-ms 2 "
                            "--cache-folder cache --json --report r.html");
    expect_rc(&c, 0);
    json_t *json = command_json(&c);
    const json_t *runs = json_object_get(json, "runs");
    assert_int_equal(json_array_size(runs), 2);
    for (size_t i = 0; i < 2; i++)
        check_run(json_array_get(runs, i));
    json_decref(json);
    command_free(&c);
}

static void mistakes_end_with_two(void **state)
{
    (void)state;
    write_file("circle.yaml", "streams:\n  - {model: camera, after: old}\n"
                              "  - {model: old, after: camera}\n");
    command c = command_run("bench --models models --workload circle.yaml --policies min-min");
    expect_rc(&c, 2);
    expect_one_line(&c, "circle.yaml:2: the stream of 'camera': after: goes round in a circle");
    command_free(&c);
    write_file("bad.csv", "t_ms,model,deadline_ms\n5,old,\n4,old,\n");
    write_file("bad.yaml", "streams:\n  - {kind: recorded, file: bad.csv}\n");
    c = command_run("bench --models models --workload bad.yaml --policies min-min");
    expect_rc(&c, 2);
    expect_one_line(&c, "bad.csv:3:1: t_ms is 4 after 5 on line 2");
    command_free(&c);
}

static int prepare(void **state)
{
    (void)state;
    enter_scratch("kinds");
    bool ok = mkdir("models", 0755) == 0;
    for (int i = 0; i < MODEL_COUNT && ok; i++) {
        char path[64];
        snprintf(path, sizeof path, "models/%s.onnx", MODELS[i]);
        ok = tiny_add(path);
    }
    return ok ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_driven),
        cmocka_unit_test(mistakes_end_with_two),
    };
    return cmocka_run_group_tests(tests, prepare, leave_scratch);
}
