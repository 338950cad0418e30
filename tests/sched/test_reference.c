/* Each policy against a second, plain implementation of what design.md says about it, decision by
 * decision.
 *
 * The references know nothing of the core: they look only at the world's own books (who waits since
 * when, what runs until when). Processors share nothing and runs take exactly their cost, so that
 * the published algorithms apply as they are. Decisions with a request that waited beyond the
 * policies' patience are left out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

enum { PROCESSORS = 4, MODELS = 5, WORLDS = 300, REQUESTS_MAX = 400 };

typedef struct choice {
    int request; /* -1: wait */
    int processor;
    int batch;
} choice;

typedef struct reference {
    const char *policy;
    choice (*decide)(struct reference *ref, const world *w);
    int (*place)(struct reference *ref, const world *w,
                 int request); /* NULL: not bound at arrival */
    int placed[REQUESTS_MAX];
    int seen;    /* requests below this were placed */
    int pointer; /* round-robin */
    choice expected;
    bool skip;
    int64_t compared, waits;
} reference;

static double cost(const world *w, int model, int processor)
{
    const int64_t ns = cost_at(w->costs, model, processor, 0)->service_ns;
    return ns ? (double)ns : INFINITY;
}

static double idle_at(const world *w, int processor)
{
    return w->runs[processor].busy ? (double)w->runs[processor].expected_end_ns : (double)w->now_ns;
}

static bool waits(const world *w, int request)
{
    return w->requests[request].state == WORLD_WAITING && w->requests[request].id != 0;
}

static int fastest(const world *w, int model)
{
    int best = 0;
    for (int p = 1; p < w->setup.processor_count; p++) {
        if (cost(w, model, p) < cost(w, model, best))
            best = p;
    }
    return best;
}

/* ---- Bound at arrival
 * ------------------------------------------------------------------------------------------ */

static int place_single(reference *ref, const world *w, int request)
{
    (void)ref;
    const int model = w->requests[request].model;
    return isinf(cost(w, model, 1)) ? fastest(w, model) : 1;
}

static int place_static_best(reference *ref, const world *w, int request)
{
    (void)ref;
    return fastest(w, w->requests[request].model);
}

static int place_round_robin(reference *ref, const world *w, int request)
{
    while (isinf(cost(w, w->requests[request].model, ref->pointer % w->setup.processor_count)))
        ref->pointer++;
    return ref->pointer++ % w->setup.processor_count;
}

static int place_shortest(reference *ref, const world *w, int request)
{
    int best = -1;
    double least = INFINITY;
    for (int p = 0; p < w->setup.processor_count; p++) {
        double total = idle_at(w, p) - (double)w->now_ns + cost(w, w->requests[request].model, p);
        for (int q = 0; q < request; q++) {
            if (waits(w, q) && ref->placed[q] == p)
                total += cost(w, w->requests[q].model, p);
        }
        if (total < least) {
            least = total;
            best = p;
        }
    }
    return best;
}

/* Any processor that is idle serves the first of its own: which of several idle ones is told first
 * does not matter, so the one with the oldest request is expected. */
static choice serve_placed(reference *ref, const world *w)
{
    for (int r = 0; r < w->request_count; r++) {
        if (waits(w, r) && !w->runs[ref->placed[r]].busy)
            return (choice){r, ref->placed[r], 1};
    }
    return (choice){-1, -1, 0};
}

/* ---- Decided late
 * ---------------------------------------------------------------------------------------------- */

/* Min-min over single requests, quadratic, without any of the shortcuts of the real one. */
static choice decide_min_min(reference *ref, const world *w)
{
    (void)ref;
    double ready[PROCESSORS];
    bool given[REQUESTS_MAX] = {false}, taken[PROCESSORS] = {false};
    for (int p = 0; p < w->setup.processor_count; p++)
        ready[p] = idle_at(w, p);
    for (;;) {
        choice best = {-1, -1, 1};
        double first = INFINITY;
        for (int p = 0; p < w->setup.processor_count; p++) {
            for (int m = 0; m < w->costs->model_count; m++) {
                for (int r = 0; r < w->request_count; r++) {
                    if (!waits(w, r) || given[r] || w->requests[r].model != m ||
                        ready[p] + cost(w, m, p) >= first)
                        continue;
                    first = ready[p] + cost(w, m, p);
                    best = (choice){r, p, 1};
                }
            }
        }
        if (best.request < 0)
            return best;
        if (!w->runs[best.processor].busy && !taken[best.processor])
            return best;
        given[best.request] = true;
        taken[best.processor] = true;
        ready[best.processor] = first;
    }
}

typedef struct ranked {
    double key;
    int model, request;
} ranked;

static int by_key(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    if (x->model != y->model)
        return x->model - y->model;
    return x->request - y->request;
}

