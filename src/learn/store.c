#include "learn/store.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "sched/learned.h"

enum { NAME_BYTES = 48 };

static void name_of(uint64_t version, char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES, "policy-%06" PRIu64 ".cosrelp", version);
}

/* 0: it is none of ours. */
static uint64_t version_of(const char *file)
{
    char name[NAME_BYTES];
    if (strncmp(file, "policy-", 7) != 0)
        return 0;
    const uint64_t version = strtoull(file + 7, NULL, 10);
    name_of(version, name);
    return strcmp(file, name) == 0 ? version : 0;
}

static int newest_first(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

/* malloc'ed, newest first. */
static cosrel_status list_versions(const char *folder, uint64_t **out, size_t *count,
                                   cosrel_error *err)
{
    size_t room = 0;
    *out = NULL;
    *count = 0;
    DIR *dir = opendir(folder);
    if (!dir)
        return error_set(err, COSREL_IO, "%s: cannot be opened: %s", folder, strerror(errno));
    for (const struct dirent *entry; (entry = readdir(dir));) {
        const uint64_t version = version_of(entry->d_name);
        if (version == 0)
            continue;
        if (*count == room) {
            room = 2 * room + 16;
            uint64_t *grown = realloc(*out, room * sizeof *grown);
            if (!grown) {
                closedir(dir);
                return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for its list", folder);
            }
            *out = grown;
        }
        (*out)[(*count)++] = version;
    }
    closedir(dir);
    if (*count > 0)
        qsort(*out, *count, sizeof **out, newest_first);
    return COSREL_OK;
}

static char *path_of(const char *folder, uint64_t version)
{
    char name[NAME_BYTES];
    name_of(version, name);
    return file_join(folder, name);
}

/* Whose number is not its name's was copied there by somebody and is foreign too. */
static cosrel_status read_one(const char *folder, uint64_t version, scorer *net, cosrel_error *err)
{
    scorer_about about = {.note = NULL};
    char *path = path_of(folder, version);
    if (!path)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for a name", folder);
    cosrel_status status = learned_read(path, net, &about, err);
    if (status == COSREL_OK && about.version != version) {
        scorer_deinit(net);
        status = error_set(err, COSREL_INVALID_FILE,
                           "%s: holds version %" PRIu64 ", expected %" PRIu64, path, about.version,
                           version);
    }
    scorer_about_deinit(&about);
    free(path);
    return status;
}

cosrel_status store_newest(const char *folder, const logger *log, scorer *net, uint64_t *version,
                           uint64_t *newest, cosrel_error *err)
{
    uint64_t *versions = NULL;
    size_t count = 0;
    *newest = 0;
    cosrel_status status = file_make_folder(folder, err);
    if (status == COSREL_OK)
        status = list_versions(folder, &versions, &count, err);
    if (status != COSREL_OK) {
        free(versions);
        return status;
    }
    status = error_set(err, COSREL_NOT_FOUND, "%s: holds no policy", folder);
    if (count > 0)
        *newest = versions[0];
    for (size_t i = 0; i < count && status != COSREL_OK; i++) {
        cosrel_error why = {.text = ""};
        status = read_one(folder, versions[i], net, &why);
        if (status == COSREL_OK)
            *version = versions[i];
        else
            log_warning(log, "%s; an older policy serves instead", why.text);
    }
    free(versions);
    return status == COSREL_OK ? COSREL_OK : COSREL_NOT_FOUND;
}

static void prune(const char *folder)
{
    uint64_t *versions;
    size_t count;
    if (list_versions(folder, &versions, &count, NULL) == COSREL_OK)
        for (size_t i = STORE_KEPT; i < count; i++)
            store_remove(folder, versions[i]);
    free(versions);
}

cosrel_status store_write(const char *folder, uint64_t version, const scorer *net, const char *note,
                          cosrel_error *err)
{
    scorer_about about = {.features = OBSERVE_FEATURES_VERSION, .version = version};
    char *path = path_of(folder, version);
    about.note = strdup(note);
    cosrel_status status = path && about.note ? COSREL_OK : COSREL_OUT_OF_MEMORY;
    if (status == COSREL_OK)
        status = scorer_write(path, net, &about, err);
    else
        error_set(err, status, "%s: no memory to write a policy", folder);
    if (status == COSREL_OK)
        prune(folder);
    scorer_about_deinit(&about);
    free(path);
    return status;
}

void store_remove(const char *folder, uint64_t version)
{
    char *path = path_of(folder, version);
    if (path)
        unlink(path);
    free(path);
}
