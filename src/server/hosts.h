/* Under which names the server may be asked, and by pages of which sites: what keeps a web page
 * that somebody on this machine looks at away from a server that trusts this machine.
 *
 * DNS rebinding: a page's own name is made to lead to 127.0.0.1, so that the browser takes the
 * server for the page's own. The Host header still holds that name: on loopback only "localhost",
 * addresses of loopback and names that were allowed are good.
 *
 * Cross-site requests: a browser sends a page's POST to any address, and asks for leave only for
 * unusual ones. It says in Origin whose page it is: a foreign one is refused. Programs send none.
 *
 * Threads: read-only once it is made. */
#ifndef SERVER_HOSTS_H
#define SERVER_HOSTS_H

#include <stdbool.h>

#include "cosrel/status.h"

enum { HOSTS_NAMES_MAX = 32, HOSTS_NAME_MAX = 253 };

typedef struct host_names {
    bool check; /* false: any Host will do */
    int count;
    char names[HOSTS_NAMES_MAX][HOSTS_NAME_MAX + 1];
} host_names;

/* names: "NAME[,NAME]", without ports; "*": any, and pages of any site; NULL or "": none.
 * INVALID_ARGUMENT: one cannot be a name, or they are too many. */
COSREL_CHECKED cosrel_status hosts_init(host_names *h, const char *names, bool on_loopback,
                                        cosrel_error *err);

/* Of the Host header; NULL: there is none, which no browser does. */
bool hosts_allow(const host_names *h, const char *host);

/* Of the Origin header; NULL: no page asks. Its own pages may ask (where Origin names what Host
 * names), and pages of names that were allowed. */
bool hosts_allow_origin(const host_names *h, const char *origin, const char *host);

#endif
