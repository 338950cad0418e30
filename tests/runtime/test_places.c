/* Outputs in memory of the caller's: written there by the run where that can be, and right
 * everywhere. */
#include "fixture.h"

#include <string.h>

#include "tiny_onnx.h"

static cosrel_runtime *rt;

/* Batches that pay, and a model that keeps the processor busy meanwhile. */
static const char profile[] =
    "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
    "b,cpu0,multi,,,1,5,,,t\n"
    "b,cpu0,multi,,,2,5.1,,,t\n"
    "b,cpu0,multi,,,4,5.2,,,t\n"
    "b,cpu0,multi,,,8,5.3,,,t\n"
    "b,cpu0,slow,,,1,100,,,t\n";

static int start(void **state)
{
    static char path[512], profile_path[512];
    if (fixture_setup(state) != 0)
        return -1;
    fixture_write("models/none", "");
    fixture_write("profile.csv", profile);
    fixture_path("profile.csv", profile_path);
#define MAKE(name, call)                                                                           \
    fixture_path("models/" name ".onnx", path);                                                    \
    if (!(call))                                                                                   \
    return -1
    MAKE("add", tiny_add(path));
    MAKE("multi", tiny_multi(path));
    MAKE("nonzero", tiny_nonzero(path));
    MAKE("reshape", tiny_reshape(path));
    MAKE("strings", tiny_identity(path, COSREL_STRING));
    MAKE("slow", tiny_slow(path, 20));
#undef MAKE
    cosrel_options options = fixture_options();
    options.profile = profile_path;
    options.processors = "cpu0";
    options.policy = "max-weight";
    rt = fixture_open(&options, "models");
    return 0;
}

static int stop(void **state)
{
    cosrel_runtime_close(rt);
    return fixture_teardown(state);
}

static uint64_t copied(void)
{
    cosrel_runtime_stats stats;
    cosrel_runtime_get_stats(rt, &stats);
    return stats.bytes_copied;
}

static cosrel_ticket submit(const char *model, const cosrel_tensor *inputs, size_t input_count,
                            const cosrel_tensor *outputs, size_t output_count)
{
    cosrel_error err;
    cosrel_ticket ticket = 0;
    const cosrel_request request = {.inputs = inputs,
                                    .input_count = input_count,
                                    .outputs = outputs,
                                    .output_count = output_count};
    const cosrel_status status = cosrel_submit(rt, fixture_model(rt, model), &request, &ticket,
                                               &err);
    if (status != COSREL_OK)
        fail_msg("%s", err.text);
    return ticket;
}

static const cosrel_result *answer(cosrel_ticket ticket)
{
    const cosrel_result *r = NULL;
    assert_int_equal(cosrel_wait(rt, ticket, -1, &r), COSREL_OK);
    return r;
}

static cosrel_tensor memory(const char *name, void *data, size_t bytes)
{
    return (cosrel_tensor){.name = name, .data = data, .bytes = bytes};
}

static float x[] = {1, 2, 0, 4};
static const int64_t row[] = {1, 4};

static void writes_there(void **state)
{
    (void)state;
    float y[6] = {0, 0, 0, 0, -1, -1};
    const cosrel_tensor input = fixture_floats(row, 2, x), place = memory("y", y, sizeof y);
    const uint64_t before = copied();
    const cosrel_result *r = answer(submit("add", &input, 1, &place, 1));
    assert_int_equal(r->status, COSREL_OK);
    assert_ptr_equal(r->outputs[0].data, y);
    assert_int_equal(r->outputs[0].bytes, 16);
    cosrel_result_release(r);
    const float right[6] = {2, 4, 3, 8, -1, -1};
    assert_memory_equal(y, right, sizeof y);
    assert_int_equal(copied(), before);
}

/* Element by element it would not matter; of what a model does nothing is known. */
static void never_writes_what_it_reads(void **state)
{
    (void)state;
    float both[5] = {1, 2, 3, 4, 0};
    const cosrel_tensor input = fixture_floats(row, 2, both);
    const cosrel_tensor place = memory("y", both + 1, 16);
    const uint64_t before = copied();
    const cosrel_result *r = answer(submit("add", &input, 1, &place, 1));
    const float right[5] = {1, 2, 4, 6, 8};
    assert_int_equal(r->status, COSREL_OK);
    assert_ptr_equal(r->outputs[0].data, both + 1);
    cosrel_result_release(r);
    assert_memory_equal(both, right, sizeof right);
    assert_int_equal(copied(), before + 16);
}

