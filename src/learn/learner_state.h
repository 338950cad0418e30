/* The learner's state: who owns what.
 *
 * Threads:
 * - guard: normal class, nice. Closes windows, replays them, decides who serves, writes versions.
 *   It uses little and must not starve, since the promise of learn/guard.h is its to keep.
 * - learner: the kernel's idle class. Trains one candidate after another, and holds no lock that
 *   others wait for: jobs go back and forth by one atomic word.
 *
 * Locks: `lock` guards `stats` and is held for a copy. The runtime's lock guards `seen`. */
#ifndef LEARN_LEARNER_STATE_H
#define LEARN_LEARNER_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "cosrel/learn.h"
#include "learn/experience.h"
#include "learn/guard.h"
#include "learn/online.h"
#include "learn/window.h"
#include "runtime/watch.h"

enum {
    LEARNER_RING = 16384,    /* records; chosen: half a megabyte */
    LEARNER_ARRIVALS = 4096, /* of a window that are looked at; chosen: replays within 0.1 s */
    LEARNER_RECENT = 4,      /* windows that are learned from; chosen */
};

typedef struct policy_version {
    scorer net; /* empty: there is none */
    uint64_t version;
} policy_version;

typedef enum job_state {
    JOB_NONE,  /* the guard's to fill */
    JOB_READY, /* the learner's */
    JOB_DONE   /* the guard's, with `result` */
} job_state;

/* One candidate to train, with all that it is made of. */
typedef struct learn_job {
    runtime_picture picture;
    window windows[LEARNER_RECENT];
    int window_count;
    uint64_t last_window; /* number of the newest of them */
    scorer from;
    scorer result; /* empty: it failed */
} learn_job;

struct cosrel_learner {
    cosrel_runtime *rt;
    const logger *log;
    char *folder; /* NULL: none */
    int64_t interval_ns;
    double cpu_part;
    experience *seen;
    bool watching;

    pthread_t guard_thread, learn_thread;
    bool guard_started, learn_started;
    atomic_bool stop;
    _Atomic uint32_t guard_news, learn_news; /* futex words */
    _Atomic int job_state;
    learn_job job;

    /* The learner thread's. */
    online *online;
    atomic_ullong lessons; /* it writes, the guard reads */

    /* The guard thread's. */
    guard guard;
    policy_version present, previous, candidate;
    uint64_t newest;       /* the highest version so far */
    uint64_t trained_last; /* number of the newest window that the candidate learned from */
    int64_t window_start_ns;
    uint64_t window_first;         /* record */
    window recent[LEARNER_RECENT]; /* oldest first */
    int recent_count;
    uint64_t window_number; /* of the newest of them */
    experience_record *records;
    uint64_t unloads; /* when those were made (runtime_picture) */

    pthread_mutex_t lock;
    cosrel_learner_stats stats;
};

/* learner_guard.c, learner_lesson.c: the threads' mains. */
void *learner_guard_main(void *learner);
void *learner_lesson_main(void *learner);
void learn_job_deinit(learn_job *job);

/* learner_window.c, the guard thread's: closes the present window. What it costs goes to *w, and
 * the window to `out`. False: no memory, or nothing that could be replayed; there was no window. */
bool learner_window_close(cosrel_learner *l, int64_t now_ns, const runtime_picture *picture,
                          window *out);
/* Replays under the learned policy, the safe rule and the candidate, if there is one. */
bool learner_window_judge(cosrel_learner *l, const runtime_picture *picture, const window *w,
                          uint64_t number, guard_window *out);
void learner_window_begin(cosrel_learner *l, int64_t now_ns);
uint64_t learner_window_arrived(cosrel_learner *l);

/* learner_versions.c, the guard thread's: what an answer of the guard means. */
void learner_versions_act(cosrel_learner *l, guard_answer answer);
/* The runtime gets a copy of the present one. False: no memory; the one before goes on. */
bool learner_versions_serve(cosrel_learner *l);
void learner_version_clear(policy_version *v);

#endif
