#include "open.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void say(void *user, cosrel_log_level level, const char *message)
{
    open_log *log = user;
    if (level > COSREL_LOG_WARNING || atomic_load(&log->hold))
        return;
    atomic_fetch_add(&log->lines, 1);
    /* A progress bar may stand on the line. */
    fprintf(stderr, "%scosrel %s: %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "",
            log->command->name, message);
}

void open_options(const open_values *values, open_log *log, progress *shown, cosrel_options *out)
{
    cosrel_options_init(out);
    out->log = say;
    out->log_user = log;
    out->settings_file = values->settings;
    out->processors = values->processors;
    out->cache_folder = values->cache_folder;
    if (values->cache_folder && strcmp(values->cache_folder, "none") == 0)
        out->cache_folder = "";
    out->software_gpu = values->software_gpu;
    if (shown) {
        out->progress = progress_callback;
        out->progress_user = shown;
    }
}

const char *open_processor_label(const cosrel_processor_info *info)
{
    return strcmp(info->kind, "emulated") == 0
               ? " (emulated: takes a table's time, computes nothing)"
               : "";
}
