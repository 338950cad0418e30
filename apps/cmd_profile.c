#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "open.h"

typedef struct profile_values {
    open_values open;
    const char *models;
    const char *out;
    int64_t batch_max;
    double cell_ms;
} profile_values;

static const profile_values DEFAULTS = {.batch_max = 8, .cell_ms = 300};

static const cli_option OPTIONS[] = {
    {.name = "models",
     .kind = CLI_TEXT,
     .value = "DIR",
     .help = "folder of models, or one .onnx file (needed)",
     .offset = offsetof(profile_values, models)},
    {.name = "out",
     .kind = CLI_TEXT,
     .value = "FILE.csv",
     .help = "device table to write (needed)",
     .offset = offsetof(profile_values, out)},
    {.name = "batch-max",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "largest batch tried; default: 8",
     .offset = offsetof(profile_values, batch_max),
     .min = 1,
     .max = 1024},
    {.name = "cell-ms",
     .kind = CLI_NUMBER,
     .value = "MS",
     .help = "time for each model, processor and batch at most;\ndefault: 300",
     .offset = offsetof(profile_values, cell_ms),
     .min = 1,
     .max = 3.6e6},
    OPEN_PROCESSORS(profile_values),
    OPEN_OPTIONS(profile_values),
};

static void print_costs(cosrel_runtime *rt)
{
    const size_t processors = cosrel_runtime_processor_count(rt);
    cosrel_processor_info info;
    printf("%-20s", "ms, batch 1");
    for (size_t p = 0; p < processors; p++) {
        cosrel_runtime_processor(rt, p, &info);
        printf(" %11s", info.name);
    }
    putchar('\n');
    for (size_t m = 0; m < cosrel_runtime_model_count(rt); m++) {
        const cosrel_model *model = cosrel_runtime_model(rt, m);
        printf("%-20s", cosrel_model_describe(model)->name);
        for (size_t p = 0; p < processors; p++) {
            const int64_t cost_ns = cosrel_model_cost_ns(rt, model, p, 1);
            if (cost_ns > 0)
                printf(" %11.3f", (double)cost_ns / 1e6);
            else
                printf(" %11s", "-");
        }
        putchar('\n');
    }
    for (size_t p = 0; p < processors; p++) {
        cosrel_runtime_processor(rt, p, &info);
        if (open_processor_label(&info)[0])
            printf("%s%s\n", info.name, open_processor_label(&info));
    }
}

static int measure(const cli_call *call, cosrel_runtime *rt, open_log *log, progress *shown)
{
    const profile_values *v = call->values;
    cosrel_error err = {""};
    cosrel_status status = cosrel_runtime_load(rt, v->models, &err);
    progress_end(shown);
    if (cosrel_runtime_model_count(rt) == 0) {
        /* Every model's fault was said already; only a folder without any was not. */
        atomic_store(&log->hold, true);
        return atomic_load(&log->lines) ? CLI_WRONG : cli_fail(call->command, status, &err);
    }
    bool stopped = status == COSREL_CANCELLED;
    if (!stopped) {
        const cosrel_profile_options options = {.struct_bytes = sizeof options,
                                                .cell_ns = (int64_t)(v->cell_ms * 1e6),
                                                .batch_max = (int32_t)v->batch_max};
        progress_begin(shown, "profile", v->open.quiet);
        status = cosrel_runtime_profile(rt, &options, &err);
        progress_end(shown);
        stopped = status == COSREL_CANCELLED;
        if (status != COSREL_OK && !stopped)
            return cli_fail(call->command, status, &err);
    }
    status = cosrel_runtime_save_profile(rt, v->out, &err);
    if (status != COSREL_OK)
        return cli_fail(call->command, status, &err);
    print_costs(rt);
    if (stopped) {
        cli_say(call->command, "interrupted: %s holds what was measured until then", v->out);
        return CLI_FAILED;
    }
    return CLI_DONE;
}

static int run(const cli_call *call)
{
    const profile_values *v = call->values;
    if (!v->models)
        return cli_wrong(call->command, "--models is missing: the folder of models");
    if (!v->out)
        return cli_wrong(call->command, "--out is missing: the device table to write (CSV)");
    if (!cli_can_write(v->out))
        return cli_wrong(call->command, "--out: cannot write to the folder of '%s'", v->out);
    progress shown;
    progress_begin(&shown, "load", v->open.quiet);
    cosrel_options options;
    open_log log = {.command = call->command};
    open_options(&v->open, &log, &shown, &options);
    cosrel_runtime *rt;
    cosrel_error err = {""};
    const cosrel_status status = cosrel_runtime_open(&options, &rt, &err);
    if (status != COSREL_OK)
        return cli_fail(call->command, status, &err);
    const int result = measure(call, rt, &log, &shown);
    cosrel_runtime_close(rt);
    return result;
}

const cli_command command_profile = {
    .name = "profile",
    .summary = "Measure what every model costs on every processor",
    .arguments = "--models DIR --out FILE.csv [options]",
    .details =
        "Writes a device table; 'cosrel bench --profile' starts from one instead of measuring.",
    .example = "cosrel profile --models models --out this-machine.csv",
    .options = OPTIONS,
    .option_count = sizeof OPTIONS / sizeof OPTIONS[0],
    .defaults = &DEFAULTS,
    .values_bytes = sizeof DEFAULTS,
    .run = run,
};