static choice decide_heft(reference *ref, const world *w)
{
    (void)ref;
    ranked list[REQUESTS_MAX];
    int count = 0;
    double ready[PROCESSORS];
    bool taken[PROCESSORS] = {false};
    for (int p = 0; p < w->setup.processor_count; p++)
        ready[p] = idle_at(w, p);
    for (int r = 0; r < w->request_count; r++) {
        double sum = 0;
        int able = 0;
        for (int p = 0; p < w->setup.processor_count; p++) {
            if (!isinf(cost(w, w->requests[r].model, p))) {
                sum += cost(w, w->requests[r].model, p);
                able++;
            }
        }
        if (waits(w, r))
            list[count++] = (ranked){-sum / able, w->requests[r].model, r};
    }
    qsort(list, (size_t)count, sizeof *list, by_key);
    for (int i = 0; i < count; i++) {
        int best = 0;
        for (int p = 1; p < w->setup.processor_count; p++) {
            if (ready[p] + cost(w, list[i].model, p) < ready[best] + cost(w, list[i].model, best))
                best = p;
        }
        if (!w->runs[best].busy && !taken[best])
            return (choice){list[i].request, best, 1};
        taken[best] = true;
        ready[best] += cost(w, list[i].model, best);
    }
    return (choice){-1, -1, 0};
}

static choice decide_least_slack(reference *ref, const world *w)
{
    (void)ref;
    choice best = {-1, -1, 1};
    double least = INFINITY;
    for (int r = 0; r < w->request_count; r++) {
        if (!waits(w, r))
            continue;
        const int model = w->requests[r].model;
        int p = 0;
        for (int q = 1; q < w->setup.processor_count; q++) {
            if (idle_at(w, q) + cost(w, model, q) < idle_at(w, p) + cost(w, model, p))
                p = q;
        }
        const bool none = w->requests[r].deadline_ns == SCHED_NEVER;
        const double slack =
            none ? 1e300 : (double)w->requests[r].deadline_ns - idle_at(w, p) - cost(w, model, p);
        if (!w->runs[p].busy && slack < least) {
            least = slack;
            best = (choice){r, p, 1};
        }
    }
    return best;
}

static choice decide_max_weight(reference *ref, const world *w)
{
    (void)ref;
    choice best = {-1, -1, 0};
    double greatest = 0;
    for (int p = 0; p < w->setup.processor_count; p++) {
        for (int m = 0; m < w->costs->model_count && !w->runs[p].busy; m++) {
            int backlog = 0, head = -1;
            for (int r = w->request_count - 1; r >= 0; r--) {
                if (waits(w, r) && w->requests[r].model == m) {
                    backlog++;
                    head = r;
                }
            }
            for (int b = 0; b < w->costs->batch_count; b++) {
                const int64_t ns = cost_at(w->costs, m, p, b)->service_ns;
                const int batch = w->costs->batches[b];
                if (ns == 0 || batch > backlog)
                    continue;
                const double weight = (double)backlog * batch / (double)ns;
                if (weight > greatest) {
                    greatest = weight;
                    best = (choice){head, p, batch};
                }
            }
        }
    }
    return best;
}

/* ---- Comparing
 * -------------------------------------------------------------------------------------------------
 */

static bool beyond_patience(const world *w)
{
    double slowest = 0, oldest = (double)w->now_ns;
    for (int r = 0; r < w->request_count; r++) {
        if (!waits(w, r))
            continue;
        const int model = w->requests[r].model;
        slowest = fmax(slowest, cost(w, model, fastest(w, model)));
        oldest = fmin(oldest, (double)w->requests[r].arrived_ns);
    }
    return (double)w->now_ns - oldest >= 8 * slowest;
}

static void watch(world *w, bool before, const sched_action *action, void *user)
{
    reference *ref = user;
    if (before) {
        ref->skip = !ref->place && beyond_patience(w);
        ref->expected = ref->decide(ref, w);
        return;
    }
    if (ref->skip)
        return;
    const choice got = action ? (choice){(int)action->tags[0], action->processor, action->batch}
                              : (choice){-1, -1, 0};
    const choice *e = &ref->expected;
    if (got.request != e->request ||
        (e->request >= 0 && (got.processor != e->processor || got.batch != e->batch))) {
        fail_msg("%s at %lld ns: expected request %d on processor %d (batch %d), got %d on %d (%d)",
                 ref->policy, (long long)w->now_ns, e->request, e->processor, e->batch, got.request,
                 got.processor, got.batch);
    }
    ref->compared++;
    ref->waits += e->request < 0;
}

