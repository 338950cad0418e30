#include "server/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/text.h"

cosrel_status listen_on(const char *address, int *fd, int *port, cosrel_error *err)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    const size_t length = colon ? (size_t)(colon - address) : 0;
    int64_t number;
    if (!colon || length == 0 || length >= sizeof host || !text_to_int64(colon + 1, &number) ||
        number < 0 || number > 65535)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "address '%s': expected HOST:PORT, as 127.0.0.1:8000 or [::1]:8000",
                         address);
    const bool brackets = address[0] == '[' && address[length - 1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(length - (brackets ? 2 : 0)), address + brackets);
    struct addrinfo *found,
        hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    const int why = getaddrinfo(host, colon + 1, &hints, &found);
    if (why)
        return error_set(err, COSREL_INVALID_ARGUMENT, "address '%s': %s", address,
                         gai_strerror(why));
    const int one = 1;
    struct sockaddr_storage bound = {.ss_family = AF_UNSPEC};
    socklen_t bound_bytes = sizeof bound;
    *fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const bool ok = *fd >= 0 && setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
                    bind(*fd, found->ai_addr, found->ai_addrlen) == 0 && listen(*fd, 512) == 0 &&
                    getsockname(*fd, (struct sockaddr *)&bound, &bound_bytes) == 0;
    const int error = errno;
    freeaddrinfo(found);
    if (!ok)
        return error_set(err, COSREL_IO, "address '%s': %s", address, strerror(error));
    *port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                              : ((struct sockaddr_in *)&bound)->sin_port);
    return COSREL_OK;
}
