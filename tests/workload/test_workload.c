#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cosrel/runtime.h"
#include "workload/arrivals.h"
#include "workload/workload.h"

static void reads_the_demo(void **state)
{
    (void)state;
    workload *w;
    cosrel_error err = {""};
    assert_int_equal(workload_read(COSREL_SOURCE_DIR "/workloads/demo.yaml", &w, &err), COSREL_OK);
    assert_int_equal(w->stream_count, 4);
    assert_string_equal(w->streams[0].model, "mobilenet_v2");
    assert_int_equal(w->streams[0].kind, WORKLOAD_PERIODIC);
    assert_true(w->streams[0].rate_hz == 30.0 && w->streams[0].deadline_ms == 33.0);
    assert_int_equal(w->streams[0].priority, COSREL_PRIORITY_NORMAL);
    assert_int_equal(w->streams[3].kind, WORKLOAD_CLOSED);
    assert_int_equal(w->streams[3].in_flight, 2);
    assert_int_equal(w->streams[3].priority, COSREL_PRIORITY_BACKGROUND);
    assert_string_equal(workload_priority_name(w->streams[3].priority), "background");
    assert_string_equal(workload_kind_name(w->streams[3].kind), "closed");
    workload_free(w);
    assert_int_equal(workload_read(COSREL_SOURCE_DIR "/workloads/closed.yaml", &w, &err),
                     COSREL_OK);
    workload_free(w);
}

