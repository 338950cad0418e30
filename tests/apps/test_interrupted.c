/* Ctrl-C keeps what was measured; kill -9 at any time leaves files whole. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "command.h"
#include "model/onnx_file.h"
#include "tiny_onnx.h"

static void nap_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void ctrl_c_keeps_results(void **state)
{
    (void)state;
    /* How long a run takes to be over depends on the machine: wait longer until one was. */
    for (long wait_ms = 2000; wait_ms <= 64000; wait_ms *= 2) {
        command c = command_started(
            "bench --models models --policies min-min,ort-1thread --seconds 0.2 --rounds 1000 "
            "--profile-cell-ms 2 --cache-folder cache --json --report i.html");
        assert_true(command_says(&c, "bench: "));
        nap_ms(wait_ms);
        kill(c.pid, SIGINT);
        command_wait(&c);
        expect_rc(&c, 1);
        assert_non_null(strstr(c.err, "interrupted: these are "));
        json_t *json = command_json(&c);
        const size_t runs = json_array_size(json_object_get(json, "runs"));
        json_decref(json);
        command_free(&c);
        struct stat info;
        assert_int_equal(stat("i.html", &info), 0);
        if (runs > 0) {
            assert_true(runs < 2000);
            return;
        }
    }
    fail_msg("no run in a minute");
}

static void ctrl_c_while_preparing(void **state)
{
    (void)state;
    assert_true(mkdir("slow", 0755) == 0 && tiny_slow("slow/slow.onnx", 40) &&
                tiny_add("slow/add.onnx"));
    command c = command_started(
        "profile --models slow --out p.csv --cell-ms 60000 --cache-folder cache");
    assert_true(command_says(&c, "profile: "));
    kill(c.pid, SIGINT);
    command_wait(&c);
    expect_rc(&c, 1);
    assert_non_null(strstr(c.err, "interrupted: p.csv holds what was measured until then"));
    struct stat info;
    assert_int_equal(stat("p.csv", &info), 0);
    command_free(&c);
    c = command_run(
        "bench --models slow --profile p.csv --policies min-min --seconds 0.1 --rounds 1 "
        "--cache-folder cache --json");
    expect_rc(&c, 0);
    command_free(&c);
}

static void second_ctrl_c_kills(void **state)
{
    (void)state;
    command c = command_started(
        "bench --models models --policies ort-1thread --seconds 3000 --rounds 1 --quiet");
    for (int i = 0; i < 1000; i++) {
        /* The first is seen within a moment and the command ends in order; the second, sent at
         * once, may cut that short. Either way it does not live on. */
        if (kill(c.pid, SIGINT) != 0)
            break;
        siginfo_t info = {.si_pid = 0};
        nap_ms(5);
        if (waitid(P_PID, (id_t)c.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0)
            break;
    }
    command_wait(&c);
    assert_true(c.rc == 1 || c.rc == 256 + SIGINT);
    command_free(&c);
}

static void killed_while_writing_models(void **state)
{
    (void)state;
    for (long delay_ms = 5; delay_ms <= 400; delay_ms = delay_ms * 3 / 2) {
        command c = command_started("zoo z --only mobilenet_v2,squeezenet --quiet");
        nap_ms(delay_ms);
        kill(c.pid, SIGKILL);
        command_wait(&c);
        static const char *const files[] = {"z/mobilenet_v2.onnx", "z/squeezenet.onnx"};
        for (int i = 0; i < 2; i++) {
            struct stat info;
            if (stat(files[i], &info) != 0)
                continue;
            onnx_file file;
            cosrel_error err = {""};
            if (onnx_file_open(files[i], &file, &err) != COSREL_OK)
                fail_msg("killed after %ld ms: %s", delay_ms, err.text);
            onnx_file_close(&file);
            unlink(files[i]);
        }
        command_free(&c);
    }
    command c = command_run("zoo z --only squeezenet --quiet");
    expect_rc(&c, 0);
    command_free(&c);
}

static void killed_while_measuring(void **state)
{
    (void)state;
    FILE *old = fopen("old.html", "wb");
    assert_non_null(old);
    fputs("the old report", old);
    fclose(old);
    command c = command_started(
        "bench --models models --policies min-min,ort-1thread --seconds 600 --rounds 1 "
        "--profile-cell-ms 2 --cache-folder cache --report old.html");
    assert_true(command_says(&c, "bench: "));
    kill(c.pid, SIGKILL);
    command_wait(&c);
    command_free(&c);
    char text[64] = "";
    old = fopen("old.html", "rb");
    assert_non_null(old);
    assert_non_null(fgets(text, sizeof text, old));
    fclose(old);
    assert_string_equal(text, "the old report");
    /* The cache of optimised models that it may have been writing serves the next one. */
    c = command_run("run models/add.onnx --cache-folder cache");
    expect_rc(&c, 0);
    command_free(&c);
}

/* The process that `parent` started and whose command line holds `word`; 0: none now. One that has
 * just been forked still has its parent's command line: it is not meant. */
static pid_t child_with(pid_t parent, const char *word)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    FILE *children = fopen(path, "rb");
    int child = 0;
    while (children && fscanf(children, "%d", &child) == 1) {
        char line[1024] = "";
        snprintf(path, sizeof path, "/proc/%d/cmdline", child);
        FILE *f = fopen(path, "rb");
        const size_t bytes = f ? fread(line, 1, sizeof line - 1, f) : 0;
        if (f)
            fclose(f);
        for (size_t i = 0; i < bytes; i++)
            line[i] = line[i] ? line[i] : ' ';
        if (strstr(line, "bench-child") && strstr(line, word)) {
            fclose(children);
            return child;
        }
    }
    if (children)
        fclose(children);
    return 0;
}

/* A baseline runs in a process of its own: its end is told, and the other policies' results stay.
 */
static void one_policy_dies(void **state)
{
    (void)state;
    command c = command_started(
        "bench --models models --policies ort-nospin,min-min --seconds 3 --rounds 1 "
        "--profile-cell-ms 2 --cache-folder cache --json");
    pid_t child = 0;
    for (int i = 0; i < 60000 && !child; i++) {
        nap_ms(1);
        child = child_with(c.pid, "ort-nospin");
    }
    assert_true(child > 0);
    kill(child, SIGKILL);
    command_wait(&c);
    expect_rc(&c, 1);
    assert_non_null(strstr(c.err, "ort-nospin"));
    json_t *json = command_json(&c);
    const json_t *runs = json_object_get(json, "runs");
    assert_int_equal(json_array_size(runs), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(runs, 0), "policy")),
                        "min-min");
    json_decref(json);
    command_free(&c);
}

static int prepare(void **state)
{
    (void)state;
    enter_scratch("interrupted");
    return mkdir("models", 0755) == 0 && tiny_add("models/add.onnx") ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ctrl_c_keeps_results),   cmocka_unit_test(ctrl_c_while_preparing),
        cmocka_unit_test(second_ctrl_c_kills),    cmocka_unit_test(killed_while_writing_models),
        cmocka_unit_test(killed_while_measuring), cmocka_unit_test(one_policy_dies),
    };
    return cmocka_run_group_tests(tests, prepare, leave_scratch);
}
