#include "command.h"

#include <fcntl.h>
#include <setjmp.h>
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

enum { WORDS_MAX = 64 };

static char scratch[64];

void enter_scratch(const char *name)
{
    snprintf(scratch, sizeof scratch, "/tmp/cosrel-test-%s-XXXXXX", name);
    assert_non_null(mkdtemp(scratch));
    assert_int_equal(chdir(scratch), 0);
}

int leave_scratch(void **state)
{
    (void)state;
    char line[128];
    snprintf(line, sizeof line, "rm -rf '%s'", scratch);
    return chdir("/") == 0 ? system(line) : -1;
}

static char *slurp(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    assert_non_null(memory);
    char buffer[4096];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, file)) > 0;)
        fwrite(buffer, 1, n, memory);
    fclose(memory);
    fclose(file);
    return text;
}

static void become(const char *line, const char *out_path, const char *err_path)
{
    char *words[WORDS_MAX] = {"cosrel"};
    char *copy = strdup(line);
    int count = 1;
    char *rest = NULL;
    for (char *word = strtok_r(copy, " ", &rest); word && count < WORDS_MAX - 1;
         word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    const int out = open(out_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const int err = open(err_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (out >= 0 && err >= 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0)
        execv(COSREL_PROGRAM, words);
    _exit(127);
}

command command_started(const char *line)
{
    command c = {.rc = -1};
    snprintf(c.out_path, sizeof c.out_path, "out-XXXXXX");
    snprintf(c.err_path, sizeof c.err_path, "err-XXXXXX");
    close(mkstemp(c.out_path));
    close(mkstemp(c.err_path));
    fflush(NULL);
    c.pid = fork();
    assert_true(c.pid >= 0);
    if (c.pid == 0)
        become(line, c.out_path, c.err_path);
    return c;
}

void command_wait(command *c)
{
    int state;
    assert_int_equal(waitpid(c->pid, &state, 0), c->pid);
    c->rc = WIFEXITED(state) ? WEXITSTATUS(state) : 256 + WTERMSIG(state);
    c->out = slurp(c->out_path);
    c->err = slurp(c->err_path);
    unlink(c->out_path);
    unlink(c->err_path);
}

command command_run(const char *line)
{
    command c = command_started(line);
    command_wait(&c);
    return c;
}

bool command_says(const command *c, const char *text)
{
    for (;;) {
        char *so_far = slurp(c->err_path);
        const bool found = strstr(so_far, text) != NULL;
        free(so_far);
        siginfo_t info = {.si_pid = 0};
        if (found)
            return true;
        if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
            info.si_pid != 0)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

int command_http_port(const command *c)
{
    for (int i = 0; i < 6000; i++) {
        char text[256] = "";
        FILE *file = fopen(c->out_path, "rb");
        const size_t bytes = file ? fread(text, 1, sizeof text - 1, file) : 0;
        const char *at = strstr(text, "HTTP on port ");
        if (file)
            fclose(file);
        if (bytes && at && strchr(at, '\n'))
            return atoi(at + 13);
        usleep(10000);
    }
    fail_msg("it does not serve");
    return 0;
}

void command_free(command *c)
{
    free(c->out);
    free(c->err);
    c->out = c->err = NULL;
}

void expect_rc(const command *c, int rc)
{
    if (c->rc != rc) {
        /* cmocka cuts its messages. */
        fail_msg("exit status %d instead of %d; standard error: %.600s", c->rc, rc, c->err);
    }
}

void expect_one_line(const command *c, const char *text)
{
    const char *end = strchr(c->err, '\n');
    if (!end || end[1] != '\0' || !strstr(c->err, text))
        fail_msg("not one line that says '%s': %s", text, c->err);
}

json_t *command_json(const command *c)
{
    json_error_t why;
    json_t *json = json_loads(c->out, 0, &why);
    if (!json)
        fail_msg("not JSON (%s): %s\n%s", why.text, c->out, c->err);
    return json;
}
