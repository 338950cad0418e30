/* The live picture without HTTP: what a snapshot says, what is lost when there is too much of it,
 * viewers that are slow, too many, or leave. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/clock.h"
#include "runtime/trail.h"
#include "server/live.h"
#include "tiny_onnx.h"

static char folder[] = "/tmp/test-live-XXXXXX";
static char model_path[64];
static cosrel_runtime *rt;
static int woken;

static int start(void **state)
{
    (void)state;
    cosrel_options options;
    cosrel_error err = {""};
    if (!mkdtemp(folder))
        return -1;
    snprintf(model_path, sizeof model_path, "%s/add.onnx", folder);
    if (!tiny_add(model_path))
        return -1;
    cosrel_options_init(&options);
    options.cache_folder = "";
    options.policy = "learned";
    options.objective = "throughput";
    if (cosrel_runtime_open(&options, &rt, &err) == COSREL_OK &&
        cosrel_runtime_load(rt, folder, &err) == COSREL_OK)
        return 0;
    fprintf(stderr, "%s\n", err.text);
    return -1;
}

static int stop(void **state)
{
    (void)state;
    cosrel_runtime_close(rt);
    unlink(model_path);
    return rmdir(folder);
}

static void wake(void *user)
{
    (void)user;
    woken++;
}

static live *make_live(void)
{
    live *l;
    cosrel_error err = {""};
    assert_int_equal(live_create(rt, false, wake, &l, &err), COSREL_OK);
    return l;
}

static live_viewer *join(live *l)
{
    live_viewer *v;
    cosrel_error err = {""};
    assert_int_equal(live_join(l, NULL, &v, &err), COSREL_OK);
    return v;
}

static void run_some(int count)
{
    static const float x[4] = {1, 2, 3, 4};
    static const int64_t shape[] = {1, 4};
    const cosrel_tensor input = {.name = "x",
                                 .type = COSREL_FLOAT32,
                                 .rank = 2,
                                 .shape = shape,
                                 .data = (void *)(uintptr_t)x,
                                 .bytes = sizeof x};
    cosrel_model *m = cosrel_runtime_find_model(rt, "add", 0);
    for (int i = 0; i < count; i++) {
        const cosrel_result *result;
        cosrel_error err = {""};
        assert_int_equal(cosrel_run(rt, m, &input, 1, &result, &err), COSREL_OK);
        cosrel_result_release(result);
    }
}

/* The next event's JSON, read in small pieces; NULL: there is none. */
static json_t *next_event(live_viewer *v, bool *hello)
{
    static char text[1 << 20];
    size_t used = 0;
    while (used < 2 || memcmp(text + used - 2, "\n\n", 2) != 0) {
        assert_true(used < sizeof text - 1);
        if (live_read(v, text + used, 1) == 0)
            return assert_int_equal(used, 0), NULL;
        used++;
    }
    text[used] = '\0';
    const char *data = strstr(text, "data: ");
    assert_non_null(data);
    *hello = strncmp(text, "event: hello\n", 13) == 0;
    json_error_t why;
    json_t *json = json_loads(data + 6, 0, &why);
    if (!json)
        fail_msg("%s: %s", why.text, data);
    return json;
}

static json_t *next_snapshot(live_viewer *v)
{
    bool hello = true;
    json_t *json = next_event(v, &hello);
    if (json)
        assert_false(hello);
    return json;
}

static json_t *skip_hello(live_viewer *v)
{
    bool hello = false;
    json_t *json = next_event(v, &hello);
    assert_true(json && hello);
    return json;
}

