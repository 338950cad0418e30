#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "open.h"

typedef struct devices_values {
    open_values open;
    bool json;
} devices_values;

static const cli_option OPTIONS[] = {
    {.name = "json",
     .kind = CLI_FLAG,
     .help = "one JSON object on standard output",
     .offset = offsetof(devices_values, json)},
    OPEN_PROCESSORS(devices_values),
    OPEN_OPTIONS(devices_values),
};

/* The processors that share cores or another unit with this one: while one of them runs, this one
 * waits. */
static json_t *excludes(cosrel_runtime *rt, size_t index, uint64_t units)
{
    json_t *list = json_array();
    for (size_t i = 0; i < cosrel_runtime_processor_count(rt); i++) {
        cosrel_processor_info other;
        cosrel_runtime_processor(rt, i, &other);
        if (i != index && (other.units & units) != 0)
            json_array_append_new(list, json_string(other.name));
    }
    return list;
}

static json_t *describe(cosrel_runtime *rt)
{
    json_t *processors = json_array();
    for (size_t i = 0; i < cosrel_runtime_processor_count(rt); i++) {
        cosrel_processor_info info;
        cosrel_runtime_processor(rt, i, &info);
        json_t *cores = json_array();
        for (size_t k = 0; k < info.core_count; k++)
            json_array_append_new(cores, json_integer(info.cores[k]));
        json_array_append_new(processors,
                              json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:b, s:b}", "name",
                                        info.name, "kind", info.kind, "provider", info.provider,
                                        "description", info.description, "cores", cores, "excludes",
                                        excludes(rt, i, info.units), "background", info.background,
                                        "emulated", strcmp(info.kind, "emulated") == 0));
    }
    return json_pack("{s:s, s:o}", "cosrel", cosrel_version(), "processors", processors);
}

static void print_json(cosrel_runtime *rt)
{
    json_t *all = describe(rt);
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
}

static void print_table(cosrel_runtime *rt)
{
    printf("%-12s %-9s %-26s %-24s %s\n", "processor", "kind", "provider", "excludes", "what");
    for (size_t i = 0; i < cosrel_runtime_processor_count(rt); i++) {
        cosrel_processor_info info;
        cosrel_runtime_processor(rt, i, &info);
        json_t *others = excludes(rt, i, info.units);
        char text[128] = "";
        for (size_t k = 0; k < json_array_size(others); k++) {
            const size_t used = strlen(text);
            snprintf(text + used, sizeof text - used, "%s%s", used ? "," : "",
                     json_string_value(json_array_get(others, k)));
        }
        json_decref(others);
        if (strlen(text) > 24)
            snprintf(text + 21, sizeof text - 21, "...");
        printf("%-12s %-9s %-26s %-24s %s%s\n", info.name, info.kind, info.provider,
               text[0] ? text : "-", info.description, open_processor_label(&info));
    }
}

static int run(const cli_call *call)
{
    const devices_values *v = call->values;
    cosrel_options options;
    open_log log = {.command = call->command};
    open_options(&v->open, &log, NULL, &options);
    cosrel_runtime *rt;
    cosrel_error err = {""};
    const cosrel_status status = cosrel_runtime_open(&options, &rt, &err);
    if (status != COSREL_OK)
        return cli_fail(call->command, status, &err);
    if (v->json)
        print_json(rt);
    else
        print_table(rt);
    cosrel_runtime_close(rt);
    return CLI_DONE;
}

const cli_command command_devices = {
    .name = "devices",
    .summary = "List the processors of this machine",
    .arguments = "[options]",
    .details = "Processors that share cores exclude each other: how many cores a run gets is the "
               "scheduler's to say.",
    .example = "cosrel devices --json",
    .options = OPTIONS,
    .option_count = sizeof OPTIONS / sizeof OPTIONS[0],
    .values_bytes = sizeof(devices_values),
    .run = run,
};
