/* Requests as a program sees them: what it may ask, what it gets, what it is told when it asks
 * wrongly. */
#include "fixture.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tiny_onnx.h"

static const int64_t one_row[] = {1, 4};

static cosrel_runtime *open_tiny(void)
{
    char path[512];
    const cosrel_options options = fixture_options();
    fixture_path("models/add.onnx", path);
    assert_true(tiny_add(path));
    fixture_path("models/multi.onnx", path);
    assert_true(tiny_multi(path));
    return fixture_open(&options, "models");
}

static void test_one_request(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_tiny();
    cosrel_model *m = fixture_model(rt, "add");
    float x[] = {1, 2, 3, 4};
    int user;
    const cosrel_tensor input = fixture_floats(one_row, 2, x);
    const cosrel_request request = {
        .inputs = &input, .input_count = 1, .deadline_ns = 1000000000, .user = &user};
    cosrel_ticket ticket;
    const cosrel_result *r;
    cosrel_error err;
    assert_int_equal(cosrel_submit(rt, m, &request, &ticket, &err), COSREL_OK);
    assert_int_equal(cosrel_wait(rt, ticket, -1, &r), COSREL_OK);
    assert_int_equal(r->status, COSREL_OK);
    assert_string_equal(r->message, "");
    assert_int_equal(r->output_count, 1);
    assert_string_equal(r->outputs[0].name, cosrel_model_describe(m)->outputs[0].name);
    assert_int_equal(r->outputs[0].type, COSREL_FLOAT32);
    assert_int_equal(r->outputs[0].rank, 2);
    assert_int_equal(r->outputs[0].shape[0], 1);
    assert_int_equal(r->outputs[0].shape[1], 4);
    assert_int_equal(r->outputs[0].bytes, 16);
    const float expected[] = {2, 4, 6, 8};
    assert_memory_equal(r->outputs[0].data, expected, sizeof expected);
    assert_ptr_equal(r->user, &user);
    assert_int_equal(r->batch, 1);
    assert_false(r->emulated);
    assert_int_equal(strncmp(r->processor, "cpu", 3), 0);
    assert_true(r->submitted_ns <= r->started_ns && r->started_ns <= r->finished_ns);
    cosrel_result_release(r);
    assert_int_equal(cosrel_wait(rt, ticket, 0, &r), COSREL_NOT_FOUND);
    assert_int_equal(cosrel_cancel(rt, ticket), COSREL_NOT_FOUND);
    cosrel_runtime_close(rt);
}

static void test_times_at_the_end_of_the_clock(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_tiny();
    float x[] = {1, 2, 3, 4};
    const cosrel_tensor input = fixture_floats(one_row, 2, x);
    const cosrel_request request = {
        .inputs = &input, .input_count = 1, .deadline_ns = INT64_MAX, .priority = INT32_MAX};
    cosrel_ticket ticket;
    const cosrel_result *r;
    cosrel_error err;
    assert_int_equal(cosrel_submit(rt, fixture_model(rt, "add"), &request, &ticket, &err),
                     COSREL_OK);
    assert_int_equal(cosrel_wait(rt, ticket, INT64_MAX, &r), COSREL_OK);
    assert_int_equal(r->status, COSREL_OK);
    cosrel_result_release(r);
    cosrel_runtime_close(rt);
}

static void test_what_a_model_takes(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_tiny();
    assert_int_equal(cosrel_runtime_model_count(rt), 2);
    const cosrel_model_info *info = cosrel_model_describe(fixture_model(rt, "multi"));
    assert_string_equal(info->name, "multi");
    assert_int_equal(info->version, 1);
    assert_int_equal(info->input_count, 3);
    assert_int_equal(info->output_count, 3);
    assert_true(info->batchable);
    assert_string_equal(info->inputs[0].name, "a");
    assert_int_equal(info->inputs[0].type, COSREL_FLOAT32);
    assert_int_equal(info->inputs[0].rank, 2);
    assert_int_equal(info->inputs[0].shape[0], -1);
    assert_int_equal(info->inputs[0].shape[1], 2);
    assert_string_equal(info->inputs[0].symbols[0], "batch");
    assert_string_equal(info->inputs[0].symbols[1], "");
    assert_int_equal(info->inputs[0].batch_axis, 0);
    assert_int_equal(info->inputs[2].type, COSREL_INT64);
    assert_null(cosrel_runtime_find_model(rt, "nothing", 0));
    assert_null(cosrel_runtime_find_model(rt, "multi", 2));
    cosrel_runtime_close(rt);
}