/* Binds what has arrived, one by one, as the core sees it: nothing is decided in between. */
static choice decide_placed(reference *ref, const world *w)
{
    for (; ref->seen < w->request_count && w->requests[ref->seen].id != 0; ref->seen++)
        ref->placed[ref->seen] = ref->place(ref, w, ref->seen);
    return serve_placed(ref, w);
}

static void compare(reference *ref, bool batches)
{
    static const sched_processor processors[PROCESSORS] = {{.name = "a", .units = 1},
                                                           {.name = "b", .units = 2},
                                                           {.name = "c", .units = 4},
                                                           {.name = "d", .units = 8}};
    static const int32_t sizes[] = {1, 2, 4};
    for (uint64_t seed = 0; seed < WORLDS; seed++) {
        rng r;
        world w;
        cost_table costs;
        rng_init(&r, seed);
        const int count = 2 + (int)rng_below(&r, PROCESSORS - 1),
                  models = 1 + (int)rng_below(&r, MODELS);
        assert_int_equal(cost_init(&costs, models, count, sizes, batches ? 3 : 1), COSREL_OK);
        costs.model_count = models;
        for (int m = 0; m < models; m++) {
            const int sure = (int)rng_below(&r, (uint64_t)count);
            for (int p = 0; p < count; p++) {
                /* Whole milliseconds make ties. */
                const int64_t one = (1 + (int64_t)rng_below(&r, 12)) * MS;
                for (int b = 0; b < costs.batch_count && (p == sure || rng_below(&r, 4)); b++)
                    cost_at(&costs, m, p, b)->service_ns = one * (b == 0 ? 1 : b + 1);
                if (p == sure && cost_at(&costs, m, p, 0)->service_ns == 0)
                    cost_at(&costs, m, p, 0)->service_ns = one;
                if (cost_at(&costs, m, p, 0)->service_ns == 0)
                    for (int b = 1; b < costs.batch_count; b++)
                        cost_at(&costs, m, p, b)->service_ns = 0;
            }
        }
        const sched_setup setup = {.processors = processors,
                                   .processor_count = count,
                                   .model_max = models,
                                   .requests_max = REQUESTS_MAX,
                                   .policy = ref->policy};
        world_init(&w, &setup, &costs, seed);
        w.check = false;
        w.watch = watch;
        w.watch_user = ref;
        ref->seen = ref->pointer = 0;
        const double gap_ms = 1 + 3 * rng_unit(&r);
        int64_t t_ns = 0;
        for (int i = 0; i < 150; i++) {
            /* One request an instant: then order of arrival is order of placing. Whole milliseconds
             * make ties. */
            t_ns += (1 + (int64_t)rng_exponential(&r, gap_ms)) * MS;
            world_arrive_at(&w, t_ns, (int)rng_below(&r, (uint64_t)models), 0,
                            rng_below(&r, 3) ? t_ns + (int64_t)rng_below(&r, 60) * MS
                                             : SCHED_NEVER);
        }
        world_run_until(&w, INT64_MAX);
        assert_int_equal(world_count(&w, WORLD_DONE), w.request_count);
        world_deinit(&w);
        cost_deinit(&costs);
    }
    print_message("%s: %lld decisions agree, %lld of them to wait\n", ref->policy,
                  (long long)ref->compared, (long long)ref->waits);
    assert_true(ref->compared > 150 * WORLDS && ref->waits > 100);
}

#define REFERENCE_TEST(name, ...)                                                                  \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        static reference ref = {__VA_ARGS__};                                                      \
        compare(&ref, false);                                                                      \
    }

REFERENCE_TEST(single, .policy = "single:b", .decide = decide_placed, .place = place_single)
REFERENCE_TEST(round_robin, .policy = "round-robin", .decide = decide_placed,
               .place = place_round_robin)
REFERENCE_TEST(static_best, .policy = "static-best", .decide = decide_placed,
               .place = place_static_best)
REFERENCE_TEST(shortest_latency, .policy = "shortest-latency", .decide = decide_placed,
               .place = place_shortest)
REFERENCE_TEST(min_min, .policy = "min-min", .decide = decide_min_min)
REFERENCE_TEST(heft, .policy = "heft", .decide = decide_heft)
REFERENCE_TEST(least_slack, .policy = "least-slack", .decide = decide_least_slack)
REFERENCE_TEST(max_weight, .policy = "max-weight", .decide = decide_max_weight)

static void max_weight_with_batches(void **state)
{
    (void)state;
    static reference ref = {.policy = "max-weight", .decide = decide_max_weight};
    compare(&ref, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single),
        cmocka_unit_test(round_robin),
        cmocka_unit_test(static_best),
        cmocka_unit_test(shortest_latency),
        cmocka_unit_test(min_min),
        cmocka_unit_test(heft),
        cmocka_unit_test(least_slack),
        cmocka_unit_test(max_weight),
        cmocka_unit_test(max_weight_with_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
