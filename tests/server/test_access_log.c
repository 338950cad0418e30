/* The access log: what a line holds, whatever a client put into it; rotation; and files that take
 * lines slowly, never or not at all. */
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "server/access_log.h"

static char folder[] = "/tmp/test-access-log-XXXXXX";

static const char *in_folder(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static access_log *open_log(const char *path)
{
    access_log *l;
    cosrel_error err = {""};
    if (access_log_open(path, &l, &err) != COSREL_OK)
        fail_msg("%s", err.text);
    return l;
}

static char *contents(const char *path)
{
    char *text = calloc(1, 1 << 20);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_in_range(fread(text, 1, (1 << 20) - 1, file), 0, (1 << 20) - 2);
    fclose(file);
    return text;
}

static access_entry plain(const char *path)
{
    return (access_entry){.protocol = "http",
                          .peer = "127.0.0.1:5",
                          .method = "GET",
                          .path = path,
                          .id = "7",
                          .status = 200,
                          .queue_ns = -1,
                          .compute_ns = -1};
}

static void says(json_t *line, const char *key, const char *value)
{
    const char *is = json_string_value(json_object_get(line, key));
    if (!is || strcmp(is, value) != 0)
        fail_msg("%s is '%s', expected '%s'", key, is ? is : "(none)", value);
}

static void counts(json_t *line, const char *key, int64_t value)
{
    assert_true(json_is_integer(json_object_get(line, key)));
    assert_int_equal(json_integer_value(json_object_get(line, key)), value);
}

/* "2026-01-02T03:04:05.678Z" */
static void is_time(const char *text)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    assert_int_equal(strlen(text), sizeof form - 1);
    for (size_t i = 0; i < sizeof form - 1; i++)
        if (form[i] == 'd')
            assert_in_range(text[i], '0', '9');
        else
            assert_int_equal(text[i], form[i]);
}

static void writes_all_of_a_request(void **state)
{
    (void)state;
    const char *path = in_folder("all");
    access_log *l = open_log(path);
    access_log_add(l, &(access_entry){.protocol = "grpc",
                                      .peer = "[::1]:5",
                                      .method = "POST",
                                      .path = "/v2/models/m/infer",
                                      .model = "m",
                                      .version = 3,
                                      .id = "an id",
                                      .status_name = "INTERNAL",
                                      .incomplete = true,
                                      .bytes_in = 5000000000,
                                      .bytes_out = 12,
                                      .total_ns = 4999,
                                      .queue_ns = 2000,
                                      .compute_ns = 1000,
                                      .processor = "cpu0",
                                      .batch = 4,
                                      .role = "infer",
                                      .agent = "curl",
                                      .error = "no"});
    const access_entry little = plain("/metrics");
    access_log_add(l, &little);
    access_log_close(l);
    char *text = contents(path), *second = strchr(text, '\n') + 1;
    json_t *line = json_loadb(text, (size_t)(second - text), 0, NULL);
    assert_non_null(line);
    is_time(json_string_value(json_object_get(line, "time")));
    says(line, "protocol", "grpc");
    says(line, "peer", "[::1]:5");
    says(line, "method", "POST");
    says(line, "path", "/v2/models/m/infer");
    says(line, "model", "m");
    counts(line, "version", 3);
    says(line, "id", "an id");
    says(line, "status", "INTERNAL");
    assert_true(json_is_true(json_object_get(line, "incomplete")));
    counts(line, "bytes_in", 5000000000);
    counts(line, "bytes_out", 12);
    counts(line, "total_us", 4);
    counts(line, "queue_us", 2);
    counts(line, "compute_us", 1);
    counts(line, "batch", 4);
    says(line, "processor", "cpu0");
    says(line, "role", "infer");
    says(line, "user_agent", "curl");
    says(line, "error", "no");
    json_decref(line);
    line = json_loads(second, 0, NULL);
    assert_non_null(line);
    counts(line, "status", 200);
    assert_null(json_object_get(line, "model"));
    assert_null(json_object_get(line, "queue_us"));
    assert_null(json_object_get(line, "role"));
    json_decref(line);
    free(text);
}

/* One request is one line that is JSON, whatever it holds. */
static void escapes_what_clients_say(void **state)
{
    (void)state;
    static const char *const evil[] = {
        "a\nb\r\n\t{\"x\":1}\\",
        "\x1b[31mred\x07\x7f",
        "\xff\xfe broken \xc3",
        "\xc0\xaf\xed\xa0\x80",
        "\xe2\x82",
        "</script>",
        "\xf0\x9f\x98\x80 is fine",
    };
    enum { COUNT = sizeof evil / sizeof *evil };
    const char *path = in_folder("evil");
    access_log *l = open_log(path);
    for (int i = 0; i < COUNT; i++) {
        access_entry e = plain(evil[i]);
        e.agent = e.id = e.model = e.error = evil[i];
        access_log_add(l, &e);
    }
    access_log_close(l);
    char *text = contents(path), *at = text;
    for (int i = 0; i < COUNT; i++) {
        char *end = strchr(at, '\n');
        json_error_t why;
        assert_non_null(end);
        for (const char *c = at; c < end; c++)
            assert_true((unsigned char)*c >= ' ' && *c != 0x7f);
        json_t *line = json_loadb(at, (size_t)(end - at), 0, &why); /* refuses broken UTF-8 */
        if (!line)
            fail_msg("line %d: %s", i, why.text);
        if (i == 0 || i == COUNT - 1)
            says(line, "user_agent", evil[i]);
        json_decref(line);
        at = end + 1;
    }
    assert_string_equal(at, "");
    free(text);
}

