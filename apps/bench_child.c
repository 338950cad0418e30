#include "bench_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "interrupt.h"

extern char **environ;

enum { ARGS_MAX = 32, TEXT_MAX = 40 };

typedef struct command_line {
    char *argv[ARGS_MAX];
    char numbers[4][TEXT_MAX];
    int count;
} command_line;

static void add(command_line *c, const char *option, const char *value)
{
    if (!value)
        return;
    c->argv[c->count++] = (char *)(uintptr_t)option;
    c->argv[c->count++] = (char *)(uintptr_t)value;
}

static void write_command(command_line *c, const bench_child_request *r)
{
    memset(c, 0, sizeof *c);
    c->argv[c->count++] = (char *)(uintptr_t) "cosrel";
    c->argv[c->count++] = (char *)(uintptr_t) "bench-child";
    snprintf(c->numbers[0], TEXT_MAX, "%.6f", r->seconds);
    snprintf(c->numbers[1], TEXT_MAX, "%.6f", r->warmup_s);
    snprintf(c->numbers[2], TEXT_MAX, "%d", r->round);
    snprintf(c->numbers[3], TEXT_MAX, "%llu", (unsigned long long)r->seed);
    add(c, "--models", r->models);
    add(c, "--workload", r->workload);
    add(c, "--only", r->only);
    add(c, "--policy", r->policy);
    add(c, "--seconds", c->numbers[0]);
    add(c, "--warmup", c->numbers[1]);
    add(c, "--round", c->numbers[2]);
    add(c, "--seed", c->numbers[3]);
    if (r->timeline)
        c->argv[c->count++] = (char *)(uintptr_t) "--timeline";
}

/* The child's standard output and standard error come through pipes: it prints a run, or one line
 * that says why not. */
static cosrel_status start(command_line *c, int output, int errors, pid_t *pid, cosrel_error *err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, errors, STDERR_FILENO);
    /* A group of its own: the terminal's Ctrl-C reaches only us, and we pass it on once. */
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    const int failed = posix_spawn(pid, "/proc/self/exe", &files, &attributes, c->argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (failed)
        return error_set(err, COSREL_IO, "starting a process for plain ONNX Runtime failed: %s",
                         strerror(failed));
    return COSREL_OK;
}

/* Takes what there is; false at the end. */
static bool take(int fd, text_builder *into)
{
    char buffer[65536];
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n > 0)
        text_add_bytes(into, buffer, (size_t)n);
    return n > 0 || (n < 0 && errno == EINTR);
}

static void listen_to(pid_t pid, int output, int errors, text_builder *printed, text_builder *said,
                      bench_child_tick tick, void *user)
{
    struct pollfd fds[2] = {{.fd = output, .events = POLLIN}, {.fd = errors, .events = POLLIN}};
    text_builder *into[2] = {printed, said};
    bool passed_on = false;
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        const int ready = poll(fds, 2, 100);
        if (interrupt_seen() && !passed_on) {
            kill(pid, SIGINT);
            passed_on = true;
        }
        if (tick)
            tick(user);
        for (int i = 0; ready > 0 && i < 2; i++)
            if (fds[i].fd >= 0 && fds[i].revents && !take(fds[i].fd, into[i]))
                fds[i].fd = -1;
    }
}

static cosrel_status judge(int state, text_builder *printed, text_builder *said, const char *policy,
                           json_t **run, cosrel_error *err)
{
    const char *why = said->data ? said->data : "";
    if (!WIFEXITED(state) && interrupt_seen())
        return COSREL_OK; /* Ctrl-C met it before it could listen */
    if (!WIFEXITED(state))
        return error_set(err, COSREL_RUN_FAILED, "%s: the process was killed by signal %d", policy,
                         WTERMSIG(state));
    if (WEXITSTATUS(state) != 0) {
        static const char prefix[] = "cosrel bench-child: ";
        const char *text = strncmp(why, prefix, sizeof prefix - 1) == 0 ? why + sizeof prefix - 1
                                                                        : why;
        return error_set(err, COSREL_RUN_FAILED, "%s: %.*s", policy, (int)strcspn(text, "\n"),
                         text);
    }
    if (printed->length == 0)
        return COSREL_OK; /* interrupted before there was anything */
    *run = json_loadb(printed->data, printed->length, 0, NULL);
    return *run ? COSREL_OK
                : error_set(err, COSREL_INTERNAL, "%s: the process printed no run", policy);
}

cosrel_status bench_child_run(const bench_child_request *request, bench_child_tick tick, void *user,
                              json_t **run, cosrel_error *err)
{
    command_line c;
    int output[2];
    int errors[2];
    pid_t pid;
    *run = NULL;
    write_command(&c, request);
    if (pipe2(output, O_CLOEXEC) != 0)
        return error_set(err, COSREL_IO, "a pipe could not be made: %s", strerror(errno));
    if (pipe2(errors, O_CLOEXEC) != 0) {
        close(output[0]);
        close(output[1]);
        return error_set(err, COSREL_IO, "a pipe could not be made: %s", strerror(errno));
    }
    cosrel_status status = start(&c, output[1], errors[1], &pid, err);
    close(output[1]);
    close(errors[1]);
    if (status == COSREL_OK) {
        text_builder printed = {0};
        text_builder said = {0};
        int state = 0;
        listen_to(pid, output[0], errors[0], &printed, &said, tick, user);
        while (waitpid(pid, &state, 0) < 0 && errno == EINTR)
            continue;
        status = judge(state, &printed, &said, request->policy, run, err);
        text_deinit(&printed);
        text_deinit(&said);
    }
    close(output[0]);
    close(errors[0]);
    return status;
}
