#include "server/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

peer_address peer_from(const struct sockaddr *from)
{
    peer_address p = {.port = 0};
    if (from && from->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof in);
        memcpy(p.ip, mapped, sizeof mapped);
        memcpy(p.ip + sizeof mapped, &in.sin_addr, sizeof in.sin_addr);
        p.port = ntohs(in.sin_port);
    } else if (from && from->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, from, sizeof in);
        memcpy(p.ip, &in.sin6_addr, sizeof p.ip);
        p.port = ntohs(in.sin6_port);
    }
    return p;
}

peer_address peer_of(int fd)
{
    struct sockaddr_storage at = {.ss_family = AF_UNSPEC};
    socklen_t bytes = sizeof at;
    (void)getpeername(fd, (struct sockaddr *)&at, &bytes);
    return peer_from((const struct sockaddr *)&at);
}

static bool is_v4(const peer_address *p)
{
    return memcmp(p->ip, mapped, sizeof mapped) == 0;
}

bool peer_is_loopback(const peer_address *p)
{
    static const uint8_t one[16] = {[15] = 1};
    return is_v4(p) ? p->ip[12] == 127 : memcmp(p->ip, one, sizeof one) == 0;
}

bool peer_listens_on_loopback(int fd)
{
    struct sockaddr_storage at = {.ss_family = AF_UNSPEC};
    socklen_t bytes = sizeof at;
    (void)getsockname(fd, (struct sockaddr *)&at, &bytes);
    const peer_address own = peer_from((const struct sockaddr *)&at);
    return peer_is_loopback(&own);
}

void peer_text(const peer_address *p, char out[PEER_TEXT_BYTES])
{
    static const uint8_t none[16];
    char ip[INET6_ADDRSTRLEN] = "";
    out[0] = '\0';
    if (memcmp(p->ip, none, sizeof none) == 0 && p->port == 0)
        return;
    if (is_v4(p))
        inet_ntop(AF_INET, p->ip + sizeof mapped, ip, sizeof ip);
    else
        inet_ntop(AF_INET6, p->ip, ip, sizeof ip);
    snprintf(out, PEER_TEXT_BYTES, is_v4(p) ? "%s:%u" : "[%s]:%u", ip, p->port);
}
