#include "base/file_relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cpu.h"

enum { PIECE_BYTES = 65536 }; /* what a pipe holds */

struct file_relay {
    char *path, *part;  /* the pipe; what becomes the file */
    int from, held, to; /* the pipe's ends: without a writer of its own it would end early */
    int done;           /* an eventfd: all is in the pipe. Its end may never come: a child that was
                           forked meanwhile has a writer's end too */
    /* The thread's, until it is joined. */
    bool ok, any;
    pthread_t thread;
};

static bool write_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        const ssize_t n = write(fd, data, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        bytes -= (size_t)n;
    }
    return true;
}

/* What is there now. Goes on if the disk is full: the writer waits for room in the pipe. */
static void empty_pipe(file_relay *r)
{
    char piece[PIECE_BYTES];
    for (;;) {
        const ssize_t n = read(r->from, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            r->ok = r->ok && n < 0 && errno == EAGAIN;
            return;
        }
        r->ok = r->ok && write_all(r->to, piece, (size_t)n);
        r->any = true;
    }
}

static void *move(void *arg)
{
    file_relay *r = arg;
    struct pollfd news[2] = {{.fd = r->from, .events = POLLIN}, {.fd = r->done, .events = POLLIN}};
    cpu_name_self("cosrel-relay");
    while (!news[1].revents) {
        if (poll(news, 2, -1) > 0)
            empty_pipe(r);
    }
    return NULL;
}

static void close_all(file_relay *r)
{
    const int fds[] = {r->from, r->held, r->to, r->done};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void destroy(file_relay *r)
{
    free(r->path);
    free(r->part);
    free(r);
}

static bool open_all(file_relay *r)
{
    /* In this order: a pipe's ends wait for each other. */
    r->from = open(r->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (r->from < 0)
        return false;
    r->done = eventfd(0, EFD_CLOEXEC);
    r->held = open(r->path, O_WRONLY | O_CLOEXEC);
    r->to = open(r->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return r->held >= 0 && r->to >= 0 && r->done >= 0;
}

/* Signals are for the threads that expect them. */
static bool start(file_relay *r)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool ok = pthread_create(&r->thread, NULL, move, r) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

file_relay *file_relay_begin(const char *path)
{
    static const char ending[] = ".part";
    file_relay *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->from = r->held = r->to = r->done = -1;
    r->ok = true;
    r->path = strdup(path);
    r->part = malloc(strlen(path) + sizeof ending);
    if (!r->path || !r->part) {
        destroy(r);
        return NULL;
    }
    snprintf(r->part, strlen(path) + sizeof ending, "%s%s", path, ending);
    if (mkfifo(path, 0600) != 0) {
        destroy(r);
        return NULL;
    }
    if (open_all(r) && start(r))
        return r;
    close_all(r);
    unlink(r->path);
    unlink(r->part);
    destroy(r);
    return NULL;
}

bool file_relay_end(file_relay *r)
{
    if (!r)
        return true;
    (void)eventfd_write(r->done, 1); /* cannot fail: it is the first */
    pthread_join(r->thread, NULL);
    const bool ok = r->ok && (!r->any || rename(r->part, r->path) == 0);
    if (!ok || !r->any) {
        unlink(r->part);
        unlink(r->path);
    }
    close_all(r);
    destroy(r);
    return ok;
}
