/* The learned policy: what it sees does not depend on names and order; what it must never do. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "sched/learned.h"
#include "world.h"

enum { MODELS = 7, PROCESSORS = 4, BATCHES = 2 };

/* One of two devices that differ only in the numbers that processors and models have. */
typedef struct side {
    sched_core *core;
    cost_table costs;
    sched_processor processors[PROCESSORS];
    learned_hook hook;
    int processor_of[PROCESSORS], model_of[MODELS]; /* own number of each common one */
    int64_t ends_ns[PROCESSORS];                    /* by own number; SCHED_NEVER: idle */
    struct pair *pair;
    /* Of the last decision, by common numbers. */
    float score[PROCESSORS][MODELS][BATCHES], wait;
    bool seen, waits;
    int processor, model, batch_index; /* the best; processor < 0: wait */
} side;

typedef struct pair {
    side a, b;
    scorer net;
    rng random;
    int64_t now_ns;
    uint64_t compared;
} pair;

static int common(const int *own_of, int count, int own)
{
    for (int i = 0; i < count; i++)
        if (own_of[i] == own)
            return i;
    return -1;
}

static void note(side *s, const observation *seen, const float *scores, int best)
{
    s->seen = true;
    s->waits = seen->wait >= 0;
    s->wait = s->waits ? scores[seen->wait] : 0;
    for (int c = 0; c < seen->count; c++) {
        const observe_candidate *k = &seen->all[c];
        if (k->processor < 0)
            continue;
        s->score[common(s->processor_of, PROCESSORS, k->processor)]
                [common(s->model_of, MODELS, k->model)][k->batch_index] = scores[c];
    }
    const observe_candidate *k = &seen->all[best];
    s->processor = k->processor < 0 ? -1 : common(s->processor_of, PROCESSORS, k->processor);
    s->model = k->processor < 0 ? -1 : common(s->model_of, MODELS, k->model);
    s->batch_index = k->batch_index;
}

static int choose(void *user, const sched_view *view, const observation *seen, const float *scores,
                  int best)
{
    side *s = user;
    (void)view;
    memset(s->score, 0, sizeof s->score);
    note(s, seen, scores, best);
    if (s == &s->pair->a)
        return best;
    /* The second does what the first did, so that a tie of rounding does not lead them apart. */
    const side *a = &s->pair->a;
    for (int c = 0; c < seen->count; c++) {
        const observe_candidate *k = &seen->all[c];
        if (k->processor < 0
                ? a->processor < 0
                : a->processor >= 0 && k->processor == s->processor_of[a->processor] &&
                      k->model == s->model_of[a->model] && k->batch_index == a->batch_index)
            return c;
    }
    fail_msg("the candidate of the first is none of the second");
    return best;
}

static void open_side(pair *p, side *s, const double *ms, const double *prices,
                      const int *processor_of, const int *model_of)
{
    static const int32_t batches[BATCHES] = {1, 3};
    static const char *const names[PROCESSORS] = {"a", "b", "c", "d"};
    double own_prices[PROCESSORS];
    s->pair = p;
    memcpy(s->processor_of, processor_of, sizeof s->processor_of);
    memcpy(s->model_of, model_of, sizeof s->model_of);
    assert_int_equal(cost_init(&s->costs, MODELS, PROCESSORS, batches, BATCHES), COSREL_OK);
    s->costs.model_count = MODELS;
    for (int q = 0; q < PROCESSORS; q++) {
        s->processors[q] = (sched_processor){.name = names[q], .units = (uint64_t)1 << q};
        s->ends_ns[q] = SCHED_NEVER;
        own_prices[processor_of[q]] = prices[q];
        for (int m = 0; m < MODELS; m++)
            for (int b = 0; b < BATCHES; b++) {
                const double one = ms[m * PROCESSORS + q];
                *cost_at(&s->costs, model_of[m], processor_of[q],
                         b) = (cost_cell){.service_ns = (int64_t)(one * (b ? 1.7 : 1) * 1e6),
                                          .energy_uj = (int64_t)(700 * one)};
            }
    }
    s->hook = (learned_hook){.net = &p->net, .choose = choose, .user = s};
    const sched_setup setup = {.processors = s->processors,
                               .processor_count = PROCESSORS,
                               .model_max = MODELS,
                               .requests_max = 512,
                               .policy = "learned",
                               .learned = &s->hook,
                               .objective = {.latency = 1, .miss = 3, .energy_ns_per_uj = 50}};
    assert_int_equal(sched_core_create(&setup, &s->costs, &s->core, NULL), COSREL_OK);
    for (int m = 0; m < MODELS; m++) {
        char name[8];
        snprintf(name, sizeof name, "m%d", m);
        assert_int_equal(sched_core_add_model(s->core, 0, name), COSREL_OK);
    }
    sched_core_set_prices(s->core, 0, own_prices);
}

