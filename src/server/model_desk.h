/* The folder of models that is served: what is in it, and loading, unloading and following it on a
 * thread of its own, so that the loop goes on.
 *
 * Threads: the loop's, but for the thread that it starts. */
#ifndef SERVER_MODEL_DESK_H
#define SERVER_MODEL_DESK_H

#include <stdbool.h>
#include <stdint.h>

#include "cosrel/runtime.h"

typedef struct model_desk model_desk;

typedef enum desk_action {
    DESK_LOAD,   /* a name: what the folder has of it now */
    DESK_UNLOAD, /* a name: all versions that are loaded */
    DESK_FOLLOW  /* all names: what the folder holds is what is loaded afterwards */
} desk_action;

enum { DESK_NAME_MAX = 255, DESK_TASKS_MAX = 64 };

typedef struct desk_task {
    desk_action action;
    char name[DESK_NAME_MAX + 1];
    /* What became of it. */
    cosrel_status status;
    cosrel_error err;
    void (*done)(struct desk_task *task); /* the loop has it back; its owner frees it */
    void *owner;
    struct desk_task *next;
} desk_task;

/* folder: as for cosrel_runtime_load; NULL: none, and nothing can be loaded. versions: how many of
 * the highest of each name are served. UNAVAILABLE: no thread to be had; OUT_OF_MEMORY, IO. */
COSREL_CHECKED cosrel_status desk_open(cosrel_runtime *rt, const char *folder, uint32_t versions,
                                       model_desk **out, cosrel_error *err);
/* NULL is fine. Waits for the task under way; those that wait are dropped: there should be none. */
void desk_close(model_desk *d);

/* From the next task on. */
void desk_set_versions(model_desk *d, uint32_t versions);

int desk_fd(const model_desk *d);   /* readable: desk_run has something to do */
void desk_run(model_desk *d);       /* gives back what is done */
int desk_busy(const model_desk *d); /* tasks that were not given back */

/* Takes the task if it answers OK. UNAVAILABLE: DESK_TASKS_MAX are there. INVALID_ARGUMENT:
 * no folder is served, or the name is none that a model has. */
COSREL_CHECKED cosrel_status desk_start(model_desk *d, desk_task *task, cosrel_error *err);

typedef enum desk_state { DESK_READY, DESK_LOADING, DESK_UNLOADING, DESK_UNAVAILABLE } desk_state;

typedef struct desk_item {
    const char *name;
    int64_t version;
    desk_state state;
    const char *reason; /* "" while READY */
} desk_item;

typedef struct desk_list {
    desk_item *items; /* by name, then by version */
    size_t count;
    void *memory;
} desk_list;

/* What the folder has to serve, and what is served without being in it (any more). Reads the
 * folder's names: a millisecond for a thousand models. OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status desk_look(model_desk *d, bool ready_only, desk_list *out,
                                       cosrel_error *err);
void desk_list_deinit(desk_list *list); /* zeroed is fine */

/* "READY", "LOADING", "UNLOADING", "UNAVAILABLE" */
const char *desk_state_name(desk_state state);

#endif
