/* Commands and their options as tables: one table makes the parser, --help and the error lines. */
#ifndef APPS_CLI_H
#define APPS_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_WRONG = 2 }; /* exit statuses */

enum { CLI_TEXTS_MAX = 64, CLI_OPTIONS_MAX = 48 };

typedef enum cli_kind {
    CLI_FLAG,    /* bool */
    CLI_TEXT,    /* const char * */
    CLI_TEXTS,   /* cli_texts; may be given several times */
    CLI_INTEGER, /* int64_t within [min, max] */
    CLI_NUMBER,  /* double within [min, max] */
} cli_kind;

typedef struct cli_texts {
    const char *items[CLI_TEXTS_MAX];
    size_t count;
} cli_texts;

typedef struct cli_option {
    const char *name; /* without the dashes */
    cli_kind kind;
    const char *value; /* what stands for the value in --help; NULL: a flag */
    const char *help;  /* NULL: not shown */
    size_t offset;     /* of the field in the command's struct of values */
    double min;
    double max;
} cli_option;

typedef struct cli_command cli_command;

typedef struct cli_call {
    const cli_command *command;
    void *values; /* the command's struct */
    char **args;  /* what is not an option */
    int arg_count;
    const char *command_line; /* as it was typed, for reports */
} cli_call;

struct cli_command {
    const char *name;
    const char *summary;   /* NULL: works, but is not listed */
    const char *arguments; /* "DIR [options]" */
    const char *details;   /* a paragraph for --help, or NULL */
    const char *example;
    const cli_option *options;
    size_t option_count;
    int arg_count_min;
    int arg_count_max;
    const char *arg_missing; /* what to say when there are too few */
    const void *defaults;    /* the struct's initial contents */
    size_t values_bytes;
    int (*run)(const cli_call *call); /* returns the exit status */
};

/* Parses argv (argv[0] is the command's name) and runs the command. Uses getopt: once per process.
 */
int cli_run(const cli_command *command, int argc, char **argv, const char *command_line);

void cli_print_help(const cli_command *command);

/* "cosrel NAME: text" on standard error. */
void cli_say(const cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for a failure; returns the exit status: CLI_WRONG where the command line or a file it
 * names is at fault. */
int cli_fail(const cli_command *command, cosrel_status status, const cosrel_error *err);

/* Exit status CLI_WRONG and a sentence. */
int cli_wrong(const cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "a,b,c" cut in place into a malloc'ed array of pointers into `text`; empty parts are an error
 * (false). */
COSREL_CHECKED bool cli_split(char *text, const char ***items, size_t *count);

/* Whether a file could be made at `path`: asked before, so that an hour of measuring does not end
 * in "no such folder". */
bool cli_can_write(const char *path);

#endif
