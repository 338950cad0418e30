/* Work that takes only what everybody else leaves of the cores. */
#include <pthread.h>

#include "base/cpu.h"
#include "device/ort_threads.h"
#include "runtime/parts.h"

/* The thread that asked for it waits, and starts threads that are to be of its own class. */
typedef struct chore {
    cosrel_runtime *rt;
    void (*work)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t news;
    /* Guarded by lock. */
    bool done;
    void *(*wanted)(void *arg); /* a thread that is to be started; NULL: none */
    void *wanted_arg;
    pthread_t *wanted_out;
    int failed; /* of the last one */
} chore;

static int ask_to_start(void *user, pthread_t *out, void *(*main)(void *), void *arg)
{
    chore *c = user;
    pthread_mutex_lock(&c->lock);
    c->wanted = main;
    c->wanted_arg = arg;
    c->wanted_out = out;
    pthread_cond_broadcast(&c->news);
    while (c->wanted)
        pthread_cond_wait(&c->news, &c->lock);
    const int failed = c->failed;
    pthread_mutex_unlock(&c->lock);
    return failed;
}

static void *quiet_main(void *arg)
{
    chore *c = arg;
    cpu_name_self("cosrel-quiet");
    const cosrel_status quiet = cpu_background_self(NULL);
    (void)quiet; /* it cannot be: then it is done all the same */
    ort_threads_start_with(ask_to_start, c);
    aside_enter(&c->rt->aside);
    c->work(c->arg);
    aside_leave();
    pthread_mutex_lock(&c->lock);
    c->done = true;
    pthread_cond_broadcast(&c->news);
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static void attend(chore *c)
{
    pthread_mutex_lock(&c->lock);
    while (!c->done) {
        if (c->wanted) {
            c->failed = pthread_create(c->wanted_out, NULL, c->wanted, c->wanted_arg);
            c->wanted = NULL;
            pthread_cond_broadcast(&c->news);
        } else {
            pthread_cond_wait(&c->news, &c->lock);
        }
    }
    pthread_mutex_unlock(&c->lock);
}

void quiet_run(cosrel_runtime *rt, bool quietly, void (*work)(void *arg), void *arg)
{
    chore c = {.rt = rt, .work = work, .arg = arg};
    pthread_t thread;
    if (!quietly) {
        work(arg);
        return;
    }
    pthread_mutex_init(&c.lock, NULL);
    pthread_cond_init(&c.news, NULL);
    if (pthread_create(&thread, NULL, quiet_main, &c) == 0) {
        attend(&c);
        pthread_join(thread, NULL);
    } else {
        work(arg);
    }
    pthread_cond_destroy(&c.news);
    pthread_mutex_destroy(&c.lock);
}
