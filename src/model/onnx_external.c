/* Weights in other files. A model is data from strangers: it must not make the process read files
 * elsewhere on the machine, so a location is relative, free of "..", and after resolving every link
 * still inside the model's folder. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "model/onnx_parse.h"

/* ONNX Runtime takes this location, made up for its own use, for "the offset is an address in
 * memory". */
#define ORT_MEMORY_MARK "_ORT_MEM_ADDR_"

static bool is_absolute(const char *location)
{
    const char first = location[0];
    const bool drive = ((first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z')) &&
                       location[1] == ':';
    return first == '/' || first == '\\' || drive;
}

static bool has_parent_step(const char *location)
{
    for (const char *at = location; *at;) {
        const size_t length = strcspn(at, "/\\");
        if (length == 2 && at[0] == '.' && at[1] == '.')
            return true;
        at += length;
        at += *at != '\0';
    }
    return false;
}

/* The model's folder as the kernel knows it. */
static cosrel_status find_folder(onnx_parse *p)
{
    if (p->folder)
        return COSREL_OK;
    const char *slash = strrchr(p->path, '/');
    char *folder = !slash             ? strdup(".")
                   : slash == p->path ? strdup("/")
                                      : strndup(p->path, (size_t)(slash - p->path));
    if (!folder)
        return onnx_no_memory(p);
    p->folder = realpath(folder, NULL);
    free(folder);
    return p->folder ? COSREL_OK : onnx_fail(p, "its folder cannot be opened: %s", strerror(errno));
}

static bool is_inside(const char *folder, const char *path)
{
    const size_t length = strlen(folder);
    if (length == 1) /* "/" */
        return true;
    return strncmp(path, folder, length) == 0 && path[length] == '/';
}

static cosrel_status check_location(const onnx_parse *p, const char *location, size_t bytes,
                                    const char *tensor)
{
    if (bytes == 0)
        return onnx_fail(p, "tensor '%s': its external data name no file (key 'location')", tensor);
    if (strlen(location) != bytes || bytes >= PATH_MAX)
        return onnx_fail(p, "tensor '%s': the location of its external data is not a file name",
                         tensor);
    const onnx_shown shown = onnx_show((const uint8_t *)location, 0, bytes);
    if (strstr(location, ORT_MEMORY_MARK))
        return onnx_fail(
            p,
            "tensor '%s': the location '%s' of its external data is an address in memory; a "
            "model file must name a file in its folder",
            tensor, shown.text);
    if (is_absolute(location))
        return onnx_fail(
            p,
            "tensor '%s': the location '%s' of its external data is absolute; it must be "
            "relative to the model's folder",
            tensor, shown.text);
    if (has_parent_step(location))
        return onnx_fail(
            p,
            "tensor '%s': the location '%s' of its external data leaves the model's folder "
            "with '..'; it must stay inside",
            tensor, shown.text);
    return COSREL_OK;
}

static cosrel_status resolve(const onnx_parse *p, const char *location, const char *tensor,
                             char **out, uint64_t *bytes)
{
    const onnx_shown shown = onnx_show((const uint8_t *)location, 0, strlen(location));
    char *joined = file_join(p->folder, location);
    if (!joined)
        return onnx_no_memory(p);
    char *path = realpath(joined, NULL);
    const int why = errno;
    free(joined);
    if (!path && why == ENOENT)
        return onnx_fail(
            p,
            "tensor '%s': its external data file '%s' is missing from %s; copy it there beside the "
            "model",
            tensor, shown.text, p->folder);
    if (!path)
        return onnx_fail(p, "tensor '%s': its external data file '%s' cannot be opened: %s", tensor,
                         shown.text, strerror(why));
    struct stat info;
    if (!is_inside(p->folder, path)) {
        free(path);
        return onnx_fail(
            p,
            "tensor '%s': its external data file '%s' is a link that leads outside of the model's "
            "folder; put the file itself there",
            tensor, shown.text);
    }
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        free(path);
        return onnx_fail(p, "tensor '%s': its external data '%s' are not a regular file", tensor,
                         shown.text);
    }
    *out = path;
    *bytes = (uint64_t)info.st_size;
    return COSREL_OK;
}

static cosrel_status add_external(onnx_parse *p, const char *location, const char *path,
                                  uint64_t bytes)
{
    const onnx_external found = {
        .location = arena_copy(&p->file->memory, location, strlen(location)),
        .path = arena_copy(&p->file->memory, path, strlen(path)),
        .bytes = bytes,
    };
    if (!found.location || !found.path)
        return onnx_no_memory(p);
    onnx_external *entry = onnx_list_add(&p->externals, sizeof *entry);
    if (!entry)
        return onnx_no_memory(p);
    *entry = found;
    return COSREL_OK;
}

/* By resolved path: a model cannot make this list longer than the folder has files. */
static int32_t find_path(const onnx_parse *p, const char *path)
{
    const onnx_external *files = p->externals.items;
    for (size_t i = 0; i < p->externals.count; i++) {
        if (strcmp(files[i].path, path) == 0)
            return (int32_t)i;
    }
    return -1;
}

/* Nearly every model has one such file, or the next tensor is in the same one as the last: no
 * system call then. */
static int32_t find_location(const onnx_parse *p, const wire_field *location)
{
    const onnx_external *files = p->externals.items;
    for (size_t i = p->externals.count; i > 0 && i + 4 > p->externals.count; i--) {
        const char *known = files[i - 1].location;
        if (strlen(known) == location->bytes &&
            memcmp(known, p->data + location->at, location->bytes) == 0)
            return (int32_t)(i - 1);
    }
    return -1;
}

cosrel_status onnx_find_external(onnx_parse *p, const wire_field *location, const char *tensor,
                                 int32_t *index)
{
    *index = find_location(p, location);
    if (*index >= 0)
        return COSREL_OK;
    if (location->bytes >= PATH_MAX)
        return onnx_fail(p, "tensor '%s': the location of its external data is not a file name",
                         tensor);
    char name[PATH_MAX];
    memcpy(name, p->data + location->at, location->bytes);
    name[location->bytes] = '\0';
    cosrel_status status = check_location(p, name, location->bytes, tensor);
    if (status == COSREL_OK)
        status = find_folder(p);
    char *path = NULL;
    uint64_t bytes = 0;
    if (status == COSREL_OK)
        status = resolve(p, name, tensor, &path, &bytes);
    if (!path) /* exactly then there is a reason */
        return status;
    *index = find_path(p, path);
    if (*index < 0) {
        status = add_external(p, name, path, bytes);
        *index = (int32_t)p->externals.count - 1;
    }
    free(path);
    return status;
}