static void arrive(side *s, int64_t now_ns, int model, int64_t deadline_ns)
{
    sched_id id;
    const sched_arrival a = {.model = s->model_of[model], .deadline_ns = deadline_ns};
    assert_int_equal(sched_core_arrive(s->core, now_ns, &a, &id), COSREL_OK);
}

/* One step of both; their scores must agree. */
static bool step(pair *p)
{
    sched_action x, y;
    p->a.seen = p->b.seen = false;
    const bool more = sched_core_next(p->a.core, p->now_ns, &x);
    assert_int_equal(more, sched_core_next(p->b.core, p->now_ns, &y));
    assert_int_equal(p->a.seen, p->b.seen);
    if (p->a.seen) {
        p->compared++;
        assert_int_equal(p->a.waits, p->b.waits);
        assert_true(fabsf(p->a.wait - p->b.wait) < 1e-3f * (1 + fabsf(p->a.wait)));
        const float *s = &p->a.score[0][0][0], *t = &p->b.score[0][0][0];
        for (int i = 0; i < PROCESSORS * MODELS * BATCHES; i++)
            assert_true(fabsf(s[i] - t[i]) < 1e-3f * (1 + fabsf(s[i])));
    }
    if (!more)
        return false;
    assert_int_equal(x.type, SCHED_DISPATCH);
    assert_int_equal(common(p->a.processor_of, PROCESSORS, x.processor),
                     common(p->b.processor_of, PROCESSORS, y.processor));
    p->a.ends_ns[x.processor] = x.expected_end_ns;
    p->b.ends_ns[y.processor] = y.expected_end_ns;
    return true;
}

static int64_t next_end(const side *s, int *processor)
{
    int64_t least = SCHED_NEVER;
    for (int q = 0; q < PROCESSORS; q++)
        if (s->ends_ns[q] < least) {
            least = s->ends_ns[q];
            *processor = q;
        }
    return least;
}

static void names_and_order_do_not_matter(void **state)
{
    (void)state;
    static const int plain_p[] = {0, 1, 2, 3}, turned_p[] = {2, 0, 3, 1};
    static const int plain_m[] = {0, 1, 2, 3, 4, 5, 6}, turned_m[] = {4, 6, 0, 5, 2, 1, 3};
    for (uint64_t seed = 0; seed < 5; seed++) {
        pair *p = calloc(1, sizeof *p);
        double ms[MODELS * PROCESSORS], prices[PROCESSORS];
        assert_non_null(p);
        rng_init(&p->random, seed);
        const scorer_shape shape = observe_shape(16, 8);
        assert_int_equal(scorer_init(&p->net, &shape), COSREL_OK);
        scorer_randomise(&p->net, seed + 10);
        for (int i = 0; i < MODELS * PROCESSORS; i++)
            ms[i] = 1 + 30 * rng_unit(&p->random);
        for (int q = 0; q < PROCESSORS; q++)
            prices[q] = 20 + 60 * rng_unit(&p->random);
        open_side(p, &p->a, ms, prices, plain_p, plain_m);
        open_side(p, &p->b, ms, prices, turned_p, turned_m);
        int64_t next_ns = 0;
        for (int i = 0; i < 3000; i++) {
            int x = 0;
            const int64_t end_ns = next_end(&p->a, &x);
            p->now_ns = end_ns < next_ns ? end_ns : next_ns;
            if (end_ns < next_ns) {
                const int y = p->b.processor_of[common(p->a.processor_of, PROCESSORS, x)];
                p->a.ends_ns[x] = p->b.ends_ns[y] = SCHED_NEVER;
                sched_core_complete(p->a.core, p->now_ns, x, true);
                sched_core_complete(p->b.core, p->now_ns, y, true);
            } else {
                const int m = (int)rng_below(&p->random, MODELS);
                const int64_t deadline_ns = m == 2 ? SCHED_NEVER : p->now_ns + 40 * MS;
                if (sched_core_waiting(p->a.core, -1) < 60) {
                    arrive(&p->a, p->now_ns, m, deadline_ns);
                    arrive(&p->b, p->now_ns, m, deadline_ns);
                }
                next_ns = p->now_ns + 1 + (int64_t)rng_exponential(&p->random, 3.0 * MS);
            }
            while (step(p))
                ;
        }
        assert_true(p->compared > 500);
        sched_core_free(p->a.core);
        sched_core_free(p->b.core);
        cost_deinit(&p->a.costs);
        cost_deinit(&p->b.costs);
        scorer_deinit(&p->net);
        free(p);
    }
}

