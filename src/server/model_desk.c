#include "server/model_desk.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/error.h"
#include "model/repository.h"

enum { MODELS_MAX = 256 }; /* the runtime's */

/* Why a model is not there: the outcome of its last task. */
typedef struct note {
    char name[DESK_NAME_MAX + 1];
    char reason[256];
    struct note *next;
} note;

struct model_desk {
    cosrel_runtime *rt;
    char *folder; /* NULL: none */
    int fd;
    int busy; /* the loop's */

    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t news;
    /* Guarded by lock. */
    uint32_t versions;
    desk_task *first, **end; /* that wait */
    desk_task *now;          /* NULL: none is under way */
    desk_task *done;
    note *notes;
    bool stop;
};

/* ---- The thread's ---- */

static cosrel_status load(model_desk *d, const char *name, cosrel_error *err)
{
    cosrel_load_options options;
    cosrel_load_options_init(&options);
    options.name = name;
    pthread_mutex_lock(&d->lock);
    options.versions = d->versions;
    pthread_mutex_unlock(&d->lock);
    options.follow = options.gently = true;
    return cosrel_runtime_load_models(d->rt, d->folder, &options, err);
}

static cosrel_status unload(model_desk *d, const char *name, cosrel_error *err)
{
    cosrel_status status = COSREL_OK;
    cosrel_model *m = cosrel_runtime_find_model(d->rt, name, 0);
    if (!m)
        return error_set(err, COSREL_NOT_FOUND, "no model '%s' is loaded", name);
    /* Requests for the name find the next lower version while the higher ones drain; all go. */
    for (; m && status == COSREL_OK; m = cosrel_runtime_find_model(d->rt, name, 0))
        status = cosrel_runtime_unload(d->rt, m, 0, err);
    return status;
}

static void carry_out(model_desk *d, desk_task *task)
{
    task->err.text[0] = '\0';
    task->status = task->action == DESK_UNLOAD
                       ? unload(d, task->name, &task->err)
                       : load(d, task->action == DESK_LOAD ? task->name : NULL, &task->err);
}

/* ---- Notes; locked ---- */

