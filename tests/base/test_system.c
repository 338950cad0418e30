/* Files, CPUs, clocks and the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/file_relay.h"
#include "base/log.h"

static int open_folder(void **state)
{
    char *folder = strdup("/tmp/cosrel-base-XXXXXX");
    *state = folder;
    return folder && mkdtemp(folder) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static int close_folder(void **state)
{
    const int result = nftw(*state, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return result;
}

static size_t count_entries(const char *folder)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void save(const char *path, const char *text)
{
    file_save s;
    cosrel_error err;
    assert_int_equal(file_save_begin(&s, path, &err), COSREL_OK);
    fputs(text, s.stream);
    assert_int_equal(file_save_commit(&s, &err), COSREL_OK);
}

static void expect_text(const char *path, const char *text)
{
    char *data;
    size_t bytes;
    cosrel_error err;
    assert_int_equal(file_read(path, 1000, &data, &bytes, &err), COSREL_OK);
    assert_string_equal(data, text);
    assert_int_equal(bytes, strlen(text));
    free(data);
}

static void test_save(void **state)
{
    char *folder = file_join(*state, "save");
    cosrel_error err;
    file_save s;
    assert_int_equal(file_make_folder(folder, &err), COSREL_OK);
    assert_int_equal(file_make_folder(folder, &err), COSREL_OK);
    char *path = file_join(folder, "a.txt");
    save(path, "first");
    expect_text(path, "first");
    assert_int_equal(file_save_begin(&s, path, &err), COSREL_OK);
    fputs("second", s.stream);
    fflush(s.stream);
    expect_text(path, "first"); /* until it is committed */
    file_save_abort(&s);
    file_save_abort(&s);
    expect_text(path, "first");
    assert_int_equal(count_entries(folder), 1);
    save(path, "third");
    expect_text(path, "third");
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0644);
    assert_int_equal(count_entries(folder), 1);
    free(path);
    path = file_join(folder, "none/b.txt");
    assert_int_equal(file_save_begin(&s, path, &err), COSREL_IO);
    assert_non_null(strstr(err.text, path));
    file_save_abort(&s);
    free(path);
    free(folder);
}

/* Whoever is killed while writing leaves the old file whole. */
static void test_killed_writer(void **state)
{
    char *path = file_join(*state, "killed.txt");
    save(path, "old");
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        file_save s;
        if (file_save_begin(&s, path, NULL) == COSREL_OK) {
            for (int i = 0; i < 100000; i++)
                fputs("new", s.stream);
            kill(getpid(), SIGKILL);
        }
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    expect_text(path, "old");
    free(path);
}

static void test_read(void **state)
{
    char *path = file_join(*state, "b.txt");
    char *data;
    size_t bytes;
    cosrel_error err;
    assert_int_equal(file_read(path, 10, &data, &bytes, &err), COSREL_NOT_FOUND);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(file_read(*state, 10, &data, &bytes, &err), COSREL_INVALID_FILE);
    save(path, "0123456789a");
    assert_int_equal(file_read(path, 10, &data, &bytes, &err), COSREL_INVALID_FILE);
    assert_non_null(strstr(err.text, "11 bytes; at most 10"));
    save(path, "");
    expect_text(path, "");
    free(path);
}

static void test_folders(void **state)
{
    char *deep = file_join(*state, "x/y//z");
    char *blocked = file_join(*state, "file/sub");
    char *file = file_join(*state, "file");
    cosrel_error err;
    struct stat info;
    assert_int_equal(file_make_folder(deep, &err), COSREL_OK);
    assert_int_equal(stat(deep, &info), 0);
    assert_true(S_ISDIR(info.st_mode));
    save(file, "");
    assert_int_equal(file_make_folder(blocked, &err), COSREL_IO);
    assert_int_equal(file_make_folder(file, &err), COSREL_IO);
    free(deep);
    free(blocked);
    free(file);
}

/* ---- file_relay ---- */

enum { RELAYED = 1 << 20 };

/* In one call, as a library may. */
static bool write_at_once(const char *path, const char *data, size_t bytes)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    assert_true(fd >= 0);
    const ssize_t n = write(fd, data, bytes);
    close(fd);
    return n == (ssize_t)bytes;
}

static void test_relay(void **state)
{
    char *path = file_join(*state, "relayed"), *data = malloc(RELAYED), *got;
    size_t bytes;
    cosrel_error err;
    assert_non_null(path);
    assert_non_null(data);
    for (size_t i = 0; i < RELAYED; i++)
        data[i] = (char)(i * 31 + i / 4096);
    const size_t before = count_entries(*state);
    file_relay *r = file_relay_begin(path);
    assert_non_null(r);
    const int other = open(path, O_WRONLY); /* as a child has that was forked meanwhile */
    assert_true(other >= 0);
    assert_true(write_at_once(path, data, RELAYED));
    assert_true(file_relay_end(r));
    close(other);
    assert_int_equal(count_entries(*state), before + 1);
    assert_int_equal(file_read(path, RELAYED, &got, &bytes, &err), COSREL_OK);
    assert_int_equal(bytes, RELAYED);
    assert_memory_equal(got, data, RELAYED);
    assert_null(file_relay_begin(path)); /* it is there */
    assert_int_equal(count_entries(*state), before + 1);
    assert_int_equal(unlink(path), 0);
    r = file_relay_begin(path);
    assert_non_null(r);
    assert_true(file_relay_end(r)); /* nobody wrote */
    assert_int_equal(count_entries(*state), before);
    assert_true(file_relay_end(NULL));
    free(got);
    free(data);
    free(path);
}

