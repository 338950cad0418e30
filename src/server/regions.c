#include "server/regions.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

/* ---- Memory that may go away ---- */

/* What the handler looks at: written by the loop, read by whichever thread runs into it. */
static struct {
    _Atomic(region *) region;
    _Atomic(char *) from;
    _Atomic(char *) to;
} guarded[REGIONS_MAX * 2];
static size_t page_bytes;
static struct sigaction before;

static void replace_page(int signal_number, siginfo_t *info, void *context)
{
    char *at = info->si_addr;
    for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++) {
        region *r = atomic_load(&guarded[i].region);
        if (!r || at < atomic_load(&guarded[i].from) || at >= atomic_load(&guarded[i].to))
            continue;
        char *page = (char *)((uintptr_t)at / page_bytes * page_bytes);
        atomic_store(&r->broken, true);
        if (mmap(page, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                 -1, 0) != MAP_FAILED)
            return;
        break;
    }
    /* Not ours: as if there were no handler. */
    if (before.sa_flags & SA_SIGINFO && before.sa_sigaction) {
        before.sa_sigaction(signal_number, info, context);
        return;
    }
    sigaction(signal_number, &before, NULL);
}

void regions_guard(void)
{
    struct sigaction action, present;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = replace_page;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    if (sigaction(SIGBUS, NULL, &present) != 0 ||
        ((present.sa_flags & SA_SIGINFO) && present.sa_sigaction == replace_page))
        return;
    before = present;
    sigaction(SIGBUS, &action, NULL);
}

static bool guard(region *r)
{
    for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++) {
        if (atomic_load(&guarded[i].region))
            continue;
        atomic_store(&guarded[i].from, r->mapping);
        atomic_store(&guarded[i].to, r->mapping + r->mapping_bytes);
        atomic_store(&guarded[i].region, r);
        return true;
    }
    return false;
}

static void unguard(const region *r)
{
    for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++)
        if (atomic_load(&guarded[i].region) == r)
            atomic_store(&guarded[i].region, NULL);
}

/* ---- Regions ---- */

void region_let_go(region *used)
{
    if (!used || --used->users > 0)
        return;
    unguard(used);
    if (used->mapping)
        munmap(used->mapping, used->mapping_bytes);
    free(used->name);
    free(used->key);
    free(used);
}

void regions_deinit(regions *r)
{
    for (int i = 0; i < r->count; i++)
        region_let_go(r->all[i]);
    r->count = 0;
}

static int find(const regions *r, const char *name)
{
    for (int i = 0; i < r->count; i++)
        if (strcmp(r->all[i]->name, name) == 0)
            return i;
    return -1;
}

/* Maps it; the file's length is looked at, since a mapping beyond it is no error yet. */
static cosrel_status map(region *r, cosrel_error *err)
{
    struct stat file;
    const int fd = shm_open(r->key, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0)
        return error_set(err, errno == ENOENT ? COSREL_NOT_FOUND : COSREL_IO,
                         "shared memory '%s': %s", r->key, strerror(errno));
    const uint64_t shift = r->offset % page_bytes;
    const bool there = fstat(fd, &file) == 0 && file.st_size >= 0 &&
                       r->offset <= (uint64_t)file.st_size &&
                       r->bytes <= (uint64_t)file.st_size - r->offset;
    if (!there) {
        close(fd);
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "shared memory '%s' is shorter than offset and byte_size say", r->key);
    }
    r->mapping_bytes = (size_t)(r->bytes + shift);
    r->mapping = mmap(NULL, r->mapping_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                      (off_t)(r->offset - shift));
    close(fd);
    if (r->mapping == MAP_FAILED) {
        r->mapping = NULL;
        return error_set(err, COSREL_IO, "shared memory '%s': %s", r->key, strerror(errno));
    }
    r->data = r->mapping + shift;
    return COSREL_OK;
}