/* A network that always waits must not stop the device: where nothing runs, something starts. */
static int always_last(void *user, const sched_view *view, const observation *seen,
                       const float *scores, int best)
{
    (void)user, (void)view, (void)scores, (void)best;
    return seen->wait >= 0 ? seen->wait : 0;
}

static void waiting_ends(void **state)
{
    (void)state;
    world w;
    cost_table costs;
    const learned_hook hook = {.choose = always_last};
    const sched_processor processors[] = {{.name = "a", .units = 1}, {.name = "b", .units = 2}};
    const sched_setup setup = {.processors = processors,
                               .processor_count = 2,
                               .model_max = 2,
                               .requests_max = 100,
                               .policy = "learned",
                               .learned = &hook};
    world_costs(&costs, 2, 2, (const double[]){5, 9, 7, 3});
    world_init(&w, &setup, &costs, 1);
    for (int i = 0; i < 50; i++)
        world_arrive_at(&w, i * 100000, i % 2, 0, SCHED_NEVER);
    world_run_until(&w, SCHED_NEVER);
    for (int i = 0; i < 50; i++)
        assert_int_equal(w.requests[i].state, WORLD_DONE);
    world_deinit(&w);
    cost_deinit(&costs);
}

/* Nor may one that would always wait leave a processor idle before a long queue: the second one is
 * used, though it takes thrice as long; but with deadlines, waiting is for the network to decide.
 */
static void nothing_stays_idle_before_a_long_queue(void **state)
{
    (void)state;
    static const char *const objectives[] = {"latency", "deadline"};
    for (int k = 0; k < 2; k++) {
        world w;
        cost_table costs;
        const learned_hook hook = {.choose = always_last};
        const sched_processor processors[] = {{.name = "a", .units = 1}, {.name = "b", .units = 2}};
        sched_setup setup = {.processors = processors,
                             .processor_count = 2,
                             .model_max = 1,
                             .requests_max = 200,
                             .policy = "learned",
                             .learned = &hook};
        assert_int_equal(objective_find(objectives[k], &setup.objective, NULL), COSREL_OK);
        world_costs(&costs, 1, 2, (const double[]){2, 6});
        world_init(&w, &setup, &costs, 1);
        for (int i = 0; i < 100; i++)
            world_arrive_at(&w, 0, 0, 0, k == 0 ? SCHED_NEVER : 1000 * MS);
        world_run_until(&w, 20 * MS);
        if (k == 0)
            assert_true(w.busy_ns[1] >= 12 * MS);
        else
            assert_int_equal(w.busy_ns[1], 0);
        world_deinit(&w);
        cost_deinit(&costs);
    }
}

/* Runs shorter than a decision are not thought about: the oldest request starts at once, where it
 * takes least of the device. Where that is no short run, or a longer model waits too, it is. */
static void short_runs_are_not_thought_about(void **state)
{
    (void)state;
    world w;
    cost_table costs;
    const learned_hook hook = {.choose = always_last};
    const sched_processor processors[] = {{.name = "cpu0", .units = 1},
                                          {.name = "cpu0-1", .units = 3},
                                          {.name = "cpu1", .units = 2},
                                          {.name = "gpu0", .units = 4}};
    const sched_setup setup = {.processors = processors,
                               .processor_count = 4,
                               .model_max = 2,
                               .requests_max = 100,
                               .policy = "learned",
                               .learned = &hook};
    world_costs(&costs, 2, 4, (const double[]){0.010, 0.008, 0.010, 0.5, 3, 2, 3, 1});
    world_init(&w, &setup, &costs, 1);
    int r[4];
    for (int i = 0; i < 4; i++)
        r[i] = world_arrive_at(&w, 0, 0, 0, SCHED_NEVER);
    const int longer = world_arrive_at(&w, MS, 1, 0, SCHED_NEVER);
    world_run_until(&w, SCHED_NEVER);
    assert_int_equal(w.requests[r[0]].processor, 0); /* not the set, which is quicker by a fifth */
    assert_int_equal(w.requests[r[1]].processor, 2);
    assert_int_equal(w.requests[r[0]].started_ns, 0);
    assert_int_equal(w.requests[r[1]].started_ns, 0);
    assert_int_equal(w.requests[r[2]].started_ns, 10000); /* not on the GPU at once */
    assert_int_equal(w.requests[r[3]].started_ns, 10000);
    assert_int_equal(w.requests[longer].state, WORLD_DONE);
    world_deinit(&w);
    cost_deinit(&costs);
}

