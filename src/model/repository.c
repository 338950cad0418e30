#include "model/repository.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

#define MODEL_FILE   "model.onnx"
#define MODEL_SUFFIX ".onnx"

typedef struct scan {
    repository *out;
    cosrel_error *err;
} scan;

static cosrel_status no_memory(const scan *s, const char *path)
{
    return error_set(s->err, COSREL_OUT_OF_MEMORY, "%s: no memory to list it", path);
}

static void *grow(void *items, size_t count, size_t *capacity, size_t item_bytes)
{
    if (count < *capacity)
        return items;
    const size_t wanted = *capacity ? 2 * *capacity : 16;
    void *grown = realloc(items, wanted * item_bytes);
    if (grown)
        *capacity = wanted;
    return grown;
}

static cosrel_status add_problem(scan *s, const char *path, const char *what)
{
    repository *r = s->out;
    char **problems = grow(r->problems, r->problem_count, &r->problem_capacity, sizeof *problems);
    if (!problems)
        return no_memory(s, path);
    r->problems = problems;
    text_builder text = {0};
    text_add(&text, path);
    text_add(&text, ": ");
    text_add(&text, what);
    const cosrel_status status = text_take(&text, &r->problems[r->problem_count], NULL);
    if (status != COSREL_OK)
        return no_memory(s, path);
    r->problem_count++;
    return COSREL_OK;
}

/* Names go into tables (CSV), JSON and logs. */
static bool is_usable_name(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)name[i];
        if (c < 0x20 || c == 0x7f || c == ',' || c == '"')
            return false;
    }
    return length > 0;
}

/* Takes `path`, also on failure. */
static cosrel_status add_model(scan *s, const char *name, size_t name_length, int64_t version,
                               char *path)
{
    repository *r = s->out;
    cosrel_status status = COSREL_OK;
    if (!is_usable_name(name, name_length)) {
        status = add_problem(
            s, path,
            "a model's name must not be empty nor hold commas, quotes or control characters; "
            "rename it");
        free(path);
        return status;
    }
    repository_model *models = grow(r->models, r->count, &r->capacity, sizeof *models);
    char *copy = strndup(name, name_length);
    if (models)
        r->models = models;
    if (!models || !copy || r->count == REPOSITORY_MODELS_MAX) {
        if (models && copy)
            status = error_set(s->err, COSREL_INVALID_ARGUMENT,
                               "%s: there are more than %d models; is this the right "
                               "folder?",
                               path, REPOSITORY_MODELS_MAX);
        else
            status = no_memory(s, path);
        free(copy);
        free(path);
        return status;
    }
    const repository_model model = {.name = copy, .version = version, .path = path};
    models[r->count++] = model;
    return COSREL_OK;
}

/* A version as Triton and the Open Inference Protocol's servers have it: decimal, from 1, no
 * leading zero. */
static bool read_version(const char *text, int64_t *version)
{
    return text[0] >= '1' && text[0] <= '9' && text_to_int64(text, version);
}

static bool is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool holds_model(const char *folder)
{
    char *model = file_join(folder, MODEL_FILE);
    const bool holds = model && is_file(model);
    free(model);
    return holds;
}

/* Calls `each` for every entry that is not hidden. */
typedef cosrel_status (*entry_fn)(scan *s, const char *folder, const char *entry, const char *path);

static cosrel_status for_entries(scan *s, const char *folder, entry_fn each)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return error_set(s->err, COSREL_IO, "%s: the folder cannot be read: %s", folder,
                         strerror(errno));
    cosrel_status status = COSREL_OK;
    while (status == COSREL_OK) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry && errno != 0)
            status = error_set(s->err, COSREL_IO, "%s: the folder cannot be read: %s", folder,
                               strerror(errno));
        if (!entry)
            break;
        if (entry->d_name[0] == '.')
            continue;
        char *path = file_join(folder, entry->d_name);
        status = path ? each(s, folder, entry->d_name, path) : no_memory(s, folder);
        free(path);
    }
    closedir(dir);
    return status;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static cosrel_status visit_version(scan *s, const char *folder, const char *entry, const char *path)
{
    int64_t version;
    if (!read_version(entry, &version) || !is_folder(path))
        return COSREL_OK;
    char *model = file_join(path, MODEL_FILE);
    if (!model)
        return no_memory(s, path);
    if (!is_file(model)) {
        free(model);
        return add_problem(s, path, "this version has no file " MODEL_FILE);
    }
    const char *name = base_name(folder);
    return add_model(s, name, strlen(name), version, model);
}

/* The length of the name before ".onnx", or 0. */
static size_t stem_length(const char *file)
{
    const size_t length = strlen(file);
    const size_t suffix = sizeof MODEL_SUFFIX - 1;
    return length > suffix && strcasecmp(file + length - suffix, MODEL_SUFFIX) == 0
               ? length - suffix
               : 0;
}

static cosrel_status visit_entry(scan *s, const char *folder, const char *entry, const char *path)
{
    (void)folder;
    int64_t version;
    if (is_folder(path)) {
        if (read_version(entry, &version) && holds_model(path))
            return add_problem(s, path,
                               "is a version of a model; give the folder above the model's");
        const cosrel_status status = for_entries(s, path, visit_version);
        /* One folder that may not be read leaves the others usable. */
        return status == COSREL_IO ? add_problem(s, path, "the folder cannot be read") : status;
    }
    const size_t stem = stem_length(entry);
    if (stem == 0)
        return COSREL_OK;
    if (!is_file(path))
        return add_problem(s, path, "is no regular file, or a link that leads nowhere");
    char *copy = strdup(path);
    return copy ? add_model(s, entry, stem, 1, copy) : no_memory(s, path);
}

