#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "commands.h"
#include "interrupt.h"
#include "progress.h"
#include "zoo/zoo.h"

typedef struct zoo_values {
    const char *only;
    int64_t seed;
    bool list;
    bool quiet;
} zoo_values;

static const zoo_values DEFAULTS = {.seed = 1};

static const cli_option OPTIONS[] = {
    {.name = "only",
     .kind = CLI_TEXT,
     .value = "A,B",
     .help = "only these models",
     .offset = offsetof(zoo_values, only)},
    {.name = "seed",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "of the random weights; default: 1",
     .offset = offsetof(zoo_values, seed),
     .min = 0,
     .max = 9007199254740992.0},
    {.name = "list",
     .kind = CLI_FLAG,
     .help = "list the models and write nothing",
     .offset = offsetof(zoo_values, list)},
    {.name = "quiet",
     .kind = CLI_FLAG,
     .help = "no progress, no list of what was written",
     .offset = offsetof(zoo_values, quiet)},
};

static void print_list(void)
{
    printf("%-20s %12s %12s  %s\n", "model", "parameters", "MACs", "what");
    for (size_t i = 0; i < zoo_size(); i++) {
        const zoo_entry *entry = zoo_at(i);
        printf("%-20s %10.2f M %10.1f M  %s\n", entry->name, (double)entry->params_published / 1e6,
               (double)entry->macs_published / 1e6, entry->summary);
    }
}

static int unknown_model(const cli_command *command, const char *name)
{
    const char *names[64];
    size_t count = 0;
    for (size_t i = 0; i < zoo_size() && count < 64; i++)
        names[count++] = zoo_at(i)->name;
    const char *nearest = text_nearest(name, names, count);
    if (nearest)
        return cli_wrong(command, "--only: there is no reference model '%s': did you mean '%s'?",
                         name, nearest);
    return cli_wrong(command, "--only: there is no reference model '%s': see 'cosrel zoo --list'",
                     name);
}

static int write_one(const cli_command *command, const zoo_entry *entry, const char *folder,
                     const zoo_values *v)
{
    cosrel_error err = {""};
    zoo_counts counts;
    char name[96];
    snprintf(name, sizeof name, "%s.onnx", entry->name);
    char *path = file_join(folder, name);
    cosrel_status status = path ? zoo_write(entry, path, (uint64_t)v->seed, &counts, &err)
                                : COSREL_OUT_OF_MEMORY;
    if (status == COSREL_OK && !v->quiet)
        printf("%-20s %8.2f M parameters %9.1f M MACs %7.1f MB  %s\n", entry->name,
               (double)counts.params / 1e6, (double)counts.macs / 1e6, (double)counts.bytes / 1e6,
               path);
    free(path);
    /* Whatever is in the way of writing there, it is the folder's fault, which the command line
     * names. */
    return status == COSREL_OK ? CLI_DONE : cli_fail(command, status, &err);
}

static int write_models(const cli_command *command, const char *folder,
                        const zoo_entry *const *entries, size_t count, const zoo_values *v)
{
    int64_t total = 0;
    int64_t done = 0;
    for (size_t i = 0; i < count; i++)
        total += entries[i]->params_published; /* NOLINT: those that are unknown were refused */
    progress shown;
    progress_begin(&shown, "zoo", v->quiet);
    int status = CLI_DONE;
    for (size_t i = 0; i < count && status == CLI_DONE; i++) {
        if (interrupt_seen()) {
            progress_end(&shown);
            cli_say(command, "interrupted: %zu of %zu models are written", i, count);
            return CLI_FAILED;
        }
        progress_show(&shown, entries[i]->name, (double)done / (double)(total ? total : 1), -1);
        progress_end(&shown);
        status = write_one(command, entries[i], folder, v);
        done += entries[i]->params_published;
    }
    progress_end(&shown);
    return status;
}

static int run_selected(const cli_command *command, const char *folder, const zoo_values *v,
                        char *only)
{
    const char **names = NULL;
    size_t count = zoo_size();
    if (only && !cli_split(only, &names, &count))
        return cli_wrong(command, "--only: an empty name: write --only a,b");
    const zoo_entry **entries = calloc(count, sizeof *entries);
    int status = entries ? CLI_DONE : CLI_FAILED;
    for (size_t i = 0; i < count && status == CLI_DONE; i++) {
        entries[i] = names ? zoo_find(names[i]) : zoo_at(i);
        if (!entries[i])
            status = unknown_model(command, names ? names[i] : "");
    }
    cosrel_error err = {""};
    if (status == CLI_DONE) {
        const cosrel_status made = file_make_folder(folder, &err);
        status = made == COSREL_OK ? write_models(command, folder, entries, count, v)
                                   : cli_wrong(command, "%s", err.text);
    }
    free(entries);
    free(names);
    return status;
}

static int run(const cli_call *call)
{
    const zoo_values *v = call->values;
    if (v->list) {
        print_list();
        return CLI_DONE;
    }
    if (call->arg_count < 1)
        return cli_wrong(call->command, "name the folder to write to: cosrel zoo DIR");
    char *only = v->only ? strdup(v->only) : NULL;
    const int status = run_selected(call->command, call->args[0], v, only);
    free(only);
    return status;
}

const cli_command command_zoo = {
    .name = "zoo",
    .summary = "Write the reference models as ONNX files with seeded random weights",
    .arguments = "DIR [options]",
    .details =
        "The architectures are well known and cost what the real ones cost; they classify nothing.",
    .example = "cosrel zoo models --only mobilenet_v2,resnet50",
    .options = OPTIONS,
    .option_count = sizeof OPTIONS / sizeof OPTIONS[0],
    .arg_count_max = 1,
    .defaults = &DEFAULTS,
    .values_bytes = sizeof DEFAULTS,
    .run = run,
};
