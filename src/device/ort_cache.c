/* Optimised copies of models on disk, so that all CPU sessions of a model share its weights.
 *
 * A session that optimises the graph itself (folds batch norms, reorders convolution weights for
 * the vector units, packs matrices) ends up with weights of its own. So it is done once: a
 * throw-away session writes the optimised graph, with all larger weights, packed ones included, in
 * a file beside it. Sessions that load that copy map the weights file: one set of physical pages,
 * however many sessions. Nothing in the arithmetic changes, as tests hold (bit-identical outputs).
 *
 * One folder per copy, named by what it depends on: the model's content, ONNX Runtime's version and
 * the CPU's features. It is written under a temporary name, which is locked meanwhile, and renamed
 * once it is on the disk, so that it is whole or not there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/file.h"
#include "base/file_relay.h"
#include "device/ort_session.h"

/* Smaller weights stay in the graph's own file (bytes; ORT's default, written out because the
 * layout depends on it). */
#define EXTERNAL_MIN_BYTES "1024"
enum { STALE_SECONDS = 3600 };

static uint64_t cpu_fingerprint(void)
{
    char line[4096];
    uint64_t hash = 0;
    FILE *f = fopen("/proc/cpuinfo", "re");
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f) && line[0] != '\n') {
        if (strncmp(line, "model name", 10) == 0 || strncmp(line, "flags", 5) == 0 ||
            strncmp(line, "Features", 8) == 0)
            hash = XXH64(line, strlen(line), hash);
    }
    fclose(f);
    return hash;
}

/* What a copy consists of, and what there is while it is made. */
static const char *const parts[] = {"model.onnx", "weights.bin", "weights.bin.part"};
enum { PARTS = sizeof parts / sizeof parts[0] };

static void remove_copy(const char *folder)
{
    for (size_t i = 0; i < PARTS; i++) {
        char *path = file_join(folder, parts[i]);
        if (path)
            unlink(path);
        free(path);
    }
    rmdir(folder);
}

static int open_folder(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Nobody writes to it any more: its lock went with the process that had it. Where the file system
 * has no locks it is given an hour. */
static bool is_stale(const char *folder)
{
    struct stat info;
    const int fd = open_folder(folder);
    if (fd < 0)
        return false;
    const bool is_free = flock(fd, LOCK_EX | LOCK_NB) == 0;
    const bool locked = !is_free && errno == EWOULDBLOCK;
    const bool old = fstat(fd, &info) == 0 && time(NULL) - info.st_mtime > STALE_SECONDS;
    close(fd);
    return is_free || (!locked && old);
}

/* What killed processes left. */
static void remove_stale(const char *cache)
{
    DIR *dir = opendir(cache);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char *path = strncmp(entry->d_name, "tmp-", 4) == 0 ? file_join(cache, entry->d_name)
                                                            : NULL;
        if (path && is_stale(path))
            remove_copy(path);
        free(path);
    }
    if (dir)
        closedir(dir);
}

/* A new folder with a lock on it, which lasts until *lock is closed, or we are no more. Who clears
 * up keeps others from doing so meanwhile, lest they take a folder that is not locked yet for one
 * that was left. Nobody waits for that: at worst this copy is not made now. */
