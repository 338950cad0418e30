/* Thousands of random worlds: processors that share units, levels, batches, classes, faults,
 * cancellations, changes of policy. The world itself aborts when the core breaks a promise; here is
 * what must hold at the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

enum { WORLDS = 4000, PROCESSORS = 8, MODELS = 6 };

static const char *const policies[] = {
    "single:p0",   "round-robin", "static-best", "shortest-latency", "heft",
    "least-slack", "max-weight",  "min-min",     "priced",           "lookahead:20"};
enum { POLICIES = sizeof policies / sizeof *policies };

typedef struct scene {
    sched_processor processors[PROCESSORS];
    char names[PROCESSORS][16];
    cost_table costs;
    sched_setup setup;
    int64_t end_ns;
} scene;

static void make_processors(scene *s, rng *r)
{
    const int count = 1 + (int)rng_below(r, PROCESSORS);
    for (int p = 0; p < count; p++) {
        snprintf(s->names[p], sizeof s->names[p], "p%d", p);
        uint64_t units = (uint64_t)1 << rng_below(r, 6);
        while (rng_below(r, 3) == 0)
            units |= (uint64_t)1 << rng_below(r, 6);
        s->processors[p] = (sched_processor){
            .name = s->names[p], .units = units, .level = p > 0 && rng_below(r, 5) == 0};
    }
    s->setup.processors = s->processors;
    s->setup.processor_count = count;
}

static void make_costs(scene *s, rng *r)
{
    static const int32_t batches[] = {1, 2, 4, 7};
    const int models = 1 + (int)rng_below(r, MODELS);
    assert_int_equal(
        cost_init(&s->costs, models, s->setup.processor_count, batches, 1 + (int)rng_below(r, 4)),
        COSREL_OK);
    s->costs.model_count = models;
    s->setup.model_max = models;
    for (int m = 0; m < models; m++) {
        const double scale = 0.2 + 20 * rng_unit(r) * rng_unit(r);
        for (int p = 0; p < s->setup.processor_count; p++) {
            const double one = scale * (0.5 + 2 * rng_unit(r));
            const bool runs = rng_below(r, 4) != 0;
            for (int b = 0; runs && b < s->costs.batch_count; b++) {
                if (b > 0 && rng_below(r, 4) == 0)
                    continue;
                cost_at(&s->costs, m, p, b)->service_ns =
                    1 +
                    (int64_t)(one * 1e6 * (1 + (s->costs.batches[b] - 1) * (0.3 + rng_unit(r))));
            }
        }
    }
}

static void make_scene(scene *s, rng *r, const char *policy)
{
    memset(s, 0, sizeof *s);
    make_processors(s, r);
    make_costs(s, r);
    s->setup.requests_max = rng_below(r, 4) ? 512 : 1 + (uint32_t)rng_below(r, 20);
    s->setup.queue_len_max = rng_below(r, 4) ? 0 : 1 + (uint32_t)rng_below(r, 20);
    s->setup.policy = policy;
    s->setup.drop_late = rng_below(r, 4) == 0;
    s->setup.seed = rng_u64(r);
}

static void make_events(scene *s, world *w, rng *r)
{
    const double gap_ms = 0.2 + 8 * rng_unit(r) * rng_unit(r);
    const int count = 20 + (int)rng_below(r, 150);
    const bool classes = rng_below(r, 2), deadlines = rng_below(r, 2), faults = rng_below(r, 2),
               cancels = rng_below(r, 3) == 0, loads = rng_below(r, 3) == 0;
    int64_t t_ns = 0;
    for (int i = 0; i < count; i++) {
        if (rng_below(r, 4) != 0) /* else in the same instant */
            t_ns += (int64_t)(1e6 * rng_exponential(r, gap_ms));
        const int priority = classes ? (int)rng_below(r, 3) - 1 : 0;
        const int64_t deadline = deadlines && rng_below(r, 2)
                                     ? t_ns + (int64_t)(1e6 * rng_exponential(r, 30))
                                     : SCHED_NEVER;
        const int q = world_arrive_at(w, t_ns, (int)rng_below(r, (uint64_t)s->costs.model_count),
                                      priority, deadline);
        if (cancels && rng_below(r, 5) == 0)
            world_event_at(w, t_ns + (int64_t)(1e6 * rng_exponential(r, 10)), EVENT_CANCEL, q);
        const int p = (int)rng_below(r, (uint64_t)s->setup.processor_count);
        if (faults && rng_below(r, 8) == 0) {
            world_event_at(w, t_ns, EVENT_DOWN, p);
            world_event_at(w, t_ns + (int64_t)(1e6 * rng_exponential(r, 20)), EVENT_UP, p);
        }
        if (loads && rng_below(r, 4) == 0)
            world_event_at(w, t_ns, EVENT_UNLOAD,
                           (int)rng_below(r, (uint64_t)s->costs.model_count));
        if (loads && rng_below(r, 4) == 0)
            world_event_at(w, t_ns, EVENT_LOAD, -1);
        if (faults && rng_below(r, 150) == 0)
            world_event_at(w, t_ns, EVENT_REMOVE, p);
    }
    for (int i = 0; i < 3 && rng_below(r, 2); i++)
        world_policy_at(w, (int64_t)rng_below(r, (uint64_t)t_ns + 1),
                        policies[rng_below(r, POLICIES)]);
    if (rng_below(r, 2))
        w->noise = 0.9 * rng_unit(r);
    if (faults)
        w->fail = 0.2 * rng_unit(r);
    if (rng_below(r, 2))
        w->overlap = rng_unit(r);
    s->end_ns = t_ns;
    /* At the end every processor is up: whatever waits can be served. */
    for (int p = 0; p < s->setup.processor_count; p++)
        world_event_at(w, t_ns + 200 * MS, EVENT_UP, p);
}