static void copies_what_is_not_known_before(void **state)
{
    (void)state;
    int64_t y[8];
    const cosrel_tensor input = fixture_floats(row, 2, x);
    const cosrel_tensor enough = memory(NULL, y, sizeof y), little = memory(NULL, y, 40);
    const uint64_t before = copied();
    const cosrel_result *r = answer(submit("nonzero", &input, 1, &enough, 1));
    const int64_t right[6] = {0, 0, 0, 0, 1, 3};
    assert_int_equal(r->status, COSREL_OK);
    assert_ptr_equal(r->outputs[0].data, y);
    assert_int_equal(r->outputs[0].bytes, sizeof right);
    cosrel_result_release(r);
    assert_memory_equal(y, right, sizeof right);
    assert_int_equal(copied(), before + sizeof right);
    r = answer(submit("nonzero", &input, 1, &little, 1));
    assert_int_equal(r->status, COSREL_INVALID_ARGUMENT);
    assert_non_null(strstr(r->message, "48 bytes, more than the 40"));
    assert_int_equal(r->output_count, 0);
    cosrel_result_release(r);
}

/* A model that says one shape and makes another. */
static void believes_the_run(void **state)
{
    (void)state;
    float y[4];
    int64_t shape[2] = {2, 2};
    const int64_t two[] = {2};
    const cosrel_tensor inputs[2] = {
        fixture_floats(row, 2, x),
        {.type = COSREL_INT64, .rank = 1, .shape = two, .data = shape, .bytes = sizeof shape}};
    const cosrel_tensor place = memory("y", y, sizeof y);
    for (int i = 0; i < 2; i++) {
        memset(y, 0, sizeof y);
        const cosrel_result *r = answer(submit("reshape", inputs, 2, &place, 1));
        assert_int_equal(r->status, COSREL_OK);
        assert_int_equal(r->outputs[0].shape[0], 2);
        assert_int_equal(r->outputs[0].shape[1], 2);
        assert_ptr_equal(r->outputs[0].data, y);
        cosrel_result_release(r);
        assert_memory_equal(y, x, sizeof y);
    }
}

enum { REQUESTS = 32 };

/* Memory that lies one after the other is used so by a batch; other memory gets its rows. */
static void batches(bool in_order)
{
    static float a[REQUESTS][2], b[REQUESTS][2], sum[REQUESTS][2], product[REQUESTS][2];
    static int64_t n[REQUESTS], count[REQUESTS];
    static const int64_t rows[] = {1, 2};
    cosrel_ticket tickets[REQUESTS];
    const cosrel_tensor slow = fixture_floats(row, 2, x);
    const uint64_t before = copied();
    int32_t largest = 0;
    const cosrel_ticket blocker = fixture_submit(rt, fixture_model(rt, "slow"), &slow, 1);
    for (int i = 0; i < REQUESTS; i++) {
        const int to = in_order ? i : REQUESTS - 1 - i;
        a[i][0] = (float)i, a[i][1] = 1, b[i][0] = 2, b[i][1] = (float)-i, n[i] = i;
        const cosrel_tensor inputs[3] = {
            fixture_floats(rows, 2, a[i]),
            fixture_floats(rows, 2, b[i]),
            {.type = COSREL_INT64, .rank = 1, .shape = rows, .data = &n[i], .bytes = sizeof n[i]}};
        const cosrel_tensor places[3] = {memory("count", &count[to], sizeof count[to]),
                                         memory("sum", sum[to], sizeof sum[to]),
                                         memory("product", product[to], sizeof product[to])};
        tickets[i] = submit("multi", inputs, 3, places, 3);
    }
    for (int i = 0; i < REQUESTS; i++) {
        const int to = in_order ? i : REQUESTS - 1 - i;
        const cosrel_result *r = answer(tickets[i]);
        assert_int_equal(r->status, COSREL_OK);
        assert_ptr_equal(r->outputs[0].data, sum[to]);
        assert_true(sum[to][0] == a[i][0] + 2 && sum[to][1] == b[i][1] + 1);
        assert_true(product[to][0] == 2 * a[i][0] && product[to][1] == b[i][1]);
        assert_int_equal(count[to], 2 * i);
        largest = r->batch > largest ? r->batch : largest;
        cosrel_result_release(r);
    }
    assert_int_equal(fixture_answer(rt, blocker), COSREL_OK);
    assert_true(largest > 1);
    if (in_order)
        assert_int_equal(copied(), before);
    else
        assert_true(copied() > before);
}

