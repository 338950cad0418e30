/* What a decision costs: time of one sched_core_next, per policy and size.
 *
 *     bench_decisions [DECISIONS [POLICY]]    per policy and size; default 20000, all policies
 *
 * A full queue is kept: whatever starts ends at its expected time and comes back as a new request.
 * "decide" is a call that starts something, "wait" one after which nothing starts, "idle" a call
 * when nothing waits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hist.h"
#include "sched/core.h"
#include "sched/policy.h"

typedef struct size {
    int models, processors, waiting;
    bool sets; /* every fourth processor is a set of the three before it */
} size;

static const size sizes[] = {{3, 3, 3, true},
                             {10, 4, 20, false},
                             {30, 8, 200, false},
                             {30, 8, 200, true},
                             {30, 8, 1000, false}};

typedef struct bench {
    sched_core *core;
    cost_table costs;
    rng random;
    sched_processor processors[16];
    char names[16][8];
    int64_t ends_ns[16]; /* SCHED_NEVER: idle */
    hist starts, waits, events;
} bench;

static void fail(const char *what)
{
    fprintf(stderr, "bench_decisions: %s\n", what);
    exit(1);
}

static void create(bench *b, const size *s, const char *policy)
{
    const int32_t batches[] = {1, 2, 4};
    rng_init(&b->random, 1);
    for (int p = 0; p < s->processors; p++) {
        const bool set = s->sets && p % 4 == 3;
        snprintf(b->names[p], sizeof b->names[p], "p%02d", p);
        b->processors[p] = (sched_processor){
            .name = b->names[p], .units = set ? (uint64_t)7 << (p - 3) : (uint64_t)1 << p};
        b->ends_ns[p] = SCHED_NEVER;
    }
    if (cost_init(&b->costs, s->models, s->processors, batches, 3) != COSREL_OK)
        fail("no memory");
    b->costs.model_count = s->models;
    for (int m = 0; m < s->models; m++) {
        const double scale_ms = 1 + 40 * rng_unit(&b->random);
        for (int p = 0; p < s->processors; p++) {
            const double one_ms = scale_ms * (0.3 + 2 * rng_unit(&b->random));
            for (int k = 0; k < 3; k++)
                cost_at(&b->costs, m, p, k)->service_ns = (int64_t)(one_ms * 1e6 *
                                                                    (0.3 + 0.7 * batches[k]));
        }
    }
    const sched_setup setup = {.processors = b->processors,
                               .processor_count = s->processors,
                               .model_max = s->models,
                               .requests_max = (uint32_t)s->waiting + 512,
                               .policy = policy};
    cosrel_error err;
    if (sched_core_create(&setup, &b->costs, &b->core, &err) != COSREL_OK)
        fail(err.text);
    for (int m = 0; m < s->models; m++) {
        if (sched_core_add_model(b->core, 0, "m") != COSREL_OK)
            fail("no room for a model");
    }
}

static void arrive(bench *b, int64_t now_ns)
{
    const sched_arrival a = {.model = (int)rng_below(&b->random, (uint64_t)b->costs.model_count),
                             .deadline_ns = rng_below(&b->random, 2)
                                                ? now_ns + (int64_t)rng_below(&b->random, 200000000)
                                                : SCHED_NEVER};
    sched_id id;
    const int64_t start_ns = clock_now_ns();
    if (sched_core_arrive(b->core, now_ns, &a, &id) != COSREL_OK)
        fail("the queue is full");
    hist_add(&b->events, clock_now_ns() - start_ns);
}

/* Starts what can be started at this time. */
static void drain(bench *b, int64_t now_ns)
{
    for (;;) {
        sched_action action;
        const int64_t start_ns = clock_now_ns();
        const bool more = sched_core_next(b->core, now_ns, &action);
        hist_add(more ? &b->starts : &b->waits, clock_now_ns() - start_ns);
        if (!more)
            return;
        b->ends_ns[action.processor] = action.expected_end_ns;
    }
}

static void play(const size *s, const char *policy, uint64_t decisions)
{
    static bench b;
    memset(&b, 0, sizeof b);
    create(&b, s, policy);
    int64_t now_ns = 0;
    while (b.starts.count < decisions) {
        while (sched_core_waiting(b.core, -1) < (uint32_t)s->waiting)
            arrive(&b, now_ns);
        drain(&b, now_ns);
        int first = 0;
        for (int p = 1; p < s->processors; p++) {
            if (b.ends_ns[p] < b.ends_ns[first])
                first = p;
        }
        now_ns = b.ends_ns[first];
        b.ends_ns[first] = SCHED_NEVER;
        sched_core_complete(b.core, now_ns, first, true);
    }
    printf("%-17s %6d %10d%s %7d   %7.2f %7.2f   %7.2f %7.2f   %7.2f %7.2f\n", policy, s->models,
           s->processors, s->sets ? " sets" : "     ", s->waiting,
           (double)hist_percentile(&b.starts, 0.5) / 1e3,
           (double)hist_percentile(&b.starts, 0.99) / 1e3,
           (double)hist_percentile(&b.waits, 0.5) / 1e3,
           (double)hist_percentile(&b.waits, 0.99) / 1e3,
           (double)hist_percentile(&b.events, 0.5) / 1e3,
           (double)hist_percentile(&b.events, 0.99) / 1e3);
    sched_core_free(b.core);
    cost_deinit(&b.costs);
}

static void play_idle(uint64_t calls)
{
    static bench b;
    memset(&b, 0, sizeof b);
    create(&b, &sizes[0], "min-min");
    sched_action action;
    const int64_t start_ns = clock_now_ns();
    for (uint64_t i = 0; i < calls; i++) {
        if (sched_core_next(b.core, (int64_t)i, &action))
            fail("an action without a request");
    }
    printf("a call when nothing waits: %.1f ns\n",
           (double)(clock_now_ns() - start_ns) / (double)calls);
    sched_core_free(b.core);
    cost_deinit(&b.costs);
}

int main(int argc, char **argv)
{
    const long decisions = argc > 1 ? strtol(argv[1], NULL, 10) : 20000;
    if (argc > 3 || decisions < 1)
        fail("expected the number of decisions and a policy");
    printf("microseconds                                    a start           nothing to do     an "
           "arrival\n");
    printf("policy            models processors     waiting       p50     p99       p50     p99    "
           "   p50     p99\n");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int p = 0; p < policy_count() && argc < 3; p++)
            play(&sizes[i],
                 strcmp(policy_at(p)->name, "single") ? policy_at(p)->name : "single:p00",
                 (uint64_t)decisions);
        if (argc == 3)
            play(&sizes[i], argv[2], (uint64_t)decisions);
    }
    play_idle((uint64_t)decisions * 10);
    return 0;
}
