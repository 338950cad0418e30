/* Processors that compute by themselves have two workers each, which take turns: while one waits
 * for the device, the other assembles what comes next, and it begins the moment the device is free.
 * What the first one has to do then (outputs, answers, callbacks, a decision) overlaps with that.
 *
 * How early the next run is decided: by the time that assembling has taken lately, no earlier,
 * since what is decided cannot make way for what comes later, and a batch that is formed early is
 * small. Where a run takes far longer than assembling, there is nothing to be gained. */
#include "base/clock.h"
#include "runtime/futex.h"
#include "runtime/parts.h"

/* Runs longer than this many times the assembling are not overlapped (chosen: 5 % is not worth an
 * early decision). */
enum { WORTH_FACTOR = 20 };

/* The call for the next one comes so much earlier than assembling takes on average, in quarters of
 * that (chosen: it varies), and is not worth a timer if it is due within CALL_MIN_NS. */
enum { LEAD_QUARTERS = 6, ASSEMBLY_WEIGHT = 8 };
static const int64_t CALL_MIN_NS = 100000;

static worker *other_of(const worker *w)
{
    return w->first == w ? w->mate : w->first;
}

worker *overlap_free(worker *first)
{
    return first->running && first->mate ? first->mate : first;
}

const worker *overlap_busy(const worker *first)
{
    return first->turn ? first->turn : first;
}

/* Everybody looks again. */
static void tell_all(worker *first)
{
    atomic_fetch_add(&first->turn_word, 1);
    futex_wake_all(&first->turn_word);
}

void overlap_given(worker *w)
{
    worker *first = w->first;
    if (!first->mate)
        return;
    w->begun_ns = w->ended_ns = 0;
    w->told = w->waited = false;
    if (!first->turn)
        first->turn = w;
    if (!first->oldest)
        first->oldest = w;
}

/* The core may dispatch the next run. */
static void tell_core(worker *w, int64_t now_ns, wake_list *wakes)
{
    w->told = true;
    sched_core_ending(w->rt->core, now_ns, w->index);
    dispatch_drain(w->rt, now_ns, wakes);
}

static void plan_next(worker *w, int64_t now_ns, wake_list *wakes)
{
    const int64_t lead_ns = w->first->assembly_ns * LEAD_QUARTERS / 4;
    worker *other = other_of(w);
    if (w->probe || w->slots[0]->trial || w->estimate_ns > w->first->assembly_ns * WORTH_FACTOR)
        return;
    if (w->estimate_ns <= lead_ns + CALL_MIN_NS) {
        tell_core(w, now_ns, wakes);
        return;
    }
    atomic_store(&other->call_ns, now_ns + w->estimate_ns - lead_ns);
    wakes->workers[wakes->count++] = other;
}

/* The device is its own. Locked. */
static void begin(worker *w, wake_list *wakes)
{
    worker *first = w->first;
    const int64_t now_ns = clock_now_ns();
    w->begun_ns = now_ns;
    w->counted_ns = w->started_ns > first->freed_ns ? w->started_ns : first->freed_ns;
    w->limit_ns = now_ns + w->limit_after_ns;
    if (w->limit_ns < w->rt->service_next_ns)
        service_poke(w->rt);
    if (!w->waited && !w->probe)
        first->assembly_ns += (now_ns - w->started_ns - first->assembly_ns) / ASSEMBLY_WEIGHT;
    plan_next(w, now_ns, wakes);
}

bool overlap_take_turn(worker *w)
{
    worker *first = w->first;
    cosrel_runtime *rt = w->rt;
    if (!first->mate || w->begun_ns)
        return true;
    for (;;) {
        wake_list wakes = {.count = 0};
        pthread_mutex_lock(&rt->lock);
        const uint32_t seen = atomic_load(&first->turn_word);
        const bool lost = first->down && !w->probe, mine = first->turn == w && !lost;
        if (mine)
            begin(w, &wakes);
        else
            w->waited = true;
        pthread_mutex_unlock(&rt->lock);
        dispatch_wake(rt, &wakes);
        if (lost || mine)
            return mine;
        futex_wait(&first->turn_word, seen, -1);
    }
}

void overlap_pass(worker *w)
{
    worker *first = w->first, *other = other_of(w);
    if (first->turn != w)
        return;
    if (!w->ended_ns)
        w->ended_ns = clock_now_ns();
    first->freed_ns = w->ended_ns;
    first->turn = other && other->running ? other : NULL;
    if (other)
        tell_all(first);
}

void overlap_await_report(worker *w)
{
    worker *first = w->first;
    while (first->mate && first->oldest != w && !w->detached && !w->outcome.lost) {
        const uint32_t seen = atomic_load(&first->turn_word);
        pthread_mutex_unlock(&w->rt->lock);
        futex_wait(&first->turn_word, seen, -1);
        pthread_mutex_lock(&w->rt->lock);
    }
}

void overlap_reported(worker *w)
{
    worker *first = w->first, *other = other_of(w);
    if (!first->mate)
        return;
    if (first->oldest == w)
        first->oldest = other->running ? other : NULL;
    overlap_pass(w);
    tell_all(first);
}

void overlap_taken_out(worker *first)
{
    if (first->mate)
        tell_all(first);
}

void overlap_called(worker *w)
{
    wake_list wakes = {.count = 0};
    cosrel_runtime *rt = w->rt;
    worker *other = other_of(w);
    pthread_mutex_lock(&rt->lock);
    const int64_t now_ns = clock_now_ns();
    if (w->first->turn == other && other->running && other->begun_ns && !other->told &&
        !other->detached && !w->first->down)
        tell_core(other, now_ns, &wakes);
    pthread_mutex_unlock(&rt->lock);
    dispatch_wake(rt, &wakes);
}
