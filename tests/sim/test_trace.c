/* Traces: written exactly as the format says, read back as they were, refused with a sentence. */
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "sim/chrome.h"
#include "sim/trace.h"
#include "sim/trace_line.h"

static const char *const MODELS[] = {"lenet", "u\"net<\n"};
static const char *const PROCESSORS[] = {"cpu0", "gpu0"};
static const trace_names NAMES = {MODELS, 2, PROCESSORS, 2};

/* What a writer has written. */
typedef struct sink {
    FILE *file;
    char *text;
    size_t bytes;
    trace_writer *writer;
} sink;

static void sink_open(sink *s)
{
    s->file = open_memstream(&s->text, &s->bytes);
    assert_non_null(s->file);
    assert_int_equal(trace_writer_create(s->file, &NAMES, &s->writer), COSREL_OK);
}

static void sink_close(sink *s, cosrel_status expected)
{
    cosrel_error err = {""};
    assert_int_equal(trace_writer_finish(s->writer, &err), expected);
    assert_int_equal(expected == COSREL_OK, err.text[0] == '\0');
    fclose(s->file);
}

static const char *ms(int64_t ns)
{
    static char text[32];
    text[trace_format_ms(text, ns)] = '\0';
    return text;
}

static void times_are_exact(void **state)
{
    (void)state;
    assert_string_equal(ms(0), "0");
    assert_string_equal(ms(12500000), "12.5");
    assert_string_equal(ms(1), "0.000001");
    assert_string_equal(ms(1000000), "1");
    assert_string_equal(ms(100000010), "100.00001");
    assert_string_equal(ms(-2050000), "-2.05");
    assert_string_equal(ms(INT64_MAX), "9223372036854.775807");
    assert_string_equal(ms(INT64_MIN), "-9223372036854.775808");
    rng random;
    rng_init(&random, 5);
    for (int i = 0; i < 100000; i++) {
        const int64_t ns = (int64_t)(rng_u64(&random) >> (4 + rng_below(&random, 58)));
        int64_t back;
        assert_true(trace_millionths(ms(ns), INT64_MAX / 8, &back));
        assert_int_equal(back, ns);
    }
}

static void numbers_of_others(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {{"1.2e1", 12000000},
                 {"12E-1", 1200000},
                 {"0.0000004", 0},
                 {"0.0000005", 1},
                 {"0.00000049999999", 0},
                 {"1.0000000000000000000000000001", 1000000},
                 {"100000000000e-6", 100000000000},
                 {"0.1e0000001", 1000000},
                 {"-0", 0},
                 {"-0.0", 0},
                 {"0e99999999", 0},
                 {"9e-999999999", 0},
                 {"123456789012345678901234567890e-24", 123456789012},
                 {"0.3", 300000},
                 {"1000000000000", TRACE_TIME_MAX_NS}};
    int64_t ns;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (!trace_millionths(cases[i].text, TRACE_TIME_MAX_NS, &ns) || ns != cases[i].ns)
            fail_msg("%s", cases[i].text);
    }
    static const char *const large[] = {
        "1000000000000.000001", "1e13", "-1", "-0.000001", "1e999999999999999999",
        "12345678901234567890"};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++)
        if (trace_millionths(large[i], TRACE_TIME_MAX_NS, &ns))
            fail_msg("%s", large[i]);
}

static const trace_arrival FIRST = {
    .t_ns = 250000, .id = 0, .model = 0, .deadline_ns = 5000000, .priority = -1};

