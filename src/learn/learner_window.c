/* Windows: from the ring of records to costs. */
#include <stdlib.h>
#include <string.h>

#include "learn/learner_state.h"
#include "learn/replay.h"

/* Records copied while the runtime's lock is held (chosen: some microseconds). */
enum { CHUNK = 512 };

typedef struct look {
    cosrel_learner *l;
    uint64_t from, count;
    size_t got;
    experience_record *out;
} look;

static void count_records(void *user)
{
    look *at = user;
    at->count = experience_count(at->l->seen);
}

static void copy_chunk(void *user)
{
    look *at = user;
    at->got = experience_copy(at->l->seen, &at->from, CHUNK, at->out);
}

/* What is answered meanwhile is answered after the window's end, so that chunks need not be of one
 * moment. Records that the ring loses on the way are the oldest ones. */
static size_t copy_records(cosrel_learner *l)
{
    look at = {.l = l, .from = 0, .out = l->records};
    size_t count = 0;
    do {
        runtime_with_lock(l->rt, copy_chunk, &at);
        at.from += at.got;
        at.out += at.got;
        count += at.got;
    } while (at.got == CHUNK && count + CHUNK <= LEARNER_RING);
    return count;
}

uint64_t learner_window_arrived(cosrel_learner *l)
{
    look at = {.l = l};
    runtime_with_lock(l->rt, count_records, &at);
    return at.count - l->window_first;
}

void learner_window_begin(cosrel_learner *l, int64_t now_ns)
{
    look at = {.l = l};
    runtime_with_lock(l->rt, count_records, &at);
    l->window_start_ns = now_ns;
    l->window_first = at.count;
}

bool learner_window_close(cosrel_learner *l, int64_t now_ns, const runtime_picture *picture,
                          window *out)
{
    const size_t count = copy_records(l);
    const cosrel_status status = window_make(l->records, count, l->window_start_ns, now_ns,
                                             LEARNER_ARRIVALS, &picture->costs, out);
    return status == COSREL_OK && out->arrived > 0;
}

bool learner_window_judge(cosrel_learner *l, const runtime_picture *picture, const window *w,
                          uint64_t number, guard_window *out)
{
    const world_place place = {.costs = &picture->costs,
                               .processors = picture->processors,
                               .processor_count = picture->processor_count,
                               .objective = picture->objective,
                               .patience = SCHED_PATIENCE,
                               .drop_late = picture->drop_late};
    cosrel_error err = {.text = ""};
    *out = (guard_window){.requests = w->arrived,
                          .live = window_cost(w, w->measured, &picture->objective),
                          .trained_on = number <= l->trained_last};
    cosrel_status status = replay_window(&place, w, "learned", &l->present.net, &out->learned,
                                         &err);
    if (status == COSREL_OK)
        status = replay_window(&place, w, runtime_safe_policy(), NULL, &out->safe, &err);
    if (status == COSREL_OK && l->candidate.net.parameters)
        status = replay_window(&place, w, "learned", &l->candidate.net, &out->candidate, &err);
    if (status != COSREL_OK)
        log_warning(l->log, "learner: a window could not be replayed: %s", err.text);
    return status == COSREL_OK;
}
