/* `cosrel sim` with traces, recordings and reports, and `cosrel bench --record`, from end to end;
 * and the parts that put events in order. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "command.h"
#include "tiny_onnx.h"

static const char TABLE[] =
    "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
    "Board,cpu0,lenet,fp32,x,1,10,,20,\nBoard,cpu1,lenet,fp32,x,1,10,,20,\n"
    "Board,cpu0-1,lenet,fp32,x,1,6,,30,\nBoard,npu,lenet,int8,x,1,5,,5,\n"
    "Board,cpu0-1,unet,fp32,x,1,40,,200,\nBoard,npu,unet,int8,x,4,40,2,,\n"
    "Board,npu,unused,int8,x,1,1,2,,\n";

static const char ARRIVALS[] =
    "t_ms,model,deadline_ms\n0,lenet,30\n1,lenet,\n2,unet,100\n2,lenet,5\n";

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
    if (!file)
        fail_msg("%s is not there", path);
    char *text = NULL;
    size_t length = 0;
    if (getdelim(&text, &length, '\0', file) < 0)
        fail_msg("%s is empty", path);
    fclose(file);
    return text;
}

static void expect_file(const char *path, const char *expected)
{
    char *text = read_text(path);
    assert_string_equal(text, expected);
    free(text);
}

static void expect_same_files(const char *a, const char *b)
{
    char *text = read_text(a);
    expect_file(b, text);
    free(text);
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

static void done(const char *line)
{
    command c = command_run(line);
    expect_rc(&c, 0);
    command_free(&c);
}

static double number_of(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    if (!json_is_number(value))
        fail_msg("no number %s", key);
    return json_number_value(value);
}

static void expect_near(const json_t *json, const char *key, double expected)
{
    const double value = number_of(json, key);
    if (!(fabs(value - expected) <= 1e-9 * fabs(expected)))
        fail_msg("%s: %.17g, expected %.17g", key, value, expected);
}

/* ---- Traces ---- */

static void a_small_trace(void **state)
{
    (void)state;
    done("sim --device d.csv --arrivals a.csv --policy min-min --drop-late --trace t.jsonl");
    expect_file("t.jsonl",
                "{\"type\":\"arrival\",\"t_ms\":0,\"id\":0,\"model\":\"lenet\"}\n"
                "{\"type\":\"dispatch\",\"t_ms\":0,\"end_ms\":5,\"processor\":\"npu\",\"model\":"
                "\"lenet\",\"requests\":[0]}\n"
                "{\"type\":\"arrival\",\"t_ms\":1,\"id\":1,\"model\":\"lenet\"}\n"
                "{\"type\":\"dispatch\",\"t_ms\":1,\"end_ms\":7,\"processor\":\"cpu0-1\","
                "\"model\":\"lenet\",\"requests\":[1]}\n"
                "{\"type\":\"arrival\",\"t_ms\":2,\"id\":2,\"model\":\"unet\"}\n"
                "{\"type\":\"arrival\",\"t_ms\":2,\"id\":3,\"model\":\"lenet\"}\n"
                "{\"type\":\"drop\",\"t_ms\":2.000001,\"id\":3,\"reason\":\"late\"}\n"
                "{\"type\":\"dispatch\",\"t_ms\":7,\"end_ms\":47,\"processor\":\"cpu0-1\","
                "\"model\":\"unet\",\"requests\":[2]}\n");
}

static void a_picture(void **state)
{
    (void)state;
    done("sim --device d.csv --arrivals a.csv --policy min-min --trace t2.jsonl --chrome one.json");
    done("trace t2.jsonl --chrome two.json");
    expect_same_files("one.json", "two.json");
    /* Without a trace beside it, and none is left. */
    done("sim --device d.csv --arrivals a.csv --policy min-min --chrome three.json");
    expect_same_files("one.json", "three.json");
    json_t *json = json_load_file("one.json", 0, NULL);
    assert_non_null(json);
    int runs = 0;
    size_t i;
    json_t *event;
    json_array_foreach(json_object_get(json, "traceEvents"), i, event)
        runs += strcmp(json_string_value(json_object_get(event, "ph")), "X") == 0;
    assert_int_equal(runs, 4);
    json_decref(json);
}