static void a_simulation(void **state)
{
    (void)state;
    sink s;
    sink_open(&s);
    trace_add_arrival(s.writer, &FIRST);
    trace_add_arrival(s.writer, &(trace_arrival){.t_ns = 250000, .id = 4294967295, .model = 1});
    trace_add_dispatch(s.writer, 250000, 7000000, 1, 0, (const uint32_t[]){0}, 1);
    trace_add_drop(s.writer, 9000001, 4294967295, trace_reason(SCHED_DROP_LATE));
    sink_close(&s, COSREL_OK);
    assert_string_equal(
        s.text, "{\"type\":\"arrival\",\"t_ms\":0.25,\"id\":0,\"model\":\"lenet\"}\n"
                "{\"type\":\"arrival\",\"t_ms\":0.25,\"id\":4294967295,\"model\":\"u\\\"net\\u003c"
                "\\u000a\"}\n"
                "{\"type\":\"dispatch\",\"t_ms\":0.25,\"end_ms\":7,\"processor\":\"gpu0\","
                "\"model\":\"lenet\",\"requests\":[0]}\n"
                "{\"type\":\"drop\",\"t_ms\":9.000001,\"id\":4294967295,\"reason\":\"late\"}\n");
    free(s.text);
}

static void a_recording(void **state)
{
    (void)state;
    sink s;
    sink_open(&s);
    trace_recording(s.writer, "Board", "min-min", NULL);
    /* As they become known: runs at their ends, of one instant the dispatch before the arrival. */
    trace_add_dispatch(s.writer, 250000, 300000, 0, 0, (const uint32_t[]){0, 2}, 2);
    trace_add_arrival(s.writer, &FIRST);
    trace_advance(s.writer, 250000);
    trace_add_arrival(s.writer, &(trace_arrival){.t_ns = 100, .id = 2, .priority = 3});
    trace_advance(s.writer, 250001);
    trace_add_arrival(s.writer,
                      &(trace_arrival){.t_ns = 250001, .id = 3, .deadline_ns = SCHED_NEVER});
    sink_close(&s, COSREL_OK);
    assert_string_equal(
        s.text,
        "{\"type\":\"recording\",\"version\":1,\"device\":\"Board\",\"policy\":\"min-min\","
        "\"workload\":\"\"}\n"
        "{\"type\":\"arrival\",\"t_ms\":0.0001,\"id\":2,\"model\":\"lenet\",\"deadline_ms\":0,"
        "\"priority\":3}\n"
        "{\"type\":\"arrival\",\"t_ms\":0.25,\"id\":0,\"model\":\"lenet\",\"deadline_ms\":5,"
        "\"priority\":-1}\n"
        "{\"type\":\"dispatch\",\"t_ms\":0.25,\"end_ms\":0.3,\"processor\":\"cpu0\",\"model\":"
        "\"lenet\",\"requests\":[0,2]}\n"
        "{\"type\":\"arrival\",\"t_ms\":0.250001,\"id\":3,\"model\":\"lenet\"}\n");
    free(s.text);
}

static void a_failed_run(void **state)
{
    (void)state;
    sink s;
    sink_open(&s);
    trace_hold(s.writer);
    trace_add_arrival(s.writer, &FIRST);
    trace_add_dispatch(s.writer, 2000000, 3000000, 1, 0, (const uint32_t[]){0}, 1);
    trace_add_failure(s.writer, 250000, 1500000, 0, 0, (const uint32_t[]){0}, 1);
    sink_close(&s, COSREL_OK);
    assert_string_equal(
        s.text, "{\"type\":\"arrival\",\"t_ms\":0.25,\"id\":0,\"model\":\"lenet\"}\n"
                "{\"type\":\"dispatch\",\"t_ms\":0.25,\"end_ms\":1.5,\"processor\":\"cpu0\","
                "\"model\":\"lenet\",\"requests\":[0],\"ok\":false}\n"
                "{\"type\":\"dispatch\",\"t_ms\":2,\"end_ms\":3,\"processor\":\"gpu0\","
                "\"model\":\"lenet\",\"requests\":[0]}\n");
    trace_reader *r;
    trace_event e;
    size_t count;
    assert_int_equal(trace_open_text("t", s.text, strlen(s.text), &r, NULL), COSREL_OK);
    assert_int_equal(trace_next(r, &e, NULL), COSREL_OK);
    assert_int_equal(trace_next(r, &e, NULL), COSREL_OK);
    assert_true(e.failed && trace_requests(r, &count)[0].failed);
    assert_int_equal(trace_next(r, &e, NULL), COSREL_OK);
    assert_true(!e.failed && !trace_requests(r, &count)[0].failed);
    assert_int_equal(trace_requests(r, &count)[0].runs, 2);
    trace_close(r);
    free(s.text);
}

