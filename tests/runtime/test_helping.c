/* Short runs on the thread that asks for them: no hand-over, and nothing else changes. */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "tiny_onnx.h"

/* A run of `add` is said to take 1 us, one of `slow` 100 ms; the first ones go by that. */
static const char profile[] =
    "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
    "b,cpu0,add,,,1,0.001,,,t\n"
    "b,cpu0,slow,,,1,100,,,t\n";

static const int64_t row[] = {1, 4};

static cosrel_runtime *open_fresh(void)
{
    static char path[512], profile_path[512];
    fixture_write("models/none", "");
    fixture_write("profile.csv", profile);
    fixture_path("profile.csv", profile_path);
    fixture_path("models/add.onnx", path);
    assert_true(tiny_add(path));
    fixture_path("models/slow.onnx", path);
    assert_true(tiny_slow(path, 2));
    cosrel_options options = fixture_options();
    options.profile = profile_path;
    options.processors = "cpu0";
    return fixture_open(&options, "models");
}

/* One request and what its callback saw. */
typedef struct asked {
    cosrel_runtime *rt;
    float x[4];
    cosrel_tensor input;
    bool here, keep;
    int again; /* how many more the callback asks for */
    pthread_t thread;
    cosrel_status status;
    float y;
    const cosrel_result *kept;
    _Atomic int answers;
} asked;

static void submit(asked *a, const char *model);

static void done(const cosrel_result *result)
{
    asked *a = result->user;
    a->thread = pthread_self();
    a->status = result->status;
    a->y = result->status == COSREL_OK ? ((const float *)result->outputs[0].data)[0] : -1;
    if (a->keep) {
        cosrel_result_keep(result);
        a->kept = result;
    }
    if (a->again-- > 0)
        submit(a, "add"); /* counted when all that come of it are */
    atomic_fetch_add(&a->answers, 1);
}

static void submit(asked *a, const char *model)
{
    cosrel_error err;
    const cosrel_request request = {
        .inputs = &a->input, .input_count = 1, .done = done, .user = a, .may_run_here = a->here};
    assert_int_equal(cosrel_submit(a->rt, fixture_model(a->rt, model), &request, NULL, &err),
                     COSREL_OK);
}

static void prepare(asked *a, cosrel_runtime *rt, float x)
{
    memset(a, 0, sizeof *a);
    a->rt = rt;
    a->here = true;
    a->x[0] = x;
    a->input = fixture_floats(row, 2, a->x);
}

static void wait_for(const asked *a, int answers)
{
    while (atomic_load(&a->answers) < answers)
        sched_yield();
}

static void runs_here(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_fresh();
    asked a;
    prepare(&a, rt, 4);
    submit(&a, "add");
    assert_int_equal(atomic_load(&a.answers), 1);
    assert_true(pthread_equal(a.thread, pthread_self()));
    assert_int_equal(a.status, COSREL_OK);
    assert_true(a.y == 5);
    cosrel_processor_stats stats;
    cosrel_processor_get_stats(rt, fixture_processor(rt, "cpu0"), &stats);
    assert_int_equal(stats.runs, 1);
    cosrel_runtime_close(rt);
}

static void not_unless_it_may(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_fresh();
    asked a;
    prepare(&a, rt, 4);
    a.here = false;
    submit(&a, "add");
    wait_for(&a, 1);
    assert_false(pthread_equal(a.thread, pthread_self()));
    cosrel_runtime_close(rt);
}

static void not_what_takes_long(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_fresh();
    asked slow, quick;
    prepare(&slow, rt, 1);
    submit(&slow, "slow");
    /* The only processor is taken: this waits for it, and for nobody's help. */
    prepare(&quick, rt, 4);
    submit(&quick, "add");
    wait_for(&slow, 1);
    assert_false(pthread_equal(slow.thread, pthread_self()));
    wait_for(&quick, 1);
    assert_true(quick.y == 5);
    cosrel_runtime_close(rt);
}

/* A callback that asks for more gets it, however deep that would go. */
static void does_not_nest(void **state)
{
    (void)state;
    enum { MORE = 20000 };
    cosrel_runtime *rt = open_fresh();
    asked a;
    prepare(&a, rt, 1);
    a.again = MORE;
    submit(&a, "add");
    wait_for(&a, MORE + 1);
    assert_int_equal(a.status, COSREL_OK);
    cosrel_runtime_close(rt);
}

typedef struct outer {
    asked own, inner;
} outer;

static void asks_within(const cosrel_result *result)
{
    outer *o = result->user;
    cosrel_result_keep(result);
    o->own.kept = result;
    submit(&o->inner, "add");
    atomic_fetch_add(&o->own.answers, 1);
}

/* What a callback keeps stays kept, though others' callbacks ran within it. */
static void keeps_what_is_kept(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_fresh();
    outer o;
    cosrel_error err;
    prepare(&o.own, rt, 10);
    prepare(&o.inner, rt, 20);
    const cosrel_request request = {
        .inputs = &o.own.input, .input_count = 1, .done = asks_within, .user = &o};
    assert_int_equal(cosrel_submit(rt, fixture_model(rt, "add"), &request, NULL, &err), COSREL_OK);
    wait_for(&o.own, 1);
    wait_for(&o.inner, 1);
    asked later;
    for (int i = 0; i < 100; i++) { /* would take the place of what was let go */
        prepare(&later, rt, (float)i);
        submit(&later, "add");
        wait_for(&later, 1);
    }
    assert_true(((const float *)o.own.kept->outputs[0].data)[0] == 11);
    assert_true(o.inner.y == 21);
    cosrel_result_release(o.own.kept);
    cosrel_runtime_close(rt);
}

enum { THREADS = 4, EACH = 2000 };

static void *ask_often(void *arg)
{
    cosrel_runtime *rt = arg;
    for (int i = 0; i < EACH; i++) {
        asked a;
        prepare(&a, rt, (float)i);
        submit(&a, "add");
        wait_for(&a, 1);
        assert_true(a.y == (float)i + 1);
    }
    return NULL;
}

static void many_threads(void **state)
{
    (void)state;
    cosrel_runtime *rt = open_fresh();
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, rt), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    cosrel_model_stats stats;
    cosrel_model_get_stats(rt, fixture_model(rt, "add"), &stats);
    assert_int_equal(stats.completed, THREADS * EACH);
    cosrel_runtime_close(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_here),           cmocka_unit_test(not_unless_it_may),
        cmocka_unit_test(not_what_takes_long), cmocka_unit_test(does_not_nest),
        cmocka_unit_test(keeps_what_is_kept),  cmocka_unit_test(many_threads),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
