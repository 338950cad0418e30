/* The settings of `cosrel serve`: what is in force, and what is said of a file that is wrong. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "command.h"
#include "tiny_onnx.h"

static char path[] = "/tmp/test-serve-XXXXXX";

static void write_file(const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static command serve(const char *options)
{
    char line[256];
    snprintf(line, sizeof line, "serve --config %s %s", path, options);
    return command_run(line);
}

static void options_win_over_the_file(void **state)
{
    (void)state;
    write_file("models: \"a folder\"\nhttp: 127.0.0.1:1\nqueue_max: 7\nbody_max_mb: 9\n"
               "software_gpu: yes\ntls_cert: c.pem\ntls_key: \"a key\"\ntokens:\n  - {token: "
               "secret-secret, role: infer}\n");
    command c = serve("--http [::1]:2 --queue-max 8 --tls-cert d.pem --print-config");
    expect_rc(&c, 0);
    static const char *const lines[] = {
        "models: \"a folder\"\n", "http: \"[::1]:2\"\n",      "grpc: \"127.0.0.1:8001\"\n",
        "policy: \"learned\"\n",  "objective: \"latency\"\n", "queue_max: 8\n",
        "body_max_mb: 9\n",       "software_gpu: true\n",     "tls_cert: \"d.pem\"\n",
        "tls_key: \"a key\"\n",   "# tokens: 1, not shown\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!strstr(c.out, lines[i]))
            fail_msg("no '%s' in\n%s", lines[i], c.out);
    assert_null(strstr(c.out, "secret"));
    /* What is printed is such a file. */
    write_file(c.out);
    command again = serve("--print-config");
    expect_rc(&again, 0);
    *strstr(c.out, "# tokens") = '\0';
    assert_string_equal(again.out, c.out);
    command_free(&again);
    command_free(&c);
}

/* ---- Every option is a key ---- */

typedef struct option {
    char name[64], key[64];
    char value[32]; /* of the placeholder in --help; "": a flag */
} option;

/* Those that say where the settings come from and where they go, and the common ones. */
static bool is_setting(const char *name)
{
    static const char *const others[] = {"config", "print-config", "help"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(name, others[i]) == 0)
            return false;
    return true;
}

/* Lines of --help as "  --queue-max N   requests ...". */
static size_t read_options(option *out, size_t max)
{
    command c = command_run("serve --help");
    size_t count = 0;
    for (char *line = strtok(c.out, "\n"); line; line = strtok(NULL, "\n")) {
        option o = {.name = ""};
        char rest[32] = "";
        if (sscanf(line, "  --%63s%31c", o.name, rest) < 1 || !is_setting(o.name))
            continue;
        if (rest[0] == ' ' && rest[1] != ' ')
            sscanf(rest, " %31s", o.value);
        snprintf(o.key, sizeof o.key, "%s", o.name);
        for (char *at = o.key; *at; at++)
            *at = (char)(*at == '-' ? '_' : *at);
        assert_true(count < max);
        out[count++] = o;
    }
    command_free(&c);
    return count;
}

/* One that is not the default. Numbers differ, so that none is taken for another, and are what all
 * of them take; memory of all bodies must not be less than that of one. */
static void choose(const option *o, size_t index, char *value, size_t room)
{
    if (strcmp(o->value, "N") == 0)
        snprintf(value, room, "%zu", (strcmp(o->name, "bodies-max-mb") == 0 ? 80 : 20) + index);
    else
        snprintf(value, room, "value-of-%s", o->name);
}

