#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "interrupt.h"
#include "open.h"
#include "server/server.h"

typedef struct serve_values {
    open_values open;
    const char *models;
    const char *http;
    const char *grpc;
    const char *policy;
    const char *objective;
    const char *profile;
} serve_values;

static const serve_values DEFAULTS = {.http = "127.0.0.1:8000", .grpc = "127.0.0.1:8001"};

static const cli_option OPTIONS[] = {
    {.name = "models",
     .kind = CLI_TEXT,
     .value = "DIR",
     .help = "folder of models, or one .onnx file (needed)",
     .offset = offsetof(serve_values, models)},
    {.name = "http",
     .kind = CLI_TEXT,
     .value = "ADDR",
     .help = "listen for HTTP here; port 0: any that is free;\ndefault: 127.0.0.1:8000",
     .offset = offsetof(serve_values, http)},
    {.name = "grpc",
     .kind = CLI_TEXT,
     .value = "ADDR",
     .help = "listen for gRPC here, or off: nowhere;\ndefault: 127.0.0.1:8001",
     .offset = offsetof(serve_values, grpc)},
    {.name = "policy",
     .kind = CLI_TEXT,
     .value = "NAME",
     .help = "how requests are scheduled; default: learned",
     .offset = offsetof(serve_values, policy)},
    {.name = "objective",
     .kind = CLI_TEXT,
     .value = "NAME",
     .help = "latency, throughput, deadline, energy or balanced",
     .offset = offsetof(serve_values, objective)},
    {.name = "profile",
     .kind = CLI_TEXT,
     .value = "D.csv",
     .help = "device table to start from (cosrel profile);\ndefault: what loading measures",
     .offset = offsetof(serve_values, profile)},
    OPEN_PROCESSORS(serve_values),
    OPEN_OPTIONS(serve_values),
};

static int serve(const cli_call *call, cosrel_runtime *rt)
{
    const serve_values *v = call->values;
    const bool grpc = strcmp(v->grpc, "off") != 0;
    const server_options options = {.http = {.address = v->http},
                                    .grpc = {.address = grpc ? v->grpc : NULL},
                                    .stop = interrupt_seen};
    server *s;
    cosrel_error err = {""};
    const cosrel_status status = server_create(&options, rt, &s, &err);
    if (status != COSREL_OK)
        return cli_fail(call->command, status, &err);
    /* Whoever started it with port 0 reads the port here. */
    printf("serving %zu models over HTTP on port %d\n", cosrel_runtime_model_count(rt),
           server_http_port(s));
    if (grpc)
        printf("gRPC on port %d\n", server_grpc_port(s));
    fflush(stdout);
    server_run(s);
    server_free(s);
    return CLI_DONE;
}

static int run(const cli_call *call)
{
    const serve_values *v = call->values;
    if (!v->models)
        return cli_wrong(call->command, "--models is missing: the folder of models");
    progress shown;
    progress_begin(&shown, "load", v->open.quiet);
    cosrel_options options;
    open_log log = {.command = call->command};
    open_options(&v->open, &log, &shown, &options);
    options.policy = v->policy ? v->policy : "learned";
    options.objective = v->objective;
    options.profile = v->profile;
    cosrel_runtime *rt;
    cosrel_error err = {""};
    cosrel_status status = cosrel_runtime_open(&options, &rt, &err);
    if (status != COSREL_OK)
        return cli_fail(call->command, status, &err);
    status = cosrel_runtime_load(rt, v->models, &err);
    progress_end(&shown);
    int result = CLI_FAILED;
    if (cosrel_runtime_model_count(rt) == 0) {
        atomic_store(&log.hold, true);
        result = atomic_load(&log.lines) ? CLI_WRONG : cli_fail(call->command, status, &err);
    } else if (status != COSREL_CANCELLED) {
        result = serve(call, rt);
    }
    cosrel_runtime_close(rt);
    return result;
}

const cli_command command_serve = {
    .name = "serve",
    .summary = "Serve models over the Open Inference Protocol",
    .arguments = "--models DIR [options]",
    .details = "The protocol of KServe and Triton over HTTP and gRPC. Ctrl-C or SIGTERM ends "
               "it\nwhen what is under way is answered.",
    .example = "cosrel serve --models models --http 127.0.0.1:8000",
    .options = OPTIONS,
    .option_count = sizeof OPTIONS / sizeof OPTIONS[0],
    .defaults = &DEFAULTS,
    .values_bytes = sizeof(serve_values),
    .run = run,
};
