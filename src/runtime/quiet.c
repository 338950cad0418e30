/* Work that takes only what everybody else leaves of the cores. */
#include <pthread.h>

#include "base/cpu.h"
#include "runtime/parts.h"

typedef struct chore {
    void (*work)(void *arg);
    void *arg;
} chore;

static void *quiet_main(void *arg)
{
    const chore *c = arg;
    cpu_name_self("cosrel-quiet");
    const cosrel_status quiet = cpu_background_self(NULL);
    (void)quiet; /* it cannot be: then it is done all the same */
    c->work(c->arg);
    return NULL;
}

void quiet_run(bool quietly, void (*work)(void *arg), void *arg)
{
    chore c = {.work = work, .arg = arg};
    pthread_t thread;
    if (quietly && pthread_create(&thread, NULL, quiet_main, &c) == 0)
        pthread_join(thread, NULL);
    else
        work(arg);
}
