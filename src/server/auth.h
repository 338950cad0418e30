/* Who may do what: bearer tokens, each with a role.
 *
 * Without any token everybody may infer and read, and nobody may administer. With tokens, every
 * route but the health ones wants one.
 *
 * Threads: read-only once it is made. */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "cosrel/status.h"

/* Each may what those before it may, but that inference alone is not reading. */
typedef enum auth_right {
    AUTH_NOTHING = 0,
    AUTH_READ = 1,  /* metadata, statistics, metrics, the live page */
    AUTH_INFER = 2, /* and shared memory: whoever has it reaches what the server's user reaches */
    AUTH_ADMIN = 4  /* load and unload, the objective */
} auth_right;

enum { AUTH_TOKENS_MAX = 64, AUTH_TOKEN_MIN = 8, AUTH_TOKEN_MAX = 255 };

typedef struct auth {
    struct {
        char token[AUTH_TOKEN_MAX + 1];
        unsigned rights;
    } tokens[AUTH_TOKENS_MAX];
    int count;
    bool open; /* tokens are there for administering only: the rest needs none */
} auth;

/* role: "infer" (and reads), "read" or "admin" (everything). INVALID_ARGUMENT: another role, a
 * token of a wrong length or with characters that a header cannot hold; QUEUE_FULL: too many. */
COSREL_CHECKED cosrel_status auth_add(auth *a, const char *token, const char *role,
                                      cosrel_error *err);

/* The rights of a request; header: of Authorization, or NULL. Takes as long for every token that is
 * as long as the one given. */
unsigned auth_rights(const auth *a, const char *header);

/* The same, with who it is: the number of its token; -1: none that is known. */
unsigned auth_find(const auth *a, const char *header, int *token);

/* "read", "infer" or "admin"; NULL: no such token. */
const char *auth_role(const auth *a, int token);

#endif