/* Each fault, and what its sentence must hold. */
static const struct {
    const char *text;
    const char *says[3];
} FAULTS[] = {
    {"", {"w.yaml", "streams"}},
    {"name: x\n", {"w.yaml:", "streams"}},
    {"streams: []\n", {"w.yaml:"}},
    {"streams:\n  - {model: a, kind: closed}\n  - model: b\n    kind: periodic\n    rat_hz: 3\n",
     {"w.yaml:5", "rat_hz", "rate_hz"}},
    {"streams:\n  - model: a\n    kind: perodic\n", {"w.yaml:3", "kind", "perodic"}},
    {"streams:\n  - model: a\n    kind: closed\n    in_flight: -1\n", {"w.yaml:4", "in_flight"}},
    {"streams:\n  - model: a\n", {"w.yaml:", "kind"}},
    {"streams:\n  - {model: a, kind: closed}\n  # model: no\n  - {model: b, kind: periodic}\n",
     {"w.yaml:4", "'b'", "rate_hz"}},
    {"streams:\n  - {kind: poisson, rate_hz: .nan, model: a}\n", {"w.yaml:2", "rate_hz"}},
    {"streams:\n  - {model: a, kind: poisson, rate_hz: 1e9}\n", {"w.yaml:2", "rate_hz"}},
    {"streams:\n  - {model: a, kind: closed, rate_hz: 5}\n", {"w.yaml:2", "rate_hz"}},
    {"streams:\n  - {model: a, kind: closed, in_flight: 100000}\n", {"w.yaml:2", "in_flight"}},
    {"streams:\n  - {model: a, kind: periodic, rate_hz: 5, in_flight: 2}\n",
     {"w.yaml:2", "in_flight"}},
    {"streams:\n  - {model: a, kind: periodic, rate_hz: 5, deadline_ms: -2}\n",
     {"w.yaml:2", "deadline_ms"}},
    {"streams:\n  - {model: a, kind: poisson, rate_hz: 5, jitter_ms: 2}\n",
     {"w.yaml:2", "jitter_ms"}},
    {"streams:\n  - {model: a, kind: closed, priority: urgent}\n", {"w.yaml:2", "priority"}},
    {"streams:\n  - {kind: poisson, rate_hz: 3}\n", {"w.yaml:2", "model", "missing"}},
    {"streams:\n  - {model: a, kind: poisson, rate_hz: 3, think_ms: 2}\n",
     {"w.yaml:2", "think_ms"}},
    {"streams:\n  - {model: a, kind: poisson, rate_hz: 3, file: x.csv}\n", {"w.yaml:2", "file"}},
    {"streams:\n  - {model: a, kind: closed, think_ms: -1}\n", {"w.yaml:2", "think_ms", "-1"}},
    {"streams:\n  - {model: a, kind: bursts, quiet_s: 1, burst_s: 1}\n",
     {"w.yaml:2", "burst_rate_hz", "missing"}},
    {"streams:\n  - {model: a, kind: bursts, burst_rate_hz: 5, burst_s: 1}\n",
     {"w.yaml:2", "quiet_s", "missing"}},
    {"streams:\n  - {model: a, kind: bursts, burst_rate_hz: 5, quiet_s: 1, burst_s: 0.0001}\n",
     {"w.yaml:2", "burst_s", "0.001"}},
    {"streams:\n  - {model: a, kind: bursts, rate_hz: 6, burst_rate_hz: 5, quiet_s: 1, burst_s: "
     "1}\n",
     {"w.yaml:2", "burst_rate_hz", "at least rate_hz"}},
    {"streams:\n  - {model: a, kind: bursts, burst_rate_hz: 0.01, quiet_s: 1, burst_s: 0.01}\n",
     {"w.yaml:2", "burst_rate_hz", "0.001 requests"}},
    {"streams:\n  - {model: a, kind: day, rate_hz: 5}\n", {"w.yaml:2", "points", "missing"}},
    {"streams:\n  - {model: a, kind: day, rate_hz: 5, points: []}\n", {"w.yaml:2", "points"}},
    {"streams:\n  - {model: a, kind: day, rate_hz: 5, points: [[1, 2, 3]]}\n",
     {"w.yaml:2", "points"}},
    {"streams:\n  - {model: a, kind: day, rate_hz: 5, points: [[24, 1]]}\n",
     {"w.yaml:2", "points", "under 24"}},
    {"streams:\n  - {model: a, kind: day, rate_hz: 5, points: [[3, 1], [3, 2]]}\n",
     {"w.yaml:2", "points", "after the one before"}},
    {"streams:\n  - {model: a, kind: day, rate_hz: 5, points: [[3, -1]]}\n",
     {"w.yaml:2", "points", "factors"}},
    {"streams:\n  - {model: a, kind: day, rate_hz: 5, points: [[3, 0], [4, 0]]}\n",
     {"w.yaml:2", "points", "0.001 requests"}},
    {"streams:\n  - {model: a, kind: day, rate_hz: 50000, points: [[3, 0], [4, 3]]}\n",
     {"w.yaml:2", "points", "100000"}},
    {"streams:\n  - {model: a, kind: recorded}\n", {"w.yaml:2", "file", "missing"}},
    {"streams:\n  - {kind: recorded, file: x.csv, deadline_ms: 3}\n",
     {"w.yaml:2", "deadline_ms", "recorded"}},
    {"streams:\n  - {model: a, kind: cascade}\n", {"w.yaml:2", "after", "missing"}},
    {"streams:\n  - {model: a, kind: closed, after: b}\n", {"w.yaml:2", "after", "closed"}},
    {"streams:\n  - {model: a, kind: closed}\n  - {model: b, after: a, probability: 1.5}\n",
     {"w.yaml:3", "probability", "at most 1"}},
    {"streams:\n  - {model: a, kind: closed}\n  - {model: b, after: a, probability: 0}\n",
     {"w.yaml:3", "probability", "over 0"}},
    {"streams:\n  - {model: eyes, kind: closed}\n  - {model: b, after: eyse}\n",
     {"w.yaml:3", "after", "did you mean 'eyes'"}},
    {"streams:\n  - {model: a, kind: closed}\n  - {model: a, kind: closed}\n"
     "  - {model: b, after: a}\n",
     {"w.yaml:4", "after", "on lines 2 and 3"}},
    {"streams:\n  - {model: a, after: a}\n", {"w.yaml:2", "after", "circle"}},
    {"streams:\n  - {model: a, after: b}\n  - {model: b, after: c}\n  - {model: c, after: b}\n",
     {"w.yaml:2", "after", "circle"}},
    {"streams:\n  - {kind: closed, model: a\n\n\n    b}\n", {"w.yaml:2", "model", "line break"}},
    {"streams: [\n", {"w.yaml:"}},
    {"- 1\n- 2\n", {"w.yaml"}},
};