static void test_inputs_by_name(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_tiny();
    cosrel_model *m = fixture_model(rt, "multi");
    const int64_t shape[] = {2, 2};
    const int64_t count[] = {2};
    float a[] = {1, 2, 3, 4};
    float b[] = {10, 20, 30, 40};
    int64_t n[] = {5, 6};
    cosrel_tensor inputs[] = {fixture_floats(shape, 2, b),
                              {.name = "n",
                               .type = COSREL_INT64,
                               .rank = 1,
                               .shape = count,
                               .data = n,
                               .bytes = sizeof n},
                              fixture_floats(shape, 2, a)};
    inputs[0].name = "b";
    inputs[2].name = "a";
    const cosrel_result *r;
    cosrel_error err;
    assert_int_equal(cosrel_run(rt, m, inputs, 3, &r, &err), COSREL_OK);
    const float sum[] = {11, 22, 33, 44};
    const float product[] = {10, 40, 90, 160};
    const int64_t twice[] = {10, 12};
    assert_memory_equal(r->outputs[0].data, sum, sizeof sum);
    assert_memory_equal(r->outputs[1].data, product, sizeof product);
    assert_memory_equal(r->outputs[2].data, twice, sizeof twice);
    assert_int_equal(r->outputs[2].shape[0], 2);
    cosrel_result_release(r);
    cosrel_runtime_close(rt);
}

static void refuse(cosrel_runtime *rt, cosrel_model *m, const cosrel_tensor *inputs, size_t count,
                   const char *named)
{
    const cosrel_request request = {.inputs = inputs, .input_count = count};
    cosrel_ticket ticket;
    cosrel_error err = {.text = ""};
    assert_int_equal(cosrel_submit(rt, m, &request, &ticket, &err), COSREL_INVALID_ARGUMENT);
    if (!strstr(err.text, named))
        fail_msg("'%s' does not name '%s'", err.text, named);
    assert_null(strchr(err.text, '\n'));
}

static void test_wrong_inputs(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_tiny();
    cosrel_model *m = fixture_model(rt, "add");
    const int64_t narrow[] = {1, 3};
    const int64_t flat[] = {4};
    const int64_t none[] = {0, 4};
    float x[4] = {0};
    cosrel_tensor t = fixture_floats(one_row, 2, x);
    refuse(rt, m, NULL, 0, "x");
    t.name = "y";
    refuse(rt, m, &t, 1, "y");
    t = fixture_floats(narrow, 2, x);
    refuse(rt, m, &t, 1, "[1,3]");
    t = fixture_floats(flat, 1, x);
    refuse(rt, m, &t, 1, "[batch,4]");
    t = fixture_floats(none, 2, x);
    refuse(rt, m, &t, 1, "x");
    t = fixture_floats(one_row, 2, x);
    t.type = COSREL_FLOAT64;
    refuse(rt, m, &t, 1, "float32");
    t = fixture_floats(one_row, 2, x);
    t.bytes = 12;
    refuse(rt, m, &t, 1, "12");
    t = fixture_floats(one_row, 2, NULL);
    refuse(rt, m, &t, 1, "x");
    const cosrel_tensor two[] = {fixture_floats(one_row, 2, x), fixture_floats(one_row, 2, x)};
    refuse(rt, m, two, 2, "2");
    t = fixture_floats(one_row, 2, x);
    assert_int_equal(fixture_answer(rt, fixture_submit(rt, m, &t, 1)),
                     COSREL_OK); /* nothing else is disturbed */
    cosrel_runtime_close(rt);
}

