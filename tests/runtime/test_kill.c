/* kill -9 while a runtime loads, profiles and saves: what is on disk stays whole. */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"
#include "tiny_onnx.h"

enum { KILLS = 12 };

/* The child: opens with a fresh cache, saves its profile again and again. It never returns. */
static void work_for_ever(const char *models, const char *saved, const char *cache)
{
    cosrel_options options;
    cosrel_options_init(&options);
    options.cache_folder = cache;
    for (;;) {
        cosrel_runtime *rt;
        cosrel_error err;
        if (cosrel_runtime_open(&options, &rt, &err) != COSREL_OK ||
            cosrel_runtime_load(rt, models, &err) != COSREL_OK)
            _exit(1);
        for (int i = 0; i < 50; i++) {
            if (cosrel_runtime_save_profile(rt, saved, &err) != COSREL_OK)
                _exit(1);
        }
        cosrel_runtime_close(rt);
        char command[600];
        snprintf(command, sizeof command, "rm -rf '%s'/*", options.cache_folder);
        if (system(command) != 0)
            _exit(1);
    }
}

static void test_killed(void **state)
{
    (void)state;
    char models[512];
    char path[512];
    static char saved[512];
    rng random;
    rng_init(&random, 1);
    fixture_path("models/matmul.onnx", path);
    assert_true(tiny_matmul(path, 1 << 20));
    fixture_path("models/add.onnx", path);
    assert_true(tiny_add(path));
    fixture_path("models", models);
    fixture_path("profile.csv", saved);
    for (int i = 0; i < KILLS; i++) {
        int status;
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            /* A program of its own: threads and ONNX Runtime do not survive a bare fork. */
            execl("/proc/self/exe", "child", models, saved, fixture_options().cache_folder,
                  (char *)NULL);
            _exit(127);
        }
        /* The first one comes as far as saving, however slow the machine is. */
        for (int k = 0; i == 0 && k < 6000 && access(saved, R_OK) != 0; k++)
            usleep(10000);
        usleep((useconds_t)(20000 + rng_below(&random, 300000)));
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status)); /* it had not failed by itself */
        cosrel_options options = fixture_options();
        if (access(saved, R_OK) == 0)
            options.profile = saved; /* opening reads it all: a torn file would be refused */
        cosrel_runtime *rt = fixture_open(&options, "models");
        assert_int_equal(cosrel_runtime_model_count(rt), 2);
        const int64_t shape[] = {1, 4};
        float x[4] = {1, 1, 1, 1};
        const cosrel_tensor t = fixture_floats(shape, 2, x);
        const cosrel_result *r;
        cosrel_error err;
        assert_int_equal(cosrel_run(rt, fixture_model(rt, "add"), &t, 1, &r, &err), COSREL_OK);
        const float expected[] = {2, 3, 4, 5};
        assert_memory_equal(r->outputs[0].data, expected, sizeof expected);
        cosrel_result_release(r);
        cosrel_runtime_close(rt);
    }
    assert_int_equal(access(saved, R_OK), 0); /* at least one child came as far as saving */
}

int main(int argc, char **argv)
{
    if (argc == 4)
        work_for_ever(argv[1], argv[2], argv[3]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
