/* Opening and closing a learner, and what there is to see of it. */
#include "cosrel/learn.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "learn/learner_state.h"
#include "learn/store.h"
#include "runtime/futex.h"
#include "sched/learned.h"

static const int64_t INTERVAL_NS = INT64_C(60000000000);
static const double CPU_PART = 0.1;

void cosrel_learner_options_init(cosrel_learner_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_bytes = sizeof *options;
}

/* ---- Watching: under the runtime's lock ---- */

static uint64_t accepted(void *user, int64_t now_ns, int model, int64_t deadline_ns, int priority)
{
    return experience_accept(user, now_ns, model, deadline_ns, priority);
}

static void answered(void *user, int64_t now_ns, uint64_t number, bool dropped, double energy_uj)
{
    experience_answer(user, now_ns, number, dropped, energy_uj);
}

static void unloaded(void *user, int model)
{
    experience_forget(user, model);
}

/* ---- Opening ---- */

static cosrel_status take_options(cosrel_learner *l, const cosrel_learner_options *options,
                                  cosrel_learner_options *o, cosrel_error *err)
{
    cosrel_learner_options_init(o);
    if (options &&
        options->struct_bytes < offsetof(cosrel_learner_options, folder) + sizeof o->folder)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "learner options: fill them with cosrel_learner_options_init first");
    if (options)
        memcpy(o, options, options->struct_bytes < sizeof *o ? options->struct_bytes : sizeof *o);
    if (o->interval_ns < 0)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "learner options: interval_ns must not be negative");
    if (!isfinite(o->cpu_part) || o->cpu_part < 0 || o->cpu_part > 1)
        return error_set(err, COSREL_INVALID_ARGUMENT,
                         "learner options: cpu_part: %g is not between 0 and 1", o->cpu_part);
    l->interval_ns = o->interval_ns ? o->interval_ns : INTERVAL_NS;
    l->cpu_part = o->cpu_part > 0 ? o->cpu_part : CPU_PART;
    l->folder = o->folder ? strdup(o->folder) : NULL;
    return !o->folder || l->folder
               ? COSREL_OK
               : error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a learner");
}

/* The newest good version of the folder, or the shipped one. */
static cosrel_status find_first(cosrel_learner *l, cosrel_error *err)
{
    scorer_about about = {.note = NULL};
    policy_version *first = &l->present;
    cosrel_status status = COSREL_NOT_FOUND;
    if (l->folder)
        status = store_newest(l->folder, l->log, &first->net, &first->version, &l->newest, err);
    if (status != COSREL_NOT_FOUND)
        return status;
    status = learned_shipped(&first->net, &about, err);
    scorer_about_deinit(&about);
    return status;
}

static cosrel_status prepare(cosrel_learner *l, const cosrel_learner_options *options,
                             cosrel_error *err)
{
    cosrel_learner_options o;
    cosrel_status status = take_options(l, options, &o, err);
    if (status == COSREL_OK)
        status = find_first(l, err);
    if (status != COSREL_OK)
        return status;
    l->records = malloc(LEARNER_RING * sizeof *l->records);
    if (!l->records || experience_create(LEARNER_RING, &l->seen) != COSREL_OK ||
        online_create(o.seed, &l->online) != COSREL_OK)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a learner");
    const runtime_watch watch = {
        .user = l->seen, .accepted = accepted, .answered = answered, .unloaded = unloaded};
    status = runtime_set_watch(l->rt, &watch, err);
    l->watching = status == COSREL_OK;
    if (status == COSREL_OK && !learner_versions_serve(l))
        status = error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a learner");
    return status;
}

static cosrel_status start(cosrel_learner *l, cosrel_error *err)
{
    guard_init(&l->guard);
    l->stats.state = COSREL_LEARNER_WAITING;
    l->stats.version = l->present.version;
    l->learn_started = pthread_create(&l->learn_thread, NULL, learner_lesson_main, l) == 0;
    l->guard_started = l->learn_started &&
                       pthread_create(&l->guard_thread, NULL, learner_guard_main, l) == 0;
    return l->guard_started
               ? COSREL_OK
               : error_set(err, COSREL_UNAVAILABLE, "the learner's threads could not be started");
}

cosrel_status cosrel_learner_open(cosrel_runtime *rt, const cosrel_learner_options *options,
                                  cosrel_learner **out, cosrel_error *err)
{
    *out = NULL;
    if (!rt)
        return error_set(err, COSREL_INVALID_ARGUMENT, "learner: no runtime given");
    cosrel_learner *l = calloc(1, sizeof *l);
    if (!l)
        return error_set(err, COSREL_OUT_OF_MEMORY, "no memory for a learner");
    pthread_mutex_init(&l->lock, NULL);
    l->rt = rt;
    l->log = runtime_log(rt);
    cosrel_status status = prepare(l, options, err);
    if (status == COSREL_OK)
        status = start(l, err);
    if (status != COSREL_OK) {
        cosrel_learner_close(l);
        return status;
    }
    *out = l;
    return COSREL_OK;
}

/* ---- Closing ---- */

static void stop_threads(cosrel_learner *l)
{
    atomic_store(&l->stop, true);
    atomic_fetch_add(&l->guard_news, 1);
    futex_wake_all(&l->guard_news);
    if (l->guard_started)
        pthread_join(l->guard_thread, NULL);
    atomic_fetch_add(&l->learn_news, 1);
    futex_wake_all(&l->learn_news);
    if (l->learn_started)
        pthread_join(l->learn_thread, NULL);
}

void cosrel_learner_close(cosrel_learner *l)
{
    if (!l)
        return;
    stop_threads(l);
    if (l->watching) {
        const cosrel_status ended = runtime_set_watch(l->rt, NULL, NULL);
        (void)ended;
    }
    learner_version_clear(&l->present);
    learner_version_clear(&l->previous);
    learner_version_clear(&l->candidate);
    learn_job_deinit(&l->job);
    for (int i = 0; i < l->recent_count; i++)
        window_deinit(&l->recent[i]);
    online_free(l->online);
    experience_free(l->seen);
    free(l->records);
    free(l->folder);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

void cosrel_learner_get_stats(cosrel_learner *l, cosrel_learner_stats *stats)
{
    pthread_mutex_lock(&l->lock);
    *stats = l->stats;
    pthread_mutex_unlock(&l->lock);
}