static bool make_temporary(const char *cache, char *path, size_t path_bytes, int *lock)
{
    const int all = open_folder(cache);
    if (all < 0)
        return false;
    if (flock(all, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        remove_stale(cache);
    snprintf(path, path_bytes, "%s/tmp-XXXXXX", cache);
    const bool made = mkdtemp(path) != NULL;
    *lock = made ? open_folder(path) : -1;
    if (*lock >= 0)
        (void)flock(*lock, LOCK_EX | LOCK_NB);
    close(all);
    return made;
}

static bool sync_path(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT; /* a model without large weights has no file of them */
    const bool ok = fsync(fd) == 0;
    close(fd);
    return ok;
}

/* A rename may reach the disk before what was written: after a power cut the copy would be there,
 * and its weights zeros. */
static bool sync_copy(const char *folder)
{
    bool ok = true;
    for (size_t i = 0; i < PARTS && ok; i++) {
        char *path = file_join(folder, parts[i]);
        ok = path && sync_path(path);
        free(path);
    }
    return ok && sync_path(folder);
}

static cosrel_status write_copy(OrtEnv *env, model_source *source, const char *folder,
                                cosrel_error *err)
{
    const OrtApi *api = ort_api();
    const device_spec plain = {.kind = DEVICE_CPU, .core_count = 1};
    OrtSessionOptions *options;
    OrtSession *session = NULL;
    char *path = file_join(folder, "model.onnx"), *weights = file_join(folder, "weights.bin");
    cosrel_status status = path && weights ? ort_session_options(&plain, false, &options, err)
                                           : error_set(err, COSREL_OUT_OF_MEMORY, "no memory");
    if (status != COSREL_OK) {
        free(path);
        free(weights);
        return status;
    }
    static const char *const entries[][2] = {
        {"session.optimized_model_external_initializers_file_name", "weights.bin"},
        {"session.optimized_model_external_initializers_min_size_in_bytes", EXTERNAL_MIN_BYTES},
        {"session.save_external_prepacked_constant_initializers", "1"},
    };
    for (size_t i = 0; i < sizeof entries / sizeof entries[0] && status == COSREL_OK; i++)
        status = ort_check(api->AddSessionConfigEntry(options, entries[i][0], entries[i][1]),
                           entries[i][0], err);
    if (status == COSREL_OK)
        status = ort_check(api->SetOptimizedModelFilePath(options, path), source->path, err);
    /* ONNX Runtime writes each weight in one call. */
    file_relay *relay = cpu_is_background_self() ? file_relay_begin(weights) : NULL;
    if (status == COSREL_OK)
        status = ort_source_open(env, &plain, source, options, &session, err);
    api->ReleaseSession(session);
    if (!file_relay_end(relay) && status == COSREL_OK)
        status = error_set(err, COSREL_IO, "%s: cannot be written", weights);
    api->ReleaseSessionOptions(options);
    free(path);
    free(weights);
    return status;
}

static bool copy_is_there(const char *folder, model_source *source)
{
    struct stat info;
    snprintf(source->optimised_path, sizeof source->optimised_path, "%s/model.onnx", folder);
    if (stat(source->optimised_path, &info) == 0)
        return true;
    source->optimised_path[0] = '\0';
    return false;
}

void ort_cache_ensure(OrtEnv *env, model_source *source)
{
    if (source->optimised_tried || !source->cache_folder || !source->cache_folder[0])
        return;
    source->optimised_tried = true;
    char name[96];
    char temporary[PATH_MAX];
    int lock;
    cosrel_error ignored;
    snprintf(name, sizeof name, "%s-ort%s-%016llx", source->content.hash, ort_version(),
             (unsigned long long)cpu_fingerprint());
    char *folder = file_join(source->cache_folder, name);
    const bool fits = folder &&
                      strlen(folder) + sizeof "/model.onnx" <= sizeof source->optimised_path;
    if (!fits || copy_is_there(folder, source) ||
        file_make_folder(source->cache_folder, &ignored) != COSREL_OK) {
        free(folder);
        return;
    }
    if (make_temporary(source->cache_folder, temporary, sizeof temporary, &lock)) {
        /* A rename that fails because the folder is there: another process was faster; its copy is
         * as good. */
        if (write_copy(env, source, temporary, &ignored) != COSREL_OK || !sync_copy(temporary) ||
            rename(temporary, folder) != 0)
            remove_copy(temporary);
        if (lock >= 0)
            close(lock);
        (void)copy_is_there(folder, source);
    }
    free(folder);
}

void ort_cache_discard(model_source *source)
{
    char *slash = strrchr(source->optimised_path, '/');
    if (slash) {
        *slash = '\0';
        remove_copy(source->optimised_path);
    }
    source->optimised_path[0] = '\0';
}