typedef struct outcome {
    uint64_t trace;
    int64_t done, dropped, cancelled, refused, late, unloads, loads, prepared;
} outcome;

static outcome play(uint64_t seed)
{
    rng r;
    scene s;
    world w;
    rng_init(&r, seed);
    make_scene(&s, &r, policies[seed % POLICIES]);
    world_init(&w, &s.setup, &s.costs, rng_u64(&r));
    make_events(&s, &w, &r);
    world_run_until(&w, INT64_MAX);
    const outcome o = {.trace = w.trace,
                       .done = world_count(&w, WORLD_DONE),
                       .dropped = world_count(&w, WORLD_DROPPED),
                       .cancelled = world_count(&w, WORLD_CANCELLED),
                       .refused = world_count(&w, WORLD_REFUSED),
                       .unloads = (int64_t)w.unloads,
                       .loads = (int64_t)w.loads,
                       .prepared = (int64_t)w.prepared};
    if (o.done + o.dropped + o.cancelled + o.refused != w.request_count ||
        !sched_core_idle(w.core)) {
        fail_msg("seed %llu, %s: %d requests, %lld done, %lld dropped, %lld cancelled, %lld "
                 "refused; %u wait",
                 (unsigned long long)seed, sched_core_policy(w.core), w.request_count,
                 (long long)o.done, (long long)o.dropped, (long long)o.cancelled,
                 (long long)o.refused, sched_core_waiting(w.core, -1));
    }
    world_deinit(&w);
    cost_deinit(&s.costs);
    return o;
}

static void nothing_is_lost(void **state)
{
    (void)state;
    outcome sum = {0};
    for (uint64_t seed = 0; seed < WORLDS; seed++) {
        const outcome o = play(seed);
        sum.done += o.done;
        sum.dropped += o.dropped;
        sum.cancelled += o.cancelled;
        sum.refused += o.refused;
        sum.unloads += o.unloads;
        sum.loads += o.loads;
        sum.prepared += o.prepared;
    }
    /* The worlds must have tried what they are for. */
    assert_true(sum.done > 50 * WORLDS);
    assert_true(sum.dropped > WORLDS && sum.cancelled > WORLDS && sum.refused > WORLDS);
    assert_true(sum.unloads > WORLDS && sum.loads > WORLDS && sum.prepared > 2 * WORLDS);
}

static void the_same_seed_gives_the_same_trace(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++)
        assert_int_equal(play(seed).trace, play(seed).trace);
    assert_int_not_equal(play(0).trace, play(POLICIES).trace);
}

/* Without deadlines and failures these start the requests of one model in order of arrival. The
 * others bind a request to a processor, so that a later one may start earlier on another. */
static void watch_order(world *w, bool before, const sched_action *action, void *user)
{
    int *last = user;
    if (before || !action || action->type != SCHED_DISPATCH)
        return;
    const int request = (int)action->tags[0];
    if (request < last[action->model])
        fail_msg("%s: request %d after %d", sched_core_policy(w->core), request,
                 last[action->model]);
    last[action->model] = (int)action->tags[action->batch - 1];
}

static void a_model_is_served_in_order(void **state)
{
    (void)state;
    static const char *const in_order[] = {"least-slack", "max-weight", "static-best"};
    for (uint64_t seed = 0; seed < 500; seed++) {
        rng r;
        scene s;
        world w;
        int last[MODELS];
        memset(last, -1, sizeof last);
        rng_init(&r, seed);
        make_scene(&s, &r, in_order[seed % 3]);
        s.setup.requests_max = 512;
        world_init(&w, &s.setup, &s.costs, seed);
        w.noise = 0.5;
        w.watch = watch_order;
        w.watch_user = last;
        for (int i = 0; i < 100; i++)
            world_arrive_at(&w, i * MS, (int)rng_below(&r, (uint64_t)s.costs.model_count), 0,
                            SCHED_NEVER);
        world_run_until(&w, INT64_MAX);
        assert_true(sched_core_idle(w.core));
        world_deinit(&w);
        cost_deinit(&s.costs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost),
        cmocka_unit_test(the_same_seed_gives_the_same_trace),
        cmocka_unit_test(a_model_is_served_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
