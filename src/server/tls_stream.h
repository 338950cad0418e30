/* TLS on a socket that does not block: what recv and send are to clear text.
 *
 * Threads: the one that owns the socket. */
#ifndef SERVER_TLS_STREAM_H
#define SERVER_TLS_STREAM_H

#include <sys/types.h>
#include <sys/uio.h>

#include "server/tls.h"

typedef struct tls_stream tls_stream;

typedef enum tls_shake {
    TLS_SHAKEN,    /* the handshake is over: bytes may flow */
    TLS_SHAKING,   /* once more when the socket is ready, see tls_stream_wants_write */
    TLS_UNTRUSTED, /* it failed; the peer has been told why, if it speaks TLS at all */
} tls_shake;

/* The server's side, for peers that ask for `protocol` by name (ALPN); others are turned away. The
 * socket stays the caller's. NULL: no memory. */
tls_stream *tls_stream_open(tls_context *t, int fd, const char *protocol);

/* Tells the peer that nothing follows, if the socket takes that at once. NULL is fine. */
void tls_stream_close(tls_stream *s);

/* A step of the handshake. */
tls_shake tls_stream_shake(tls_stream *s);
bool tls_stream_is_shaken(const tls_stream *s);
bool tls_stream_wants_write(const tls_stream *s); /* the handshake does */

/* As recv and sendmsg: bytes (of at most one record when receiving), 0 at the end, or -1 with errno
 * EAGAIN, EINTR, or another when the connection is over. After EAGAIN, or when only some bytes were
 * sent, the next ones that are sent have to be those that follow: they may be encrypted already. */
ssize_t tls_stream_receive(tls_stream *s, void *data, size_t room);
ssize_t tls_stream_send(tls_stream *s, const struct iovec *pieces, int count);

#endif
