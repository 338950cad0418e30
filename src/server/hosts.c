#include "server/hosts.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"

/* ---- The setting ---- */

static cosrel_status wrong(const char *name, size_t length, cosrel_error *err)
{
    return error_set(err, COSREL_INVALID_ARGUMENT,
                     "allow-host '%.*s': expected names as in Host, without a port: "
                     "NAME[,NAME], or *",
                     (int)(length < 200 ? length : 200), name);
}

/* A name, an address, or one of IPv6 in brackets. */
static bool may_be_name(const char *name, size_t length)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    const bool brackets = length > 2 && name[0] == '[' && name[length - 1] == ']';
    if (length == 0 || length > HOSTS_NAME_MAX)
        return false;
    if (brackets)
        return strspn(name + 1, "0123456789abcdefABCDEF:.") == length - 2;
    return strspn(name, letters) >= length;
}

cosrel_status hosts_init(host_names *h, const char *names, bool on_loopback, cosrel_error *err)
{
    *h = (host_names){.check = on_loopback || (names && *names)};
    for (const char *at = names; at && *at;) {
        const size_t length = strcspn(at, ",");
        if (length != 1 || *at != '*') {
            if (!may_be_name(at, length))
                return wrong(at, length, err);
        }
        if (h->count == HOSTS_NAMES_MAX)
            return error_set(err, COSREL_INVALID_ARGUMENT, "allow-host: more than %d names",
                             HOSTS_NAMES_MAX);
        memcpy(h->names[h->count++], at, length);
        at += length;
        if (*at == ',' && *++at == '\0')
            return wrong(names, strlen(names), err);
    }
    return COSREL_OK;
}

/* ---- The check ---- */

/* How much of "name:port" or "[::1]:port" is the name; 0: it is none. */
static size_t name_length(const char *host)
{
    const char *bracket = host[0] == '[' ? strchr(host, ']') : NULL;
    size_t length = bracket ? (size_t)(bracket + 1 - host) : strcspn(host, ":");
    const char *rest = host + length;
    if (*rest == ':')
        rest += 1 + strspn(rest + 1, "0123456789");
    if (*rest != '\0')
        return 0;
    if (length > 1 && host[length - 1] == '.')
        length--; /* the root, which may stand there */
    return length;
}

static bool is(const char *name, size_t length, const char *other)
{
    return strlen(other) == length && strncasecmp(name, other, length) == 0;
}

static bool is_named(const host_names *h, const char *name, size_t length)
{
    for (int i = 0; i < h->count; i++)
        if (strcmp(h->names[i], "*") == 0 || is(name, length, h->names[i]))
            return true;
    return false;
}

/* As digits only: a name that merely leads there is what must not do. */
static bool is_loopback(const char *name, size_t length)
{
    char text[INET6_ADDRSTRLEN];
    const bool brackets = length > 2 && name[0] == '[';
    struct in_addr v4;
    struct in6_addr v6;
    if (is(name, length, "localhost"))
        return true;
    if (length - (brackets ? 2 : 0) >= sizeof text)
        return false;
    snprintf(text, sizeof text, "%.*s", (int)(length - (brackets ? 2 : 0)), name + brackets);
    if (brackets)
        return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
    return inet_pton(AF_INET, text, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

bool hosts_allow(const host_names *h, const char *host)
{
    if (!h->check || !host)
        return true;
    const size_t length = name_length(host);
    return length > 0 && (is_loopback(host, length) || is_named(h, host, length));
}

bool hosts_allow_origin(const host_names *h, const char *origin, const char *host)
{
    if (!origin)
        return true;
    if (is_named(h, "*", 1))
        return true;
    const char *scheme = strstr(origin, "://"); /* "null": of a page that hides it */
    if (!scheme)
        return false;
    const char *at = scheme + 3;
    const size_t length = name_length(at);
    return length > 0 && ((host && strcasecmp(at, host) == 0) || is_named(h, at, length));
}
