/* A processor that computes by itself: the next run is prepared while one is under way, and the
 * device does one at a time all the same. */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "tiny_onnx.h"

enum { REQUESTS = 200, IN_FLIGHT = 8, FLOATS = 3 * 224 * 224 };

/* Large, so that there is something to assemble. */
static const int64_t row[] = {1, 3, 224, 224};
static float x[FLOATS];

static cosrel_runtime *open_with(const char *emulated, const char *more)
{
    static char settings[512], text[1024];
    char path[512];
    fixture_write("npu.csv", "device,processor,model,precision,framework,batch,latency_ms,power_w,"
                             "energy_mj,source\n"
                             "b,npu,pool,,,1,0.001,,,t\nb,other,pool,,,1,2,,,t\n");
    snprintf(text, sizeof text, "processors: [%s]\n%semulated:\n%s",
             strstr(emulated, "other") ? "npu, other" : "npu", more, emulated);
    fixture_write("npu.yaml", text);
    fixture_path("npu.yaml", settings);
    fixture_write("models/none", "");
    fixture_path("models/pool.onnx", path);
    assert_true(tiny_pool(path));
    cosrel_options options = fixture_options();
    options.settings_file = settings;
    options.policy = "shortest-latency";
    return fixture_open(&options, "models");
}

/* What came of a stream of requests. */
typedef struct stream {
    cosrel_runtime *rt;
    cosrel_tensor input;
    atomic_int left, answers, failures;
    pthread_t threads[2];
    atomic_int thread_count;
    /* Of the runs, in the order of their reports. */
    int64_t last_end_ns;
    int runs, too_early;
} stream;

static void submit(stream *s);

static void note_thread(stream *s)
{
    const pthread_t self = pthread_self();
    const int count = atomic_load(&s->thread_count);
    for (int i = 0; i < count && i < 2; i++)
        if (pthread_equal(s->threads[i], self))
            return;
    if (count < 2)
        s->threads[count] = self;
    atomic_store(&s->thread_count, count + 1);
}

static pthread_mutex_t notes = PTHREAD_MUTEX_INITIALIZER;

static void done(const cosrel_result *result)
{
    stream *s = result->user;
    pthread_mutex_lock(&notes);
    note_thread(s);
    pthread_mutex_unlock(&notes);
    if (result->status != COSREL_OK)
        atomic_fetch_add(&s->failures, 1);
    if (atomic_fetch_sub(&s->left, 1) > 0)
        submit(s);
    atomic_fetch_add(&s->answers, 1);
}

static void submit(stream *s)
{
    cosrel_error err;
    const cosrel_request request = {.inputs = &s->input, .input_count = 1, .done = done, .user = s};
    assert_int_equal(cosrel_submit(s->rt, fixture_model(s->rt, "pool"), &request, NULL, &err),
                     COSREL_OK);
}

static void note_run(void *user, const cosrel_run_event *event)
{
    stream *s = user;
    if (strcmp(event->processor, "npu") != 0)
        return;
    s->too_early += event->started_ns < s->last_end_ns;
    s->last_end_ns = event->finished_ns;
    s->runs++;
}

static void play(stream *s, cosrel_runtime *rt)
{
    memset(s, 0, sizeof *s);
    s->rt = rt;
    s->input = fixture_floats(row, 4, x);
    atomic_store(&s->left, REQUESTS - IN_FLIGHT);
    cosrel_runtime_on_run(rt, note_run, s);
    for (int i = 0; i < IN_FLIGHT; i++)
        submit(s);
    while (atomic_load(&s->answers) < REQUESTS)
        sched_yield();
    cosrel_runtime_on_run(rt, NULL, NULL);
}

static void takes_turns(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_with("  - {name: npu, table: npu.csv}\n", "");
    stream s;
    cosrel_processor_stats stats;
    play(&s, rt);
    assert_int_equal(atomic_load(&s.failures), 0);
    assert_int_equal(s.runs, REQUESTS);
    assert_int_equal(s.too_early, 0);                  /* one at a time */
    assert_int_equal(atomic_load(&s.thread_count), 2); /* by both in turn */
    cosrel_processor_get_stats(rt, fixture_processor(rt, "npu"), &stats);
    assert_int_equal(stats.runs, REQUESTS);
    assert_true(stats.busy_ns >= REQUESTS * INT64_C(1000));
    cosrel_runtime_close(rt);
}

static void unless_told_otherwise(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_with("  - {name: npu, table: npu.csv}\n", "one_at_a_time: yes\n");
    stream s;
    play(&s, rt);
    assert_int_equal(atomic_load(&s.failures), 0);
    assert_int_equal(atomic_load(&s.thread_count), 1);
    cosrel_runtime_close(rt);
}

/* What was prepared for a processor that is taken out runs elsewhere, and it comes back. */
static void loses_nothing(void **state)
{
    (void)state;
    static const char *const faults[] = {"fail_every: 4", "hang_every: 9", "fail_every: 1"};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "  - {name: npu, table: npu.csv, %s}\n  - {name: other, table: npu.csv}\n",
                 faults[i]);
        cosrel_runtime *rt = open_with(text, "run_limit_ms: 30\nretry_ms: 5\n");
        stream s;
        cosrel_model_stats stats;
        play(&s, rt);
        assert_int_equal(atomic_load(&s.failures), 0);
        assert_int_equal(s.too_early, 0);
        cosrel_model_get_stats(rt, fixture_model(rt, "pool"), &stats);
        assert_int_equal(stats.completed, REQUESTS);
        cosrel_runtime_close(rt);
    }
}

/* The runtime is closed, or the model unloaded, with a run under way and one prepared. */
static void ends_in_the_middle(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        cosrel_runtime *rt = open_with(i % 2 ? "  - {name: npu, table: npu.csv}\n"
                                             : "  - {name: npu, table: npu.csv, fail_every: 4}\n"
                                               "  - {name: other, table: npu.csv}\n",
                                       "retry_ms: 5\n");
        cosrel_error err;
        cosrel_ticket tickets[IN_FLIGHT];
        const cosrel_tensor input = fixture_floats(row, 4, x);
        cosrel_model *m = fixture_model(rt, "pool");
        for (int k = 0; k < IN_FLIGHT; k++)
            tickets[k] = fixture_submit(rt, m, &input, 1);
        if (i % 4 < 2)
            assert_int_equal(cosrel_runtime_unload(rt, m, -1, &err), COSREL_OK);
        for (int k = 0; k < IN_FLIGHT && i % 3; k++)
            assert_int_equal(fixture_answer(rt, tickets[k]), COSREL_OK);
        cosrel_runtime_close(rt);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_turns),
        cmocka_unit_test(unless_told_otherwise),
        cmocka_unit_test(loses_nothing),
        cmocka_unit_test(ends_in_the_middle),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
