#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "commands.h"
#include "interrupt.h"
#include "open.h"
#include "serve_config.h"
#include "serve_reload.h"
#include "server/server.h"

/* Time for each model, processor and batch at the start (chosen: enough to see whether a batch
 * pays; estimates follow what is measured while serving). */
static const double CELL_MS = 20;

static const serve_values NOTHING;

static const cli_option OPTIONS[] = {
    {.name = "config",
     .kind = CLI_TEXT,
     .value = "C.yaml",
     .help =
         "file with these options as keys (queue_max: 64), and\ntokens; what is given here wins",
     .offset = offsetof(serve_values, config)},
    {.name = "print-config",
     .kind = CLI_FLAG,
     .help = "print what is in force, as such a file, and end",
     .offset = offsetof(serve_values, print_config)},
    {.name = "models",
     .kind = CLI_TEXT,
     .value = "DIR",
     .help = "folder of models, or one .onnx file (needed)",
     .offset = offsetof(serve_values, models)},
    {.name = "versions",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "how many of each model's highest versions are served;\ndefault: 1",
     .offset = offsetof(serve_values, versions),
     .min = 1,
     .max = 100},
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
    {.name = "bodies-max-mb",
     .kind = CLI_INTEGER,
     .value = "N",
     .help =
         "memory of all requests' bodies together; more are\nrefused with 503; default: 512, or "
         "one of the largest",
     .offset = offsetof(serve_values, bodies_max_mb),
     .min = 1,
     .max = 1048576},
    {.name = "header-max-kb",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "headers of a request; default: 8",
     .offset = offsetof(serve_values, header_max_kb),
     .min = 1,
     .max = 1024},
    {.name = "connections-max",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "connections at a time, of HTTP and of gRPC each;\ndefault: 1024",
     .offset = offsetof(serve_values, connections_max),
     .min = 1,
     .max = 100000},
    {.name = "client-requests-max",
     .kind = CLI_INTEGER,
     .value = "N",
     .help =
         "inference requests of one client (token, else address)\nin flight at a time; more are "
         "refused with 429;\ndefault: 512",
     .offset = offsetof(serve_values, client_requests_max),
     .min = 1,
     .max = 100000},
    {.name = "allow-host",
     .kind = CLI_TEXT,
     .value = "A,B",
     .help = "names that requests may have in Host, and whose pages\nmay ask; *: any. Default: on "
             "loopback localhost and\naddresses of loopback, elsewhere any",
     .offset = offsetof(serve_values, allow_host)},
    {.name = "access-log",
     .kind = CLI_TEXT,
     .value = "FILE",
     .help = "a line of JSON for each request; -: standard error;\ndefault: none",
     .offset = offsetof(serve_values, access_log)},
    {.name = "drain-seconds",
     .kind = CLI_INTEGER,
     .value = "N",
     .help = "how long clients have at the end to take their answers;\ndefault: 10",
     .offset = offsetof(serve_values, drain_seconds),
     .min = 1,
     .max = 3600},
    {.name = "admin-token",
     .kind = CLI_TEXT,
     .value = "T",
     .help = "who has it may administer (Authorization: Bearer T);\ndefault: nobody",
     .offset = offsetof(serve_values, admin_token)},
    {.name = "tls-cert",
     .kind = CLI_TEXT,
     .value = "C.pem",
     .help = "speak TLS, HTTP and gRPC, with this certificate",
     .offset = offsetof(serve_values, tls_cert)},
    {.name = "tls-key",
     .kind = CLI_TEXT,
     .value = "K.pem",
     .help = "its private key",
     .offset = offsetof(serve_values, tls_key)},
    {.name = "profile",
     .kind = CLI_TEXT,
     .value = "D.csv",
     .help = "device table to start from (cosrel profile);\ndefault: a short one is measured",
     .offset = offsetof(serve_values, profile)},
    OPEN_PROCESSORS(serve_values),
    OPEN_OPTIONS(serve_values),
};

typedef struct serving {
    const cli_call *call;
    serve_config *config;
    cosrel_runtime *rt;
    cosrel_learner *learner; /* NULL: none */
    tls_context *tls;        /* NULL: clear text */
} serving;

