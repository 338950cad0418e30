/* The folder of optimised copies: who writes there may be killed at any byte, or find the disk
 * full. The model is loaded all the same, right, and nothing piles up. */
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"
#include "tiny_onnx.h"

enum { N = 256, KILLS = 16, SKIPPED = 77 };

/* What a copy has: its weights, packed ones included. Limits on files go to some more. */
static const long COPY_BYTES = 2L * N * N * sizeof(float);

static int warnings;

static void count_warnings(void *user, cosrel_log_level level, const char *message)
{
    (void)user, (void)message;
    warnings += level <= COSREL_LOG_WARNING;
}

/* Loads the file with this cache; true: three times one is three. Gently, others write the copy
 * (base/file_relay.h). */
static bool works(const char *model, const char *cache, bool gently)
{
    static const int64_t shape[] = {1, N};
    float x[N];
    const cosrel_tensor t = fixture_floats(shape, 2, x);
    const cosrel_result *r = NULL;
    cosrel_runtime *rt;
    cosrel_error err = {.text = ""};
    cosrel_options options;
    cosrel_load_options how;
    cosrel_options_init(&options);
    cosrel_load_options_init(&how);
    how.gently = gently;
    options.cache_folder = cache;
    options.processors = "cpu0";
    options.log = count_warnings;
    for (int i = 0; i < N; i++)
        x[i] = 1;
    bool right = cosrel_runtime_open(&options, &rt, &err) == COSREL_OK &&
                 cosrel_runtime_load_models(rt, model, &how, &err) == COSREL_OK &&
                 cosrel_run(rt, cosrel_runtime_model(rt, 0), &t, 1, &r, &err) == COSREL_OK;
    for (int i = 0; i < N && right; i++)
        right = ((const float *)r->outputs[0].data)[i] == 3;
    if (err.text[0])
        fprintf(stderr, "%s\n", err.text);
    cosrel_result_release(r);
    cosrel_runtime_close(rt);
    return right;
}

/* ---- The folder ---- */

typedef struct seen {
    int temporary, copies;
} seen;

static seen look(const char *cache)
{
    seen s = {.temporary = 0};
    DIR *dir = opendir(cache);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        s.temporary += strncmp(entry->d_name, "tmp-", 4) == 0;
        s.copies += entry->d_name[0] != '.' && strncmp(entry->d_name, "tmp-", 4) != 0;
    }
    if (dir)
        closedir(dir);
    return s;
}

static void forget_copies(const char *cache)
{
    char command[600];
    snprintf(command, sizeof command, "find '%s' -mindepth 1 -maxdepth 1 ! -name 'tmp-*' %s", cache,
             "-exec rm -rf {} +");
    assert_int_equal(system(command), 0);
}

static char *make(const char *name, char cache[512])
{
    static char model[512];
    char file[128];
    snprintf(file, sizeof file, "%s/m.onnx", name);
    fixture_path(file, model);
    assert_true(tiny_scale(model, N, 3, NULL, NULL));
    snprintf(file, sizeof file, "%s-cache", name);
    fixture_path(file, cache);
    return model;
}

/* ---- Children: programs of their own ---- */

/* The limit ends them, as a kill does, at the first byte beyond it. */
static int load_with_limit(const char *model, const char *cache, const char *limit)
{
    const struct rlimit bytes = {.rlim_cur = (rlim_t)atol(limit), .rlim_max = RLIM_INFINITY};
    const struct rlimit none = {.rlim_cur = 0};
    signal(SIGXFSZ, SIG_DFL);
    if (setrlimit(RLIMIT_CORE, &none) != 0 || setrlimit(RLIMIT_FSIZE, &bytes) != 0)
        return 1;
    return works(model, cache, false) ? 0 : 1;
}

static int load_for_ever(const char *model, const char *cache)
{
    for (bool gently = false;; gently = !gently) {
        if (!works(model, cache, gently))
            return 1;
        forget_copies(cache);
    }
}

/* A disk that is full sooner or later, seen by this process only. */
static int load_on_small_disks(const char *model, const char *cache)
{
    if (unshare(CLONE_NEWNS) != 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return SKIPPED;
    for (long bytes = 4096; bytes < 2 * COPY_BYTES; bytes = bytes * 3 / 2) {
        char option[64];
        snprintf(option, sizeof option, "size=%ld", bytes);
        if (mount("tmpfs", cache, "tmpfs", 0, option) != 0)
            return SKIPPED;
        warnings = 0;
        for (int gently = 0; gently < 2; gently++) {
            if (!works(model, cache, gently) || warnings > 1 || look(cache).temporary != 0)
                return 1;
            forget_copies(cache);
            warnings = 0;
        }
        if (umount2(cache, MNT_DETACH) != 0)
            return 2;
    }
    return 0;
}

static pid_t start(const char *what, const char *model, const char *cache, const char *limit)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execl("/proc/self/exe", "child", what, model, cache, limit, (char *)NULL);
        _exit(127);
    }
    return child;
}

