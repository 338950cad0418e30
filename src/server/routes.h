/* The protocol's routes but inference: what is there and how it is. */
#ifndef SERVER_ROUTES_H
#define SERVER_ROUTES_H

#include <stdbool.h>

#include "base/text.h"
#include "cosrel/runtime.h"

/* A path in pieces: "/v2/models/NAME/versions/7/infer". */
typedef struct route_path {
    char text[1024];
    const char *part[8];
    int count;
} route_path;

/* False: longer than any route's, or not from "/". */
bool route_split(const char *url, route_path *out);

/* NAME and VERSION of ".../models/NAME[/versions/VERSION]/WHAT"; `what` may be "": the model
 * itself. version 0: not given. False: another path. */
bool route_model(const route_path *path, const char *what, const char **name, int64_t *version);

typedef struct route_reply {
    int status;
    text_builder body; /* JSON; empty: no body */
} route_reply;

/* Fills in the reply; 404 for what is not there, 405 for a wrong method. */
void route_answer(cosrel_runtime *rt, const char *method, const route_path *path,
                  route_reply *reply);

/* {"error": text} */
void route_error(route_reply *reply, int status, const char *text);

#endif