static void expect_lines(const command *c, const option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char value[96], line[256];
        choose(&options[i], i, value, sizeof value);
        if (strstr(options[i].name, "token")) /* secrets are not shown */
            snprintf(line, sizeof line, "# %s: set, not shown\n", options[i].key);
        else if (!options[i].value[0])
            snprintf(line, sizeof line, "%s: true\n", options[i].key);
        else if (strcmp(options[i].value, "N") == 0)
            snprintf(line, sizeof line, "%s: %s\n", options[i].key, value);
        else
            snprintf(line, sizeof line, "%s: \"%s\"\n", options[i].key, value);
        const char *at = strstr(c->out, line);
        while (at && at != c->out && at[-1] != '\n') /* within another key */
            at = strstr(at + 1, line);
        if (!at)
            fail_msg("no '%s' in\n%s", line, c->out);
        assert_null(strstr(c->out, "value-of-admin-token"));
    }
}

/* Given on the command line, given in a file, and printed and read again: the same each time. */
static void every_option_is_a_key(void **state)
{
    (void)state;
    enum { MOST = 64 };
    static option options[MOST];
    static char line[16384] = "serve --print-config", file[16384] = "";
    const size_t count = read_options(options, MOST);
    assert_in_range(count, 20, MOST);
    for (size_t i = 0; i < count; i++) {
        const option *o = &options[i];
        const size_t used = strlen(line), in_file = strlen(file);
        assert_true(used < sizeof line - 300 && in_file < sizeof file - 300);
        char value[96];
        choose(o, i, value, sizeof value);
        snprintf(line + used, 300, " --%.63s%s%s", o->name, o->value[0] ? "=" : "",
                 o->value[0] ? value : "");
        snprintf(file + in_file, 300, "%.63s: %s\n", o->key, o->value[0] ? value : "true");
    }
    command given = command_run(line);
    expect_rc(&given, 0);
    expect_lines(&given, options, count);
    write_file(file);
    command written = serve("--print-config");
    expect_rc(&written, 0);
    assert_string_equal(written.out, given.out);
    write_file(given.out);
    command again = serve("--print-config --admin-token value-of-admin-token");
    expect_rc(&again, 0);
    assert_string_equal(again.out, given.out);
    command_free(&again);
    command_free(&written);
    command_free(&given);
}

static void settings_must_agree(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"body_max_mb: 65\nbodies_max_mb: 64\n", "bodies_max_mb: 64 is less than body_max_mb: 65"},
        {"allow_host: \"http://camera\"\n", "allow-host 'http://camera'"},
        {"queue_max: 0\n", "key 'queue_max': 0 is less than 1"},
        {"header_max_kb: 1025\n", "key 'header_max_kb': 1025 is more than 1024"},
        {"drain_seconds: 3601\n", "key 'drain_seconds'"},
        {"client_requests_max: 100001\n", "key 'client_requests_max'"},
        {"access_lok: x\n", "did you mean 'access_log'?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(cases[i].text);
        command c = serve("--print-config");
        expect_rc(&c, 2);
        expect_one_line(&c, cases[i].says);
        command_free(&c);
    }
    /* One large body makes room for itself. */
    write_file("body_max_mb: 1000\n");
    command c = serve("--print-config");
    expect_rc(&c, 0);
    assert_non_null(strstr(c.out, "bodies_max_mb: 1000\n"));
    command_free(&c);
}

static void wrong_files_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"modles: x\n", ":1: unknown key 'modles' here; did you mean 'models'?"},
        {"models: x\nqueue_max: -1\n", ":2:"},
        {"queue_max: 100001\n", "key 'queue_max': 100001 is more than 100000"},
        {"software_gpu: perhaps\n", "software_gpu"},
        {"tokens:\n  - {token: abc}\n", "role"},
        {"tokens: 5\n", "tokens"},
        {"models: [a]\n", "models"},
        {"tls_certificate: a\n", "unknown key 'tls_certificate'"},
        {"tls_crt: a\n", "did you mean 'tls_cert'?"},
        {"- a\n", "MAPPING"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(cases[i].text);
        command c = serve("--print-config");
        expect_rc(&c, 2);
        if (!strstr(c.err, cases[i].says) || !strstr(c.err, path))
            fail_msg("%s: '%s' does not say '%s'", cases[i].text, c.err, cases[i].says);
        command_free(&c);
    }
    write_file("");
    command c = serve("");
    expect_rc(&c, 2);
    assert_non_null(strstr(c.err, "--models is missing"));
    command_free(&c);
}

