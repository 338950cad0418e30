/* How a thread of the kernel's idle class gets off a core that somebody wants.
 *
 * The class alone does not see to that: where a normal thread has run and slept for a moment, the
 * kernel (EEVDF, Linux 6.6 and later) takes it to have had its share, and lets the idle thread go
 * on until the next tick, up to 4 ms; and it takes that core for one that is not free. So such
 * threads step aside by themselves, in the handler of a signal. They get it when a run begins on a
 * core: then they wait until one is free, and go on there. And they get it every EVERY_NS, while
 * there are runs at all: then they sleep for a moment, which is enough for any thread that wants
 * the core, whether it is the runtime's or not, to have it.
 *
 * A thread that was stopped may hold a lock of the C library's or of ONNX Runtime's, as one of the
 * idle class that gets no core may. So it never waits for longer than LIMIT_NS, and then it is left
 * alone for GO_NS, with which it comes to an end where no core is ever free. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/clock.h"
#include "runtime/futex.h"
#include "runtime/parts.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* Chosen: the delay that somebody else may meet, for a tenth of the thread's time; a few runs'
 * time; a fifth of the time, at worst; and what a thread needs to be put on another core. */
static const int64_t EVERY_NS = 300000, LIMIT_NS = 4000000, GO_NS = 1000000, NAP_NS = 20000;

/* Without a run for this long nobody is in a hurry (chosen). */
static const int64_t LIVELY_NS = 100000000;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int signal_number; /* 0: all are taken */
/* The model: the first look at one of these must not allocate, as it may be the handler's. */
#define OF_THREAD _Thread_local __attribute__((tls_model("initial-exec")))
static OF_THREAD aside *mine;
static OF_THREAD int place; /* among its threads */
static OF_THREAD timer_t timer;
static OF_THREAD bool timer_runs;
static OF_THREAD int64_t back_ns, go_until_ns; /* from the last stop; it is left alone until then */

static bool is_wanted(const aside *a)
{
    const int cpu = sched_getcpu();
    return cpu >= 0 && cpu < ASIDE_CPUS_MAX && (atomic_load(&a->busy) & a->units_of_cpu[cpu]);
}

static void nap(void)
{
    const struct timespec time = {.tv_nsec = NAP_NS};
    (void)nanosleep(&time, NULL); /* shorter is as good */
}

/* Touches nothing that the interrupted code may be in the middle of. */
static void step_aside(int number, siginfo_t *info, void *context)
{
    const int error = errno;
    aside *a = mine;
    (void)number, (void)context;
    if (!a)
        return; /* it came too late, for a thread that has the number of one that is gone */
    if (info->si_code != SI_TIMER)
        atomic_store(&a->threads[place].told, false);
    const int64_t now_ns = clock_now_ns();
    if (now_ns < go_until_ns)
        return;
    if (info->si_code == SI_TIMER && now_ns - back_ns > EVERY_NS / 2 &&
        now_ns - atomic_load(&a->taken_ns) < LIVELY_NS)
        nap();
    for (;;) {
        const uint32_t seen = atomic_load(&a->word);
        const int64_t left_ns = now_ns + LIMIT_NS - clock_now_ns();
        if (!is_wanted(a))
            break;
        if (left_ns <= 0) {
            go_until_ns = now_ns + LIMIT_NS + GO_NS;
            break;
        }
        if (a->all & ~atomic_load(&a->busy)) {
            nap(); /* to wake there */
            continue;
        }
        atomic_fetch_add(&a->waiting, 1);
        futex_wait(&a->word, seen, left_ns);
        atomic_fetch_sub(&a->waiting, 1);
    }
    back_ns = clock_now_ns();
    errno = error;
}

