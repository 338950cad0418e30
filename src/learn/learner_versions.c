/* Versions: which network the runtime uses, and which files there are. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learn/learner_state.h"
#include "learn/store.h"

void learner_version_clear(policy_version *v)
{
    scorer_deinit(&v->net);
    *v = (policy_version){.version = 0};
}

static void move(policy_version *to, policy_version *from)
{
    learner_version_clear(to);
    *to = *from;
    *from = (policy_version){.version = 0};
}

bool learner_versions_serve(cosrel_learner *l)
{
    scorer *copy = calloc(1, sizeof *copy);
    if (!copy || scorer_copy(copy, &l->present.net) != COSREL_OK) {
        free(copy);
        log_warning(l->log, "learner: no memory for a version; the one before serves");
        return false;
    }
    scorer *before = runtime_swap_network(l->rt, copy);
    if (before)
        scorer_deinit(before);
    free(before);
    return true;
}

static void write_present(cosrel_learner *l)
{
    char note[160];
    cosrel_error err;
    if (!l->folder)
        return;
    snprintf(note, sizeof note,
             "learned while serving: candidate %" PRIu64 " after %" PRIu64 " windows",
             l->stats.candidates, l->window_number);
    if (store_write(l->folder, l->present.version, &l->present.net, note, &err) != COSREL_OK)
        log_warning(l->log, "learner: a version is not kept: %s", err.text);
}

static void promote(cosrel_learner *l)
{
    move(&l->previous, &l->present);
    move(&l->present, &l->candidate);
    l->present.version = ++l->newest;
    if (!learner_versions_serve(l)) {
        move(&l->present, &l->previous);
        guard_init(&l->guard);
        return;
    }
    write_present(l);
    if (l->guard.state == GUARD_ON_SAFE)
        learner_version_clear(&l->previous);
    log_info(l->log, "learner: version %" PRIu64 " is promoted", l->present.version);
}

static void take_back(cosrel_learner *l)
{
    if (!l->previous.net.parameters)
        return;
    log_info(l->log, "learner: version %" PRIu64 " is taken back, version %" PRIu64 " serves",
             l->present.version, l->previous.version);
    if (l->folder)
        store_remove(l->folder, l->present.version);
    move(&l->present, &l->previous);
    learner_versions_serve(l);
}

static void count(cosrel_learner *l, guard_answer answer, bool had_previous)
{
    pthread_mutex_lock(&l->lock);
    l->stats.promoted += answer == GUARD_PROMOTE;
    l->stats.taken_back += answer == GUARD_TAKE_BACK || (answer == GUARD_SAFE && had_previous);
    l->stats.fallen += answer == GUARD_SAFE;
    pthread_mutex_unlock(&l->lock);
}

void learner_versions_act(cosrel_learner *l, guard_answer answer)
{
    count(l, answer, l->previous.net.parameters != NULL);
    if (answer == GUARD_PROMOTE)
        promote(l);
    else if (answer == GUARD_TAKE_BACK)
        take_back(l);
    else if (answer == GUARD_SAFE) {
        runtime_change_policy(l->rt, "learned", runtime_safe_policy());
        log_warning(l->log, "learner: the learned policy is worse than '%s', which serves now",
                    runtime_safe_policy());
        take_back(l);
    } else if (answer == GUARD_LEARNED) {
        runtime_change_policy(l->rt, runtime_safe_policy(), "learned");
        log_info(l->log, "learner: the learned policy serves again");
    }
    if (answer != GUARD_KEEP && answer != GUARD_LEARNED)
        learner_version_clear(&l->candidate);
    if (l->guard.state == GUARD_TRUSTED)
        learner_version_clear(&l->previous);
}