static note **place_of(model_desk *d, const char *name)
{
    note **at = &d->notes;
    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

static void keep_note(model_desk *d, const desk_task *task)
{
    const char *reason = task->status != COSREL_OK     ? task->err.text
                         : task->action == DESK_UNLOAD ? "unloaded"
                                                       : NULL;
    note **at = place_of(d, task->name);
    if (task->action == DESK_FOLLOW || task->status == COSREL_NOT_FOUND)
        return;
    if (!reason && *at) {
        note *old = *at;
        *at = old->next;
        free(old);
    }
    if (!reason || (!*at && !(*at = calloc(1, sizeof **at)))) /* no memory: no reason is given */
        return;
    snprintf((*at)->name, sizeof(*at)->name, "%s", task->name);
    snprintf((*at)->reason, sizeof(*at)->reason, "%.255s", reason);
}

static void give_back(model_desk *d, desk_task *task)
{
    const uint64_t one = 1;
    keep_note(d, task);
    d->now = NULL;
    task->next = d->done;
    d->done = task;
    const ssize_t written = write(d->fd, &one, sizeof one);
    (void)written; /* full: then it is readable already */
}

static void *work(void *desk)
{
    model_desk *d = desk;
    cpu_name_self("cosrel-models");
    pthread_mutex_lock(&d->lock);
    while (!d->stop) {
        desk_task *task = d->first;
        if (!task) {
            pthread_cond_wait(&d->news, &d->lock);
            continue;
        }
        d->first = task->next;
        if (!d->first)
            d->end = &d->first;
        d->now = task;
        pthread_mutex_unlock(&d->lock);
        carry_out(d, task);
        pthread_mutex_lock(&d->lock);
        give_back(d, task);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

/* ---- The loop's ---- */

cosrel_status desk_open(cosrel_runtime *rt, const char *folder, uint32_t versions, model_desk **out,
                        cosrel_error *err)
{
    model_desk *d = *out = calloc(1, sizeof *d);
    if (!d)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the folder of models");
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->news, NULL);
    d->rt = rt;
    d->versions = versions;
    d->end = &d->first;
    d->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    d->folder = folder ? strdup(folder) : NULL;
    cosrel_status status = COSREL_OK;
    if (folder && !d->folder)
        status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the folder of models");
    else if (d->fd < 0)
        status = error_set(err, COSREL_IO, "no eventfd to be had");
    else if (folder)
        d->started = pthread_create(&d->thread, NULL, work, d) == 0;
    if (status == COSREL_OK && folder && !d->started)
        status = error_set(err, COSREL_UNAVAILABLE, "the thread that loads models could not start");
    if (status == COSREL_OK)
        return COSREL_OK;
    desk_close(d);
    *out = NULL;
    return status;
}

void desk_close(model_desk *d)
{
    if (!d)
        return;
    pthread_mutex_lock(&d->lock);
    d->stop = true;
    pthread_cond_signal(&d->news);
    pthread_mutex_unlock(&d->lock);
    if (d->started)
        pthread_join(d->thread, NULL);
    while (d->notes) {
        note *old = d->notes;
        d->notes = old->next;
        free(old);
    }
    if (d->fd >= 0)
        close(d->fd);
    pthread_cond_destroy(&d->news);
    pthread_mutex_destroy(&d->lock);
    free(d->folder);
    free(d);
}

void desk_set_versions(model_desk *d, uint32_t versions)
{
    pthread_mutex_lock(&d->lock);
    d->versions = versions;
    pthread_mutex_unlock(&d->lock);
}

int desk_fd(const model_desk *d)
{
    return d->fd;
}

int desk_busy(const model_desk *d)
{
    return d->busy;
}

void desk_run(model_desk *d)
{
    uint64_t count;
    if (d->busy == 0 || read(d->fd, &count, sizeof count) != sizeof count)
        return;
    pthread_mutex_lock(&d->lock);
    desk_task *list = d->done;
    d->done = NULL;
    pthread_mutex_unlock(&d->lock);
    while (list) {
        desk_task *task = list;
        list = task->next;
        d->busy--;
        task->done(task);
    }
}

cosrel_status desk_start(model_desk *d, desk_task *task, cosrel_error *err)
{
    if (!d->folder)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "this server was not given a folder of models");
    if (d->busy >= DESK_TASKS_MAX)
        return error_set(err, COSREL_UNAVAILABLE, "%d loads and unloads wait already", d->busy);
    d->busy++;
    task->next = NULL;
    pthread_mutex_lock(&d->lock);
    *d->end = task;
    d->end = &task->next;
    pthread_cond_signal(&d->news);
    pthread_mutex_unlock(&d->lock);
    return COSREL_OK;
}

/* ---- What there is ---- */

const char *desk_state_name(desk_state state)
{
    static const char *const names[] = {[DESK_READY] = "READY",
                                        [DESK_LOADING] = "LOADING",
                                        [DESK_UNLOADING] = "UNLOADING",
                                        [DESK_UNAVAILABLE] = "UNAVAILABLE"};
    return names[state];
}

/* What a list lies in: the names and reasons that its items point to. */
typedef struct list_memory {
    repository found; /* of the folder */
    char *reasons;    /* copies */
    size_t used, room;
} list_memory;

/* Locked. */
static desk_state state_of(model_desk *d, const char *name, const char **reason)
{
    const note *why = *place_of(d, name);
    bool waits = d->now && strcmp(d->now->name, name) == 0;
    desk_action action = waits ? d->now->action : DESK_FOLLOW;
    for (const desk_task *t = d->first; t && !waits; t = t->next)
        if (strcmp(t->name, name) == 0) {
            waits = true;
            action = t->action;
        }
    *reason = why ? why->reason : "not loaded";
    return action == DESK_LOAD     ? DESK_LOADING
           : action == DESK_UNLOAD ? DESK_UNLOADING
                                   : DESK_UNAVAILABLE;
}

static const char *copy_reason(list_memory *memory, const char *reason)
{
    const size_t bytes = strlen(reason) + 1;
    char *copy = memory->reasons + memory->used;
    if (bytes > memory->room - memory->used)
        return "";
    memcpy(copy, reason, bytes);
    memory->used += bytes;
    return copy;
}

static void add_missing(model_desk *d, const repository_model *entry, list_memory *memory,
                        desk_list *out)
{
    const char *reason;
    pthread_mutex_lock(&d->lock);
    const desk_state state = state_of(d, entry->name, &reason);
    out->items[out->count++] = (desk_item){.name = entry->name,
                                           .version = entry->version,
                                           .state = state,
                                           .reason = copy_reason(memory, reason)};
    pthread_mutex_unlock(&d->lock);
}

static int compare_items(const void *a, const void *b)
{
    const desk_item *x = a, *y = b;
    const int names = strcmp(x->name, y->name);
    return names ? names : (x->version > y->version) - (x->version < y->version);
}

static bool is_listed(const desk_list *list, const char *name, int64_t version)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].version == version && strcmp(list->items[i].name, name) == 0)
            return true;
    return false;
}

cosrel_status desk_look(model_desk *d, bool ready_only, desk_list *out, cosrel_error *err)
{
    cosrel_model *loaded[MODELS_MAX];
    list_memory *memory = out->memory = calloc(1, sizeof *memory);
    cosrel_error none;
    size_t count = cosrel_runtime_models(d->rt, loaded, MODELS_MAX);
    count = count < MODELS_MAX ? count : MODELS_MAX;
    out->count = 0;
    out->items = NULL;
    if (!memory)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a list of models");
    /* A folder that cannot be read has nothing to offer; what is loaded is there all the same. */
    if (!ready_only && d->folder && repository_scan(d->folder, &memory->found, &none) != COSREL_OK)
        memory->found.count = 0;
    memory->room = (memory->found.count + 1) * sizeof((note *)NULL)->reason;
    memory->reasons = malloc(memory->room);
    out->items = malloc((memory->found.count + count + 1) * sizeof *out->items);
    if (!memory->reasons || !out->items) {
        desk_list_deinit(out);
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a list of models");
    }
    for (size_t i = 0; i < count; i++) {
        const cosrel_model_info *info = cosrel_model_describe(loaded[i]);
        if (!is_listed(out, info->name, info->version))
            out->items[out->count++] = (desk_item){
                .name = info->name, .version = info->version, .state = DESK_READY, .reason = ""};
    }
    for (size_t i = 0; i < memory->found.count; i++) {
        const repository_model *entry = &memory->found.models[i];
        if (repository_is_among_highest(&memory->found, i, d->versions) &&
            !is_listed(out, entry->name, entry->version))
            add_missing(d, entry, memory, out);
    }
    qsort(out->items, out->count, sizeof *out->items, compare_items);
    return COSREL_OK;
}

void desk_list_deinit(desk_list *list)
{
    list_memory *memory = list->memory;
    if (memory) {
        repository_deinit(&memory->found);
        free(memory->reasons);
    }
    free(memory);
    free(list->items);
    memset(list, 0, sizeof *list);
}