static int end_of(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* ---- Killed ---- */

/* While the copy is being written, at one byte after the other. */
static void test_killed_while_writing(void **state)
{
    (void)state;
    char cache[512];
    const char *model = make("written", cache);
    int killed = 0;
    for (long limit = 0; limit < COPY_BYTES; limit += 1 + limit / 2) {
        char text[24];
        snprintf(text, sizeof text, "%ld", limit);
        const int status = end_of(start("limit", model, cache, text));
        killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ;
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        assert_true(look(cache).temporary <= 1); /* who comes next clears up */
        if (WIFSIGNALED(status))
            assert_int_equal(look(cache).copies, 0);
    }
    assert_true(killed > 5);
    assert_true(works(model, cache, false));
    assert_int_equal(look(cache).temporary, 0);
    assert_int_equal(look(cache).copies, 1);
    assert_true(works(model, cache, false));
}

/* And at any other moment. */
static void test_killed_at_any_time(void **state)
{
    (void)state;
    char cache[512];
    const char *model = make("any", cache);
    rng random;
    rng_init(&random, 1);
    for (int i = 0; i < KILLS; i++) {
        const pid_t child = start("for-ever", model, cache, "");
        usleep((useconds_t)(10000 + rng_below(&random, 200000)));
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_true(WIFSIGNALED(end_of(child))); /* it had not failed by itself */
        assert_true(look(cache).temporary <= 1);
        if (i % 4 == 0)
            assert_true(works(model, cache, false));
    }
    forget_copies(cache);
    assert_true(works(model, cache, false));
    assert_int_equal(look(cache).temporary, 0);
}

/* Somebody else's folder is left alone as long as he lives. */
static void test_somebody_else_writes(void **state)
{
    (void)state;
    char cache[512], other[600];
    const char *model = make("else", cache);
    assert_int_equal(mkdir(cache, 0755), 0);
    snprintf(other, sizeof other, "%s/tmp-abcdef", cache);
    assert_int_equal(mkdir(other, 0755), 0);
    const int fd = open(other, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0 && flock(fd, LOCK_EX) == 0);
    assert_true(works(model, cache, false));
    assert_int_equal(look(cache).temporary, 1);
    forget_copies(cache);
    close(fd);
    assert_true(works(model, cache, false));
    assert_int_equal(look(cache).temporary, 0);
}

/* ---- Full ---- */

static void test_files_too_large(void **state)
{
    (void)state;
    char cache[512];
    const char *model = make("large", cache);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    rlim_t limit = 0;
    for (int i = 0; limit < (rlim_t)COPY_BYTES; i++) {
        const bool gently = i % 2;
        const struct rlimit small = {.rlim_cur = limit, .rlim_max = before.rlim_max};
        warnings = 0;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        const bool worked = works(model, cache, gently);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_true(worked);
        assert_true(warnings <= 1);
        assert_int_equal(look(cache).temporary, 0);
        forget_copies(cache); /* of a limit that is large enough */
        limit += gently ? 1 + limit : 0;
    }
    signal(SIGXFSZ, SIG_DFL);
    assert_true(works(model, cache, false));
    assert_int_equal(look(cache).copies, 1);
}

/* The same copy, whoever wrote it. */
static void test_gently(void **state)
{
    (void)state;
    char cache[512], other[520], command[2000];
    const char *model = make("gently", cache);
    snprintf(other, sizeof other, "%s-plain", cache);
    assert_true(works(model, cache, true));
    assert_true(works(model, other, false));
    assert_int_equal(look(cache).copies, 1);
    snprintf(command, sizeof command, "test -s '%s'/*/weights.bin && diff -r '%s' '%s'", cache,
             cache, other);
    assert_int_equal(system(command), 0);
}

static void test_small_disks(void **state)
{
    (void)state;
    char cache[512];
    const char *model = make("small", cache);
    assert_int_equal(mkdir(cache, 0755), 0);
    const int status = end_of(start("small", model, cache, ""));
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIPPED) {
        print_message("no file system may be mounted here\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_no_folder(void **state)
{
    (void)state;
    char cache[512], below[600];
    const char *model = make("nowhere", cache);
    fixture_write("nowhere-cache", "a file\n");
    snprintf(below, sizeof below, "%s/cache", cache);
    warnings = 0;
    assert_true(works(model, cache, false));
    assert_true(works(model, below, false));
    assert_true(works(model, "/proc/cosrel", false));
    assert_true(warnings <= 3);
}

/* ---- Damaged ---- */

static void test_cut_off(void **state)
{
    (void)state;
    char cache[512], command[1100];
    const char *model = make("cut", cache);
    for (long bytes = 0; bytes < COPY_BYTES; bytes = bytes * 3 + 1000) {
        assert_true(works(model, cache, false));
        assert_int_equal(look(cache).copies, 1);
        snprintf(command, sizeof command, "truncate -s %ld '%s'/*/weights.bin", bytes, cache);
        assert_int_equal(system(command), 0);
        assert_true(works(model, cache, false));
        assert_int_equal(look(cache).copies, 0); /* thrown away */
    }
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "limit") == 0)
        return load_with_limit(argv[2], argv[3], argv[4]);
    if (argc == 5 && strcmp(argv[1], "for-ever") == 0)
        return load_for_ever(argv[2], argv[3]);
    if (argc == 5 && strcmp(argv[1], "small") == 0)
        return load_on_small_disks(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_while_writing),
        cmocka_unit_test(test_killed_at_any_time),
        cmocka_unit_test(test_somebody_else_writes),
        cmocka_unit_test(test_files_too_large),
        cmocka_unit_test(test_gently),
        cmocka_unit_test(test_small_disks),
        cmocka_unit_test(test_no_folder),
        cmocka_unit_test(test_cut_off),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
