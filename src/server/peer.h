/* The address at the other end of a connection: as text for the access log, and as a key for what
 * is counted per client.
 *
 * Threads: no state. */
#ifndef SERVER_PEER_H
#define SERVER_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { PEER_TEXT_BYTES = 64 };

/* IPv4 as ::ffff:a.b.c.d; all zeros: not known. */
typedef struct peer_address {
    uint8_t ip[16];
    uint16_t port;
} peer_address;

peer_address peer_from(const struct sockaddr *from); /* NULL, or no IP: not known */
peer_address peer_of(int fd);                        /* of a connected socket */
bool peer_is_loopback(const peer_address *p);
bool peer_listens_on_loopback(int fd); /* where a socket is bound: reached from this machine only */

/* "127.0.0.1:51234", "[::1]:51234"; "" if it is not known. */
void peer_text(const peer_address *p, char out[PEER_TEXT_BYTES]);

#endif
