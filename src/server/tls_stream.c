#include "server/tls_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/tls_identity.h"

struct tls_stream {
    gnutls_session_t session;
    tls_identity *who;
    const char *protocol;
    bool shaken, broken;
    bool pending; /* the last record is encrypted, and the socket has not taken all of it */
};

tls_stream *tls_stream_open(tls_context *t, int fd, const char *protocol)
{
    tls_stream *s = calloc(1, sizeof *s);
    const gnutls_datum_t name = {(unsigned char *)(uintptr_t)protocol, (unsigned)strlen(protocol)};
    if (!s)
        return NULL;
    s->protocol = protocol;
    s->who = tls_identity_take(t);
    if (gnutls_init(&s->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) != 0 ||
        gnutls_priority_set(s->session, tls_priority(t)) != 0 ||
        gnutls_credentials_set(s->session, GNUTLS_CRD_CERTIFICATE,
                               tls_identity_credentials(s->who)) != 0 ||
        gnutls_alpn_set_protocols(s->session, &name, 1, GNUTLS_ALPN_MANDATORY) != 0) {
        tls_stream_close(s);
        return NULL;
    }
    gnutls_transport_set_int(s->session, fd);
    return s;
}

void tls_stream_close(tls_stream *s)
{
    if (!s)
        return;
    if (s->shaken && !s->broken && !s->pending)
        (void)gnutls_bye(s->session, GNUTLS_SHUT_WR);
    if (s->session)
        gnutls_deinit(s->session);
    tls_identity_give(s->who);
    free(s);
}

/* A peer that names no protocol at all passes GnuTLS, and would speak another one. */
static bool agreed(const tls_stream *s)
{
    gnutls_datum_t name;
    return gnutls_alpn_get_selected_protocol(s->session, &name) == 0 &&
           name.size == strlen(s->protocol) && memcmp(name.data, s->protocol, name.size) == 0;
}

tls_shake tls_stream_shake(tls_stream *s)
{
    if (s->shaken)
        return TLS_SHAKEN;
    const int result = gnutls_handshake(s->session);
    if (result < 0 && !gnutls_error_is_fatal(result))
        return TLS_SHAKING;
    s->shaken = result == GNUTLS_E_SUCCESS && agreed(s);
    if (s->shaken)
        return TLS_SHAKEN;
    s->broken = true;
    (void)gnutls_alert_send_appropriate(s->session,
                                        result < 0 ? result : GNUTLS_E_NO_APPLICATION_PROTOCOL);
    return TLS_UNTRUSTED;
}

bool tls_stream_is_shaken(const tls_stream *s)
{
    return s->shaken;
}

bool tls_stream_wants_write(const tls_stream *s)
{
    return !s->shaken && gnutls_record_get_direction(s->session) == 1;
}

/* What GnuTLS says, as recv and send say it. */
static ssize_t outcome(tls_stream *s, ssize_t result)
{
    if (result >= 0)
        return result;
    /* A wish to shake hands again is no fault, but forbidden by HTTP/2 (RFC 9113, 9.2.1). */
    s->broken |= gnutls_error_is_fatal((int)result) || result == GNUTLS_E_REHANDSHAKE;
    if (s->broken)
        errno = ECONNRESET;
    else
        errno = result == GNUTLS_E_AGAIN ? EAGAIN : EINTR; /* warnings too: there may be more */
    return -1;
}

ssize_t tls_stream_receive(tls_stream *s, void *data, size_t room)
{
    return outcome(s, gnutls_record_recv(s->session, data, room));
}

/* As much of it as one record holds. */
static ssize_t send_record(tls_stream *s, const void *data, size_t bytes)
{
    ssize_t result;
    do
        result = s->pending ? gnutls_record_send(s->session, NULL, 0)
                            : gnutls_record_send(s->session, data, bytes);
    while (result == GNUTLS_E_INTERRUPTED);
    s->pending = result == GNUTLS_E_AGAIN;
    return outcome(s, result);
}

ssize_t tls_stream_send(tls_stream *s, const struct iovec *pieces, int count)
{
    size_t sent = 0;
    for (int i = 0; i < count; i++) {
        size_t at = 0;
        while (at < pieces[i].iov_len) {
            const ssize_t n = send_record(s, (const char *)pieces[i].iov_base + at,
                                          pieces[i].iov_len - at);
            if (n < 0)
                return errno == EAGAIN && sent > 0 ? (ssize_t)sent : -1;
            at += (size_t)n;
            sent += (size_t)n;
        }
    }
    return (ssize_t)sent;
}