/* Every element type that the installed ONNX Runtime moves through an Identity. */
static void test_element_types(void **state)
{
    (void)state;
    static const cosrel_dtype types[] = {
        COSREL_FLOAT32, COSREL_UINT8,  COSREL_INT8,    COSREL_UINT16,  COSREL_INT16,
        COSREL_INT32,   COSREL_INT64,  COSREL_BOOL,    COSREL_FLOAT16, COSREL_FLOAT64,
        COSREL_UINT32,  COSREL_UINT64, COSREL_BFLOAT16};
    const size_t count = sizeof types / sizeof types[0];
    const int64_t shape[] = {2, 3};
    char path[512];
    char name[64];
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "types/%s.onnx", cosrel_dtype_name(types[i]));
        fixture_path(name, path);
        assert_true(tiny_identity(path, (int32_t)types[i]));
    }
    const cosrel_options options = fixture_options();
    cosrel_runtime *rt = fixture_open(&options, "types");
    assert_int_equal(cosrel_runtime_model_count(rt), count);
    for (size_t i = 0; i < count; i++) {
        unsigned char data[48];
        for (size_t k = 0; k < sizeof data; k++)
            data[k] = types[i] == COSREL_BOOL ? k % 2 : (unsigned char)(k * 37 + i);
        const cosrel_tensor t = {.type = types[i],
                                 .rank = 2,
                                 .shape = shape,
                                 .data = data,
                                 .bytes = cosrel_dtype_bytes(types[i], 6)};
        const cosrel_result *r;
        cosrel_error err;
        if (cosrel_run(rt, fixture_model(rt, cosrel_dtype_name(types[i])), &t, 1, &r, &err) !=
            COSREL_OK)
            fail_msg("%s", err.text);
        assert_int_equal(r->outputs[0].type, types[i]);
        assert_int_equal(r->outputs[0].bytes, t.bytes);
        assert_memory_equal(r->outputs[0].data, data, t.bytes);
        cosrel_result_release(r);
    }
    cosrel_runtime_close(rt);
}

