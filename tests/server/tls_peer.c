#include "tls_peer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

struct tls_peer {
    int fd;
    gnutls_session_t session;
    gnutls_certificate_credentials_t trust;
};

tls_peer *tls_peer_begin(int fd, const tls_peer_options *o)
{
    tls_peer *p = calloc(1, sizeof *p);
    int result = -1;
    if (!p)
        return NULL;
    p->fd = fd;
    if (gnutls_certificate_allocate_credentials(&p->trust) == 0 &&
        gnutls_certificate_set_x509_trust_file(p->trust, o->authority, GNUTLS_X509_FMT_PEM) == 1 &&
        gnutls_init(&p->session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL) == 0 &&
        gnutls_credentials_set(p->session, GNUTLS_CRD_CERTIFICATE, p->trust) == 0) {
        if (o->priority)
            gnutls_priority_set_direct(p->session, o->priority, NULL);
        else
            gnutls_set_default_priority(p->session);
        if (o->protocol) {
            const gnutls_datum_t name = {(unsigned char *)(uintptr_t)o->protocol,
                                         (unsigned)strlen(o->protocol)};
            gnutls_alpn_set_protocols(p->session, &name, 1, 0);
        }
        gnutls_session_set_verify_cert(p->session, "localhost", 0);
        gnutls_transport_set_int(p->session, fd);
        do
            result = gnutls_handshake(p->session);
        while (result < 0 && !gnutls_error_is_fatal(result) && result != GNUTLS_E_AGAIN);
    }
    if (result == 0)
        return p;
    tls_peer_drop(p);
    return NULL;
}

void tls_peer_end(tls_peer *p)
{
    (void)gnutls_bye(p->session, GNUTLS_SHUT_WR);
    tls_peer_drop(p);
}

void tls_peer_drop(tls_peer *p)
{
    if (p->session)
        gnutls_deinit(p->session);
    if (p->trust)
        gnutls_certificate_free_credentials(p->trust);
    close(p->fd);
    free(p);
}

ssize_t tls_peer_send(tls_peer *p, const void *data, size_t bytes)
{
    size_t at = 0;
    while (at < bytes) {
        const ssize_t n = gnutls_record_send(p->session, (const char *)data + at, bytes - at);
        if (n == GNUTLS_E_INTERRUPTED)
            continue;
        if (n <= 0)
            return -1;
        at += (size_t)n;
    }
    return (ssize_t)bytes;
}

ssize_t tls_peer_receive(tls_peer *p, void *data, size_t room)
{
    ssize_t n;
    do
        n = gnutls_record_recv(p->session, data, room);
    while (n == GNUTLS_E_INTERRUPTED);
    return n < 0 ? -1 : n;
}

bool tls_peer_sees(const tls_peer *p, const char *common_name)
{
    unsigned count;
    char name[64] = "";
    size_t bytes = sizeof name;
    gnutls_x509_crt_t crt;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(p->session, &count);
    if (!chain || gnutls_x509_crt_init(&crt) != 0)
        return false;
    const bool ok = gnutls_x509_crt_import(crt, chain, GNUTLS_X509_FMT_DER) == 0 &&
                    gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name,
                                                  &bytes) == 0;
    gnutls_x509_crt_deinit(crt);
    return ok && strcmp(name, common_name) == 0;
}

bool tls_peer_speaks(const tls_peer *p, const char *protocol)
{
    gnutls_datum_t name;
    return gnutls_alpn_get_selected_protocol(p->session, &name) == 0 &&
           name.size == strlen(protocol) && memcmp(name.data, protocol, name.size) == 0;
}