/* The writer is not told, and goes on to the end. */
static void test_relay_disk_full(void **state)
{
    static char data[RELAYED];
    char *path = file_join(*state, "too large");
    struct rlimit before;
    assert_non_null(path);
    const size_t entries = count_entries(*state);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit small = {.rlim_cur = RELAYED / 2, .rlim_max = before.rlim_max};
    file_relay *r = file_relay_begin(path);
    assert_non_null(r);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const bool wrote = write_at_once(path, data, RELAYED);
    const bool whole = file_relay_end(r);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(wrote);
    assert_false(whole);
    assert_int_equal(count_entries(*state), entries);
    free(path);
}

static void test_cpu_list(void **state)
{
    (void)state;
    cpu_list list = {0};
    assert_true(cpu_list_add(&list, 5));
    assert_true(cpu_list_add(&list, 2));
    assert_true(cpu_list_add(&list, 9));
    assert_true(cpu_list_add(&list, 2));
    assert_int_equal(list.count, 3);
    assert_int_equal(list.cpus[0], 2);
    assert_int_equal(list.cpus[2], 9);
    assert_true(cpu_list_has(&list, 9));
    assert_false(cpu_list_has(&list, 3));
    assert_false(cpu_list_add(&list, -1));
    assert_false(cpu_list_add(&list, 1 << 20));
    for (int i = 100; list.count < CPU_LIST_MAX; i++)
        assert_true(cpu_list_add(&list, i));
    assert_false(cpu_list_add(&list, 99));
    assert_true(cpu_list_add(&list, 100)); /* there already */
}

static void *pin_thread(void *arg)
{
    cpu_list allowed, now;
    const cpu_list empty = {0};
    cosrel_error err;
    int *failures = arg;
    *failures += cpu_allowed(&allowed, &err) != COSREL_OK || allowed.count == 0;
    cpu_list last = {0};
    *failures += !cpu_list_add(&last, allowed.cpus[allowed.count - 1]);
    *failures += cpu_pin_self(&last, &err) != COSREL_OK;
    *failures += cpu_allowed(&now, &err) != COSREL_OK || now.count != 1 ||
                 now.cpus[0] != last.cpus[0];
    *failures += sched_getcpu() != last.cpus[0];
    *failures += cpu_pin_self(&empty, &err) != COSREL_INVALID_ARGUMENT;
    const cpu_list absent = {1, {8000}};
    *failures += cpu_pin_self(&absent, &err) != COSREL_INVALID_ARGUMENT;
    cpu_name_self("a name longer than fifteen bytes");
    char name[32];
    *failures += pthread_getname_np(pthread_self(), name, sizeof name) != 0 ||
                 strcmp(name, "a name longer t") != 0;
    *failures += cpu_background_self(&err) != COSREL_OK || sched_getscheduler(0) != SCHED_IDLE;
    return NULL;
}

/* In a thread of its own, which leaves this one as it was. */
static void test_pin(void **state)
{
    (void)state;
    pthread_t thread;
    int failures = 0;
    assert_int_equal(pthread_create(&thread, NULL, pin_thread, &failures), 0);
    pthread_join(thread, NULL);
    assert_int_equal(failures, 0);
}

static void test_clocks(void **state)
{
    (void)state;
    const int64_t wall = clock_now_ns();
    const int64_t thread = clock_thread_cpu_ns();
    const int64_t process = clock_process_cpu_ns();
    volatile uint64_t work = 0;
    for (int i = 0; i < 1000000; i++)
        work = work + (uint64_t)i;
    assert_true(clock_now_ns() > wall);
    assert_true(clock_thread_cpu_ns() > thread);
    assert_true(clock_process_cpu_ns() >= process + (clock_thread_cpu_ns() - thread) / 2);
}

typedef struct heard {
    int count;
    cosrel_log_level level;
    char message[2048];
} heard;

static void listen_to(void *user, cosrel_log_level level, const char *message)
{
    heard *h = user;
    h->count++;
    h->level = level;
    snprintf(h->message, sizeof h->message, "%s", message);
}

static void test_log(void **state)
{
    (void)state;
    heard h = {0};
    logger log;
    char long_text[3000];
    logger_init(&log, COSREL_LOG_WARNING, listen_to, &h);
    log_info(&log, "not heard");
    assert_int_equal(h.count, 0);
    log_warning(&log, "%s\n\x1b[31m%d", "a", 7);
    assert_int_equal(h.level, COSREL_LOG_WARNING);
    assert_string_equal(h.message, "a  [31m7");
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    log_error(&log, "%s", long_text);
    assert_int_equal(h.count, 2);
    assert_int_equal(strlen(h.message), 1023);
    log_error(NULL, "nobody");
    logger_init(&log, COSREL_LOG_INFO, listen_to, &h);
    log_info(&log, "heard");
    assert_string_equal(h.message, "heard");
}

static void test_log_stderr(void **state)
{
    (void)state;
    int ends[2];
    char line[256];
    logger log;
    assert_int_equal(pipe(ends), 0);
    const int kept = dup(STDERR_FILENO);
    assert_true(kept >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    logger_init(&log, COSREL_LOG_INFO, NULL, NULL);
    log_warning(&log, "disk %s", "full");
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    const ssize_t bytes = read(ends[0], line, sizeof line - 1);
    assert_true(bytes > 0);
    line[bytes] = '\0';
    assert_string_equal(line, "cosrel: warning: disk full\n");
    close(ends[0]);
    close(ends[1]);
    close(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_save),
        cmocka_unit_test(test_killed_writer),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_cpu_list),
        cmocka_unit_test(test_pin),
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_log_stderr),
        cmocka_unit_test(test_relay),
        cmocka_unit_test(test_relay_disk_full),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
