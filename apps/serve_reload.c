#include "serve_reload.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "interrupt.h"
#include "server/notify.h"

__attribute__((format(printf, 2, 3))) static void say(const serve_reload *r, const char *format,
                                                      ...)
{
    va_list arguments;
    fprintf(stderr, "cosrel %s: reload: ", r->call->command->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* What only a restart brings into force. */
static void say_what_stays(const serve_reload *r, const serve_values *old, const serve_values *new)
{
    const struct {
        const char *key;
        bool same;
    } all[] = {
        {"models", same_text(old->models, new->models)},
        {"http", same_text(old->http, new->http)},
        {"grpc", same_text(old->grpc, new->grpc)},
        {"profile", same_text(old->profile, new->profile)},
        {"learn", same_text(old->learn, new->learn)},
        {"settings", same_text(old->open.settings, new->open.settings)},
        {"processors", same_text(old->open.processors, new->open.processors)},
        {"cache_folder", same_text(old->open.cache_folder, new->open.cache_folder)},
        {"software_gpu", old->open.software_gpu == new->open.software_gpu},
        {"access_log", same_text(old->access_log, new->access_log)},
        {"allow_host", same_text(old->allow_host, new->allow_host)},
        {"tls_cert", same_text(old->tls_cert, new->tls_cert)},
        {"tls_key", same_text(old->tls_key, new->tls_key)},
        {"queue_max", old->queue_max == new->queue_max},
        {"body_max_mb", old->body_max_mb == new->body_max_mb},
        {"header_max_kb", old->header_max_kb == new->header_max_kb},
        {"connections_max", old->connections_max == new->connections_max},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!all[i].same)
            say(r, "%s: holds from the next start on", all[i].key);
}

/* The runtime's part. A name that is wrong leaves all as it was. */
static cosrel_status change_runtime(const serve_reload *r, const serve_values *old,
                                    const serve_values *new, cosrel_error *err)
{
    cosrel_status status = COSREL_OK;
    if (!same_text(old->objective, new->objective))
        status = cosrel_runtime_set_objective(r->rt, new->objective, err);
    if (status == COSREL_OK && !same_text(old->policy, new->policy)) {
        status = cosrel_runtime_set_policy(r->rt, new->policy, err);
        if (status != COSREL_OK)
            status = cosrel_runtime_set_objective(r->rt, old->objective, NULL) == COSREL_OK
                         ? status
                         : COSREL_INTERNAL;
    }
    return status;
}

static void read_settings(serve_reload *r)
{
    serve_config fresh;
    server_options options;
    cosrel_error err = {""};
    cosrel_status status = serve_config_init(r->call->values, &fresh, &err);
    if (status != COSREL_OK) {
        say(r, "%s; the settings of before stay", err.text);
        return;
    }
    serve_config_server(&fresh, &options);
    status = change_runtime(r, &r->config->values, &fresh.values, &err);
    if (status == COSREL_OK)
        status = server_change(r->server, &options, &err);
    if (status != COSREL_OK) {
        say(r, "%s; the settings of before stay", err.text);
        serve_config_deinit(&fresh);
        return;
    }
    say_what_stays(r, &r->config->values, &fresh.values);
    serve_config old = *r->config;
    *r->config = fresh;
    serve_config_deinit(&old);
}

static void read_certificate(const serve_reload *r)
{
    cosrel_error err = {""};
    char remark[sizeof err.text];
    if (!r->tls)
        return;
    if (tls_reload(r->tls, &err) != COSREL_OK)
        say(r, "%s; the certificate of before stays", err.text);
    else if (tls_remark(r->tls, remark, sizeof remark))
        say(r, "%s", remark);
}

static void followed(void *user, cosrel_status status, const cosrel_error *err)
{
    const serve_reload *r = user;
    if (status != COSREL_OK)
        say(r, "%s", err->text);
    say(r, "done; models that are served: %zu", cosrel_runtime_model_count(r->rt));
    notify_manager("READY=1");
}

void serve_reload_look(void *reload)
{
    serve_reload *r = reload;
    cosrel_error err = {""};
    if (!interrupt_hangup())
        return;
    notify_manager("RELOADING=1");
    server_reopen_log(r->server);
    read_settings(r);
    read_certificate(r);
    if (server_follow_models(r->server, followed, r, &err) != COSREL_OK) {
        say(r, "%s", err.text);
        notify_manager("READY=1");
    }
}
