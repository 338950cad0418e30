/* Processors that compute by themselves have two workers each, which take turns: while one waits
 * for the device, the other assembles what comes next, and it begins the moment the device is free.
 * What the first one has to do then (outputs, answers, callbacks, a decision) overlaps with that.
 *
 * Whether that is worth anything is measured, since handing the device to another thread takes time
 * too: how much longer than a run it is from the end of one to the end of the next while requests
 * wait, with the second one prepared and without. How early the next run is decided: by the time
 * that assembling has taken lately, no earlier, since what is decided cannot make way for what
 * comes later, and a batch that is formed early is small. */
#include <sched.h>

#include "base/clock.h"
#include "runtime/futex.h"
#include "runtime/parts.h"

/* It must gain this part of the run (chosen: less is not worth an early decision). */
enum { WORTH_PART = 20 };

/* Gaps until a mean counts, the first of which say nothing since buffers grow, and runs until the
 * way that is not taken is measured again (chosen). */
enum { GAPS_LEAST = 8, GAPS_FIRST = 3, LOOK_AGAIN = 50, MEAN_WEIGHT = 4 };

/* The call for the next one comes so much earlier than assembling takes on average, in quarters of
 * that (chosen: it varies), and is not worth a timer if it is due within CALL_MIN_NS. */
enum { LEAD_QUARTERS = 6 };
static const int64_t CALL_MIN_NS = 100000;

/* Spinning for the device at most (chosen: a few times what waking a thread takes). */
static const int64_t SPIN_NS = 200000;

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
    w->begun_ns = w->ended_ns = w->freed_before_ns = 0;
    w->told = w->waited = false;
    w->prepared = first->turn && first->turn != w;
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

/* Whether the next run should be prepared during this one. */
static bool is_worth_it(worker *first, int64_t estimate_ns)
{
    const int64_t worth_ns = estimate_ns / WORTH_PART;
    const device_gap *plain = &first->gaps[false], *prepared = &first->gaps[true];
    const bool look = ++first->since_look >= LOOK_AGAIN;
    if (plain->count < GAPS_LEAST || prepared->count < GAPS_LEAST)
        return plain->count >= GAPS_LEAST;
    const bool better = plain->mean_ns - prepared->mean_ns > worth_ns;
    if (look)
        first->since_look = 0;
    return better != look;
}

static void plan_next(worker *w, int64_t now_ns, wake_list *wakes)
{
    const int64_t lead_ns = w->first->assembly_ns * LEAD_QUARTERS / 4;
    worker *other = other_of(w);
    if (w->probe || w->slots[0]->trial || !is_worth_it(w->first, w->estimate_ns))
        return;
    if (w->estimate_ns <= lead_ns + CALL_MIN_NS) {
        tell_core(w, now_ns, wakes);
        return;
    }
    atomic_store(&other->call_ns, now_ns + w->estimate_ns - lead_ns);
    wakes->workers[wakes->count++] = other;
}

static void move_mean(int64_t *mean_ns, int64_t value_ns)
{
    *mean_ns += (value_ns - *mean_ns) / MEAN_WEIGHT;
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
        move_mean(&first->assembly_ns, now_ns - w->started_ns);
    w->freed_before_ns = first->wanted ? first->freed_ns : 0;
    plan_next(w, now_ns, wakes);
}

/* Until something has changed. The device is due soon, as a rule: sooner than a thread that sleeps
 * can be woken. */
static void wait_for_change(worker *first, uint32_t seen)
{
    const int64_t end_ns = clock_now_ns() + SPIN_NS;
    for (int i = 0; atomic_load(&first->turn_word) == seen; i++) {
        sched_yield(); /* the other worker may need this very core */
        if ((i & 15) == 15 && clock_now_ns() > end_ns) {
            futex_wait(&first->turn_word, seen, -1);
            return;
        }
    }
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
        dispatch_wake(&wakes);
        if (lost || mine)
            return mine;
        wait_for_change(first, seen);
    }
}

static void hand_over(worker *w)
{
    worker *first = w->first, *other = other_of(w);
    if (first->turn != w) /* there is no mate, or that was done before */
        return;
    w->ended_ns = clock_now_ns();
    first->freed_ns = w->ended_ns;
    first->turn = other->running ? other : NULL;
    first->wanted = other->running || sched_core_waiting(w->rt->core, w->model->index) > 0;
    tell_all(first);
}

/* The time from the end of the run before, beyond what a run takes. */
static void note_gap(worker *w)
{
    device_gap *g = &w->first->gaps[w->prepared];
    const int64_t gap_ns = w->ended_ns - w->freed_before_ns - w->estimate_ns;
    if (g->count++ < GAPS_FIRST)
        g->mean_ns = gap_ns;
    move_mean(&g->mean_ns, gap_ns);
}

void overlap_pass(worker *w)
{
    hand_over(w);
    if (w->freed_before_ns)
        note_gap(w);
    w->freed_before_ns = 0;
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
    hand_over(w);
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
    dispatch_wake(&wakes);
}
