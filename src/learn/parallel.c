#include "learn/parallel.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS_MAX = 64 };

typedef struct work {
    atomic_int next;
    int count;
    void (*each)(void *context, int index);
    void *context;
} work;

static void *take(void *argument)
{
    work *w = argument;
    for (int i; (i = atomic_fetch_add(&w->next, 1)) < w->count;)
        w->each(w->context, i);
    return NULL;
}

void parallel_for(int threads, int count, void (*each)(void *context, int index), void *context)
{
    pthread_t others[THREADS_MAX];
    work w = {.count = count, .each = each, .context = context};
    int started = 0;
    /* Where no thread can be had, the ones there are do its part. */
    while (started < threads - 1 && started < THREADS_MAX && started < count - 1 &&
           pthread_create(&others[started], NULL, take, &w) == 0)
        started++;
    take(&w);
    for (int t = 0; t < started; t++)
        pthread_join(others[t], NULL);
}
