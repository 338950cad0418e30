/* The settings of `cosrel serve`: one YAML file, every key of which is an option too; options win.
 *
 *     models: models
 *     http: 127.0.0.1:8000
 *     policy: learned
 *     tokens:
 *       - {token: "a-long-secret", role: infer} */
#ifndef APPS_SERVE_CONFIG_H
#define APPS_SERVE_CONFIG_H

#include <stdio.h>

#include "cli.h"
#include "open.h"
#include "server/server.h"

/* As the command line gives them: NULL and 0 mean not given. */
typedef struct serve_values {
    open_values open;
    const char *config;
    const char *models;
    const char *http;
    const char *grpc;
    const char *policy;
    const char *objective;
    const char *profile;
    const char *learn;
    const char *admin_token;
    const char *access_log;
    const char *allow_host;
    int64_t versions;
    const char *tls_cert;
    const char *tls_key;
    int64_t queue_max;
    int64_t body_max_mb;
    int64_t bodies_max_mb;
    int64_t header_max_kb;
    int64_t connections_max;
    int64_t client_requests_max;
    int64_t drain_seconds;
    bool print_config;
} serve_values;

/* What is in force. Texts belong to it or to the values. */
typedef struct serve_config {
    serve_values values; /* complete but for what may be left out */
    const server_token *tokens;
    unsigned token_count;
    void *file; /* where the texts of the file lie */
} serve_config;

/* Reads values->config, if there is one, and fills in what nobody has said. Paths in the file are
 * relative to where the command runs. INVALID_FILE, NOT_FOUND, OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status serve_config_init(const serve_values *values, serve_config *out,
                                               cosrel_error *err);
void serve_config_deinit(serve_config *c);

/* For server_create and server_change: what settings say; the rest is NULL. */
void serve_config_server(const serve_config *c, server_options *out);

/* As YAML that serve_config_init reads back; tokens are left out. */
void serve_config_print(const serve_config *c, FILE *to);

#endif
