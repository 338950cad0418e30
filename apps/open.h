/* Opening a runtime the way every command does. */
#ifndef APPS_OPEN_H
#define APPS_OPEN_H

#include <stdatomic.h>

#include "cli.h"
#include "cosrel/cosrel.h"
#include "progress.h"

/* The options that all commands with a runtime share; a member of their structs of values. */
typedef struct open_values {
    const char *settings;
    const char *processors;
    const char *cache_folder;
    bool software_gpu;
    bool quiet;
} open_values;

/* Their rows for the table of a command whose struct `type` has an open_values named `open`. */
#define OPEN_PROCESSORS(type)                                                                      \
    {                                                                                              \
        .name = "processors", .kind = CLI_TEXT, .value = "A,B",                                    \
        .help = "only these (see 'cosrel devices'); default: all",                                 \
        .offset = offsetof(type, open.processors)                                                  \
    }
#define OPEN_OPTIONS(type)                                                                         \
    {.name = "settings",                                                                           \
     .kind = CLI_TEXT,                                                                             \
     .value = "FILE",                                                                              \
     .help = "YAML file with processors and limits",                                               \
     .offset = offsetof(type, open.settings)},                                                     \
        {.name = "software-gpu",                                                                   \
         .kind = CLI_FLAG,                                                                         \
         .help = "offer a Vulkan software renderer as a GPU",                                      \
         .offset = offsetof(type, open.software_gpu)},                                             \
        {.name = "cache-folder",                                                                   \
         .kind = CLI_TEXT,                                                                         \
         .value = "DIR",                                                                           \
         .help = "where optimised models are kept; none: nowhere",                                 \
         .offset = offsetof(type, open.cache_folder)},                                             \
    {                                                                                              \
        .name = "quiet", .kind = CLI_FLAG, .help = "no progress on standard error",                \
        .offset = offsetof(type, open.quiet)                                                       \
    }

/* Where the runtime's warnings go: "cosrel bench: ..." on standard error. */
typedef struct open_log {
    const cli_command *command;
    atomic_bool hold; /* say nothing: the call under way returns the same sentence as its error */
    atomic_int lines; /* said so far */
} open_log;

/* Options for cosrel_runtime_open filled from them; `shown` is where loading shows how far it is
 * (may be NULL). Both outlive the runtime. */
void open_options(const open_values *values, open_log *log, progress *shown, cosrel_options *out);

/* "emulated, the numbers are made up from a table" where that is so: no output may hide it. */
const char *open_processor_label(const cosrel_processor_info *info);

#endif
