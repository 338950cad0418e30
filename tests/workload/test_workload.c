#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_demo),    cmocka_unit_test(names_what_is_wrong),
        cmocka_unit_test(missing_file),      cmocka_unit_test(closed_loop_for_all),
        cmocka_unit_test(periodic_arrivals), cmocka_unit_test(jitter_keeps_order_and_rate),
        cmocka_unit_test(poisson_arrivals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
