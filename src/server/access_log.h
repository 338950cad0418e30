/* The access log: one line of JSON for each request, when its answer is complete.
 *
 * The loop only puts lines into memory; a thread of the log's own writes them. O_NONBLOCK means
 * nothing for a file on a disk: a write that the kernel holds back (a full page cache, a network
 * file system that does not answer) would hold up every request of the loop, were it the loop's,
 * however few writes it makes. What does not fit into that memory because writing is too slow is
 * dropped and counted, and said once on standard error.
 *
 * Threads: access_log_add and access_log_close are the loop's; the others may be called by any
 * thread, but by no signal handler. */
#ifndef SERVER_ACCESS_LOG_H
#define SERVER_ACCESS_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "cosrel/status.h"

typedef struct access_log access_log;

/* Texts may hold anything, and are escaped; NULL and "" mean that there is nothing to say. */
typedef struct access_entry {
    const char *protocol; /* "http", "grpc" */
    const char *peer;
    const char *method, *path;
    const char *model;
    int64_t version; /* of the model */
    const char *id;  /* of the request */
    int status;      /* HTTP's; or */
    const char *status_name;
    bool incomplete; /* the answer did not get to its end */
    uint64_t bytes_in, bytes_out;
    int64_t total_ns;             /* from the request's headers to the end of its answer */
    int64_t queue_ns, compute_ns; /* < 0: it did not run */
    const char *processor;
    int32_t batch;
    const char *role; /* of the token */
    const char *agent;
    const char *error; /* what the client was told */
} access_entry;

/* path: a file, made if it is not there, or "-": standard error. IO: it cannot be opened. */
COSREL_CHECKED cosrel_status access_log_open(const char *path, access_log **out, cosrel_error *err);

/* Writes what there is, for two seconds at most; then what is left is lost. NULL is fine. */
void access_log_close(access_log *l);

void access_log_add(access_log *l, const access_entry *e);

/* What was added before goes to the file as it was, what is added from now on to the one that has
 * the path now: after it was renamed. If that cannot be opened, the old one stays. NULL is fine. */
void access_log_reopen(access_log *l);

typedef struct access_log_counts {
    uint64_t lines; /* written */
    uint64_t lost;
} access_log_counts;

access_log_counts access_log_count(const access_log *l); /* NULL: zeros */

#endif