/* Foreground and background on the same cores, for some seconds. */
static const char MIXED[] =
    "name: mixed\nstreams:\n"
    "  - {model: lenet, kind: poisson, rate_hz: 150, deadline_ms: 40}\n"
    "  - {model: unet, kind: poisson, rate_hz: 8}\n"
    "  - {model: lenet, kind: closed, in_flight: 2, priority: background}\n";

/* Background runs stand still while the foreground has their core: their ends come late. */
static void ends_that_come_late(void **state)
{
    (void)state;
    write_file("mixed.yaml", MIXED);
    json_t *sim = answer(
        "sim --device d.csv --workload mixed.yaml --policy least-slack --seconds 4 "
        "--trace m.jsonl --json");
    json_t *trace = answer("trace m.jsonl --json");
    expect_near(trace, "served", number_of(sim, "served"));
    expect_near(trace, "dropped", 0);
    expect_near(trace, "mean_ms", number_of(sim, "mean_ms"));
    expect_near(trace, "p99_ms", number_of(sim, "p99_ms"));
    expect_near(trace, "throughput_rps", number_of(sim, "throughput_rps"));
    const json_t *beneath = json_object_get(json_object_get(trace, "processors"), "cpu0.bg");
    assert_true(number_of(beneath, "runs") > 50);
    /* Ten ms each, and the pauses. */
    assert_true(number_of(beneath, "busy") * 4 > 0.0101 * number_of(beneath, "runs"));
    json_decref(trace);
    json_decref(sim);
    done("sim --device d.csv --workload mixed.yaml --policy least-slack --seconds 4 --trace "
         "n.jsonl");
    expect_same_files("m.jsonl", "n.jsonl");
}

/* Runs that are noisy, slow each other down and are lost: the trace still says what the simulation
 * counted, and what was lost does not look served. */
static void what_a_device_does(void **state)
{
    (void)state;
    write_file("effects.yaml",
               "device: Board\n"
               "noise: {cv: 0.2, spike_probability: 0, spike_min: 1, spike_max: 1, source: x}\n"
               "interference: [{processor: cpu0, factor: 1.5, source: x}]\n"
               "faults:\n  random:\n"
               "    - {processor: npu, kind: down, mean_between_s: 0.5, mean_down_s: 0.2}\n"
               "    - {processor: cpu1, kind: down, mean_between_s: 0.3, mean_down_s: 0.1}\n"
               "  source: x\n");
    static const char LINE[] =
        "sim --device d.csv --workload mixed.yaml --policy min-min --seconds 6 "
        "--effects effects.yaml --all-effects --seed 3 --json --trace ";
    char line[256];
    snprintf(line, sizeof line, "%s%s", LINE, "e.jsonl --chrome e.json");
    json_t *sim = answer(line);
    json_t *trace = answer("trace e.jsonl --json");
    expect_near(trace, "served", number_of(sim, "served"));
    expect_near(trace, "dropped", number_of(sim, "dropped"));
    expect_near(trace, "mean_ms", number_of(sim, "mean_ms"));
    expect_near(trace, "p99_ms", number_of(sim, "p99_ms"));
    json_decref(trace);
    json_decref(sim);
    char *text = read_text("e.jsonl");
    int lost = 0;
    for (const char *at = text; (at = strstr(at, "],\"ok\":false}\n")) != NULL; at++)
        lost++;
    assert_true(lost > 3);
    free(text);
    snprintf(line, sizeof line, "%s%s", LINE, "f.jsonl");
    done(line);
    expect_same_files("e.jsonl", "f.jsonl");
}

/* ---- Recordings ---- */

