/* The folder of models that is served: what is in it, and loading, unloading and following it on a
 * thread of its own, so that the loop goes on.
 *
 * Threads: the loop's, but for the thread that it starts. */
#ifndef SERVER_REPOSITORY_H
#define SERVER_REPOSITORY_H

#include <stdbool.h>
#include <stdint.h>

#include "cosrel/runtime.h"

typedef struct repository_desk repository_desk;

typedef enum repository_action {
    REPOSITORY_LOAD,   /* a name: what the folder has of it now */
    REPOSITORY_UNLOAD, /* a name: all versions that are loaded */
    REPOSITORY_FOLLOW  /* all names: what the folder holds is what is loaded afterwards */
} repository_action;

enum { REPOSITORY_NAME_MAX = 255, REPOSITORY_TASKS_MAX = 64 };

typedef struct repository_task {
    repository_action action;
    char name[REPOSITORY_NAME_MAX + 1];
    /* What became of it. */
    cosrel_status status;
    cosrel_error err;
    void (*done)(struct repository_task *task); /* the loop has it back; its owner frees it */
    void *owner;
    struct repository_task *next;
} repository_task;

/* folder: as for cosrel_runtime_load; NULL: none, and nothing can be loaded. versions: how many of
 * the highest of each name are served. UNAVAILABLE: no thread to be had; OUT_OF_MEMORY, IO. */
COSREL_CHECKED cosrel_status repository_open(cosrel_runtime *rt, const char *folder,
                                             uint32_t versions, repository_desk **out,
                                             cosrel_error *err);
/* NULL is fine. Waits for the task under way; those that wait are dropped: there should be none. */
void repository_close(repository_desk *d);

/* From the next task on. */
void repository_set_versions(repository_desk *d, uint32_t versions);

int repository_fd(const repository_desk *d);   /* readable: repository_run has something to do */
void repository_run(repository_desk *d);       /* gives back what is done */
int repository_busy(const repository_desk *d); /* tasks that were not given back */

/* Takes the task if it answers OK. UNAVAILABLE: REPOSITORY_TASKS_MAX are there. INVALID_ARGUMENT:
 * no folder is served, or the name is none that a model has. */
COSREL_CHECKED cosrel_status repository_start(repository_desk *d, repository_task *task,
                                              cosrel_error *err);

typedef enum repository_state {
    REPOSITORY_READY,
    REPOSITORY_LOADING,
    REPOSITORY_UNLOADING,
    REPOSITORY_UNAVAILABLE
} repository_state;

typedef struct repository_item {
    const char *name;
    int64_t version;
    repository_state state;
    const char *reason; /* "" while READY */
} repository_item;

typedef struct repository_list {
    repository_item *items; /* by name, then by version */
    size_t count;
    void *memory;
} repository_list;

/* What the folder has to serve, and what is served without being in it (any more). Reads the
 * folder's names: a millisecond for a thousand models. OUT_OF_MEMORY. */
COSREL_CHECKED cosrel_status repository_look(repository_desk *d, bool ready_only,
                                             repository_list *out, cosrel_error *err);
void repository_list_deinit(repository_list *list); /* zeroed is fine */

/* "READY", "LOADING", "UNLOADING", "UNAVAILABLE" */
const char *repository_state_name(repository_state state);

#endif
