/* What puts events in order: recordings of real runs, told by many threads; traces of simulations
 * whose runs end late. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "recorder.h"
#include "sim/trace.h"
#include "sim_trace.h"

static void expect_file(const char *path, const char *expected)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = NULL;
    size_t length = 0;
    assert_true(getdelim(&text, &length, '\0', file) > 0);
    fclose(file);
    assert_string_equal(text, expected);
    free(text);
}

static void a_run_that_fails(void **state)
{
    (void)state;
    const sim_device device = {.processors = {{.name = "a"}, {.name = "b"}},
                               .processor_count = 2,
                               .models = (const char *const[]){"m"},
                               .model_count = 1};
    sim_trace *t;
    assert_int_equal(sim_trace_begin("f.jsonl", NULL, &device, true, &t, NULL), COSREL_OK);
    sim_trace_arrival(t, &(source_request){.t_ns = 1000000, .id = 0});
    sim_trace_dispatch(t, 1000000, 9000000, 0, 0, (const uint32_t[]){0}, 1);
    sim_trace_arrival(t, &(source_request){.t_ns = 2000000, .id = 1});
    sim_trace_dispatch(t, 2000000, 3000000, 1, 0, (const uint32_t[]){1}, 1);
    sim_trace_run(t, 2000000, 4000000, 1, 0, (const uint32_t[]){1}, 1, true);
    sim_trace_run(t, 1000000, 5000000, 0, 0, (const uint32_t[]){0}, 1, false);
    sim_trace_drop(t, 5000000, 0, SCHED_DROP_FAILED);
    assert_int_equal(sim_trace_end(t, true, NULL), COSREL_OK);
    expect_file("f.jsonl",
                "{\"type\":\"arrival\",\"t_ms\":1,\"id\":0,\"model\":\"m\"}\n"
                "{\"type\":\"dispatch\",\"t_ms\":1,\"end_ms\":5,\"processor\":\"a\",\"model\":"
                "\"m\",\"requests\":[0],\"ok\":false}\n"
                "{\"type\":\"arrival\",\"t_ms\":2,\"id\":1,\"model\":\"m\"}\n"
                "{\"type\":\"dispatch\",\"t_ms\":2,\"end_ms\":4,\"processor\":\"b\",\"model\":"
                "\"m\",\"requests\":[1]}\n"
                "{\"type\":\"drop\",\"t_ms\":5,\"id\":0,\"reason\":\"failed\"}\n");
    /* Not kept: nothing is left behind. */
    assert_int_equal(sim_trace_begin("gone.jsonl", "gone.json", &device, false, &t, NULL),
                     COSREL_OK);
    sim_trace_arrival(t, &(source_request){.t_ns = 1, .id = 0});
    assert_int_equal(sim_trace_end(t, false, NULL), COSREL_OK);
    assert_int_equal(access("gone.jsonl", F_OK), -1);
    assert_int_equal(access("gone.json", F_OK), -1);
}

enum { THREADS = 4, EACH = 5000, MS = 1000000 };

typedef struct teller {
    recorder *r;
    uint32_t first;
} teller;

static void *tell(void *user)
{
    const teller *t = user;
    for (uint32_t i = 0; i < EACH; i++) {
        const uint32_t id = t->first + THREADS * i;
        const int64_t at_ns = (int64_t)id * MS;
        /* The end may be told before the arrival. */
        recorder_ran(t->r, id, "p", at_ns, at_ns + MS, true);
        recorder_arrived(t->r, &(recorder_request){.id = id, .arrived_ns = at_ns});
    }
    return NULL;
}