/* A trace holds all that a replay needs but deadlines and priorities. */
static void a_simulation_played_again(void **state)
{
    (void)state;
    write_file("plain.yaml", "streams:\n  - {model: lenet, kind: bursts, rate_hz: 40, "
                             "burst_rate_hz: 300, quiet_s: 1, burst_s: 0.2}\n"
                             "  - {model: unet, kind: periodic, rate_hz: 9, jitter_ms: 5}\n");
    json_t *first = answer("sim --device d.csv --workload plain.yaml --seconds 5 --policy heft "
                           "--trace p.jsonl --json");
    json_t *again = answer("sim --device d.csv --replay p.jsonl --policy heft --trace q.jsonl "
                           "--json");
    expect_same_files("p.jsonl", "q.jsonl");
    const json_t *recorded = json_object_get(again, "recorded");
    static const char *const keys[] = {"served", "mean_ms", "p50_ms", "p99_ms", "throughput_rps"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        expect_near(again, keys[i], number_of(first, keys[i]));
        expect_near(recorded, keys[i], number_of(first, keys[i]));
    }
    assert_null(json_object_get(first, "recorded"));
    json_decref(first);
    json_decref(again);
}

static const char RECORDING[] =
    "{\"type\":\"recording\",\"version\":1,\"device\":\"x\",\"policy\":\"min-min\",\"workload\":"
    "\"w\"}\n"
    "{\"type\":\"arrival\",\"t_ms\":0,\"id\":7,\"model\":\"lenet\",\"deadline_ms\":4}\n"
    "{\"type\":\"arrival\",\"t_ms\":0,\"id\":8,\"model\":\"lenet\",\"priority\":-1}\n"
    "{\"type\":\"dispatch\",\"t_ms\":0.5,\"end_ms\":6,\"processor\":\"npu\",\"model\":\"lenet\","
    "\"requests\":[7]}\n";

static void what_was_recorded_stands_beside(void **state)
{
    (void)state;
    write_file("r.jsonl", RECORDING);
    command c = command_run("sim --device d.csv --replay r.jsonl --policy heft,min-min --trace x");
    expect_rc(&c, 2);
    expect_one_line(&c, "--trace holds one policy's events");
    command_free(&c);
    c = command_run("sim --device d.csv --replay r.jsonl --policy heft,min-min");
    expect_rc(&c, 0);
    assert_non_null(strstr(c.out,
                           "\n(recorded)                   1        0      6.000      6.000      "
                           "6.000    166.667  100.00%"));
    assert_non_null(strstr(c.out, "\n  under min-min\n"
                                  "  1 requests were not answered when it ended\n"));
    /* The foreground takes 5 ms on the npu, the background 10 on a core: 7.5. */
    const char *compared = strstr(c.out, "simulated / recorded: mean 1.250, p50 0.833, p99 1.667");
    assert_non_null(compared);
    assert_true(strstr(c.out, "\nmin-min ") < compared && strstr(c.out, "\nheft ") < compared);
    assert_null(strstr(compared + 1, "simulated / recorded"));
    command_free(&c);
    done("sim --device d.csv --replay r.jsonl --policy min-min --trace b.jsonl");
    char *text = read_text("b.jsonl");
    assert_non_null(strstr(text, "\"processor\":\"cpu0.bg\",\"model\":\"lenet\",\"requests\":[1]"));
    free(text);
}