static void test_strings(void **state)
{
    (void)state;
    char path[512];
    const int64_t shape[] = {2, 3};
    const char *texts[] = {
        "one", "", "drei", "four", "a longer text than fits into a small string object", "6"};
    fixture_path("strings/text.onnx", path);
    assert_true(tiny_identity(path, COSREL_STRING));
    const cosrel_options options = fixture_options();
    cosrel_runtime *rt = fixture_open(&options, "strings");
    const cosrel_tensor t = {
        .type = COSREL_STRING, .rank = 2, .shape = shape, .data = texts, .bytes = sizeof texts};
    const cosrel_result *r;
    cosrel_error err;
    if (cosrel_run(rt, fixture_model(rt, "text"), &t, 1, &r, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    assert_int_equal(r->outputs[0].bytes, sizeof texts);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(((const char *const *)r->outputs[0].data)[i], texts[i]);
    cosrel_result_release(r);
    cosrel_runtime_close(rt);
}

/* ---- Callbacks ---- */

typedef struct chain {
    cosrel_runtime *rt;
    cosrel_model *model;
    cosrel_tensor input;
    _Atomic int left;
    _Atomic int answered;
    _Atomic int wrong;
} chain;

static void next_in_chain(const cosrel_result *r)
{
    chain *c = r->user;
    const float expected[] = {2, 3, 4, 5};
    if (r->status != COSREL_OK || memcmp(r->outputs[0].data, expected, sizeof expected) != 0)
        atomic_fetch_add(&c->wrong, 1);
    if (atomic_fetch_sub(&c->left, 1) > 0) {
        const cosrel_request request = {
            .inputs = &c->input, .input_count = 1, .done = next_in_chain, .user = c};
        if (cosrel_submit(c->rt, c->model, &request, NULL, NULL) != COSREL_OK)
            atomic_fetch_add(&c->wrong, 1);
    }
    atomic_fetch_add(&c->answered, 1);
}

/* A callback submits the next request; close comes only after the last callback has returned. */
static void test_callbacks_and_close(void **state)
{
    (void)state;
    enum { START = 20, MORE = 200 };
    cosrel_runtime *rt = open_tiny();
    float x[] = {1, 1, 1, 1};
    chain c = {.rt = rt,
               .model = fixture_model(rt, "add"),
               .input = fixture_floats(one_row, 2, x),
               .left = MORE};
    for (int i = 0; i < START; i++) {
        const cosrel_request request = {
            .inputs = &c.input, .input_count = 1, .done = next_in_chain, .user = &c};
        cosrel_error err;
        assert_int_equal(cosrel_submit(rt, c.model, &request, NULL, &err), COSREL_OK);
    }
    for (int i = 0; i < 6000 && atomic_load(&c.answered) < START + MORE; i++)
        usleep(10000);
    assert_int_equal(atomic_load(&c.answered), START + MORE);
    cosrel_runtime_close(rt);
    assert_int_equal(atomic_load(&c.wrong), 0);
}

static void count_answer(const cosrel_result *r)
{
    atomic_fetch_add((_Atomic int *)r->user, r->status == COSREL_OK ? 1 : 1000);
}

static void test_close_drains(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_tiny();
    float x[4] = {0};
    const cosrel_tensor t = fixture_floats(one_row, 2, x);
    _Atomic int answered = 0;
    for (int i = 0; i < 300; i++) {
        const cosrel_request request = {.inputs = &t,
                                        .input_count = 1,
                                        .done = count_answer,
                                        .user = &answered,
                                        .priority = i % 3 - 1};
        cosrel_error err;
        assert_int_equal(cosrel_submit(rt, fixture_model(rt, "add"), &request, NULL, &err),
                         COSREL_OK);
    }
    cosrel_runtime_close(rt);
    assert_int_equal(answered, 300);
}

/* ---- Waiting, cancelling, refusing: with an emulated processor that takes its time ---- */

static const char slow_settings[] = "processors: [npu]\n"
                                    "emulated:\n"
                                    "  - {name: npu, table: npu.csv}\n";
static const char slow_table[] =
    "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
    "board,npu,add,,,1,200,,,test\n";

static cosrel_runtime *open_slow(uint32_t queue_len_max)
{
    static char settings[512];
    char path[512];
    fixture_path("slow/add.onnx", path);
    assert_true(tiny_add(path));
    fixture_write("slow.yaml", slow_settings);
    fixture_write("npu.csv", slow_table);
    fixture_path("slow.yaml", settings);
    cosrel_options options = fixture_options();
    options.settings_file = settings;
    options.queue_len_max = queue_len_max;
    return fixture_open(&options, "slow");
}

static void test_cancel(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_slow(0);
    cosrel_model *m = fixture_model(rt, "add");
    float x[4] = {0};
    const cosrel_tensor t = fixture_floats(one_row, 2, x);
    const cosrel_result *r;
    const cosrel_ticket running = fixture_submit(rt, m, &t, 1);
    const cosrel_ticket waiting = fixture_submit(rt, m, &t, 1);
    assert_int_equal(cosrel_wait(rt, waiting, 0, &r), COSREL_TIMEOUT);
    assert_int_equal(cosrel_wait(rt, running, 1000000, &r), COSREL_TIMEOUT);
    assert_int_equal(cosrel_cancel(rt, waiting), COSREL_OK);
    assert_int_equal(cosrel_wait(rt, waiting, 0, &r), COSREL_OK); /* at once */
    assert_int_equal(r->status, COSREL_CANCELLED);
    assert_int_equal(r->output_count, 0);
    assert_int_equal(cosrel_cancel(rt, waiting), COSREL_NOT_FOUND);
    cosrel_result_release(r);
    assert_int_equal(cosrel_cancel(rt, running), COSREL_OK);
    assert_int_equal(fixture_answer(rt, running), COSREL_CANCELLED);
    cosrel_model_stats stats;
    cosrel_model_get_stats(rt, m, &stats);
    assert_int_equal(stats.cancelled, 2);
    assert_int_equal(stats.completed, 0);
    cosrel_runtime_close(rt);
}

static void test_queue_full(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_slow(2);
    cosrel_model *m = fixture_model(rt, "add");
    float x[4] = {0};
    const cosrel_tensor t = fixture_floats(one_row, 2, x);
    cosrel_ticket tickets[3];
    for (int i = 0; i < 3; i++)
        tickets[i] = fixture_submit(rt, m, &t, 1); /* one runs, two wait */
    const cosrel_request request = {.inputs = &t, .input_count = 1};
    cosrel_ticket ticket;
    cosrel_error err;
    assert_int_equal(cosrel_submit(rt, m, &request, &ticket, &err), COSREL_QUEUE_FULL);
    assert_non_null(strstr(err.text, "add"));
    for (int i = 0; i < 3; i++)
        assert_int_equal(fixture_answer(rt, tickets[i]), COSREL_OK);
    cosrel_runtime_close(rt);
}

static void test_emulated_is_labelled(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_slow(0);
    float x[] = {1, 1, 1, 1};
    const cosrel_tensor t = fixture_floats(one_row, 2, x);
    const cosrel_result *r;
    cosrel_error err;
    cosrel_processor_info info;
    assert_int_equal(cosrel_run(rt, fixture_model(rt, "add"), &t, 1, &r, &err), COSREL_OK);
    assert_true(r->emulated);
    assert_string_equal(r->processor, "npu");
    const float zeros[4] = {0};
    assert_memory_equal(r->outputs[0].data, zeros, sizeof zeros);
    assert_true(r->finished_ns - r->started_ns >= 200000000);
    cosrel_result_release(r);
    cosrel_runtime_processor(rt, 0, &info);
    assert_string_equal(info.kind, "emulated");
    assert_string_equal(info.provider, "emulated");
    assert_int_equal(strncmp(info.description, "emulated", 8), 0);
    cosrel_runtime_close(rt);
}

static void test_high_before_normal(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_slow(0);
    cosrel_model *m = fixture_model(rt, "add");
    float x[4] = {0};
    const cosrel_tensor t = fixture_floats(one_row, 2, x);
    cosrel_request request = {.inputs = &t, .input_count = 1};
    cosrel_ticket first, normal, high;
    cosrel_error err;
    assert_int_equal(cosrel_submit(rt, m, &request, &first, &err), COSREL_OK);
    assert_int_equal(cosrel_submit(rt, m, &request, &normal, &err), COSREL_OK);
    request.priority = COSREL_PRIORITY_HIGH;
    assert_int_equal(cosrel_submit(rt, m, &request, &high, &err), COSREL_OK);
    const cosrel_result *h;
    const cosrel_result *n;
    assert_int_equal(cosrel_wait(rt, normal, -1, &n), COSREL_OK);
    assert_int_equal(cosrel_wait(rt, high, -1, &h), COSREL_OK);
    assert_true(h->started_ns < n->started_ns);
    cosrel_result_release(n);
    cosrel_result_release(h);
    assert_int_equal(fixture_answer(rt, first), COSREL_OK);
    cosrel_runtime_close(rt);
}

/* A background run has the core; a foreground request on the same core is answered all the same
 * while it lasts, because the kernel takes the core from it. */
static void test_background_gives_way(void **state)
{
    (void)state;
    char path[512];
    fixture_path("classes/add.onnx", path);
    assert_true(tiny_add(path));
    fixture_path("classes/long.onnx", path);
    assert_true(tiny_slow(path, 600)); /* seconds, so that a busy machine does not matter */
    cosrel_options options = fixture_options();
    options.processors = "cpu0";
    cosrel_runtime *rt = fixture_open(&options, "classes");
    float x[] = {1, 2, 3, 4};
    const cosrel_tensor t = fixture_floats(one_row, 2, x);
    const cosrel_request request = {
        .inputs = &t, .input_count = 1, .priority = COSREL_PRIORITY_BACKGROUND};
    cosrel_ticket background;
    cosrel_error err;
    const cosrel_result *r;
    assert_int_equal(cosrel_submit(rt, fixture_model(rt, "long"), &request, &background, &err),
                     COSREL_OK);
    usleep(50000); /* it has begun, or begins beneath what follows: either way it is not over */
    for (int i = 0; i < 20; i++) {
        assert_int_equal(cosrel_run(rt, fixture_model(rt, "add"), &t, 1, &r, &err), COSREL_OK);
        assert_string_equal(r->processor, "cpu0");
        cosrel_result_release(r);
    }
    assert_int_equal(cosrel_wait(rt, background, 0, &r), COSREL_TIMEOUT);
    assert_int_equal(cosrel_wait(rt, background, -1, &r), COSREL_OK);
    assert_int_equal(r->status, COSREL_OK);
    assert_string_equal(r->processor, "cpu0.bg");
    cosrel_result_release(r);
    cosrel_runtime_close(rt);
}

static void test_statistics(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_tiny();
    cosrel_model *m = fixture_model(rt, "add");
    float x[4] = {0};
    const cosrel_tensor t = fixture_floats(one_row, 2, x);
    cosrel_model_stats stats;
    for (int i = 0; i < 10; i++)
        assert_int_equal(fixture_answer(rt, fixture_submit(rt, m, &t, 1)), COSREL_OK);
    cosrel_model_get_stats(rt, m, &stats);
    assert_int_equal(stats.completed, 10);
    assert_int_equal(stats.runs, 10);
    assert_int_equal(stats.waiting, 0);
    assert_true(stats.latency_p50_ns > 0 && stats.latency_p50_ns <= stats.latency_p99_ns);
    assert_true(stats.latency_p99_ns <= stats.latency_max_ns);
    uint64_t runs = 0;
    for (size_t p = 0; p < cosrel_runtime_processor_count(rt); p++) {
        cosrel_processor_stats ps;
        cosrel_processor_get_stats(rt, p, &ps);
        runs += ps.runs;
    }
    assert_int_equal(runs, 10);
    cosrel_runtime_stats rs;
    cosrel_runtime_get_stats(rt, &rs);
    assert_true(rs.decisions >= 10);
    uint64_t timed = 0;
    for (int b = 0; b < COSREL_DECISION_BUCKETS; b++)
        timed += rs.decision_times[b];
    assert_int_equal(timed, rs.decisions);
    assert_true(rs.decision_ns > 0);
    for (int b = 1; b < COSREL_DECISION_BUCKETS - 1; b++)
        assert_true(cosrel_decision_bound_ns(b) > cosrel_decision_bound_ns(b - 1));
    assert_int_equal(cosrel_decision_bound_ns(0), 1000);
    assert_int_equal(cosrel_decision_bound_ns(COSREL_DECISION_BUCKETS - 1), 0);
    assert_int_equal(cosrel_decision_bound_ns(-1), 0);
    cosrel_runtime_reset_stats(rt);
    cosrel_model_get_stats(rt, m, &stats);
    assert_int_equal(stats.completed, 0);
    assert_int_equal(stats.latency_max_ns, 0);
    cosrel_runtime_get_stats(rt, &rs);
    assert_int_equal(rs.decision_ns, 0);
    cosrel_runtime_close(rt);
}

static void test_policies(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_tiny();
    cosrel_model *m = fixture_model(rt, "add");
    float x[4] = {0};
    const cosrel_tensor t = fixture_floats(one_row, 2, x);
    const char *name;
    const char *summary;
    cosrel_error err;
    size_t count = 0;
    for (; cosrel_policy_at(count, &name, &summary); count++) {
        char spec[64];
        snprintf(spec, sizeof spec, "%s%s", name, strcmp(name, "single") == 0 ? ":cpu0" : "");
        assert_int_equal(cosrel_runtime_set_policy(rt, spec, &err), COSREL_OK);
        for (int i = 0; i < 20; i++)
            assert_int_equal(fixture_answer(rt, fixture_submit(rt, m, &t, 1)), COSREL_OK);
        assert_true(strlen(summary) > 10);
    }
    assert_true(count >= 8);
    assert_int_equal(cosrel_runtime_set_policy(rt, "single:cpu77", &err), COSREL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "cpu77"));
    assert_int_equal(cosrel_runtime_set_policy(rt, "min-mim", &err), COSREL_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "min-min"));
    assert_int_equal(fixture_answer(rt, fixture_submit(rt, m, &t, 1)), COSREL_OK);
    cosrel_runtime_close(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_request),
        cmocka_unit_test(test_times_at_the_end_of_the_clock),
        cmocka_unit_test(test_what_a_model_takes),
        cmocka_unit_test(test_inputs_by_name),
        cmocka_unit_test(test_wrong_inputs),
        cmocka_unit_test(test_element_types),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_callbacks_and_close),
        cmocka_unit_test(test_close_drains),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_queue_full),
        cmocka_unit_test(test_emulated_is_labelled),
        cmocka_unit_test(test_high_before_normal),
        cmocka_unit_test(test_background_gives_way),
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_policies),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
