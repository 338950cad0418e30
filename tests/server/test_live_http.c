/* The live page and its stream over real sockets: what is served, who may change the objective,
 * viewers that do not read or go away, and that the server ends while somebody looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/live.h"
#include "serving.h"

static int begin(const char *token)
{
    return serving_begin(
        &(server_options){.http = {.address = "127.0.0.1:0"}, .admin_token = token});
}

static int start(void **state)
{
    (void)state;
    return serving_start(
        &(server_options){.http = {.address = "127.0.0.1:0"}, .admin_token = "correct-horse"});
}

static void request(int fd, const char *method, const char *path, const char *headers,
                    const char *body)
{
    char text[8192];
    const int length = snprintf(
        text, sizeof text, "%s %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n%s",
        method, path, headers, strlen(body), body);
    assert_int_equal(send(fd, text, (size_t)length, MSG_NOSIGNAL), length);
}

/* What comes until `text` was seen or the connection ends. */
static char *hear_until(int fd, const char *text)
{
    static char all[1 << 20];
    size_t used = 0;
    all[0] = '\0';
    while (!strstr(all, text)) {
        const ssize_t n = recv(fd, all + used, sizeof all - 1 - used, 0);
        if (n <= 0)
            break;
        used += (size_t)n;
        all[used] = '\0';
    }
    return all;
}

/* The whole answer; its connection ends with it. */
static char *fetch_all(const char *method, const char *path, const char *headers, const char *body)
{
    char more[512];
    const int fd = dial();
    snprintf(more, sizeof more, "Connection: close\r\n%s", headers);
    request(fd, method, path, more, body);
    char *all = hear_until(fd, "\x01 never");
    close(fd);
    return all;
}

/* A viewer; tried again while the places of those that left are not free yet: that is noticed with
 * the next snapshot. */
static int look_in(void)
{
    for (int i = 0; i < 100; i++) {
        const int fd = dial();
        request(fd, "GET", "/live/events", "", "");
        const char *answer = hear_until(fd, "\r\n\r\n");
        if (atoi(answer + 9) == 200)
            return fd;
        close(fd);
        usleep(50000);
    }
    fail_msg("no place becomes free");
    return -1;
}

static void expect(const char *answer, int status, const char *text)
{
    if (atoi(answer + 9) != status || !strstr(answer, text))
        fail_msg("expected %d '%s' in: %.600s", status, text, answer);
}

/* ---- Tests ---- */

