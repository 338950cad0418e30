/* The settings of `cosrel serve`: what is in force, and what is said of a file that is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "command.h"

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
        cmocka_unit_test(options_win_over_the_file),
        cmocka_unit_test(wrong_files_are_named),
        cmocka_unit_test(wrong_certificates_are_named),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
