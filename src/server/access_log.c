#include "server/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

/* Lines that wait, and again as much that is being written (chosen: some 12,000 lines, which is
 * more than a disk that lives makes wait). Memory that is not needed is never touched. */
#define BUFFER_BYTES ((size_t)4 << 20)

/* The writer lets lines gather for so long, or until there are so many (chosen: 50 writes a second
 * at most, and a person who follows the file sees no delay). */
#define GATHER_NS    ((int64_t)20000000)
#define GATHER_BYTES (BUFFER_BYTES / 4)

#define CLOSE_NS ((int64_t)2000000000) /* at the end, for a disk that does not take them */

struct access_log {
    char *path; /* NULL: standard error */
    logger log;
    pthread_t writer;
    text_builder line; /* the loop's: the one being made */

    pthread_mutex_t lock; /* guards what follows; held for no longer than a copy takes */
    pthread_cond_t changed;
    char *waiting;
    size_t waiting_bytes;
    bool reopen, closing, finished, abandoned;

    /* The writer's own. */
    char *writing;
    int fd;
    bool cut; /* the last line in the file has no end */

    _Atomic uint64_t lines, lost;
    atomic_bool warned;
};

/* ---- A line ---- */

static void add_time(text_builder *out)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    text_addf(out, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\"", utc.tm_year + 1900,
              utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
              now.tv_nsec / 1000000);
}

static void add_text(text_builder *out, const char *key, const char *value)
{
    if (!value || !*value)
        return;
    text_addf(out, ",\"%s\":", key);
    text_add_json(out, value);
}

static void make_line(text_builder *out, const access_entry *e)
{
    out->length = 0;
    add_time(out);
    add_text(out, "protocol", e->protocol);
    add_text(out, "peer", e->peer);
    add_text(out, "method", e->method);
    add_text(out, "path", e->path);
    add_text(out, "model", e->model);
    if (e->model && *e->model)
        text_addf(out, ",\"version\":%lld", (long long)e->version);
    add_text(out, "id", e->id);
    if (e->status_name)
        add_text(out, "status", e->status_name);
    else
        text_addf(out, ",\"status\":%d", e->status);
    if (e->incomplete)
        text_add(out, ",\"incomplete\":true");
    text_addf(out, ",\"bytes_in\":%llu,\"bytes_out\":%llu,\"total_us\":%lld",
              (unsigned long long)e->bytes_in, (unsigned long long)e->bytes_out,
              (long long)(e->total_ns / 1000));
    if (e->queue_ns >= 0)
        text_addf(out, ",\"queue_us\":%lld,\"compute_us\":%lld,\"batch\":%d",
                  (long long)(e->queue_ns / 1000), (long long)(e->compute_ns / 1000), e->batch);
    add_text(out, "processor", e->processor);
    add_text(out, "role", e->role);
    add_text(out, "user_agent", e->agent);
    add_text(out, "error", e->error);
    text_add(out, "}\n");
}

/* ---- The loop's side ---- */

static const char *name_of(const access_log *l)
{
    return l->path ? l->path : "standard error";
}

/* Once, and by the loop only if standard error takes it at once: the writer may hang for good, so
 * it cannot be left to it. */
static void lose(access_log *l)
{
    struct pollfd error = {.fd = STDERR_FILENO, .events = POLLOUT};
    atomic_fetch_add(&l->lost, 1);
    if (atomic_load(&l->warned) || poll(&error, 1, 0) != 1 || !(error.revents & POLLOUT))
        return;
    if (!atomic_exchange(&l->warned, true))
        log_warning(&l->log,
                    "access log %s: it is not written as fast as lines come; some are dropped "
                    "(cosrel_access_log_lines_lost_total counts them)",
                    name_of(l));
}

void access_log_add(access_log *l, const access_entry *e)
{
    make_line(&l->line, e);
    bool fits = false;
    if (l->line.failed) {
        text_deinit(&l->line);
    } else {
        pthread_mutex_lock(&l->lock);
        const size_t before = l->waiting_bytes;
        fits = l->line.length <= BUFFER_BYTES - before;
        if (fits) {
            memcpy(l->waiting + before, l->line.data, l->line.length);
            l->waiting_bytes += l->line.length;
        }
        /* Only who sleeps is woken: not once a line. */
        const bool wake = before == 0 ||
                          (before < GATHER_BYTES && l->waiting_bytes >= GATHER_BYTES);
        pthread_mutex_unlock(&l->lock);
        if (fits && wake)
            pthread_cond_signal(&l->changed);
    }
    if (!fits)
        lose(l);
}

void access_log_reopen(access_log *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->reopen = l->path != NULL;
    pthread_mutex_unlock(&l->lock);
    pthread_cond_signal(&l->changed);
}

access_log_counts access_log_count(const access_log *l)
{
    access_log_counts counts = {.lines = 0};
    if (l) {
        counts.lines = atomic_load(&l->lines);
        counts.lost = atomic_load(&l->lost);
    }
    return counts;
}

/* ---- The writer ---- */

static uint64_t lines_in(const char *text, size_t bytes)
{
    uint64_t count = 0;
    const char *at = text, *end = text + bytes;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
        count++;
        at++;
    }
    return count;
}

