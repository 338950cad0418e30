/* How many requests each client has in flight: so that one that asks for more and more leaves room
 * for others. A client is who has a token, from wherever it comes; else an address (of IPv6 the
 * first 64 bits: a single machine has that many to choose from).
 *
 * Threads: the server's loop only. */
#ifndef SERVER_CLIENTS_H
#define SERVER_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "server/peer.h"

enum { CLIENTS_BUCKETS = 256 };

typedef struct client_entry client_entry;

/* Zeroed with `max` set: nobody is there. Only who has a request in flight takes memory. */
typedef struct client_counts {
    unsigned max; /* requests in flight of one of them; 0: as many as it likes */
    client_entry *buckets[CLIENTS_BUCKETS];
} client_counts;

void clients_deinit(client_counts *c); /* whoever is left, too */

/* One more request; token: its number (auth_find), < 0: none. False: that would be one too many.
 * *out: for clients_leave; NULL where nothing is counted. */
bool clients_enter(client_counts *c, int token, const peer_address *from, client_entry **out);
void clients_leave(client_counts *c, client_entry *who); /* NULL is fine */

#endif