static void too_late_for_the_recording(void **state)
{
    (void)state;
    for (int recording = 0; recording < 2; recording++) {
        sink s;
        sink_open(&s);
        if (recording)
            trace_recording(s.writer, NULL, NULL, NULL);
        trace_add_arrival(s.writer, &(trace_arrival){.t_ns = 20, .id = 1});
        trace_advance(s.writer, 21);
        trace_add_arrival(s.writer, &(trace_arrival){.t_ns = 19, .id = 2});
        sink_close(&s, COSREL_INVALID_ARGUMENT);
        assert_null(strstr(s.text, "\"id\":2"));
        free(s.text);
    }
}

static void the_disk_is_full(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "wb");
    if (!full)
        skip();
    trace_writer *w;
    cosrel_error err;
    assert_int_equal(trace_writer_create(full, &NAMES, &w), COSREL_OK);
    for (uint32_t i = 0; i < 5000; i++)
        trace_add_arrival(w, &(trace_arrival){.t_ns = i, .id = i});
    assert_int_equal(trace_writer_finish(w, &err), COSREL_IO);
    fclose(full);
}

static trace_reader *reader_of(const char *text)
{
    trace_reader *r;
    assert_int_equal(trace_open_text("t.jsonl", text, strlen(text), &r, NULL), COSREL_OK);
    return r;
}

