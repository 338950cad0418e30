/* HTTP's connections under TLS. libmicrohttpd runs GnuTLS on its sockets by itself; this gives each
 * of its connections the certificate that is in force when it begins, and looks after handshakes:
 *
 * - libmicrohttpd (0.9.75 to 1.0.1) runs in circles while a handshake waits for the client, since
 *   it goes on holding the socket for readable. So between two steps of its handshake a connection
 *   is suspended, and its socket watched here.
 * - Who does not finish it in time is dropped.
 *
 * Threads: the loop's only. */
#ifndef SERVER_HTTP_TLS_H
#define SERVER_HTTP_TLS_H

#include <microhttpd.h>

#include "server/tls.h"

typedef struct http_tls http_tls;

enum { HTTP_TLS_OPTIONS = 2 };

/* OUT_OF_MEMORY, IO; UNSUPPORTED: this libmicrohttpd has no TLS. */
COSREL_CHECKED cosrel_status http_tls_create(tls_context *t, http_tls **out, cosrel_error *err);
void http_tls_end(http_tls *h);  /* before MHD_stop_daemon, which takes no suspended connections */
void http_tls_free(http_tls *h); /* after it; NULL is fine */

/* For MHD_OPTION_ARRAY, beside the flags MHD_USE_TLS and MHD_ALLOW_SUSPEND_RESUME. */
void http_tls_options(struct MHD_OptionItem out[HTTP_TLS_OPTIONS + 1]);

/* Of each connection that libmicrohttpd notifies of; keeps its own in *context. */
void http_tls_notify(http_tls *h, struct MHD_Connection *connection, void **context,
                     enum MHD_ConnectionNotificationCode what);

/* Around each MHD_run, which is due when the descriptor is readable. */
int http_tls_epoll_fd(const http_tls *h);
void http_tls_before(http_tls *h);
void http_tls_after(http_tls *h);

/* Now and then: ends connections whose handshake takes too long. */
void http_tls_look(http_tls *h, int64_t now_ns);

#endif
