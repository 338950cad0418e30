/* Thousands of random worlds through the simulator with every check on, and a book keeper beside
 * it.
 *
 *     sim_worlds                     as many as fit a test run; SIM_WORLDS=N: so many
 *     sim_worlds --seed 1234         this one, with what happened
 *     sim_worlds --worlds N [--from SEED]
 *
 * A world that breaks prints the command that plays it again. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "book.h"
#include "scene.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLOW 1
#endif
#endif
#ifndef SLOW
#define SLOW 0
#endif

/* Chosen: a few seconds; sanitizers take some ten times as long. */
enum { WORLDS = SLOW ? 2000 : 8000 };

/* What the signal handler prints; it can be told in no other way. */
static char replay[160];

static void say_replay(int signal)
{
    (void)!write(STDERR_FILENO, replay, strlen(replay));
    (void)signal; /* abort goes on to end the program */
}

#if SLOW
/* Sanitizers would end the program in their own way; so they abort. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__tsan_default_options(void);

static const char ABORT[] = "abort_on_error=1";

__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
    return ABORT;
}

__attribute__((visibility("default"))) const char *__ubsan_default_options(void)
{
    return ABORT;
}

__attribute__((visibility("default"))) const char *__tsan_default_options(void)
{
    return ABORT;
}
#endif

static void begin_world(uint64_t seed)
{
    snprintf(replay, sizeof replay,
             "seed %llu; to play it again: build/tests/sim_worlds --seed %llu\n",
             (unsigned long long)seed, (unsigned long long)seed);
}

static void count(book_counts *sum, const book_counts *one)
{
    sum->arrived += one->arrived;
    sum->served += one->served;
    sum->dropped += one->dropped;
    sum->late += one->late;
    sum->refused += one->refused;
    sum->failed_runs += one->failed_runs;
    sum->batches += one->batches;
    sum->background += one->background;
}

/* Plays the world of a seed; returns the hash of what happened. */
static uint64_t play(uint64_t seed, book_counts *sum, bool aloud)
{
    scene s;
    sim_result result;
    cosrel_error err = {""};
    begin_world(seed);
    scene_make(&s, seed);
    book *b = book_open(&s.setup, s.spec == NULL);
    s.setup.requests = scene_source(&s);
    s.setup.device = scene_device(&s);
    s.setup.observer = book_observer(b);
    s.setup.check = true;
    if (aloud)
        printf("%s: %d processors, %d models, %d batch sizes, %s, %s, load %.2f\n", s.policy,
               s.setup.sched.processor_count, s.costs.model_count, s.costs.batch_count,
               s.rows ? "rows" : "streams", s.spec ? "effects" : "exact", s.load);
    if (sim_run(&s.setup, &result, &err) != COSREL_OK ||
        source_status(s.setup.requests) != COSREL_OK) {
        fprintf(stderr, "sim_run: %s\n", err.text);
        abort();
    }
    book_close(b, &result);
    if (aloud)
        printf("%llu arrived, %llu served, %llu dropped, %llu left; %llu events, hash %016llx\n",
               (unsigned long long)result.arrived, (unsigned long long)result.served,
               (unsigned long long)result.dropped, (unsigned long long)result.left,
               (unsigned long long)result.events, (unsigned long long)book_hash(b));
    const uint64_t hash = book_hash(b);
    if (sum)
        count(sum, book_counted(b));
    source_free(s.setup.requests);
    device_model_free(s.setup.device);
    book_free(b);
    sim_result_deinit(&result);
    scene_free(&s);
    return hash;
}

static uint64_t world_count = WORLDS, first_seed; /* of the command line */

static void nothing_is_lost(void **state)
{
    (void)state;
    book_counts sum = {0};
    for (uint64_t i = 0; i < world_count; i++)
        play(first_seed + i, &sum, false);
    /* The worlds must have tried what they are for. */
    if (world_count >= 500) {
        assert_true(sum.served > 40 * world_count);
        assert_true(sum.late > world_count / 2 && sum.refused > world_count / 2);
        assert_true(sum.failed_runs > world_count / 4);
        assert_true(sum.batches > world_count && sum.background > world_count);
    }
}

static void the_same_seed_gives_the_same_events(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + 100; seed++)
        assert_int_equal(play(seed, NULL, false), play(seed, NULL, false));
    assert_int_not_equal(play(0, NULL, false), play(SCENE_POLICIES, NULL, false));
}

static uint64_t number(const char *text)
{
    char *end;
    const uint64_t value = strtoull(text, &end, 10);
    if (*end || end == text) {
        fprintf(stderr, "sim_worlds: '%s' is not a number\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    signal(SIGABRT, say_replay);
    if (getenv("SIM_WORLDS"))
        world_count = number(getenv("SIM_WORLDS"));
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
            play(number(argv[i + 1]), NULL, true);
            return 0;
        }
        if (i + 1 < argc && strcmp(argv[i], "--worlds") == 0) {
            world_count = number(argv[i + 1]);
        } else if (i + 1 < argc && strcmp(argv[i], "--from") == 0) {
            first_seed = number(argv[i + 1]);
        } else {
            fprintf(stderr, "usage: sim_worlds [--seed S | --worlds N --from S]\n");
            return 2;
        }
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost),
        cmocka_unit_test(the_same_seed_gives_the_same_events),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed)
        say_replay(0);
    return failed;
}
