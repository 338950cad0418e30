/* The learner's thread: one candidate after another, in slices with rests between. */
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "learn/learner_state.h"
#include "runtime/futex.h"

void learn_job_deinit(learn_job *job)
{
    runtime_picture_deinit(&job->picture);
    for (int i = 0; i < job->window_count; i++)
        window_deinit(&job->windows[i]);
    scorer_deinit(&job->from);
    scorer_deinit(&job->result);
    memset(job, 0, sizeof *job);
}

/* So that what was used is the promised part of a core. */
static void rest(cosrel_learner *l, int64_t used_ns)
{
    const int64_t end_ns = clock_now_ns() + (int64_t)((double)used_ns * (1 / l->cpu_part - 1));
    for (int64_t left_ns; !atomic_load(&l->stop) && (left_ns = end_ns - clock_now_ns()) > 0;) {
        const uint32_t seen = atomic_load(&l->learn_news);
        if (!atomic_load(&l->stop))
            futex_wait(&l->learn_news, seen, left_ns);
    }
}

static void learn(cosrel_learner *l)
{
    learn_job *job = &l->job;
    const world_place place = {.costs = &job->picture.costs,
                               .processors = job->picture.processors,
                               .processor_count = job->picture.processor_count,
                               .objective = job->picture.objective,
                               .patience = SCHED_PATIENCE,
                               .drop_late = job->picture.drop_late};
    cosrel_error err = {.text = ""};
    bool done = false;
    cosrel_status status = online_begin(l->online, &job->from, &place, job->windows,
                                        job->window_count);
    while (status == COSREL_OK && !done && !atomic_load(&l->stop)) {
        const int64_t before_ns = clock_thread_cpu_ns();
        status = online_slice(l->online, &done, &err);
        atomic_store(&l->lessons, online_lessons(l->online));
        rest(l, clock_thread_cpu_ns() - before_ns);
    }
    if (status == COSREL_OK && done)
        status = scorer_copy(&job->result, online_candidate(l->online));
    if (status != COSREL_OK)
        log_warning(l->log, "learner: no candidate: %s",
                    err.text[0] ? err.text : cosrel_status_text(status));
}

void *learner_lesson_main(void *learner)
{
    cosrel_learner *l = learner;
    cosrel_error err;
    cpu_name_self("cosrel-learner");
    if (cpu_background_self(&err) != COSREL_OK)
        log_warning(l->log, "learner: learns at normal priority: %s", err.text);
    while (!atomic_load(&l->stop)) {
        const uint32_t seen = atomic_load(&l->learn_news);
        if (atomic_load(&l->job_state) == JOB_READY) {
            learn(l);
            atomic_store(&l->job_state, JOB_DONE);
        } else if (!atomic_load(&l->stop)) {
            futex_wait(&l->learn_news, seen, -1);
        }
    }
    return NULL;
}
