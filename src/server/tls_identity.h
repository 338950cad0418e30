/* What a connection under TLS needs of tls.h's context.
 *
 * Threads: any. */
#ifndef SERVER_TLS_IDENTITY_H
#define SERVER_TLS_IDENTITY_H

#include <gnutls/gnutls.h>

#include "server/tls.h"

/* TLS 1.2 and 1.3, and of 1.2 only what 1.3 kept: forward secrecy and authenticated encryption,
 * which HTTP/2 asks for too (RFC 9113, 9.2.2). Which of these is the client's choice: it knows what
 * its hardware is good at. */
#define TLS_PRIORITY                                                                               \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:"      \
    "+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:-MAC-ALL:+AEAD"

typedef struct tls_identity tls_identity;

/* The one in force; it is given back when the connection is over. */
tls_identity *tls_identity_take(tls_context *t);
void tls_identity_give(tls_identity *who); /* NULL is fine */
gnutls_certificate_credentials_t tls_identity_credentials(const tls_identity *who);

gnutls_priority_t tls_priority(const tls_context *t); /* TLS_PRIORITY */
int64_t tls_handshake_ns(const tls_context *t);

#endif