static int64_t whole(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* ---- Tests ---- */

static void a_snapshot_says_what_happened(void **state)
{
    (void)state;
    live *l = make_live();
    assert_int_equal(live_due_ms(l, clock_now_ns()), -1);
    live_viewer *v = join(l);
    json_t *hello = skip_hello(v);
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(hello, "models"), 0), "name")),
                        "add");
    assert_int_equal(json_array_size(json_object_get(hello, "objectives")), 5);
    json_decref(hello);
    assert_null(next_snapshot(v));
    woken = 0;
    run_some(10);
    live_tick(l, clock_now_ns() + LIVE_PACE_NS);
    assert_int_equal(woken, 1);
    json_t *s = next_snapshot(v);
    assert_string_equal(json_string_value(json_object_get(s, "policy")), "learned");
    assert_string_equal(json_string_value(json_object_get(s, "objective")), "throughput");
    assert_int_equal(whole(s, "runs_lost"), 0);
    json_t *runs = json_object_get(s, "runs");
    assert_int_equal(json_array_size(runs), 10);
    double before = 0;
    for (size_t i = 0; i < 10; i++) {
        const json_t *run = json_array_get(runs, i);
        assert_int_equal(json_integer_value(json_array_get(run, 2)), 1); /* batch */
        const double start = json_number_value(json_array_get(run, 3));
        assert_true(start >= before && json_number_value(json_array_get(run, 4)) >= 0);
        assert_int_equal(json_integer_value(json_array_get(run, 5)), 1); /* ok */
        before = start;
    }
    const json_t *model = json_array_get(json_object_get(s, "models"), 0);
    assert_int_equal(json_integer_value(json_array_get(model, 8)), 10); /* recent */
    assert_true(json_number_value(json_array_get(model, 11)) >=
                json_number_value(json_array_get(model, 9))); /* p99, p50 */
    json_decref(s);
    live_leave(v);
    live_free(l);
}

/* Every run has its decision, with what else could have been started. */
static void decisions_have_reasons(void **state)
{
    (void)state;
    live *l = make_live();
    live_viewer *v = join(l);
    json_decref(skip_hello(v));
    run_some(3);
    live_tick(l, clock_now_ns() + LIVE_PACE_NS);
    json_t *s = next_snapshot(v), *decisions = json_object_get(s, "decisions"), *d;
    size_t i;
    int started = 0;
    json_array_foreach(decisions, i, d)
    {
        const json_t *chosen = json_object_get(d, "chosen");
        double sum = json_number_value(json_object_get(chosen, "preference"));
        json_t *o;
        size_t k;
        json_array_foreach(json_object_get(d, "others"), k, o)
            sum += json_number_value(json_object_get(o, "preference"));
        assert_true(sum <= 1.003);
        started += whole(chosen, "processor") >= 0;
        if (cosrel_runtime_processor_count(rt) > 1)
            assert_true(k > 0);
    }
    assert_int_equal(started, 3);
    const json_t *run = json_array_get(json_object_get(s, "runs"), 2);
    assert_int_equal(json_integer_value(json_array_get(run, 6)),
                     whole(json_array_get(decisions, i - 1), "number"));
    json_decref(s);
    live_leave(v);
    live_free(l);
}

static void what_is_too_much_is_counted(void **state)
{
    (void)state;
    live *l = make_live();
    live_viewer *v = join(l);
    json_decref(skip_hello(v));
    run_some(TRAIL_RUNS + 100);
    live_tick(l, clock_now_ns() + LIVE_PACE_NS);
    json_t *s = next_snapshot(v);
    assert_int_equal(whole(s, "runs_lost"), 100);
    assert_int_equal(json_array_size(json_object_get(s, "runs")), TRAIL_RUNS);
    assert_true(json_array_size(json_object_get(s, "decisions")) <= TRAIL_DECISIONS);
    json_decref(s);
    live_leave(v);
    live_free(l);
}

static void slow_viewers_lose_snapshots(void **state)
{
    (void)state;
    enum { TICKS = 50 };
    live *l = make_live();
    live_viewer *quick = join(l), *slow = join(l);
    json_decref(skip_hello(quick));
    char some[100];
    assert_int_equal(live_read(slow, some, sizeof some), sizeof some); /* stops within the hello */
    int64_t now_ns = clock_now_ns();
    for (int i = 1; i <= TICKS; i++) {
        now_ns += LIVE_PACE_NS;
        live_tick(l, now_ns);
        live_tick(l, now_ns + 1); /* not due: nothing */
        json_t *s = next_snapshot(quick);
        assert_int_equal(whole(s, "number"), i);
        json_decref(s);
        assert_null(next_snapshot(quick));
    }
    static char rest[1 << 20];
    const size_t bytes = live_read(slow, rest, sizeof rest - 1);
    rest[bytes] = '\0';
    int events = 0;
    for (const char *at = rest; (at = strstr(at, "data: {\"number\":")); at++)
        events++;
    assert_int_equal(events, LIVE_QUEUE - 1);
    /* It has caught up, and sees by the number how much it has missed. */
    live_tick(l, now_ns + LIVE_PACE_NS);
    json_t *s = next_snapshot(slow);
    assert_int_equal(whole(s, "number"), TICKS + 1);
    json_decref(s);
    live_leave(slow);
    live_leave(quick);
    live_free(l);
}

