/* Requests that are run together get their own rows back. */
#include "fixture.h"

#include <string.h>

#include "tiny_onnx.h"

/* A profile that makes batches look very good, and slow enough runs that requests pile up while one
 * is under way. */
static const char profile[] =
    "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
    "b,cpu0,multi,,,1,5,,,t\n"
    "b,cpu0,multi,,,2,5.1,,,t\n"
    "b,cpu0,multi,,,4,5.2,,,t\n"
    "b,cpu0,multi,,,8,5.3,,,t\n"
    "b,cpu0,slow,,,1,100,,,t\n";

enum { REQUESTS = 40 };

typedef struct request_data {
    float a[4], b[4];
    int64_t n[2];
    cosrel_tensor inputs[3];
    int64_t shape[2], count[1];
    cosrel_ticket ticket;
} request_data;

static void fill(request_data *d, int i, int64_t rows)
{
    for (int k = 0; k < 4; k++) {
        d->a[k] = (float)(i * 10 + k);
        d->b[k] = (float)(i + k);
    }
    d->n[0] = i;
    d->n[1] = -i;
    d->shape[0] = d->count[0] = rows;
    d->shape[1] = 2;
    d->inputs[0] = fixture_floats(d->shape, 2, d->a);
    d->inputs[1] = fixture_floats(d->shape, 2, d->b);
    d->inputs[2] = (cosrel_tensor){.type = COSREL_INT64,
                                   .rank = 1,
                                   .shape = d->count,
                                   .data = d->n,
                                   .bytes = (size_t)rows * sizeof d->n[0]};
}

static void check(const request_data *d, const cosrel_result *r)
{
    const int64_t rows = d->shape[0];
    assert_int_equal(r->status, COSREL_OK);
    assert_int_equal(r->outputs[0].shape[0], rows);
    assert_int_equal(r->outputs[0].bytes, (size_t)rows * 8);
    for (int64_t k = 0; k < rows * 2; k++) {
        assert_true(((const float *)r->outputs[0].data)[k] == d->a[k] + d->b[k]);
        assert_true(((const float *)r->outputs[1].data)[k] == d->a[k] * d->b[k]);
    }
    for (int64_t k = 0; k < rows; k++)
        assert_int_equal(((const int64_t *)r->outputs[2].data)[k], 2 * d->n[k]);
}

static void test_own_rows(void **state)
{
    (void)state;
    static request_data data[REQUESTS];
    static char profile_path[512];
    char path[512];
    fixture_write("profile.csv", profile);
    fixture_path("profile.csv", profile_path);
    fixture_path("models/multi.onnx", path);
    assert_true(tiny_multi(path));
    fixture_path("models/slow.onnx", path);
    assert_true(tiny_slow(path, 20));
    cosrel_options options = fixture_options();
    options.profile = profile_path;
    options.processors = "cpu0";
    options.policy = "max-weight";
    cosrel_runtime *rt = fixture_open(&options, "models");
    const int64_t row[] = {1, 4};
    float x[4] = {0};
    const cosrel_tensor slow = fixture_floats(row, 2, x);
    int32_t largest = 0;
    for (int round = 0; round < 5; round++) {
        const cosrel_ticket blocker = fixture_submit(rt, fixture_model(rt, "slow"), &slow, 1);
        for (int i = 0; i < REQUESTS; i++) {
            fill(&data[i], i, i % 5 == 4 ? 2 : 1); /* some have two rows */
            data[i].ticket = fixture_submit(rt, fixture_model(rt, "multi"), data[i].inputs, 3);
        }
        for (int i = 0; i < REQUESTS; i++) {
            const cosrel_result *r;
            assert_int_equal(cosrel_wait(rt, data[i].ticket, -1, &r), COSREL_OK);
            check(&data[i], r);
            if (r->batch > largest)
                largest = r->batch;
            cosrel_result_release(r);
        }
        assert_int_equal(fixture_answer(rt, blocker), COSREL_OK);
    }
    assert_true(largest > 1);
    cosrel_model_stats stats;
    cosrel_model_get_stats(rt, fixture_model(rt, "multi"), &stats);
    assert_int_equal(stats.completed, 5 * REQUESTS);
    assert_true(stats.runs < stats.completed);
    cosrel_runtime_close(rt);
}

/* A result may outlive its batch: releasing one does not take the others' memory. */
static void test_results_are_independent(void **state)
{
    (void)state;
    static request_data data[REQUESTS];
    static char profile_path[512];
    const cosrel_result *results[REQUESTS];
    fixture_path("profile.csv", profile_path);
    cosrel_options options = fixture_options();
    options.profile = profile_path;
    options.processors = "cpu0";
    options.policy = "max-weight";
    cosrel_runtime *rt = fixture_open(&options, "models");
    for (int i = 0; i < REQUESTS; i++) {
        fill(&data[i], i, 1);
        data[i].ticket = fixture_submit(rt, fixture_model(rt, "multi"), data[i].inputs, 3);
    }
    for (int i = 0; i < REQUESTS; i++)
        assert_int_equal(cosrel_wait(rt, data[i].ticket, -1, &results[i]), COSREL_OK);
    for (int i = 0; i < REQUESTS; i += 2)
        cosrel_result_release(results[i]);
    for (int i = 1; i < REQUESTS; i += 2)
        check(&data[i], results[i]);
    /* The odd ones are left to close. */
    cosrel_runtime_close(rt);
}

