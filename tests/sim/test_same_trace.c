/* The same seed gives the same events: on every run, with every compiler and on every machine.
 *
 * Every world of a fixed list (all policies, all kinds of sources, all options) is played and a
 * hash over its events is compared with golden/same_trace.txt. Since the builds of gcc and of clang
 * compare with one file, they agree with each other. COSREL_UPDATE_GOLDEN=1 writes it anew: do that
 * when a change of a policy or of the simulator is meant to change what happens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "book.h"
#include "scene.h"

/* Chosen: every policy some thirty times, so that a difference in any path shows. */
enum { FIRST = 100000, WORLDS = 300, LINE = 96 };

static const char GOLDEN[] = COSREL_SOURCE_DIR "/tests/sim/golden/same_trace.txt";

/* What one world is and gives, as a line. */
static void play(uint64_t seed, char line[LINE])
{
    scene s;
    sim_result result;
    sim_summary summary;
    scene_make(&s, seed);
    book *b = book_open(&s.setup, s.spec == NULL);
    s.setup.requests = scene_source(&s);
    s.setup.device = scene_device(&s);
    s.setup.observer = book_observer(b);
    assert_int_equal(sim_run(&s.setup, &result, NULL), COSREL_OK);
    assert_int_equal(sim_summarise(&result, -1, &summary), COSREL_OK);
    snprintf(line, LINE, "%llu %s %llu %016llx %.17g", (unsigned long long)seed, s.policy,
             (unsigned long long)result.events, (unsigned long long)book_hash(b), summary.mean_ms);
    source_free(s.setup.requests);
    device_model_free(s.setup.device);
    book_free(b);
    sim_result_deinit(&result);
    scene_free(&s);
}

static void write_golden(void)
{
    FILE *file = fopen(GOLDEN, "wb");
    char line[LINE];
    assert_non_null(file);
    for (int i = 0; i < WORLDS; i++) {
        play((uint64_t)(FIRST + i), line);
        fprintf(file, "%s\n", line);
    }
    assert_int_equal(fclose(file), 0);
}

static void every_build_gives_the_same_events(void **state)
{
    (void)state;
    char line[LINE], expected[LINE];
    int different = 0;
    if (getenv("COSREL_UPDATE_GOLDEN"))
        write_golden();
    FILE *file = fopen(GOLDEN, "rb");
    assert_non_null(file);
    for (int i = 0; i < WORLDS; i++) {
        play((uint64_t)(FIRST + i), line);
        assert_non_null(fgets(expected, sizeof expected, file));
        expected[strcspn(expected, "\n")] = '\0';
        if (strcmp(line, expected) != 0 && different++ < 10)
            print_error("expected %s\n     got %s\n", expected, line);
    }
    assert_null(fgets(expected, sizeof expected, file));
    fclose(file);
    if (different > 0)
        fail_msg("%d of %d worlds went another way (COSREL_UPDATE_GOLDEN=1 takes it over)",
                 different, WORLDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_build_gives_the_same_events)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
