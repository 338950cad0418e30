/* Triton's model repository extension over HTTP: index, load, unload. */
#ifndef SERVER_REPOSITORY_ROUTES_H
#define SERVER_REPOSITORY_ROUTES_H

#include "server/routes.h"

/* /v2/repository/models/NAME/load or /unload. */
bool repository_route_has(const route_path *path);

/* Starts what such a path asks for; when it is done its owner gets it (task->done, task->owner: to
 * be set at once) and frees it. NULL: refused, and the reply says why. */
desk_task *repository_route_start(service *s, const route_request *request, route_reply *reply);
/* What became of it. */
void repository_route_finish(const desk_task *task, route_reply *reply);

/* /v2/repository/index; body: {"ready": true} or none. */
void repository_route_index(service *s, const route_request *request, route_reply *reply);

#endif
