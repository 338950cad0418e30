/* Threads of the idle class get off a core where a run begins, and take no signal that is the
 * application's. Timings are no part of it: only whether such a thread is seen to wait. */
#include "fixture.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "runtime/parts.h"

static atomic_int strangers; /* calls of the application's handlers */

static void handler(int number)
{
    (void)number;
    atomic_fetch_add(&strangers, 1);
}

/* From the highest on, until one is left. */
static void application_takes_signals(void)
{
    const struct sigaction own = {.sa_handler = handler};
    for (int number = SIGRTMAX; number > SIGRTMIN; number--)
        assert_int_equal(sigaction(number, &own, NULL), 0);
}

typedef struct quiet_thread {
    cosrel_runtime *rt;
    atomic_bool entered, stop;
    _Atomic uint64_t rounds;
    bool errno_kept;
} quiet_thread;

static void *work(void *arg)
{
    quiet_thread *q = arg;
    aside_enter(&q->rt->aside);
    atomic_store(&q->entered, true);
    q->errno_kept = true;
    while (!atomic_load(&q->stop)) {
        /* Where TSan gives a signal to its handler: it comes in no loop. */
        const struct timespec moment = {.tv_nsec = 1000};
        (void)nanosleep(&moment, NULL);
        errno = ENOTTY;
        for (volatile int i = 0; i < 10000; i++) {
        }
        q->errno_kept &= errno == ENOTTY;
        atomic_fetch_add(&q->rounds, 1);
    }
    aside_leave();
    return NULL;
}

static void pause_ms(int ms)
{
    const struct timespec time = {.tv_nsec = ms * 1000000L};
    nanosleep(&time, NULL);
}

/* A runtime in which one unit stands for all CPUs of the machine, and a worker that has it. */
static cosrel_runtime *make_runtime(device_list *devices)
{
    cosrel_runtime *rt = calloc(1, sizeof *rt);
    assert_non_null(rt);
    devices->specs[0].units = 1;
    rt->devices = devices;
    rt->worker_count = 1;
    rt->aside.all = 1;
    for (int i = 0; i < ASIDE_CPUS_MAX; i++)
        rt->aside.units_of_cpu[i] = 1;
    return rt;
}

static void steps_aside_and_comes_back(void **state)
{
    (void)state;
    static device_list devices;
    cosrel_runtime *rt = make_runtime(&devices);
    quiet_thread q = {.rt = rt};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, work, &q), 0);
    while (!atomic_load(&q.entered))
        pause_ms(1);
    bool waited = false;
    for (int i = 0; i < 2000 && !waited; i++) {
        rt->workers[0].running = true;
        assert_int_equal(aside_look(rt, clock_now_ns()), ASIDE_TAKEN);
        aside_tell(rt, ASIDE_TAKEN);
        pause_ms(1);
        waited = atomic_load(&rt->aside.waiting) > 0;
        assert_int_equal(aside_look(rt, clock_now_ns()), ASIDE_NOTHING);
        rt->workers[0].running = false;
        assert_int_equal(aside_look(rt, clock_now_ns()), ASIDE_FREED);
        aside_tell(rt, ASIDE_FREED);
    }
    assert_true(waited);
    /* It goes on once the core is free, and, slowly, where it never is. */
    for (int busy = 0; busy < 2; busy++) {
        rt->workers[0].running = busy;
        aside_tell(rt, aside_look(rt, clock_now_ns()));
        const uint64_t before = atomic_load(&q.rounds);
        for (int i = 0; i < 20000 && atomic_load(&q.rounds) < before + 10; i++)
            pause_ms(1);
        assert_true(atomic_load(&q.rounds) >= before + 10);
    }
    atomic_store(&q.stop, true);
    pthread_join(thread, NULL);
    assert_true(q.errno_kept);
    assert_false(aside_any(rt));
    free(rt);
}

/* With a background worker's run nobody has to go. */
static void background_runs_take_no_core(void **state)
{
    (void)state;
    static device_list devices;
    cosrel_runtime *rt = make_runtime(&devices);
    atomic_store(&rt->aside.count, 1);
    rt->workers[0].background = true;
    rt->workers[0].running = true;
    assert_int_equal(aside_look(rt, clock_now_ns()), ASIDE_NOTHING);
    free(rt);
}

/* What ran when the last such thread left says nothing of now: it would hold up the next one. */
static void what_was_busy_is_forgotten(void **state)
{
    (void)state;
    static device_list devices;
    cosrel_runtime *rt = make_runtime(&devices);
    aside_enter(&rt->aside);
    rt->workers[0].running = true;
    assert_int_equal(aside_look(rt, clock_now_ns()), ASIDE_TAKEN);
    aside_leave();
    rt->workers[0].running = false;
    assert_int_equal(aside_look(rt, clock_now_ns()), ASIDE_NOTHING); /* nobody is there to know */
    aside_enter(&rt->aside);
    assert_int_equal(atomic_load(&rt->aside.busy), 0);
    aside_leave();
    free(rt);
}

static void the_applications_signals_stay_its_own(void **state)
{
    (void)state;
    assert_int_equal(atomic_load(&strangers), 0);
    struct sigaction now;
    for (int number = SIGRTMAX; number > SIGRTMIN; number--) {
        assert_int_equal(sigaction(number, NULL, &now), 0);
        assert_true(now.sa_handler == handler);
    }
}

int main(void)
{
    application_takes_signals();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_aside_and_comes_back),
        cmocka_unit_test(background_runs_take_no_core),
        cmocka_unit_test(what_was_busy_is_forgotten),
        cmocka_unit_test(the_applications_signals_stay_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
