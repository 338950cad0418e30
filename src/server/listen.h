/* A socket that listens where a person said. */
#ifndef SERVER_LISTEN_H
#define SERVER_LISTEN_H

#include "cosrel/status.h"

/* "HOST:PORT"; IPv6 in brackets; port 0: any that is free, *port says which. The socket does not
 * block. INVALID_ARGUMENT: no such address; IO: it cannot be listened on. */
COSREL_CHECKED cosrel_status listen_on(const char *address, int *fd, int *port, cosrel_error *err);

#endif