static void recorded_by_many_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    teller tellers[THREADS];
    recorder *r;
    assert_int_equal(recorder_create(&r, NULL), COSREL_OK);
    for (uint32_t i = 0; i < THREADS; i++) {
        tellers[i] = (teller){.r = r, .first = i};
        assert_int_equal(pthread_create(&threads[i], NULL, tell, &tellers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    const recorder_about about = {.models = (const char *const[]){"m"},
                                  .model_count = 1,
                                  .policy = "q",
                                  .from_ns = 0,
                                  .until_ns = INT64_MAX};
    assert_int_equal(recorder_write(r, "many.jsonl", &about, NULL), COSREL_OK);
    recorder_free(r);
    trace_reader *reader;
    trace_event event;
    size_t count, runs = 0;
    assert_int_equal(trace_open("many.jsonl", &reader, NULL), COSREL_OK);
    do {
        assert_int_equal(trace_next(reader, &event, NULL), COSREL_OK);
        runs += event.type == TRACE_DISPATCH;
    } while (event.type != TRACE_END);
    const trace_request *requests = trace_requests(reader, &count);
    assert_int_equal(count, THREADS * EACH);
    assert_int_equal(runs, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(requests[i].arrived_ns, (int64_t)i * MS);
        assert_int_equal(requests[i].end_ns, (int64_t)i * MS + MS);
        assert_int_equal(requests[i].runs, 1);
    }
    trace_close(reader);
}

static void recorded_window(void **state)
{
    (void)state;
    static const recorder_request requests[] = {
        {.id = 3, .model = 0, .arrived_ns = 99 * MS}, /* before */
        {.id = 5, .model = 0, .arrived_ns = 101 * MS, .priority = 1},
        {.id = 4, .model = 0, .arrived_ns = 100 * MS, .deadline_ns = 103 * MS},
        {.id = 6, .model = 1, .arrived_ns = 102 * MS},
        {.id = 7, .model = 1, .arrived_ns = 102 * MS},
        {.id = 8, .model = 0, .arrived_ns = 110 * MS}, /* after */
    };
    recorder *r;
    assert_int_equal(recorder_create(&r, NULL), COSREL_OK);
    /* A batch with one from before; a run that failed and the one after it; one that is dropped,
     * one that is never answered. */
    recorder_ran(r, 5, "b", 105 * MS, 112 * MS, true);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        recorder_arrived(r, &requests[i]);
    recorder_ran(r, 4, "b", 105 * MS, 112 * MS, true);
    recorder_ran(r, 3, "b", 105 * MS, 112 * MS, true);
    recorder_ran(r, 6, "a", 103 * MS, 104 * MS, false);
    recorder_dropped(r, 6, 104 * MS, "failed");
    recorder_ran(r, 8, "a", 111 * MS, 112 * MS, true);
    const recorder_about about = {.models = (const char *const[]){"m", "n"},
                                  .model_count = 2,
                                  .device = "d",
                                  .policy = "q",
                                  .workload = "w",
                                  .from_ns = 100 * MS,
                                  .until_ns = 110 * MS};
    assert_int_equal(recorder_write(r, "window.jsonl", &about, NULL), COSREL_OK);
    recorder_free(r);
    expect_file(
        "window.jsonl",
        "{\"type\":\"recording\",\"version\":1,\"device\":\"d\",\"policy\":\"q\","
        "\"workload\":\"w\"}\n"
        "{\"type\":\"arrival\",\"t_ms\":0,\"id\":0,\"model\":\"m\",\"deadline_ms\":3}\n"
        "{\"type\":\"arrival\",\"t_ms\":1,\"id\":1,\"model\":\"m\",\"priority\":1}\n"
        "{\"type\":\"arrival\",\"t_ms\":2,\"id\":2,\"model\":\"n\"}\n"
        "{\"type\":\"arrival\",\"t_ms\":2,\"id\":3,\"model\":\"n\"}\n"
        "{\"type\":\"dispatch\",\"t_ms\":3,\"end_ms\":4,\"processor\":\"a\",\"model\":\"n\","
        "\"requests\":[2],\"ok\":false}\n"
        "{\"type\":\"drop\",\"t_ms\":4,\"id\":2,\"reason\":\"failed\"}\n"
        "{\"type\":\"dispatch\",\"t_ms\":5,\"end_ms\":12,\"processor\":\"b\",\"model\":"
        "\"m\",\"requests\":[0,1]}\n");
}

static int enter(void **state)
{
    static char folder[] = "/tmp/cosrel-test-record-XXXXXX";
    *state = mkdtemp(folder);
    return *state ? chdir(folder) : -1;
}

static int leave(void **state)
{
    unlink("f.jsonl");
    unlink("many.jsonl");
    unlink("window.jsonl");
    return chdir("/") == 0 ? rmdir(*state) : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_that_fails),
        cmocka_unit_test(recorded_by_many_threads),
        cmocka_unit_test(recorded_window),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
