/* The protocol's routes but inference: what is there, how it is, and what can be changed. */
#ifndef SERVER_ROUTES_H
#define SERVER_ROUTES_H

#include <stdbool.h>

#include "base/text.h"
#include "server/service.h"

/* A path in pieces: "/v2/models/NAME/versions/7/infer". */
typedef struct route_path {
    char text[1024];
    const char *part[8];
    int count;
} route_path;

/* False: longer than any route's, or not from "/". */
bool route_split(const char *url, route_path *out);

/* NAME and VERSION of ".../models/NAME[/versions/VERSION]/WHAT"; `what` may be "": the model
 * itself. version 0: not given; -1: none that can be. False: another path. */
bool route_model(const route_path *path, const char *what, const char **name, int64_t *version);

typedef struct route_request {
    const char *method;
    route_path path;
    unsigned rights; /* auth_right */
    const char *body;
    size_t body_bytes;
} route_request;

typedef struct route_reply {
    int status;
    const char *type;  /* of the body */
    text_builder body; /* empty: none */
} route_reply;

/* Fills in the reply: 404 for what is not there, 405 for a wrong method, 401 and 403 for those who
 * may not. */
void route_answer(service *s, const route_request *request, route_reply *reply);

/* {"error": text} */
void route_error(route_reply *reply, int status, const char *text);

/* 401 or 403, with what is missing. */
void route_forbid(route_reply *reply, unsigned rights);

#endif