/* Before models are looked for. */
static void wrong_certificates_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"models: /nix\ntls_cert: /nix/c.pem\n", "--tls-key is missing"},
        {"models: /nix\ntls_key: /nix/k.pem\n", "--tls-cert is missing"},
        {"models: /nix\ntls_cert: /nix/c.pem\ntls_key: /nix/k.pem\n",
         "/nix/c.pem: cannot be opened"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(cases[i].text);
        command c = serve("");
        expect_rc(&c, 2);
        if (!strstr(c.err, cases[i].says))
            fail_msg("%s: '%s' does not say '%s'", cases[i].text, c.err, cases[i].says);
        command_free(&c);
    }
}

/* ---- Serving ---- */

static int status_of(int port, const char *headers)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = 30};
    char text[8192];
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const int length = snprintf(text, sizeof text, "GET /v2 HTTP/1.1\r\n%s\r\n", headers);
    assert_int_equal(send(fd, text, (size_t)length, MSG_NOSIGNAL), length);
    assert_int_equal(recv(fd, text, 12, MSG_WAITALL), 12);
    close(fd);
    return atoi(text + 9);
}

/* That what is set reaches the server; what it does is tested beside it. */
static void settings_reach_the_server(void **state)
{
    (void)state;
    char model[64], log[64], line[512], header[3000] = "Host: camera.example\r\nX-Long: ";
    snprintf(model, sizeof model, "%s.onnx", path);
    snprintf(log, sizeof log, "%s.log", path);
    assert_true(tiny_add(model));
    write_file(
        "http: \"127.0.0.1:0\"\ngrpc: \"off\"\nallow_host: camera.example\nheader_max_kb: 2\n"
        "cache_folder: \"\"\nprocessors: cpu0\ndrain_seconds: 1\n");
    snprintf(line, sizeof line, "serve --config %s --models %s --access-log %s --quiet", path,
             model, log);
    command c = command_started(line);
    const int port = command_http_port(&c);
    assert_int_equal(status_of(port, "Host: camera.example\r\nX-Request-ID: seen\r\n"), 200);
    assert_int_equal(status_of(port, "Host: other.example\r\n"), 421);
    memset(header + strlen(header), 'x', 2100);
    strcat(header, "\r\n");
    assert_int_equal(status_of(port, header), 431);
    kill(c.pid, SIGTERM);
    command_wait(&c);
    expect_rc(&c, 0);
    command_free(&c);
    /* All lines are there when it has ended. */
    json_t *lines[3];
    FILE *file = fopen(log, "rb");
    assert_non_null(file);
    for (int i = 0; i < 3; i++) {
        assert_non_null(fgets(line, sizeof line, file));
        lines[i] = json_loads(line, 0, NULL);
        assert_non_null(lines[i]);
    }
    assert_null(fgets(line, sizeof line, file));
    fclose(file);
    static const int statuses[] = {200, 421, 431};
    for (int i = 0; i < 3; i++)
        assert_int_equal(json_integer_value(json_object_get(lines[i], "status")), statuses[i]);
    assert_string_equal(json_string_value(json_object_get(lines[0], "id")), "seen");
    for (int i = 0; i < 3; i++)
        json_decref(lines[i]);
    unlink(model);
    unlink(log);
}

static int begin(void **state)
{
    (void)state;
    const int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int end(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_win_over_the_file),    cmocka_unit_test(wrong_files_are_named),
        cmocka_unit_test(wrong_certificates_are_named), cmocka_unit_test(every_option_is_a_key),
        cmocka_unit_test(settings_must_agree),          cmocka_unit_test(settings_reach_the_server),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
