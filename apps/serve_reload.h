/* SIGHUP: `cosrel serve` reads its settings file, its models, its certificate anew and opens its
 * log again, while it serves.
 *
 * Threads: the server's loop. */
#ifndef APPS_SERVE_RELOAD_H
#define APPS_SERVE_RELOAD_H

#include "cli.h"
#include "serve_config.h"
#include "server/tls.h"

typedef struct serve_reload {
    const cli_call *call;
    serve_config *config; /* what is in force; replaced */
    cosrel_runtime *rt;
    tls_context *tls; /* NULL: none */
    server *server;
} serve_reload;

/* server_options.look: reloads if the signal has come. What is wrong is said on standard error, and
 * what was before stays. */
void serve_reload_look(void *reload);

#endif
