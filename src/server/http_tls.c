#include "server/http_tls.h"

#include <gnutls/abstract.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/error.h"
#include "server/tls_identity.h"

typedef struct tls_connection {
    struct MHD_Connection *connection;
    tls_identity *who;
    int64_t begun_ns;
    bool is_young; /* in the list: as far as is known its handshake is not over */
    struct tls_connection *previous, *next;
} tls_connection;

struct http_tls {
    tls_context *tls;
    tls_connection *oldest, *youngest; /* the young ones, in the order in which they came */
};

static gnutls_session_t session_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    return info ? (gnutls_session_t)info->tls_session : NULL;
}

static void add(http_tls *h, tls_connection *c)
{
    c->is_young = true;
    c->previous = h->youngest;
    if (c->previous)
        c->previous->next = c;
    else
        h->oldest = c;
    h->youngest = c;
}

static void leave(http_tls *h, tls_connection *c)
{
    if (!c->is_young)
        return;
    c->is_young = false;
    if (c->previous)
        c->previous->next = c->next;
    else
        h->oldest = c->next;
    if (c->next)
        c->next->previous = c->previous;
    else
        h->youngest = c->previous;
}

/* The session is there and has not begun. Its credentials are libmicrohttpd's, which have no
 * certificate but `none`: so a connection that gets none of ours here fails its handshake. */
static tls_connection *begin(http_tls *h, struct MHD_Connection *connection)
{
    const gnutls_session_t session = session_of(connection);
    tls_connection *c = session ? calloc(1, sizeof *c) : NULL;
    if (!c)
        return NULL;
    c->connection = connection;
    c->begun_ns = clock_now_ns();
    c->who = tls_identity_take(h->tls);
    (void)gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls_identity_credentials(c->who));
    add(h, c);
    return c;
}

void http_tls_notify(void *user, struct MHD_Connection *connection, void **context,
                     enum MHD_ConnectionNotificationCode what)
{
    http_tls *h = user;
    tls_connection *c = *context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = begin(h, connection);
    } else if (c) {
        leave(h, c);
        tls_identity_give(c->who);
        free(c);
        *context = NULL;
    }
}

/* GnuTLS describes a session only after its handshake. */
static bool has_shaken(struct MHD_Connection *connection)
{
    char *description = gnutls_session_get_desc(session_of(connection));
    gnutls_free(description);
    return description != NULL;
}

void http_tls_look(http_tls *h, int64_t now_ns)
{
    tls_connection *c;
    while ((c = h->oldest) && now_ns - c->begun_ns > tls_handshake_ns(h->tls)) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(
            c->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        leave(h, c);
        /* The library sees the end of the stream, and closes. */
        if (info && !has_shaken(c->connection))
            (void)shutdown(info->connect_fd, SHUT_RDWR);
    }
}

/* ---- Its life ---- */

static int none(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                gnutls_pcert_st **chain, unsigned *chain_count, gnutls_privkey_t *key)
{
    (void)session, (void)authorities, (void)authority_count, (void)algorithms;
    (void)algorithm_count, (void)chain, (void)chain_count, (void)key;
    return -1;
}

cosrel_status http_tls_create(tls_context *t, http_tls **out, cosrel_error *err)
{
    *out = NULL;
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
        return error_set(err, COSREL_UNSUPPORTED, "this libmicrohttpd was built without TLS");
    http_tls *h = calloc(1, sizeof *h);
    if (!h)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for TLS");
    h->tls = t;
    *out = h;
    return COSREL_OK;
}

void http_tls_free(http_tls *h)
{
    free(h);
}

/* libmicrohttpd does not start without a certificate, or somebody to ask for one. */
void http_tls_options(http_tls *h, struct MHD_OptionItem out[HTTP_TLS_OPTIONS + 1])
{
    int n = 0;
    out[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0,
                                       (void *)(uintptr_t)TLS_PRIORITY};
    out[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(intptr_t)none};
    out[n++] = (struct MHD_OptionItem){MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)http_tls_notify, h};
    out[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
}