static void names_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof FAULTS / sizeof FAULTS[0]; i++) {
        workload *w = NULL;
        cosrel_error err = {""};
        const cosrel_status status = workload_parse("w.yaml", FAULTS[i].text,
                                                    strlen(FAULTS[i].text), &w, &err);
        if (status != COSREL_INVALID_FILE)
            fail_msg("accepted: %s", FAULTS[i].text);
        assert_null(w);
        for (int k = 0; k < 3 && FAULTS[i].says[k]; k++)
            if (!strstr(err.text, FAULTS[i].says[k]))
                fail_msg("'%s' does not say '%s' about: %s", err.text, FAULTS[i].says[k],
                         FAULTS[i].text);
        assert_null(strchr(err.text, '\n'));
    }
}

static void every_example(void **state)
{
    (void)state;
    static const char *const examples[] = {"closed.yaml",
                                           "demo.yaml",
                                           "bursts.yaml",
                                           "day.yaml",
                                           "recorded.yaml",
                                           "cascade.yaml",
                                           "xrbench/ar_gaming.yaml",
                                           "xrbench/ar_assistant.yaml",
                                           "xrbench/vr_gaming.yaml",
                                           "xrbench/outdoor_a.yaml",
                                           "xrbench/outdoor_b.yaml",
                                           "xrbench/social_a.yaml",
                                           "xrbench/social_b.yaml"};
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        char path[1024];
        workload *w;
        cosrel_error err = {""};
        snprintf(path, sizeof path, "%s/workloads/%s", COSREL_SOURCE_DIR, examples[i]);
        if (workload_read(path, &w, &err) != COSREL_OK)
            fail_msg("%s", err.text);
        assert_true(w->stream_count >= 2);
        for (uint32_t k = 0; k < w->stream_count; k++)
            assert_true(w->streams[k].model && w->streams[k].name && w->streams[k].line > 1);
        workload_free(w);
    }
}

/* XRBench's gaze estimation follows eye segmentation, at the same rate. */
static void a_cascade_is_read(void **state)
{
    (void)state;
    workload *w;
    assert_int_equal(workload_read(COSREL_SOURCE_DIR "/workloads/xrbench/vr_gaming.yaml", &w, NULL),
                     COSREL_OK);
    assert_int_equal(w->stream_count, 3);
    const workload_stream *gaze = &w->streams[1];
    assert_int_equal(gaze->kind, WORKLOAD_CASCADE);
    assert_string_equal(workload_kind_name(gaze->kind), "cascade");
    assert_string_equal(gaze->name, "GE");
    assert_string_equal(gaze->after, "ES");
    assert_true(*gaze->probability == 1 && gaze->rate_hz == 60 && w->streams[0].rate_hz == 60);
    workload_free(w);
}

static void missing_file(void **state)
{
    (void)state;
    workload *w;
    cosrel_error err = {""};
    assert_int_equal(workload_read("no/such.yaml", &w, &err), COSREL_NOT_FOUND);
    assert_non_null(strstr(err.text, "no/such.yaml"));
}

static void closed_loop_for_all(void **state)
{
    (void)state;
    const char *const names[] = {"a", "b"};
    workload *w;
    assert_int_equal(workload_closed_loop(names, 2, &w, NULL), COSREL_OK);
    assert_int_equal(w->stream_count, 2);
    assert_string_equal(w->streams[1].model, "b");
    assert_int_equal(w->streams[1].kind, WORKLOAD_CLOSED);
    assert_int_equal(w->streams[1].in_flight, 1);
    workload_free(w);
}

static void periodic_arrivals(void **state)
{
    (void)state;
    const workload_stream s = {.kind = WORKLOAD_PERIODIC, .rate_hz = 50};
    arrivals a;
    arrivals_init(&a, &s, 7);
    int64_t last_ns = arrivals_next_ns(&a);
    assert_true(last_ns >= 0 && last_ns < 20000000);
    for (int i = 0; i < 100000; i++) {
        const int64_t next_ns = arrivals_next_ns(&a);
        /* No drift: each gap is a period, to the rounding of one nanosecond. */
        assert_in_range(next_ns - last_ns, 19999999, 20000001);
        last_ns = next_ns;
    }
}