static void until_written(const access_log *l, uint64_t lines)
{
    for (int i = 0; i < 30000 && access_log_count(l).lines < lines; i++)
        usleep(1000);
    assert_int_equal(access_log_count(l).lines, lines);
}

/* As logrotate does: rename, tell, and the next lines are in the new file. */
static void opens_the_file_again(void **state)
{
    (void)state;
    const char *path = in_folder("rotated"), *old = in_folder("rotated.1");
    access_log *l = open_log(path);
    const access_entry first = plain("/first"), second = plain("/second"), third = plain("/third");
    access_log_add(l, &first);
    until_written(l, 1);
    access_log_add(l, &second); /* perhaps not written yet: still the old file's */
    assert_int_equal(rename(path, old), 0);
    access_log_reopen(l);
    for (int i = 0; i < 30000 && access(path, F_OK) != 0; i++)
        usleep(1000);
    access_log_add(l, &third);
    until_written(l, 3);
    char *before = contents(old), *after = contents(path);
    assert_non_null(strstr(before, "/first"));
    assert_non_null(strstr(before, "/second"));
    assert_null(strstr(before, "/third"));
    assert_non_null(strstr(after, "/third"));
    assert_null(strstr(after, "/second"));
    free(before);
    free(after);
    /* The folder has gone: the file that is open goes on. */
    char gone[sizeof folder + 8];
    snprintf(gone, sizeof gone, "%s.gone", folder);
    assert_int_equal(rename(folder, gone), 0);
    access_log_reopen(l);
    access_log_add(l, &first);
    until_written(l, 4);
    assert_int_equal(rename(gone, folder), 0);
    access_log_close(l);
    after = contents(path);
    assert_non_null(strstr(after, "/first"));
    free(after);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777 & ~0640, 0); /* not for everybody */
    access_log_reopen(NULL);
    access_log_close(NULL);
}

/* A pipe that nobody empties is as slow as a disk can be. Lines are dropped and counted, whoever
 * adds them goes on, and what was kept comes out whole when there is room again. */
static void drops_what_is_not_taken(void **state)
{
    (void)state;
    /* More than is kept, of some 490 bytes each: 4 to 8 MB in memory, and 64 KB in the pipe. */
    enum { LINES = 40000, KEPT_LEAST = 8000 };
    char path[300];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    const char *fifo = in_folder("fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    access_log *l;
    cosrel_error err = {""};
    assert_int_equal(access_log_open(fifo, &l, &err), COSREL_IO); /* and does not wait for one */
    assert_non_null(strstr(err.text, "nobody reads"));
    const int reader = open(fifo, O_RDONLY | O_NONBLOCK);
    l = open_log(fifo);
    const access_entry e = plain(path);
    for (int i = 0; i < LINES; i++)
        access_log_add(l, &e);
    const uint64_t lost = access_log_count(l).lost;
    assert_in_range(lost, 1, LINES - KEPT_LEAST);
    access_log_close(l); /* gives up: the writer hangs */
    /* It frees all when it can go on, which the sanitizers look at. */
    uint64_t lines = 0;
    char *buffer = malloc(1 << 16);
    for (int empty = 0; empty < 3000 && lines < LINES - lost;) {
        const ssize_t n = read(reader, buffer, 1 << 16);
        empty = n > 0 ? 0 : empty + 1;
        for (ssize_t i = 0; i < n; i++)
            lines += buffer[i] == '\n';
        if (n <= 0)
            usleep(1000);
    }
    assert_int_equal(lines, LINES - lost);
    free(buffer);
    usleep(50000);
    close(reader);
    unlink(fifo);
}

static void counts_what_cannot_be_written(void **state)
{
    (void)state;
    const access_entry e = plain("/");
    access_log *l;
    cosrel_error err = {""};
    assert_int_equal(access_log_open("/nowhere/at/all", &l, &err), COSREL_IO);
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
    assert_null(l);
    if (access("/dev/full", W_OK) != 0)
        skip();
    l = open_log("/dev/full");
    for (int i = 0; i < 5; i++)
        access_log_add(l, &e);
    for (int i = 0; i < 30000 && access_log_count(l).lost < 5; i++)
        usleep(1000);
    assert_int_equal(access_log_count(l).lost, 5);
    assert_int_equal(access_log_count(l).lines, 0);
    access_log_close(l);
}

static int begin(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    static const char *const names[] = {"all", "evil", "rotated", "rotated.1"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_folder(names[i]));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_all_of_a_request),       cmocka_unit_test(escapes_what_clients_say),
        cmocka_unit_test(opens_the_file_again),          cmocka_unit_test(drops_what_is_not_taken),
        cmocka_unit_test(counts_what_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
