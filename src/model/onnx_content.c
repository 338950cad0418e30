#include "model/onnx_content.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <xxhash.h>

#include "base/error.h"
#include "model/onnx_file.h"

/* The kernel's times of files step with its timer, by 10 ms at most: what was written to less than
 * two steps ago could be written to once more and have the same times. */
static const int64_t SETTLED_NS = 20000000;

/* Half a second in all (chosen: who copies a file over another for longer says when it is done). */
enum { ATTEMPTS = 25 };

/* Folds what is known of a file into the stamp, and the time of its last write. False: it is gone.
 */
static bool look_at(const char *path, uint64_t *stamp, int64_t *written_ns)
{
    struct stat info;
    if (!path || stat(path, &info) != 0)
        return false;
    /* Not its number: some file systems make those up anew. */
    const int64_t facts[] = {info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec,
                             info.st_ctim.tv_sec, info.st_ctim.tv_nsec};
    const int64_t at_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    *stamp = XXH64(facts, sizeof facts, *stamp);
    if (at_ns > *written_ns)
        *written_ns = at_ns;
    return true;
}

static bool look_at_externals(const onnx_content *c, uint64_t *stamp, int64_t *written_ns)
{
    bool there = true;
    for (size_t i = 0; i < c->external_count && there; i++)
        there = look_at(c->external_paths[i], stamp, written_ns);
    return there;
}

static bool take_stamp(const onnx_content *c, const char *path, uint64_t *stamp,
                       int64_t *written_ns)
{
    *stamp = 0;
    *written_ns = 0;
    return look_at(path, stamp, written_ns) && look_at_externals(c, stamp, written_ns);
}

bool onnx_content_is_current(const onnx_content *content, const char *path)
{
    uint64_t stamp;
    int64_t written_ns;
    return take_stamp(content, path, &stamp, &written_ns) && stamp == content->stamp;
}

/* A clock that was set back makes no file new for ever. */
static bool is_settled(int64_t written_ns)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t age_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - written_ns;
    return age_ns >= SETTLED_NS || age_ns < -SETTLED_NS;
}

static cosrel_status take_externals(onnx_content *c, const onnx_file *file, cosrel_error *err)
{
    c->external_locations = calloc(file->external_count + 1, sizeof *c->external_locations);
    c->external_paths = calloc(file->external_count + 1, sizeof *c->external_paths);
    bool ok = c->external_locations && c->external_paths;
    for (size_t i = 0; i < file->external_count && ok; i++) {
        c->external_locations[i] = strdup(file->externals[i].location);
        c->external_paths[i] = strdup(file->externals[i].path);
        c->external_count++;
        c->bytes += file->externals[i].bytes;
        ok = c->external_locations[i] && c->external_paths[i];
    }
    c->bytes += file->bytes;
    return ok ? COSREL_OK
              : error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory to read it", file->path);
}

/* False: somebody was writing meanwhile, so that *status says nothing. */
static bool read_once(const char *path, onnx_content *c, cosrel_status *status, cosrel_error *err)
{
    onnx_file file;
    onnx_hash hash;
    int64_t written_ns = 0;
    if (look_at(path, &c->stamp, &written_ns) && !is_settled(written_ns))
        return false;
    *status = onnx_file_open(path, &file, err);
    if (*status == COSREL_NOT_FOUND)
        return true;
    if (*status == COSREL_OK)
        *status = take_externals(c, &file, err);
    bool same = *status != COSREL_OUT_OF_MEMORY && look_at_externals(c, &c->stamp, &written_ns) &&
                is_settled(written_ns);
    if (*status == COSREL_OK && same)
        *status = onnx_file_hash(&file, &hash, err);
    if (*status == COSREL_OK && same)
        onnx_hash_text(&hash, c->hash);
    onnx_file_close(&file);
    same = same && onnx_content_is_current(c, path);
    return same || *status == COSREL_OUT_OF_MEMORY;
}

cosrel_status onnx_content_read(const char *path, onnx_content *out, cosrel_error *err)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        cosrel_status status = COSREL_OK;
        memset(out, 0, sizeof *out);
        const bool same = read_once(path, out, &status, err);
        if (same && status == COSREL_OK)
            return COSREL_OK;
        onnx_content_deinit(out);
        if (same)
            return status;
        struct timespec nap = {.tv_nsec = SETTLED_NS};
        while (nanosleep(&nap, &nap) != 0 && errno == EINTR) {
        }
    }
    return error_set(err, COSREL_IO,
                     "%s: is being written to; load it again when it is whole (a rename puts a new "
                     "file in place at once)",
                     path);
}

void onnx_content_deinit(onnx_content *c)
{
    for (size_t i = 0; i < c->external_count; i++) {
        free(c->external_locations[i]);
        free(c->external_paths[i]);
    }
    free(c->external_locations);
    free(c->external_paths);
    memset(c, 0, sizeof *c);
}