static void wrong_recordings(void **state)
{
    (void)state;
    static const struct {
        const char *recording, *says;
    } cases[] = {
        {"{\"type\":\"arrival\",\"t_ms\":0,\"id\":0,\"model\":\"lennet\"}\n",
         "w.jsonl: it asks for the model 'lennet', which the device table does not have; did you "
         "mean 'lenet'?"},
        {"{\"type\":\"arrival\",\"t_ms\":0,\"id\":0,\"model\":\"zzz\"}\n",
         "the model 'zzz', which"},
        {"{\"type\":\"arrival\",\"t_ms\":0,\"id\":0}\n", "w.jsonl:1: model is missing"},
        {"t_ms,model,deadline_ms\n", "w.jsonl:1: no JSON object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_file("w.jsonl", cases[i].recording);
        command c = command_run("sim --device d.csv --replay w.jsonl --policy min-min");
        expect_rc(&c, 2);
        expect_one_line(&c, cases[i].says);
        command_free(&c);
    }
    static const struct {
        const char *line, *says;
    } lines[] = {
        {"sim --device d.csv --policy min-min", "what is asked is missing"},
        {"sim --device d.csv --replay none.jsonl", "none.jsonl: cannot be read"},
        {"sim --device d.csv --replay r.jsonl --arrivals a.csv", "exclude each other"},
        {"sim --device d.csv --arrivals a.csv --trace no/t.jsonl", "--trace: cannot write"},
        {"sim --device d.csv --arrivals a.csv --chrome no/t.json", "--chrome: cannot write"},
        {"sim --device d.csv --arrivals a.csv --report no/r.html", "--report: cannot write"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        command c = command_run(lines[i].line);
        expect_rc(&c, 2);
        expect_one_line(&c, lines[i].says);
        command_free(&c);
    }
}

/* ---- Recording ---- */

/* On an emulated processor a run takes 20 ms at least, whatever else the machine does. */
static void a_benchmark_recorded(void **state)
{
    (void)state;
    assert_int_equal(mkdir("models", 0755), 0);
    assert_true(tiny_add("models/add.onnx"));
    write_file("board.csv", "device,processor,model,precision,framework,batch,latency_ms,power_w,"
                            "energy_mj,source\nboard,npu,add,fp32,x,1,20,,,made up\n");
    write_file("settings.yaml", "emulated:\n  - {name: npu, table: board.csv, processor: npu}\n");
    write_file("cam.yaml", "name: a camera\nstreams:\n"
                           "  - {model: add, kind: periodic, rate_hz: 20, deadline_ms: 1000}\n");
    json_t *bench = answer("bench --models models --settings settings.yaml --processors npu "
                           "--workload cam.yaml --policies single:npu,min-min,ort-1thread "
                           "--seconds 0.5 --rounds 1 --profile board.csv --cache-folder cache "
                           "--quiet --json --record rec");
    json_decref(bench);
    assert_int_equal(access("rec/min-min-1.jsonl", F_OK), 0);
    assert_int_equal(access("rec/ort-1thread-1.jsonl", F_OK), -1);
    json_t *again = answer("sim --device board.csv --replay rec/single_npu-1.jsonl --policy "
                           "single:npu --json");
    const json_t *recorded = json_object_get(again, "recorded");
    assert_string_equal(json_string_value(json_object_get(recorded, "policy")), "single:npu");
    /* One every 50 ms for half a second; on a slow machine the last may not get out in time. */
    assert_true(number_of(recorded, "requests") > 0 && number_of(recorded, "requests") <= 10);
    expect_near(again, "served", number_of(recorded, "requests"));
    expect_near(again, "mean_ms", 20);
    assert_true(number_of(recorded, "served") > 0 && number_of(recorded, "mean_ms") >= 20);
    json_decref(again);
    char *text = read_text("rec/single_npu-1.jsonl");
    assert_non_null(strstr(text, "\"policy\":\"single:npu\",\"workload\":\"a camera\"}\n"));
    assert_non_null(strstr(text, "\"deadline_ms\":1000}\n"));
    free(text);
}

static void wrong_places_to_record(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"bench --models models --policies ort-1thread --record rec",
         "only Cosrel's policies are recorded"},
        {"bench --models models --policies min-min --rounds 2 --record r.jsonl",
         "'r.jsonl' is one file for 2 runs"},
        {"bench --models models --policies min-min --rounds 1 --record no/r.jsonl",
         "cannot write to the folder of 'no/r.jsonl'"},
        {"bench --models models --policies min-min --record a.csv", "a.csv"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        command c = command_run(cases[i].line);
        assert_true(c.rc == 2 || (c.rc == 1 && i == 3));
        expect_one_line(&c, cases[i].says);
        command_free(&c);
    }
}

/* ---- Reports ---- */

static json_t *data_of_page(const char *path)
{
    char *page = read_text(path);
    const char *at = strstr(page, "id=\"data\">");
    assert_non_null(at);
    json_error_t why;
    json_t *data = json_loads(at + strlen("id=\"data\">"), JSON_DISABLE_EOF_CHECK, &why);
    if (!data)
        fail_msg("%s", why.text);
    free(page);
    return data;
}

/* The figures of the page are those of --json, and the timeline holds the trace's runs. */
static void a_report(void **state)
{
    (void)state;
    json_t *all = answer(
        "sim --device d.csv --arrivals a.csv --policy min-min,heft --json --report "
        "page.html --seed 9");
    json_t *data = data_of_page("page.html");
    const json_t *simulation = json_object_get(data, "simulation");
    assert_string_equal(json_string_value(json_object_get(simulation, "device")), "Board");
    expect_near(simulation, "seed", 9);
    assert_null(json_object_get(data, "machine"));
    assert_int_equal(json_array_size(json_object_get(data, "model_order")), 2);
    expect_near(json_object_get(data, "alone"), "lenet", 200);
    expect_near(json_object_get(data, "alone"), "unet", 25);
    const json_t *runs = json_object_get(data, "runs");
    assert_int_equal(json_array_size(runs), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *run = json_array_get(runs, i);
        const json_t *said = json_array_get(json_object_get(all, "runs"), i);
        const json_t *lenet = json_object_get(json_object_get(run, "models"), "lenet");
        const json_t *unet = json_object_get(json_object_get(run, "models"), "unet");
        assert_true(json_is_null(json_object_get(run, "cpu_seconds")));
        expect_near(lenet, "completed", 3);
        expect_near(unet, "completed", 1);
        const double mean_ms = (3 * number_of(lenet, "mean_ms") + number_of(unet, "mean_ms")) / 4;
        expect_near(said, "mean_ms", mean_ms);
        assert_true(fabs(number_of(run, "throughput_rps") - number_of(said, "throughput_rps")) <
                    0.001);
        assert_true(fabs(number_of(run, "energy_j") -
                         4e-3 * number_of(said, "energy_mj_per_request")) < 0.001);
        size_t shown = 0, t;
        json_t *track;
        json_array_foreach(json_object_get(json_object_get(run, "timeline"), "tracks"), t, track)
            shown += json_array_size(json_object_get(track, "runs"));
        assert_int_equal(shown, 4);
    }
    json_decref(data);
    json_decref(all);
}

/* An hour: the page stays small, its timeline begins in the middle. */
static void a_long_report(void **state)
{
    (void)state;
    write_file("hour.yaml",
               "name: an hour\nstreams:\n"
               "  - {model: lenet, kind: periodic, rate_hz: 20, deadline_ms: 6}\n"
               "  - {model: unet, kind: closed, priority: background, think_ms: 1000}\n");
    done("sim --device d.csv --workload hour.yaml --policy single:cpu0 --seconds 3600 --report "
         "hour.html --quiet");
    struct stat info;
    assert_int_equal(stat("hour.html", &info), 0);
    assert_true(info.st_size < 250000);
    json_t *data = data_of_page("hour.html");
    const json_t *run = json_array_get(json_object_get(data, "runs"), 0);
    const json_t *timeline = json_object_get(run, "timeline");
    const double start_ms = number_of(timeline, "start_ms");
    assert_true(start_ms > 1799000 && start_ms <= 1800000);
    size_t shown = 0, late = 0, t, i;
    json_t *track, *span;
    json_array_foreach(json_object_get(timeline, "tracks"), t, track)
        json_array_foreach(json_object_get(track, "runs"), i, span)
    {
        shown++;
        late += json_integer_value(json_array_get(span, 4)) == 1;
        assert_true(json_number_value(json_array_get(span, 2)) >= start_ms);
    }
    assert_true(shown >= 2000 && shown < 2010);
    assert_true(late > 1500); /* all of lenet: 10 ms on cpu0, where 6 are allowed */
    assert_string_equal(json_string_value(json_object_get(data, "title")), "an hour");
    json_decref(data);
}

static int prepare(void **state)
{
    (void)state;
    enter_scratch("sim");
    write_file("d.csv", TABLE);
    write_file("a.csv", ARRIVALS);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_trace),
        cmocka_unit_test(a_picture),
        cmocka_unit_test(ends_that_come_late),
        cmocka_unit_test(what_a_device_does),
        cmocka_unit_test(a_simulation_played_again),
        cmocka_unit_test(what_was_recorded_stands_beside),
        cmocka_unit_test(wrong_recordings),
        cmocka_unit_test(a_benchmark_recorded),
        cmocka_unit_test(wrong_places_to_record),
        cmocka_unit_test(a_report),
        cmocka_unit_test(a_long_report),
    };
    return cmocka_run_group_tests(tests, prepare, leave_scratch);
}