static int compare_models(const void *a, const void *b)
{
    const repository_model *x = a;
    const repository_model *y = b;
    const int order = strcmp(x->name, y->name);
    if (order != 0)
        return order;
    if (x->version != y->version)
        return x->version < y->version ? -1 : 1;
    return strcmp(x->path, y->path);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Of two with one name and version the first in alphabetical order of paths stays. */
static cosrel_status drop_twins(scan *s)
{
    repository *r = s->out;
    size_t kept = 0;
    cosrel_status status = COSREL_OK;
    for (size_t i = 0; i < r->count; i++) {
        repository_model *model = &r->models[i];
        repository_model *before = kept > 0 ? &r->models[kept - 1] : NULL;
        if (before && strcmp(before->name, model->name) == 0 && before->version == model->version) {
            text_builder text = {0};
            text_addf(&text, "passed over: version %lld of '%s' is already there as ",
                      (long long)model->version, model->name);
            text_add(&text, before->path);
            text_add(&text, "; remove or rename one of them");
            if (status == COSREL_OK)
                status = text.failed ? no_memory(s, model->path)
                                     : add_problem(s, model->path, text.data);
            text_deinit(&text);
            free(model->name);
            free(model->path);
            continue;
        }
        if (kept != i)
            r->models[kept] = *model;
        kept++;
    }
    r->count = kept;
    return status;
}

static cosrel_status settle(scan *s, const char *path)
{
    repository *r = s->out;
    if (r->count > 0)
        qsort(r->models, r->count, sizeof *r->models, compare_models);
    const cosrel_status status = drop_twins(s);
    if (status != COSREL_OK)
        return status;
    if (r->problem_count > 0)
        qsort(r->problems, r->problem_count, sizeof *r->problems, compare_texts);
    if (r->count > 0)
        return COSREL_OK;
    if (r->problem_count > 0)
        return error_set(s->err, COSREL_NOT_FOUND, "%s", r->problems[0]);
    return error_set(s->err, COSREL_NOT_FOUND,
                     "%s: has no models; NAME.onnx or NAME/VERSION/" MODEL_FILE " would be found",
                     path);
}

/* NAME/VERSION/model.onnx given by itself. */
static bool split_versioned(const char *path, const char **name, size_t *name_length,
                            int64_t *version)
{
    const char *file = base_name(path);
    if (strcmp(file, MODEL_FILE) != 0 || file - path < 4)
        return false;
    const char *number = file - 1;
    while (number > path && number[-1] != '/')
        number--;
    if (number - path < 2)
        return false;
    char text[24];
    const size_t digits = (size_t)(file - 1 - number);
    if (digits >= sizeof text)
        return false;
    memcpy(text, number, digits);
    text[digits] = '\0';
    const char *end = number - 1;
    const char *start = end;
    while (start > path && start[-1] != '/')
        start--;
    *name = start;
    *name_length = (size_t)(end - start);
    const bool step = (*name_length == 1 && start[0] == '.') ||
                      (*name_length == 2 && start[0] == '.' && start[1] == '.');
    return *name_length > 0 && !step && read_version(text, version);
}

static cosrel_status add_single(scan *s, const char *path)
{
    const char *name = base_name(path);
    const size_t stem = stem_length(name);
    size_t length = stem ? stem : strlen(name);
    int64_t version = 1;
    const char *folder_name;
    size_t folder_length;
    if (split_versioned(path, &folder_name, &folder_length, &version)) {
        name = folder_name;
        length = folder_length;
    }
    char *copy = strdup(path);
    return copy ? add_model(s, name, length, version, copy) : no_memory(s, path);
}

cosrel_status repository_scan(const char *path, repository *out, cosrel_error *err)
{
    scan s = {out, err};
    struct stat info;
    memset(out, 0, sizeof *out);
    if (stat(path, &info) != 0)
        return error_set(err, errno == ENOENT || errno == ENOTDIR ? COSREL_NOT_FOUND : COSREL_IO,
                         "%s: no model file or folder can be opened there: %s", path,
                         strerror(errno));
    cosrel_status status;
    if (S_ISDIR(info.st_mode))
        status = for_entries(&s, path, visit_entry);
    else if (S_ISREG(info.st_mode))
        status = add_single(&s, path);
    else
        status = error_set(err, COSREL_IO, "%s: is neither a file nor a folder", path);
    if (status == COSREL_OK)
        status = settle(&s, path);
    if (status != COSREL_OK)
        repository_deinit(out);
    return status;
}

void repository_deinit(repository *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->models[i].name);
        free(r->models[i].path);
    }
    for (size_t i = 0; i < r->problem_count; i++)
        free(r->problems[i]);
    free(r->models);
    free(r->problems);
    memset(r, 0, sizeof *r);
}

bool repository_is_among_highest(const repository *r, size_t i, size_t versions)
{
    return r->count - i <= versions || strcmp(r->models[i].name, r->models[i + versions].name) != 0;
}
