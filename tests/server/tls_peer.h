/* A client's side of TLS for tests, on a socket that waits. */
#ifndef TESTS_TLS_PEER_H
#define TESTS_TLS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct tls_peer tls_peer;

typedef struct tls_peer_options {
    const char *authority; /* PEM file that the server's certificate has to lead to */
    const char *protocol;  /* asked for by ALPN; NULL: none */
    const char *priority;  /* GnuTLS's; NULL: its default */
} tls_peer_options;

/* Shakes hands on fd, which it takes over. NULL: the handshake failed, and fd is closed. */
tls_peer *tls_peer_begin(int fd, const tls_peer_options *options);
void tls_peer_end(tls_peer *p);  /* says goodbye */
void tls_peer_drop(tls_peer *p); /* without a word */

ssize_t tls_peer_send(tls_peer *p, const void *data, size_t bytes); /* all, or -1 */
ssize_t tls_peer_receive(tls_peer *p, void *data, size_t room);     /* 0: the end; -1: broken */

bool tls_peer_sees(const tls_peer *p, const char *common_name); /* of the server's certificate */
bool tls_peer_speaks(const tls_peer *p, const char *protocol);  /* as ALPN agreed */

#endif
