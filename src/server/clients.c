#include "server/clients.h"

#include <stdlib.h>
#include <string.h>

/* Of an address: its network; of a token: its number. `kind` tells them apart. */
typedef struct client_key {
    uint8_t bytes[16];
    uint8_t kind;
} client_key;

struct client_entry {
    client_key key;
    unsigned in_flight;
    client_entry *next;
};

enum { TOKEN = 1, IPV4, IPV6, NETWORK_BYTES = 8 };

static client_key key_of(int token, const peer_address *from)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    client_key key = {.kind = TOKEN};
    if (token >= 0) {
        memcpy(key.bytes, &token, sizeof token);
        return key;
    }
    const bool v4 = memcmp(from->ip, mapped, sizeof mapped) == 0;
    key.kind = v4 ? IPV4 : IPV6;
    memcpy(key.bytes, from->ip, v4 ? sizeof from->ip : NETWORK_BYTES);
    return key;
}

/* FNV-1a. Who could choose addresses that collide would only make a list longer, by as many
 * entries as it has requests in flight. */
static client_entry **bucket_of(client_counts *c, const client_key *key)
{
    uint32_t hash = 2166136261u ^ key->kind;
    for (size_t i = 0; i < sizeof key->bytes; i++)
        hash = (hash ^ key->bytes[i]) * 16777619u;
    return &c->buckets[(hash ^ hash >> 16) % CLIENTS_BUCKETS];
}

static bool same(const client_key *a, const client_key *b)
{
    return a->kind == b->kind && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool clients_enter(client_counts *c, int token, const peer_address *from, client_entry **out)
{
    *out = NULL;
    if (!c->max)
        return true;
    const client_key key = key_of(token, from);
    client_entry **bucket = bucket_of(c, &key), *who = *bucket;
    while (who && !same(&who->key, &key))
        who = who->next;
    if (!who) {
        who = calloc(1, sizeof *who);
        if (!who)
            return false;
        who->key = key;
        who->next = *bucket;
        *bucket = who;
    }
    if (who->in_flight >= c->max)
        return false;
    who->in_flight++;
    *out = who;
    return true;
}

void clients_leave(client_counts *c, client_entry *who)
{
    if (!who || --who->in_flight > 0)
        return;
    client_entry **at = bucket_of(c, &who->key);
    while (*at != who)
        at = &(*at)->next;
    *at = who->next;
    free(who);
}

void clients_deinit(client_counts *c)
{
    for (int b = 0; b < CLIENTS_BUCKETS; b++)
        while (c->buckets[b]) {
            client_entry *who = c->buckets[b];
            c->buckets[b] = who->next;
            free(who);
        }
}