static cosrel_status check(const regions *r, const char *name, const char *key, uint64_t bytes,
                           cosrel_error *err)
{
    if (!*name || strlen(name) > REGION_NAME_MAX)
        return error_set(err, COSREL_INVALID_ARGUMENT, "a region's name has 1 to %d bytes",
                         REGION_NAME_MAX);
    if (key[0] != '/' || !key[1] || strchr(key + 1, '/') || strlen(key) > REGION_NAME_MAX)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "key '%.64s': expected \"/\" and a name without slashes", key);
    if (bytes == 0)
        return error_set(err, COSREL_INVALID_ARGUMENT, "byte_size: expected 1 or more");
    if (find(r, name) >= 0)
        return error_set(err, COSREL_INVALID_ARGUMENT, "region '%s' is registered already", name);
    if (r->count == REGIONS_MAX)
        return error_set(err, COSREL_QUEUE_FULL, "%d regions are registered; no more are taken",
                         REGIONS_MAX);
    return COSREL_OK;
}

cosrel_status regions_add(regions *r, const char *name, const char *key, uint64_t offset,
                          uint64_t bytes, cosrel_error *err)
{
    regions_guard();
    cosrel_status status = check(r, name, key, bytes, err);
    if (status != COSREL_OK)
        return status;
    region *added = calloc(1, sizeof *added);
    if (added) {
        added->users = 1;
        added->name = strdup(name);
        added->key = strdup(key);
        added->offset = offset;
        added->bytes = bytes;
    }
    if (!added || !added->name || !added->key)
        status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a region");
    else
        status = map(added, err);
    if (status == COSREL_OK && !guard(added))
        status = error_set(err, COSREL_QUEUE_FULL, "too many regions are in use");
    if (status != COSREL_OK) {
        region_let_go(added);
        return status;
    }
    r->all[r->count++] = added;
    return COSREL_OK;
}

cosrel_status regions_remove(regions *r, const char *name, cosrel_error *err)
{
    if (!name) {
        regions_deinit(r);
        return COSREL_OK;
    }
    const int at = find(r, name);
    if (at < 0)
        return error_set(err, COSREL_NOT_FOUND, "there is no region '%.200s'", name);
    region_let_go(r->all[at]);
    for (int i = at + 1; i < r->count; i++)
        r->all[i - 1] = r->all[i];
    r->count--;
    return COSREL_OK;
}

cosrel_status regions_use(regions *r, const char *name, uint64_t offset, uint64_t bytes,
                          region **used, void **data, cosrel_error *err)
{
    const int at = find(r, name);
    if (at < 0)
        return error_set(err, COSREL_NOT_FOUND, "there is no region '%.200s'", name);
    region *found = r->all[at];
    if (offset > found->bytes || bytes > found->bytes - offset)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "region '%s' has %llu bytes; offset and byte_size go beyond", name,
                         (unsigned long long)found->bytes);
    if (region_is_broken(found))
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "region '%s' has shrunk since it was registered", name);
    found->users++;
    *used = found;
    *data = found->data + offset;
    return COSREL_OK;
}

cosrel_status regions_describe(const regions *r, const char *name, text_builder *out,
                               cosrel_error *err)
{
    bool first = true;
    if (name && find(r, name) < 0)
        return error_set(err, COSREL_NOT_FOUND, "there is no region '%.200s'", name);
    text_add(out, "[");
    for (int i = 0; i < r->count; i++) {
        const region *one = r->all[i];
        if (name && strcmp(one->name, name) != 0)
            continue;
        text_add(out, first ? "{\"name\":" : ",{\"name\":");
        text_add_json(out, one->name);
        text_add(out, ",\"key\":");
        text_add_json(out, one->key);
        text_addf(out, ",\"offset\":%llu,\"byte_size\":%llu}", (unsigned long long)one->offset,
                  (unsigned long long)one->bytes);
        first = false;
    }
    text_add(out, "]");
    return COSREL_OK;
}
