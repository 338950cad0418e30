#include "server/finished.h"

#include <sched.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"

cosrel_status finished_init(finished_calls *f, cosrel_error *err)
{
    atomic_init(&f->newest, NULL);
    atomic_init(&f->sleeping, false);
    atomic_init(&f->pushing, 0);
    f->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return f->wake_fd >= 0 ? COSREL_OK : error_set(err, COSREL_IO, "no eventfd to be had");
}

/* The loop may have taken a call, and ended, before the thread that pushed it has left. */
void finished_deinit(finished_calls *f)
{
    while (atomic_load(&f->pushing) > 0)
        sched_yield();
    if (f->wake_fd > 0)
        close(f->wake_fd);
    f->wake_fd = -1;
}

void finished_wake(finished_calls *f)
{
    const uint64_t one = 1;
    const ssize_t written = write(f->wake_fd, &one, sizeof one);
    (void)written; /* full: then it is awake already */
}

void finished_push(finished_calls *f, infer_call *call)
{
    atomic_fetch_add(&f->pushing, 1);
    infer_call *head = atomic_load_explicit(&f->newest, memory_order_relaxed);
    do {
        call->next = head;
    } while (!atomic_compare_exchange_weak(&f->newest, &head, call));
    if (atomic_load(&f->sleeping) && atomic_exchange(&f->sleeping, false))
        finished_wake(f);
    atomic_fetch_sub(&f->pushing, 1);
}

infer_call *finished_take(finished_calls *f)
{
    infer_call *stack = atomic_exchange(&f->newest, NULL), *list = NULL;
    while (stack) {
        infer_call *next = stack->next;
        stack->next = list;
        list = stack;
        stack = next;
    }
    return list;
}

bool finished_may_sleep(finished_calls *f)
{
    atomic_store(&f->sleeping, true);
    if (!atomic_load(&f->newest))
        return true;
    atomic_store(&f->sleeping, false);
    return false;
}

void finished_woke(finished_calls *f)
{
    uint64_t count;
    if (!atomic_exchange(&f->sleeping, false)) {
        const ssize_t got = read(f->wake_fd, &count, sizeof count);
        (void)got;
    }
}
