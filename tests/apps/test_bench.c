/* The parts of the benchmark that count: windows, deadlines, orders, normalizing; and the energy
 * meter. */
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

#include "base/energy.h"
#include "bench_json.h"
#include "bench_plan.h"
#include "bench_run.h"
#include "other_load.h"

enum { MS = 1000000 };

static char model_a[] = "a";
static bench_model models[] = {{.name = model_a}};
static const bench_job job = {.models = models, .model_count = 1, .seconds = 2, .warmup_s = 1};

static json_t *first_model(bench_run *run, json_t **whole)
{
    *whole = bench_run_json(run);
    assert_non_null(*whole);
    json_t *model = json_object_get(json_object_get(*whole, "models"), "a");
    assert_non_null(model);
    return model;
}

static void counts_inside_the_window(void **state)
{
    (void)state;
    bench_run run;
    assert_int_equal(bench_run_begin(&run, &job, "p", 1, false, NULL), COSREL_OK);
    const int64_t start = run.start_ns;
    const int64_t end = run.end_ns;
    assert_int_equal(end - start, 2000 * (int64_t)MS);
    bench_run_answer(&run, 0, start - 30 * MS, 0, start - 1, true); /* before */
    bench_run_answer(&run, 0, start - 30 * MS, 0, start, true); /* begun before, answered inside */
    bench_run_answer(&run, 0, end - 10 * MS, 0, end - 1, true);
    bench_run_answer(&run, 0, end - 10 * MS, 0, end, true);              /* after */
    bench_run_answer(&run, 0, start + 5 * MS, 0, start + 6 * MS, false); /* failed */
    json_t *whole;
    json_t *model = first_model(&run, &whole);
    assert_int_equal(json_integer_value(json_object_get(model, "completed")), 2);
    assert_int_equal(json_integer_value(json_object_get(model, "failed")), 1);
    assert_true(json_number_value(json_object_get(model, "rps")) == 1.0);
    assert_true(json_is_null(json_object_get(model, "deadline_miss_rate")));
    assert_true(fabs(json_number_value(json_object_get(model, "mean_ms")) - 20) < 0.01);
    json_decref(whole);
    bench_run_end(&run);
}

static void counts_missed_deadlines(void **state)
{
    (void)state;
    bench_run run;
    assert_int_equal(bench_run_begin(&run, &job, "p", 1, false, NULL), COSREL_OK);
    const int64_t start = run.start_ns;
    const int64_t end = run.end_ns;
    bench_run_answer(&run, 0, start, start + 10 * MS, start + 10 * MS, true); /* just in time */
    bench_run_answer(&run, 0, start, start + 10 * MS, start + 10 * MS + 1,
                     true);                                              /* just too late */
    bench_run_answer(&run, 0, start, start + 10 * MS, INT64_MAX, false); /* never */
    bench_run_answer(&run, 0, start, start + 10 * MS, start + MS,
                     false); /* an error is no answer */
    bench_run_answer(&run, 0, start - 1, start + 10 * MS, INT64_MAX,
                     false);                                           /* came before the window */
    bench_run_answer(&run, 0, end - MS, end + 10 * MS, end - 1, true); /* due after it */
    bench_run_answer(&run, 0, start, end - 1, end + 5 * MS, true);     /* late, after the end */
    json_t *whole;
    json_t *model = first_model(&run, &whole);
    /* Five were due: one of them was in time. */
    assert_true(fabs(json_number_value(json_object_get(model, "deadline_miss_rate")) - 0.8) < 1e-6);
    json_decref(whole);
    bench_run_end(&run);
}