static void viewers_come_and_go(void **state)
{
    (void)state;
    live *l = make_live(), *other = make_live();
    live_viewer *all[LIVE_VIEWERS_MAX], *more;
    cosrel_error err = {""};
    char some[50];
    for (int i = 0; i < LIVE_VIEWERS_MAX; i++)
        all[i] = join(l);
    assert_int_equal(live_join(l, NULL, &more, &err), COSREL_UNAVAILABLE);
    assert_null(more);
    /* One looks at a runtime at a time. */
    assert_int_equal(live_join(other, NULL, &more, &err), COSREL_INVALID_ARGUMENT);
    live_tick(l, clock_now_ns() + LIVE_PACE_NS);
    for (int i = 0; i < LIVE_VIEWERS_MAX; i++)
        live_read(all[i], some, (size_t)i); /* in the middle of an event */
    static const int order[] = {0, 15, 7, 8, 1, 14, 2, 3, 13, 4, 5, 6, 12, 9, 11, 10};
    for (int i = 0; i < LIVE_VIEWERS_MAX; i++) {
        assert_int_equal(live_viewers(l), LIVE_VIEWERS_MAX - i);
        live_leave(all[order[i]]);
        live_tick(l, clock_now_ns() + 2 * LIVE_PACE_NS);
    }
    live_leave(join(other));
    run_some(3); /* nobody looks: nothing is kept */
    live_viewer *v = join(l);
    json_decref(skip_hello(v));
    live_tick(l, clock_now_ns() + LIVE_PACE_NS);
    json_t *s = next_snapshot(v);
    assert_int_equal(json_array_size(json_object_get(s, "runs")), 0);
    json_decref(s);
    live_leave(v);
    live_free(other);
    live_free(l);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* What runs take by the device table that the runtime was given: 1 ms at 2 W each. */
static void energy_is_the_table_s(void **state)
{
    (void)state;
    cosrel_runtime *before = rt;
    cosrel_options options;
    cosrel_error err = {""};
    char table[64], settings[64];
    snprintf(table, sizeof table, "%s/board.csv", folder);
    snprintf(settings, sizeof settings, "%s/board.yaml", folder);
    write_file(table, "device,processor,model,precision,framework,batch,latency_ms,power_w,"
                      "energy_mj,source\nBoard,npu,add,fp32,x,1,1,2,,invented\n");
    write_file(settings, "profile: board.csv\nprocessors: [npu]\n"
                         "emulated: [{name: npu, table: board.csv}]\n");
    cosrel_options_init(&options);
    options.cache_folder = "";
    options.settings_file = settings;
    assert_int_equal(cosrel_runtime_open(&options, &rt, &err), COSREL_OK);
    assert_int_equal(cosrel_runtime_load(rt, model_path, &err), COSREL_OK);
    live *l = make_live();
    live_viewer *v = join(l);
    json_decref(skip_hello(v));
    run_some(3);
    live_tick(l, clock_now_ns() + LIVE_PACE_NS);
    json_t *s = next_snapshot(v);
    assert_true(fabs(json_number_value(json_object_get(s, "table_j")) - 0.006) < 1e-9);
    json_decref(s);
    live_leave(v);
    live_free(l);
    cosrel_runtime_close(rt);
    rt = before;
    unlink(table);
    unlink(settings);
}

/* Percentiles are those of the last ten seconds, not of all time. */
static void latencies_are_recent(void **state)
{
    (void)state;
    live *l = make_live();
    run_some(5);
    live_viewer *v = join(l);
    json_decref(skip_hello(v));
    live_tick(l, clock_now_ns() + LIVE_PACE_NS);
    json_t *s = next_snapshot(v);
    const json_t *model = json_array_get(json_object_get(s, "models"), 0);
    assert_true(json_integer_value(json_array_get(model, 1)) >= 5);
    assert_int_equal(json_integer_value(json_array_get(model, 8)), 0);
    assert_true(json_is_null(json_array_get(model, 11)));
    json_decref(s);
    live_leave(v);
    live_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_says_what_happened),
        cmocka_unit_test(decisions_have_reasons),
        cmocka_unit_test(what_is_too_much_is_counted),
        cmocka_unit_test(slow_viewers_lose_snapshots),
        cmocka_unit_test(viewers_come_and_go),
        cmocka_unit_test(latencies_are_recent),
        cmocka_unit_test(energy_is_the_table_s),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