/* What runs beneath is nothing that a foreground request waits for, and what may run beneath is not
 * kept waiting. */
static void background_is_another_matter(void **state)
{
    (void)state;
    world w;
    cost_table costs;
    const learned_hook hook = {.choose = always_last};
    const sched_processor processors[] = {{.name = "cpu0", .units = 1},
                                          {.name = "cpu0.bg", .units = 1, .level = 1},
                                          {.name = "cpu1", .units = 2},
                                          {.name = "cpu1.bg", .units = 2, .level = 1}};
    const sched_setup setup = {.processors = processors,
                               .processor_count = 4,
                               .model_max = 2,
                               .requests_max = 100,
                               .policy = "learned",
                               .learned = &hook};
    world_costs(&costs, 2, 4, (const double[]){5, 5, 5, 5, 200, 200, 200, 200});
    world_init(&w, &setup, &costs, 1);
    const int beneath = world_arrive_at(&w, 0, 1, -1, SCHED_NEVER);
    const int above = world_arrive_at(&w, 10 * MS, 0, 0, SCHED_NEVER);
    const int second = world_arrive_at(&w, 20 * MS, 1, -1, SCHED_NEVER);
    world_run_until(&w, SCHED_NEVER);
    assert_int_equal(w.requests[beneath].started_ns, 0);
    assert_int_equal(w.requests[above].started_ns, 10 * MS);
    assert_int_equal(w.requests[second].started_ns, 20 * MS); /* on the other core's */
    world_deinit(&w);
    cost_deinit(&costs);
}

/* Late ones are passed over, but not for ever. */
static void late_requests_are_served_in_the_end(void **state)
{
    (void)state;
    world w;
    cost_table costs;
    const sched_processor processors[] = {{.name = "a", .units = 1}};
    const sched_setup setup = {.processors = processors,
                               .processor_count = 1,
                               .model_max = 1,
                               .requests_max = 4000,
                               .policy = "learned",
                               .objective = {.latency = 1, .miss = 8}};
    world_costs(&costs, 1, 1, (const double[]){10});
    world_init(&w, &setup, &costs, 1);
    const int late = world_arrive_at(&w, 0, 0, 0, 15 * MS);
    const int later = world_arrive_at(&w, 0, 0, 0,
                                      15 * MS); /* can no longer be met once the first runs */
    for (int i = 0; i < 200; i++) /* as many as it can serve, each of which can be met */
        world_arrive_at(&w, (1 + i * 10) * MS, 0, 0, (1 + i * 10) * MS + 25 * MS);
    world_run_until(&w, SCHED_NEVER);
    assert_int_equal(w.requests[late].state, WORLD_DONE);
    assert_true(w.requests[later].started_ns >= 20 * MS); /* passed over */
    assert_true(w.requests[later].started_ns <=
                130 * MS); /* six times the 15 ms that it had, and a run */
    world_deinit(&w);
    cost_deinit(&costs);
}

static void the_shipped_policy_is_good_and_small(void **state)
{
    (void)state;
    scorer net;
    scorer_about about;
    assert_int_equal(learned_shipped(&net, &about, NULL), COSREL_OK);
    assert_true(net.parameter_count * (int)sizeof(float) < 200 * 1024);
    assert_true(strlen(about.note) > 10);
    scorer_about_deinit(&about);
    scorer_deinit(&net);
}

static void a_file_that_is_none_is_refused(void **state)
{
    (void)state;
    cost_table costs;
    cosrel_error err = {""};
    sched_core *core = NULL;
    const sched_processor processors[] = {{.name = "a", .units = 1}};
    const sched_setup setup = {.processors = processors,
                               .processor_count = 1,
                               .model_max = 1,
                               .requests_max = 10,
                               .policy = "learned:/no/such.policy"};
    world_costs(&costs, 1, 1, (const double[]){10});
    assert_int_equal(sched_core_create(&setup, &costs, &core, &err), COSREL_NOT_FOUND);
    assert_non_null(strstr(err.text, "/no/such.policy"));
    assert_null(core);
    cost_deinit(&costs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_order_do_not_matter),
        cmocka_unit_test(waiting_ends),
        cmocka_unit_test(nothing_stays_idle_before_a_long_queue),
        cmocka_unit_test(short_runs_are_not_thought_about),
        cmocka_unit_test(background_is_another_matter),
        cmocka_unit_test(late_requests_are_served_in_the_end),
        cmocka_unit_test(the_shipped_policy_is_good_and_small),
        cmocka_unit_test(a_file_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