static trace_event next(trace_reader *r)
{
    trace_event e;
    cosrel_error err = {""};
    if (trace_next(r, &e, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    return e;
}

static void read_back(void **state)
{
    (void)state;
    size_t count;
    trace_reader *r = reader_of(
        "\n{\"type\":\"recording\",\"version\":9,\"device\":\"B\\u00e4r \\ud83d\\ude00\\/\"}\r\n"
        " {\"id\":7, \"model\":\"a\\\"b\", \"t_ms\":1.5e0, \"new\":[{\"x\":[1,\"\\n\"]},null,-1e5],"
        "\"deadline_ms\":2,\"priority\":-1,\"type\":\"arrival\"}\n"
        "{\"type\":\"weather\",\"t_ms\":\"warm\",\"id\":{}}\n"
        "{\"type\":\"arrival\",\"t_ms\":1.5,\"id\":3,\"model\":\"a\\\"b\"}\n"
        "{\"type\":\"dispatch\",\"t_ms\":1.5,\"end_ms\":4,\"processor\":\"p\",\"model\":\"a\\\"b\","
        "\"requests\":[ 7 , 3 ]}\n"
        "{\"type\":\"dispatch\",\"t_ms\":5,\"end_ms\":6,\"processor\":\"q\",\"model\":\"a\\\"b\","
        "\"requests\":[3]}\n"
        "{\"type\":\"drop\",\"t_ms\":7,\"id\":3,\"reason\":\"failed\"}");
    assert_int_equal(next(r).type, TRACE_RECORDING);
    assert_string_equal(trace_device(r), "B\xc3\xa4r \xf0\x9f\x98\x80/");
    assert_string_equal(trace_policy(r), "");
    trace_event e = next(r);
    assert_int_equal(e.type, TRACE_ARRIVAL);
    assert_int_equal(e.t_ns, 1500000);
    assert_int_equal(e.requests[0], 0);
    assert_string_equal(trace_models(r, &count)[e.model], "a\"b");
    assert_int_equal(next(r).type, TRACE_ARRIVAL);
    e = next(r);
    assert_int_equal(e.type, TRACE_DISPATCH);
    assert_int_equal(e.end_ns, 4000000);
    assert_int_equal(e.request_count, 2);
    assert_int_equal(e.requests[1], 1);
    assert_string_equal(trace_processors(r, &count)[e.processor], "p");
    assert_int_equal(next(r).processor, 1);
    e = next(r);
    assert_int_equal(e.type, TRACE_DROP);
    assert_string_equal(e.reason, "failed");
    assert_int_equal(next(r).type, TRACE_END);
    assert_int_equal(next(r).type, TRACE_END);
    const trace_request *requests = trace_requests(r, &count);
    assert_int_equal(count, 2);
    assert_int_equal(requests[0].deadline_ns, 2000000);
    assert_int_equal(requests[0].priority, -1);
    assert_int_equal(requests[0].end_ns, 4000000);
    assert_int_equal(requests[1].deadline_ns, SCHED_NEVER);
    assert_int_equal(requests[1].runs, 2);
    assert_true(requests[1].dropped && !requests[0].dropped);
    trace_close(r);
    trace_close(NULL);
    r = reader_of("");
    assert_int_equal(next(r).type, TRACE_END);
    trace_close(r);
}

/* Random traces come back as they were told, also when told late. */
static void there_and_back(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    rng random;
    rng_init(&random, 3);
    for (int recording = 0; recording < 2; recording++) {
        sink s;
        trace_arrival told[COUNT];
        int64_t t_ns = 0, ends[COUNT];
        sink_open(&s);
        if (recording)
            trace_recording(s.writer, "d", "p", "w");
        for (uint32_t i = 0; i < COUNT; i++) {
            t_ns += (int64_t)rng_below(&random, 3000000);
            told[i] = (trace_arrival){
                .t_ns = t_ns,
                .id = i * UINT32_C(2654435761),
                .model = (int)rng_below(&random, 2),
                .deadline_ns = rng_below(&random, 2) ? SCHED_NEVER : (int64_t)rng_below(&random, 5),
                .priority = (int)rng_below(&random, 3) - 1};
            ends[i] = t_ns + (int64_t)rng_below(&random, 1000000);
            if (recording) { /* the run is told first */
                trace_add_dispatch(s.writer, t_ns + 5, ends[i] + 5, (int)(i % 2), told[i].model,
                                   &told[i].id, 1);
                trace_add_arrival(s.writer, &told[i]);
                trace_advance(s.writer, i % 16 ? 0 : t_ns);
                t_ns += 5;
                continue;
            }
            trace_add_arrival(s.writer, &told[i]);
            t_ns += 5;
            trace_add_dispatch(s.writer, t_ns, ends[i] + 5, (int)(i % 2), told[i].model,
                               &told[i].id, 1);
        }
        sink_close(&s, COSREL_OK);
        trace_reader *r;
        assert_int_equal(trace_open_text("t", s.text, s.bytes, &r, NULL), COSREL_OK);
        if (recording)
            assert_int_equal(next(r).type, TRACE_RECORDING);
        for (int i = 0; i < COUNT; i++) {
            size_t count;
            assert_int_equal(next(r).type, TRACE_ARRIVAL);
            assert_int_equal(next(r).type, TRACE_DISPATCH);
            const trace_request *q = &trace_requests(r, &count)[i];
            assert_int_equal(count, i + 1);
            assert_int_equal(q->id, told[i].id);
            assert_int_equal(q->arrived_ns, told[i].t_ns);
            assert_int_equal(q->end_ns, ends[i] + 5);
            assert_string_equal(trace_models(r, &count)[q->model], MODELS[told[i].model]);
            assert_int_equal(q->deadline_ns, recording ? told[i].deadline_ns : SCHED_NEVER);
            assert_int_equal(q->priority, recording ? told[i].priority : 0);
        }
        assert_int_equal(next(r).type, TRACE_END);
        trace_close(r);
        free(s.text);
    }
}

#define ARRIVAL "{\"type\":\"arrival\",\"t_ms\":1,\"id\":1,\"model\":\"m\"}\n"
#define DISPATCH(end, requests)                                                                    \
    "{\"type\":\"dispatch\",\"t_ms\":2,\"end_ms\":" end ",\"processor\":\"p\",\"model\":\"m\","    \
    "\"requests\":" requests "}\n"

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"hello", "t.jsonl:1: no JSON object"},
        {ARRIVAL "{\"type\":\"drop\",\"t_ms\":1", "t.jsonl:2: broken JSON"},
        {ARRIVAL "\n{\"type\"}", "t.jsonl:3: broken JSON"},
        {"{\"a\":01}", "broken JSON"},
        {"{\"a\":1.}", "broken JSON"},
        {"{\"a\":tru}", "broken JSON"},
        {"{\"a\":\"\\x\"}", "broken JSON"},
        {"{\"a\":\"\\ud800\"}", "broken JSON"},
        {"{\"a\":\"\\u0000\"}", "broken JSON"},
        {"{\"a\":\"\t\"}", "broken JSON"},
        {"{\"a\":1,}", "broken JSON"},
        {"{,\"a\":1}", "broken JSON"},
        {"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
         "broken JSON"},
        {"{} {}", "more after"},
        {"{}", "type is missing"},
        {"{\"type\":3}", "type is something else"},
        {ARRIVAL
         "{\"type\":\"dispatch\",\"t_ms\":2,\"end_ms\":3,\"processor\":\"p\",\"model\":\"m\","
         "\"requests\":[1],\"ok\":null}",
         "ok is something else"},
        {"{\"type\":\"drop\",\"type\":\"drop\"}", "twice"},
        {"{\"type\":\"arrival\",\"id\":1,\"model\":\"m\"}", "t_ms is missing"},
        {"{\"type\":\"arrival\",\"t_ms\":-1,\"id\":1,\"model\":\"m\"}", "t_ms is out of range"},
        {"{\"type\":\"arrival\",\"t_ms\":1e13,\"id\":1,\"model\":\"m\"}", "t_ms is out of range"},
        {"{\"type\":\"arrival\",\"t_ms\":1,\"id\":1.5,\"model\":\"m\"}", "id: expected whole"},
        {"{\"type\":\"arrival\",\"t_ms\":1,\"id\":4294967296,\"model\":\"m\"}", "id: expected"},
        {"{\"type\":\"arrival\",\"t_ms\":1,\"id\":-1,\"model\":\"m\"}", "id: expected whole"},
        {"{\"type\":\"arrival\",\"t_ms\":1,\"id\":1,\"model\":\"\"}", "model is empty"},
        {"{\"type\":\"arrival\",\"t_ms\":1,\"id\":1,\"model\":[]}", "model is something else"},
        {"{\"type\":\"arrival\",\"t_ms\":1,\"id\":1,\"model\":\"m\",\"priority\":1e3}",
         "priority is out of range"},
        {"{\"type\":\"arrival\",\"t_ms\":1,\"id\":1,\"model\":\"m\",\"deadline_ms\":null}",
         "deadline_ms is something else"},
        {ARRIVAL ARRIVAL, "t.jsonl:2: id: request 1 arrived before"},
        {ARRIVAL "{\"type\":\"arrival\",\"t_ms\":0.999999,\"id\":2,\"model\":\"m\"}",
         "t.jsonl:2: t_ms is before the line above"},
        {ARRIVAL "{\"type\":\"recording\"}", "t.jsonl:2: type: a recording's line comes first"},
        {DISPATCH("3", "[1]"), "requests: request 1 has not arrived"},
        {ARRIVAL DISPATCH("1.5", "[1]"), "end_ms is before t_ms"},
        {ARRIVAL DISPATCH("3", "[]"), "requests: expected whole"},
        {ARRIVAL DISPATCH("3", "1"), "requests is something else"},
        {ARRIVAL DISPATCH("3", "[1,1]"), "requests: request 1 is there twice"},
        {ARRIVAL DISPATCH("3", "[1,[1]]"), "requests: expected whole"},
        {ARRIVAL "{\"type\":\"dispatch\",\"t_ms\":2,\"end_ms\":3,\"processor\":\"p\",\"model\":"
                 "\"n\",\"requests\":[1]}",
         "request 1 asks for 'm', not for 'n'"},
        {ARRIVAL "{\"type\":\"drop\",\"t_ms\":2,\"id\":1}", "reason is missing"},
        {ARRIVAL
         "{\"type\":\"drop\",\"t_ms\":1,\"id\":1,\"reason\":\"late\"}\n" DISPATCH("3", "[1]"),
         "t.jsonl:3: requests: request 1 was dropped before"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        trace_reader *r = reader_of(cases[i].text);
        trace_event e;
        cosrel_error err = {""};
        cosrel_status status;
        do
            status = trace_next(r, &e, &err);
        while (status == COSREL_OK && e.type != TRACE_END);
        if (status != COSREL_INVALID_FILE || !strstr(err.text, cases[i].says))
            fail_msg("%s says: %s", cases[i].text, err.text);
        trace_close(r);
    }
    trace_reader *r;
    trace_event e;
    cosrel_error err;
    assert_int_equal(trace_open("/nowhere/t.jsonl", &r, &err), COSREL_NOT_FOUND);
    assert_null(r);
    assert_int_equal(trace_open_text("zero", "{\0}", 3, &r, &err), COSREL_OK);
    assert_int_equal(trace_next(r, &e, &err), COSREL_INVALID_FILE);
    assert_non_null(strstr(err.text, "zero:1: a zero byte"));
    trace_close(r);
}

