/* Running `cosrel` from a test. */
#ifndef TESTS_APPS_COMMAND_H
#define TESTS_APPS_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct command {
    pid_t pid;
    int rc;    /* exit status, or 256 + signal */
    char *out; /* standard output */
    char *err; /* standard error */
    char out_path[128];
    char err_path[128];
} command;

/* A new empty folder below /tmp, named after `name`; the test's current folder from now on. */
void enter_scratch(const char *name);

/* Goes away from it and removes it; a group teardown. */
int leave_scratch(void **state);

/* Runs with the words of `line` (blanks separate) as arguments and waits. Free with command_free.
 */
command command_run(const char *line);

/* The same in two steps; `command_started` returns while it runs. */
command command_started(const char *line);
void command_wait(command *c);

/* Waits until standard error holds `text`, or the command ends: false then. */
bool command_says(const command *c, const char *text);

/* The port that `cosrel serve` prints once it serves HTTP; fails the test if it does not. */
int command_http_port(const command *c);

void command_free(command *c);

/* Fails the test, with what was printed, unless the exit status is `rc`. */
void expect_rc(const command *c, int rc);

/* Standard error is exactly one line that holds `text`. */
void expect_one_line(const command *c, const char *text);

/* Standard output as JSON; fails the test if it is none. */
json_t *command_json(const command *c);

#endif
