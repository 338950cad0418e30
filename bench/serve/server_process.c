#include "server_process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SERVERS_MAX = 8 };

static pid_t running[SERVERS_MAX];

static void fail(const char *what, const char *command)
{
    fprintf(stderr, "benchmark: %s: %s\n", command, what);
    exit(1);
}

static void stop_pid(pid_t *pid)
{
    if (*pid <= 0)
        return;
    kill(*pid, SIGTERM);
    waitpid(*pid, NULL, 0);
    *pid = 0;
}

static void stop_all(void)
{
    for (int i = 0; i < SERVERS_MAX; i++)
        stop_pid(&running[i]);
}

static void note(pid_t pid, const char *command)
{
    static int registered;
    int i = 0;
    if (!registered++)
        atexit(stop_all);
    while (i < SERVERS_MAX && running[i] > 0)
        i++;
    if (i == SERVERS_MAX)
        fail("too many servers", command);
    running[i] = pid;
}

void server_process_start(server_process *s, const char *const *command)
{
    int out[2];
    char line[256] = "";
    if (pipe(out) != 0 || (s->pid = fork()) < 0)
        fail("no process to be had", command[0]);
    if (s->pid == 0) {
        dup2(out[1], 1);
        close(out[0]);
        close(out[1]);
        execvp(command[0], (char *const *)command);
        _exit(127);
    }
    note(s->pid, command[0]);
    close(out[1]);
    FILE *from = fdopen(out[0], "r");
    if (!from || !fgets(line, sizeof line, from))
        fail("did not start", command[0]);
    const char *number = strrchr(line, ' ');
    s->port = atoi(number ? number + 1 : line);
    fclose(from);
}

void server_process_stop(server_process *s)
{
    for (int i = 0; i < SERVERS_MAX; i++)
        if (running[i] == s->pid)
            stop_pid(&running[i]);
}

double server_process_resident_mb(const server_process *s)
{
    char path[64], line[256];
    double kb = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)s->pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %lf", &kb) == 1)
            break;
    if (file)
        fclose(file);
    return kb / 1024;
}

/* Fields 14 and 15 of stat; the second, in brackets, may hold spaces. */
double server_process_cpu_s(const server_process *s)
{
    char path[64], line[1024] = "";
    unsigned long user = 0, kernel = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)s->pid);
    FILE *file = fopen(path, "r");
    if (file && fgets(line, sizeof line, file)) {
        const char *rest = strrchr(line, ')');
        if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                            &kernel) != 2)
            user = kernel = 0;
    }
    if (file)
        fclose(file);
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}
