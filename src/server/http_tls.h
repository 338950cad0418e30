/* HTTP's connections under TLS. libmicrohttpd runs GnuTLS on its sockets by itself; here each of
 * its connections gets the certificate that is in force when it begins, and those that do not
 * finish their handshake are dropped.
 *
 * Threads: the loop's only. */
#ifndef SERVER_HTTP_TLS_H
#define SERVER_HTTP_TLS_H

#include <microhttpd.h>

#include "server/tls.h"

typedef struct http_tls http_tls;

enum { HTTP_TLS_OPTIONS = 3 };

/* OUT_OF_MEMORY; UNSUPPORTED: this libmicrohttpd has no TLS. */
COSREL_CHECKED cosrel_status http_tls_create(tls_context *t, http_tls **out, cosrel_error *err);
void http_tls_free(http_tls *h); /* after MHD_stop_daemon; NULL is fine */

/* For MHD_OPTION_ARRAY, beside the flag MHD_USE_TLS. */
void http_tls_options(http_tls *h, struct MHD_OptionItem out[HTTP_TLS_OPTIONS + 1]);

/* For MHD_OPTION_NOTIFY_CONNECTION, with `h`: takes the socket's context for itself. */
void http_tls_notify(void *h, struct MHD_Connection *connection, void **context,
                     enum MHD_ConnectionNotificationCode what);

/* Now and then: ends connections whose handshake takes too long. */
void http_tls_look(http_tls *h, int64_t now_ns);

#endif