static void histogram_holds_every_answer(void **state)
{
    (void)state;
    bench_run run;
    assert_int_equal(bench_run_begin(&run, &job, "p", 1, false, NULL), COSREL_OK);
    for (int i = 1; i <= 1000; i++)
        bench_run_answer(&run, 0, run.start_ns, 0, run.start_ns + i * (int64_t)MS, true);
    json_t *whole;
    json_t *histogram = json_object_get(first_model(&run, &whole), "histogram");
    json_int_t sum = 0;
    double last = 0;
    size_t i;
    json_t *bucket;
    json_array_foreach(histogram, i, bucket)
    {
        const double upper = json_number_value(json_array_get(bucket, 0));
        sum += json_integer_value(json_array_get(bucket, 1));
        assert_true(upper > last);
        /* All the answers up to `upper` ms are in the buckets so far. */
        assert_true(fabs((double)sum - fmin(floor(upper), 1000)) <= 1);
        last = upper;
    }
    assert_int_equal(sum, 1000);
    json_decref(whole);
    bench_run_end(&run);
}

static void timeline_marks_late_runs(void **state)
{
    (void)state;
    bench_run run;
    assert_int_equal(bench_run_begin(&run, &job, "p", 1, true, NULL), COSREL_OK);
    const int64_t at = run.timeline->start_ns;
    bench_run_late(&run, 0, at + 10 * MS); /* told before its span */
    bench_run_span(&run, "cpu1", 0, at + 10 * MS, at + 20 * MS, 2);
    bench_run_span(&run, "cpu0", 0, at + 20 * MS, at + 30 * MS, 1);
    bench_run_span(&run, "cpu0", 0, run.timeline->end_ns + MS, run.timeline->end_ns + 2 * MS, 1);
    json_t *whole;
    first_model(&run, &whole);
    json_t *tracks = json_object_get(json_object_get(whole, "timeline"), "tracks");
    assert_int_equal(json_array_size(tracks), 2);
    json_t *cpu0 = json_array_get(tracks, 0);
    json_t *cpu1 = json_array_get(tracks, 1);
    assert_string_equal(json_string_value(json_object_get(cpu0, "processor")), "cpu0");
    assert_int_equal(json_array_size(json_object_get(cpu0, "runs")), 1);
    json_t *late = json_array_get(json_object_get(cpu1, "runs"), 0);
    assert_int_equal(json_integer_value(json_array_get(late, 3)), 2);
    assert_int_equal(json_integer_value(json_array_get(late, 4)), 1);
    assert_int_equal(
        json_integer_value(json_array_get(json_array_get(json_object_get(cpu0, "runs"), 0), 4)), 0);
    json_decref(whole);
    bench_run_end(&run);
}

static void normalizes_by_the_mean_of_alone(void **state)
{
    (void)state;
    json_t *alone = json_pack("[{s:{s:{s:f}}}, {s:{s:{s:f}}}, {s:{s:{s:f}}}]", "models", "a", "rps",
                              90.0, "models", "a", "rps", 110.0, "models", "b", "rps", 10.0);
    json_t *results = json_pack("{s:o, s:[{s:{s:{s:f}, s:{s:f}}}, {s:{s:{s:f}}}]}", "alone",
                                bench_json_alone(alone), "runs", "models", "a", "rps", 50.0, "b",
                                "rps", 7.0, "models", "c", "rps", 3.0);
    assert_non_null(results);
    bench_json_normalize(results);
    json_t *runs = json_object_get(results, "runs");
    const double value = json_number_value(
        json_object_get(json_array_get(runs, 0), "normalized_throughput"));
    assert_true(fabs(value - 1.2) < 1e-9);
    /* Alone it was not measured yet. */
    assert_true(json_is_null(json_object_get(json_array_get(runs, 1), "normalized_throughput")));
    json_decref(alone);
    json_decref(results);
}