static void batches_in_order(void **state)
{
    (void)state;
    batches(true);
}

static void batches_out_of_order(void **state)
{
    (void)state;
    batches(false);
}

static void refused(const char *model, const cosrel_tensor *input, const cosrel_tensor *outputs,
                    size_t count, cosrel_status expected, const char *why)
{
    cosrel_error err;
    cosrel_ticket ticket;
    const cosrel_request request = {
        .inputs = input, .input_count = 1, .outputs = outputs, .output_count = count};
    assert_int_equal(cosrel_submit(rt, fixture_model(rt, model), &request, &ticket, &err),
                     expected);
    if (!strstr(err.text, why))
        fail_msg("'%s' is not in '%s'", why, err.text);
}

static void refuses_what_cannot_be(void **state)
{
    (void)state;
    float y[8];
    const char *texts[3] = {"a", "b", "c"};
    const int64_t three[] = {1, 3};
    const cosrel_tensor input = fixture_floats(row, 2, x);
    const cosrel_tensor strings = {
        .type = COSREL_STRING, .rank = 2, .shape = three, .data = texts, .bytes = sizeof texts};
    const cosrel_tensor little = memory("y", y, 12), other = memory("z", y, 16);
    const cosrel_tensor twice[2] = {memory("y", y, 16), memory("y", y + 4, 16)};
    const cosrel_tensor none = memory("y", NULL, 16), fits = memory("y", y, sizeof y);
    const cosrel_tensor two[2] = {memory(NULL, y, 16), memory(NULL, y + 4, 16)};
    refused("add", &input, &little, 1, COSREL_INVALID_ARGUMENT, "16 bytes, more than the 12");
    refused("add", &input, &other, 1, COSREL_INVALID_ARGUMENT, "no output 'z'");
    refused("add", &input, twice, 2, COSREL_INVALID_ARGUMENT, "twice");
    refused("add", &input, two, 2, COSREL_INVALID_ARGUMENT, "1 outputs, not 2");
    refused("add", &input, &none, 1, COSREL_INVALID_ARGUMENT, "missing");
    refused("strings", &strings, &fits, 1, COSREL_UNSUPPORTED, "strings");
}

/* What an emulated processor answers has to be copied: the run was not told. */
static void other_processors(void **state)
{
    (void)state;
    fixture_write("one/none", "");
    fixture_write("npu.csv", "device,processor,model,precision,framework,batch,latency_ms,power_w,"
                             "energy_mj,source\nb,npu,add,,,1,1,,,t\n");
    fixture_write("npu.yaml", "processors: [npu]\nemulated:\n  - {name: npu, table: npu.csv}\n");
    char path[512];
    fixture_path("one/add.onnx", path);
    assert_true(tiny_add(path));
    fixture_path("npu.yaml", path);
    cosrel_options options = fixture_options();
    options.settings_file = path;
    cosrel_runtime *other = fixture_open(&options, "one");
    float y[4] = {1, 1, 1, 1};
    const cosrel_tensor input = fixture_floats(row, 2, x), place = memory("y", y, sizeof y);
    const cosrel_request request = {
        .inputs = &input, .input_count = 1, .outputs = &place, .output_count = 1};
    cosrel_ticket ticket;
    cosrel_error err;
    const cosrel_result *r;
    assert_int_equal(cosrel_submit(other, fixture_model(other, "add"), &request, &ticket, &err),
                     COSREL_OK);
    assert_int_equal(cosrel_wait(other, ticket, -1, &r), COSREL_OK);
    assert_true(r->emulated);
    assert_ptr_equal(r->outputs[0].data, y);
    const float zeros[4] = {0};
    assert_memory_equal(y, zeros, sizeof zeros);
    cosrel_result_release(r);
    cosrel_runtime_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_there),
        cmocka_unit_test(never_writes_what_it_reads),
        cmocka_unit_test(copies_what_is_not_known_before),
        cmocka_unit_test(believes_the_run),
        cmocka_unit_test(batches_in_order),
        cmocka_unit_test(batches_out_of_order),
        cmocka_unit_test(refuses_what_cannot_be),
        cmocka_unit_test(other_processors),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
