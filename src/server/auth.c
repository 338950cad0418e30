#include "server/auth.h"

#include <string.h>
#include <strings.h>

#include "base/error.h"

static const struct {
    const char *name;
    unsigned rights;
} roles[] = {{"read", AUTH_READ},
             {"infer", AUTH_READ | AUTH_INFER},
             {"admin", AUTH_READ | AUTH_INFER | AUTH_ADMIN}};

cosrel_status auth_add(auth *a, const char *token, const char *role, cosrel_error *err)
{
    const size_t length = strlen(token);
    size_t r = 0;
    while (r < sizeof roles / sizeof *roles && strcmp(roles[r].name, role) != 0)
        r++;
    if (r == sizeof roles / sizeof *roles)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "role '%.32s': expected read, infer or admin", role);
    if (length < AUTH_TOKEN_MIN || length > AUTH_TOKEN_MAX)
        return error_set(err, COSREL_INVALID_ARGUMENT, "a token has %d to %d characters",
                         AUTH_TOKEN_MIN, AUTH_TOKEN_MAX);
    for (size_t i = 0; i < length; i++)
        if (token[i] <= ' ' || token[i] > '~')
            return error_set(err, COSREL_INVALID_ARGUMENT,
                             "a token consists of visible ASCII characters");
    if (a->count == AUTH_TOKENS_MAX)
        return error_set(err, COSREL_QUEUE_FULL, "more than %d tokens", AUTH_TOKENS_MAX);
    memcpy(a->tokens[a->count].token, token, length + 1);
    a->tokens[a->count++].rights = roles[r].rights;
    return COSREL_OK;
}

/* All of the given token is looked at, whatever differs. */
static bool same(const char *expected, const char *given, size_t length)
{
    volatile unsigned char differs = strlen(expected) != length;
    char padded[AUTH_TOKEN_MAX + 1] = "";
    memcpy(padded, expected, strlen(expected));
    for (size_t i = 0; i < length; i++)
        differs |= (unsigned char)(padded[i] ^ given[i]);
    return !differs;
}

unsigned auth_find(const auth *a, const char *header, int *token)
{
    static const char scheme[] = "Bearer ";
    unsigned rights = a->count == 0 || a->open ? AUTH_READ | AUTH_INFER : AUTH_NOTHING;
    *token = -1;
    if (!header || strncasecmp(header, scheme, sizeof scheme - 1) != 0)
        return rights;
    const char *given = header + sizeof scheme - 1;
    const size_t length = strlen(given);
    if (length > AUTH_TOKEN_MAX)
        return rights;
    for (int i = 0; i < a->count; i++) {
        const bool it = same(a->tokens[i].token, given, length);
        rights |= it ? a->tokens[i].rights : 0;
        *token = it ? i : *token;
    }
    return rights;
}

unsigned auth_rights(const auth *a, const char *header)
{
    int token;
    return auth_find(a, header, &token);
}

const char *auth_role(const auth *a, int token)
{
    for (size_t r = 0; token >= 0 && r < sizeof roles / sizeof *roles; r++)
        if (roles[r].rights == a->tokens[token].rights)
            return roles[r].name;
    return NULL;
}
