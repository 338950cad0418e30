/* The guard's thread: windows, replays, and who serves. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "learn/learner_state.h"
#include "runtime/futex.h"

/* Between two looks (chosen: a window's end may be late by this). */
static const int64_t LOOK_NS = 100000000;

/* Chosen: it gives way to what serves, but gets a tenth of a core even from a full one. */
enum { NICE = 10 };

/* ---- Whether the learned policy is in use at all ---- */

static bool is_ours(cosrel_learner *l)
{
    const bool learned = runtime_has_policy(l->rt, "learned");
    if (l->guard.state == GUARD_ON_SAFE && learned)
        guard_init(&l->guard); /* somebody has put it back: it begins anew */
    return l->guard.state == GUARD_ON_SAFE ? runtime_has_policy(l->rt, runtime_safe_policy())
                                           : learned;
}

static void show(cosrel_learner *l, bool ours)
{
    static const cosrel_learner_state states[] = {[GUARD_TRUSTED] = COSREL_LEARNER_LEARNED,
                                                  [GUARD_ON_TRIAL] = COSREL_LEARNER_PROBATION,
                                                  [GUARD_ON_SAFE] = COSREL_LEARNER_SAFE};
    pthread_mutex_lock(&l->lock);
    l->stats.state = ours ? states[l->guard.state] : COSREL_LEARNER_WAITING;
    l->stats.version = l->present.version;
    l->stats.lessons = atomic_load(&l->lessons);
    pthread_mutex_unlock(&l->lock);
}

/* ---- Candidates ---- */

static void hand_out_job(cosrel_learner *l, const scorer *from)
{
    learn_job *job = &l->job;
    if (runtime_look(l->rt, &job->picture) != COSREL_OK || job->picture.unloads != l->unloads ||
        scorer_copy(&job->from, from) != COSREL_OK) {
        learn_job_deinit(job);
        return;
    }
    for (int i = 0; i < l->recent_count; i++)
        if (window_copy(&job->windows[job->window_count], &l->recent[i]) == COSREL_OK)
            job->window_count++;
    job->last_window = l->window_number;
    atomic_store(&l->job_state, JOB_READY);
    atomic_fetch_add(&l->learn_news, 1);
    futex_wake_all(&l->learn_news);
}

/* A candidate that came meanwhile is tried on the window before this one at once. */
static void take_job(cosrel_learner *l, const runtime_picture *picture)
{
    guard_window before;
    if (atomic_load(&l->job_state) != JOB_DONE)
        return;
    learner_version_clear(&l->candidate);
    l->candidate.net = l->job.result;
    l->job.result = (scorer){.parameters = NULL};
    l->trained_last = l->job.last_window;
    learn_job_deinit(&l->job);
    atomic_store(&l->job_state, JOB_NONE);
    guard_new_candidate(&l->guard);
    if (!l->candidate.net.parameters)
        return;
    pthread_mutex_lock(&l->lock);
    l->stats.candidates++;
    pthread_mutex_unlock(&l->lock);
    if (l->recent_count > 0 && learner_window_judge(l, picture, &l->recent[l->recent_count - 1],
                                                    l->window_number, &before))
        guard_try(&l->guard, &before);
}

/* The next one begins where the last one came to if that was some way, else where we are. */
static void seek_next(cosrel_learner *l)
{
    if (atomic_load(&l->job_state) != JOB_NONE || l->recent_count == 0)
        return;
    if (!l->candidate.net.parameters) {
        hand_out_job(l, &l->present.net);
    } else if (guard_candidate_lost(&l->guard)) {
        const bool ahead = l->guard.untrained.to_learned < 0;
        hand_out_job(l, ahead ? &l->candidate.net : &l->present.net);
        learner_version_clear(&l->candidate);
        guard_new_candidate(&l->guard);
    }
}

/* ---- Windows ---- */

static void remember(cosrel_learner *l, window *w)
{
    if (l->recent_count == LEARNER_RECENT) {
        window_deinit(&l->recent[0]);
        memmove(l->recent, l->recent + 1, (LEARNER_RECENT - 1) * sizeof *l->recent);
        l->recent_count--;
    }
    l->recent[l->recent_count++] = *w;
    l->window_number++;
    *w = (window){.count = 0};
}

/* Numbers of models in windows of before an unload may be other models' now. */
static void forget_if_unloaded(cosrel_learner *l, const runtime_picture *picture)
{
    if (picture->unloads == l->unloads)
        return;
    while (l->recent_count > 0)
        window_deinit(&l->recent[--l->recent_count]);
    l->unloads = picture->unloads;
}

static void note_window(cosrel_learner *l, const guard_window *w)
{
    pthread_mutex_lock(&l->lock);
    l->stats.windows++;
    l->stats.requests = w->requests;
    l->stats.live = w->live;
    l->stats.learned = w->learned;
    l->stats.safe = w->safe;
    l->stats.candidate = w->candidate;
    pthread_mutex_unlock(&l->lock);
}

static void close_window(cosrel_learner *l)
{
    runtime_picture picture;
    guard_window costs;
    window w = {.count = 0};
    guard_answer answer = GUARD_KEEP;
    const int64_t now_ns = clock_now_ns();
    const bool looked = runtime_look(l->rt, &picture) == COSREL_OK;
    if (looked)
        forget_if_unloaded(l, &picture);
    if (looked && learner_window_close(l, now_ns, &picture, &w)) {
        take_job(l, &picture);
        if (learner_window_judge(l, &picture, &w, l->window_number + 1, &costs)) {
            answer = guard_step(&l->guard, &costs);
            note_window(l, &costs);
        }
        remember(l, &w);
        learner_versions_act(l, answer);
        seek_next(l);
    }
    window_deinit(&w);
    runtime_picture_deinit(&picture);
    /* A window has one policy: after a change the next one begins with it. */
    learner_window_begin(l, answer == GUARD_KEEP ? now_ns : clock_now_ns());
}

static void look_around(cosrel_learner *l)
{
    const bool ours = is_ours(l);
    const int64_t now_ns = clock_now_ns();
    if (!ours)
        learner_window_begin(l, now_ns);
    else if (now_ns - l->window_start_ns >= l->interval_ns &&
             learner_window_arrived(l) >= GUARD_REQUESTS_MIN)
        close_window(l);
    show(l, ours);
}

void *learner_guard_main(void *learner)
{
    cosrel_learner *l = learner;
    const int64_t look_ns = l->interval_ns < LOOK_NS ? l->interval_ns : LOOK_NS;
    cpu_name_self("cosrel-guard");
    setpriority(PRIO_PROCESS, 0,
                NICE); /* on Linux: of the calling thread; it may not fail upwards */
    learner_window_begin(l, clock_now_ns());
    while (!atomic_load(&l->stop)) {
        const uint32_t seen = atomic_load(&l->guard_news);
        look_around(l);
        if (!atomic_load(&l->stop))
            futex_wait(&l->guard_news, seen, look_ns);
    }
    return NULL;
}