/* Inputs in memory that the model lends: batches of them are read where they lie. */
static void test_lent_inputs(void **state)
{
    (void)state;
    static request_data data[REQUESTS];
    static char profile_path[512];
    cosrel_inputs *lent[REQUESTS];
    fixture_path("profile.csv", profile_path);
    cosrel_options options = fixture_options();
    options.profile = profile_path;
    options.processors = "cpu0";
    options.policy = "max-weight";
    cosrel_runtime *rt = fixture_open(&options, "models");
    cosrel_model *m = fixture_model(rt, "multi");
    const int64_t row[] = {1, 4};
    float x[4] = {0};
    const cosrel_tensor slow = fixture_floats(row, 2, x);
    cosrel_error err;
    int32_t largest = 0;
    for (int round = 0; round < 3; round++) {
        const cosrel_ticket blocker = fixture_submit(rt, fixture_model(rt, "slow"), &slow, 1);
        for (int i = 0; i < REQUESTS; i++) {
            cosrel_tensor inputs[3];
            fill(&data[i], i, 1);
            assert_int_equal(cosrel_inputs_take(m, inputs, &lent[i], &err), COSREL_OK);
            for (int k = 0; k < 3; k++) {
                assert_int_equal(inputs[k].bytes, data[i].inputs[k].bytes);
                assert_int_equal(inputs[k].shape[0], 1);
                memcpy(inputs[k].data, data[i].inputs[k].data, inputs[k].bytes);
            }
            data[i].ticket = fixture_submit(rt, m, inputs, 3);
        }
        for (int i = 0; i < REQUESTS; i++) {
            const cosrel_result *r;
            assert_int_equal(cosrel_wait(rt, data[i].ticket, -1, &r), COSREL_OK);
            check(&data[i], r);
            largest = r->batch > largest ? r->batch : largest;
            cosrel_result_release(r);
            cosrel_inputs_give(lent[i]);
        }
        assert_int_equal(fixture_answer(rt, blocker), COSREL_OK);
    }
    assert_true(largest > 1);
    cosrel_runtime_stats stats;
    cosrel_runtime_get_stats(rt, &stats);
    assert_int_equal(stats.bytes_copied, 0);
    cosrel_runtime_close(rt);
}

/* A few requests in flight for ever stay in the same memory, and mostly lie one after the other. */
static void test_rows_go_round(void **state)
{
    (void)state;
    enum { FLIGHT = 8, TURNS = 4000 };
    cosrel_inputs *lent[FLIGHT] = {NULL};
    cosrel_tensor inputs[3];
    cosrel_error err;
    const cosrel_options options = fixture_options();
    cosrel_runtime *rt = fixture_open(&options, "models");
    cosrel_model *m = fixture_model(rt, "multi");
    char *first = NULL, *before = NULL;
    int jumps = 0;
    for (int i = 0; i < TURNS; i++) {
        cosrel_inputs_give(lent[i % FLIGHT]);
        assert_int_equal(cosrel_inputs_take(m, inputs, &lent[i % FLIGHT], &err), COSREL_OK);
        char *now = inputs[0].data;
        first = first ? first : now;
        assert_true(now >= first);
        jumps += before && now != before + inputs[0].bytes;
        assert_true(!before || now == before + inputs[0].bytes || now == first);
        before = now;
    }
    assert_in_range(jumps, 1, TURNS / 16);
    for (int i = 0; i < FLIGHT; i++)
        cosrel_inputs_give(lent[i]);
    cosrel_runtime_close(rt);
}

/* It ends somewhere, and goes on when it is given back, also after the model has gone. */
static void test_lending_ends(void **state)
{
    (void)state;
    enum { MANY = 2000 };
    static cosrel_inputs *lent[MANY];
    cosrel_tensor inputs[3];
    cosrel_error err;
    const cosrel_options options = fixture_options();
    cosrel_runtime *rt = fixture_open(&options, "models");
    cosrel_model *m = fixture_model(rt, "multi");
    int count = 0;
    while (count < MANY && cosrel_inputs_take(m, inputs, &lent[count], &err) == COSREL_OK)
        count++;
    assert_in_range(count, 32, MANY - 1);
    assert_non_null(strstr(err.text, "multi"));
    for (int i = 0; i < count; i += 2)
        cosrel_inputs_give(lent[i]);
    assert_int_equal(cosrel_runtime_unload(rt, m, 0, &err), COSREL_OK);
    for (int i = 1; i < count; i += 2)
        cosrel_inputs_give(lent[i]);
    assert_int_equal(cosrel_inputs_take(m, inputs, &lent[0], &err), COSREL_UNAVAILABLE);
    char path[512];
    fixture_path("models", path);
    assert_int_equal(cosrel_runtime_load(rt, path, &err), COSREL_OK);
    assert_int_equal(cosrel_inputs_take(m, inputs, &lent[0], &err), COSREL_OK);
    cosrel_inputs_give(lent[0]);
    cosrel_inputs_give(NULL);
    cosrel_runtime_close(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_rows),     cmocka_unit_test(test_results_are_independent),
        cmocka_unit_test(test_lent_inputs),  cmocka_unit_test(test_rows_go_round),
        cmocka_unit_test(test_lending_ends),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
