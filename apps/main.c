#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "commands.h"
#include "cosrel/version.h"
#include "interrupt.h"

static const cli_command *const COMMANDS[] = {
    &command_zoo,   &command_devices, &command_run,     &command_profile,
    &command_bench, &command_serve,   &command_sim,     &command_bound,
    &command_trace, &command_train,   &command_explain, &command_bench_child};
enum { COMMAND_COUNT = sizeof COMMANDS / sizeof COMMANDS[0] };

static void print_overview(FILE *out)
{
    fprintf(out, "Usage: cosrel COMMAND [options]\n\n"
                 "Runs several neural networks at once on this device, each request where it is "
                 "done best.\n\n"
                 "Commands:\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (COMMANDS[i]->summary)
            fprintf(out, "  %-10s %s\n", COMMANDS[i]->name, COMMANDS[i]->summary);
    fprintf(out, "  %-10s %s\n", "help", "Show what a command does and its options");
    fprintf(out, "  %-10s %s\n", "version", "Print the version");
    fprintf(out, "\nExample:\n  cosrel zoo models --only mobilenet_v2,resnet50 && cosrel bench "
                 "--models models\n");
}

static const cli_command *find(const char *name)
{
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(COMMANDS[i]->name, name) == 0)
            return COMMANDS[i];
    return NULL;
}

static int unknown(const char *name)
{
    const char *names[COMMAND_COUNT + 2];
    size_t count = 0;
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (COMMANDS[i]->summary)
            names[count++] = COMMANDS[i]->name;
    names[count++] = "help";
    names[count++] = "version";
    const char *nearest = text_nearest(name, names, count);
    fprintf(stderr, "cosrel: unknown command '%s': %s%s%s\n", name,
            nearest ? "did you mean '" : "see 'cosrel help", nearest ? nearest : "",
            nearest ? "'?" : "'");
    return CLI_WRONG;
}

static int help(int argc, char **argv)
{
    if (argc < 1) {
        print_overview(stdout);
        return CLI_DONE;
    }
    const cli_command *command = find(argv[0]);
    if (!command || !command->summary)
        return unknown(argv[0]);
    cli_print_help(command);
    return CLI_DONE;
}

/* What was typed, for a report that says how to repeat it: words with blanks are quoted. */
static char *join(int argc, char **argv)
{
    text_builder b = {0};
    text_add(&b, "cosrel");
    for (int i = 1; i < argc; i++) {
        const bool quote = argv[i][0] == '\0' ||
                           strpbrk(argv[i], " \t\n\"'\\$&|;<>()*?#~`") != NULL;
        text_add(&b, quote ? " '" : " ");
        text_add(&b, argv[i]);
        text_add(&b, quote ? "'" : "");
    }
    char *line;
    return text_take(&b, &line, NULL) == COSREL_OK ? line : NULL;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_overview(stderr);
        return CLI_WRONG;
    }
    const char *name = argv[1];
    if (strcmp(name, "help") == 0)
        return help(argc - 2, argv + 2);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help(0, NULL);
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        printf("cosrel %s\n", cosrel_version());
        return CLI_DONE;
    }
    const cli_command *command = find(name);
    if (!command)
        return unknown(name);
    interrupt_install();
    char *line = join(argc, argv);
    const int status = cli_run(command, argc - 1, argv + 1, line ? line : "");
    free(line);
    return status;
}