static void serves_the_page(void **state)
{
    (void)state;
    static const char *const files[][2] = {{"/", "text/html"},
                                           {"/live/live.css", "text/css"},
                                           {"/live/live.js", "text/javascript"},
                                           {"/live/timeline.js", "text/javascript"},
                                           {"/live/uplot.js", "uPlot"},
                                           {"/live/uplot.txt", "Permission is hereby granted"},
                                           {"/live/icon.svg", "image/svg+xml"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *answer = fetch_all("GET", files[i][0], "", "");
        expect(answer, 200, files[i][1]);
        expect(answer, 200, "Content-Security-Policy: default-src 'self';");
        expect(answer, 200, "X-Content-Type-Options: nosniff");
        char tag[64] = "";
        assert_int_equal(sscanf(strstr(answer, "ETag: "), "ETag: %40s", tag), 1);
        char known[128];
        snprintf(known, sizeof known, "If-None-Match: %s\r\n", tag);
        answer = fetch_all("GET", files[i][0], known, "");
        expect(answer, 304, tag);
        assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    }
    expect(fetch_all("HEAD", "/", "", ""), 200, "text/html");
    expect(fetch_all("POST", "/", "", ""), 405, "GET");
    expect(fetch_all("POST", "/", "", "x"), 413, "error");
    expect(fetch_all("GET", "/live", "", ""), 404, "error");
    expect(fetch_all("GET", "/live/../http.c", "", ""), 404, "error");
    expect(fetch_all("HEAD", "/live/events", "", ""), 405, "");
}

static void only_the_token_changes_the_objective(void **state)
{
    (void)state;
    static const char right[] = "Authorization: Bearer correct-horse\r\n";
    static const char *const wrong[] = {"",
                                        "Authorization: Bearer correct-hors\r\n",
                                        "Authorization: Bearer correct-horses\r\n",
                                        "Authorization: Bearer \r\n",
                                        "Authorization: Bearer\r\n",
                                        "Authorization: Basic correct-horse\r\n",
                                        "Authorization: correct-horse\r\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect(fetch_all("POST", "/live/objective", wrong[i], "{\"objective\":\"energy\"}"), 403,
               "{\"error\":\"");
    expect(fetch_all("POST", "/live/objective", right, "{\"objective\":\"deadline\"}"), 200,
           "{\"objective\":\"deadline\"}");
    static const char *const bodies[] = {"",
                                         "{",
                                         "[]",
                                         "{\"objective\":7}",
                                         "{\"objective\":\"nix\"}",
                                         "{\"objective\":\"energy\"} x"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        expect(fetch_all("POST", "/live/objective", right, bodies[i]), 400, "{\"error\":\"");
    expect(fetch_all("GET", "/live/objective", right, ""), 405, "POST");
    char large[6000];
    memset(large, ' ', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    expect(fetch_all("POST", "/live/objective", right, large), 413, "error");
    const int fd = dial();
    request(fd, "GET", "/live/events", "", "");
    assert_non_null(
        strstr(hear_until(fd, "\"objective\":\"deadline\""), "\"objective\":\"deadline\""));
    close(fd);
}

static void streams_snapshots(void **state)
{
    (void)state;
    const int fd = dial();
    request(fd, "GET", "/live/events", "", "");
    const char *text = hear_until(fd, "{\"number\":");
    expect(text, 200, "Content-Type: text/event-stream");
    expect(text, 200, "Cache-Control: no-store");
    expect(text, 200, "event: hello\ndata: {\"cosrel\":");
    const long first = strtol(strstr(text, "{\"number\":") + 10, NULL, 10);
    char later[32];
    snprintf(later, sizeof later, "{\"number\":%ld,", first + 5);
    assert_non_null(strstr(hear_until(fd, later), later));
    close(fd);
}

/* One that never reads, many that leave at once: others go on, and are served at their pace. */
static void nobody_is_held_up(void **state)
{
    (void)state;
    const int deaf = dial_slowly(1024);
    request(deaf, "GET", "/live/events", "", "");
    for (int i = 0; i < 100; i++) {
        const int gone = dial();
        request(gone, "GET", "/live/events", "", "");
        close(gone);
    }
    const int fd = look_in();
    const char *text = hear_until(fd, "{\"number\":");
    const long first = strtol(strstr(text, "{\"number\":") + 10, NULL, 10);
    char later[32];
    snprintf(later, sizeof later, "{\"number\":%ld,", first + 20);
    assert_non_null(strstr(hear_until(fd, later), later));
    expect(fetch_all("GET", "/v2/health/live", "", ""), 200, "");
    close(fd);
    close(deaf);
}

static void too_many_are_told_so(void **state)
{
    (void)state;
    int all[LIVE_VIEWERS_MAX];
    for (int i = 0; i < LIVE_VIEWERS_MAX; i++)
        all[i] = look_in();
    expect(fetch_all("GET", "/live/events", "", ""), 503, "Retry-After");
    for (int i = 0; i < LIVE_VIEWERS_MAX; i++)
        close(all[i]);
}

/* The stream ends in good order, and a server can be made again on the same runtime. */
static void ends_while_somebody_looks(void **state)
{
    (void)state;
    const int fd = look_in(), deaf = dial_slowly(1024);
    request(deaf, "GET", "/live/events", "", "");
    hear_until(fd, "{\"number\":");
    serving_end();
    hear_until(fd, "\x01 never");
    close(fd);
    close(deaf);
    assert_int_equal(begin(NULL), 0);
    expect(fetch_all("POST", "/live/objective", "Authorization: Bearer \r\n",
                     "{\"objective\":\"energy\"}"),
           403, "without an admin token");
    const int again = dial();
    request(again, "GET", "/live/events", "", "");
    assert_non_null(strstr(hear_until(again, "{\"number\":2,"), "{\"number\":2,"));
    close(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_the_page),
        cmocka_unit_test(only_the_token_changes_the_objective),
        cmocka_unit_test(streams_snapshots),
        cmocka_unit_test(nobody_is_held_up),
        cmocka_unit_test(too_many_are_told_so),
        cmocka_unit_test(ends_while_somebody_looks),
    };
    return cmocka_run_group_tests(tests, start, serving_stop);
}
