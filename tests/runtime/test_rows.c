/* Memory that a model lends is read where it lies on devices too, and stays for as long as a run
 * reads it. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "runtime/parts.h"
#include "tiny_onnx.h"

enum { COLUMNS = 3 * 224 * 224, REQUESTS = 8 };

static cosrel_runtime *open_device(void)
{
    static char yaml[512];
    char path[512];
    fixture_write("npu.csv", "device,processor,model,precision,framework,batch,latency_ms,power_w,"
                             "energy_mj,source\n"
                             "b,npu,pool,,,1,5,,,t\nb,npu,pool,,,8,5.5,,,t\n");
    fixture_write("npu.yaml", "processors: [npu]\nemulated:\n  - {name: npu, table: npu.csv}\n");
    fixture_path("npu.yaml", yaml);
    fixture_write("models/none", "");
    fixture_path("models/pool.onnx", path);
    assert_true(tiny_pool(path));
    cosrel_options options = fixture_options();
    options.settings_file = yaml;
    return fixture_open(&options, "models");
}

static void ask_all(cosrel_runtime *rt, cosrel_model *m, const cosrel_tensor *inputs)
{
    cosrel_ticket tickets[REQUESTS];
    for (int i = 0; i < REQUESTS; i++)
        tickets[i] = fixture_submit(rt, m, &inputs[i], 1);
    for (int i = 0; i < REQUESTS; i++)
        assert_int_equal(fixture_answer(rt, tickets[i]), COSREL_OK);
}

static uint64_t copied(cosrel_runtime *rt)
{
    cosrel_runtime_stats stats;
    cosrel_runtime_get_stats(rt, &stats);
    return stats.bytes_copied;
}

static void test_device_reads_in_place(void **state)
{
    (void)state;
    static const int64_t shape[] = {1, 3, 224, 224};
    static float own[REQUESTS][COLUMNS];
    cosrel_inputs *lent[REQUESTS];
    cosrel_tensor inputs[REQUESTS];
    cosrel_error err;
    cosrel_runtime *rt = open_device();
    cosrel_model *m = fixture_model(rt, "pool");
    for (int i = 0; i < REQUESTS; i++)
        assert_int_equal(cosrel_inputs_take(m, &inputs[i], &lent[i], &err), COSREL_OK);
    ask_all(rt, m, inputs);
    assert_int_equal(copied(rt), 0);
    for (int i = 0; i < REQUESTS; i++)
        cosrel_inputs_give(lent[i]);
    /* Memory of the callers' may be gone before the device has read it: it is copied once. */
    for (int i = 0; i < REQUESTS; i++)
        inputs[i] = fixture_floats(shape, 4, own[i]);
    ask_all(rt, m, inputs);
    assert_int_equal(copied(rt), sizeof own);
    cosrel_runtime_close(rt);
}

static void test_rows_are_held(void **state)
{
    (void)state;
    cosrel_inputs *mine, *others[4 * SCHED_BATCH_MAX * 16];
    cosrel_tensor t, other;
    cosrel_error err;
    size_t count = 0;
    cosrel_runtime *rt = open_device();
    cosrel_model *m = fixture_model(rt, "pool");
    assert_int_equal(cosrel_inputs_take(m, &t, &mine, &err), COSREL_OK);
    cosrel_inputs *held = rows_hold(&m->rows, &t);
    assert_ptr_equal(held, mine);
    /* Given back by whoever took it, and still nobody else's. */
    cosrel_inputs_give(mine);
    while (count < sizeof others / sizeof others[0] &&
           cosrel_inputs_take(m, &other, &others[count], &err) == COSREL_OK) {
        assert_ptr_not_equal(other.data, t.data);
        count++;
    }
    assert_in_range(count, 1, sizeof others / sizeof others[0] - 1);
    while (count > 0)
        cosrel_inputs_give(others[--count]);
    /* Nor does it go with the model. */
    assert_int_equal(cosrel_runtime_unload(rt, m, -1, &err), COSREL_OK);
    memset(t.data, 1, t.bytes);
    cosrel_inputs_give(held);
    cosrel_runtime_close(rt);
}

/* Only whole rows that somebody has count as such. */
static void test_what_is_a_row(void **state)
{
    (void)state;
    cosrel_inputs *mine;
    cosrel_tensor t;
    cosrel_error err;
    cosrel_runtime *rt = open_device();
    cosrel_model *m = fixture_model(rt, "pool");
    assert_int_equal(cosrel_inputs_take(m, &t, &mine, &err), COSREL_OK);
    cosrel_tensor wrong = t;
    wrong.data = (char *)t.data + 4;
    assert_null(rows_hold(&m->rows, &wrong));
    wrong.data = (char *)t.data + t.bytes; /* the next row, which nobody has */
    assert_null(rows_hold(&m->rows, &wrong));
    wrong.data = (char *)t.data - t.bytes;
    assert_null(rows_hold(&m->rows, &wrong));
    wrong = t;
    wrong.bytes /= 2;
    assert_null(rows_hold(&m->rows, &wrong));
    wrong.data = &wrong;
    assert_null(rows_hold(&m->rows, &wrong));
    cosrel_inputs_give(mine);
    assert_null(rows_hold(&m->rows, &t));
    cosrel_runtime_close(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_device_reads_in_place),
        cmocka_unit_test(test_rows_are_held),
        cmocka_unit_test(test_what_is_a_row),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