static int serve(const serving *now)
{
    server_options options;
    serve_reload reload = {
        .call = now->call, .config = now->config, .rt = now->rt, .tls = now->tls};
    serve_config_server(now->config, &options);
    options.learner = now->learner;
    options.tls = now->tls;
    options.stop = interrupt_seen;
    options.look = serve_reload_look;
    options.look_user = &reload;
    server *s;
    cosrel_error err = {""};
    const cosrel_status status = server_create(&options, now->rt, &s, &err);
    if (status != COSREL_OK)
        return cli_fail(now->call->command, status, &err);
    reload.server = s;
    interrupt_install_hangup();
    /* Whoever started it with port 0 reads the port here. */
    printf("serving %zu models over %s on port %d\n", cosrel_runtime_model_count(now->rt),
           now->tls ? "HTTPS" : "HTTP", server_http_port(s));
    if (options.grpc.address)
        printf("gRPC%s on port %d\n", now->tls ? " with TLS" : "", server_grpc_port(s));
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

static int learn_and_serve(serving *now)
{
    cosrel_learner_options options;
    cosrel_error err = {""};
    if (!now->config->values.learn)
        return serve(now);
    cosrel_learner_options_init(&options);
    options.folder = now->config->values.learn;
    const cosrel_status status = cosrel_learner_open(now->rt, &options, &now->learner, &err);
    if (status != COSREL_OK)
        return cli_fail(now->call->command, status, &err);
    const int result = serve(now);
    cosrel_learner_close(now->learner);
    return result;
}

/* A descriptor per connection: as many as this process may have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* else the old limit holds */
}

static int load_and_serve(const cli_call *call, serve_config *config, tls_context *tls)
{
    const serve_values *v = &config->values;
    progress shown;
    raise_descriptor_limit();
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
    serving now = {.call = call, .config = config, .tls = tls};
    cosrel_error err = {""};
    cosrel_status status = cosrel_runtime_open(&options, &now.rt, &err);
    if (status != COSREL_OK)
        return cli_fail(call->command, status, &err);
    cosrel_load_options what;
    cosrel_load_options_init(&what);
    what.versions = (uint32_t)v->versions;
    status = cosrel_runtime_load_models(now.rt, v->models, &what, &err);
    progress_end(&shown);
    int result = CLI_FAILED;
    if (cosrel_runtime_model_count(now.rt) == 0) {
        atomic_store(&log.hold, true);
        result = atomic_load(&log.lines) ? CLI_WRONG : cli_fail(call->command, status, &err);
    } else if (status != COSREL_CANCELLED &&
               (v->profile || measure(now.rt, &shown, v->open.quiet))) {
        result = learn_and_serve(&now);
    }
    cosrel_runtime_close(now.rt);
    return result;
}

/* Before the models are loaded, which takes longer than to say that a file is wrong. */
static int secure_and_serve(const cli_call *call, serve_config *config)
{
    const serve_values *v = &config->values;
    const tls_options options = {.certificate = v->tls_cert, .key = v->tls_key};
    cosrel_error err = {""};
    char remark[sizeof err.text];
    tls_context *tls = NULL;
    if (!v->tls_cert != !v->tls_key)
        return cli_wrong(call->command, "--tls-cert and --tls-key go together: %s is missing",
                         v->tls_key ? "--tls-cert" : "--tls-key");
    const cosrel_status status = v->tls_cert ? tls_create(&options, &tls, &err) : COSREL_OK;
    if (status != COSREL_OK)
        return cli_fail(call->command, status, &err);
    if (tls && tls_remark(tls, remark, sizeof remark))
        fprintf(stderr, "cosrel %s: %s\n", call->command->name, remark);
    const int result = load_and_serve(call, config, tls);
    tls_free(tls);
    return result;
}

static int run(const cli_call *call)
{
    serve_config config;
    cosrel_error err = {""};
    const cosrel_status status = serve_config_init(call->values, &config, &err);
    if (status != COSREL_OK)
        return cli_fail(call->command, status, &err);
    int result = CLI_DONE;
    if (config.values.print_config)
        serve_config_print(&config, stdout);
    else if (!config.values.models)
        result = cli_wrong(call->command, "--models is missing: the folder of models");
    else
        result = secure_and_serve(call, &config);
    serve_config_deinit(&config);
    return result;
}

const cli_command command_serve = {
    .name = "serve",
    .summary = "Serve models over the Open Inference Protocol",
    .arguments = "--models DIR [options]",
    .details = "The protocol of KServe and Triton over HTTP and gRPC. Ctrl-C or SIGTERM ends "
               "it\nwhen what is under way is answered; SIGHUP reads settings and models anew.",
    .example = "cosrel serve --models models --http 127.0.0.1:8000",
    .options = OPTIONS,
    .option_count = sizeof OPTIONS / sizeof OPTIONS[0],
    .defaults = &NOTHING,
    .values_bytes = sizeof(serve_values),
    .run = run,
};
