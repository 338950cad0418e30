#include "server/http_tls.h"

#include <gnutls/abstract.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "server/tls_identity.h"

enum {
    EVENTS = 64,
    LOOKS = 8, /* in the time that a handshake may take: it is kept to an eighth (chosen) */
};

/* A connection in its handshake is in one of two hands: the library's, which it is to take a step
 * from, or ours, suspended until its socket is ready for the next. */
typedef struct tls_connection {
    struct MHD_Connection *connection;
    gnutls_session_t session; /* the library's */
    int fd;
    tls_identity *who;
    int64_t begun_ns;
    struct tls_connection **list; /* `stepping` or `waiting`; NULL: the handshake is over */
    struct tls_connection *previous, *next;
} tls_connection;

struct http_tls {
    tls_context *tls;
    int epoll_fd; /* sockets of those that wait */
    int64_t looked_ns;
    tls_connection *stepping, *waiting;
};

static void put(tls_connection **list, tls_connection *c)
{
    c->list = list;
    c->previous = NULL;
    c->next = *list;
    if (c->next)
        c->next->previous = c;
    *list = c;
}

static void take(tls_connection *c)
{
    if (!c->list)
        return;
    if (c->previous)
        c->previous->next = c->next;
    else
        *c->list = c->next;
    if (c->next)
        c->next->previous = c->previous;
    c->list = NULL;
}

/* ---- Connections come and go ---- */

/* The session is there and has not begun. Its credentials are libmicrohttpd's, which have no
 * certificate but `none`: so a connection that gets none of ours here fails its handshake. */
static tls_connection *begin(http_tls *h, struct MHD_Connection *connection)
{
    const int one = 1;
    const union MHD_ConnectionInfo *session = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    tls_connection *c = session ? calloc(1, sizeof *c) : NULL;
    if (!c)
        return NULL;
    c->connection = connection;
    c->session = (gnutls_session_t)session->tls_session;
    const union MHD_ConnectionInfo *socket = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    c->fd = socket ? socket->connect_fd : -1;
    /* Else the second part of the server's hello may wait for the client to have the first. */
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->begun_ns = clock_now_ns();
    c->who = tls_identity_take(h->tls);
    (void)gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE,
                                 tls_identity_credentials(c->who));
    put(&h->stepping, c);
    return c;
}

void http_tls_notify(http_tls *h, struct MHD_Connection *connection, void **context,
                     enum MHD_ConnectionNotificationCode what)
{
    tls_connection *c = *context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = begin(h, connection);
    } else if (c) {
        take(c);
        tls_identity_give(c->who);
        free(c);
        *context = NULL;
    }
}

/* ---- Handshakes ---- */

/* GnuTLS describes a session only after its handshake. */
static bool has_shaken(const tls_connection *c)
{
    char *description = gnutls_session_get_desc(c->session);
    gnutls_free(description);
    return description != NULL;
}

static void step(http_tls *h, tls_connection *c)
{
    (void)epoll_ctl(h->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
    take(c);
    put(&h->stepping, c);
    MHD_resume_connection(c->connection);
}

static void wait_for_more(http_tls *h, tls_connection *c)
{
    const bool writes = gnutls_record_get_direction(c->session) == 1;
    struct epoll_event event = {.events = writes ? EPOLLOUT : EPOLLIN, .data.ptr = c};
    if (epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0)
        return; /* no memory: it stays where it is, and is tried again the next time */
    take(c);
    put(&h->waiting, c);
    MHD_suspend_connection(c->connection);
}

void http_tls_before(http_tls *h)
{
    struct epoll_event events[EVENTS];
    if (!h->waiting)
        return;
    const int count = epoll_wait(h->epoll_fd, events, EVENTS, 0);
    for (int i = 0; i < count; i++)
        step(h, events[i].data.ptr);
}

void http_tls_after(http_tls *h)
{
    for (tls_connection *c = h->stepping, *next; c; c = next) {
        next = c->next;
        if (has_shaken(c))
            take(c);
        else
            wait_for_more(h, c);
    }
}

void http_tls_look(http_tls *h, int64_t now_ns)
{
    const int64_t limit_ns = tls_handshake_ns(h->tls);
    if (now_ns - h->looked_ns < limit_ns / LOOKS)
        return;
    h->looked_ns = now_ns;
    for (tls_connection *c = h->waiting; c; c = c->next)
        if (now_ns - c->begun_ns > limit_ns)
            (void)shutdown(c->fd, SHUT_RDWR); /* the next step sees the end, and closes */
}

void http_tls_end(http_tls *h)
{
    while (h->waiting)
        step(h, h->waiting);
}

/* ---- Its life ---- */

static int none(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                gnutls_pcert_st **chain, unsigned *chain_count, gnutls_privkey_t *key)
{
    (void)session, (void)authorities, (void)authority_count, (void)algorithms;
    (void)algorithm_count, (void)chain, (void)key;
    *chain_count = 0;
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
    h->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (h->epoll_fd < 0) {
        free(h);
        return error_set(err, COSREL_IO, "no epoll to be had");
    }
    *out = h;
    return COSREL_OK;
}

void http_tls_free(http_tls *h)
{
    if (!h)
        return;
    close(h->epoll_fd);
    free(h);
}

int http_tls_epoll_fd(const http_tls *h)
{
    return h->epoll_fd;
}

/* libmicrohttpd does not start without a certificate, or somebody to ask for one. */
void http_tls_options(struct MHD_OptionItem out[HTTP_TLS_OPTIONS + 1])
{
    int n = 0;
    out[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0,
                                       (void *)(uintptr_t)TLS_PRIORITY};
    out[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(intptr_t)none};
    out[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
}