static char *chrome_of(const char *text)
{
    trace_reader *r = reader_of(text);
    char *out;
    size_t bytes;
    FILE *file = open_memstream(&out, &bytes);
    chrome_writer *c;
    assert_int_equal(chrome_create(file, &c), COSREL_OK);
    for (trace_event e = next(r); e.type != TRACE_END; e = next(r))
        chrome_add(c, r, &e);
    assert_int_equal(chrome_finish(c, r, NULL), COSREL_OK);
    fclose(file);
    trace_close(r);
    return out;
}

static const char SMALL[] =
    "{\"type\":\"arrival\",\"t_ms\":0.25,\"id\":0,\"model\":\"m\"}\n"
    "{\"type\":\"arrival\",\"t_ms\":0.5,\"id\":1,\"model\":\"m\"}\n"
    "{\"type\":\"dispatch\",\"t_ms\":0.500001,\"end_ms\":3,\"processor\":\"p\",\"model\":\"m\","
    "\"requests\":[0]}\n"
    "{\"type\":\"drop\",\"t_ms\":2,\"id\":1,\"reason\":\"late\"}\n";

static void a_small_picture(void **state)
{
    (void)state;
    char *text = chrome_of(SMALL);
    assert_string_equal(
        text,
        "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"
        "{\"ph\":\"C\",\"pid\":1,\"tid\":0,\"name\":\"waiting: m\",\"ts\":250,\"args\":{"
        "\"requests\":1}},\n"
        "{\"ph\":\"C\",\"pid\":1,\"tid\":0,\"name\":\"waiting: m\",\"ts\":500,\"args\":{"
        "\"requests\":2}},\n"
        "{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"name\":\"m\",\"cat\":\"run\",\"ts\":500.001,\"dur\":"
        "2499.999,\"args\":{\"batch\":1,\"requests\":[0]}},\n"
        "{\"ph\":\"C\",\"pid\":1,\"tid\":0,\"name\":\"waiting: m\",\"ts\":500.001,\"args\":{"
        "\"requests\":1}},\n"
        "{\"ph\":\"i\",\"pid\":1,\"tid\":0,\"name\":\"drop\",\"cat\":\"drop\",\"s\":\"p\",\"ts\":"
        "2000,\"args\":{\"request\":1,\"model\":\"m\",\"reason\":\"late\"}},\n"
        "{\"ph\":\"C\",\"pid\":1,\"tid\":0,\"name\":\"waiting: m\",\"ts\":2000,\"args\":{"
        "\"requests\":0}},\n"
        "{\"ph\":\"b\",\"pid\":1,\"tid\":0,\"name\":\"m\",\"cat\":\"request\",\"id\":0,\"ts\":250"
        "},\n"
        "{\"ph\":\"e\",\"pid\":1,\"tid\":0,\"name\":\"m\",\"cat\":\"request\",\"id\":0,\"ts\":3000"
        "},\n"
        "{\"ph\":\"M\",\"pid\":1,\"tid\":0,\"name\":\"process_name\",\"args\":{\"name\":\"cosrel\""
        "}},\n"
        "{\"ph\":\"M\",\"pid\":1,\"tid\":0,\"name\":\"thread_name\",\"args\":{\"name\":"
        "\"requests\"}},\n"
        "{\"ph\":\"M\",\"pid\":1,\"tid\":1,\"name\":\"thread_name\",\"args\":{\"name\":\"p\"}}\n"
        "]}\n");
    free(text);
}