static void jitter_keeps_order_and_rate(void **state)
{
    (void)state;
    const workload_stream s = {.kind = WORKLOAD_PERIODIC, .rate_hz = 100, .jitter_ms = 25};
    arrivals a;
    arrivals_init(&a, &s, 3);
    int64_t last_ns = 0;
    int moved = 0;
    for (int i = 0; i < 10000; i++) {
        const int64_t next_ns = arrivals_next_ns(&a);
        assert_true(next_ns >= last_ns);
        moved += next_ns - last_ns < 9000000;
        last_ns = next_ns;
    }
    assert_true(moved > 1000);
    assert_true(fabs((double)last_ns - 100e9) < 30e6);
}

static void poisson_arrivals(void **state)
{
    (void)state;
    const workload_stream s = {.kind = WORKLOAD_POISSON, .rate_hz = 1000};
    arrivals a, again;
    arrivals_init(&a, &s, 11);
    arrivals_init(&again, &s, 11);
    enum { COUNT = 200000 };
    int64_t last_ns = 0;
    double squares = 0;
    for (int i = 0; i < COUNT; i++) {
        const int64_t next_ns = arrivals_next_ns(&a);
        assert_int_equal(next_ns, arrivals_next_ns(&again));
        const double gap_ms = (double)(next_ns - last_ns) / 1e6;
        squares += gap_ms * gap_ms;
        last_ns = next_ns;
    }
    /* An exponential of mean 1 ms has a second moment of 2; the bounds are 10 standard errors. */
    assert_true(fabs((double)last_ns / 1e6 / COUNT - 1) < 0.023);
    assert_true(fabs(squares / COUNT - 2) < 0.1);
}

/* Over T seconds: the mean of all arrivals, and the index of dispersion of counts in windows, which
 * is 1 for a Poisson process and above it for bursts. */
static void count_windows(const workload_stream *s, uint64_t seed, double window_s, int windows,
                          double *rate_hz, double *dispersion)
{
    arrivals a;
    double sum = 0, squares = 0;
    int64_t last_ns = 0;
    arrivals_init(&a, s, seed);
    int64_t next_ns = arrivals_next_ns(&a);
    for (int i = 1; i <= windows; i++) {
        int count = 0;
        for (; (double)next_ns < i * window_s * 1e9; next_ns = arrivals_next_ns(&a)) {
            assert_true(next_ns >= last_ns);
            last_ns = next_ns;
            count++;
        }
        sum += count;
        squares += (double)count * count;
    }
    const double mean = sum / windows;
    *rate_hz = mean / window_s;
    *dispersion = (squares / windows - mean * mean) / mean;
}

static void bursts_come_in_bursts(void **state)
{
    (void)state;
    const workload_stream s = {
        .kind = WORKLOAD_BURSTS, .rate_hz = 2, .burst_rate_hz = 50, .quiet_s = 3, .burst_s = 1};
    const workload_stream plain = {.kind = WORKLOAD_POISSON, .rate_hz = 14};
    double rate_hz, dispersion;
    count_windows(&s, 5, 1, 40000, &rate_hz, &dispersion);
    assert_true(fabs(rate_hz - 14) < 0.7); /* (2 * 3 + 50 * 1) / 4 */
    /* Of counts in windows of t, for the MMPP of two states (Fischer and Meier-Hellstern 1993):
     * 1 + 2 (l1 - l2)^2 r1 r2 / (r^2 (l1 r2 + l2 r1)) (1 - (1 - e^(-r t)) / (r t)), r = r1 + r2. */
    const double r1 = 1.0 / 3, r2 = 1, r = r1 + r2;
    const double expected = 1 + 2 * 48 * 48 * r1 * r2 / (r * r * (2 * r2 + 50 * r1)) *
                                    (1 - (1 - exp(-r)) / r);
    assert_true(fabs(dispersion / expected - 1) < 0.05);
    count_windows(&plain, 5, 1, 40000, &rate_hz, &dispersion);
    assert_true(fabs(rate_hz - 14) < 0.2);
    assert_true(fabs(dispersion - 1) < 0.05);
}