/* All of it. False: errno says why not; *done bytes are there. */
static bool write_all(int fd, const char *text, size_t bytes, size_t *done)
{
    *done = 0;
    while (*done < bytes) {
        const ssize_t n = write(fd, text + *done, bytes - *done);
        if (n > 0) {
            *done += (size_t)n;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return false;
        struct pollfd room = {.fd = fd, .events = POLLOUT}; /* whoever shares it may have set it */
        (void)poll(&room, 1, -1);
    }
    return true;
}

static void write_lines(access_log *l, size_t bytes)
{
    size_t done;
    if (l->cut && write_all(l->fd, "\n", 1, &done))
        l->cut = false;
    const bool ok = write_all(l->fd, l->writing, bytes, &done);
    const int why = errno;
    const uint64_t written = lines_in(l->writing, done);
    atomic_fetch_add(&l->lines, written);
    if (ok)
        return;
    l->cut |= done > 0 && l->writing[done - 1] != '\n';
    atomic_fetch_add(&l->lost, lines_in(l->writing, bytes) - written);
    if (!atomic_exchange(&l->warned, true))
        log_warning(&l->log, "access log %s: %s; lines are lost", name_of(l), strerror(why));
}

/* Not O_NONBLOCK for good: but without it, opening a pipe that nobody reads would wait. */
static int open_file(const char *path)
{
    const int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                        0640);
    if (fd >= 0)
        (void)fcntl(fd, F_SETFL, O_APPEND);
    return fd;
}

static void open_again(access_log *l)
{
    const int fd = open_file(l->path);
    if (fd < 0) {
        log_warning(&l->log, "access log %s: %s; the old file is written on", l->path,
                    strerror(errno));
        return;
    }
    close(l->fd);
    l->fd = fd;
    l->cut = false;
    atomic_store(&l->warned, false);
}

static struct timespec from_now(int64_t ns)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    ns += at.tv_nsec;
    at.tv_sec += ns / 1000000000;
    at.tv_nsec = ns % 1000000000;
    return at;
}

/* With the lock. */
static void let_gather(access_log *l)
{
    const struct timespec end = from_now(GATHER_NS);
    while (!l->reopen && !l->closing && l->waiting_bytes < GATHER_BYTES)
        if (pthread_cond_timedwait(&l->changed, &l->lock, &end) != 0)
            return;
}

static void destroy(access_log *l)
{
    if (l->path && l->fd >= 0)
        close(l->fd);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    text_deinit(&l->line);
    free(l->waiting);
    free(l->writing);
    free(l->path);
    free(l);
}

static void *run_writer(void *user)
{
    access_log *l = user;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->waiting_bytes && !l->reopen && !l->closing)
            pthread_cond_wait(&l->changed, &l->lock);
        if (!l->waiting_bytes && !l->reopen)
            break;
        let_gather(l);
        const size_t bytes = l->waiting_bytes;
        const bool again = l->reopen;
        char *full = l->waiting;
        l->waiting = l->writing;
        l->writing = full;
        l->waiting_bytes = 0;
        l->reopen = false;
        pthread_mutex_unlock(&l->lock);
        if (bytes)
            write_lines(l, bytes);
        if (again)
            open_again(l);
        pthread_mutex_lock(&l->lock);
    }
    l->finished = true;
    const bool abandoned = l->abandoned;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    if (abandoned)
        destroy(l);
    return NULL;
}

/* ---- Its life ---- */

/* No signal is for the writer; the one of a pipe without a reader becomes an error of write. */
static bool start_writer(access_log *l)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool ok = pthread_create(&l->writer, NULL, run_writer, l) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

static void init_locks(access_log *l)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&l->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&l->lock, NULL);
}

cosrel_status access_log_open(const char *path, access_log **out, cosrel_error *err)
{
    const bool file = strcmp(path, "-") != 0;
    access_log *l = calloc(1, sizeof *l);
    *out = NULL;
    if (!l)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the access log");
    init_locks(l);
    logger_init(&l->log, COSREL_LOG_WARNING, NULL, NULL);
    l->fd = STDERR_FILENO;
    l->path = file ? strdup(path) : NULL;
    l->waiting = malloc(BUFFER_BYTES);
    l->writing = malloc(BUFFER_BYTES);
    cosrel_status status = COSREL_OK;
    if (!l->waiting || !l->writing || (file && !l->path))
        status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory for the access log");
    else if (file && (l->fd = open_file(path)) < 0)
        status = error_set(err, COSREL_IO, "access log '%s': %s", path,
                           errno == ENXIO ? "a pipe that nobody reads" : strerror(errno));
    else if (!start_writer(l))
        status = error_set(err, COSREL_IO, "the access log's thread did not start");
    if (status == COSREL_OK)
        *out = l;
    else
        destroy(l);
    return status;
}

void access_log_close(access_log *l)
{
    if (!l)
        return;
    const struct timespec end = from_now(CLOSE_NS);
    pthread_mutex_lock(&l->lock);
    l->closing = true;
    pthread_cond_broadcast(&l->changed);
    while (!l->finished && pthread_cond_timedwait(&l->changed, &l->lock, &end) == 0)
        continue;
    /* It hangs in a write? If that ever ends, it frees all by itself. */
    const pthread_t writer = l->writer;
    const bool hangs = l->abandoned = !l->finished;
    pthread_mutex_unlock(&l->lock);
    if (hangs) {
        pthread_detach(writer);
        return;
    }
    pthread_join(writer, NULL);
    destroy(l);
}