/* One that nobody has a handler for. */
static void take_a_signal(void)
{
    struct sigaction before;
    const struct sigaction ours = {.sa_sigaction = step_aside,
                                   .sa_flags = SA_RESTART | SA_SIGINFO | SA_ONSTACK};
    for (int number = SIGRTMAX - 1; number >= SIGRTMIN && !signal_number; number--)
        if (sigaction(number, NULL, &before) == 0 && !(before.sa_flags & SA_SIGINFO) &&
            before.sa_handler == SIG_DFL && sigaction(number, &ours, NULL) == 0)
            signal_number = number;
}

static int thread_number(void)
{
    return (int)syscall(SYS_gettid);
}

static bool start_timer(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signal_number};
    const struct timespec every = {.tv_nsec = EVERY_NS};
    const struct itimerspec times = {.it_interval = every, .it_value = every};
    event.sigev_notify_thread_id = thread_number();
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
        return false;
    if (timer_settime(timer, 0, &times, NULL) == 0)
        return true;
    timer_delete(timer);
    return false;
}

void aside_enter(aside *a)
{
    sigset_t only;
    pthread_once(&once, take_a_signal);
    if (!signal_number)
        return;
    for (int i = 0; i < ASIDE_THREADS_MAX && !mine; i++) {
        int nobody = 0;
        if (!atomic_compare_exchange_strong(&a->threads[i].number, &nobody, thread_number()))
            continue;
        place = i;
        mine = a;
    }
    if (!mine)
        return; /* many load at a time: this one has the class alone */
    /* Only now: what came before found nothing to do, and said nothing. */
    atomic_store(&a->threads[place].told, false);
    if (atomic_load(&a->count) == 0)
        atomic_store(&a->busy, 0); /* nobody has kept it since the last one left */
    atomic_fetch_add(&a->count, 1);
    sigemptyset(&only);
    sigaddset(&only, signal_number);
    (void)pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* the kernel would make naps 50 us longer */
    timer_runs = start_timer();
}

void aside_leave(void)
{
    aside *a = mine;
    if (!a)
        return;
    if (timer_runs)
        timer_delete(timer);
    timer_runs = false;
    atomic_fetch_sub(&a->count, 1);
    atomic_store(&a->threads[place].number, 0);
    mine = NULL; /* signals that are still under way find nothing to do */
}

void aside_init(cosrel_runtime *rt)
{
    for (int i = 0; i < rt->worker_count; i++) {
        const device_spec *spec = &rt->devices->specs[rt->workers[i].device];
        if (spec->kind != DEVICE_CPU || spec->core_count != 1 || spec->cores[0] >= ASIDE_CPUS_MAX)
            continue;
        rt->aside.all |= spec->units;
        rt->aside.units_of_cpu[spec->cores[0]] = spec->units;
    }
}

aside_news aside_look(cosrel_runtime *rt, int64_t now_ns)
{
    aside *a = &rt->aside;
    uint64_t busy = 0;
    if (!aside_any(rt))
        return ASIDE_NOTHING;
    for (int i = 0; i < rt->worker_count; i++) {
        const worker *w = &rt->workers[i];
        if (w->running && !w->background)
            busy |= rt->devices->specs[w->device].units & a->all;
    }
    const uint64_t before = atomic_exchange(&a->busy, busy);
    aside_news news = ASIDE_NOTHING;
    if (before & ~busy) {
        atomic_fetch_add(&a->word, 1);
        news |= ASIDE_FREED;
    }
    if (busy & ~before) {
        atomic_store(&a->taken_ns, now_ns);
        news |= ASIDE_TAKEN;
    }
    return news;
}

void aside_tell(cosrel_runtime *rt, aside_news news)
{
    aside *a = &rt->aside;
    if ((news & ASIDE_FREED) && atomic_load(&a->waiting) > 0)
        futex_wake_all(&a->word);
    for (int i = 0; (news & ASIDE_TAKEN) && i < ASIDE_THREADS_MAX; i++) {
        aside_thread *t = &a->threads[i];
        const int number = atomic_load(&t->number);
        /* Not twice before it has heard: signals of this kind are kept one by one. */
        if (number && !atomic_exchange(&t->told, true))
            syscall(SYS_tgkill, getpid(), number, signal_number);
    }
}
