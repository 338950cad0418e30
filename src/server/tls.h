/* The certificate and the key that the server shows: read from files, checked, and replaced while
 * connections are open.
 *
 * What was read together is an identity. A connection takes the one that is in force when it
 * begins and gives it back at its end, since GnuTLS only points to it; so a new one serves new
 * connections only, and an old one goes with its last connection (tls_identity.h). tls_stream.h
 * speaks TLS on a socket of our own, http_tls.h does what libmicrohttpd leaves to do.
 *
 * No error and no remark holds anything of a file's contents.
 *
 * Threads: any, but for tls_free. */
#ifndef SERVER_TLS_H
#define SERVER_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cosrel/status.h"

typedef struct tls_context tls_context;

typedef struct tls_options {
    const char *certificate; /* PEM file: the server's own, then those that lead to its root */
    const char *key;         /* PEM file, without a password */
    int64_t handshake_ns;    /* who needs longer is dropped; 0: 10 s */
} tls_options;

/* INVALID_ARGUMENT: only one of the two files is named; NOT_FOUND, IO, INVALID_FILE: the sentence
 * names the file; OUT_OF_MEMORY, INTERNAL. */
COSREL_CHECKED cosrel_status tls_create(const tls_options *options, tls_context **out,
                                        cosrel_error *err);
void tls_free(tls_context *t); /* NULL is fine; no connection may be left */

/* Reads the same files again, for new connections. On failure those that were read before stay. */
COSREL_CHECKED cosrel_status tls_reload(tls_context *t, cosrel_error *err);

/* What a person should know although it works: who else may read the key, a certificate that is
 * not valid today. False: nothing. */
bool tls_remark(tls_context *t, char *out, size_t room);

#endif