static void quiet_may_be_silent(void **state)
{
    (void)state;
    const workload_stream s = {
        .kind = WORKLOAD_BURSTS, .burst_rate_hz = 1000, .quiet_s = 100, .burst_s = 0.5};
    double rate_hz, dispersion;
    count_windows(&s, 2, 100, 2000, &rate_hz, &dispersion);
    assert_true(fabs(rate_hz / (500 / 100.5) - 1) < 0.15);
    assert_true(dispersion > 100);
}

/* Each hour of a compressed day holds what the curve says, and hours of nothing hold nothing. */
static void a_day_follows_its_curve(void **state)
{
    (void)state;
    double points[][2] = {{2, 0}, {6, 0}, {12, 1}, {18, 1}, {20, 0.25}};
    const workload_stream s = {
        .kind = WORKLOAD_DAY, .rate_hz = 100, .period_s = 240, .points = points, .point_count = 5};
    enum { DAYS = 200 };
    double hours[24] = {0};
    arrivals a;
    int64_t last_ns = 0;
    arrivals_init(&a, &s, 9);
    for (;;) {
        const int64_t next_ns = arrivals_next_ns(&a);
        assert_true(next_ns >= last_ns);
        last_ns = next_ns;
        if ((double)next_ns >= DAYS * 240e9)
            break;
        hours[(int)(fmod((double)next_ns / 1e9, 240) / 10)]++;
    }
    for (int h = 0; h < 24; h++) {
        const double middle = h + 0.5;
        double factor = 0;
        if (middle < 2)
            factor = 0.25 * (2 - middle) / 6; /* the way from 20 to 2 */
        else if (middle > 6 && middle < 12)
            factor = (middle - 6) / 6;
        else if (middle >= 12 && middle < 18)
            factor = 1;
        else if (middle >= 18 && middle < 20)
            factor = 1 - 0.75 * (middle - 18) / 2;
        else if (middle >= 20)
            factor = 0.25 * (26 - middle) / 6;
        const double expected = factor * 100 * 10 * DAYS;
        /* Six deviations of a Poisson count. */
        if (fabs(hours[h] - expected) > 6 * sqrt(expected))
            fail_msg("hour %d: %g, expected %g", h, hours[h], expected);
    }
}

static void one_point_is_an_even_day(void **state)
{
    (void)state;
    double points[][2] = {{7, 0.5}};
    const workload_stream s = {
        .kind = WORKLOAD_DAY, .rate_hz = 40, .period_s = 5, .points = points, .point_count = 1};
    double rate_hz, dispersion;
    count_windows(&s, 4, 1, 20000, &rate_hz, &dispersion);
    assert_true(fabs(rate_hz - 20) < 0.3);
    assert_true(fabs(dispersion - 1) < 0.06);
}

/* Far apart is not an overflow. */
static void rare_arrivals(void **state)
{
    (void)state;
    const workload_stream s = {.kind = WORKLOAD_POISSON, .rate_hz = WORKLOAD_RATE_HZ_MIN};
    arrivals a;
    arrivals_init(&a, &s, 1);
    int64_t last_ns = 0;
    for (int i = 0; i < 100000; i++) {
        const int64_t next_ns = arrivals_next_ns(&a);
        assert_true(next_ns >= last_ns);
        last_ns = next_ns;
    }
    assert_true(last_ns == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_demo),
        cmocka_unit_test(names_what_is_wrong),
        cmocka_unit_test(missing_file),
        cmocka_unit_test(closed_loop_for_all),
        cmocka_unit_test(periodic_arrivals),
        cmocka_unit_test(jitter_keeps_order_and_rate),
        cmocka_unit_test(poisson_arrivals),
        cmocka_unit_test(every_example),
        cmocka_unit_test(a_cascade_is_read),
        cmocka_unit_test(bursts_come_in_bursts),
        cmocka_unit_test(quiet_may_be_silent),
        cmocka_unit_test(a_day_follows_its_curve),
        cmocka_unit_test(one_point_is_an_even_day),
        cmocka_unit_test(rare_arrivals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
