#include "open.h"

#include <string.h>

void open_options(const open_values *values, progress *shown, cosrel_options *out)
{
    cosrel_options_init(out);
    out->settings_file = values->settings;
    out->processors = values->processors;
    out->cache_folder = values->cache_folder;
    out->software_gpu = values->software_gpu;
    if (shown) {
        out->progress = progress_callback;
        out->progress_user = shown;
    }
}

const char *open_processor_label(const cosrel_processor_info *info)
{
    return strcmp(info->kind, "emulated") == 0 ? " (emulated: takes a table's time, computes nothing)" : "";
}