/* One processor serves random batches, one after another; some runs fail and come again. */
static void write_queue(sink *s, rng *random)
{
    uint32_t id = 0;
    for (int64_t t_ns = 0; id < 400; t_ns += 1000 + (int64_t)rng_below(random, 5000)) {
        uint32_t ids[SCHED_BATCH_MAX];
        const int model = (int)rng_below(random, 2), count = 1 + (int)rng_below(random, 8);
        for (int i = 0; i < count; i++) {
            ids[i] = id++;
            trace_add_arrival(s->writer,
                              &(trace_arrival){.t_ns = t_ns, .id = ids[i], .model = model});
        }
        if (rng_below(random, 5) == 0) {
            for (int i = 0; i < count; i++)
                trace_add_drop(s->writer, t_ns, ids[i], "late");
            continue;
        }
        const int runs = 1 + (int)rng_below(random, 2);
        for (int k = 0; k < runs; k++, t_ns += 700)
            trace_add_dispatch(s->writer, t_ns, t_ns + 700, 1, model, ids, count);
    }
}

static void a_large_picture(void **state)
{
    (void)state;
    sink s;
    rng random;
    rng_init(&random, 8);
    sink_open(&s);
    write_queue(&s, &random);
    sink_close(&s, COSREL_OK);
    char *text = chrome_of(s.text);
    json_error_t error;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        fail_msg("line %d: %s", error.line, error.text);
    size_t index, runs = 0, begun = 0, ended = 0, named = 0;
    double free_at = 0, last = 0;
    json_t *e;
    json_array_foreach(json_object_get(json, "traceEvents"), index, e)
    {
        const char phase = json_string_value(json_object_get(e, "ph"))[0];
        const double ts = json_number_value(json_object_get(e, "ts"));
        assert_true(json_is_string(json_object_get(e, "name")));
        assert_true(json_is_integer(json_object_get(e, "tid")));
        assert_true(phase == 'M' || json_is_number(json_object_get(e, "ts")));
        begun += phase == 'b';
        ended += phase == 'e';
        named += phase == 'M';
        if (phase == 'X') { /* a thread's runs do not overlap */
            assert_true(ts >= free_at - 1e-6);
            free_at = ts + json_number_value(json_object_get(e, "dur"));
            runs++;
        } else if (phase == 'C' || phase == 'i') {
            assert_true(ts >= last);
            last = ts;
            const json_t *waiting = json_object_get(json_object_get(e, "args"), "requests");
            assert_true(phase == 'i' || json_integer_value(waiting) <= 8);
        }
    }
    assert_true(runs > 50 && begun > 200 && begun == ended);
    assert_int_equal(named, 3); /* the process, requests, the one processor that ran */
    json_decref(json);
    free(text);
    free(s.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_exact),  cmocka_unit_test(numbers_of_others),
        cmocka_unit_test(a_simulation),     cmocka_unit_test(a_recording),
        cmocka_unit_test(a_failed_run),     cmocka_unit_test(too_late_for_the_recording),
        cmocka_unit_test(the_disk_is_full), cmocka_unit_test(read_back),
        cmocka_unit_test(there_and_back),   cmocka_unit_test(refused),
        cmocka_unit_test(a_small_picture),  cmocka_unit_test(a_large_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
