#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

/* A large file is read in pieces: within one call a thread of the kernel's idle class can keep the
 * core from others for two ticks (Linux 6.18: 8 ms), between calls it cannot (chosen). */
static const size_t PIECE_BYTES = 65536;

static cosrel_status open_regular(const char *path, int *fd, struct stat *info, cosrel_error *err)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0) {
        const cosrel_status status = errno == ENOENT ? COSREL_NOT_FOUND : COSREL_IO;
        return error_set(err, status, "%s: cannot be opened: %s", path, strerror(errno));
    }
    if (fstat(*fd, info) != 0 || !S_ISREG(info->st_mode)) {
        close(*fd);
        return error_set(err, COSREL_INVALID_FILE, "%s: is not a regular file", path);
    }
    return COSREL_OK;
}

cosrel_status file_read(const char *path, size_t max_bytes, char **data, size_t *bytes,
                        cosrel_error *err)
{
    int fd;
    struct stat info;
    const cosrel_status status = open_regular(path, &fd, &info, err);
    if (status != COSREL_OK)
        return status;
    char *buffer = NULL;
    const size_t size = (size_t)info.st_size;
    if (size > max_bytes) {
        close(fd);
        return error_set(err, COSREL_INVALID_FILE,
                         "%s: has %zu bytes; at most %zu are accepted here", path, size, max_bytes);
    }
    buffer = malloc(size + 1);
    if (!buffer) {
        close(fd);
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for its %zu bytes", path, size);
    }
    size_t got = 0;
    while (got < size) {
        const size_t left = size - got;
        const ssize_t n = read(fd, buffer + got, left < PIECE_BYTES ? left : PIECE_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    close(fd);
    if (got != size) {
        free(buffer);
        return error_set(err, COSREL_IO, "%s: reading stopped after %zu of %zu bytes", path, got,
                         size);
    }
    buffer[size] = '\0';
    *data = buffer;
    *bytes = size;
    return COSREL_OK;
}

static void save_clear(file_save *save)
{
    free(save->path);
    free(save->temporary);
    memset(save, 0, sizeof *save);
}

cosrel_status file_save_begin(file_save *save, const char *path, cosrel_error *err)
{
    memset(save, 0, sizeof *save);
    const size_t room = strlen(path) + 16;
    save->path = strdup(path);
    save->temporary = malloc(room);
    if (!save->path || !save->temporary) {
        save_clear(save);
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory to write it", path);
    }
    snprintf(save->temporary, room, "%s.XXXXXX", path);
    const int fd = mkostemp(save->temporary, O_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0644) != 0 || !(save->stream = fdopen(fd, "w"))) {
        const int why = errno;
        if (fd >= 0) {
            close(fd);
            unlink(save->temporary);
        }
        save_clear(save);
        return error_set(err, COSREL_IO, "%s: cannot be written: %s", path, strerror(why));
    }
    return COSREL_OK;
}

cosrel_status file_save_commit(file_save *save, cosrel_error *err)
{
    cosrel_status status = COSREL_OK;
    bool ok = fflush(save->stream) == 0 && !ferror(save->stream) &&
              fsync(fileno(save->stream)) == 0;
    int why = errno;
    if (fclose(save->stream) != 0) {
        why = ok ? errno : why;
        ok = false;
    }
    save->stream = NULL;
    if (ok && rename(save->temporary, save->path) != 0) {
        why = errno;
        ok = false;
    }
    if (!ok) {
        unlink(save->temporary);
        status = error_set(err, COSREL_IO, "%s: cannot be written: %s", save->path, strerror(why));
    }
    save_clear(save);
    return status;
}

void file_save_abort(file_save *save)
{
    if (save->stream)
        fclose(save->stream);
    if (save->temporary)
        unlink(save->temporary);
    save_clear(save);
}

cosrel_status file_make_folder(const char *path, cosrel_error *err)
{
    char *copy = strdup(path);
    if (!copy)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory", path);
    for (char *at = copy + 1;; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        const char end = *at;
        *at = '\0';
        struct stat info;
        if (mkdir(copy, 0755) != 0 &&
            (errno != EEXIST || stat(copy, &info) != 0 || !S_ISDIR(info.st_mode))) {
            const int why = errno;
            free(copy);
            return error_set(err, COSREL_IO, "%s: the folder cannot be made: %s", path,
                             strerror(why));
        }
        if (end == '\0')
            break;
        *at = end;
    }
    free(copy);
    return COSREL_OK;
}

char *file_join(const char *folder, const char *name)
{
    const size_t a = strlen(folder);
    const size_t b = strlen(name);
    char *path = malloc(a + b + 2);
    if (!path)
        return NULL;
    memcpy(path, folder, a);
    path[a] = '/';
    memcpy(path + a + 1, name, b);
    path[a + 1 + b] = '\0';
    return path;
}
