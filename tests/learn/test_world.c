/* Random worlds: each can be played, none depends on anything but its seed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "learn/episode.h"
#include "profile/table.h"

static const world_limits ALL = {.no_effects = false};

static void check_world(const world *w)
{
    double sum = 0;
    assert_true(w->processor_count >= 2 && w->processor_count <= WORLD_DRAWN_PROCESSORS_MAX);
    assert_true(w->model_count >= 2 && w->model_count <= WORLD_DRAWN_MODELS_MAX);
    assert_true(w->capacity_rps > 0 && w->load > 0.3 && w->load < 1.31);
    for (int p = 1; p < w->processor_count; p++)
        assert_true(strcmp(w->names[p - 1], w->names[p]) < 0);
    for (int m = 0; m < w->model_count; m++) {
        sum += w->mix[m];
        assert_true(world_fastest_ns(w, m) < 1e13); /* something can run it */
        assert_true(w->objective.miss == 0 || w->deadline_ns[m] >= 0);
    }
    assert_true(fabs(sum - 1) < 1e-9);
    int64_t last_ns = 0;
    for (size_t i = 0; i < w->arrivals->count; i++) {
        const arrivals_row *r = &w->arrivals->rows[i];
        assert_true(r->t_ns >= last_ns && r->model >= 0 && r->model < w->model_count);
        last_ns = r->t_ns;
    }
}

static void every_world_can_be_played(void **state)
{
    (void)state;
    int kinds[3] = {0}, effects = 0, sets = 0, batches = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        world w;
        episode_result r;
        cosrel_error err = {""};
        assert_int_equal(world_draw(seed, 60, &ALL, &w, &err), COSREL_OK);
        check_world(&w);
        kinds[w.objective.energy_ns_per_uj > 0 ? 2 : w.objective.miss > 0] += 1;
        effects += w.effects != NULL;
        batches += w.costs.batch_count > 1;
        for (int p = 0; p < w.processor_count; p++)
            sets += __builtin_popcountll(w.processors[p].units) > 1;
        assert_int_equal(episode_run(&w, seed % 2 ? "learned" : "min-min", NULL, &r, &err),
                         COSREL_OK);
        assert_true(r.served > 0 && r.cost > 0);
        world_deinit(&w);
    }
    assert_true(kinds[0] > 80 && kinds[1] > 60 && kinds[2] > 30);
    assert_true(effects > 50 && sets > 100 && batches > 100);
}

static void a_seed_is_a_world(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        world a, b;
        episode_result x, y;
        assert_int_equal(world_draw(seed, 80, &ALL, &a, NULL), COSREL_OK);
        assert_int_equal(world_draw(seed, 80, &ALL, &b, NULL), COSREL_OK);
        assert_int_equal(a.arrivals->count, b.arrivals->count);
        assert_memory_equal(a.arrivals->rows, b.arrivals->rows,
                            a.arrivals->count * sizeof *a.arrivals->rows);
        assert_int_equal(episode_run(&a, "learned", NULL, &x, NULL), COSREL_OK);
        assert_int_equal(episode_run(&b, "learned", NULL, &y, NULL), COSREL_OK);
        assert_true(x.cost == y.cost && x.decisions == y.decisions);
        world_deinit(&a);
        world_deinit(&b);
    }
}

static void a_given_device_is_taken(void **state)
{
    (void)state;
    static const char text[] =
        "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n"
        "d,cpu0,a,,,1,10,,,s\nd,cpu0-1,a,,,1,6,,,s\nd,cpu1,a,,,1,10,,,s\nd,cpu0-1,b,,,1,3,,,s\n";
    device_table *table;
    sim_device device;
    world w;
    assert_int_equal(table_parse("t.csv", text, sizeof text - 1, &table, NULL), COSREL_OK);
    assert_int_equal(sim_device_init(&device, table, NULL), COSREL_OK);
    const world_limits limits = {.device = &device, .load = 0.8, .no_effects = true};
    assert_int_equal(world_draw(3, 50, &limits, &w, NULL), COSREL_OK);
    assert_int_equal(w.processor_count, 3);
    assert_int_equal(w.model_count, 2);
    assert_true(world_fastest_ns(&w, 0) == 6e6 && world_fastest_ns(&w, 1) == 3e6);
    assert_true(w.load == 0.8 && !w.effects);
    world_deinit(&w);
    sim_device_deinit(&device);
    table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_world_can_be_played),
        cmocka_unit_test(a_seed_is_a_world),
        cmocka_unit_test(a_given_device_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
