#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "interrupt.h"
#include "open.h"
#include "server/server.h"

/* Time for each model, processor and batch at the start (chosen: enough to see whether a batch pays;
 * estimates follow what is measured while serving). */
static const double CELL_MS = 20;

typedef struct serve_values {
    open_values open;
    const char *models;
    const char *http;
    const char *grpc;
    const char *policy;
    const char *objective;
    const char *profile;
    const char *admin_token;
    const char *learn;
    int64_t queue_max;
    int64_t body_max_mb;
} serve_values;

static const serve_values DEFAULTS = {
    .http = "127.0.0.1:8000", .grpc = "127.0.0.1:8001", .policy = "learned", .queue_max = 256,
    .body_max_mb = 64};

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
    {.name = "learn",
     .kind = CLI_TEXT,
     .value = "DIR",
     .help = "go on learning while serving; versions of the policy\nare kept in this folder",
     .offset = offsetof(serve_values, learn)},
    {.name = "queue-max",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "requests of a model that may wait; more are refused\nwith 429; default: 256",
     .offset = offsetof(serve_values, queue_max),
     .min = 1,
     .max = 100000},
    {.name = "body-max-mb",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "largest body of a request; default: 64",
     .offset = offsetof(serve_values, body_max_mb),
     .min = 1,
     .max = 4096},
    {.name = "admin-token",
     .kind = CLI_TEXT,
     .value = "T",
     .help = "who has it may administer (Authorization: Bearer T);\ndefault: nobody",
     .offset = offsetof(serve_values, admin_token)},
    {.name = "profile",
     .kind = CLI_TEXT,
     .value = "D.csv",
     .help = "device table to start from (cosrel profile);\ndefault: a short one is measured",
     .offset = offsetof(serve_values, profile)},
    OPEN_PROCESSORS(serve_values),
    OPEN_OPTIONS(serve_values),
};

static int serve(const cli_call *call, cosrel_runtime *rt, cosrel_learner *learner)
{
    const serve_values *v = call->values;
    const bool grpc = strcmp(v->grpc, "off") != 0;
    const size_t body_max = (size_t)v->body_max_mb << 20;
    const server_options options = {
        .http = {.address = v->http, .body_max = body_max},
        .grpc = {.address = grpc ? v->grpc : NULL, .message_max = body_max},
        .policy = v->policy,
        .objective = v->objective,
        .learner = learner,
        .admin_token = v->admin_token,
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

/* What batches cost is not known from loading, and without it none are formed. False: stopped. */
static bool measure(cosrel_runtime *rt, progress *shown, bool quiet)
{
    const cosrel_profile_options options = {.struct_bytes = sizeof options,
                                            .cell_ns = (int64_t)(CELL_MS * 1e6)};
    cosrel_error err = {""};
    progress_begin(shown, "measure", quiet);
    const cosrel_status status = cosrel_runtime_profile(rt, &options, &err);
    progress_end(shown);
    return status != COSREL_CANCELLED;
}

static int learn_and_serve(const cli_call *call, cosrel_runtime *rt)
{
    const serve_values *v = call->values;
    cosrel_learner_options options;
    cosrel_learner *learner;
    cosrel_error err = {""};
    if (!v->learn)
        return serve(call, rt, NULL);
    cosrel_learner_options_init(&options);
    options.folder = v->learn;
    const cosrel_status status = cosrel_learner_open(rt, &options, &learner, &err);
    if (status != COSREL_OK)
        return cli_fail(call->command, status, &err);
    const int result = serve(call, rt, learner);
    cosrel_learner_close(learner);
    return result;
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
    options.policy = v->policy;
    options.queue_len_max = (uint32_t)v->queue_max;
    options.drop_late = true;
    options.objective = v->objective;
    options.profile = v->profile;
    options.measure_energy = true; /* for the live page and the metrics: read only when asked for */
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
    } else if (status != COSREL_CANCELLED &&
               (v->profile || measure(rt, &shown, v->open.quiet))) {
        result = learn_and_serve(call, rt);
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