static void every_policy_once_a_round(void **state)
{
    (void)state;
    bench_plan plan;
    assert_int_equal(bench_plan_make(NULL, &plan, NULL), COSREL_OK);
    assert_true(plan.count >= 10);
    assert_true(plan.any_baseline && plan.any_cosrel);
    for (int count = 1; count <= plan.count; count++) {
        bench_plan part = plan;
        part.count = count;
        for (int rounds = 1; rounds <= 12; rounds++) {
            for (int round = 0; round < rounds; round++) {
                int seen[BENCH_POLICIES_MAX] = {0};
                for (int place = 0; place < count; place++)
                    seen[bench_plan_at(&part, round, rounds, place)]++;
                for (int i = 0; i < count; i++)
                    assert_int_equal(seen[i], 1);
            }
        }
    }
    bench_plan_free(&plan);
}

static void write_number(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void energy(void **state)
{
    (void)state;
    char root[] = "energy-XXXXXX";
    assert_non_null(mkdtemp(root));
    energy_meter meter;
    energy_meter_open(&meter, root);
    assert_true(energy_meter_read_j(&meter) < 0);
    assert_int_equal(chdir(root), 0);
    static const char *const folders[] = {"sys",
                                          "sys/class",
                                          "sys/class/powercap",
                                          "sys/class/powercap/intel-rapl:0",
                                          "sys/class/powercap/intel-rapl:1",
                                          "sys/class/powercap/intel-rapl:2"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        assert_int_equal(mkdir(folders[i], 0755), 0);
    write_number("sys/class/powercap/intel-rapl:0/name", "package-0\n");
    write_number("sys/class/powercap/intel-rapl:0/energy_uj", "1000000\n");
    write_number("sys/class/powercap/intel-rapl:0/max_energy_range_uj", "5000000\n");
    write_number("sys/class/powercap/intel-rapl:1/name",
                 "psys\n"); /* holds the packages: not counted twice */
    write_number("sys/class/powercap/intel-rapl:1/energy_uj", "7\n");
    write_number("sys/class/powercap/intel-rapl:2/name", "package-1\n");
    write_number("sys/class/powercap/intel-rapl:2/energy_uj", "0\n");
    energy_meter_open(&meter, ".");
    assert_int_equal(meter.domain_count, 2);
    assert_true(fabs(energy_meter_read_j(&meter)) < 1e-9);
    write_number("sys/class/powercap/intel-rapl:0/energy_uj", "4500000\n");
    write_number("sys/class/powercap/intel-rapl:1/energy_uj", "900000000\n");
    write_number("sys/class/powercap/intel-rapl:2/energy_uj", "250000\n");
    assert_true(fabs(energy_meter_read_j(&meter) - 3.75) < 1e-9);
    /* The counter has gone round: 0.5 J to its end and 0.2 J after. */
    write_number("sys/class/powercap/intel-rapl:0/energy_uj", "200000\n");
    assert_true(fabs(energy_meter_read_j(&meter) - 4.45) < 1e-9);
    assert_int_equal(chdir(".."), 0);
}

static void share_of_others(void **state)
{
    (void)state;
    const other_load before = {.all_s = 100, .busy_s = 40, .own_s = 5};
    const other_load after = {.all_s = 120, .busy_s = 58, .own_s = 17};
    assert_true(fabs(other_load_share(&before, &after) - 0.3) < 1e-9);
    assert_true(other_load_share(&before, &before) == 0);
    const other_load idle = {
        .all_s = 120, .busy_s = 51, .own_s = 17}; /* ticks are coarse: never below zero */
    assert_true(other_load_share(&before, &idle) == 0);
    other_load now;
    other_load_now(&now);
    assert_true(now.all_s > 0 && now.busy_s > 0 && now.busy_s <= now.all_s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_inside_the_window),
        cmocka_unit_test(counts_missed_deadlines),
        cmocka_unit_test(histogram_holds_every_answer),
        cmocka_unit_test(timeline_marks_late_runs),
        cmocka_unit_test(normalizes_by_the_mean_of_alone),
        cmocka_unit_test(every_policy_once_a_round),
        cmocka_unit_test(energy),
        cmocka_unit_test(share_of_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
