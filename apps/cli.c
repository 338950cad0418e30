#include "cli.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

void cli_say(const cli_command *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "cosrel %s: ", command->name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

int cli_wrong(const cli_command *command, const char *format, ...)
{
    char text[768];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cli_say(command, "%s", text);
    return CLI_WRONG;
}

int cli_fail(const cli_command *command, cosrel_status status, const cosrel_error *err)
{
    cli_say(command, "%s", err->text[0] ? err->text : cosrel_status_text(status));
    switch (status) {
    case COSREL_INVALID_ARGUMENT:
    case COSREL_NOT_FOUND:
    case COSREL_INVALID_MODEL:
    case COSREL_INVALID_FILE:
        return CLI_WRONG;
    default:
        return CLI_FAILED;
    }
}

static void print_option(const cli_option *option)
{
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s", option->name, option->value ? " " : "",
             option->value ? option->value : "");
    const char *help = option->help;
    for (int line = 0; help; line++) {
        const size_t length = strcspn(help, "\n");
        printf("  %-24s %.*s\n", line == 0 ? left : "", (int)length, help);
        help = help[length] ? help + length + 1 : NULL;
    }
}

void cli_print_help(const cli_command *command)
{
    printf("Usage: cosrel %s %s\n\n%s.\n", command->name, command->arguments,
           command->summary ? command->summary : "Used by other commands");
    if (command->details)
        printf("\n%s\n", command->details);
    printf("\nOptions:\n");
    for (size_t i = 0; i < command->option_count; i++)
        print_option(&command->options[i]);
    printf("  %-24s %s\n", "--help", "show this");
    if (command->example)
        printf("\nExample:\n  %s\n", command->example);
}

static int wrong_option(const cli_command *command, const char *given)
{
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)strcspn(given, "="), given);
    const char *names[CLI_OPTIONS_MAX + 1];
    size_t count = 0;
    for (size_t i = 0; i < command->option_count; i++)
        names[count++] = command->options[i].name;
    names[count++] = "help";
    const char *nearest = strncmp(word, "--", 2) == 0 ? text_nearest(word + 2, names, count) : NULL;
    if (nearest)
        return cli_wrong(command, "unknown option '%s': did you mean '--%s'?", word, nearest);
    return cli_wrong(command, "unknown option '%s': see 'cosrel %s --help'", word, command->name);
}

static int set_number(const cli_command *command, const cli_option *option, void *field,
                      const char *text)
{
    int64_t integer = 0;
    double number = 0;
    const bool whole = option->kind == CLI_INTEGER;
    const bool read = whole ? text_to_int64(text, &integer) : text_to_double(text, &number);
    if (whole)
        number = (double)integer;
    if (!read || number < option->min || number > option->max)
        return cli_wrong(command, "--%s: '%s' is not a%s number from %g to %g", option->name, text,
                         whole ? " whole" : "", option->min, option->max);
    if (whole)
        *(int64_t *)field = integer;
    else
        *(double *)field = number;
    return CLI_DONE;
}

static int set_value(const cli_command *command, const cli_option *option, void *values,
                     const char *text)
{
    void *field = (char *)values + option->offset;
    switch (option->kind) {
    case CLI_FLAG:
        *(bool *)field = true;
        return CLI_DONE;
    case CLI_TEXT:
        if (!text[0])
            return cli_wrong(command, "--%s: the value is empty", option->name);
        *(const char **)field = text;
        return CLI_DONE;
    case CLI_TEXTS: {
        cli_texts *texts = field;
        if (texts->count == CLI_TEXTS_MAX)
            return cli_wrong(command, "--%s: at most %d of them", option->name, CLI_TEXTS_MAX);
        texts->items[texts->count++] = text;
        return CLI_DONE;
    }
    case CLI_INTEGER:
    case CLI_NUMBER:
        return set_number(command, option, field, text);
    }
    return CLI_WRONG;
}

/* < 0: go on and run. */
static int parse(const cli_command *command, int argc, char **argv, void *values)
{
    struct option table[CLI_OPTIONS_MAX + 2] = {{0}};
    const int help = (int)command->option_count;
    for (int i = 0; i < help; i++) {
        table[i].name = command->options[i].name;
        table[i].has_arg = command->options[i].kind == CLI_FLAG ? no_argument : required_argument;
    }
    table[help].name = "help";
    opterr = 0;
    for (;;) {
        const int before = optind;
        int index = -1;
        const int c = getopt_long(argc, argv, ":h", table, &index);
        if (c == -1)
            return -1;
        if (c == 'h' || (c == 0 && index == help)) {
            cli_print_help(command);
            return CLI_DONE;
        }
        if (c == ':')
            return cli_wrong(command, "%s needs a value", argv[optind - 1]);
        if (c == '?') {
            /* A short option inside a cluster has not moved optind yet. */
            const char *given = argv[optind > before ? optind - 1 : optind];
            const char *equals = strchr(given, '=');
            for (int i = 0; equals && i <= help; i++)
                if (strlen(table[i].name) == (size_t)(equals - given - 2) &&
                    strncmp(given + 2, table[i].name, (size_t)(equals - given - 2)) == 0)
                    return cli_wrong(command, "--%s takes no value", table[i].name);
            return wrong_option(command, given);
        }
        const int status = set_value(command, &command->options[index], values, optarg);
        if (status != CLI_DONE)
            return status;
    }
}

int cli_run(const cli_command *command, int argc, char **argv, const char *command_line)
{
    void *values = calloc(1, command->values_bytes ? command->values_bytes : 1);
    if (!values) {
        cli_say(command, "out of memory");
        return CLI_FAILED;
    }
    if (command->defaults)
        memcpy(values, command->defaults, command->values_bytes);
    int status = parse(command, argc, argv, values);
    const int given = argc - optind;
    if (status < 0 && given < command->arg_count_min)
        status = cli_wrong(command, "%s: see 'cosrel %s --help'", command->arg_missing,
                           command->name);
    else if (status < 0 && given > command->arg_count_max)
        status = cli_wrong(command, "one argument too many: '%s'",
                           argv[optind + command->arg_count_max]);
    if (status < 0) {
        const cli_call call = {.command = command,
                               .values = values,
                               .args = argv + optind,
                               .arg_count = given,
                               .command_line = command_line};
        status = command->run(&call);
    }
    free(values);
    /* A full disk behind standard output must not look like success. */
    if (fflush(stdout) != 0 && status == CLI_DONE) {
        cli_say(command, "writing to standard output failed");
        status = CLI_FAILED;
    }
    return status;
}

bool cli_can_write(const char *path)
{
    char *folder = strdup(path);
    if (!folder)
        return false;
    char *slash = strrchr(folder, '/');
    if (slash == folder)
        slash[1] = '\0';
    else if (slash)
        *slash = '\0';
    const bool ok = access(slash ? folder : ".", W_OK | X_OK) == 0;
    free(folder);
    return ok;
}

bool cli_split(char *text, const char ***items, size_t *count)
{
    size_t parts = 1;
    for (const char *c = text; *c; c++)
        parts += *c == ',';
    *count = 0;
    *items = calloc(parts, sizeof **items);
    if (!*items)
        return false;
    for (char *at = text; at;) {
        char *comma = strchr(at, ',');
        if (comma)
            *comma = '\0';
        if (!*at) {
            free(*items);
            *items = NULL;
            return false;
        }
        (*items)[(*count)++] = at;
        at = comma ? comma + 1 : NULL;
    }
    return true;
}
